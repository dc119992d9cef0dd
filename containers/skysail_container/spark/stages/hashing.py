"""Features by the hash of their name: terms to term frequencies, columns to one vector."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Self

import numpy as np

from skysail_container.spark.attributes import AttributeGroup
from skysail_container.spark.batch import Batch, counted, together
from skysail_container.spark.java_numbers import double_text, float_text
from skysail_container.spark.murmur3 import (
    SEED,
    hash_bytes_before_3,
    hash_double,
    hash_float,
    hash_int,
    hash_long,
    hash_text,
)
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import BOOLEAN, DOUBLE, FLOAT, INT, LONG, STRING, VECTOR, VOID, Column, Schema
from skysail_container.spark.stage import Bound, Row, Score, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import SparseVector, occurrences, ones_of

__all__ = ["FeatureHasher", "HashingTF"]

DEFAULT_FEATURES: Final = 1 << 18
_MAX_KNOWN_TERMS: Final = 1 << 16
_MAX_KNOWN_LENGTH: Final = 64

_HASHES: Final[dict[str, Callable[[Any], int]]] = {
    BOOLEAN: hash_int,
    "tinyint": hash_int,
    "smallint": hash_int,
    INT: hash_int,
    LONG: hash_long,
    FLOAT: hash_float,
    DOUBLE: hash_double,
    VOID: hash_text,
}


class _TermIndices(dict[str | None, int]):
    """The features of terms seen before: looking one up is some 50 times faster than hashing it.

    Invariant: at most `_MAX_KNOWN_TERMS` terms of at most `_MAX_KNOWN_LENGTH` characters, whatever is asked for.
    """

    def __init__(self, index_of: Callable[[str], int], index_of_null: int) -> None:
        super().__init__({None: index_of_null})
        self._index_of = index_of
        self._index_of_null = index_of_null

    def __missing__(self, term: str | None) -> int:
        if term is None:
            return self._index_of_null
        index = self._index_of(term)
        if len(term) <= _MAX_KNOWN_LENGTH:
            if len(self) >= _MAX_KNOWN_TERMS:
                self.clear()
            self[term] = index
        return index


def _text_before_3(text: str) -> int:
    return hash_bytes_before_3(text.encode("utf-8", "replace"))


@spark_stage(
    "org.apache.spark.ml.feature.HashingTF",
    parameters={"inputCol": None, "outputCol": None, "numFeatures": DEFAULT_FEATURES, "binary": False},
)
@dataclass(frozen=True)
class HashingTF(Stage):
    """How often terms occur, by their hash. Source: HashingTF; up to Spark 2.4 strings were hashed otherwise."""

    uid: str
    input_column: str
    output_column: str
    n_features: int = DEFAULT_FEATURES
    binary: bool = False
    """Every frequency is 1."""
    before_3: bool = False
    """Strings are hashed as up to Spark 2.4."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        return cls(
            folder.uid,
            folder.required("inputCol"),
            folder.required("outputCol"),
            _n_features(folder),
            folder.required("binary"),
            folder.metadata.spark_version[0] < 3,
        )

    def bind(self, schema: Schema) -> Bound:
        element = schema.column(self.uid, self.input_column).element
        if element is None:
            raise self.error("an array of terms is expected", column=self.input_column)
        output = Column(VECTOR, AttributeGroup(self.n_features))
        index_of = self._index_of(element)
        score = self._score(index_of)
        after = schema.with_output(self.uid, self.output_column, output)
        return Bound(after, score, together(score, self._score_batch(index_of)))

    def _index_of(self, element: str) -> Callable[[Any], int]:
        n = self.n_features
        if element == STRING:
            hashed: Callable[[Any], int] = _text_before_3 if self.before_3 else hash_text
            return _TermIndices(lambda term: hashed(term) % n, SEED % n).__getitem__
        typed = _HASHES.get(element)

        def index_of(term: Any) -> int:
            if term is None:
                return SEED % n
            if typed is None:
                raise self.row_error(f"{self.input_column}: Spark cannot hash terms of type {element}")
            return typed(term) % n

        return index_of

    def _score(self, index_of: Callable[[Any], int]) -> Score:
        source, target, n, binary = self.input_column, self.output_column, self.n_features, self.binary

        def score(row: Row) -> None:
            terms = row[source]
            if terms is None:
                raise self.row_error(f"{source} is null")
            counts = occurrences(n, [*map(index_of, terms)])
            row[target] = ones_of(counts) if binary else counts

        return score

    def _score_batch(self, index_of: Callable[[Any], int]) -> Callable[[Batch], bool]:
        source, target, n, binary = self.input_column, self.output_column, self.n_features, self.binary

        def score_batch(batch: Batch) -> bool:
            terms = [row[source] for row in batch]
            lengths = np.fromiter(map(len, terms), np.int64, len(terms))
            found = np.fromiter(map(index_of, chain.from_iterable(terms)), np.int64, lengths.sum())
            counts = counted(len(terms), n, np.repeat(np.arange(len(terms)), lengths), found)
            batch.write_sparse(target, counts._replace(values=np.ones_like(counts.values)) if binary else counts)
            return True

        return score_batch


