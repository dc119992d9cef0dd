"""Words to vectors by what was learnt from a corpus: counts, inverse document frequencies, word embeddings."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from skysail_container.spark.attributes import AttributeGroup, numeric
from skysail_container.spark.batch import Batch, counted, together
from skysail_container.spark.matrices import numbers_of
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import VECTOR, Column, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import DenseVector, SparseVector, occurrences, ones_of, vector_of

__all__ = ["CountVectorizerModel", "IDFModel", "Word2VecModel"]

_WORDS = ("array<string>", "array<void>")


@spark_stage(
    "org.apache.spark.ml.feature.CountVectorizerModel",
    parameters={"inputCol": None, "outputCol": None, "minTF": 1.0, "binary": False},
    training=("vocabSize", "minDF", "maxDF"),
)
@dataclass(frozen=True)
class CountVectorizerModel(Stage):
    """How often each word of a vocabulary occurs. Source: CountVectorizerModel."""

    uid: str
    input_column: str
    output_column: str
    vocabulary: tuple[str, ...]
    min_tf: float = 1.0
    """Words that occur less often are left out; below 1 it is a share of all words."""
    binary: bool = False
    """Every count is 1."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        vocabulary = folder.row()["vocabulary"]
        if not all(isinstance(word, str) for word in vocabulary):
            raise folder.error("its vocabulary holds what is no string")
        return cls(
            folder.uid,
            folder.required("inputCol"),
            folder.required("outputCol"),
            tuple(vocabulary),
            float(folder.required("minTF")),
            folder.required("binary"),
        )

    def bind(self, schema: Schema) -> Bound:
        schema.column(self.uid, self.input_column, *_WORDS)
        size = len(self.vocabulary)
        output = Column(VECTOR, AttributeGroup(size, (numeric(),) * size))
        after = schema.with_output(self.uid, self.output_column, output)
        source, target, min_tf, binary = self.input_column, self.output_column, self.min_tf, self.binary
        index_of = {word: index for index, word in enumerate(self.vocabulary)}.get
        n_features = len(set(self.vocabulary))

        def score(row: Row) -> None:
            words = row[source]
            if words is None:
                raise self.row_error(f"{source} is null")
            counts = occurrences(n_features, [index for index in map(index_of, words) if index is not None])
            least = min_tf if min_tf >= 1.0 else len(words) * min_tf
            if least > 1.0:
                counts = _at_least(least, counts)
            if counts.indices and counts.indices[-1] >= n_features:
                raise self.row_error("its vocabulary holds a word twice, so that an index lies beyond the vector")
            row[target] = ones_of(counts) if binary else counts

        def score_batch(batch: Batch) -> bool:
            words = [row[source] for row in batch]
            lengths = np.fromiter(map(len, words), np.int64, len(words))
            found = np.fromiter(map(index_of, chain.from_iterable(words), repeat(-1)), np.int64, lengths.sum())
            is_known = found >= 0
            rows = np.repeat(np.arange(len(words)), lengths)
            counts = counted(len(words), size, rows[is_known], found[is_known])
            least = np.full(len(words), min_tf) if min_tf >= 1.0 else lengths * min_tf
            kept = counts.values >= least[counts.rows]
            counts = counts._replace(rows=counts.rows[kept], indices=counts.indices[kept], values=counts.values[kept])
            batch.write_sparse(target, counts._replace(values=np.ones_like(counts.values)) if binary else counts)
            return True

        return Bound(after, score, together(score, score_batch) if n_features == size else None)


def _at_least(least: float, counts: SparseVector) -> SparseVector:
    kept = [(index, count) for index, count in counts.active() if count >= least]
    return SparseVector(counts.size, [index for index, _ in kept], [count for _, count in kept])


@spark_stage(
    "org.apache.spark.ml.feature.IDFModel",
    parameters={"inputCol": None, "outputCol": None},
    training=("minDocFreq",),
)
@dataclass(frozen=True)
class IDFModel(Stage):
    """Features times their inverse document frequency. Source: IDFModel; up to Spark 2.4 the file holds `idf` alone."""

    uid: str
    input_column: str
    output_column: str
    idf: "array[float]"

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        idf = array("d", vector_of(folder.row()["idf"]).to_list())
        return cls(folder.uid, folder.required("inputCol"), folder.required("outputCol"), idf)

    def bind(self, schema: Schema) -> Bound:
        schema.column(self.uid, self.input_column, VECTOR)
        output = Column(VECTOR, AttributeGroup(len(self.idf)))
        after = schema.with_output(self.uid, self.output_column, output)
        source, target, size = self.input_column, self.output_column, len(self.idf)
        idf = numbers_of(self.idf, alone=True)

        def score(row: Row) -> None:
            vector = row[source]
            if isinstance(vector, SparseVector):
                indices = vector.indices
                if indices and indices[-1] >= size:
                    raise self.row_error(f"{source} has a feature {indices[-1]}, the model knows {size}")
                weighted = [value * idf[index] for index, value in zip(indices, vector.values, strict=True)]
                row[target] = SparseVector(vector.size, indices, weighted)
                return
            if vector is None:
                raise self.row_error(f"{source} is null")
            if vector.size > size:
                raise self.row_error(f"{source} has {vector.size} features, the model knows {size}")
            row[target] = DenseVector([value * weight for value, weight in zip(vector.values, idf, strict=False)])

        weights = np.array(self.idf)

        def score_batch(batch: Batch) -> bool:
            counts = batch.sparse(source)
            if counts is None or counts.size > size:
                return False
            batch.write_sparse(target, counts._replace(values=counts.values * weights[counts.indices]), like=source)
            return True

        return Bound(after, score, together(score, score_batch))


@spark_stage(
    "org.apache.spark.ml.feature.Word2VecModel",
    parameters={"inputCol": None, "outputCol": None, "vectorSize": 100},
    training=(
        "maxIter", "stepSize", "seed", "windowSize", "numPartitions", "minCount", "maxSentenceLength",
    ),
)  # fmt: skip
@dataclass(frozen=True)
class Word2VecModel(Stage):
    """The mean of the words' vectors, over all words, known or not. Source: Word2VecModel."""

    uid: str
    input_column: str
    output_column: str
    vector_size: int
    vectors: Mapping[str, npt.NDArray[np.float64]] = field(repr=False)
    """By word; shape (vector_size,), values of float32."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        size = folder.required("vectorSize")
        rows = folder.rows()
        matrix = np.array([row["vector"] for row in rows], np.float64).reshape(len(rows), size)
        return cls(
            folder.uid,
            folder.required("inputCol"),
            folder.required("outputCol"),
            size,
            {row["word"]: vector for row, vector in zip(rows, matrix, strict=True)},
        )

    def bind(self, schema: Schema) -> Bound:
        schema.column(self.uid, self.input_column, *_WORDS)
        output = Column(VECTOR, AttributeGroup(self.vector_size))
        after = schema.with_output(self.uid, self.output_column, output)
        source, target, size, vector_of_word = self.input_column, self.output_column, self.vector_size, self.vectors.get

        def score(row: Row) -> None:
            words: list[Any] | None = row[source]
            if words is None:
                raise self.row_error(f"{source} is null")
            if not words:
                row[target] = SparseVector(size, [], [])
                return
            total = np.zeros(size)
            for word in words:
                vector = vector_of_word(word)
                if vector is not None:
                    total += vector
            total *= 1.0 / len(words)
            row[target] = DenseVector(total.tolist())

        return Bound(after, score)
