"""Wines by what is in them (scikit-learn's data: 178 wines, 13 numbers each): train with PySpark, deploy, link, ask.

Needs PySpark and the stack that runs here (`make up`); Java is found or brought. What is there already stays as it is.
Another Skysail: tabular.py URL QUERY_URL
"""

import os
import sys
from contextlib import suppress

from pyspark.ml import Pipeline
from pyspark.ml.classification import RandomForestClassifier
from pyspark.ml.feature import Bucketizer, IndexToString, OneHotEncoder, StringIndexer, VectorAssembler
from pyspark.sql import SparkSession
from sklearn.datasets import load_wine

from skysail_admin import AlreadyExistsError, Skysail
from skysail_container.spark.java import find_java


def main() -> None:
    os.environ.update(find_java().environment())
    spark = SparkSession.builder.master("local[*]").config("spark.log.level", "ERROR").getOrCreate()
    wine = load_wine(as_frame=True)
    wines = wine.data.assign(cultivar=wine.target.map(lambda number: f"cultivar {number + 1}"))
    seen, held_out = spark.createDataFrame(wines).randomSplit([0.8, 0.2], seed=1)

    cultivars = StringIndexer(inputCol="cultivar", outputCol="label").fit(seen)
    strength = Bucketizer(inputCol="alcohol", outputCol="strength", splits=[0.0, 12.5, 13.5, 100.0])
    one_hot = OneHotEncoder(inputCol="strength", outputCol="strength_vector")
    assembler = VectorAssembler(inputCols=["strength_vector", *wine.data.columns], outputCol="features")
    forest = RandomForestClassifier(numTrees=50, seed=1)
    words = IndexToString(inputCol="prediction", outputCol="cultivar_said", labels=cultivars.labels)
    model = Pipeline(stages=[cultivars, strength, one_hot, assembler, forest, words]).fit(seen)

    with Skysail(*sys.argv[1:]) as skysail:
        with suppress(AlreadyExistsError):
            skysail.register_application("spark-wines", "json", default_output="unknown", slo_ms=1000)
        with suppress(AlreadyExistsError):
            skysail.deploy_model("spark-wines", 1, model, examples=held_out, outputs=["cultivar_said"])
        with suppress(AlreadyExistsError):
            skysail.link_model_to_app("spark-wines", "spark-wines")

        right = equal = 0
        rows = model.transform(held_out).collect()
        for row in rows:
            query = {name: row[name] for name in wine.data.columns}
            answer = skysail.predict("spark-wines", query)
            right += answer.output == row["cultivar"]
            equal += answer.output == row["cultivar_said"]
        print(f"{right} of {len(rows)} wines told right over REST; {equal} as Spark tells them")
    spark.stop()


if __name__ == "__main__":
    main()
