"""TCP ports that nobody uses right now."""

import socket

__all__ = ["free_port", "free_ports"]


def free_ports(n: int) -> list[int]:
    """Different ports, all free a moment ago."""
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    try:
        return [int(server.getsockname()[1]) for server in listening]
    finally:
        for server in listening:
            server.close()


def free_port() -> int:
    return free_ports(1)[0]
