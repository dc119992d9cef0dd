"""Pipelines and rows drawn by chance are scored as PySpark scores them: values, types, dropped rows, failing rows.

Each case is one row through one pipeline. SKYSAIL_PIPELINES draws more of them, SKYSAIL_SEED others.
"""

import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.ml import Pipeline
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import DataFrame, SparkSession

from skysail_container.spark import RowDropped, RowError, load_pipeline
from spark.case import Case
from spark.differences import differences
from spark.make_fixtures import ROW, data_frame, spark_schema, spark_session
from spark.random_pipelines import random_pipeline
from spark.random_rows import LABELS, SCHEMA, training_rows, unruly_rows
from spark.values import from_json, to_json

N_PIPELINES = int(os.environ.get("SKYSAIL_PIPELINES", "30"))
SEED = int(os.environ.get("SKYSAIL_SEED", "1"))
N_ROWS = 40
N_DRAWS = 20
TOLERANCE = (1e-12, 1e-12)
"""Relative, and absolute for what is left of greater numbers. No pipeline drawn here has an iterative method."""


# Tunings and one-vs-rest fit on pools of threads that PySpark itself never closes.
pytestmark = pytest.mark.filterwarnings("ignore:.*Pool.__del__:pytest.PytestUnraisableExceptionWarning")

OUTCOMES: Counter[str] = Counter()
"""How many rows had values, were dropped, or failed."""


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    with spark_session() as session:
        yield session


@pytest.fixture(scope="module")
def training(spark: SparkSession) -> DataFrame:
    rows = training_rows(random.Random(SEED))
    frame = spark.createDataFrame(rows, spark_schema({**SCHEMA, **LABELS}, rows))
    return frame.selectExpr("*", "CAST(label > 0 AS DOUBLE) AS is_two").cache()


def types_of(frame: DataFrame) -> dict[str, str]:
    return {
        field.name: "vector" if isinstance(field.dataType, VectorUDT) else field.dataType.simpleString()
        for field in frame.schema.fields
        if field.name != ROW
    }


def by_number(frame: DataFrame) -> dict[int, dict[str, Any]]:
    found = {row[ROW]: row.asDict() for row in frame.collect()}
    return {
        number: {name: to_json(value) for name, value in row.items() if name != ROW} for number, row in found.items()
    }


def fitted(chance: random.Random, training: DataFrame, frame: DataFrame) -> tuple[str, Any, DataFrame]:
    """The first pipeline drawn that Spark fits, and that takes the rows: its stages, model, answers."""
    refusals = []
    for _ in range(N_DRAWS):
        pipeline = random_pipeline(chance)
        stages = described(pipeline)
        try:
            model = pipeline.fit(training)
            return stages, model, model.transform(frame)
        except Exception as error:  # some columns do not go together
            refusals.append(f"{stages}: {str(error).splitlines()[0][:200]}")
    raise AssertionError(f"Spark takes none of these pipelines: {refusals}")


def described(pipeline: Pipeline) -> str:
    return "; ".join(
        f"{type(stage).__name__}({', '.join(f'{param.name}={value!r}' for param, value in stage._paramMap.items())})"
        for stage in pipeline.getStages()
    )


def or_nothing(model: Any, frame: DataFrame) -> list[Any]:
    """Spark's rows. None if it fails, or drops them: its optimiser may filter before the stage that would fail."""
    try:
        return list(model.transform(frame).collect())
    except Exception:  # Py4J's own, of many kinds
        return []


@pytest.mark.parametrize("seed", range(SEED * 1000, SEED * 1000 + N_PIPELINES))
def test_a_random_pipeline_scores_random_rows_as_pyspark_does(
    spark: SparkSession, training: DataFrame, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    rows = unruly_rows(chance, N_ROWS)
    frame = data_frame(spark, Case(None, SCHEMA, rows))
    stages, model, scored = fitted(chance, training, frame)
    model.write().overwrite().save(str(tmp_path / "model"))

    scorer = load_pipeline(tmp_path / "model").bind(SCHEMA)
    outcomes = scorer.score_rows([{name: from_json(to_json(value)) for name, value in row.items()} for row in rows])

    OUTCOMES.update(type(outcome).__name__ for outcome in outcomes)
    assert {name: column.type for name, column in scorer.output_schema.items()} == types_of(scored), stages
    failing = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, RowError)]
    without = f"{ROW} NOT IN ({', '.join(map(str, failing))})" if failing else "true"
    try:
        expected = by_number(model.transform(frame.filter(without)))
    except Exception as error:
        if "inferring lengths from the first row" not in str(error):
            raise
        pytest.skip("Spark looks at the first row for the sizes of vectors, and it has none")
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, RowError):
            continue
        said = f"row {number}, {rows[number]}, {stages}"
        if isinstance(outcome, RowDropped):
            assert number not in expected, f"{outcome!r}, but Spark gives {expected[number]}: {said}"
        else:
            assert number in expected, f"{outcome!r}, but Spark drops it: {said}"
            assert not differences(outcome, expected[number], *TOLERANCE), said  # type: ignore[arg-type]
    for number in failing:
        given = or_nothing(model, frame.filter(f"{ROW} = {number}"))
        assert not given, f"{outcomes[number]!r}, but Spark gives {given}: row {number}, {rows[number]}, {stages}"


def test_enough_of_the_random_rows_had_values_to_compare() -> None:
    """A property of rows that all fail would hold for any scorer."""
    assert OUTCOMES["dict"] >= 0.4 * OUTCOMES.total(), OUTCOMES
    assert OUTCOMES["RowDropped"], OUTCOMES
    assert OUTCOMES["RowError"], OUTCOMES
