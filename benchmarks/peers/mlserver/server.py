"""Writes MLServer's settings and starts it.

`parallel_workers: 0` computes in the server's own process: the pool of 1.7.1 does not start with uvloop 0.23.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.peers.assignment import become, folder, model_name, port, spare_ports

MAX_BATCH_TIME_S = 0.002


def _settings() -> dict[str, object]:
    ports = {"http_port": port(), "grpc_port": spare_ports()[0]}
    off = {"debug": False, "metrics_endpoint": None, "gzip_enabled": False}
    return {"host": "127.0.0.1", **ports, **off, "parallel_workers": 0}


def _model_settings() -> dict[str, object]:
    implementation = "benchmarks.peers.mlserver.runtime.Runtime"
    batching = {"max_batch_size": 64, "max_batch_time": MAX_BATCH_TIME_S}
    return {"name": model_name(), "implementation": implementation, **batching}


if __name__ == "__main__":
    (folder() / "settings.json").write_text(json.dumps(_settings()))
    (folder() / "model-settings.json").write_text(json.dumps(_model_settings()))
    command = [str(Path(sys.executable).parent / "mlserver"), "start", str(folder())]
    become(command)
