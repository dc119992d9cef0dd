"""Columns to vectors, their sizes, their features: chosen, indexed, multiplied."""

import random
from collections.abc import Sequence
from typing import Any

from pyspark.ml import Pipeline
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import (
    Interaction,
    OneHotEncoder,
    StringIndexer,
    VectorAssembler,
    VectorIndexer,
    VectorSizeHint,
    VectorSlicer,
)
from pyspark.ml.linalg import Vectors

from spark.case import Case, spark_case

NAN = float("nan")
INFINITY = float("inf")
dense, sparse = Vectors.dense, Vectors.sparse

NUMBERS = {"a": "double", "b": "int", "c": "float", "d": "bigint", "e": "boolean", "f": "tinyint"}
FEW: dict[str, Any] = {"a": 0.0, "b": 0, "c": 0.0, "d": 0, "e": False, "f": 0}


def numbers(*changes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**FEW, **change} for change in changes]


NUMBER_ROWS = numbers(
    {"a": 1.5, "b": 2, "c": 0.125, "d": 4, "e": True, "f": -3},
    {},
    {"a": -0.0, "c": -0.0, "b": 7, "d": 1, "e": True, "f": 1},
    {"d": 9007199254740993},
    {"a": 1.0, "b": 1},
    {"a": 1.0, "b": 1, "d": 2},
    {"a": NAN, "b": 1, "d": 2},
    {"c": NAN, "b": 1, "d": 2},
    {"a": INFINITY, "c": -INFINITY},
    {"a": INFINITY, "c": -INFINITY, "b": 3, "d": 3, "e": True},
    {"a": None},
    {"b": None, "a": 1.0},
    {"c": None, "a": NAN},
    {"d": None, "e": None, "f": None},
    {"e": None},
    {"f": -128, "b": -(2**31), "d": -(2**63)},
)


def of_numbers(handle_invalid: str) -> Case:
    stage = VectorAssembler(inputCols=list(NUMBERS), outputCol="features", handleInvalid=handle_invalid)
    return Case(stage, NUMBERS, NUMBER_ROWS)


@spark_case
def assembler_of_numbers_errors(spark: Any) -> Case:
    return of_numbers("error")


@spark_case
def assembler_of_numbers_skips(spark: Any) -> Case:
    return of_numbers("skip")


@spark_case
def assembler_of_numbers_keeps(spark: Any) -> Case:
    return of_numbers("keep")


@spark_case
def assembler_of_one_number(spark: Any) -> Case:
    stage = VectorAssembler(inputCols=["a"], outputCol="features")
    return Case(stage, {"a": "double"}, [{"a": value} for value in (1.0, 0.0, -0.0, NAN, None, INFINITY)])


MIXED = {"u": "vector", "a": "double", "v": "vector"}
MIXED_ROWS: list[dict[str, Any]] = [
    {"u": dense([1.0, 0.0, -0.0]), "a": 2.0, "v": sparse(4, {1: 5.0})},
    {"u": dense([1.0, 2.0, 3.0]), "a": 2.0, "v": dense([1.0, 2.0, 3.0, 4.0])},
    {"u": sparse(3, {}), "a": 0.0, "v": sparse(4, {})},
    {"u": sparse(3, {}), "a": -0.0, "v": dense([0.0, -0.0, 0.0, 0.0])},
    {"u": sparse(3, [0, 2], [0.0, 7.0]), "a": 1.0, "v": sparse(4, [0, 1, 2, 3], [1.0, -0.0, 1.0, 1.0])},
    {"u": dense([NAN, 0.0, 1.0]), "a": 1.0, "v": sparse(4, {3: NAN})},
    {"u": dense([INFINITY, 0.0, 1.0]), "a": -INFINITY, "v": sparse(4, {3: 1.0})},
    {"u": dense([1.0, 2.0, 3.0]), "a": NAN, "v": sparse(4, {})},
    {"u": dense([1.0, 2.0, 3.0]), "a": None, "v": sparse(4, {})},
    {"u": dense([1.0, 2.0, 3.0]), "a": 1.0, "v": None},
    {"u": None, "a": NAN, "v": sparse(4, {0: 1.0})},
    {"u": None, "a": None, "v": None},
    {"u": dense([1.0, 2.0]), "a": 3.0, "v": sparse(6, {5: 1.0})},
    {"u": sparse(300, {299: -1.0}), "a": 0.0, "v": sparse(4, {2: 2.0})},
    {"u": sparse(0, {}), "a": 1.0, "v": dense([])},
]


