"""A model of every framework with a table of rows for it, as somebody would score the table with Spark."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.framework_rows import rows_of
from harness.mlflow_models import saved_pyfunc
from harness.spark_models import stored_pipeline
from harness.tensorflow_models import classifier, saved
from skysail_container.wire import Json, Rows

__all__ = ["TABLE_MODELS", "TableModel", "table_of", "wire_rows"]

EXAMPLES = Path(__file__).parents[2] / "examples"
LAST_BITS = 1e-14
LAST_BITS_OF_FLOATS = 1e-6
"""Of probabilities, whose products may be added up in another order where there are more rows."""

_INPUT_DTYPES = {"doubles": "<f8", "floats": "<f4"}


@dataclass(frozen=True)
class TableModel:
    """One way of serving: what is deployed, and which rows it takes."""

    name: str
    input_type: str
    make: Callable[[Path], Any]
    """The model, or the folder that it was written to, given an empty folder."""
    columns: Callable[[int], dict[str, Any]]
    """So many rows of a table, by column."""
    method: str = "predict"
    tolerance: float = 0.0
    """How far outputs for batches of one size may be from those for another; of batches of the same rows it is 0."""


def table_of(model: TableModel, n_rows: int) -> pa.Table:
    return pa.table(model.columns(n_rows))


def wire_rows(model: TableModel, table: pa.Table) -> Rows:
    """The rows of the table as a frontend sends them to containers."""
    if model.input_type == "json":
        return Json(tuple([json.dumps(row, ensure_ascii=False).encode() for row in table.to_pylist()]))
    matrix = np.column_stack([column.to_numpy() for column in table.columns])
    return rows_of(matrix.astype(_INPUT_DTYPES[model.input_type]))


# --- rows -------------------------------------------------------------------------------------------------------------


def _numbers(n_columns: int, dtype: str = "<f8", missing: float = 0.0) -> Callable[[int], dict[str, Any]]:
    """Columns of normally distributed numbers, of which a share is NaN."""

    def columns(n_rows: int) -> dict[str, Any]:
        generator = np.random.default_rng(17)
        matrix = generator.normal(size=(n_columns, n_rows)).astype(dtype)
        matrix[generator.random(matrix.shape) < missing] = np.nan
        return {f"x{number:02d}": column for number, column in enumerate(matrix)}

    return columns


def _rides(n_rows: int) -> dict[str, Any]:
    chance = random.Random(3)
    return {
        "distance_km": [chance.expovariate(0.1) for _ in range(n_rows)],
        "zone": [chance.choice(["centre", "airport"]) for _ in range(n_rows)],
        "tip": [chance.choice([None, 0.5, chance.random()]) for _ in range(n_rows)],
    }


def _places(n_rows: int) -> dict[str, Any]:
    return {"position": np.random.default_rng(3).normal(scale=4.0, size=(n_rows, 2)).tolist()}


def _customers(n_rows: int) -> dict[str, Any]:
    chance = random.Random(3)
    return {
        "city": [chance.choice(["Ulm", "Bonn", "Köln", "Oslo"]) for _ in range(n_rows)],
        "plan": [chance.choice(["small", "large"]) for _ in range(n_rows)],
        "income": [chance.lognormvariate(3.0, 1.0) for _ in range(n_rows)],
        "n": pa.array([chance.randrange(9) for _ in range(n_rows)], pa.int32()),
    }


# --- models -----------------------------------------------------------------------------------------------------------


def _training(n_columns: int = 12) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Rows and their classes, of which there are three."""
    rows = np.random.default_rng(4).normal(size=(2_000, n_columns))
    return rows, (rows[:, 0] + rows[:, 1] > 0).astype(int) + (rows[:, 2] > 1)


def _function(folder: Path) -> Any:
    from math import exp, fsum

    def score(rows: Any) -> list[Any]:
        """A row whose first number is far out has no answer."""
        return [ValueError("far out") if row[0] > 3.0 else exp(-fsum(row) / 3.0) for row in rows]

    return score


