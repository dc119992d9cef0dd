"""Words to vectors by what a corpus taught: vocabularies, frequencies, embeddings."""

import math
from typing import Any

from spark.case import Case, spark_case

CORPUS: list[list[str | None]] = [
    ["a", "b", "a", "c"],
    ["a", "d", "d", "d"],
    ["b", "c", "日本", "é"],
    ["a", "a", "a", "a", "e"],
    ["", "b", "c", "f", "g"],
    ["a"],
    [],
]
WORDS: list[list[str | None] | None] = [
    *CORPUS,
    ["unseen"],
    ["unseen", "a", "unseen", "b", "b"],
    [None, "a", None],
    [None],
    ["A", "B"],
    ["c", "b", "a"] * 7,
    ["d", "日本", "é", "e\u0301"],
    None,
]


def _words(spark: Any) -> Any:
    return spark.createDataFrame([(words,) for words in CORPUS], "words array<string>")


def _case(model: Any, rtol: float = 0.0) -> Case:
    from pyspark.ml import PipelineModel

    return Case(PipelineModel([model]), {"words": "array<string>"}, [{"words": words} for words in WORDS], rtol)


def _counted(spark: Any, **parameters: Any) -> Case:
    from pyspark.ml.feature import CountVectorizer

    return _case(CountVectorizer(inputCol="words", outputCol="counts", **parameters).fit(_words(spark)))


@spark_case
def count_vectorizer(spark: Any) -> Case:
    return _counted(spark)


@spark_case
def count_vectorizer_of_few_words(spark: Any) -> Case:
    return _counted(spark, vocabSize=4, minDF=2.0, maxDF=6.0)


@spark_case
def count_vectorizer_binary(spark: Any) -> Case:
    return _counted(spark, binary=True, minDF=0.2, maxDF=0.9)


@spark_case
def count_vectorizer_of_frequent_words(spark: Any) -> Case:
    return _counted(spark, minTF=2.0)


@spark_case
def count_vectorizer_of_shares(spark: Any) -> Case:
    return _counted(spark, minTF=0.3, binary=True)


@spark_case
def count_vectorizer_of_no_share(spark: Any) -> Case:
    return _counted(spark, minTF=0.0)


@spark_case
def count_vectorizer_from_a_vocabulary(spark: Any) -> Case:
    from pyspark.ml.feature import CountVectorizerModel

    vocabulary = ["b", "a", "", "unseen", "日本"]
    return _case(CountVectorizerModel.from_vocabulary(vocabulary, "words", "counts", minTF=1.5))


@spark_case
def count_vectorizer_with_a_word_twice(spark: Any) -> Case:
    from pyspark.ml.feature import CountVectorizerModel

    return _case(CountVectorizerModel.from_vocabulary(["b", "a", "b", "c"], "words", "counts"))


@spark_case
def counts_to_tf_idf(spark: Any) -> Case:
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import IDF, CountVectorizer

    stages = [CountVectorizer(inputCol="words", outputCol="counts"), IDF(inputCol="counts", outputCol="weighted")]
    return _case(Pipeline(stages=stages).fit(_words(spark)))


def _weighted(spark: Any, **parameters: Any) -> Case:
    from pyspark.ml import PipelineModel
    from pyspark.ml.feature import IDF
    from pyspark.ml.linalg import Vectors

    corpus = [Vectors.dense([1.0, 0.0, 2.0, 0.0]), Vectors.dense([1.0, 1.0, 0.0, 0.0]), Vectors.sparse(4, [0], [3.0])]
    model = IDF(inputCol="counts", outputCol="weighted", **parameters).fit(
        spark.createDataFrame([(counts,) for counts in corpus], ["counts"])
    )
    vectors = [
        *corpus,
        Vectors.dense([0.1, -0.2, math.nan, math.inf]),
        Vectors.dense([math.inf, -0.0, -math.inf, 1e300]),
        Vectors.sparse(4, [], []),
        Vectors.sparse(4, [0, 1, 3], [0.0, -0.0, math.nan]),
        Vectors.sparse(4, [1, 2], [0.3, 0.7]),
        Vectors.dense([1.0, 2.0]),
        Vectors.dense([1.0, 2.0, 3.0, 4.0, 5.0]),
        Vectors.sparse(9, [1, 2], [1.0, 2.0]),
        Vectors.sparse(9, [1, 8], [1.0, 2.0]),
        Vectors.dense([]),
        None,
    ]
    return Case(PipelineModel([model]), {"counts": "vector"}, [{"counts": counts} for counts in vectors])


@spark_case
def idf(spark: Any) -> Case:
    return _weighted(spark)


@spark_case
def idf_of_frequent_features(spark: Any) -> Case:
    return _weighted(spark, minDocFreq=2)


def _embedded(spark: Any, size: int) -> Case:
    from pyspark.ml.feature import Word2Vec

    word2vec = Word2Vec(inputCol="words", outputCol="mean", vectorSize=size, minCount=1, seed=7, maxIter=2)
    return _case(word2vec.fit(_words(spark)))


@spark_case
def word2vec(spark: Any) -> Case:
    return _embedded(spark, 5)


@spark_case
def word2vec_of_one_number(spark: Any) -> Case:
    return _embedded(spark, 1)


@spark_case
def word2vec_of_many_numbers(spark: Any) -> Case:
    return _embedded(spark, 64)
