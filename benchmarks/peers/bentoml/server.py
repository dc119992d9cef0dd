"""Starts BentoML's own server on `service.py`."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.peers.assignment import become, port

if __name__ == "__main__":
    command = [str(Path(sys.executable).parent / "bentoml"), "serve", "benchmarks.peers.bentoml.service:Service"]
    command += ["--host", "127.0.0.1", "--port", str(port())]
    become(command)
