"""Decisions about models and versions."""

from typing import Any

import pytest

from harness.registry_samples import NOON, a_model, a_replica, a_version, an_application
from skysail_management.batching import BatchingAmendment
from skysail_management.errors import ConflictError, IncompatibleError, InUseError, InvalidError, NotFoundError
from skysail_management.models import (
    NewVersion,
    add_version,
    delete_model,
    delete_version,
    set_current_version,
    set_n_replicas,
)
from skysail_management.records import Entry, InputType, Link, Model, Record, Snapshot, Version


def holding(*records: Record) -> Snapshot:
    return Snapshot("r", 1).with_entries([Entry.put(record) for record in records], 1)


def after(snapshot: Snapshot, entries: Any) -> Snapshot:
    return snapshot.with_entries(entries, 2)


def add(snapshot: Snapshot, model: str = "m", version: str = "1", **facts: Any) -> Snapshot:
    new = NewVersion(model, version, **({"input_type": "doubles"} | facts))
    return after(snapshot, add_version(snapshot, new, NOON))


def test_the_first_version_registers_the_model_and_waits_for_its_first_ready_replica() -> None:
    snapshot = add(holding(), labels=["a"])
    assert snapshot.models["m"] == a_model(next_version="1")
    assert snapshot.versions["m", "1"] == a_version(labels=("a",))


def test_a_later_version_waits_for_its_first_ready_replica() -> None:
    snapshot = add(holding(a_model(current_version="1"), a_version()), version="2")
    assert snapshot.models["m"] == a_model(current_version="1", next_version="2")


def test_a_first_version_without_replicas_is_current_at_once_and_a_later_one_is_nothing() -> None:
    snapshot = add(add(holding(), n_replicas=0), version="2", n_replicas=0)
    assert snapshot.models["m"] == a_model(current_version="1")
    assert snapshot.versions["m", "2"].state == "stopped"
    waiting = add(add(holding()), version="2", n_replicas=0)
    assert waiting.models["m"] == a_model(next_version="1")


