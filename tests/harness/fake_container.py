"""A container that speaks no protocol, for tests of what starts and stops containers.

The first line of the model's `model.py` says how it behaves: `# listen`, `# crash`, `# hang` (never listens),
`# stubborn` (listens and ignores SIGTERM) or `# detach` (listens, and its log tells of two more processes: one that it
forked, and one in a session of its own whose parent is gone). Run by path; imports nothing slow.
"""

import os
import signal
import socket
import sys
from pathlib import Path

__all__ = ["FAKE_CONTAINER_COMMAND"]

FAKE_CONTAINER_COMMAND = (sys.executable, "-I", "-S", str(Path(__file__)))


def main() -> None:
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    behaviour = (Path(options["--model"]) / "model.py").read_text().split("\n")[0]
    sys.stderr.write(f"fake container of {options['--name']}:{options['--version']} {behaviour}\n")
    sys.stderr.flush()
    if behaviour == "# crash":
        sys.exit(7)
    if behaviour == "# detach":
        detach()
    signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour == "# stubborn" else lambda *_: sys.exit(0))
    if behaviour == "# hang":
        signal.pause()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(options["--listen"].removeprefix("unix:"))
        listener.listen()
        while True:
            listener.accept()[0].close()


def detach() -> None:
    if os.fork() == 0:
        stay("child")
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            stay("daemon")
        os._exit(0)
    os.wait()


def stay(name: str) -> None:
    sys.stderr.write(f"{name} {os.getpid()}\n")
    sys.stderr.flush()
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
