"""Decisions about applications and links."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.registry_samples import NOON, a_model, an_application
from skysail_management.applications import (
    ApplicationAmendment,
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
    InUseError,
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
    before = an_application(links=(Link("m"),), fallback_model="small", priority="low")
    snapshot = holding(before)
    amendment = ApplicationAmendment(latency_slo_micros=5, default_output=None, cache=False)
    (entry,) = update_application(snapshot, "app", amendment)
    assert entry.record == msgspec.structs.replace(before, latency_slo_micros=5, default_output=None, cache=False)
    (entry,) = update_application(snapshot, "app", ApplicationAmendment(fallback_model=None, priority="high"))
    assert entry.record == msgspec.structs.replace(before, fallback_model=None, priority="high")


@pytest.mark.parametrize(
    "amendment",
    [
        ApplicationAmendment(),
        ApplicationAmendment(100_000, -1.0, None, "normal", True),
    ],
)
def test_an_update_that_changes_nothing_writes_nothing(amendment: ApplicationAmendment) -> None:
    assert update_application(holding(an_application()), "app", amendment) == []


def test_an_application_is_registered_with_what_it_was_given() -> None:
    (entry,) = register_application(
        holding(a_model("small")), new(fallback_model="small", priority="high", cache=False), NOON
    )
    assert entry.record == an_application(fallback_model="small", priority="high", cache=False)


FALLBACKS: list[tuple[str, type[ManagementError], str]] = [
    ("none", NotFoundError, "No model with name 'none' exists."),
    ("a b", InvalidError, "Invalid model name supplied: a b."),
    ("text", IncompatibleError, "fallback_model: expected a model with the application's input_type 'doubles', got"),
]


@pytest.mark.parametrize(
    ("fallback", "error", "text"),
    [*FALLBACKS, ("m", InUseError, "fallback_model: 'm' cannot both be asked first by application 'app' and be its")],
)
def test_a_fallback_that_cannot_be_says_why(fallback: str, error: type[ManagementError], text: str) -> None:
    models = [a_model(), a_model("text", input_type=InputType.STRINGS)]
    linked = holding(an_application(links=(Link("m"),)), *models)
    with pytest.raises(error) as caught:
        update_application(linked, "app", ApplicationAmendment(fallback_model=fallback))
    assert caught.value.message.startswith(text)
    assert caught.value.field == "fallback_model"


@pytest.mark.parametrize(("fallback", "error", "text"), FALLBACKS)
def test_a_fallback_is_looked_at_when_the_application_is_registered(
    fallback: str, error: type[ManagementError], text: str
) -> None:
    with pytest.raises(error) as caught:
        register_application(holding(a_model("text", input_type=InputType.STRINGS)), new(fallback_model=fallback), NOON)
    assert caught.value.message.startswith(text)
    assert caught.value.field == "fallback_model"


@pytest.mark.parametrize(
    "links",
    [(Link("other"), Link("m")), (Link("m", "candidate", 0.0), Link("other", "candidate")), (Link("m", "shadow"),)],
)
def test_a_fallback_may_be_linked_as_long_as_it_is_not_asked_first(links: tuple[Link, ...]) -> None:
    snapshot = holding(an_application(links=links), a_model(), a_model("other"))
    (entry,) = update_application(snapshot, "app", ApplicationAmendment(fallback_model="m"))
    assert entry.record == an_application(links=links, fallback_model="m")


def test_the_fallback_cannot_be_linked_as_the_model_to_ask() -> None:
    snapshot = holding(an_application(fallback_model="m"), a_model(), a_model("other"))
    with pytest.raises(InUseError, match="model: 'm' cannot both be asked first by application 'app' and be its"):
        link_models(snapshot, "app", [NewLink("m")])
    (entry,) = link_models(snapshot, "app", [NewLink("other"), NewLink("m", "shadow")])
    assert entry.record == an_application(links=(Link("other"), Link("m", "shadow")), fallback_model="m")


def test_a_fallback_left_alone_by_an_unlinked_model_hinders_no_other_change() -> None:
    links = (Link("other"), Link("m"))
    snapshot = holding(an_application(links=links, fallback_model="m"), a_model(), a_model("other"), a_model("new"))
    left = snapshot.with_entries(unlink_models(snapshot, "app", ["other"]), 2)
    (entry,) = link_models(left, "app", [NewLink("new", "shadow")])
    (updated,) = update_application(left, "app", ApplicationAmendment(cache=False))
    assert entry.record == an_application(links=(Link("m"), Link("new", "shadow")), fallback_model="m")
    assert updated.record == an_application(links=(Link("m"),), fallback_model="m", cache=False)


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
        update_application(holding(), "x", ApplicationAmendment())
