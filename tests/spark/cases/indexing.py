"""Categories to indices, back, to vectors, and to means of a target."""

import random
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.ml import Pipeline
from pyspark.ml.feature import IndexToString, OneHotEncoder, StringIndexer, StringIndexerModel, TargetEncoder

from spark.case import Case, spark_case

NAN = float("nan")
INFINITY = float("inf")

CITIES = [
    "Bonn",
    "Ulm",
    "Bonn",
    "Kyōto 京都",
    "ulm",
    " Bonn",
    "Ærø",
    "🚲",
    "Ulm",
    "Bonn",
    'a,b"c',
    "\t",
    "O'Brien",
    "1.0",
]
UNSEEN = [
    "Bonn",
    "Ulm",
    "ulm",
    "Kyōto 京都",
    "🚲",
    "Ærø",
    " Bonn",
    "\t",
    'a,b"c',
    "1.0",
    None,
    "Bonn ",
    "",
    "Paris",
    "\U0001d538",
]


def texts(values: Sequence[Any], column: str = "city") -> list[dict[str, Any]]:
    return [{column: value} for value in values]


def indexed(spark: Any, trained: Sequence[Any], kind: str, scored: Sequence[Any], **settings: Any) -> Case:
    """One column of any type, indexed."""
    frame = spark.createDataFrame([(value,) for value in trained], f"value {kind}")
    indexer = StringIndexer(inputCol="value", outputCol="index", **settings)
    return Case(indexer.fit(frame), {"value": kind}, texts(scored, "value"))


@spark_case
def indexer_errors(spark: Any) -> Case:
    return indexed(spark, CITIES, "string", UNSEEN)


@spark_case
def indexer_skips(spark: Any) -> Case:
    return indexed(spark, CITIES, "string", UNSEEN, handleInvalid="skip", stringOrderType="alphabetAsc")


@spark_case
def indexer_keeps(spark: Any) -> Case:
    return indexed(spark, CITIES, "string", UNSEEN, handleInvalid="keep", stringOrderType="alphabetDesc")


@spark_case
def indexer_keeps_the_empty_text(spark: Any) -> Case:
    trained = ["", "a", "", "b", None]
    return indexed(spark, trained, "string", ["", "a", None, "c"], handleInvalid="keep", stringOrderType="frequencyAsc")


DOUBLES = [
    0.0, -0.0, 1.0, 1.0, 0.1, 1e7, 1e-3, 9.999e-4, 1.0e22, -2.5, NAN, INFINITY, -INFINITY, 5e-324, 123456789.123, 100.0,
    1.7976931348623157e308, 9999999.0, 2.2250738585072014e-308, 0.30000000000000004,
]  # fmt: skip


@spark_case
def indexer_of_doubles(spark: Any) -> Case:
    return indexed(spark, DOUBLES, "double", [*DOUBLES, 0.3, 2.0, None], handleInvalid="keep")


@spark_case
def indexer_of_doubles_skips(spark: Any) -> Case:
    return indexed(spark, DOUBLES, "double", [*DOUBLES, 0.3, 2.0, None], handleInvalid="skip")


