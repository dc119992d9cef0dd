"""Which film next? Ratings of 300 people for 200 films, made here by tastes and kinds as in MovieLens: nobody's own.

Trains alternating least squares with PySpark, deploys, links, asks. Needs PySpark and the stack that runs here
(`make up`); Java is found or brought. What is there already stays as it is. Another Skysail:
recommender.py URL QUERY_URL
"""

import os
import sys
from contextlib import suppress

import numpy as np
from pyspark.ml.recommendation import ALS
from pyspark.sql import SparkSession

from skysail_admin import AlreadyExistsError, Skysail
from skysail_container.spark.java import find_java

N_PEOPLE, N_FILMS, N_RATINGS = 300, 200, 12_000


def ratings() -> list[tuple[int, int, float]]:
    """(person, film, stars from 0.5 to 5), by three hidden tastes of each person and kinds of each film."""
    random = np.random.default_rng(1)
    tastes, kinds = random.normal(size=(N_PEOPLE, 3)), random.normal(size=(N_FILMS, 3))
    pairs = random.choice(N_PEOPLE * N_FILMS, N_RATINGS, replace=False)
    people, films = pairs // N_FILMS, pairs % N_FILMS
    stars = 3 + (tastes[people] * kinds[films]).sum(axis=1) + 0.2 * random.normal(size=N_RATINGS)
    halves = np.clip(np.round(2 * stars) / 2, 0.5, 5.0)
    return list(zip(people.tolist(), films.tolist(), halves.tolist(), strict=True))


def main() -> None:
    os.environ.update(find_java().environment())
    spark = SparkSession.builder.master("local[*]").config("spark.log.level", "ERROR").getOrCreate()
    frame = spark.createDataFrame(ratings(), "person int, film int, stars double")
    als = ALS(userCol="person", itemCol="film", ratingCol="stars", rank=8, seed=1, coldStartStrategy="drop")
    model = als.fit(frame)

    with Skysail(*sys.argv[1:]) as skysail:
        with suppress(AlreadyExistsError):
            skysail.register_application("spark-films", "json", default_output=None, slo_ms=1000)
        with suppress(AlreadyExistsError):
            skysail.deploy_model("spark-films", 1, model, examples=frame.limit(200))
        with suppress(AlreadyExistsError):
            skysail.link_model_to_app("spark-films", "spark-films")

        candidates = [{"person": 7, "film": film} for film in range(N_FILMS)]
        answers = skysail.predict_batch("spark-films", candidates)
        best = max(range(N_FILMS), key=lambda film: answers[film].output)
        print(f"person 7 should see film {best}, worth {answers[best].output:.1f} stars")
        stranger = skysail.predict("spark-films", {"person": N_PEOPLE, "film": best})
        print(f"of a stranger nothing is known: default output {stranger.default}")
    spark.stop()


if __name__ == "__main__":
    main()
