"""`skysail batch` and `skysail consistency`: real versions of a real stack over real tables."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.ml import Pipeline
from pyspark.ml.feature import SQLTransformer
from sklearn.linear_model import LogisticRegression

from harness.local_stack import running_stack
from harness.spark_models import stored_pipeline
from harness.wait_until import wait_until
from skysail_admin import Skysail
from skysail_admin.cli import main
from skysail_admin.local.local_stack import LocalStack
from spark.make_fixtures import spark_session

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

N_MANY = 100_000
N_FEW = 600
SETTINGS = ("--master", "local[2]")

FOLDER_MODEL = """
import os
class Model:
    def __init__(self, folder=None):
        if "LOADS" in os.environ:
            with open(os.environ["LOADS"], "a") as file:
                file.write(f"{os.getpid()}\\n")
    def predict(self, rows):
        outputs = []
        for row in rows:
            if row["city"] == "nowhere":
                raise ValueError("there is no such place")
            outputs.append({"price": row["size"] * 2.5, "label": f"{row['city']}!"})
        return outputs
"""

SLOW_MODEL = """
import time
def predict(rows):
    time.sleep(0.1)
    return [float(sum(row)) for row in rows]
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[tuple[LocalStack, Skysail]]:
    with running_stack() as running:
        yield running


