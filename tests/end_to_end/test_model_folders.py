"""Model folders and packed models through the whole stack: good ones answer, bad ones fail and leave nothing."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pytest
from sklearn.linear_model import LinearRegression

from harness.local_stack import data_folder, live_output, own_settings, processes_of
from harness.wait_until import wait_until
from skysail_admin import DeployFailedError, InvalidRequestError, Skysail, SkysailError
from skysail_admin.cli import main
from skysail_admin.local.local_stack import LocalStack
from skysail_admin.model_template import write_template

pytestmark = pytest.mark.xdist_group("stack-folders")  # one worker runs them all, on one stack

SUMS = "def predict(rows):\n    return rows.sum(axis=1)\n"


def _command_of(process: psutil.Process) -> list[str]:
    """Nothing for a process that has ended, be it while it is looked at."""
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:  # a zombie is one as well
        return []


class Running(NamedTuple):
    client: Skysail
    data: Path

    def containers(self, model: str) -> list[Any]:
        """Processes that serve or load this model."""
        return [process for process in processes_of(self.data) if model in _command_of(process)]

    def stored(self) -> set[str]:
        """Every file of the artifact store."""
        return {str(path) for path in (self.data / "artifacts").rglob("*")}


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with data_folder() as folder, LocalStack(own_settings(folder)) as stack, stack.client() as client:
        yield Running(client, folder)


def model_folder(folder: Path, source: str, *rows: object) -> Path:
    folder.mkdir()
    (folder / "model.py").write_text(source)
    if rows:
        (folder / "validation.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def test_a_packed_model_is_deployed_elsewhere_and_answers(running: Running, tmp_path: Path) -> None:
    write_template(tmp_path / "prices", "dataframe")
    file = tmp_path / "prices.skysail"
    assert main(["model", "package", str(tmp_path / "prices"), "-o", str(file)]) == 0
    client = running.client
    done = client.deploy_model("prices", 1, None, file)
    assert done.version.input_type == "json"
    client.register_application("prices", "json", default_output=None, slo_ms=2000)
    client.link_model_to_app("prices", "prices")
    assert live_output(client, "prices", {"area": 50.0, "rooms": 2, "city": "Lund"}) == {"price": 4500.0}
    assert client.deploy_model("prices", 1, None, tmp_path / "prices").already_deployed


@pytest.mark.parametrize(
    ("name", "source", "rows", "said"),
    [
        ("raising", "raise RuntimeError('no licence')\n", [], "RuntimeError: no licence"),
        ("nothing", "x = 1\n", [], "defines neither a class"),
        ("without", "class Model:\n    pass\n", [], "the class Model in model.py has no method predict"),
        ("wrong", SUMS, [{"input": [1, 2], "output": 4}], "row 1 (line 1), output: expected 4, got 3.0"),
        ("failing", "def predict(rows):\n    raise KeyError('age')\n", [{"input": [1]}], "KeyError: 'age'"),
    ],
)
def test_a_bad_model_fails_its_deployment_with_its_own_words_and_the_old_version_goes_on(
    running: Running, tmp_path: Path, name: str, source: str, rows: list[object], said: str
) -> None:
    client = running.client
    client.deploy_model(name, 1, "doubles", model_folder(tmp_path / "good", SUMS))
    client.register_application(name, "doubles", default_output=None, slo_ms=2000)
    client.link_model_to_app(name, name)
    pids = {replica.pid for replica in client.replicas(name, 1)}
    with pytest.raises(DeployFailedError) as caught:
        client.deploy_model(name, 2, "doubles", model_folder(tmp_path / "bad", source, *rows))
    assert said in caught.value.message + caught.value.logs
    if "raise " in source:
        assert "Traceback" in caught.value.logs
    assert client.get_current_model_version(name) == "1"
    assert live_output(client, name, [1.0, 2.0]) == 3.0
    assert {replica.pid for replica in client.replicas(name, 1)} == pids
    client.delete_application(name)
    wait_until(lambda: not any(link.model == name for app in client.applications() for link in app.links), "unlinked")
    client.delete_model(name, force=True)
    wait_until(lambda: not running.containers(name), "its containers are gone")


def test_an_estimator_that_answers_otherwise_than_the_outputs_given_with_it_never_serves(running: Running) -> None:
    rows, client = np.array([[0.0], [1.0], [2.0]]), running.client
    good, bad = LinearRegression().fit(rows, rows[:, 0] * 2), LinearRegression().fit(rows, rows[:, 0] * 3)
    expected = (rows, rows[:, 0] * 2)
    done = client.deploy_model("doubling", 1, good, validation=expected)
    assert done.version.input_type == "doubles"
    client.register_application("doubling", "doubles", default_output=None, slo_ms=2000)
    client.link_model_to_app("doubling", "doubling")
    with pytest.raises(DeployFailedError) as caught:
        client.deploy_model("doubling", 2, bad, validation=expected)
    assert "row 2 (line 2), output: expected 2.0, got 3.0" in caught.value.logs
    assert client.get_current_model_version("doubling") == "1"
    assert live_output(client, "doubling", [2.0]) == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("input_type", "row", "said"),
    [
        ("doubles", "text", "validation row 1 is not of input type doubles: a list of numbers is expected"),
        ("json", {str(field): 0 for field in range(1001)}, "1001 fields; at most 1000"),
    ],
)
def test_validation_rows_that_do_not_fit_are_refused_before_anything_is_sent(
    running: Running, tmp_path: Path, input_type: str, row: object, said: str
) -> None:
    before = running.stored()
    with pytest.raises(InvalidRequestError, match=said):
        running.client.deploy_model("refused", 1, input_type, model_folder(tmp_path / "m", SUMS, {"input": row}))
    assert running.stored() == before


def damaged(good: Path, path: Path) -> Path:
    """One byte of its model.py is another."""
    path.write_bytes(good.read_bytes().replace(b"def predict(rows):", b"def predict(rowz):", 1))
    return path


def bomb(good: Path, path: Path) -> Path:
    """The same with half a gigabyte of zeros in half a megabyte."""
    path.write_bytes(good.read_bytes())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros.bin", "w") as zeros:
        for _ in range(512):
            zeros.write(bytes(1 << 20))
    return path


@pytest.mark.parametrize(("make", "said"), [(damaged, "expected a sound zip file"), (bomb, "to grow at most 250 fold")])
def test_a_packed_model_that_is_damaged_or_a_bomb_is_refused_and_not_kept(
    running: Running, tmp_path: Path, make: Any, said: str
) -> None:
    good = tmp_path / "good.skysail"
    assert main(["model", "package", str(model_folder(tmp_path / "m", SUMS)), "-t", "doubles", "-o", str(good)]) == 0
    before = running.stored()
    with pytest.raises(SkysailError, match=said):
        running.client.deploy_model("refused", 1, "doubles", make(good, tmp_path / "bad.skysail"))
    assert running.stored() == before
    assert running.client.get_model_info("refused", 1) is None


def test_a_folder_without_a_model_is_refused_before_anything_is_sent(running: Running, tmp_path: Path) -> None:
    before = running.stored()
    (tmp_path / "readme.txt").write_text("a model, soon")
    with pytest.raises(InvalidRequestError, match=r"has no model\.py"):
        running.client.deploy_model("refused", 1, "doubles", tmp_path)
    (tmp_path / "x.skysail").write_bytes(b"PK not a zip")
    with pytest.raises(InvalidRequestError, match="damaged"):
        running.client.deploy_model("refused", 1, "doubles", tmp_path / "x.skysail")
    assert running.stored() == before
