"""Generalized linear regression: a family of distributions, a link, and an offset."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

from skysail_container.spark.java_math import divided, exp, power, sigmoid
from skysail_container.spark.products import dot_product
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.regression import REGRESSOR_PARAMETERS, RegressorColumns, number_column
from skysail_container.spark.schema import VECTOR, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import Vector, vector_of

__all__ = ["GeneralizedLinearRegressionModel", "family_and_link"]

Mean = Callable[[float], float]

_EPSILON: Final = 1e-16
_MAX: Final = 1.7976931348623157e308
_LINKS_OF: Final = {
    "gaussian": ("identity", "log", "inverse"),
    "binomial": ("logit", "probit", "cloglog"),
    "poisson": ("log", "identity", "sqrt"),
    "gamma": ("inverse", "identity", "log"),
}
"""Families with the links that Spark lets them have, the default first."""
_FAMILIES_BY_POWER: Final = {0.0: "gaussian", 1.0: "poisson", 2.0: "gamma"}
_LINKS_BY_POWER: Final = {0.0: "log", 1.0: "identity", -1.0: "inverse", 0.5: "sqrt"}


@spark_stage(
    "org.apache.spark.ml.regression.GeneralizedLinearRegressionModel",
    parameters={
        **REGRESSOR_PARAMETERS, "family": "gaussian", "link": None, "variancePower": 0.0, "linkPower": None,
        "linkPredictionCol": None, "offsetCol": None,
    },
    training=("labelCol", "weightCol", "fitIntercept", "maxIter", "tol", "regParam", "solver", "aggregationDepth"),
    exactness="1e-12: dense sums use SIMD in Spark",
)  # fmt: skip
@dataclass(frozen=True)
class GeneralizedLinearRegressionModel(Stage):
    """Source: org.apache.spark.ml.regression.GeneralizedLinearRegression."""

    uid: str
    columns: RegressorColumns
    coefficients: Vector
    intercept: float
    family: str = "gaussian"
    """gaussian, binomial, poisson, gamma or tweedie."""
    link: str | float = "identity"
    """A link's name, or the power of a power link."""
    link_prediction: str = ""
    """The column of the linear predictor; empty: there is none."""
    offset: str = ""
    """The column that is added to the linear predictor; empty: there is none."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        data = folder.row()
        family, link = _family_and_link(folder)
        return cls(
            folder.uid,
            RegressorColumns.from_spark(folder),
            vector_of(data["coefficients"]),
            float(data["intercept"]),
            family,
            link,
            folder.param("linkPredictionCol") or "",
            folder.param("offsetCol") or "",
        )

    def bind(self, schema: Schema) -> Bound:
        schema.column(self.uid, self.columns.features, VECTOR)
        if self.offset:
            schema.numeric(self.uid, self.offset)
        after = schema
        for name in (self.link_prediction, self.columns.prediction):
            if name:
                after = after.with_output(self.uid, name, number_column(name))
        return Bound(after, self._score())

    def _score(self) -> Callable[[Row], None]:
        features_name, offset_name = self.columns.features, self.offset
        link_name, prediction_name = self.link_prediction, self.columns.prediction
        dot = dot_product(self.coefficients, self.row_error)
        mean = _mean(self.family, self.link)
        intercept = self.intercept
        if not link_name and not prediction_name:
            return _nothing

        def score(row: Row) -> None:
            offset = row[offset_name] if offset_name else 0.0
            if offset is None:
                linear = fitted = None
            else:
                features = row[features_name]
                if features is None:
                    raise self.row_error(f"column {features_name!r} is null")
                linear = dot(features) + intercept + float(offset)
                fitted = mean(linear)
            if link_name:
                row[link_name] = linear
            if prediction_name:
                row[prediction_name] = fitted

        return score


def _nothing(row: Row) -> None:
    """Of a stage whose outputs are all switched off."""


def _family_and_link(folder: StageFolder) -> tuple[str, str | float]:
    """
    :raises StageError: Spark has no such family or link, or not together.
    """
    family = folder.required("family")
    if family.lower() == "tweedie":
        return _tweedie(float(folder.required("variancePower")), folder.param("linkPower"))
    try:
        return family_and_link(family, folder.param("link") or "")
    except ValueError as error:
        raise folder.error(str(error)) from error


def family_and_link(family: str, link: str) -> tuple[str, str]:
    """Both in lower case, as Spark takes them; an empty link is the family's own.

    :raises ValueError: Spark has no such family or link, or not together.
    """
    family, link = family.lower(), link.lower()
    links = _LINKS_OF.get(family)
    if links is None:
        raise ValueError(f"there is no family {family!r}")
    if link and link not in links:
        raise ValueError(f"family {family} has no link {link!r}; it has {', '.join(links)}")
    return family, link or links[0]


def _tweedie(variance_power: float, link_power: Any) -> tuple[str, str | float]:
    family = _FAMILIES_BY_POWER.get(variance_power, "tweedie")
    if link_power is not None:
        return family, _LINKS_BY_POWER.get(float(link_power), float(link_power))
    return (family, _LINKS_OF[family][0]) if family != "tweedie" else (family, 1.0 - variance_power)


def _mean(family: str, link: str | float) -> Mean:
    """From the linear predictor to the mean, kept within the family's range."""
    unlink = _UNLINKS[link] if isinstance(link, str) else _power(link)
    project = _PROJECTIONS.get(family, _positive)
    return lambda linear: project(unlink(linear))


def _power(link_power: float) -> Mean:
    if link_power == 0.0:
        return exp
    exponent = 1.0 / link_power
    return lambda linear: power(linear, exponent)


def _probit(linear: float) -> float:
    """The distribution of the standard normal. Source: breeze.stats.distributions.Gaussian.cdf.

    Its small values are differences from 1, and as coarse.
    """
    x = linear / math.sqrt(2.0)
    error = math.erf(x) if abs(x) < 1.0 else math.copysign(1.0 - math.erfc(abs(x)), x)
    return 0.5 * (1.0 + error)


def _cloglog(linear: float) -> float:
    return 1.0 - exp(-exp(linear))


_UNLINKS: Final[dict[str, Mean]] = {
    "identity": lambda linear: linear,
    "log": exp,
    "inverse": lambda linear: divided(1.0, linear),
    "logit": sigmoid,
    "probit": _probit,
    "cloglog": _cloglog,
    "sqrt": lambda linear: linear * linear,
}


def _finite(mean: float) -> float:
    return math.copysign(_MAX, mean) if math.isinf(mean) else mean


def _share(mean: float) -> float:
    if mean < _EPSILON:
        return _EPSILON
    return 1.0 - _EPSILON if mean > 1.0 - _EPSILON else mean


def _positive(mean: float) -> float:
    if mean < _EPSILON:
        return _EPSILON
    return _MAX if math.isinf(mean) else mean


_PROJECTIONS: Final[dict[str, Mean]] = {"gaussian": _finite, "binomial": _share}
