"""Vectors made longer, shorter or turned: expansions, projections, transforms, and selectors of features."""

import random
from typing import Any

from pyspark.ml import Pipeline
from pyspark.ml.feature import (
    DCT,
    PCA,
    ChiSqSelector,
    PolynomialExpansion,
    UnivariateFeatureSelector,
    VarianceThresholdSelector,
    VectorAssembler,
    VectorSlicer,
)
from pyspark.ml.linalg import Vectors

from spark.case import Case, spark_case

NAN, INF = float("nan"), float("inf")


def of_vectors(model: Any, given: list[Any], rtol: float = 0.0, atol: float = 0.0) -> Case:
    return Case(model, {"features": "vector"}, [{"features": vector} for vector in given], rtol, atol)


EXPANDED = [
    Vectors.dense([]),
    Vectors.dense([2.0]),
    Vectors.dense([0.0]),
    Vectors.dense([-0.0, 3.0]),
    Vectors.dense([0.1, 0.7, -1.3]),
    Vectors.dense([0.1, 0.0, -1.3]),
    Vectors.dense([0.0, INF, -0.0]),
    Vectors.dense([INF, -INF, NAN]),
    Vectors.dense([NAN, 0.0, 2.0]),
    Vectors.dense([1e-200, 1e-200, -1e-200]),
    Vectors.dense([1e-200, INF, -3.0]),
    Vectors.dense([1e200, 1e200, 1e-300]),
    Vectors.dense([1.1, 2.2, 3.3, 4.4, 5.5]),
    Vectors.sparse(0, [], []),
    Vectors.sparse(3, [], []),
    Vectors.sparse(3, [1], [0.7]),
    Vectors.sparse(5, [0, 3, 4], [1.5, -2.0, 0.3]),
    Vectors.sparse(5, [0, 3, 4], [1.5, 0.0, 0.3]),
    Vectors.sparse(4, [1, 2], [1e-200, 1e-300]),
    Vectors.sparse(4, [1, 3], [NAN, INF]),
    Vectors.sparse(4, [0, 1, 2, 3], [0.0, -INF, -0.0, 2.0]),
    Vectors.sparse(4, [1, 3], [-0.0, NAN]),
    Vectors.sparse(4, [0, 1, 2, 3], [1.0, 2.0, 3.0, 4.0]),
    Vectors.sparse(40, [0, 17, 39], [0.5, 2.0, -3.0]),
    None,
]


@spark_case
def polynomial_expansion(spark: Any) -> Case:
    return of_vectors(PolynomialExpansion(inputCol="features", outputCol="expanded"), EXPANDED)


@spark_case
def polynomial_expansion_of_three(spark: Any) -> Case:
    too_large = Vectors.sparse(3000, [0], [1.0])
    model = PolynomialExpansion(inputCol="features", outputCol="expanded", degree=3)
    return of_vectors(model, [*EXPANDED, too_large])


@spark_case
def polynomial_expansion_of_one_and_seven(spark: Any) -> Case:
    stages = [
        PolynomialExpansion(inputCol="features", outputCol="same", degree=1),
        PolynomialExpansion(inputCol="features", outputCol="expanded", degree=7),
    ]
    small = [one for one in EXPANDED if one is not None and one.size < 4]
    return of_vectors(Pipeline(stages=stages).fit(spark.range(1)), small)


def correlated(n: int, width: int, seed: int) -> list[list[float]]:
    draw = random.Random(seed)
    rows = []
    for _ in range(n):
        cause = draw.gauss(0, 3)
        rows.append([cause * (at + 1) + draw.gauss(0, 1 + at) for at in range(width)])
    return rows


@spark_case
def principal_components(spark: Any) -> Case:
    frame = spark.createDataFrame([(Vectors.dense(row),) for row in correlated(50, 6, 3)], ["features"])
    model = PCA(inputCol="features", outputCol="components", k=3).fit(frame)
    given = [
        *map(Vectors.dense, correlated(15, 6, 4)),
        Vectors.dense([0.0] * 6),
        Vectors.dense([1.0, NAN, 0.0, 0.0, 0.0, 0.0]),
        Vectors.dense([1.0] * 5),
        Vectors.sparse(7, [1], [1.0]),
        None,
    ]
    return of_vectors(model, given, rtol=1e-12, atol=1e-12)


@spark_case
def principal_components_of_sparse_vectors(spark: Any) -> Case:
    """Sums of sparse vectors are in one order: every bit."""
    draw = random.Random(12)
    rows = [
        Vectors.sparse(9, sorted(draw.sample(range(9), 3)), [draw.gauss(0, 2) for _ in range(3)]) for _ in range(40)
    ]
    model = PCA(inputCol="features", outputCol="components", k=9).fit(
        spark.createDataFrame([(row,) for row in rows], ["features"])
    )
    edges = [
        Vectors.sparse(9, [], []),
        Vectors.sparse(9, [2, 3], [0.0, -0.0]),
        Vectors.sparse(9, [8], [INF]),
        Vectors.sparse(9, [0], [NAN]),
        Vectors.sparse(9, list(range(9)), [draw.gauss(0, 2) for _ in range(9)]),
        Vectors.sparse(10, [9], [1.0]),
        None,
    ]
    return of_vectors(model, [*rows[:12], *edges])


