"""Binarizers, bucketizers and imputers: one column and many, every type of column and mode of invalid values."""

import random
from typing import Any

from pyspark.ml import Pipeline
from pyspark.ml.feature import Binarizer, Bucketizer, Imputer, IndexToString, QuantileDiscretizer
from pyspark.ml.linalg import Vectors
from pyspark.sql.types import DoubleType, FloatType, IntegerType, LongType, StructField, StructType

from spark.case import Case, spark_case

NAN, INF = float("nan"), float("inf")
TENTH = 0.10000000149011612
"""Of a float32."""

NUMBERS = [
    *(-INF, -1e300, -7.5, -1.0000000000000002, -1.0, -0.25, -5e-324, -0.0, 0.0, 5e-324, 0.1, 0.5),
    *(0.9999999999999999, 1.0, 1.5, 2.0, 1e7, 1e300, INF, NAN, None),
]


def numbers(**more: Any) -> tuple[dict[str, str], list[dict[str, Any]]]:
    return {"x": "double", **dict.fromkeys(more, "double")}, [
        {"x": number, **{name: values[at % len(values)] for name, values in more.items()}}
        for at, number in enumerate(NUMBERS)
    ]


@spark_case
def binarizer(spark: Any) -> Case:
    stages = [
        Binarizer(inputCol="x", outputCol="above zero"),
        Binarizer(inputCol="x", outputCol="above", threshold=0.5),
        Binarizer(inputCol="x", outputCol="above a negative one", threshold=-1.0),
        Binarizer(inputCol="x", outputCol="above infinity", threshold=INF),
        Binarizer(inputCol="x", outputCol="above NaN", threshold=NAN),
    ]
    return Case(Pipeline(stages=stages).fit(spark.range(1)), *numbers())


VECTORS = [
    Vectors.dense([]),
    Vectors.dense([0.1, 0.2, 0.3]),
    Vectors.dense([0.3, 0.2, -0.3, 0.0, -0.0, NAN, INF, -INF]),
    Vectors.dense([0.0] * 5),
    Vectors.dense([-1.0, 5.0, -1.0, -1.0, -1.0, -1.0]),
    Vectors.dense([-1.0, -1.0, -1.0, -0.5, -1.0, -1.0]),
    Vectors.sparse(4, [], []),
    Vectors.sparse(4, [0, 1, 2], [0.3, 0.2, -0.3]),
    Vectors.sparse(40, [0, 7, 39], [0.3, 0.25, 0.2]),
    Vectors.sparse(5, [0, 1, 2, 3, 4], [-2.0, -2.0, 0.0, NAN, -2.0]),
    Vectors.sparse(3, [1], [INF]),
    None,
]


@spark_case
def binarizer_of_vectors(spark: Any) -> Case:
    stages = [
        Binarizer(inputCol="v", outputCol="above zero"),
        Binarizer(inputCol="v", outputCol="above", threshold=0.25),
        Binarizer(inputCol="v", outputCol="above a negative one", threshold=-0.5),
        Binarizer(inputCol="v", outputCol="above minus infinity", threshold=-INF),
    ]
    return Case(Pipeline(stages=stages).fit(spark.range(1)), {"v": "vector"}, [{"v": vector} for vector in VECTORS])


@spark_case
def binarizer_of_many_columns(spark: Any) -> Case:
    stages = [
        Binarizer(inputCols=["x", "y", "v"], outputCols=["a", "b", "c"], thresholds=[0.5, -1.0, 0.25]),
        Binarizer(inputCols=["x", "y"], outputCols=["d", "e"], threshold=0.9),
        Binarizer(inputCols=["a", "c"], outputCols=["f", "g"]),
    ]
    rows: list[dict[str, Any]] = [
        {"x": number, "y": NUMBERS[-at], "v": VECTORS[at % (len(VECTORS) - 1)]} for at, number in enumerate(NUMBERS)
    ]
    schema = {"x": "double", "y": "double", "v": "vector"}
    return Case(Pipeline(stages=stages).fit(spark.range(1)), schema, rows)


SPLITS = [-INF, -1.0, 0.0, 0.5, 1.0, INF]


