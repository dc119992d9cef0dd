"""Terms of every type by their hash, columns of every type by theirs, with features that collide."""

import math
import struct
from decimal import Decimal
from typing import Any

from spark.case import Case, spark_case

WORDS: list[list[str | None] | None] = [
    ["a", "b", "a", "c"],
    ["", " ", "ab", "abc", "abcd", "abcde"],
    ["ünïcödé", "日本語", "😀", "é", "ÿ", "aé", "abcÿ"],
    [],
    [None],
    [None, None, "a", "null"],
    ["x" * 100, "x" * 100, "y" * 64, "z" * 65],
    ["spark", "Spark", "SPARK"],
    None,
]


def _terms(element: str, values: list[list[Any] | None], **parameters: Any) -> Case:
    from pyspark.ml import PipelineModel
    from pyspark.ml.feature import HashingTF

    stage = HashingTF(inputCol="terms", outputCol="features", **parameters)
    return Case(PipelineModel([stage]), {"terms": f"array<{element}>"}, [{"terms": terms} for terms in values])


@spark_case
def hashing_tf(spark: Any) -> Case:
    return _terms("string", WORDS)


@spark_case
def hashing_tf_to_few_features(spark: Any) -> Case:
    return _terms("string", WORDS, numFeatures=7)


@spark_case
def hashing_tf_binary(spark: Any) -> Case:
    return _terms("string", WORDS, numFeatures=16, binary=True)


@spark_case
def hashing_tf_of_ints(spark: Any) -> Case:
    return _terms("int", [[0, 1, -1, 1, None], [2**31 - 1, -(2**31)], list(range(20)), [], None])


@spark_case
def hashing_tf_of_shorts(spark: Any) -> Case:
    return _terms("smallint", [[0, 1, -1], [32767, -32768]])


@spark_case
def hashing_tf_of_longs(spark: Any) -> Case:
    return _terms("bigint", [[0, 1, -1, 1, None], [2**63 - 1, -(2**63), 2**32, 2**31], [], None])


@spark_case
def hashing_tf_of_doubles(spark: Any) -> Case:
    return _terms("double", [[0.0, -0.0, 1.5, math.nan], [math.inf, -math.inf, 1e300, 5e-324], [None], [0.1, 0.1]])


@spark_case
def hashing_tf_of_floats(spark: Any) -> Case:
    return _terms("float", [[0.0, -0.0, 1.5, math.nan], [math.inf, -math.inf, 2.0**100, 2.0**-149], [None], [0.125]])


@spark_case
def hashing_tf_of_booleans(spark: Any) -> Case:
    return _terms("boolean", [[True, False, True], [None], []])


@spark_case
def hashing_tf_of_what_has_no_hash(spark: Any) -> Case:
    return _terms("decimal(10,2)", [[Decimal("1.50")], [], [None]])


@spark_case
def words_to_tf_idf_to_classes(spark: Any) -> Case:
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import IDF, HashingTF, Tokenizer

    texts = ["good film", "bad film", "very good", "very very bad film", "no opinion", "", "Good GOOD bad", "a b c d e"]
    rows = [{"text": text} for text in [*texts, "unseen words only", None]]
    stages = [
        Tokenizer(inputCol="text", outputCol="words"),
        HashingTF(inputCol="words", outputCol="counts", numFeatures=32),
        IDF(inputCol="counts", outputCol="features", minDocFreq=2),
    ]
    frame = spark.createDataFrame([(text,) for text in texts], "text string")
    return Case(Pipeline(stages=stages).fit(frame), {"text": "string"}, rows)


MIXED = {
    "real": "double", "single": "float", "whole": "int", "long": "bigint", "short": "smallint", "byte": "tinyint",
    "flag": "boolean", "text": "string", "money": "decimal(10,2)",
}  # fmt: skip


def _row(*values: Any) -> dict[str, Any]:
    row = dict(zip(MIXED, values, strict=True))
    if row["single"] is not None:
        row["single"] = struct.unpack("f", struct.pack("f", row["single"]))[0]
    return row


MIXED_ROWS = [
    _row(2.5, 1.5, 1, 2, 3, 4, True, "foo", Decimal("12.34")),
    _row(-0.1, 0.1, -1, 2**53 + 1, -3, -4, False, "", Decimal("0.00")),
    _row(0.0, 0.0, 0, 0, 0, 0, True, "ünï=😀", Decimal("-1.00")),
    _row(None, None, None, None, None, None, None, None, None),
    _row(math.nan, math.nan, 7, 8, 9, 10, None, "x" * 100, None),
    _row(math.inf, -math.inf, 7, 8, 9, 10, None, "null", Decimal("99999999.99")),
    _row(1e300, 3e38, 2**31 - 1, 2**63 - 1, 32767, 127, False, "bar", Decimal("0.01")),
    _row(1e-5, 1e-5, -(2**31), -(2**63), -32768, -128, True, "foo", Decimal("1.10")),
    _row(1e7, 1e7, 100, 1000, 10, 1, True, "Bar", None),
    _row(123456.789, 123456.789, 3, 3, 3, 3, False, "true", Decimal("3.00")),
]


def _hasher(n_columns: int = len(MIXED), **parameters: Any) -> Case:
    from pyspark.ml import PipelineModel
    from pyspark.ml.feature import FeatureHasher

    stage = FeatureHasher(inputCols=list(MIXED)[:n_columns], outputCol="features", **parameters)
    return Case(PipelineModel([stage]), MIXED, MIXED_ROWS)


@spark_case
def feature_hasher(spark: Any) -> Case:
    return _hasher()


@spark_case
def feature_hasher_with_categories(spark: Any) -> Case:
    return _hasher(categoricalCols=["real", "single", "whole", "long", "short", "byte", "money", "absent"])


@spark_case
def feature_hasher_to_few_features(spark: Any) -> Case:
    return _hasher(4, numFeatures=3)


@spark_case
def feature_hasher_to_one_feature(spark: Any) -> Case:
    from pyspark.ml import PipelineModel
    from pyspark.ml.feature import FeatureHasher

    stage = FeatureHasher(inputCols=["text", "real", "flag"], outputCol="features", numFeatures=1)
    return Case(PipelineModel([stage]), MIXED, MIXED_ROWS)