@spark_case
def cosine_transform(spark: Any) -> Case:
    draw = random.Random(8)
    sizes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 16, 30, 32, 64, 127]
    given = [
        *(Vectors.dense([draw.gauss(0, 1) for _ in range(size)]) for size in sizes),
        Vectors.dense([0.0] * 5),
        Vectors.sparse(6, [1, 4], [2.0, -3.0]),
        Vectors.sparse(4, [], []),
        Vectors.dense([NAN, 1.0, 2.0]),
        Vectors.dense([]),
        None,
    ]
    stages = [
        DCT(inputCol="features", outputCol="cosines"),
        DCT(inputCol="features", outputCol="inverse", inverse=True),
        DCT(inputCol="cosines", outputCol="back", inverse=True),
    ]
    return of_vectors(Pipeline(stages=stages).fit(spark.range(1)), given, rtol=1e-12, atol=1e-13)


SELECTED = [
    Vectors.dense([1.0, 2.0, 3.0, 4.0, 5.0]),
    Vectors.dense([0.0, -0.0, NAN, INF, -INF]),
    Vectors.dense([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]),
    Vectors.dense([1.0]),
    Vectors.dense([]),
    Vectors.sparse(5, [], []),
    Vectors.sparse(5, [0, 1, 2, 3, 4], [1.0, 2.0, 3.0, 4.0, 5.0]),
    Vectors.sparse(5, [1, 4], [NAN, 0.0]),
    Vectors.sparse(5, [0, 2], [-1.0, 8.0]),
    Vectors.sparse(9, [3, 8], [-1.0, 8.0]),
    Vectors.sparse(1, [0], [2.0]),
    None,
]


def labelled(spark: Any, n: int = 90) -> Any:
    """Categories that follow the label more or less, the fourth one not at all, and numbers that do."""
    draw = random.Random(21)
    rows = []
    for _ in range(n):
        label = draw.randrange(3)
        noise = [label if draw.random() < share else draw.randrange(3) for share in (0.9, 0.3, 0.6, 0.0, 0.1)]
        numbers = [label * share + draw.gauss(0, 1) for share in (2.0, 0.0, 0.4, 0.0, 1.0)]
        rows.append((float(label), Vectors.dense(noise), Vectors.dense(numbers), label + draw.gauss(0, 0.1)))
    return spark.createDataFrame(rows, ["label", "features", "numbers", "amount"])


@spark_case
def chi_squared_selector(spark: Any) -> Case:
    model = ChiSqSelector(featuresCol="features", outputCol="chosen", numTopFeatures=2).fit(labelled(spark))
    return of_vectors(model, SELECTED)


@spark_case
def chi_squared_selector_by_other_types(spark: Any) -> Case:
    stages = [
        ChiSqSelector(featuresCol="features", outputCol="of percentile", selectorType="percentile", percentile=0.7),
        ChiSqSelector(featuresCol="features", outputCol="of fpr", selectorType="fpr", fpr=0.2),
        ChiSqSelector(featuresCol="features", outputCol="of fdr", selectorType="fdr", fdr=0.1),
        ChiSqSelector(featuresCol="features", outputCol="of fwe", selectorType="fwe", fwe=0.01),
        ChiSqSelector(featuresCol="features", outputCol="of none", selectorType="fpr", fpr=0.0),
    ]
    return of_vectors(Pipeline(stages=stages).fit(labelled(spark)), SELECTED)


@spark_case
def univariate_selectors(spark: Any) -> Case:
    def selector(output: str, mode: str, threshold: float, label: str = "label") -> Any:
        return UnivariateFeatureSelector(
            featuresCol="features", outputCol=output, labelCol=label, selectionMode=mode
        ).setSelectionThreshold(threshold)

    frame = labelled(spark)
    numbers = frame.drop("features").withColumnRenamed("numbers", "features")
    continuous = [
        selector("of classes", "numTopFeatures", 3).setFeatureType("continuous").setLabelType("categorical"),
        selector("of amounts", "fpr", 0.05, "amount").setFeatureType("continuous").setLabelType("continuous"),
    ]
    models = [stage.fit(numbers) for stage in continuous]
    categorical = selector("of categories", "fwe", 0.05).setFeatureType("categorical").setLabelType("categorical")
    models.append(categorical.fit(frame))
    return of_vectors(Pipeline(stages=models).fit(frame), SELECTED)


@spark_case
def variance_threshold_selector(spark: Any) -> Case:
    rows = [[1.0, 0.0, 3.0, 7.0, 2.5], [1.0, 4.0, 3.1, -7.0, 2.6], [1.0, 8.0, 3.2, 7.5, 2.5]]
    frame = spark.createDataFrame([(Vectors.dense(row),) for row in rows], ["features"])
    stages = [
        VarianceThresholdSelector(featuresCol="features", outputCol="varying"),
        VarianceThresholdSelector(featuresCol="features", outputCol="varying much", varianceThreshold=1.0),
        VarianceThresholdSelector(featuresCol="features", outputCol="varying most", varianceThreshold=50.0),
        VarianceThresholdSelector(featuresCol="features", outputCol="none", varianceThreshold=1e9),
    ]
    return of_vectors(Pipeline(stages=stages).fit(frame), SELECTED)


@spark_case
def selected_names(spark: Any) -> Case:
    """The names of features pass a selector: the slicer behind it finds them."""
    draw = random.Random(2)
    names = ["age", "größe", "constant", "income"]
    rows = [{"age": draw.gauss(40, 9), "größe": draw.gauss(2, 1), "constant": 1.0, "income": 1.5} for _ in range(30)]
    rows[0]["income"] = 99.0
    schema = dict.fromkeys(names, "double")
    frame = spark.createDataFrame([tuple(row[name] for name in names) for row in rows], names)
    stages = [
        VectorAssembler(inputCols=names, outputCol="features", handleInvalid="keep"),
        VarianceThresholdSelector(featuresCol="features", outputCol="varying"),
        VectorSlicer(inputCol="varying", outputCol="sliced", names=["income", "age"]),
    ]
    return Case(Pipeline(stages=stages).fit(frame), schema, rows[:8])