@spark_case
def assembler_of_vectors_errors(spark: Any) -> Case:
    return Case(VectorAssembler(inputCols=["u", "a", "v"], outputCol="features"), MIXED, MIXED_ROWS)


@spark_case
def assembler_of_vectors_skips(spark: Any) -> Case:
    stage = VectorAssembler(inputCols=["v", "u", "a"], outputCol="features", handleInvalid="skip")
    return Case(stage, MIXED, MIXED_ROWS)


@spark_case
def assembler_of_vectors_keeps(spark: Any) -> Case:
    stages = [
        VectorSizeHint(inputCol="u", size=3, handleInvalid="optimistic"),
        VectorSizeHint(inputCol="v", size=4, handleInvalid="optimistic"),
        VectorAssembler(inputCols=["u", "a", "v"], outputCol="features", handleInvalid="keep"),
    ]
    return Case(Pipeline(stages=stages).fit(spark.createDataFrame([MIXED_ROWS[0]])), MIXED, MIXED_ROWS)


@spark_case
def assembler_keeps_what_was_assembled(spark: Any) -> Case:
    """Of vectors whose size nobody stated: Spark takes it from the first row, but other rows may be longer."""
    stages = [
        VectorAssembler(inputCols=["u", "a"], outputCol="whole", handleInvalid="skip"),
        VectorAssembler(inputCols=["a", "whole"], outputCol="features", handleInvalid="keep"),
    ]
    rows = [{"u": row["u"], "a": row["a"]} for row in MIXED_ROWS]
    rows += [{"u": dense(1.0), "a": 2.0}, {"u": sparse(6, {2: 1.0}), "a": None}, {"u": sparse(6, {2: 1.0}), "a": 0.0}]
    schema = {"u": "vector", "a": "double"}
    return Case(Pipeline(stages=stages).fit(spark.createDataFrame(rows[:1])), schema, rows)


@spark_case
def size_hint_errors(spark: Any) -> Case:
    return Case(VectorSizeHint(inputCol="u", size=3), MIXED, MIXED_ROWS)


@spark_case
def size_hint_skips(spark: Any) -> Case:
    return Case(VectorSizeHint(inputCol="u", size=3, handleInvalid="skip"), MIXED, MIXED_ROWS)


SLICED: list[dict[str, Any]] = [
    {"v": dense([1.0, -0.0, 3.0, NAN, 5.0])},
    {"v": sparse(5, {0: 1.0, 4: 2.0})},
    {"v": sparse(5, [1, 3], [0.0, -0.0])},
    {"v": sparse(5, {})},
    {"v": dense([1.0, 2.0])},
    {"v": sparse(2, {1: 3.0})},
    {"v": sparse(9, {3: 3.0, 8: 1.0})},
    {"v": dense([INFINITY] * 9)},
    {"v": None},
]


@spark_case
def slicer_by_indices(spark: Any) -> Case:
    return Case(VectorSlicer(inputCol="v", outputCol="some", indices=[4, 0, 3]), {"v": "vector"}, SLICED)


@spark_case
def slicer_by_names(spark: Any) -> Case:
    """Names that an indexer, an encoder and an assembler have made together."""
    frame = spark.createDataFrame([("x", 1.0), ("y", 2.0), ("x", 3.0), ("z", 4.0)], "kind string, size double")
    stages = [
        StringIndexer(inputCol="kind", outputCol="index", handleInvalid="keep"),
        OneHotEncoder(inputCol="index", outputCol="kinds", dropLast=False),
        VectorAssembler(inputCols=["size", "kinds", "index"], outputCol="features"),
        VectorSlicer(
            inputCol="features", outputCol="some", indices=[1], names=["kinds_y", "size", "kinds___unknown", "index"]
        ),
    ]
    rows = [
        {"kind": kind, "size": size}
        for kind, size in [("x", 1.0), ("y", -2.0), ("z", 0.0), ("q", 4.0), (None, 5.0), ("x", None)]
    ]
    return Case(Pipeline(stages=stages).fit(frame), {"kind": "string", "size": "double"}, rows)


