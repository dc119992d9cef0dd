"""Puts served predictions on record, so that feedback can be joined with them; bounded, off the queries' way."""

import asyncio
import logging
from collections.abc import Sequence

from skysail_frontend.metrics import Value
from skysail_frontend.query import Query
from skysail_management.store import PredictionRecord, Registry, RegistryUnavailableError

__all__ = ["PredictionRecorder"]

logger = logging.getLogger(__name__)

FLUSH_INTERVAL_S = 0.2


class PredictionRecorder:
    """Collects predictions and writes them to Redis a few times a second.

    Invariant: at most `max_per_flush` predictions wait; what comes beyond is counted as unrecorded and forgotten, so
    that neither a busy application nor a slow Redis costs a query anything.
    """

    def __init__(self, registry: Registry, max_per_flush: int, unrecorded: Value) -> None:
        self._registry = registry
        self._max_per_flush = max_per_flush
        self._unrecorded = unrecorded
        self._waiting: dict[str, list[PredictionRecord]] = {}
        self._n_waiting = 0

    def record(self, model: str, version: str, queries: Sequence[Query], outputs: Sequence[bytes | None]) -> None:
        """Takes the predictions of a batch that are about to be answered; queries done already are left out."""
        n_left_out = max(0, self._n_waiting + len(queries) - self._max_per_flush)
        n_taken = len(queries) - n_left_out
        if n_left_out:
            self._unrecorded.add(n_left_out)
        for query, output in zip(queries[:n_taken], outputs, strict=False):
            if output is not None and not query.is_done:
                record = PredictionRecord(query.query_id, model, version, output, is_default=False)
                self._waiting.setdefault(query.owner.name, []).append(record)
                self._n_waiting += 1

    async def run(self) -> None:
        """Writes what has come, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_INTERVAL_S)
            await self.flush()

    async def flush(self) -> None:
        """Writes what waits. What Redis does not take is counted as unrecorded."""
        waiting, self._waiting = self._waiting, {}
        self._n_waiting = 0
        for app, records in waiting.items():
            try:
                await self._registry.record_predictions(app, records)
            except RegistryUnavailableError as error:
                self._unrecorded.add(len(records))
                logger.debug("predictions of %s were not put on record: %s", app, error)
