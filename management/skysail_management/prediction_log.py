"""What feedback needs of past predictions, in Redis: a ring of predictions per application, and windows of outcomes.

Both are bounded: a ring holds RING_SLOTS predictions (a newer one takes the place of an older one), a window the newest
WINDOW_SIZE outcomes. Nothing is written for an application or a version that does not exist, so that a late frontend
cannot bring back what a delete removed.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from skysail_management import keys
from skysail_management.records import Entry, PredictionRecord

__all__ = ["MAX_OUTPUT_BYTES", "RING_SLOTS", "WINDOW_SIZE", "OutcomeKind", "OutcomeSummary", "PredictionLog"]

RING_SLOTS = 65_536
"""Predictions kept per application."""

MAX_OUTPUT_BYTES = 4_096
"""Predictions with a longer output are not kept, which bounds a ring to 256 MiB and, as outputs are, to a few MiB."""

WINDOW_SIZE = 1_000
"""Outcomes kept per application, model, version and kind."""

_CHUNK_ITEMS = 500
"""Predictions per script call: Lua's unpack takes some thousands of values."""

_FIVE_FIELDS = b"\x95"
"""How msgpack begins an array of five: a PredictionRecord. The query id follows."""

OutcomeKind = Literal["accuracy", "absolute_error"]

_RECORD = """
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 0 end
return redis.call('HSET', KEYS[1], unpack(ARGV, 2))
"""

_TAKE = """
local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value or string.sub(value, 1, #ARGV[2]) ~= ARGV[2] then return false end
redis.call('HDEL', KEYS[1], ARGV[1])
return value
"""

_OUTCOME = """
if redis.call('HEXISTS', KEYS[3], ARGV[1]) == 0 or redis.call('HEXISTS', KEYS[4], ARGV[2]) == 0 then return 0 end
redis.call('LPUSH', KEYS[1], ARGV[4])
redis.call('LTRIM', KEYS[1], 0, ARGV[5] - 1)
redis.call('SADD', KEYS[2], ARGV[3])
return 1
"""

_FORGET = """
for _, window in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local application, model, version = string.match(window, '^([^:]+):([^:]+):([^:]+):')
  if application == ARGV[1] or (model .. ':' .. version) == ARGV[2] then
    redis.call('DEL', ARGV[3] .. window)
    redis.call('SREM', KEYS[1], window)
  end
end
return 1
"""


class OutcomeSummary(NamedTuple):
    """The rolling mean of a window and the number of outcomes in it, per kind; None where there is none."""

    accuracy: float | None = None
    n_accuracy: int = 0
    absolute_error: float | None = None
    n_absolute_error: int = 0


class PredictionLog:
    """The rings and windows in one Redis. Methods raise redis' own errors; the registry translates them."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._record = redis.register_script(_RECORD)
        self._take = redis.register_script(_TAKE)
        self._outcome = redis.register_script(_OUTCOME)

    async def record(self, application: str, items: Sequence[PredictionRecord]) -> None:
        """Keep predictions until their feedback comes or newer ones take their place."""
        kept = [item for item in items if len(item.output_json) <= MAX_OUTPUT_BYTES]
        for start in range(0, len(kept), _CHUNK_ITEMS):
            arguments: list[Any] = [application]
            for item in kept[start : start + _CHUNK_ITEMS]:
                arguments += (item.query_id % RING_SLOTS, msgspec.msgpack.encode(item))
            await self._record(keys=[keys.prediction_ring(application), keys.RECORDS["application"]], args=arguments)

    async def take(self, application: str, query_id: int) -> PredictionRecord | None:
        """The prediction with this query id, removed: feedback for one prediction counts once."""
        beginning = _FIVE_FIELDS + msgspec.msgpack.encode(query_id)
        value = await self._take(keys=[keys.prediction_ring(application)], args=[query_id % RING_SLOTS, beginning])
        return msgspec.msgpack.decode(value, type=PredictionRecord) if value else None

    async def record_outcome(self, application: str, model: str, version: str, value: float, kind: OutcomeKind) -> None:
        """Add how right a prediction was to its window."""
        window = f"{application}:{model}:{version}:{kind}"
        await self._outcome(
            keys=[
                keys.outcome_window(window),
                keys.OUTCOME_WINDOWS,
                keys.RECORDS["application"],
                keys.RECORDS["version"],
            ],
            args=[application, f"{model}:{version}", window, repr(value), WINDOW_SIZE],
        )

    async def outcomes(self) -> dict[tuple[str, str, str], OutcomeSummary]:
        """The rolling quality of every (application, model, version) that has feedback."""
        windows = sorted(map(_text, await self._redis.smembers(keys.OUTCOME_WINDOWS)))
        async with self._redis.pipeline(transaction=False) as pipeline:
            for window in windows:
                pipeline.lrange(keys.outcome_window(window), 0, WINDOW_SIZE - 1)
            lists = await pipeline.execute()
        summaries: dict[tuple[str, str, str], OutcomeSummary] = {}
        for window, values in zip(windows, lists, strict=True):
            if values:
                application, model, version, kind = window.split(":")
                key = (application, model, version)
                summaries[key] = _with_window(summaries.get(key, OutcomeSummary()), kind, [float(v) for v in values])
        return summaries

    @staticmethod
    def queue_forget(pipeline: Pipeline, entries: Iterable[Entry]) -> None:
        """Queue in a transaction what must go with deleted applications and versions: their rings and windows."""
        prefix = keys.outcome_window("")
        for entry in entries:
            if entry.record is None and entry.kind == "application":
                pipeline.delete(keys.prediction_ring(entry.key))
                pipeline.eval(_FORGET, 1, keys.OUTCOME_WINDOWS, entry.key, "", prefix)
            elif entry.record is None and entry.kind == "version":
                pipeline.eval(_FORGET, 1, keys.OUTCOME_WINDOWS, "", entry.key, prefix)


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()


def _with_window(summary: OutcomeSummary, kind: str, values: list[float]) -> OutcomeSummary:
    mean, n_values = sum(values) / len(values), len(values)
    if kind == "accuracy":
        return summary._replace(accuracy=mean, n_accuracy=n_values)
    return summary._replace(absolute_error=mean, n_absolute_error=n_values)