@spark_case
def slicer_by_names_of_a_sized_vector(spark: Any) -> Case:
    stages = [
        VectorSizeHint(inputCol="u", size=3),
        VectorAssembler(inputCols=["u", "a"], outputCol="features"),
        VectorSlicer(inputCol="features", outputCol="some", names=["u_2", "a"]),
    ]
    model = Pipeline(stages=stages).fit(spark.createDataFrame([MIXED_ROWS[0]]))
    return Case(model, {"u": "vector", "a": "double"}, [{name: row[name] for name in ("u", "a")} for row in MIXED_ROWS])


def categories(spark: Any) -> Any:
    chance = random.Random(7)
    values = [[0.0, 1.0], [-1.5, 2.0, 7.0], [5.0], [3.0, 0.0, -0.5, 1e7]]
    rows = [(dense([*(chance.choice(some) for some in values), chance.random()]),) for _ in range(40)]
    return spark.createDataFrame(rows, ["v"])


INDEXED: list[dict[str, Any]] = [
    {"v": dense([1.0, 2.0, 5.0, 1e7, 0.25])},
    {"v": dense([0.0, -1.5, 5.0, 0.0, NAN])},
    {"v": dense([-0.0, 7.0, 5.0, -0.0, INFINITY])},
    {"v": dense([2.0, 7.0, 5.0, 3.0, 0.1])},
    {"v": dense([1.0, 0.0, 0.0, 3.0, 0.1])},
    {"v": dense([NAN, 2.0, 5.0, INFINITY, 0.1])},
    {"v": sparse(5, {0: 1.0, 1: 7.0, 2: 5.0, 4: 3.5})},
    {"v": sparse(5, {3: -0.5})},
    {"v": sparse(5, {})},
    {"v": sparse(5, [0, 1, 3], [0.0, -1.5, -0.0])},
    {"v": sparse(5, [1], [0.0])},
    {"v": sparse(5, {0: 9.0, 2: 5.0})},
    {"v": sparse(5, {2: NAN, 4: NAN})},
    {"v": dense([1.0, 2.0])},
    {"v": sparse(6, {0: 1.0})},
    {"v": None},
]


def vector_indexed(spark: Any, handle_invalid: str) -> Case:
    indexer = VectorIndexer(inputCol="v", outputCol="indexed", maxCategories=4, handleInvalid=handle_invalid)
    return Case(indexer.fit(categories(spark)), {"v": "vector"}, INDEXED)


@spark_case
def vector_indexer_errors(spark: Any) -> Case:
    return vector_indexed(spark, "error")


@spark_case
def vector_indexer_skips(spark: Any) -> Case:
    return vector_indexed(spark, "skip")


@spark_case
def vector_indexer_keeps(spark: Any) -> Case:
    return vector_indexed(spark, "keep")


@spark_case
def vector_indexer_without_categories(spark: Any) -> Case:
    frame = spark.createDataFrame([(dense([float(number), number / 3]),) for number in range(9)], ["v"])
    model = VectorIndexer(inputCol="v", outputCol="indexed", maxCategories=2).fit(frame)
    return Case(model, {"v": "vector"}, [{"v": dense([1.0, -0.0])}, {"v": sparse(2, {1: 4.0})}, {"v": sparse(2, {})}])


def products(
    stages: Sequence[Any], frame: Any, schema: dict[str, str], rows: Sequence[dict[str, Any]], rtol: float = 0.0
) -> Case:
    return Case(Pipeline(stages=stages).fit(frame), schema, rows, rtol)


@spark_case
def interaction_of_numbers(spark: Any) -> Case:
    schema = {"a": "double", "b": "int", "c": "float"}
    rows = [
        {"a": a, "b": b, "c": c}
        for a, b, c in [
            (1.5, 2, 0.125), (0.0, 3, 1.0), (-0.0, 3, 1.0), (NAN, 0, 1.0), (INFINITY, 0, 1.0), (INFINITY, 2, -1.0),
            (None, 1, 1.0), (1.0, None, 1.0), (0.1, 3, 0.75), (1e300, 1000000, 2.0**100),
        ]
    ]  # fmt: skip
    return Case(Interaction(inputCols=["a", "b", "c"], outputCol="product"), schema, rows)


