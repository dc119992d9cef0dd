"""Decisions about how the rows for a model are put into batches."""

import pytest

from harness.registry_samples import a_model
from skysail_management.batching import BatchingAmendment, amend_batching
from skysail_management.errors import InvalidError, NotFoundError
from skysail_management.records import Entry, Model, Snapshot


def holding(model: Model) -> Snapshot:
    return Snapshot("r", 1).with_entries([Entry.put(model)], 1)


@pytest.mark.parametrize(
    ("before", "amendment", "expected"),
    [
        (a_model(), BatchingAmendment("aimd"), a_model(batch_policy="aimd")),
        (a_model(), BatchingAmendment("fixed", 4_096), a_model(batch_policy="fixed", max_batch_rows=4_096)),
        (a_model(), BatchingAmendment(max_batch_rows=1), a_model(max_batch_rows=1)),
        (a_model(max_batch_rows=8), BatchingAmendment("fixed"), a_model(batch_policy="fixed", max_batch_rows=8)),
        (a_model(max_batch_rows=8), BatchingAmendment(max_batch_rows=None), a_model()),
        (
            a_model(batch_policy="fixed", max_batch_rows=8),
            BatchingAmendment("deadline", None, 1_000_000),
            a_model(batch_delay_micros=1_000_000),
        ),
        (a_model(batch_delay_micros=5), BatchingAmendment(batch_delay_micros=0), a_model()),
    ],
)
def test_batching_is_changed_by_what_is_given_and_nothing_else(
    before: Model, amendment: BatchingAmendment, expected: Model
) -> None:
    (entry,) = amend_batching(holding(before), "m", amendment)
    assert entry.record == expected


@pytest.mark.parametrize("amendment", [BatchingAmendment(), BatchingAmendment("fixed", 8, 5)])
def test_batching_that_is_so_already_writes_nothing(amendment: BatchingAmendment) -> None:
    before = a_model(batch_policy="fixed", max_batch_rows=8, batch_delay_micros=5)
    assert amend_batching(holding(before), "m", amendment) == []


@pytest.mark.parametrize(
    ("before", "amendment", "text"),
    [
        (a_model(), BatchingAmendment(max_batch_rows=0), "max_batch_rows: expected 1 to 4096, got 0"),
        (a_model(), BatchingAmendment(max_batch_rows=4_097), "max_batch_rows: expected 1 to 4096, got 4097"),
        (a_model(), BatchingAmendment("fixed"), "max_batch_rows: expected 1 to 4096, which batch_policy 'fixed' needs"),
        (
            a_model(batch_policy="fixed", max_batch_rows=8),
            BatchingAmendment(max_batch_rows=None),
            "max_batch_rows: expected 1 to 4096, which batch_policy 'fixed' needs, got none",
        ),
        (a_model(), BatchingAmendment(batch_delay_micros=-1), "batch_delay_micros: expected 0 to 1000000, got -1"),
        (a_model(), BatchingAmendment(batch_delay_micros=1_000_001), "batch_delay_micros: expected 0 to 1000000, got"),
    ],
)
def test_batching_that_cannot_be_is_named_by_its_field(before: Model, amendment: BatchingAmendment, text: str) -> None:
    with pytest.raises(InvalidError) as caught:
        amend_batching(holding(before), "m", amendment)
    assert caught.value.message.startswith(text)
    assert caught.value.field == text.partition(":")[0]


def test_the_batching_of_a_model_that_does_not_exist_cannot_be_changed() -> None:
    with pytest.raises(NotFoundError, match="No model with name 'x' exists"):
        amend_batching(holding(a_model()), "x", BatchingAmendment("aimd"))
