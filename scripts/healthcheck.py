"""Exit code 0 when the process at an address is healthy, 1 with one line on stderr when it is not.

Runs inside the images, which carry no curl: `healthcheck.py http://127.0.0.1:1338/readyz` (200 is healthy;
SKYSAIL_TOKEN is sent as bearer token when it is set) or `healthcheck.py tcp:127.0.0.1:7000` and
`healthcheck.py unix:/path` for a model container, which has to answer HEALTH with "ok" over RPC.
"""

import http.client
import os
import socket
import sys
import urllib.parse

TIMEOUT_S = 4.0
"""Below the five seconds after which engines and kubelets end a probe, so that the line on stderr is ours."""


class UnhealthyError(Exception):
    """The process answered, but not that it is well."""


def check_http(url: str, token: str | None) -> None:
    """Ask for `url` and expect 200.

    :raises OSError: nobody answers there in time.
    :raises UnhealthyError: another status came.
    """
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_S)
    try:
        connection.request("GET", parts.path or "/", headers={"Authorization": f"Bearer {token}"} if token else {})
        status = connection.getresponse().status
    finally:
        connection.close()
    if status != http.HTTPStatus.OK:
        raise UnhealthyError(f"{url} answered {status}")


def connect(address: str) -> socket.socket:
    """Connect to `tcp:HOST:PORT` or `unix:/path`.

    :raises OSError: nobody listens there.
    """
    scheme, _, place = address.partition(":")
    if scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT_S)
        connection.connect(place)
        return connection
    host, _, port = place.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=TIMEOUT_S)


def check_container(address: str) -> None:
    """Greet the model container at `address` and ask for its health over RPC.

    :raises OSError: nobody answers there in time.
    :raises UnhealthyError: it hangs up, or says anything but "ok".
    """
    from skysail_container import (
        wire,
    )  # only here: the frontend's and management's checks need the standard library alone

    with connect(address) as connection:
        connection.sendall(wire.encode(wire.Hello(wire.PROTOCOL_VERSION, "healthcheck")) + wire.encode(wire.Health(1)))
        decoder = wire.FrameDecoder()
        try:
            while data := connection.recv(65536):
                for message in map(wire.decode_from_container, decoder.feed(data)):
                    if isinstance(message, wire.HealthReply):
                        return expect_ok(address, message.state)
        except wire.WireError as error:
            raise UnhealthyError(f"{address} does not speak the wire protocol: {error}") from error
    raise UnhealthyError(f"{address} hung up")


def expect_ok(address: str, state: str) -> None:
    """:raises UnhealthyError: a container that drains takes no more batches."""
    if state != "ok":
        raise UnhealthyError(f"{address} says {state}")


def main() -> int:
    target = sys.argv[1]
    try:
        if target.startswith("http://"):
            check_http(target, os.environ.get("SKYSAIL_TOKEN"))
        else:
            check_container(target)
    except (OSError, http.client.HTTPException, UnhealthyError) as error:
        print(f"unhealthy: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
