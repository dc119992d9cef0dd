"""Models through the whole stack, with the admin client: what a data scientist does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from harness import user_library
from harness.local_stack import live_output, running_stack
from harness.wait_until import wait_until
from skysail_admin import (
    AlreadyExistsError,
    DeployFailedError,
    InUseError,
    InvalidRequestError,
    NotFoundError,
    Skysail,
    UnauthorizedError,
)

pytestmark = pytest.mark.xdist_group("stack-serving")  # one worker runs them all, on one stack


@pytest.fixture(scope="module")
def client() -> Iterator[Skysail]:
    with running_stack() as (_, made):
        yield made


def answering(value: float) -> Any:
    """A function that adds the row up and adds `value`: two versions of it can be told apart."""
    return lambda rows: [float(sum(row)) + value for row in rows]


def linked(client: Skysail, name: str, input_type: str, model: Any, **options: Any) -> None:
    client.register_application(name, input_type, default_output=None, slo_ms=1000)
    client.deploy_model(name, 1, input_type, model, **options)
    client.link_model_to_app(name, name)


def test_versions_are_rolled_forward_and_back_without_a_restart(client: Skysail) -> None:
    linked(client, "versions", "doubles", answering(100.0))
    assert live_output(client, "versions", [1.0, 2.0]) == 103.0
    before = {replica.pid for replica in client.replicas("versions", 1)}
    client.deploy_model("versions", 2, "doubles", answering(200.0))
    wait_until(lambda: client.predict("versions", [1.0, 2.0]).output == 203.0, "version 2 answers")
    client.set_model_version("versions", 1)
    wait_until(lambda: client.predict("versions", [1.0, 2.0]).output == 103.0, "version 1 answers again")
    assert {replica.pid for replica in client.replicas("versions", 1)} == before
    assert live_output(client, "versions", [1.0, 2.0], version="2") == 203.0
    assert client.get_current_model_version("versions") == "1"


def test_replicas_come_and_go_as_asked(client: Skysail) -> None:
    linked(client, "scaled", "doubles", answering(0.0))
    client.set_num_replicas("scaled", 2)
    client.wait_until_ready("scaled", 1, num_replicas=2)
    assert len(client.get_all_model_replicas()) >= 2
    assert live_output(client, "scaled", [1.0]) == 1.0
    client.set_num_replicas("scaled", 0)
    wait_until(lambda: not client.replicas("scaled"), "all replicas are gone")
    answer = client.predict("scaled", [2.0])  # [1.0] is answered from the cache
    assert answer.default
    assert answer.default_reason == "no_replica"


def test_what_is_deleted_is_gone(client: Skysail) -> None:
    linked(client, "deleted", "doubles", answering(0.0))
    with pytest.raises(InUseError, match="deleted"):
        client.delete_model("deleted")
    client.delete_application("deleted")
    wait_until(lambda: not knows_application(client, "deleted"), "the query frontend has forgotten it")
    client.delete_model("deleted")
    wait_until(lambda: not client.replicas("deleted"), "its containers are gone")
    assert client.get_app_info("deleted") is None
    assert client.get_model_info("deleted", 1) is None


def knows_application(client: Skysail, name: str) -> bool:
    try:
        client.predict(name, [1.0])
    except NotFoundError:
        return False
    return True


def test_an_estimator_answers_as_it_does_here(client: Skysail) -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(60, 4))
    estimator = LogisticRegression().fit(rows, rows[:, 0] > 0)
    linked(client, "estimator", "doubles", estimator, method="predict_proba")
    served = np.array([live_output(client, "estimator", row) for row in rows[:3]])
    assert served == pytest.approx(estimator.predict_proba(rows[:3]))
    batch = np.array([answer.output for answer in client.predict_batch("estimator", rows)])
    assert batch == pytest.approx(estimator.predict_proba(rows))


def test_a_function_of_a_module_that_containers_do_not_have_is_served(client: Skysail) -> None:
    linked(client, "own-module", "doubles", lambda rows: [user_library.scaled(row) for row in rows])
    assert live_output(client, "own-module", [1.0, 2.0]) == 9.0


def test_a_folder_is_served(client: Skysail, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(
        "from pathlib import Path\n"
        "class Model:\n"
        "    def __init__(self, folder):\n"
        "        self.word = (Path(folder) / 'word.txt').read_text()\n"
        "    def predict(self, rows):\n"
        "        return [row + self.word for row in rows]\n"
    )
    (tmp_path / "word.txt").write_text("!")
    linked(client, "folder", "strings", tmp_path)
    assert live_output(client, "folder", "hello") == "hello!"


def test_feedback_finds_its_prediction(client: Skysail) -> None:
    linked(client, "labelled", "doubles", answering(0.0))
    live_output(client, "labelled", [1.0])
    answer = client.predict("labelled", [1.0, 2.0])
    assert client.update("labelled", answer.query_id, 3.0)["model"] == "labelled"
    with pytest.raises(NotFoundError, match="no prediction on record"):
        client.update("labelled", answer.query_id, 3.0)


def test_deploying_the_same_again_is_fine_and_another_is_refused(client: Skysail, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("def predict(rows):\n    return [1 for row in rows]\n")
    assert not client.deploy_model("idempotent", 1, "doubles", tmp_path).already_deployed
    assert client.deploy_model("idempotent", 1, "doubles", tmp_path).already_deployed
    (tmp_path / "model.py").write_text("def predict(rows):\n    return [2 for row in rows]\n")
    with pytest.raises(AlreadyExistsError, match="versions never change"):
        client.deploy_model("idempotent", 1, "doubles", tmp_path)


def test_a_model_that_cannot_be_loaded_is_an_error_with_its_traceback_and_can_be_mended(
    client: Skysail, tmp_path: Path
) -> None:
    (tmp_path / "model.py").write_text("import a_library_nobody_has\n")
    with pytest.raises(DeployFailedError, match="broken:1 did not come up") as caught:
        client.deploy_model("broken", 1, "doubles", tmp_path, timeout_s=60)
    assert "a_library_nobody_has" in caught.value.logs
    (tmp_path / "model.py").write_text("def predict(rows):\n    return [7 for row in rows]\n")
    done = client.deploy_model("broken", 1, "doubles", tmp_path)
    assert done.version.state == "ready"


@pytest.mark.parametrize("name", ["Capital", "", "a:b", "a/b", "-a", "a" * 64, "ä"])
def test_a_bad_name_is_refused_with_the_field(client: Skysail, name: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        client.register_application(name, "doubles", 0)
    assert caught.value.field == "name"


def test_what_does_not_fit_is_refused_with_the_servers_text(client: Skysail) -> None:
    client.register_application("fits", "strings", "none")
    client.deploy_model("numbers", 1, "doubles", answering(0.0))
    with pytest.raises(AlreadyExistsError, match="fits"):
        client.register_application("fits", "strings", "none")
    with pytest.raises(InvalidRequestError, match="doubles"):
        client.link_model_to_app("fits", "numbers")
    with pytest.raises(NotFoundError, match="nowhere"):
        client.link_model_to_app("fits", "nowhere")
    with pytest.raises(NotFoundError):
        client.set_model_version("numbers", 9)
    with pytest.raises(InvalidRequestError):
        client.predict("fits", 1)


def test_with_a_token_every_caller_needs_it() -> None:
    with running_stack(token="s3cret") as (stack, client):  # noqa: S106 - made up here
        assert client.applications() == []
        with Skysail(stack.settings.management_url, token="wrong") as other, pytest.raises(UnauthorizedError):  # noqa: S106 - as above
            other.applications()
        with Skysail(stack.settings.management_url) as nobody, pytest.raises(UnauthorizedError, match="SKYSAIL_TOKEN"):
            nobody.applications()
