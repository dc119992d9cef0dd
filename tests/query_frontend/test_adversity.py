"""What happens to predictions when the parts around the frontend die, hang, lose their data or come back."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.container_process import ContainerProcess, started_container
from harness.frontend_process import FrontendProcess, started_frontend
from harness.frontend_rig import FrontendRig, container_flags, patient_application, wait_until_predicting
from harness.probe_model import SLEEP
from harness.raw_http import ConnectionEndedError, RawClient, get, predict, timed
from harness.registry_samples import a_replica
from harness.wait_until import wait_until
from skysail_management.records import InputType, Link

pytestmark = pytest.mark.xdist_group("frontend-adversity")  # one worker starts the frontend that most of them ask


@pytest.fixture(scope="module")
def frontend(rig: FrontendRig) -> FrontendProcess:
    return rig.serving("--lane=on")


@pytest.fixture
def own_rig() -> Iterator[FrontendRig]:
    """A rig whose Redis may be killed."""
    with FrontendRig() as rig:
        yield rig


def reason(frontend: FrontendProcess, app: str) -> str | None:
    """Why an application answers with its default output; None when it predicts."""
    response = frontend.ask(predict(app, [1.0]))
    assert response.status == 200, response
    answer = response.json()
    return str(answer["default_reason"]) if answer["default"] else None


def registry_is(frontend: FrontendProcess, state: str) -> bool:
    response = frontend.ask(get("/readyz"))
    assert response.status == 200  # it has a copy, and goes on serving it
    is_connected = response.json()["registry"] == "connected"
    return is_connected is (state == "connected")


@contextmanager
def container_of(rig: FrontendRig, model: str, address: str) -> Iterator[ContainerProcess]:
    flags = container_flags(model, "1", InputType.DOUBLES)
    with started_container(rig.folder / "probe", *flags, listen=address) as container:
        yield container.wait_ready()


# --- containers -------------------------------------------------------------------------------------------------------


def test_a_container_that_is_killed_gives_defaults_until_another_listens_in_its_place(
    rig: FrontendRig, frontend: FrontendProcess
) -> None:
    with rig.own_model() as (app, container):
        wait_until_predicting(frontend, app)
        with RawClient(frontend.port) as client:
            client.send(predict(app, [SLEEP, 30]))
            assert not client.has_news_within(0.1)
            container.process.kill()
            lost = client.response().json()  # long before the sixty seconds of its objective
            assert (lost["default"], lost["default_reason"]) == (True, "container_lost")
        assert reason(frontend, app) == "no_replica"
        with container_of(rig, app, container.address):
            wait_until_predicting(frontend, app)


def test_the_replica_that_is_left_answers_for_the_one_that_was_killed(
    rig: FrontendRig, frontend: FrontendProcess
) -> None:
    with rig.own_model() as (app, first):
        address = f"unix:{rig.folder}/{app}-second.sock"
        with container_of(rig, app, address):
            rig.write(a_replica(app, replica_id=1, address=address))
            wait_until(lambda: frontend.metric("skysail_replicas", model=app) == 2, "two replicas")
            clients = [RawClient(frontend.port) for _ in range(20)]
            for client in clients:
                client.send(predict(app, [SLEEP, 0.02]))
            first.process.kill()
            assert [client.response().json()["output"] for client in clients] == [0.02] * 20
            for client in clients:
                client.socket.close()
            assert reason(frontend, app) is None
            rig.delete(a_replica(app, replica_id=1))


def test_a_container_that_hangs_gives_defaults_in_time_until_it_goes_on(
    rig: FrontendRig, frontend: FrontendProcess
) -> None:
    with rig.own_model(latency_slo_micros=50_000) as (app, container):
        wait_until_predicting(frontend, app)
        os.kill(container.process.pid, signal.SIGSTOP)
        try:
            for _ in range(5):
                response, seconds = timed(frontend.port, predict(app, [1]))
                assert response.json()["default_reason"] == "deadline"
                assert seconds < 2
        finally:
            os.kill(container.process.pid, signal.SIGCONT)
        wait_until_predicting(frontend, app)


def test_a_replica_that_moves_is_followed(rig: FrontendRig, frontend: FrontendProcess) -> None:
    with rig.own_model() as (app, first):
        wait_until_predicting(frontend, app)
        address = f"unix:{rig.folder}/{app}-moved.sock"
        with container_of(rig, app, address):
            rig.write(a_replica(app, address=address))
            first.process.kill()
            wait_until_predicting(frontend, app)


def test_an_address_where_another_model_answers_is_not_used(rig: FrontendRig, frontend: FrontendProcess) -> None:
    with rig.own_model() as (app, container), rig.own_model() as (other, _):
        wait_until_predicting(frontend, app)
        wait_until_predicting(frontend, other)
        rig.write(a_replica(other, address=container.address))
        wait_until(lambda: reason(frontend, other) == "no_replica", "the end of the right replica")
        wait_until(lambda: f"the container serves {app}:1" in frontend.log, "a word about it in the log")
        assert reason(frontend, app) is None


# --- Redis ------------------------------------------------------------------------------------------------------------


def test_predictions_go_on_without_redis_and_changes_are_seen_when_it_is_back(own_rig: FrontendRig) -> None:
    frontend = own_rig.serving()
    own_rig.redis.kill()
    wait_until(lambda: registry_is(frontend, "lost"), "the loss of Redis")
    assert frontend.metric("skysail_registry_connected") == 0
    for n in range(50):
        assert frontend.ask(predict("doubles", [n])).json()["output"] == n
    assert frontend.ask(predict("nobody", [1])).status == 404
    own_rig.redis.start()
    own_rig.write(patient_application("new", links=(Link("doubles"),)))
    wait_until_predicting(frontend, "new")
    wait_until(lambda: registry_is(frontend, "connected"), "the return of Redis")
    assert frontend.metric("skysail_registry_connected") == 1


def test_predictions_go_on_while_redis_does_not_answer(own_rig: FrontendRig) -> None:
    frontend = own_rig.serving()
    own_rig.redis.freeze()
    try:
        with RawClient(frontend.port) as client:
            for n in range(50):
                response = client.send(predict("doubles", [n])).response()
                assert response.json()["output"] == n
        wait_until(lambda: registry_is(frontend, "lost"), "the loss of Redis", timeout_s=30)
        assert frontend.ask(predict("doubles", [1])).json()["output"] == 1
    finally:
        own_rig.redis.thaw()
    wait_until(lambda: registry_is(frontend, "connected"), "the return of Redis", timeout_s=30)


def test_an_emptied_redis_takes_nothing_away(own_rig: FrontendRig) -> None:
    frontend = own_rig.serving()
    own_rig.redis.wipe()
    own_rig.redis.kill()  # so that the loss is seen now
    own_rig.redis.start()
    wait_until(lambda: registry_is(frontend, "lost"), "the loss of the registry")
    for n in range(20):
        assert frontend.ask(predict("doubles", [n])).json()["output"] == n
    own_rig.write(patient_application("only"))  # another registry is begun
    wait_until(lambda: frontend.ask(predict("only", [1])).status == 200, "the new registry's application")
    assert frontend.ask(predict("doubles", [1])).status == 404


def test_a_record_that_cannot_be_read_hurts_no_other(own_rig: FrontendRig) -> None:
    with own_rig.redis.client() as client:
        (key,) = [key for key in client.keys("*application*") if client.type(key) == b"hash"]
        client.hset(key, "unlinked", "{no JSON")
    frontend = own_rig.serving()
    assert frontend.ask(predict("unlinked", [1])).status == 404
    assert frontend.ask(predict("doubles", [3])).json()["output"] == 3
    assert "unlinked" in frontend.log


def test_a_frontend_that_starts_before_redis_serves_as_soon_as_it_is_there(own_rig: FrontendRig) -> None:
    own_rig.serve("doubles")
    own_rig.redis.stop()
    with started_frontend(own_rig.redis.url, own_rig.folder / "early") as frontend:
        wait_until(lambda: is_healthy(frontend), "a frontend without Redis")
        assert frontend.ask(get("/readyz")).status == 503
        assert frontend.ask(predict("doubles", [1])).status == 503
        own_rig.redis.start()
        wait_until(frontend.is_ready, "a frontend that is ready")
        wait_until_predicting(frontend, "doubles")


def is_healthy(frontend: FrontendProcess) -> bool:
    try:
        return "listening on" in frontend.log and frontend.ask(get("/healthz")).status == 200
    except OSError:
        return False


# --- the frontend -----------------------------------------------------------------------------------------------------


def test_a_frontend_that_is_killed_can_be_started_on_its_port_at_once(rig: FrontendRig) -> None:
    rig.serve("doubles")
    with rig.own_frontend() as frontend:
        port = frontend.port
        wait_until_predicting(frontend, "doubles")
        with RawClient(port) as client:
            client.send(predict("doubles", [SLEEP, 0.2]))
            assert not client.has_news_within(0.05)
            frontend.process.kill()
            frontend.wait_exit()
            with pytest.raises(ConnectionEndedError):
                client.response()
    with rig.own_frontend(f"--port={port}") as frontend:
        assert frontend.port == port
        wait_until_predicting(frontend, "doubles")
