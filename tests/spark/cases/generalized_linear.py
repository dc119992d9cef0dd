"""Generalized linear regression: every family with every link, offsets, the linear predictor."""

import math
from typing import Any

from pyspark.ml.regression import GeneralizedLinearRegression

from spark.case import Case, spark_case
from spark.cases.linear_data import dense, feature_rows, sparse, training


def fitted(spark: Any, label: str, **params: Any) -> Case:
    model = GeneralizedLinearRegression(
        labelCol=label, maxIter=4, regParam=0.1, linkPredictionCol="linear", **params
    ).fit(training(spark))
    return Case(model, {"features": "vector"}, feature_rows(faulty=False), rtol=1e-12)


@spark_case
def glm_gaussian(spark: Any) -> Case:
    return fitted(spark, "number")


@spark_case
def glm_gaussian_log(spark: Any) -> Case:
    return fitted(spark, "number", family="Gaussian", link="Log")


@spark_case
def glm_gaussian_inverse(spark: Any) -> Case:
    return fitted(spark, "number", family="gaussian", link="inverse")


@spark_case
def glm_binomial(spark: Any) -> Case:
    return fitted(spark, "share", family="binomial", weightCol="weight")


@spark_case
def glm_binomial_probit(spark: Any) -> Case:
    return fitted(spark, "share", family="binomial", link="probit")


@spark_case
def glm_binomial_cloglog(spark: Any) -> Case:
    return fitted(spark, "share", family="binomial", link="cloglog")


@spark_case
def glm_poisson(spark: Any) -> Case:
    return fitted(spark, "count", family="poisson")


@spark_case
def glm_poisson_identity(spark: Any) -> Case:
    return fitted(spark, "count", family="poisson", link="identity")


@spark_case
def glm_poisson_sqrt(spark: Any) -> Case:
    return fitted(spark, "count", family="poisson", link="sqrt")


@spark_case
def glm_gamma(spark: Any) -> Case:
    return fitted(spark, "number", family="gamma")


@spark_case
def glm_gamma_identity(spark: Any) -> Case:
    return fitted(spark, "number", family="gamma", link="identity")


@spark_case
def glm_gamma_log(spark: Any) -> Case:
    return fitted(spark, "number", family="gamma", link="log")


@spark_case
def glm_tweedie(spark: Any) -> Case:
    return fitted(spark, "number", family="tweedie", variancePower=1.5)


@spark_case
def glm_tweedie_default(spark: Any) -> Case:
    return fitted(spark, "number", family="tweedie")


@spark_case
def glm_tweedie_poisson(spark: Any) -> Case:
    return fitted(spark, "count", family="tweedie", variancePower=1.0)


@spark_case
def glm_tweedie_log(spark: Any) -> Case:
    return fitted(spark, "number", family="tweedie", variancePower=1.6, linkPower=0.0)


@spark_case
def glm_tweedie_sqrt(spark: Any) -> Case:
    return fitted(spark, "number", family="tweedie", variancePower=2.0, linkPower=0.5)


@spark_case
def glm_tweedie_power(spark: Any) -> Case:
    return fitted(spark, "number", family="tweedie", variancePower=1.3, linkPower=0.3)


def offset_rows(offsets: list[Any]) -> list[dict[str, Any]]:
    rows = [{"features": dense([0.5 * k, 1.0, -0.3, 0.2, 0.9]), "offset": one} for k, one in enumerate(offsets)]
    return [*rows, {"features": sparse(5, {1: 2.0}), "offset": offsets[0]}, {"features": None, "offset": None}]


@spark_case
def glm_offset(spark: Any) -> Case:
    model = GeneralizedLinearRegression(
        labelCol="count", family="poisson", offsetCol="offset", linkPredictionCol="eta", maxIter=4
    ).fit(training(spark))
    rows = offset_rows([0.25, -1.5, 0.0, None, math.nan, math.inf, -math.inf])
    return Case(model, {"features": "vector", "offset": "double"}, rows, rtol=1e-12)


@spark_case
def glm_integer_offset(spark: Any) -> Case:
    model = GeneralizedLinearRegression(labelCol="count", family="poisson", offsetCol="offset", maxIter=4)
    rows = [*offset_rows([1, -2, 0, None]), {"features": None, "offset": 1}]
    fitted_model = model.fit(training(spark)).setPredictionCol("expected")
    return Case(fitted_model, {"features": "vector", "offset": "int"}, rows, rtol=1e-12)


@spark_case
def glm_without_prediction(spark: Any) -> Case:
    model = GeneralizedLinearRegression(labelCol="number", linkPredictionCol="eta", predictionCol="")
    rows = [{"features": dense([1.0] * 5)}, {"features": None}, {"features": sparse(2, {})}]
    return Case(model.fit(training(spark)), {"features": "vector"}, rows, rtol=1e-12)


@spark_case
def glm_switched_off(spark: Any) -> Case:
    model = GeneralizedLinearRegression(labelCol="number", predictionCol="").fit(training(spark))
    return Case(model, {"features": "vector"}, [{"features": dense([1.0] * 5)}, {"features": None}])