def _linear(folder: Path) -> Any:
    linear, preprocessing = import_module("sklearn.linear_model"), import_module("sklearn.preprocessing")
    steps = [preprocessing.StandardScaler(), linear.LogisticRegression()]
    return import_module("sklearn.pipeline").make_pipeline(*steps).fit(*_training(30))


def _forest(folder: Path) -> Any:
    ensemble = import_module("sklearn.ensemble")
    return ensemble.RandomForestClassifier(30, max_depth=8, random_state=4).fit(*_training())


def _keras(folder: Path) -> Any:
    return saved(classifier(), folder, "model.keras")


def _saved_model(folder: Path) -> Any:
    return saved(classifier(), folder, "saved")


def _onnx(estimator: str, **settings: Any) -> Callable[[Path], Any]:
    """An estimator of scikit-learn as its own ONNX file, which works with single precision."""

    def make(folder: Path) -> Path:
        module, _, name = estimator.rpartition(".")
        rows, classes = _training()
        fitted = getattr(import_module(f"sklearn.{module}"), name)(random_state=4, **settings)
        fitted.fit(rows.astype("<f4"), classes)
        graph = import_module("skl2onnx").to_onnx(fitted, rows[:1].astype("<f4"), options={"zipmap": False})
        (folder / "model.onnx").write_bytes(graph.SerializeToString())
        return folder / "model.onnx"

    return make


def _xgboost(folder: Path) -> Any:
    settings = {"n_estimators": 40, "max_depth": 5, "n_jobs": 1, "random_state": 4}
    return import_module("xgboost").XGBClassifier(**settings).fit(*_training())


def _lightgbm(folder: Path) -> Any:
    lightgbm = import_module("lightgbm")
    settings = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1, "seed": 4}
    return lightgbm.train(settings, lightgbm.Dataset(*_training()), 40)


def _mlflow(folder: Path) -> Any:
    import pandas as pd

    def scored(frame: pd.DataFrame) -> Any:
        return frame["distance_km"] * 2.5 + frame["zone"].str.len() + frame["tip"].fillna(0.25)

    example = pd.DataFrame(_rides(200))
    written = saved_pyfunc(folder / "model", scored, example=example, answer=scored(example))
    (written / "requirements.txt").unlink()  # Spark's workers have no environment for it; the tests' own has all of it
    return written


def _pipeline(name: str) -> Callable[[Path], Any]:
    def make(folder: Path) -> Path:
        stored = stored_pipeline(name, folder)
        stored.write_validation(folder / "validation.jsonl", ("prediction", "probability"))
        return folder

    return make


TABLE_MODELS: Sequence[TableModel] = (
    TableModel("function", "doubles", _function, _numbers(5)),
    TableModel("sklearn-linear", "doubles", _linear, _numbers(30), "predict_proba", LAST_BITS),
    TableModel("sklearn-forest", "doubles", _forest, _numbers(12), "predict_proba"),
    TableModel("tensorflow-keras", "floats", _keras, _numbers(30, "<f4"), tolerance=LAST_BITS_OF_FLOATS),
    TableModel("tensorflow-saved-model", "floats", _saved_model, _numbers(30, "<f4"), tolerance=LAST_BITS_OF_FLOATS),
    TableModel(
        "onnx-forest", "floats", _onnx("ensemble.RandomForestClassifier", n_estimators=20), _numbers(12, "<f4")
    ),
    TableModel(
        "onnx-network", "floats", _onnx("neural_network.MLPClassifier", max_iter=20), _numbers(12, "<f4"),
        tolerance=LAST_BITS_OF_FLOATS,
    ),
    TableModel("xgboost", "doubles", _xgboost, _numbers(12, missing=0.1), "predict_proba"),
    TableModel("lightgbm", "doubles", _lightgbm, _numbers(12, missing=0.1)),
    TableModel("data-frame-folder", "json", lambda folder: EXAMPLES / "model_folder_frames", _rides),
    TableModel("tensor-folder", "json", lambda folder: EXAMPLES / "model_folder_tensors", _places),
    TableModel("mlflow", "json", _mlflow, _rides),
    TableModel("spark-pipeline", "json", _pipeline("pipelines/churn"), _customers),
)  # fmt: skip
