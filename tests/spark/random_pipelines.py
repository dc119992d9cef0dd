"""Pipelines put together by chance: each stage reads columns that are there, and its settings are drawn."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pyspark.ml import Pipeline, classification, clustering, feature, regression
from pyspark.ml.linalg import Vectors

from spark.random_rows import SCHEMA

__all__ = ["random_pipeline"]


@dataclass
class Draft:
    """The stages so far, and the columns that there are then, by what they hold."""

    chance: random.Random
    stages: list[Any] = field(default_factory=list)
    columns: dict[str, list[str]] = field(
        default_factory=lambda: {
            "number": ["i", "l", "f", "x", "y"],
            "string": ["city", "kind"],
            "text": ["text", "city"],
            "words": ["tags"],
            "index": [],
            "one_hot": [],
            "counts": [],
            "vector": ["v"],
        }
    )

    def one(self, *kinds: str) -> str:
        return self.chance.choice([name for kind in kinds for name in self.columns[kind]])

    def some(self, most: int, *kinds: str) -> list[str]:
        names = sorted({name for kind in kinds for name in self.columns[kind]})
        return self.chance.sample(names, min(len(names), self.chance.randint(1, most)))

    def has(self, *kinds: str) -> bool:
        return any(self.columns[kind] for kind in kinds)

    def name(self, kind: str) -> str:
        """A new column of a kind."""
        name = f"{kind}_{len(self.stages)}_{len(self.columns[kind])}"
        self.columns[kind].append(name)
        return name

    def invalid(self, *modes: str) -> str:
        return self.chance.choice(modes or ("error", "keep", "skip"))


Add = Callable[[Draft], None]


def _indexer(draft: Draft) -> None:
    inputs = draft.some(2, "string", "number")
    order = draft.chance.choice(["frequencyDesc", "frequencyAsc", "alphabetDesc", "alphabetAsc"])
    invalid = draft.invalid("keep", "keep", "skip", "error")
    if len(inputs) == 1:
        stage = feature.StringIndexer(
            inputCol=inputs[0], outputCol=draft.name("index"), handleInvalid=invalid, stringOrderType=order
        )
    else:
        outputs = [draft.name("index") for _ in inputs]
        stage = feature.StringIndexer(
            inputCols=inputs, outputCols=outputs, handleInvalid=invalid, stringOrderType=order
        )
    draft.stages.append(stage)


def _one_hot(draft: Draft) -> None:
    if not draft.has("index"):
        _indexer(draft)
    inputs = draft.some(2, "index")
    draft.stages.append(
        feature.OneHotEncoder(
            inputCols=inputs,
            outputCols=[draft.name("one_hot") for _ in inputs],
            handleInvalid=draft.invalid("keep", "error"),
            dropLast=draft.chance.random() < 0.5,
        )
    )


def _strings_again(draft: Draft) -> None:
    if not draft.has("index"):
        _indexer(draft)
    draft.stages.append(feature.IndexToString(inputCol=draft.one("index"), outputCol=draft.name("string")))


def _bucketizer(draft: Draft) -> None:
    splits = [-math.inf, -1.0, 0.0, 2.5, math.inf] if draft.chance.random() < 0.7 else [-100.0, 0.0, 1.0, 100.0]
    draft.stages.append(
        feature.Bucketizer(
            splits=splits, inputCol=draft.one("number"), outputCol=draft.name("number"), handleInvalid=draft.invalid()
        )
    )


def _quantiles(draft: Draft) -> None:
    draft.stages.append(
        feature.QuantileDiscretizer(
            numBuckets=draft.chance.randint(2, 6),
            inputCol=draft.chance.choice(["x", "y", "l"]),
            outputCol=draft.name("number"),
            handleInvalid=draft.invalid("keep", "keep", "skip", "error"),
        )
    )


def _binarizer(draft: Draft) -> None:
    draft.stages.append(
        feature.Binarizer(
            threshold=draft.chance.choice([0.0, 1.5]), inputCol=draft.one("number"), outputCol=draft.name("number")
        )
    )


def _imputer(draft: Draft) -> None:
    inputs = draft.chance.sample(["x", "y", "f", "i", "l"], 2)
    draft.stages.append(
        feature.Imputer(
            inputCols=inputs,
            outputCols=[draft.name("number") for _ in inputs],
            strategy=draft.chance.choice(["mean", "median", "mode"]),
        )
    )


def _sql(draft: Draft) -> None:
    number, other = draft.one("number"), draft.one("number")
    expression = draft.chance.choice(
        [
            "coalesce({0}, 0) + 1.5D",
            "CASE WHEN {0} > 1 THEN {1} WHEN flag THEN 0 ELSE -{1} END",
            "CAST({0} AS DOUBLE) * 2 + coalesce({1}, 1)",
            "IF({0} IS NULL OR isnan({0}), 0.0D, sqrt(abs({0})))",
            "greatest({0}, {1}, 0)",
            "round({0}, 1) - 1",
            "length(text) / 2",
            "try_divide({0}, {1})",
            "log1p(abs({0}))",
            "CAST(flag AS INT) + size(tags)",
        ]
    ).format(number, other)
    where = draft.chance.choice(["", "", " WHERE {0} IS NOT NULL", " WHERE flag OR {0} < 3"]).format(number)
    column = draft.name("number")
    draft.stages.append(
        feature.SQLTransformer(statement=f"SELECT *, double({expression}) AS {column} FROM __THIS__{where}")  # noqa: S608
    )


def _tokens(draft: Draft) -> None:
    text = draft.one("text")
    if draft.chance.random() < 0.5:
        draft.stages.append(feature.Tokenizer(inputCol=text, outputCol=draft.name("words")))
        return
    draft.stages.append(
        feature.RegexTokenizer(
            inputCol=text,
            outputCol=draft.name("words"),
            pattern=draft.chance.choice([r"\s+", r"\W", "[aeiou]"]),
            minTokenLength=draft.chance.randint(0, 2),
            toLowercase=draft.chance.random() < 0.5,
        )
    )


def _stop_words(draft: Draft) -> None:
    draft.stages.append(
        feature.StopWordsRemover(
            inputCol=draft.one("words"), outputCol=draft.name("words"), caseSensitive=draft.chance.random() < 0.5
        )
    )


def _n_grams(draft: Draft) -> None:
    draft.stages.append(
        feature.NGram(n=draft.chance.randint(1, 3), inputCol=draft.one("words"), outputCol=draft.name("words"))
    )


def _hashing(draft: Draft) -> None:
    draft.stages.append(
        feature.HashingTF(
            numFeatures=draft.chance.choice([4, 33, 262144]),
            binary=draft.chance.random() < 0.5,
            inputCol=draft.one("words"),
            outputCol=draft.name("counts"),
        )
    )


def _count_vectors(draft: Draft) -> None:
    draft.stages.append(
        feature.CountVectorizer(
            minTF=draft.chance.choice([1.0, 0.3]),
            binary=draft.chance.random() < 0.5,
            vocabSize=20,
            inputCol="tags",
            outputCol=draft.name("counts"),
        )
    )


def _idf(draft: Draft) -> None:
    if not draft.has("counts"):
        _hashing(draft)
    draft.stages.append(
        feature.IDF(minDocFreq=draft.chance.randint(0, 3), inputCol=draft.one("counts"), outputCol=draft.name("counts"))
    )


def _hashed_features(draft: Draft) -> None:
    draft.stages.append(
        feature.FeatureHasher(
            numFeatures=16,
            inputCols=draft.chance.sample(["city", "kind", "x", "i", "flag", "f"], 3),
            categoricalCols=["i"] if draft.chance.random() < 0.3 else [],
            outputCol=draft.name("vector"),
        )
    )


def _word_vectors(draft: Draft) -> None:
    draft.stages.append(
        feature.Word2Vec(vectorSize=3, minCount=0, maxIter=1, seed=1, inputCol="tags", outputCol=draft.name("vector"))
    )


def _assembler(draft: Draft, *, invalid: str | None = None) -> str:
    inputs = draft.some(4, "number", "index", "one_hot", "vector", "counts")
    name = draft.name("vector")
    draft.stages.append(
        feature.VectorAssembler(
            inputCols=inputs, outputCol=name, handleInvalid=invalid or draft.invalid("error", "skip", "skip")
        )
    )
    return name


def _assembled(draft: Draft) -> None:
    _assembler(draft)


def _scaler(draft: Draft) -> None:
    chance = draft.chance
    names = {"inputCol": draft.one("vector", "one_hot"), "outputCol": draft.name("vector")}
    kind = chance.randrange(5)
    if kind == 0:
        stage: Any = feature.StandardScaler(withMean=chance.random() < 0.5, withStd=chance.random() < 0.8, **names)
    elif kind == 1:
        stage = feature.MinMaxScaler(min=-1.0, max=chance.choice([0.5, 2.0]), **names)
    elif kind == 2:
        stage = feature.MaxAbsScaler(**names)
    elif kind == 3:
        stage = feature.RobustScaler(withCentering=chance.random() < 0.5, **names)
    else:
        stage = feature.Normalizer(p=chance.choice([1.0, 2.0, 3.0, math.inf]), **names)
    draft.stages.append(stage)


def _of_four(draft: Draft) -> None:
    """Stages for the vector whose size is known."""
    chance = draft.chance
    names = {"inputCol": "v", "outputCol": draft.name("vector")}
    makers: list[Callable[[], Any]] = [
        lambda: feature.ElementwiseProduct(scalingVec=Vectors.dense([0.5, -1.0, 0.0, 3.0]), **names),
        lambda: feature.PCA(k=chance.randint(1, 4), **names),
        lambda: feature.DCT(inverse=chance.random() < 0.5, **names),
        lambda: feature.PolynomialExpansion(degree=chance.randint(1, 3), **names),
        lambda: feature.VectorSlicer(indices=chance.sample(range(4), 2), **names),
        lambda: feature.VarianceThresholdSelector(
            varianceThreshold=1.0, featuresCol=names["inputCol"], outputCol=names["outputCol"]
        ),
        lambda: feature.VectorIndexer(maxCategories=4, handleInvalid=draft.invalid("keep", "skip", "error"), **names),
    ]
    draft.stages.append(chance.choice(makers)())


def _chosen(draft: Draft) -> None:
    vector = _assembler(draft)
    draft.stages.append(
        feature.UnivariateFeatureSelector(
            featuresCol=vector, outputCol=draft.name("vector"), labelCol="label", selectionMode="numTopFeatures"
        )
        .setFeatureType("continuous")
        .setLabelType("categorical")
        .setSelectionThreshold(1)
    )


def _interaction(draft: Draft) -> None:
    others = draft.some(2, "number")
    draft.stages.append(feature.Interaction(inputCols=["v", *others], outputCol=draft.name("vector")))


def _target_encoder(draft: Draft) -> None:
    if not draft.has("index"):
        _indexer(draft)
    draft.stages.append(
        feature.TargetEncoder(
            inputCols=[draft.one("index")],
            outputCols=[draft.name("number")],
            labelCol="target",
            targetType="continuous",
            smoothing=draft.chance.choice([0.0, 1.5]),
            handleInvalid=draft.invalid("keep", "error"),
        )
    )


def _projection(draft: Draft) -> None:
    draft.stages.append(
        feature.BucketedRandomProjectionLSH(
            bucketLength=1.5, numHashTables=2, seed=3, inputCol="v", outputCol=f"hashes_{len(draft.stages)}"
        )
    )


_STEPS: tuple[Add, ...] = (
    _indexer, _one_hot, _strings_again, _bucketizer, _quantiles, _binarizer, _imputer, _sql, _sql, _tokens, _stop_words,
    _n_grams, _hashing, _count_vectors, _idf, _hashed_features, _word_vectors, _assembled, _scaler, _of_four, _chosen,
    _interaction, _target_encoder, _projection,
)  # fmt: skip


def _model(draft: Draft) -> Any:
    """A model over all that an assembler takes; classifiers have three classes, or two."""
    chance = draft.chance
    features = _assembler(draft, invalid=draft.invalid("skip", "keep", "error"))
    of_label = {"featuresCol": features, "labelCol": "label"}
    of_two = {"featuresCol": features, "labelCol": "is_two"}
    of_target = {"featuresCol": features, "labelCol": "target"}
    thresholds = {"thresholds": [0.2, 0.5, 0.4]} if chance.random() < 0.3 else {}
    links = chance.choice([("gaussian", "identity"), ("gamma", "log"), ("poisson", "log")])
    makers: list[Callable[[], Any]] = [
        lambda: classification.LogisticRegression(maxIter=5, regParam=0.1, **of_label, **thresholds),
        lambda: classification.LogisticRegression(maxIter=5, threshold=chance.random(), **of_two),
        lambda: classification.LinearSVC(maxIter=3, threshold=chance.gauss(0.0, 0.5), **of_two),
        lambda: classification.NaiveBayes(modelType="gaussian", **of_label, **thresholds),
        lambda: classification.DecisionTreeClassifier(maxDepth=4, leafCol="leaf", **of_label),
        lambda: classification.RandomForestClassifier(numTrees=5, maxDepth=4, seed=1, **of_label),
        lambda: classification.GBTClassifier(maxIter=3, maxDepth=3, seed=1, **of_two),
        lambda: classification.FMClassifier(factorSize=2, maxIter=2, seed=1, **of_two),
        lambda: classification.OneVsRest(classifier=classification.LogisticRegression(maxIter=3), **of_label),
        lambda: regression.LinearRegression(maxIter=5, regParam=0.1, elasticNetParam=0.5, **of_target),
        lambda: regression.GeneralizedLinearRegression(
            family=links[0], link=links[1], maxIter=3, regParam=0.5, linkPredictionCol="linked", **of_target
        ),
        lambda: regression.DecisionTreeRegressor(maxDepth=4, varianceCol="spread", **of_target),
        lambda: regression.RandomForestRegressor(numTrees=4, maxDepth=4, seed=1, leafCol="leaves", **of_target),
        lambda: regression.GBTRegressor(maxIter=3, maxDepth=3, seed=1, **of_target),
        lambda: regression.FMRegressor(factorSize=2, maxIter=2, seed=1, **of_target),
        lambda: regression.IsotonicRegression(featureIndex=0, **of_target),
        lambda: clustering.KMeans(k=3, maxIter=2, seed=1, featuresCol=features),
        lambda: clustering.BisectingKMeans(k=3, maxIter=2, seed=1, featuresCol=features),
    ]
    return chance.choice(makers)()


def random_pipeline(chance: random.Random) -> Pipeline:
    """Two to nine stages for rows of `SCHEMA`; three of four pipelines end with a model."""
    draft = Draft(chance)
    assert set(SCHEMA) >= {name for kind in ("number", "string", "words", "vector") for name in draft.columns[kind]}
    if chance.random() < 0.8:
        draft.stages.append(feature.VectorSizeHint(inputCol="v", size=4, handleInvalid="optimistic"))
    for add in chance.choices(_STEPS, k=chance.randint(1, 5)):
        add(draft)
    if chance.random() < 0.75:
        draft.stages.append(_model(draft))
    return Pipeline(stages=draft.stages)