def test_a_version_may_be_made_current_at_once() -> None:
    snapshot = add(add(add(holding()), version="2"), version="3", at_once=True)
    assert snapshot.models["m"] == a_model(current_version="3")


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"model": "m:1"}, "model"),
        ({"version": "a,b"}, "version"),
        ({"input_type": "x"}, "input_type"),
        ({"n_replicas": -1}, "n_replicas"),
        ({"n_replicas": 100_000}, "n_replicas"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": -2}, "batch_size"),
        ({"labels": ["x" * 300]}, "labels"),
        ({"labels": ["a"] * 65}, "labels"),
        ({"labels": ["a\n"]}, "labels"),
        ({"container_image": "x" * 5000}, "container_image"),
        ({"model_data_path": "\x00"}, "model_data_path"),
        ({"batching": BatchingAmendment("fixed")}, "max_batch_rows"),
    ],
)
def test_what_a_version_may_not_be_is_named_by_its_field(facts: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        add(holding(), **facts)
    assert caught.value.field == field


def test_names_with_clippers_separators_get_clippers_text() -> None:
    with pytest.raises(InvalidError, match=r"^Invalid model name supplied: a:b\. Contains one of: ',', ':'$"):
        add(holding(), model="a:b")


def test_versions_are_immutable() -> None:
    with pytest.raises(ConflictError, match="model with name 'm' and version '1' already exists"):
        add(add(holding()))


def test_all_versions_of_a_model_take_one_input_type() -> None:
    with pytest.raises(IncompatibleError, match="incompatible input_type 'strings'"):
        add(add(holding()), version="2", input_type="str")


def test_rolling_back_to_a_version_that_answers_is_at_once() -> None:
    snapshot = holding(
        a_model(current_version="2", next_version="3"),
        *(a_version(version=version) for version in "123"),
        a_replica(version="1"),
        a_replica(version="2"),
    )
    changed = after(snapshot, set_current_version(snapshot, "m", "1", at_once=False))
    assert changed.models["m"] == a_model(current_version="1")


def test_rolling_back_to_a_stopped_version_starts_it_and_waits_for_it() -> None:
    snapshot = holding(
        a_model(current_version="2"),
        a_version(version="1", n_replicas=0, state="stopped", artifact="0" * 64),
        a_version(version="2"),
        a_replica(version="2"),
    )
    changed = after(snapshot, set_current_version(snapshot, "m", "1", at_once=False))
    assert changed.models["m"] == a_model(current_version="2", next_version="1")
    assert changed.versions["m", "1"] == a_version(n_replicas=1, artifact="0" * 64)


def test_a_version_that_does_not_answer_is_waited_for_even_if_the_current_one_does_not_either() -> None:
    snapshot = holding(
        a_model(current_version="2"), a_version(), a_version(version="2"), a_replica(version="2", state="backoff")
    )
    changed = after(snapshot, set_current_version(snapshot, "m", "1", at_once=False))
    assert changed.models["m"] == a_model(current_version="2", next_version="1")


def test_a_version_whose_containers_others_run_is_waited_for_by_nobody() -> None:
    snapshot = holding(a_model(current_version="2"), a_version(n_replicas=0, state="stopped"), a_version(version="2"))
    changed = after(snapshot, set_current_version(snapshot, "m", "1", at_once=False))
    assert changed.models["m"] == a_model(current_version="1")


def test_a_failed_version_that_is_wanted_as_the_current_one_is_tried_again() -> None:
    snapshot = holding(a_model(), a_version(state="failed", reason="broken", n_replicas=2))
    changed = after(snapshot, set_current_version(snapshot, "m", "1", at_once=False))
    assert changed.models["m"] == a_model(next_version="1")
    assert changed.versions["m", "1"] == a_version(n_replicas=2)


def test_a_version_that_does_not_exist_cannot_be_current() -> None:
    with pytest.raises(NotFoundError, match="Cannot set non-existent version '9' for model with name 'm'"):
        set_current_version(holding(a_model(), a_version()), "m", "9", at_once=False)


def test_setting_the_current_version_again_writes_nothing() -> None:
    snapshot = holding(a_model(current_version="1"), a_version())
    assert set_current_version(snapshot, "m", "1", at_once=False) == []


@pytest.mark.parametrize(
    ("before", "n_replicas", "expected"),
    [
        (a_version(state="ready"), 3, a_version(state="ready", n_replicas=3)),
        (a_version(state="ready", reason="x"), 0, a_version(state="stopped", n_replicas=0)),
        (a_version(state="stopped", n_replicas=0), 2, a_version(state="starting", n_replicas=2)),
        (a_version(state="failed", reason="x"), 2, a_version(state="starting", n_replicas=2)),
    ],
)
def test_scaling_changes_the_wish(before: Version, n_replicas: int, expected: Version) -> None:
    snapshot = holding(a_model(), before)
    assert after(snapshot, set_n_replicas(snapshot, "m", "1", n_replicas)).versions["m", "1"] == expected


def test_the_current_version_of_a_linked_model_is_deleted_only_by_force() -> None:
    snapshot = holding(
        an_application(links=(Link("m"),)),
        a_model(current_version="1", next_version="2"),
        a_version(),
        a_version(version="2"),
        a_replica(),
        a_replica(version="2"),
    )
    with pytest.raises(InUseError, match="linked to 'app'"):
        delete_version(snapshot, "m", "1", force=False)
    forced = after(snapshot, delete_version(snapshot, "m", "1", force=True))
    assert forced.models["m"] == a_model(next_version="2")
    assert (list(forced.versions), list(forced.replicas)) == ([("m", "2")], [("m", "2", 0)])
    other = after(snapshot, delete_version(snapshot, "m", "2", force=False))
    assert other.models["m"] == a_model(current_version="1")


def test_a_model_goes_with_its_last_version_unless_it_is_linked() -> None:
    alone = holding(a_model(current_version="1"), a_version())
    assert after(alone, delete_version(alone, "m", "1", force=False)).models == {}
    linked = holding(an_application(links=(Link("m"),)), a_model(current_version="1"), a_version())
    assert after(linked, delete_version(linked, "m", "1", force=True)).models == {"m": a_model()}


def test_a_fallback_is_deleted_only_by_force() -> None:
    snapshot = holding(
        an_application("a", links=(Link("other"),), fallback_model="m"),
        an_application("b", links=(Link("m"),)),
        an_application("c", fallback_model="m"),
        *(record for name in ("m", "other") for record in (a_model(name, current_version="1"), a_version(name))),
    )
    uses = "linked to 'b' and the fallback of 'a', 'c'"
    with pytest.raises(InUseError, match=f"Model 'm' is {uses}"):
        delete_model(snapshot, "m", force=False)
    with pytest.raises(InUseError, match=f"current version of model 'm', which is {uses}"):
        delete_version(snapshot, "m", "1", force=False)
    changed = after(snapshot, delete_model(snapshot, "m", force=True))
    assert changed.applications == {
        "a": an_application("a", links=(Link("other"),)),
        "b": an_application("b"),
        "c": an_application("c"),
    }


def test_a_model_that_is_a_fallback_outlives_its_last_version() -> None:
    snapshot = holding(an_application(fallback_model="m"), a_model(current_version="1"), a_version())
    with pytest.raises(InUseError, match="which is the fallback of 'app'"):
        delete_version(snapshot, "m", "1", force=False)
    assert after(snapshot, delete_version(snapshot, "m", "1", force=True)).models == {"m": a_model()}


def test_the_batching_given_with_a_version_is_the_models() -> None:
    snapshot = add(holding(), batching=BatchingAmendment("aimd", 64, 500))
    batching: dict[str, Any] = {"batch_policy": "aimd", "max_batch_rows": 64, "batch_delay_micros": 500}
    assert snapshot.models["m"] == a_model(next_version="1", **batching)
    snapshot = add(snapshot, version="2", n_replicas=0)
    assert snapshot.models["m"] == a_model(next_version="1", **batching)


def test_deleting_a_model_deletes_all_of_it_and_nothing_else() -> None:
    snapshot = holding(
        an_application("a", links=(Link("m"), Link("other"))),
        an_application("b"),
        *(model for name in ("m", "other") for model in (a_model(name), a_version(name), a_replica(name))),
        a_version(version="2"),
    )
    with pytest.raises(InUseError, match="Model 'm' is linked to 'a'"):
        delete_model(snapshot, "m", force=False)
    changed = after(snapshot, delete_model(snapshot, "m", force=True))
    assert changed.applications["a"].links == (Link("other"),)
    assert (list(changed.models), list(changed.versions), list(changed.replicas)) == (
        ["other"],
        [("other", "1")],
        [("other", "1", 0)],
    )


def test_what_does_not_exist_cannot_be_deleted_or_scaled() -> None:
    with pytest.raises(NotFoundError, match="No model with name 'x' exists"):
        delete_model(holding(), "x", force=True)
    with pytest.raises(NotFoundError, match="Model with name 'm' and version '9' does not exist"):
        delete_version(holding(a_model()), "m", "9", force=True)
    with pytest.raises(NotFoundError, match="Model with name 'm' and version '9' does not exist"):
        set_n_replicas(holding(a_model()), "m", "9", 1)


def test_a_model_record_keeps_its_input_type() -> None:
    snapshot = add(holding(), input_type="record")
    assert snapshot.models["m"] == Model(name="m", input_type=InputType.JSON, next_version="1", created_at=NOON)
