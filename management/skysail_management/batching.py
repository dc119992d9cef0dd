"""Decisions about how the rows for a model are put into batches: a wish in, what to write out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from skysail_management.errors import InvalidError, NotFoundError
from skysail_management.inputs import checked_batch_delay_micros, checked_max_batch_rows
from skysail_management.records import MAX_BATCH_ROWS, BatchPolicy, Entry, Model, Snapshot

__all__ = ["BatchingAmendment", "amend_batching", "amended"]


@dataclass(frozen=True, slots=True)
class BatchingAmendment:
    """What to change of a model's batching; what is UNSET stays. `max_batch_rows` None takes the cap away."""

    batch_policy: BatchPolicy | UnsetType = UNSET
    max_batch_rows: int | UnsetType | None = UNSET
    batch_delay_micros: int | UnsetType = UNSET


def amend_batching(snapshot: Snapshot, name: str, amendment: BatchingAmendment) -> Sequence[Entry]:
    """Change the batching of all versions of a model.

    :raises NotFoundError: no such model.
    :raises InvalidError: a number out of range, or `fixed` without its `max_batch_rows`.
    """
    model = snapshot.models.get(name)
    if model is None:
        raise NotFoundError(f"No model with name '{name}' exists.", field="name")
    changed = amended(model, amendment)
    return [] if changed == model else [Entry.put(changed)]


def amended(model: Model, amendment: BatchingAmendment) -> Model:
    """The model after the amendment.

    :raises InvalidError: a number out of range, or `fixed` without its `max_batch_rows`.
    """
    policy = model.batch_policy if amendment.batch_policy is UNSET else amendment.batch_policy
    max_rows = model.max_batch_rows if amendment.max_batch_rows is UNSET else amendment.max_batch_rows
    changes: dict[str, Any] = {"batch_policy": policy, "max_batch_rows": checked_max_batch_rows(max_rows)}
    if policy == "fixed" and max_rows is None:
        raise InvalidError(
            f"max_batch_rows: expected 1 to {MAX_BATCH_ROWS}, which batch_policy 'fixed' needs, got none",
            field="max_batch_rows",
        )
    if amendment.batch_delay_micros is not UNSET:
        changes["batch_delay_micros"] = checked_batch_delay_micros(amendment.batch_delay_micros)
    return msgspec.structs.replace(model, **changes)
