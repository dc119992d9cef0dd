"""Keeps one connection to one replica open for as long as the registry lists the replica."""

import asyncio
import logging
from collections.abc import Callable

from skysail_container.wire import Refused, Result, Welcome
from skysail_frontend.replica_connection import ReplicaConnection
from skysail_frontend.task_ending import end_tasks

__all__ = ["LinkEvents", "ReplicaLink"]

logger = logging.getLogger(__name__)

FIRST_RETRY_S, LAST_RETRY_S = 0.05, 1.0
"""A container that was restarted listens again within a second or two; dialling it costs next to nothing."""
CONNECT_TIMEOUT_S = 5.0
"""For the connection and for the container's hello."""


class LinkEvents:
    """What the owner of a link hears; the int is the replica's key. Subclass and override all five."""

    def replica_up(self, replica: int, connection: ReplicaConnection) -> None:
        raise NotImplementedError

    def replica_down(self, replica: int, reason: str) -> None:
        raise NotImplementedError

    def replica_unreachable(self, replica: int) -> None:
        """The first attempt to reach it failed; others follow."""
        raise NotImplementedError

    def batch_result(self, replica: int, result: Result) -> None:
        raise NotImplementedError

    def batch_refused(self, replica: int, refused: Refused) -> None:
        raise NotImplementedError


class ReplicaLink:
    """Dials `address` (``unix:/path`` or ``tcp:host:port``), checks what answers, dials again when it is lost.

    Invariant: the owner hears `replica_up` and `replica_down` in turn, `replica_up` first, `replica_unreachable` at
    most once before them; from the call of `close` on nothing.
    """

    def __init__(
        self, replica: int, address: str, model: str, version: str, owner: LinkEvents, client_name: str
    ) -> None:
        self.address = address
        self._replica = replica
        self._model = model
        self._version = version
        self._owner = owner
        self._client_name = client_name
        self._connection: ReplicaConnection | None = None
        self._is_new = True
        self._is_up = False
        self._is_closed = False
        self._retry_s = FIRST_RETRY_S
        self._lost = asyncio.Event()
        self._last_reason = ""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"link {model}:{version}:{replica}")

    async def close(self) -> None:
        """Closes the connection and waits until the link's task has ended."""
        self._is_closed = True
        await end_tasks([self._task])
        if self._connection is not None:
            self._connection.close("the replica is no longer listed")

    def welcomed(self, connection: ReplicaConnection, welcome: Welcome) -> None:
        if self._is_closed:
            return
        if (welcome.model, welcome.version) != (self._model, self._version):
            connection.close(f"the container serves {welcome.model}:{welcome.version}")
            return
        self._retry_s = FIRST_RETRY_S
        self._last_reason = ""
        self._is_new = False
        self._is_up = True
        logger.info("replica %s:%s:%d is connected", self._model, self._version, self._replica)
        self._owner.replica_up(self._replica, connection)

    def result(self, connection: ReplicaConnection, result: Result) -> None:
        if not self._is_closed:
            self._owner.batch_result(self._replica, result)

    def refused(self, connection: ReplicaConnection, refused: Refused) -> None:
        if not self._is_closed:
            self._owner.batch_refused(self._replica, refused)

    def lost(self, connection: ReplicaConnection, reason: str) -> None:
        self._connection = None
        self._lost.set()
        if self._is_closed:
            return
        if self._is_up:
            self._is_up = False
            self._owner.replica_down(self._replica, reason)
        self._failed(reason)

    async def _run(self) -> None:
        while True:
            self._lost.clear()
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    self._connection = await self._dial()
            except (OSError, TimeoutError, ValueError) as error:
                self._failed(str(error) or "it did not answer in time")
            else:
                await self._watch(self._connection)
            await asyncio.sleep(self._retry_s)
            self._retry_s = min(LAST_RETRY_S, 2 * self._retry_s)

    async def _watch(self, connection: ReplicaConnection) -> None:
        """Waits until the connection is lost; ends one that is not welcomed in time."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):  # Python 3.11's wait_for can swallow a cancellation
                await self._lost.wait()
        except TimeoutError:
            if not self._is_up:
                connection.close("the container did not say hello in time")
            await self._lost.wait()

    async def _dial(self) -> ReplicaConnection:
        loop = asyncio.get_running_loop()
        make: Callable[[], ReplicaConnection] = lambda: ReplicaConnection(self, self._client_name)  # noqa: E731
        scheme, _, rest = self.address.partition(":")
        if scheme == "unix":
            return (await loop.create_unix_connection(make, rest))[1]
        host, _, port = rest.rpartition(":")
        if scheme != "tcp" or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"{self.address!r} is not an address: unix:/path or tcp:host:port was expected")
        return (await loop.create_connection(make, host, int(port)))[1]

    def _failed(self, reason: str) -> None:
        """Tells the owner that the replica is not reached at once; logs why, once per reason and outage."""
        if self._is_new:
            self._is_new = False
            self._owner.replica_unreachable(self._replica)
        if reason != self._last_reason:
            self._last_reason = reason
            logger.warning("replica %s:%s:%d is away: %s", self._model, self._version, self._replica, reason)