@pytest.fixture
def skysail(
    stack: tuple[LocalStack, Skysail], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, Any]]:
    """Runs a command against the stack: exit code and document."""
    local, _ = stack
    monkeypatch.setenv("SKYSAIL_DATA_DIR", str(local.settings.data_dir))
    monkeypatch.setenv("SKYSAIL_URL", local.settings.management_url)
    monkeypatch.setenv("SKYSAIL_QUERY_URL", local.settings.query_url)

    def run(*words: object) -> tuple[int, Any]:
        capsys.readouterr()
        code = main([*map(str, words), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


def deployed(client: Skysail, name: str, input_type: str, model: Any) -> None:
    client.register_application(name, input_type, default_output=None, slo_ms=5000)
    client.deploy_model(name, 1, input_type, model)
    client.link_model_to_app(name, name)


def deploy_sklearn(client: Skysail, tmp_path: Path) -> Path:
    random = np.random.default_rng(5)
    features = random.normal(size=(N_MANY, 5))
    names = [f"x{number}" for number in range(5)]
    model = LogisticRegression().fit(features[:500], features[:500, 0] + features[:500, 3] > 0)
    client.register_application("sk", "doubles", default_output=None, slo_ms=5000)
    client.deploy_model("sk", 1, "doubles", model, method="predict_proba")
    client.link_model_to_app("sk", "sk")
    pd.DataFrame(features, columns=names).to_parquet(tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def deploy_function(client: Skysail, tmp_path: Path) -> Path:
    def total(rows: Any) -> list[float]:
        return [float(sum(row)) / 3 for row in rows]

    deployed(client, "fn", "doubles", total)
    frame = pd.DataFrame({"a": np.arange(N_FEW) / 7, "b": np.arange(N_FEW)})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path / "rows.csv"


def deploy_folder(client: Skysail, tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.py").write_text(FOLDER_MODEL)
    deployed(client, "folder", "json", tmp_path / "model")
    rows = [{"city": f"Köln {number}", "size": number / 3} for number in range(N_FEW)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "rows.jsonl"


def deploy_pipeline(client: Skysail, tmp_path: Path) -> Path:
    stored = stored_pipeline("pipelines/churn", tmp_path / "stored")
    stored.write_validation(tmp_path / "stored" / "validation.jsonl", ("prediction", "probability"))
    deployed(client, "pipe", "json", tmp_path / "stored")
    frame = pd.DataFrame(stored.records * 20).astype({"n": "Int32", "income": "Float64"})
    frame.to_parquet(tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


@pytest.mark.parametrize(
    ("deploy", "name"),
    [(deploy_sklearn, "sk"), (deploy_function, "fn"), (deploy_folder, "folder"), (deploy_pipeline, "pipe")],
)
def test_offline_is_as_online(
    deploy: Callable[[Skysail, Path], Path],
    name: str,
    stack: tuple[LocalStack, Skysail],
    skysail: Callable[..., tuple[int, Any]],
    tmp_path: Path,
) -> None:
    rows = deploy(stack[1], tmp_path)
    code, done = skysail("batch", f"{name}:1", "--input", rows, "--output", tmp_path / "out", *SETTINGS)
    assert code == 0, done
    frame = pd.read_parquet(tmp_path / "out")
    assert len(frame) == done["n_rows"] >= 300
    assert frame["error"].notna().sum() == done["n_errors"]
    if name != "pipe":
        assert done["n_errors"] == 0
    code, compared = skysail("consistency", f"{name}:1", "--input", rows, *SETTINGS)
    assert (code, compared["n_different"], compared["n_unanswered"]) == (0, 0, 0), compared
    assert compared["n_rows"] == done["n_rows"]
    assert compared["n_failed_alike"] == done["n_errors"]


def test_differences_are_reported_and_give_exit_code_1(
    stack: tuple[LocalStack, Skysail], skysail: Callable[..., tuple[int, Any]], tmp_path: Path
) -> None:
    def process(rows: Any) -> list[dict[str, Any]]:
        return [{"pid": float(os.getpid()), "sum": float(sum(row))} for row in rows]

    deployed(stack[1], "pid", "doubles", process)
    pd.DataFrame({"a": [1.0, 2.0, np.nan]}).to_parquet(tmp_path / "rows.parquet")
    code, found = skysail("consistency", "pid", "--input", tmp_path / "rows.parquet", *SETTINGS)
    assert (code, found["n_rows"], found["n_different"]) == (1, 3, 2)
    assert found["by_column"] == {"output.pid": 2}
    assert found["differences"][0]["row"] == "[1.0]"
    assert re.match(r"output\.pid: offline \d+\.0, online \d+\.0", found["differences"][0]["difference"])
    assert found["n_unaskable"] + found["n_failed_alike"] == 1
    code, found = skysail("batch", "pid:7", "--input", tmp_path / "rows.parquet", "--output", tmp_path / "out")
    assert (code, found["error"]["code"]) == (4, "not_found")


def test_the_line_for_a_cluster_runs(
    stack: tuple[LocalStack, Skysail], skysail: Callable[..., tuple[int, Any]], tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.py").write_text(FOLDER_MODEL)
    deployed(stack[1], "submitted", "json", tmp_path / "model")
    (tmp_path / "rows.csv").write_text("city,size\nUlm,1.5\nnowhere,2\nBonn,3\n")
    words = ("--input", tmp_path / "rows.csv", "--output", tmp_path / "out", "--output-format", "json", *SETTINGS)
    code, printed = skysail("batch", "submitted:1", *words, "--print-submit")
    assert code == 0
    command = shlex.split(printed["command"])
    assert command[:3] == ["spark-submit", "--master", "local[2]"]
    command[0] = str(Path(sys.executable).with_name("spark-submit"))
    environment = {**os.environ, **java(), "PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)
    assert ran.returncode == 0, ran.stderr
    rows = {row["city"]: row for row in json_rows(tmp_path / "out")}
    assert rows["Ulm"]["prediction"] == {"price": 3.75, "label": "Ulm!"}
    assert rows["Bonn"]["error"] is None
    assert rows["nowhere"]["prediction"] is None
    assert "there is no such place" in rows["nowhere"]["error"]


def java() -> dict[str, str]:
    from skysail_container.spark.java import find_java

    return dict(find_java().environment())


def json_rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in folder.glob("*.json") for line in path.read_text().splitlines()]


# --- the job by itself ------------------------------------------------------------------------------------------------


def job_command(*words: object) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", "skysail_container.offline", *map(str, words), *SETTINGS]


def job(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        job_command(*words),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def model_folder(tmp_path: Path, source: str) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.py").write_text(source)
    return tmp_path / "model"


def test_a_killed_job_goes_on_and_every_row_is_there_once(tmp_path: Path) -> None:
    model, out = model_folder(tmp_path, SLOW_MODEL), tmp_path / "out"
    for number in range(4):
        frame = pd.DataFrame({"id": np.arange(1000) + 1000 * number, "a": np.arange(1000) * 0.5})
        (tmp_path / "rows").mkdir(exist_ok=True)
        frame.to_parquet(tmp_path / "rows" / f"{number}.parquet")
    place = ("--model", model, "--input", tmp_path / "rows", "--input-format", "parquet", "--output", out)
    words = (*place, "--columns", "a", "--chunk-rows", 100, "--batch-rows", 20)
    killed = subprocess.Popen(job_command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: len(list((out / "_skysail/done").glob("*"))) >= 4, "some chunks are done", timeout_s=120.0)
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    assert not (out / "_SUCCESS").exists()
    other = job(*words, "--chunk-rows", 200)
    assert (other.returncode, "another number of rows in a chunk" in other.stderr) == (5, True), other.stderr
    again = job(*words, "--batch-rows", 1000)
    assert again.returncode == 0, again.stderr
    outcome = json.loads(again.stdout)
    assert (outcome["n_rows"], outcome["n_chunks"]) == (4000, 40)
    assert 4 <= outcome["n_chunks_done_before"] < 40
    assert "going on: " in again.stderr
    frame = pd.read_parquet(out)
    assert sorted(frame["id"]) == list(range(4000))
    assert (frame["prediction"] == frame["a"]).all()
    finished = job(*words)
    assert (finished.returncode, "say --overwrite" in finished.stderr) == (5, True)
    replaced = job(*words, "--batch-rows", 1000, "--overwrite")
    assert replaced.returncode == 0, replaced.stderr
    assert sorted(pd.read_parquet(out)["id"]) == list(range(4000))


def test_a_query_spread_anew_loads_the_model_once_a_process_and_keeps_faulty_rows_apart(tmp_path: Path) -> None:
    model, out = model_folder(tmp_path, FOLDER_MODEL), tmp_path / "out"
    cities = ["nowhere", None, *["Ulm"] * 200]
    frame = pd.DataFrame({"city": cities, "size": np.arange(202.0), "note": ["x", "y", *["z"] * 200]})
    frame.to_parquet(tmp_path / "rows.parquet")
    sql = "SELECT * FROM parquet.`PLACE/rows.parquet` WHERE size < 1000".replace("PLACE", str(tmp_path))
    words = ("--model", model, "--input-type", "json", "--sql", sql, "--partitions", 8, "--columns", "city,size")
    done = job(*words, "--output", out, "--output-format", "csv", LOADS=str(tmp_path / "loads"))
    assert done.returncode == 0, done.stderr
    loads = (tmp_path / "loads").read_text().split()
    assert 0 < len(loads) == len(set(loads)) <= 3
    frame = pd.concat([pd.read_csv(path) for path in out.glob("*.csv")])
    assert len(frame) == 202
    faulty = frame[frame["error"].notna()]
    assert set(faulty["note"]) == {"x"}
    assert frame["prediction"].notna().sum() == 201
    assert not (out / "_skysail" / "rows").exists()


@pytest.mark.parametrize(
    ("file", "words", "said"),
    [
        ("rows.parquet", ["--columns", "a,c"], "the input has no column 'c', which the version takes; it has a, name"),
        ("rows.parquet", [], "column 'name' is of type string and the version takes doubles"),
        ("fake.parquet", [], "cannot be read: "),
        ("missing.csv", [], "cannot be read: "),
        ("rows.parquet", ["--columns", "a", "--output-column", "name"], "name another by --output-column"),
        ("rows.parquet", ["--columns", "a", "--output-table", "t"], "catalog forgets its tables"),
    ],
)
def test_what_cannot_be_scored_is_said_before_anything_is_written(
    file: str, words: list[str], said: str, tmp_path: Path
) -> None:
    model = model_folder(tmp_path, SLOW_MODEL)
    pd.DataFrame({"a": [1.0], "name": ["x"]}).to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "fake.parquet").write_text("a,b\n1,2\n")
    done = job("--model", model, "--input", tmp_path / file, "--output", tmp_path / "out", *words)
    assert done.returncode == 2, done.stderr
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("skysail: error: ")]
    assert said in error
    assert not list(tmp_path.glob("out/*.parquet"))


def test_a_model_that_does_not_load_is_one_line(tmp_path: Path) -> None:
    model = model_folder(tmp_path, "import nothing_of_this_name\n")
    pd.DataFrame({"a": [1.0]}).to_parquet(tmp_path / "rows.parquet")
    done = job("--model", model, "--input", tmp_path / "rows.parquet", "--output", tmp_path / "out")
    assert done.returncode == 8
    assert "error: the model needs the module 'nothing_of_this_name'" in done.stderr


def test_a_pipeline_that_only_spark_scores_is_scored_beside_the_session(tmp_path: Path) -> None:
    with spark_session() as spark:
        frame = spark.createDataFrame([("Ulm", 1.5), ("Bonn", 2.5)], "city string, size double")
        statement = "SELECT *, levenshtein(city, 'Um', 9) AS distance FROM __THIS__"
        Pipeline(stages=[SQLTransformer(statement=statement)]).fit(frame).save(str(tmp_path / "model" / "saved"))
        frame.write.parquet(str(tmp_path / "rows"))
    columns = [{"name": "city", "type": "string"}, {"name": "size", "type": "double"}]
    manifest = {"format": 1, "framework": "spark", "file": "saved", "input_type": "json", "spark_schema": columns,
                "outputs": ["distance"]}  # fmt: skip
    (tmp_path / "model" / "skysail.json").write_text(json.dumps(manifest))
    words = ("--model", tmp_path / "model", "--input", tmp_path / "rows", "--input-format", "parquet")
    done = job(*words, "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "its rows come to the driver" in done.stderr
    scored = pd.read_parquet(tmp_path / "out")
    assert dict(zip(scored["city"], scored["prediction"], strict=True)) == {"Ulm": 1, "Bonn": 4}
