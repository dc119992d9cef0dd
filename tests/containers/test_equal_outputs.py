"""Functions and plain estimators answer over RPC what they answer in process, to the bit, in batches of any size."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.container_client import ContainerClient, connected
from harness.container_process import function_folder, running_container, sklearn_folder
from skysail_container.wire import Dense

N_ROWS = 1024
BATCHES = (1, 2, 7, 64)


def random_rows(n_columns: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(11).normal(10.0, 5.0, (N_ROWS, n_columns))


def served(client: ContainerClient, rows: npt.NDArray[np.float64], n_batch_rows: int) -> Iterator[npt.NDArray[Any]]:
    for start in range(0, len(rows), n_batch_rows):
        batch = rows[start : start + n_batch_rows]
        outputs = client.predict(Dense("<f8", batch.shape, batch.tobytes())).outputs
        assert isinstance(outputs, Dense)
        yield np.frombuffer(outputs.data, outputs.dtype).reshape(outputs.shape)


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
