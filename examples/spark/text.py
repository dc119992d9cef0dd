"""Lines of text by what they are about (the descriptions in scikit-learn of its data): train, deploy, link, ask.

Needs PySpark and the stack that runs here (`make up`); Java is found or brought. What is there already stays as it is.
Another Skysail: text.py URL QUERY_URL
"""

import os
import sys
from contextlib import suppress

from pyspark.ml import Pipeline
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import IDF, HashingTF, IndexToString, RegexTokenizer, StopWordsRemover, StringIndexer
from pyspark.sql import SparkSession
from sklearn import datasets

from skysail_admin import AlreadyExistsError, Skysail
from skysail_container.spark.java import find_java

SUBJECTS = ("breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine")
QUESTION = "Fisher measured the petals and the sepals of irises"


def lines() -> list[tuple[str, str]]:
    """Lines with at least five words, each with its subject."""
    described = {subject: getattr(datasets, f"load_{subject}")().DESCR for subject in SUBJECTS}
    return [(line, subject) for subject, text in described.items() for line in text.splitlines() if line.count(" ") > 4]


def main() -> None:
    os.environ.update(find_java().environment())
    spark = SparkSession.builder.master("local[*]").config("spark.log.level", "ERROR").getOrCreate()
    frame = spark.createDataFrame(lines(), "text string, subject string")

    subjects = StringIndexer(inputCol="subject", outputCol="label").fit(frame)
    tokens = RegexTokenizer(inputCol="text", outputCol="all_words", pattern="\\W+")
    words = StopWordsRemover(inputCol="all_words", outputCol="words")
    counts = HashingTF(inputCol="words", outputCol="counts", numFeatures=4096)
    weights = IDF(inputCol="counts", outputCol="features")
    regression = LogisticRegression(regParam=0.01)
    said = IndexToString(inputCol="prediction", outputCol="about", labels=subjects.labels)
    model = Pipeline(stages=[subjects, tokens, words, counts, weights, regression, said]).fit(frame)

    with Skysail(*sys.argv[1:]) as skysail:
        with suppress(AlreadyExistsError):
            skysail.register_application("spark-text", "strings", default_output="unknown", slo_ms=1000)
        with suppress(AlreadyExistsError):
            skysail.deploy_model("spark-text", 1, "strings", model, examples=frame, outputs=["about"])
        with suppress(AlreadyExistsError):
            skysail.link_model_to_app("spark-text", "spark-text")
        print(f"{QUESTION!r} is about {skysail.predict('spark-text', QUESTION).output}")
    spark.stop()


if __name__ == "__main__":
    main()
