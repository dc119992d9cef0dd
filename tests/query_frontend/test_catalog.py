"""The catalog: what is served follows from the snapshot alone, and every request is told something."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness.registry_samples import a_model, a_replica, a_version, an_application
from harness.scripted_container import ScriptedContainer, sums
from harness.worker_parts import ResponseSink, WorkerParts, eventually, served, snapshot_of
from skysail_container.wire import Refused, Result, Strings
from skysail_frontend.application import RESERVE_S, budget_s
from skysail_frontend.predict_options import PredictOptions
from skysail_frontend.prediction_cache import PredictionCache
from skysail_management.records import InputField, InputSchema, InputType, Link, Record


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[WorkerParts]:
    parts = WorkerParts("unix:///nowhere/r.sock", tmp_path)
    yield parts
    await parts.close()


@pytest.fixture
async def container() -> AsyncIterator[ScriptedContainer]:
    async with ScriptedContainer() as container:
        yield container


async def adopt(parts: WorkerParts, *records: Record, revision: int = 1) -> None:
    await parts.catalog.adopt(snapshot_of(*records, revision=revision))


# --- requests -----------------------------------------------------------------------------------------------------


async def test_a_query_is_answered_by_the_current_version(parts: WorkerParts, container: ScriptedContainer) -> None:
    await adopt(parts, *served(container.address))
    answer = await parts.ask().wait()
    assert (answer["output"], answer["default"]) == (3.0, False)
    assert isinstance(answer["query_id"], int)


async def test_a_batch_is_answered_in_input_order(parts: WorkerParts, container: ScriptedContainer) -> None:
    await adopt(parts, *served(container.address))
    answer = await parts.ask(input_batch=[[float(n)] for n in range(30)]).wait()
    assert [one["output"] for one in answer["batch_predictions"]] == [float(n) for n in range(30)]
    assert len({one["query_id"] for one in answer["batch_predictions"]}) == 30


async def test_an_empty_batch_is_answered_at_once(parts: WorkerParts) -> None:
    await adopt(parts, an_application())
    assert parts.ask(input_batch=[]).answer == {"batch_predictions": []}


async def test_a_batch_of_one_has_the_single_form(parts: WorkerParts) -> None:
    await adopt(parts, an_application())
    assert parts.ask(input_batch=[[1.0]]).answer["default_reason"] == "no_link"


async def test_a_batch_may_be_partly_predicted_and_partly_not(parts: WorkerParts, container: ScriptedContainer) -> None:
    container.on_predict = lambda peer, batch: peer.send(
        Result(batch.batch_id, 0, 1, Strings(("1",) * batch.rows.n_rows), errors={0: "ValueError: no"})
    )
    await adopt(parts, *served(container.address))
    first, *_ = (await parts.ask(input_batch=[[1.0], [2.0]]).wait())["batch_predictions"]
    assert (first["default"], first["default_reason"], first["output"]) == (True, "model_error", -1.0)
    assert "ValueError" not in first["default_explanation"]


async def test_who_sent_a_row_that_the_model_refuses_is_told_why(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    container.on_predict = lambda peer, batch: peer.send(
        Result(batch.batch_id, 0, 1, Strings(("1",) * batch.rows.n_rows), errors={0: 'refused: "age" is null\n\u2028'})
    )
    await adopt(parts, *served(container.address))
    refused = await parts.ask(input=[1.0]).wait()
    assert (refused["default_reason"], refused["output"]) == ("model_error", -1.0)
    assert refused["default_explanation"] == '"age" is null\n\u2028'


async def test_an_unknown_application_is_a_404_with_its_name(parts: WorkerParts) -> None:
    await adopt(parts)
    sink = parts.ask("nobody")
    cause = "no application named 'nobody' is registered"
    assert sink.refusal == (404, {"error": "Query processing error", "cause": cause})
    assert parts.metric('skysail_request_errors_total{app=""}') == 1


async def test_before_the_registry_has_been_read_nobody_is_told_that_an_application_does_not_exist(
    parts: WorkerParts,
) -> None:
    refusal = parts.ask("app").refusal
    assert refusal is not None
    assert refusal[0] == 503
    assert "has not been read yet" in refusal[1]["cause"]


async def test_a_faulty_body_is_a_400_and_counted_for_its_application(parts: WorkerParts) -> None:
    await adopt(parts, an_application())
    refusal = parts.ask(input=["x"]).refusal
    assert refusal is not None
    assert refusal[0] == 400
    assert refusal[1]["error"] == "Json error"
    assert "`input[0]`" in refusal[1]["cause"]
    assert parts.metric('skysail_request_errors_total{app="app"}') == 1


async def test_a_fault_of_the_frontend_itself_is_a_500_and_logged(
    parts: WorkerParts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await adopt(parts, an_application())

    def broken() -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(parts.query_ids, "next_id", broken)
    refusal = parts.ask().refusal
    assert refusal is not None
    assert refusal[0] == 500
    assert "ZeroDivisionError" in caplog.text


# --- pinned versions ----------------------------------------------------------------------------------------------


async def test_a_pinned_version_is_asked_instead_of_the_current_one(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    async with ScriptedContainer(version="2") as newer:
        newer.on_predict = lambda peer, batch: peer.send(Result(batch.batch_id, 0, 1, Strings(("new",))))
        second: list[Record] = [a_version(version="2"), a_replica(version="2", address=newer.address)]
        await adopt(parts, *served(container.address), *second)
        assert (await parts.ask(input=[1.0], version="2").wait())["output"] == "new"
        assert (await parts.ask(input=[1.0]).wait())["output"] == 1.0


async def test_a_version_that_is_not_registered_is_refused_by_name(parts: WorkerParts) -> None:
    await adopt(parts, *served("unix:/nowhere"))
    refusal = parts.ask(input=[1.0], version="9").refusal
    assert refusal == (
        400, {"error": "Query processing error", "cause": "`version` '9' of model 'm' is not registered"},
    )  # fmt: skip


async def test_a_version_without_a_linked_model_is_refused(parts: WorkerParts) -> None:
    await adopt(parts, an_application())
    refusal = parts.ask(input=[1.0], version="1").refusal
    assert refusal is not None
    assert refusal[0] == 400
    assert "has no linked model" in refusal[1]["cause"]


# --- routes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("links", "models", "reason"),
    [
        ((), [], "no_link"),
        ((Link("gone"),), [], "no_link"),
        ((Link("m"),), [a_model()], "no_link"),  # registered, but no version is current yet
        ((Link("m", role="shadow"),), [a_model(current_version="1"), a_version()], "no_link"),
        ((Link("m", role="candidate", weight=0.0),), [a_model(current_version="1"), a_version()], "no_link"),
        ((Link("m", role="candidate"),), [a_model(current_version="1"), a_version()], "no_replica"),
        ((Link("m"),), [a_model(current_version="1"), a_version()], "no_replica"),
    ],
)
async def test_without_a_model_to_ask_the_default_says_why(
    parts: WorkerParts, links: tuple[Link, ...], models: list[Record], reason: str
) -> None:
    await adopt(parts, an_application(links=links, default_output={"none": True}), *models)
    answer = await parts.ask().wait()
    assert (answer["default"], answer["default_reason"], answer["output"]) == (True, reason, {"none": True})
    assert answer["default_explanation"] == "No connected models found for query"
    assert parts.metric(f'skysail_defaults_total{{app="app",reason="{reason}"}}') == 1


async def test_a_primary_link_wins_over_a_candidate(parts: WorkerParts, container: ScriptedContainer) -> None:
    app, *others = served(container.address)
    del app
    links = (Link("other", role="candidate"), Link("m"))
    await adopt(parts, an_application(links=links), a_model("other", current_version="1"), a_version("other"), *others)
    assert (await parts.ask().wait())["output"] == 3.0


async def test_replicas_that_are_not_ready_are_not_dialled(parts: WorkerParts, container: ScriptedContainer) -> None:
    app, model, version, _ = served(container.address)
    for state in ("starting", "backoff", "stopping"):
        await adopt(parts, app, model, version, a_replica(address=container.address, state=state))
        assert (await parts.ask().wait())["default_reason"] == "no_replica"
    assert container.n_hellos == 0


# --- changes ------------------------------------------------------------------------------------------------------


async def test_a_switch_of_versions_costs_no_query_its_prediction(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    async with ScriptedContainer(version="2") as newer:
        app, _, version, replica = served(container.address)
        await adopt(parts, app, a_model(current_version="1"), version, replica)
        assert (await parts.ask().wait())["output"] == 3.0
        second: list[Record] = [a_version(version="2"), a_replica(version="2", address=newer.address)]
        await adopt(parts, app, a_model(current_version="2"), version, replica, *second, revision=2)
        assert (await parts.ask().wait())["default"] is False
        await newer.batch()


async def test_a_change_of_objective_and_default_holds_from_the_next_query_on(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    container.on_predict = lambda peer, batch: None
    await adopt(parts, *served(container.address))
    earlier = parts.ask()
    _, *others = served(container.address)
    amended = an_application(links=(Link("m"),), latency_slo_micros=30_000, default_output="later")
    await adopt(parts, amended, *others, revision=2)
    answer = await parts.ask().wait()
    assert (answer["default_reason"], answer["output"]) == ("deadline", "later")
    assert earlier.answers == {}  # it keeps the objective it came with
    assert parts.metric("skysail_registry_revision") == 2


async def test_a_change_of_input_type_is_taken_over(parts: WorkerParts) -> None:
    await adopt(parts, an_application())
    assert parts.ask(input="text").refusal is not None
    await adopt(parts, an_application(input_type=InputType.STRINGS))
    assert parts.ask(input="text").answer["default_reason"] == "no_link"


async def test_what_is_deleted_is_gone_at_once_with_its_metrics(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    await adopt(parts, *served(container.address))
    await parts.ask().wait()
    await adopt(parts, revision=2)
    refusal = parts.ask().refusal
    assert refusal is not None
    assert refusal[0] == 404
    assert 'app="app"' not in parts.page()
    assert 'model="m"' not in parts.page()
    await container.until(lambda: not container.peers)


async def test_queries_of_a_deleted_version_get_the_default(parts: WorkerParts, container: ScriptedContainer) -> None:
    container.on_predict = lambda peer, batch: None
    app, model, *_ = served(container.address)
    await adopt(parts, *served(container.address))
    sink = parts.ask()
    await container.batch()
    await adopt(parts, app, model, revision=2)
    assert (await sink.wait())["default_reason"] == "no_replica"
    assert parts.ask().answer["default_reason"] == "no_link"


async def test_series_that_an_earlier_run_left_behind_end_with_the_first_snapshot(tmp_path: Path) -> None:
    before = WorkerParts("unix:///nowhere/r.sock", tmp_path)
    await adopt(before, *served("unix:/nowhere"))
    await before.close()
    after = WorkerParts("unix:///nowhere/r.sock", tmp_path)
    assert 'app="app"' in after.page()
    await adopt(after, an_application("other"))
    assert 'app="app"' not in after.page()
    assert 'app="other"' in after.page()
    await after.close()


async def test_closing_answers_what_waits(parts: WorkerParts, container: ScriptedContainer) -> None:
    container.on_predict = lambda peer, batch: None
    await adopt(parts, *served(container.address))
    sink = parts.ask()
    await container.batch()
    await parts.catalog.close()
    assert sink.answer["default_reason"] == "shutdown"


async def test_gauges_are_written_when_asked(parts: WorkerParts, container: ScriptedContainer) -> None:
    container.on_predict = lambda peer, batch: None
    await adopt(parts, *served(container.address))
    sink = parts.ask()
    batch = await container.batch()
    parts.catalog.update_gauges()
    assert parts.metric("skysail_in_flight_batches") == 1
    container.peers[0].send(Refused(batch.batch_id, "bad_rows", ""))
    assert (await sink.wait())["default_reason"] == "rejected_input"
    parts.catalog.update_gauges()
    assert parts.metric("skysail_in_flight_batches") == 0
    assert parts.metric("skysail_replicas{") == 1
    await eventually(lambda: parts.metric("skysail_queries_total") == 1)


# --- fallback, priority, deadline ---------------------------------------------------------------------------------


def with_fallback(address: str, fallback_address: str, **application: Any) -> list[Record]:
    """As `served`, with the fallback model `cheap`."""
    cheap = a_model("cheap", current_version="1"), a_version("cheap"), a_replica("cheap", address=fallback_address)
    return [*served(address, fallback_model="cheap", **application), *cheap]


async def test_a_query_that_the_model_has_no_replica_for_is_answered_by_the_fallback(parts: WorkerParts) -> None:
    async with ScriptedContainer("cheap") as cheap:
        cheap.on_predict = lambda peer, batch: peer.send(Result(batch.batch_id, 0, 1, Strings(("cheap",))))
        _, model, version, _, *others = with_fallback("", cheap.address)
        app = an_application(links=(Link("m"),), fallback_model="cheap", latency_slo_micros=20_000_000)
        await adopt(parts, app, model, version, *others)
        answer = await parts.ask().wait()
        assert list(answer) == ["query_id", "output", "default", "fallback"]
        assert (answer["output"], answer["default"], answer["fallback"]) == ("cheap", False, True)
        assert parts.metric('skysail_fallbacks_total{app="app"}') == 1
        assert parts.metric('skysail_request_duration_seconds_count{app="app"}') == 1
        (record,) = parts.recorder._waiting["app"]
        assert (record.model, record.version) == ("cheap", "1")


async def test_the_model_answers_itself_as_long_as_it_takes_queries_in(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    async with ScriptedContainer("cheap") as cheap:
        await adopt(parts, *with_fallback(container.address, cheap.address))
        answer = await parts.ask().wait()
        assert (answer["output"], "fallback" in answer) == (3.0, False)
        assert cheap.batches == []


async def test_what_does_not_fit_into_the_queue_goes_to_the_fallback(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    """Of a batch request each row on its own."""
    container.on_predict = lambda peer, batch: peer.send(sums(batch))
    async with ScriptedContainer("cheap") as cheap:
        await adopt(parts, *with_fallback(container.address, cheap.address))
        parts.catalog.versions["m", "1"].dispatcher.scheduler.queue._max_rows = 2
        answer = await parts.ask(input_batch=[[1.0], [2.0], [3.0], [4.0]]).wait()
        rows = answer["batch_predictions"]
        assert [(one["output"], one.get("fallback")) for one in rows] == [(1, None), (2, None), (3, True), (4, True)]
        assert parts.metric('skysail_fallbacks_total{app="app"}') == 2


async def test_when_the_fallback_refuses_too_the_default_output_tells_the_first_reason(parts: WorkerParts) -> None:
    _, model, version, _, *cheap = with_fallback("", "")
    app = an_application(links=(), fallback_model="cheap")
    await adopt(parts, app, *cheap[:2])
    answer = await parts.ask().wait()
    assert (answer["default_reason"], "fallback" in answer) == ("no_link", False)
    app = an_application(links=(Link("m"),), fallback_model="cheap")
    await adopt(parts, app, model, version, *cheap[:2])
    assert (await parts.ask().wait())["default_reason"] == "no_replica"
    assert parts.metric('skysail_fallbacks_total{app="app"}') == 0


@pytest.mark.parametrize("cheap", [[], [a_model("cheap")], [a_model("cheap", current_version="7")]])
async def test_a_fallback_that_is_not_there_changes_nothing(parts: WorkerParts, cheap: list[Record]) -> None:
    await adopt(parts, an_application(links=(), fallback_model="cheap"), *cheap)
    assert (await parts.ask().wait())["default_reason"] == "no_link"


async def test_a_pinned_version_is_answered_by_itself_or_not_at_all(parts: WorkerParts) -> None:
    async with ScriptedContainer("cheap") as cheap:
        _, model, version, _, *others = with_fallback("", cheap.address)
        app = an_application(links=(Link("m"),), fallback_model="cheap", latency_slo_micros=20_000_000)
        await adopt(parts, app, model, version, *others)
        assert (await parts.ask(input=[1.0], version="1").wait())["default_reason"] == "no_replica"
        assert cheap.batches == []


async def test_followers_whose_model_goes_are_answered_by_the_fallback(
    tmp_path: Path, container: ScriptedContainer
) -> None:
    parts = WorkerParts("unix:///nowhere/r.sock", tmp_path, cache=PredictionCache(1 << 20, 3600.0))
    container.on_predict = lambda peer, batch: None
    async with ScriptedContainer("cheap") as cheap:
        records = with_fallback(container.address, cheap.address)
        await adopt(parts, *records)
        leader = parts.ask()
        await container.batch()
        follower = parts.ask()
        del records[1:4]  # the model, its version and its replica
        await adopt(parts, *records, revision=2)
        assert (await leader.wait())["default_reason"] == "no_replica"
        assert (await follower.wait())["fallback"] is True
    await parts.close()


@pytest.mark.parametrize(("priority", "weight"), [("high", 4.0), ("normal", 1.0), ("low", 0.25)])
async def test_the_priority_of_an_application_is_what_its_queries_count_for(
    parts: WorkerParts, priority: str, weight: float
) -> None:
    await adopt(parts, *served("unix:/nowhere", priority=priority))
    for body in (b'{"input":[1]}', b'{"input_batch":[[1],[2]]}'):
        queries = parts.catalog.ask("app", body, ResponseSink(), 0, 1000.0)
        assert {query.weight for query in queries} == {weight}
    await adopt(parts, *served("unix:/nowhere", priority="normal"), revision=2)
    (query,) = parts.catalog.ask("app", b'{"input":[1]}', ResponseSink(), 0, 1000.0)
    assert query.weight == 1.0


@pytest.mark.parametrize(
    ("field", "header_s", "seconds"),
    [("", None, 20.0), ("", 0.5, 0.5), (',"timeout_ms":250', None, 0.25), (',"timeout_ms":250', 0.1, 0.25),
     (',"timeout_ms":null', 0.1, 0.1), (',"timeout_ms":3600000', None, 20.0), ("", 3600.0, 20.0)],
)  # fmt: skip
async def test_a_request_may_have_less_time_than_the_objective_gives(
    parts: WorkerParts, field: str, header_s: float | None, seconds: float
) -> None:
    await adopt(parts, *served("unix:/nowhere"))
    options = None if header_s is None else PredictOptions(header_s)
    for start in ('{"input":[1]', '{"input_batch":[[1],[2]]'):
        queries = parts.catalog.ask("app", f"{start}{field}}}".encode(), ResponseSink(), 0, 1000.0, options)
        assert {query.deadline_s for query in queries} == {1000.0 + budget_s(seconds)}


async def test_a_fault_in_the_head_refuses_the_request_whatever_its_body_says(parts: WorkerParts) -> None:
    await adopt(parts, *served("unix:/nowhere"))
    sink = ResponseSink()
    body = b'{"input":[1],"timeout_ms":5}'
    assert parts.catalog.ask("app", body, sink, 0, 1000.0, PredictOptions(fault="header `X` is odd")) == ()
    assert sink.refusal == (400, {"error": "Query processing error", "cause": "header `X` is odd"})
    assert parts.metric('skysail_request_errors_total{app="app"}') == 1


async def test_a_models_batch_policy_reaches_its_versions(parts: WorkerParts) -> None:
    app, _, *others = served("unix:/nowhere")
    policies: list[dict[str, Any]] = [{"batch_policy": "fixed", "max_batch_rows": 7}, {"batch_policy": "aimd"}]
    for revision, policy in enumerate(policies):
        model = a_model(current_version="1", batch_delay_micros=1500, **policy)
        await adopt(parts, app, model, *others, revision=revision)
        dispatcher = parts.catalog.versions["m", "1"].dispatcher
        assert dispatcher._policy == (policy["batch_policy"], policy.get("max_batch_rows"), 0.0015)


def test_a_little_of_every_objective_is_kept_for_the_way_back() -> None:
    assert budget_s(0.1) == pytest.approx(0.1 - RESERVE_S)
    assert budget_s(0.005) == pytest.approx(0.0045)
    assert budget_s(20.0) == pytest.approx(20.0 - RESERVE_S)


# --- schemas ------------------------------------------------------------------------------------------------------


def checked(current: str = "1", **application: Any) -> list[Record]:
    """An application of a model whose version 1 takes two numbers, version 2 three, and version 3 as many as come."""
    return [
        an_application(links=(Link("m"),), **application),
        a_model(current_version=current),
        a_version(version="1", input_schema=InputSchema(type="number", shape=(2,))),
        a_version(version="2", input_schema=InputSchema(type="number", shape=(3,))),
        a_version(version="3"),
    ]


def fault(sink: ResponseSink) -> str:
    """What a request was refused for; nothing when it was taken in."""
    return "" if sink.refusal is None else str(sink.refusal[1]["cause"])


async def test_queries_are_checked_by_the_schema_of_the_current_version(parts: WorkerParts) -> None:
    await adopt(parts, *checked())
    assert parts.ask(input=[1, 2]).answer["default_reason"] == "no_replica"
    assert fault(parts.ask(input=[1, 2, 3])) == "`input` holds 3 numbers; 2 were expected"
    assert fault(parts.ask(input_batch=[[1, 2], [1]])) == "`input_batch[1]` holds 1 numbers; 2 were expected"
    assert parts.metric('skysail_request_errors_total{app="app"}') == 2
    assert parts.metric('skysail_request_duration_seconds_count{app="app"}') == 1


async def test_with_another_current_version_comes_its_schema(parts: WorkerParts) -> None:
    for revision, (current, fits, does_not) in enumerate([("1", 2, 3), ("2", 3, 2), ("3", 5, None), ("1", 2, 3)]):
        await adopt(parts, *checked(current), revision=revision)
        assert fault(parts.ask(input=[1] * fits)) == ""
        assert does_not is None or f"{fits} were expected" in fault(parts.ask(input=[1] * does_not))


async def test_a_query_for_a_pinned_version_is_checked_by_the_schema_of_that_one(parts: WorkerParts) -> None:
    await adopt(parts, *checked())
    for version, n in (("1", 2), ("2", 3), ("3", 1), ("3", 7)):
        assert fault(parts.ask(input=[1] * n, version=version)) == ""
    assert fault(parts.ask(input=[1, 2], version="2")) == "`input` holds 2 numbers; 3 were expected"
    assert fault(parts.ask(input_batch=[[1, 2]], version="2")) == "`input_batch[0]` holds 2 numbers; 3 were expected"
    assert fault(parts.ask(input=[1, 2, 3], version=None)) == "`input` holds 3 numbers; 2 were expected"
    assert fault(parts.ask(input=[1, 2, 3], version="9")) == "`version` '9' of model 'm' is not registered"
    assert fault(parts.ask(input=["x"], version="3")) == "Expected `float`, got `str` - at `input[0]`"
    await adopt(parts, *checked("3"), revision=2)
    assert fault(parts.ask(input=[1])) == ""
    assert fault(parts.ask(input=[1], version="1")) == "`input` holds 1 numbers; 2 were expected"


async def test_a_version_that_is_deployed_anew_under_its_name_brings_its_schema(parts: WorkerParts) -> None:
    await adopt(parts, *checked())
    anew = a_version(version="1", input_schema=InputSchema(type="number", shape=(4,)))
    await adopt(parts, *checked(), anew, revision=2)
    assert "4 were expected" in fault(parts.ask(input=[1, 2]))
    assert fault(parts.ask(input=[1, 2, 3, 4], version="1")) == ""


async def test_the_schema_of_the_linked_model_counts_and_not_that_of_others(parts: WorkerParts) -> None:
    fields = InputSchema(fields=(InputField("a", "integer"),))
    models: list[Record] = []
    for name, schema in (("first", fields), ("second", None), ("spare", InputSchema(type="string"))):
        models += [a_model(name, input_type=InputType.JSON, current_version="1")]
        models += [a_version(name, input_type=InputType.JSON, input_schema=schema)]
    for links, is_checked in (
        ((Link("second", "candidate"), Link("first")), True),
        ((Link("first", "candidate"), Link("second", "candidate")), True),
        ((Link("first", "candidate", 0), Link("second", "candidate"), Link("spare", "shadow")), False),
        ((), False),
    ):
        app = an_application(input_type=InputType.JSON, links=links, fallback_model="spare")
        await adopt(parts, app, *models)
        assert fault(parts.ask(input={"a": 1})) == ""
        expected = "`input.a` is the string 'x'; an integer was expected" if is_checked else ""
        assert fault(parts.ask(input={"a": "x"})) == expected


async def test_a_query_taken_in_under_the_old_schema_is_still_answered(
    parts: WorkerParts, container: ScriptedContainer
) -> None:
    container.on_predict = lambda peer, batch: None
    replica = a_replica(version="1", address=container.address)
    await adopt(parts, *checked(latency_slo_micros=20_000_000), replica)
    waiting = parts.ask(input=[1, 2])
    batch = await container.batch()
    await adopt(parts, *checked("2", latency_slo_micros=20_000_000), replica, revision=2)
    assert "3 were expected" in fault(parts.ask(input=[1, 2]))
    container.peers[0].send(sums(batch))
    assert (await waiting.wait())["output"] == 3.0
