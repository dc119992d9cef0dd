"""The demo's model: is a breast tumour malignant? scikit-learn's Wisconsin data, 569 tumours, 30 measures each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

__all__ = ["Trained", "different_rows", "train"]


@dataclass(frozen=True)
class Trained:
    """A fitted pipeline and the rows it has not seen."""

    estimator: Pipeline
    n_trained_on: int
    held_out: np.ndarray[Any, Any]
    """(n, 30) float64"""
    labels: np.ndarray[Any, Any]
    """(n,) 0 malignant, 1 benign"""
    own_answers: list[int]
    """What the estimator itself says about the held-out rows."""

    @property
    def own_accuracy(self) -> float:
        return self.accuracy_of(self.own_answers)

    def accuracy_of(self, answers: list[Any]) -> float:
        return float(np.mean([answer == label for answer, label in zip(answers, self.labels, strict=True)]))


def train() -> Trained:
    """The same split and the same weights every time."""
    rows, labels = load_breast_cancer(return_X_y=True)
    seen, held_out, seen_labels, held_out_labels = train_test_split(
        rows, labels, test_size=0.3, stratify=labels, random_state=0
    )
    estimator = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(seen, seen_labels)
    own_answers = [int(answer) for answer in estimator.predict(held_out)]
    return Trained(estimator, len(seen), held_out, held_out_labels, own_answers)


def different_rows(trained: Trained, n_rows: int) -> np.ndarray[Any, Any]:
    """Rows like the held-out ones, each a little different, so that no two queries of a load are the same."""
    random = np.random.default_rng(0)
    chosen = trained.held_out[random.integers(len(trained.held_out), size=n_rows)]
    return np.round(chosen * random.uniform(0.98, 1.02, chosen.shape), 4)
