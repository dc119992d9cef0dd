"""Keeps the catalog in step with the registry; goes on serving the last known copy while Redis is away."""

import asyncio
import logging
from contextlib import aclosing

from skysail_frontend.catalog import Catalog
from skysail_frontend.metrics import Value
from skysail_frontend.query_ids import QueryIds
from skysail_management.store import Change, Lost, Registry, RegistryUnavailableError, Snapshot

__all__ = ["RegistryWatch"]

logger = logging.getLogger(__name__)

LEASE_RETRY_S = 0.5


class RegistryWatch:
    """Follows the registry. ``has_copy`` turns True with the first snapshot and stays so; ``has_tried`` is set as soon
    as that is there or cannot be had for now."""

    def __init__(self, registry: Registry, catalog: Catalog, query_ids: QueryIds, connected: Value) -> None:
        self._registry = registry
        self._catalog = catalog
        self._query_ids = query_ids
        self._connected = connected
        self.has_copy = False
        self.has_tried = asyncio.Event()
        self.lost_reason = "the registry has not been read yet"

    async def run(self) -> None:
        """Applies what happens, until cancelled."""
        await self._lease_first_query_ids()
        async with aclosing(self._registry.follow()) as events:
            async for event in events:
                await self._apply(event)

    async def lease_query_ids(self) -> bool:
        """Begins a new block of query ids. False: Redis is away, and the old block goes on."""
        try:
            self._query_ids.begin_block(await self._registry.lease_query_ids())
        except RegistryUnavailableError as error:
            if not self.has_copy:
                self._is_connected(str(error))
            logger.warning("Redis leases no query ids, trying again: %s", error)
            return False
        return True

    async def _lease_first_query_ids(self) -> None:
        while True:
            if await self.lease_query_ids():
                return
            await asyncio.sleep(LEASE_RETRY_S)

    async def _apply(self, event: Snapshot | Change | Lost) -> None:
        match event:
            case Snapshot():
                await self._catalog.adopt(event)
                self._is_connected("")
                logger.info("serving revision %d of registry %s", event.revision, event.registry_id)
            case Change() if self._catalog.snapshot is not None:
                await self._catalog.adopt(self._catalog.snapshot.with_entries(event.entries, event.revision))
            case Lost(reason):
                self._is_connected(reason)
                logger.warning("the registry is out of sight, serving the last known copy: %s", reason)

    def _is_connected(self, lost_reason: str) -> None:
        self.lost_reason = lost_reason
        self.has_copy = self.has_copy or not lost_reason
        self._connected.set(0.0 if lost_reason else 1.0)
        self.has_tried.set()
