"""Rows that are scored by arrays get the very bits that each gets alone."""

import math
import random
from array import array
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pytest

from skysail_container.spark import DenseVector, Pipeline, RowError, SparseVector
from skysail_container.spark.batch import Batch, any_sparse, counted
from skysail_container.spark.classification import ClassifierColumns
from skysail_container.spark.matrices import DenseMatrix, Matrix, SparseMatrix
from skysail_container.spark.stage import Stage
from skysail_container.spark.stages.assembling import VectorAssembler
from skysail_container.spark.stages.hashing import HashingTF
from skysail_container.spark.stages.k_means import Centre, KMeansModel
from skysail_container.spark.stages.logistic import LogisticRegressionModel
from skysail_container.spark.stages.naive_bayes import NaiveBayesModel
from skysail_container.spark.stages.pipelines import PipelineModel
from skysail_container.spark.stages.projection import PCAModel
from skysail_container.spark.stages.scaling import MinMaxScalerModel
from skysail_container.spark.stages.text_vectors import CountVectorizerModel, IDFModel
from skysail_container.spark.vectors import occurrences

WORDS = {"words": "array<string>"}
N = 40
VOCABULARY = tuple(f"word {number}" for number in range(N))
NUMBERS = ("a", "b", "c")


def check(stages: Sequence[Stage], schema: dict[str, str], rows: Sequence[dict[str, Any]]) -> None:
    scorer = Pipeline(PipelineModel("p", tuple(stages))).bind(schema)
    assert list(map(repr, scorer.score_rows(rows))) == [repr(scorer.score_instance(row)) for row in rows]


def texts(seed: int, n_rows: int = 100) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    words = [*VOCABULARY, "unknown"]
    return [{"words": chance.choices(words, k=chance.choice([0, 1, 5, 60]))} for _ in range(n_rows)]


def numbers(seed: int, n: int) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(0.0, 1.0) for _ in range(n)]


def matrix(n_rows: int) -> DenseMatrix:
    return DenseMatrix(N, tuple(numbers(row, N) for row in range(n_rows)))


HALF = SparseMatrix(1, N, True, ((list(range(0, N, 2)), numbers(5, N // 2)),))


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(("coefficients", "n_classes"), [(matrix(1), 2), (HALF, 2), (matrix(3), 3), (matrix(2), 2)])
def test_hashed_words_of_many_rows(coefficients: Matrix, n_classes: int, binary: bool) -> None:
    n = coefficients.n_rows
    check(
        [
            HashingTF("h", "words", "counts", N, binary),
            IDFModel("i", "counts", "features", array("d", numbers(9, N))),
            LogisticRegressionModel(
                "l", ClassifierColumns(), coefficients, tuple(numbers(7, n)), n_classes, is_multinomial=n > 1
            ),
        ],
        WORDS,
        texts(1),
    )


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("min_tf", [1.0, 2.0, 0.05, 0.0])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_counted_words_of_many_rows(n_classes: int, min_tf: float, binary: bool) -> None:
    naive = NaiveBayesModel("n", ClassifierColumns(), "multinomial", tuple(numbers(3, n_classes)), matrix(n_classes))
    check([CountVectorizerModel("c", "words", "features", VOCABULARY, min_tf, binary), naive], WORDS, texts(2))


@pytest.mark.parametrize("special", [[], [0.0, -0.0], [math.inf, -math.inf, 1e200], [0.5, 1.0, 2.0]])
@pytest.mark.parametrize("k", [1, 2, 7])
def test_numbers_of_many_rows(special: list[float], k: int) -> None:
    chance = random.Random(k)
    rows = [{name: chance.choice([chance.gauss(0.0, 1.0), *special]) for name in NUMBERS} for _ in range(200)]
    centres = tuple(Centre.of(DenseVector([chance.choice([0.5, 1.0, 2.0]) for _ in NUMBERS])) for _ in range(k))
    assembler = VectorAssembler("v", NUMBERS, "assembled")
    nearest = KMeansModel("k", "assembled", "prediction", "euclidean", centres)
    scaler = MinMaxScalerModel("s", "assembled", "scaled", (-1.0, -2.0, 0.0), (1.0, 2.0, 0.5), -1.0, 1.0)
    components = PCAModel("c", "scaled", "components", tuple(numbers(row, 3) for row in range(2)), 2)
    schema = dict.fromkeys(NUMBERS, "double")
    kept = [row for row in rows if math.isfinite(sum(row.values()))]
    check([assembler, scaler, components], schema, rows)
    check([assembler, nearest], schema, kept)
    assert kept


def test_a_bad_row_among_many_fails_alone() -> None:
    rows = texts(3)
    rows[5] = {"words": None}
    outcomes = Pipeline(HashingTF("h", "words", "counts", N)).bind(WORDS).score_rows(rows)
    assert [number for number, one in enumerate(outcomes) if isinstance(one, RowError)] == [5]


def test_indices_are_counted_row_by_row() -> None:
    chance = random.Random(4)
    found = [[chance.randrange(2**31 - 1 - 9, 2**31 - 1) for _ in range(chance.randrange(20))] for _ in range(50)]
    rows = np.repeat(np.arange(50), [len(indices) for indices in found])
    size = 2**31 - 1
    batch = Batch([{} for _ in found])
    batch.write_sparse("counts", counted(50, size, rows, np.array(list(chain.from_iterable(found)))))
    assert [row["counts"] for row in batch] == [occurrences(size, indices) for indices in found]


def test_an_array_of_a_column_that_was_written_again_is_not_used() -> None:
    batch = Batch([{}, {}])
    counts = counted(2, 3, np.array([0, 1]), np.array([2, 1]))
    batch.write_sparse("v", counts)
    assert batch.sparse("v") is counts
    assert batch.dense("v") is None
    batch[1]["v"] = SparseVector(3, [1], [1.0])
    assert batch.sparse("v") is None
    batch.write_dense("w", np.array([[1.0], [2.0]]))
    batch[0]["w"] = DenseVector([3.0])
    found = batch.dense("w")
    assert found is not None
    assert found.tolist() == [[3.0], [2.0]]
    batch[0]["w"] = DenseVector([3.0, 4.0])
    assert batch.dense("w") is None


def test_rows_that_spark_compresses_are_seen() -> None:
    assert any_sparse(np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]]))
    assert not any_sparse(np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]))
    assert not any_sparse(np.ones((0, 3)))