def float32(value: float) -> float:
    """The float32 next to a number, as a double."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


@spark_case
def indexer_of_floats(spark: Any) -> Case:
    plain = [0.1, 0.1, -1.07501, 3.4028234663852886e38, 1.0, 0.0, -0.0, NAN, INFINITY, 1.401298464324817e-45, 2.0**24]
    trained = [float32(value) for value in plain]
    return indexed(spark, trained, "float", [*trained, 0.25, None], handleInvalid="keep")


@spark_case
def indexer_of_ints(spark: Any) -> Case:
    return indexed(spark, [3, 3, -1, 0, 2147483647], "int", [3, -1, 0, 2147483647, 4, None], handleInvalid="skip")


@spark_case
def indexer_of_longs(spark: Any) -> Case:
    return indexed(
        spark, [9007199254740993, 3, -(2**63)], "bigint", [9007199254740993, 9007199254740992, 3, -(2**63), None]
    )


@spark_case
def indexer_of_text_given_numbers(spark: Any) -> Case:
    """A label that is no text of a double is never met by one."""
    model = StringIndexerModel.from_labels(
        ["1", "1.0", "1.00", "1e3", "1000.0", "NaN", "nan", "-0.0", "0.0"], "value", "index", "keep"
    )
    return Case(model, {"value": "double"}, texts([1.0, 1000.0, NAN, 0.0, -0.0, 2.0, None], "value"))


def two_columns(spark: Any) -> Any:
    data = [("a", "x"), ("b", "y"), ("a", "z"), ("c", "x"), ("a", "x")]
    return spark.createDataFrame(data, "first string, second string")


TWO: list[Mapping[str, Any]] = [
    {"first": first, "second": second}
    for first, second in [
        ("a", "x"),
        ("b", "z"),
        ("c", "y"),
        ("d", "x"),
        ("a", "w"),
        (None, "x"),
        ("a", None),
        (None, None),
    ]
]


@spark_case
def indexer_of_two_columns_errors(spark: Any) -> Case:
    indexer = StringIndexer(inputCols=["first", "second"], outputCols=["one", "two"])
    return Case(indexer.fit(two_columns(spark)), {"first": "string", "second": "string"}, TWO)


@spark_case
def indexer_of_two_columns_skips(spark: Any) -> Case:
    indexer = StringIndexer(inputCols=["first", "second"], outputCols=["one", "two"], handleInvalid="skip")
    return Case(indexer.fit(two_columns(spark)), {"first": "string", "second": "string"}, TWO)


@spark_case
def indexer_of_two_columns_keeps(spark: Any) -> Case:
    indexer = StringIndexer(inputCols=["first", "second"], outputCols=["one", "two"], handleInvalid="keep")
    return Case(indexer.fit(two_columns(spark)), {"first": "string", "second": "string"}, TWO)


@spark_case
def indexer_of_an_absent_column(spark: Any) -> Case:
    """Spark leaves it out without a word."""
    indexer = StringIndexer(inputCols=["first", "second"], outputCols=["one", "two"], handleInvalid="keep")
    return Case(indexer.fit(two_columns(spark)), {"second": "string"}, texts(["x", "y", "w", None], "second"))


@spark_case
def indexer_renamed(spark: Any) -> Case:
    model = StringIndexer(inputCol="first", outputCol="one").fit(two_columns(spark))
    return Case(
        model.setInputCol("Straße").setOutputCol("nächste"), {"Straße": "string"}, texts(["a", "b", "q"], "Straße")
    )


@spark_case
def labels_of_the_stage(spark: Any) -> Case:
    stage = IndexToString(inputCol="index", outputCol="label", labels=["a", "ä", "", "d"])
    rows = texts(
        [0.0, 1.0, 2.0, 3.0, 4.0, 0.9, 3.999, -0.5, -1.0, -0.0, NAN, INFINITY, -INFINITY, 1e300, None], "index"
    )
    return Case(stage, {"index": "double"}, rows)


@spark_case
def labels_of_ints(spark: Any) -> Case:
    stage = IndexToString(inputCol="index", outputCol="label", labels=["a", "b"])
    return Case(stage, {"index": "int"}, texts([0, 1, 2, -1, None], "index"))


@spark_case
def labels_of_longs(spark: Any) -> Case:
    stage = IndexToString(inputCol="index", outputCol="label", labels=["a", "b"])
    return Case(stage, {"index": "bigint"}, texts([0, 1, 2**32, 2**32 + 1, -(2**63), None], "index"))


@spark_case
def labels_of_the_column(spark: Any) -> Case:
    stages = [
        StringIndexer(inputCol="first", outputCol="one", handleInvalid="keep"),
        IndexToString(inputCol="one", outputCol="back"),
    ]
    return Case(
        Pipeline(stages=stages).fit(two_columns(spark)), {"first": "string"}, texts(["a", "c", "q", None], "first")
    )


INDICES = [0.0, 1.0, 2.0, 3.0, 4.0, -1.0, -0.5, -0.0, 0.5, 1.5, 2.5, 3.5, NAN, INFINITY, -INFINITY, None, 1e300]


def encoded(spark: Any, **settings: Any) -> Case:
    frame = spark.createDataFrame([(0.0,), (1.0,), (2.0,), (2.0,)], "index double")
    return Case(
        OneHotEncoder(inputCol="index", outputCol="vector", **settings).fit(frame),
        {"index": "double"},
        texts(INDICES, "index"),
    )


@spark_case
def one_hot_drops_the_last(spark: Any) -> Case:
    return encoded(spark)


@spark_case
def one_hot_with_all(spark: Any) -> Case:
    return encoded(spark, dropLast=False)


@spark_case
def one_hot_keeps_and_drops(spark: Any) -> Case:
    return encoded(spark, handleInvalid="keep")


@spark_case
def one_hot_keeps_all(spark: Any) -> Case:
    return encoded(spark, handleInvalid="keep", dropLast=False)


@spark_case
def one_hot_of_a_single_category(spark: Any) -> Case:
    frame = spark.createDataFrame([(0.0,)], "index double")
    return Case(
        OneHotEncoder(inputCol="index", outputCol="vector").fit(frame),
        {"index": "double"},
        texts([0.0, 1.0, 2.0, None], "index"),
    )


@spark_case
def one_hot_of_many_categories(spark: Any) -> Case:
    frame = spark.createDataFrame([(0,), (2999,)], "index int")
    model = OneHotEncoder(inputCol="index", outputCol="vector", dropLast=False).fit(frame)
    return Case(model, {"index": "int"}, texts([0, 1, 2998, 2999, 3000, 3001, -1, None], "index"))


@spark_case
def one_hot_of_indexed_columns(spark: Any) -> Case:
    stages = [
        StringIndexer(inputCols=["first", "second"], outputCols=["one", "two"], handleInvalid="keep"),
        OneHotEncoder(inputCols=["one", "two"], outputCols=["ones", "twos"], handleInvalid="keep"),
    ]
    return Case(Pipeline(stages=stages).fit(two_columns(spark)), {"first": "string", "second": "string"}, TWO)


@spark_case
def one_hot_of_ints_and_floats(spark: Any) -> Case:
    frame = spark.createDataFrame([(0, 1.0), (1, 0.0), (2, 3.0)], "whole bigint, part float")
    encoder = OneHotEncoder(
        inputCols=["whole", "part"], outputCols=["wholes", "parts"], handleInvalid="keep", dropLast=False
    )
    values = [(0, 0.0), (2, 3.0), (3, 4.0), (-1, -1.0), (None, 1.5), (1, NAN), (9, None)]
    rows = [{"whole": whole, "part": part} for whole, part in values]
    return Case(encoder.fit(frame), {"whole": "bigint", "part": "float"}, rows)


def targets(spark: Any, kind: str, seed: int = 3) -> Any:
    chance = random.Random(seed)
    data = []
    for _ in range(60):
        first = chance.choice([0, 1, 2, 5, None])
        target = float(chance.random() < 0.2 * (first or 1)) if kind == "binary" else chance.gauss(3.0, 2.0)
        data.append((first, float(chance.randrange(4)), target))
    return spark.createDataFrame(data, "first int, second double, target double")


ENCODED: list[Mapping[str, Any]] = [
    {"first": first, "second": second}
    for first, second in [
        (0, 0.0), (1, 1.0), (2, 2.0), (5, 3.0), (None, 0.0), (3, 0.0), (0, 4.0), (0, None), (0, NAN), (0, 0.5),
        (-1, 0.0), (2147483647, 0.0), (0, -1.0), (0, -0.0), (0, INFINITY), (None, None),
    ]
]  # fmt: skip


def target_encoded(spark: Any, kind: str, **settings: Any) -> Case:
    encoder = TargetEncoder(
        inputCols=["first", "second"], outputCols=["one", "two"], labelCol="target", targetType=kind, **settings
    )
    return Case(encoder.fit(targets(spark, kind)), {"first": "int", "second": "double"}, ENCODED)


@spark_case
def target_binary(spark: Any) -> Case:
    return target_encoded(spark, "binary")


@spark_case
def target_binary_keeps(spark: Any) -> Case:
    return target_encoded(spark, "binary", handleInvalid="keep", smoothing=2.5)


@spark_case
def target_continuous(spark: Any) -> Case:
    return target_encoded(spark, "continuous", smoothing=1.0)


@spark_case
def target_continuous_keeps(spark: Any) -> Case:
    return target_encoded(spark, "continuous", handleInvalid="keep")


@spark_case
def target_of_one_column(spark: Any) -> Case:
    encoder = TargetEncoder(inputCol="second", outputCol="mean", labelCol="target", handleInvalid="keep")
    rows = texts([0.0, 1.0, 3.0, 4.0, None], "second")
    return Case(encoder.fit(targets(spark, "binary")), {"second": "double"}, rows)


@spark_case
def target_replaces_columns(spark: Any) -> Case:
    """Outputs that take the place of inputs: each is made of the row as it was."""
    encoder = TargetEncoder(
        inputCols=["first", "second"], outputCols=["second", "first"], labelCol="target", handleInvalid="keep"
    )
    return Case(encoder.fit(targets(spark, "binary")), {"first": "int", "second": "double"}, ENCODED[:8])
