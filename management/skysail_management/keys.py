"""Every key and channel of the registry in Redis."""

__all__ = [
    "OUTCOME_WINDOWS",
    "QUERY_ID_BLOCK",
    "RECORDS",
    "REGISTRY_ID",
    "REVISION",
    "change_channel",
    "outcome_window",
    "prediction_ring",
]

from skysail_management.records import EntryKind

PREFIX = "skysail:"

REGISTRY_ID = f"{PREFIX}registry_id"
"""String: made once, when management first meets this Redis. Tells a wiped Redis from an emptied registry."""

REVISION = f"{PREFIX}revision"
"""Integer: incremented by every transaction."""

RECORDS: dict[EntryKind, str] = {
    "application": f"{PREFIX}applications",
    "model": f"{PREFIX}models",
    "version": f"{PREFIX}versions",
    "replica": f"{PREFIX}replicas",
}
"""Hashes: record key -> record as JSON."""

QUERY_ID_BLOCK = f"{PREFIX}query_id_block"
"""Integer: the last block of query ids given to a frontend worker."""

OUTCOME_WINDOWS = f"{PREFIX}outcome_windows"
"""Set of the outcome windows that exist, each as `application:model:version:kind`."""


def change_channel(database: int) -> str:
    """The channel of changes. Channels span all databases of a Redis, so the number is part of the name."""
    return f"{PREFIX}changes:{database}"


def prediction_ring(application: str) -> str:
    """Hash of slots: query id modulo the number of slots -> msgpack of a PredictionRecord."""
    return f"{PREFIX}predictions:{application}"


def outcome_window(window: str) -> str:
    """List of the newest outcomes of `application:model:version:kind`, newest first."""
    return f"{PREFIX}outcomes:{window}"