@spark_case
def interaction_of_vectors(spark: Any) -> Case:
    stages = [
        VectorAssembler(inputCols=["a", "b", "c"], outputCol="abc"),
        VectorAssembler(inputCols=["b", "a"], outputCol="ba"),
        Interaction(inputCols=["abc", "a", "ba"], outputCol="product"),
        VectorSlicer(inputCol="product", outputCol="some", names=["abc_c:a:ba_a", "abc_a:a:ba_b"]),
    ]
    schema = dict.fromkeys("abc", "double")
    rows = [
        dict(zip("abc", values, strict=True))
        for values in [
            (1.5, 2.0, -3.0),
            (0.0, 2.0, 1.0),
            (0.1, 0.2, 0.3),
            (-0.0, -1.0, 5.0),
            (0.0, 0.0, 0.0),
            (INFINITY, 0.0, 1.0),
        ]
    ]
    return products(stages, spark.createDataFrame(rows), schema, rows)


@spark_case
def interaction_of_categories(spark: Any) -> Case:
    """Nominal columns and nominal features of vectors, a sparse zero among them."""
    data = [("x", "p", 1.0), ("y", "q", 2.0), ("x", "r", 3.0), ("z", "p", 0.0), ("x", "p", 1.0)]
    frame = spark.createDataFrame(data, "first string, second string, size double")
    stages = [
        StringIndexer(inputCols=["first", "second"], outputCols=["one", "two"], handleInvalid="keep"),
        VectorAssembler(inputCols=["size", "two"], outputCol="both"),
        Interaction(inputCols=["one", "both", "size"], outputCol="product"),
        Interaction(inputCols=["one", "two"], outputCol="pair"),
        VectorSlicer(
            inputCol="product", outputCol="some", names=["one_y:both_two_q:size", "one___unknown:both_size:size"]
        ),
    ]
    rows = [
        {"first": first, "second": second, "size": size}
        for first, second, size in [
            *data,
            ("w", "w", 0.5),
            (None, "q", -1.0),
            ("y", "p", 0.0),
            ("x", "p", NAN),
            ("x", "p", None),
        ]
    ]
    return products(stages, frame, {"first": "string", "second": "string", "size": "double"}, rows)


@spark_case
def interaction_of_indexed_features(spark: Any) -> Case:
    stages = [
        VectorIndexer(inputCol="v", outputCol="indexed", maxCategories=4, handleInvalid="keep"),
        Interaction(inputCols=["indexed", "w"], outputCol="product"),
    ]
    frame = categories(spark).selectExpr("v", "1.0D as w")
    rows = [{**row, "w": 2.0} for row in INDEXED] + [{**INDEXED[0], "w": 0.0}]
    return products(stages, frame, {"v": "vector", "w": "double"}, rows)


@spark_case
def tabular_pipeline(spark: Any) -> Case:
    """What most pipelines look like."""
    chance = random.Random(21)
    data = []
    for _ in range(120):
        age, plan, city = chance.randrange(18, 90), chance.choice("abcde"), chance.choice(["Bonn", "Ulm", "Köln"])
        income = chance.lognormvariate(8.0, 1.0)
        data.append((age, income, plan, city, float(age + 20 * (plan == "a") + chance.gauss(0.0, 20.0) > 55.0)))
    schema = {"age": "int", "income": "double", "plan": "string", "city": "string"}
    frame = spark.createDataFrame(data, [*schema, "label"])
    stages = [
        StringIndexer(inputCols=["plan", "city"], outputCols=["plan_index", "city_index"], handleInvalid="keep"),
        OneHotEncoder(inputCols=["plan_index", "city_index"], outputCols=["plans", "cities"], handleInvalid="keep"),
        VectorAssembler(inputCols=["plans", "age", "income", "cities"], outputCol="features", handleInvalid="skip"),
        LogisticRegression(maxIter=10, regParam=0.05),
    ]
    rows: list[dict[str, Any]] = [dict(zip(schema, row, strict=False)) for row in data[:24]]
    rows += [{**rows[0], **change} for change in ({"city": None}, {"plan": "new"}, {"age": None}, {"income": NAN})]
    rows += [{**rows[1], **change} for change in ({"age": 0, "income": 0.0}, {"income": INFINITY}, {"income": None})]
    return products(stages, frame, schema, rows, rtol=1e-12)
