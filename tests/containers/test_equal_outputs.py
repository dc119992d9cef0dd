"""Functions, folders and plain estimators answer over RPC as they do in process, to the bit, in batches of any size."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.container_client import ContainerClient, connected
from harness.container_process import function_folder, running_container, sklearn_folder, source_folder
from skysail_container.wire import Dense, Json

N_ROWS = 1024
BATCHES = (1, 2, 7, 64)


def random_rows(n_columns: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(11).normal(10.0, 5.0, (N_ROWS, n_columns))


def served(client: ContainerClient, rows: npt.NDArray[np.float64], n_batch_rows: int) -> Iterator[npt.NDArray[Any]]:
    for start in range(0, len(rows), n_batch_rows):
        batch = rows[start : start + n_batch_rows]
        outputs = client.predict(Dense("<f8", batch.shape, batch.tobytes())).outputs
        assert isinstance(outputs, Dense)
        yield array_of(outputs)


def array_of(outputs: Dense) -> npt.NDArray[Any]:
    return np.frombuffer(outputs.data, outputs.dtype).reshape(outputs.shape)


def test_a_function_with_a_closure(tmp_path: Path) -> None:
    weights = np.random.default_rng(3).normal(size=6)

    def score(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        shifted: npt.NDArray[np.float64] = np.sin(rows) * weights
        return np.asarray(shifted.sum(axis=1))

    rows = random_rows(6)
    folder = function_folder(tmp_path / "model", score)
    with running_container(folder) as container, connected(container.address) as client:
        for n_batch_rows in BATCHES:
            assert np.array_equal(np.concatenate(list(served(client, rows, n_batch_rows))), score(rows))


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_estimators_that_are_served_as_they_are(tmp_path: Path, method: str) -> None:
    data, labels = load_breast_cancer(return_X_y=True)
    scaled = make_pipeline(StandardScaler(), LogisticRegression())
    estimator = scaled if method == "decision_function" else RandomForestClassifier(4, random_state=1)
    estimator.fit(data, labels)
    rows = random_rows(data.shape[1])
    folder = sklearn_folder(tmp_path / "model", estimator, method=method, accelerate=False)
    with running_container(folder) as container, connected(container.address) as client:
        for n_batch_rows in BATCHES:
            parts = [rows[start : start + n_batch_rows] for start in range(0, N_ROWS, n_batch_rows)]
            expected = np.concatenate([getattr(estimator, method)(part) for part in parts])
            assert np.array_equal(np.concatenate(list(served(client, rows, n_batch_rows))), expected)


def test_an_estimator_that_was_fitted_on_a_frame_gets_objects_as_one(tmp_path: Path) -> None:
    numbers = random_rows(3)
    frame = pd.DataFrame(numbers, columns=["area", "rooms", "age"])
    estimator = RandomForestClassifier(4, random_state=1).fit(frame, numbers[:, 0] > numbers[:, 2])
    folder = sklearn_folder(tmp_path / "model", estimator, method="predict_proba", input_type="json")
    expected = estimator.predict_proba(frame)  # trees: the same bits whatever stands beside a row
    rows = [json.dumps(row).encode() for row in frame[["age", "area", "rooms"]].to_dict("records")]
    with running_container(folder) as container, connected(container.address) as client:
        for n_batch_rows in BATCHES:
            for start in range(0, N_ROWS, n_batch_rows):
                part = slice(start, start + n_batch_rows)
                outputs = client.predict(Json(tuple(rows[part]))).outputs
                assert isinstance(outputs, Dense)
                assert np.array_equal(array_of(outputs), expected[part])


TENSOR_MODEL = """
import numpy as np
from skysail_container.model_folder import TensorModel

class Scores(TensorModel):
    def __init__(self, folder):
        self.weights = np.load(folder / "weights.npy")

    def predict(self, arrays):
        (rows,) = arrays.values()
        return {"score": np.tanh(rows) @ self.weights}
"""


def test_a_folder_over_tensors(tmp_path: Path) -> None:
    weights, rows = np.random.default_rng(3).normal(size=6), random_rows(6)
    folder = source_folder(tmp_path / "model", TENSOR_MODEL, input_type="doubles")
    np.save(folder / "weights.npy", weights)
    with running_container(folder) as container, connected(container.address) as client:
        for n_batch_rows in BATCHES:
            parts = [rows[start : start + n_batch_rows] for start in range(0, N_ROWS, n_batch_rows)]
            expected = np.concatenate([np.tanh(part) @ weights for part in parts])
            assert np.array_equal(np.concatenate(list(served(client, rows, n_batch_rows))), expected)