@spark_case
def bucketizer(spark: Any) -> Case:
    return Case(Bucketizer(inputCol="x", outputCol="bucket", splits=SPLITS), *numbers())


@spark_case
def bucketizer_that_keeps_nan(spark: Any) -> Case:
    model = Bucketizer(inputCol="x", outputCol="bucket", splits=SPLITS, handleInvalid="keep")
    return Case(model, *numbers())


@spark_case
def bucketizer_with_names(spark: Any) -> Case:
    """Its buckets have names, which IndexToString reads."""
    stages = [
        Bucketizer(inputCol="x", outputCol="bucket", splits=[-INF, -1.0, 0.001, 1e7, INF]),
        IndexToString(inputCol="bucket", outputCol="name"),
    ]
    schema, rows = numbers()
    rows = [row for row in rows if row["x"] is not None and row["x"] == row["x"]]
    return Case(Pipeline(stages=stages).fit(spark.range(1)), schema, rows)


@spark_case
def bucketizer_between_zeros(spark: Any) -> Case:
    """-0.0 lies below 0.0, before it and at either end."""
    stages = [
        Bucketizer(inputCol="x", outputCol="middle", splits=[-INF, 0.0, INF], handleInvalid="keep"),
        Bucketizer(inputCol="x", outputCol="negative middle", splits=[-INF, -0.0, INF], handleInvalid="keep"),
        Bucketizer(inputCol="x", outputCol="two", splits=[-INF, -5e-324, 0.0, 5e-324, INF], handleInvalid="keep"),
    ]
    return Case(Pipeline(stages=stages).fit(spark.range(1)), *numbers())


@spark_case
def bucketizer_from_zero(spark: Any) -> Case:
    return Case(Bucketizer(inputCol="x", outputCol="bucket", splits=[0.0, 0.5, 1.0], handleInvalid="skip"), *numbers())


@spark_case
def bucketizer_from_negative_zero(spark: Any) -> Case:
    return Case(Bucketizer(inputCol="x", outputCol="bucket", splits=[-0.0, 0.5, 1.0], handleInvalid="keep"), *numbers())


@spark_case
def bucketizer_up_to_zero(spark: Any) -> Case:
    return Case(
        Bucketizer(inputCol="x", outputCol="bucket", splits=[-7.5, -1.0, 0.0], handleInvalid="keep"), *numbers()
    )


@spark_case
def bucketizer_that_skips(spark: Any) -> Case:
    return Case(Bucketizer(inputCol="x", outputCol="bucket", splits=SPLITS, handleInvalid="skip"), *numbers())


@spark_case
def bucketizer_of_many_columns_that_skips(spark: Any) -> Case:
    model = Bucketizer(
        inputCols=["x", "y"], outputCols=["a", "b"], splitsArray=[SPLITS, [0.0, 1.0, 2.0]], handleInvalid="skip"
    )
    return Case(model, *numbers(y=[0.5, None, 1.0, 2.0, NAN, 3.0, 0.0, -0.0]))


@spark_case
def bucketizer_of_many_columns_that_keeps(spark: Any) -> Case:
    model = Bucketizer(
        inputCols=["x", "y"], outputCols=["a", "b"], splitsArray=[SPLITS, [0.0, 1.0, 2.0]], handleInvalid="keep"
    )
    return Case(model, *numbers(y=[0.5, None, 1.0, 2.0, NAN, 1.5, 0.0]))


TYPED = {"i": "int", "l": "bigint", "f": "float", "s": "smallint", "t": "tinyint"}


@spark_case
def bucketizer_of_other_types(spark: Any) -> Case:
    model = Bucketizer(
        inputCols=list(TYPED),
        outputCols=[f"{name} bucket" for name in TYPED],
        splitsArray=[
            SPLITS,
            [-INF, 9007199254740993.0, 9007199254740996.0, INF],
            [-INF, 0.1, 0.3, INF],
            [-9.0, 0.0, 9.0],
            SPLITS,
        ],
        handleInvalid="keep",
    )
    rows: list[dict[str, Any]] = [
        {"i": 1, "l": 9007199254740993, "f": TENTH, "s": 9, "t": 0},
        {"i": 0, "l": 9007199254740992, "f": 0.30000001192092896, "s": 0, "t": -128},
        {"i": -(2**31), "l": 2**63 - 1, "f": -0.0, "s": -9, "t": 127},
        {"i": None, "l": None, "f": None, "s": None, "t": None},
        {"i": 2, "l": -(2**63), "f": NAN, "s": 1, "t": 1},
        {"i": 2, "l": 9007199254740995, "f": 1.0, "s": 1, "t": 1},
        {"i": 2, "l": 0, "f": INF, "s": 10, "t": 1},
        {"i": 2, "l": 0, "f": 0.29999998211860657, "s": -10, "t": 1},
    ]
    return Case(model, TYPED, rows)