_TEXTS: Final[dict[str, Callable[[Any], str]]] = {
    BOOLEAN: lambda value: "true" if value else "false",
    DOUBLE: double_text,
    FLOAT: float_text,
}
"""`toString` of what is neither text nor whole."""


@spark_stage(
    "org.apache.spark.ml.feature.FeatureHasher",
    parameters={"inputCols": None, "outputCol": None, "numFeatures": DEFAULT_FEATURES, "categoricalCols": None},
    exactness="exact; but three or more numeric columns of one hash may be added in another order",
)
@dataclass(frozen=True)
class FeatureHasher(Stage):
    """Numbers at the hash of their column's name, categories as 1 at the hash of "column=value".

    Source: FeatureHasher. Nulls leave nothing; what falls on one feature is added up.
    """

    uid: str
    input_columns: tuple[str, ...]
    output_column: str
    n_features: int = DEFAULT_FEATURES
    categorical_columns: tuple[str, ...] = ()
    """Numeric ones to be treated as categories."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        return cls(
            folder.uid,
            tuple(folder.required("inputCols")),
            folder.required("outputCol"),
            _n_features(folder),
            tuple(folder.param("categoricalCols") or ()),
        )

    def bind(self, schema: Schema) -> Bound:
        columns = {name: schema.column(self.uid, name) for name in self.input_columns}
        for name, column in columns.items():
            if not column.is_numeric and column.type not in (STRING, BOOLEAN, VOID):
                raise self.error(f"numbers, text or booleans are expected, this is {column.type}", column=name)
        categorical = {
            name for name, column in columns.items() if not column.is_numeric or name in self.categorical_columns
        }
        output = Column(VECTOR, AttributeGroup(self.n_features))
        score = self._score(
            [(name, hash_text(name) % self.n_features) for name in columns if name not in categorical],
            [(name, self._index_of(name, columns[name].type)) for name in columns if name in categorical],
        )
        return Bound(schema.with_output(self.uid, self.output_column, output), score)

    def _index_of(self, name: str, column_type: str) -> Callable[[Any], int]:
        n = self.n_features
        texts = _TermIndices(lambda text: hash_text(f"{name}={text}") % n, -1)
        if column_type == STRING:
            return texts.__getitem__
        text_of = _TEXTS.get(column_type, str)
        return lambda value: texts[text_of(value)]

    def _score(self, real: list[tuple[str, int]], categorical: list[tuple[str, Callable[[Any], int]]]) -> Score:
        target, n = self.output_column, self.n_features

        def score(row: Row) -> None:
            features: dict[int, float] = {}
            for name, index in real:
                number = row[name]
                if number is not None:
                    features[index] = features[index] + float(number) if index in features else float(number)
            for name, index_of in categorical:
                category = row[name]
                if category is not None:
                    index = index_of(category)
                    features[index] = features.get(index, 0.0) + 1.0
            indices = sorted(features)
            row[target] = SparseVector(n, indices, [features[index] for index in indices])

        return score


def _n_features(folder: StageFolder) -> int:
    n_features = folder.required("numFeatures")
    if not isinstance(n_features, int) or not 0 < n_features < 1 << 31:
        raise folder.error(f"its numFeatures is {n_features!r}, and must be a whole number above 0")
    return n_features
