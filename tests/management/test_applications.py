"""Decisions about applications and links."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.registry_samples import NOON, a_model, an_application
from skysail_management.applications import (
    NewApplication,
    NewLink,
    delete_application,
    link_models,
    register_application,
    unlink_models,
    update_application,
)
from skysail_management.errors import (
    ConflictError,
    IncompatibleError,
    InvalidError,
    ManagementError,
    NotFoundError,
    TooLargeError,
)
from skysail_management.records import Application, Entry, InputType, Link, Record, Snapshot


def holding(*records: Record) -> Snapshot:
    return Snapshot("r", 1).with_entries([Entry.put(record) for record in records], 1)


def new(**changes: Any) -> NewApplication:
    facts: dict[str, Any] = {
        "name": "app",
        "input_type": "doubles",
        "default_output": -1.0,
        "latency_slo_micros": 100_000,
    }
    return NewApplication(**(facts | changes))


def registered(**changes: Any) -> Application:
    (entry,) = register_application(holding(), new(**changes), NOON)
    assert isinstance(entry.record, Application)
    return entry.record


def test_an_application_is_registered_with_its_canonical_input_type() -> None:
    assert registered(input_type="d") == an_application()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "Upper"}, "name"),
        ({"name": ""}, "name"),
        ({"input_type": "complex"}, "input_type"),
        ({"latency_slo_micros": 0}, "latency_slo_ms"),
        ({"latency_slo_micros": -5}, "latency_slo_ms"),
        ({"latency_slo_micros": 3_600_000_001}, "latency_slo_ms"),
        ({"default_output": float("nan")}, "default_output"),
        ({"default_output": {"a": [1, float("inf")]}}, "default_output"),
        ({"default_output": "\ud800"}, "default_output"),
    ],
)
def test_what_an_application_may_not_be_is_named_by_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        registered(**changes)
    assert caught.value.field == field


def test_a_default_output_may_be_deep_but_not_without_end() -> None:
    deep: Any = 1
    for _ in range(60):
        deep = [deep]
    assert registered(default_output=deep).default_output == deep
    for _ in range(5_000):
        deep = {"a": deep}
    with pytest.raises(InvalidError, match="levels of nesting"):
        registered(default_output=deep)


def test_a_huge_default_output_is_refused() -> None:
    with pytest.raises(TooLargeError, match="default_output: expected at most 65536 bytes of JSON, got 70002"):
        registered(default_output="x" * 70_000)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_every_json_value_is_kept_exactly_or_refused(value: Any) -> None:
    try:
        application = registered(default_output=value)
    except ManagementError:
        return
    body = msgspec.json.encode(application)
    assert msgspec.json.decode(body, type=Application).default_output == value


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ConflictError, match="application 'app' already exists"):
        register_application(holding(an_application()), new(), NOON)


def test_an_update_changes_what_is_given_and_nothing_else() -> None:
    snapshot = holding(an_application(links=(Link("m"),)))
    (entry,) = update_application(snapshot, "app", latency_slo_micros=5, default_output=(None,))
    assert entry.record == an_application(links=(Link("m"),), latency_slo_micros=5, default_output=None)
    assert update_application(snapshot, "app", latency_slo_micros=100_000, default_output=None) == []


def test_models_are_linked_in_order_with_role_and_weight() -> None:
    snapshot = holding(an_application(), a_model("a"), a_model("b"))
    (entry,) = link_models(snapshot, "app", [NewLink("a"), NewLink("b", "candidate", 0.2)])
    assert isinstance(entry.record, Application)
    assert entry.record.links == (Link("a"), Link("b", "candidate", 0.2))


@pytest.mark.parametrize(
    ("application", "link", "error", "text"),
    [
        ("none", NewLink("m"), NotFoundError, "No app with name 'none' exists."),
        ("app", NewLink("none"), NotFoundError, "No model with name 'none' exists."),
        ("app", NewLink("linked"), ConflictError, "The model with name 'linked' is already linked to 'app'"),
        (
            "app",
            NewLink("text"),
            IncompatibleError,
            (
                "Model with name 'text' has incompatible input_type 'strings'. "
                "Requested app to link to has input_type 'doubles'."
            ),
        ),
        ("app", NewLink("m", weight=-1), InvalidError, "weight: expected 0 to 1e+06, got -1"),
        ("app", NewLink("m", weight=float("nan")), InvalidError, "weight: expected 0 to 1e+06, got nan"),
    ],
)
def test_a_link_that_cannot_be_says_why(
    application: str, link: NewLink, error: type[ManagementError], text: str
) -> None:
    snapshot = holding(
        an_application(links=(Link("linked"),)),
        a_model(),
        a_model("linked"),
        a_model("text", input_type=InputType.STRINGS),
    )
    with pytest.raises(error) as caught:
        link_models(snapshot, application, [NewLink("m"), link] if link.model != "m" else [link])
    assert caught.value.message == text


def test_unlinking_removes_all_the_named_links_or_none() -> None:
    snapshot = holding(an_application(links=(Link("a"), Link("b"))))
    with pytest.raises(NotFoundError, match="'c' is not linked to 'app'"):
        unlink_models(snapshot, "app", ["a", "c"])
    (entry,) = unlink_models(snapshot, "app", ["a"])
    assert isinstance(entry.record, Application)
    assert entry.record.links == (Link("b"),)


def test_what_does_not_exist_cannot_be_changed_or_deleted() -> None:
    with pytest.raises(NotFoundError, match="Application 'x' does not exist"):
        delete_application(holding(), "x")
    with pytest.raises(NotFoundError, match="Application 'x' does not exist"):
        update_application(holding(), "x", latency_slo_micros=1, default_output=None)
