"""A program that stands for a part of the stack: answers /readyz and /healthz, watches its lifeline, can misbehave.

Run as a script; the standard library alone, so that it starts at once.
"""

import argparse
import os
import signal
import socket
import sys
import threading

ANSWER = b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def watch_lifeline(fd: int) -> None:
    os.read(fd, 1)
    os._exit(0)


def serve(listening: socket.socket, status: bytes) -> None:
    while True:
        connection, _ = listening.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(ANSWER % status)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--lifeline-fd", type=int)
    parser.add_argument("--exit-with", type=int)
    parser.add_argument("--never-ready", action="store_true")
    parser.add_argument("--ignore-term", action="store_true")
    arguments = parser.parse_args()
    if arguments.exit_with is not None:
        sys.stderr.write("the fake part's last words\n")
        sys.exit(arguments.exit_with)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if arguments.ignore_term else signal.SIG_DFL)
    if arguments.lifeline_fd is not None:
        threading.Thread(target=watch_lifeline, args=(arguments.lifeline_fd,), daemon=True).start()
    with socket.create_server(("127.0.0.1", arguments.port)) as listening:
        serve(listening, b"503 Not Ready" if arguments.never_ready else b"200 OK")


if __name__ == "__main__":
    main()