@spark_case
def quantile_discretizer(spark: Any) -> Case:
    draw = random.Random(9)
    rows = [(draw.gauss(0.0, 4.0), draw.choice([0.0, 1.0, 1.0, 5.0, NAN])) for _ in range(150)]
    frame = spark.createDataFrame(rows, ["x", "y"])
    stages = [
        QuantileDiscretizer(inputCol="x", outputCol="five", numBuckets=5, handleInvalid="keep"),
        QuantileDiscretizer(
            inputCols=["x", "y"],
            outputCols=["a", "b"],
            numBucketsArray=[3, 4],
            handleInvalid="keep",
            relativeError=0.01,
        ),
    ]
    return Case(Pipeline(stages=stages).fit(frame), *numbers(y=[0.0, 1.0, 0.5, 5.0, NAN, None, -3.0]))


def missing(spark: Any) -> Any:
    fields = [("x", DoubleType()), ("f", FloatType()), ("i", IntegerType()), ("l", LongType())]
    rows = [
        (1.0, 0.1, 1, 10),
        (2.5, NAN, 2, None),
        (NAN, 0.3, None, 2**53 + 1),
        (None, None, 4, -7),
        (4.0, 1e30, 3, 3),
        (-1.0, -3.5, 4, 8),
    ]
    return spark.createDataFrame(rows, StructType([StructField(name, kind) for name, kind in fields]))


MIXED = {"x": "double", "f": "float", "i": "int", "l": "bigint"}
MIXED_ROWS: list[dict[str, Any]] = [
    {"x": 1.5, "f": TENTH, "i": 7, "l": 9},
    {"x": None, "f": None, "i": None, "l": None},
    {"x": NAN, "f": NAN, "i": 0, "l": 0},
    {"x": INF, "f": -INF, "i": 2**31 - 1, "l": 2**63 - 1},
    {"x": -INF, "f": INF, "i": -(2**31), "l": -(2**63)},
    {"x": -0.0, "f": -0.0, "i": -1, "l": 2**53 + 1},
    {"x": 4.0, "f": 4.0, "i": 4, "l": 4},
    {"x": 0.1, "f": TENTH, "i": 1, "l": -(2**53) - 1},
    {"x": 0.0, "f": 0.0, "i": 5, "l": 2**60 + 7},
]


@spark_case
def imputer(spark: Any) -> Case:
    names = list(MIXED)
    model = Imputer(inputCols=names, outputCols=[f"{name} filled" for name in names]).fit(missing(spark))
    return Case(model, MIXED, MIXED_ROWS)


@spark_case
def imputer_of_the_median_in_place(spark: Any) -> Case:
    names = list(MIXED)
    stages = [
        Imputer(inputCols=names, outputCols=names, strategy="median", missingValue=4.0, relativeError=0.0),
        Binarizer(inputCol="x", outputCol="above", threshold=2.0),
    ]
    return Case(Pipeline(stages=stages).fit(missing(spark)), MIXED, MIXED_ROWS)


@spark_case
def imputer_of_the_mode(spark: Any) -> Case:
    stages = [
        Imputer(inputCol="i", outputCol="filled", strategy="mode"),
        Imputer(inputCol="x", outputCol="x filled", missingValue=0.0),
        Imputer(inputCol="f", outputCol="f filled", missingValue=0.1),
        Imputer(inputCols=["l", "i"], outputCols=["i", "swapped"], missingValue=0.0),
    ]
    return Case(Pipeline(stages=stages).fit(missing(spark)), MIXED, MIXED_ROWS)
