"""The catalog: what is served follows from the snapshot alone, and every request is told something."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.registry_samples import a_model, a_replica, a_version, an_application
from harness.scripted_container import ScriptedContainer
from harness.worker_parts import WorkerParts, eventually, served, snapshot_of
from skysail_container.wire import Refused, Result, Strings
from skysail_management.records import InputType, Link, Record


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
