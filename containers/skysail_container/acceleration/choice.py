"""The choice between an estimator and a faster form of it, made once, when the model is loaded."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from skysail_container.acceleration import ensembles, linear
from skysail_container.acceleration.comparison import Agreement, Speed, agreement, speed
from skysail_container.acceleration.comparison_rows import comparison_rows
from skysail_container.acceleration.converted import converted
from skysail_container.acceleration.form import (
    Array,
    Compute,
    Form,
    UnsupportedEstimatorError,
    engine_name,
    is_finite,
)
from skysail_container.exception_text import exception_text

__all__ = ["Choice", "faster_form", "form_of"]

WORTHWHILE = 0.8
"""The share of the estimator's time that a form may take: gains below are within what one measurement errs by."""


class Choice(NamedTuple):
    form: Form | None
    """None: the estimator itself is served."""
    note: str
    """For the model's owner: what is served, and why."""


def faster_form(
    estimator: Any,
    method: str,
    dtype: np.dtype[Any],
    *,
    threads: int,
    tolerance: float,
    known_rows: Array | None = None,
) -> Choice:
    """The fastest form of the estimator's method that agrees with it.

    :param dtype: of the rows that will come.
    :param known_rows: rows of the model's owner to compare on; too few of them are joined by `comparison_rows`.
    """
    original: Callable[[Array], object] = getattr(estimator, method)
    try:
        form = form_of(estimator, method, dtype, threads)
        rows = _rows(estimator, dtype, known_rows)
        with np.errstate(all="ignore"):
            agreed = agreement(original, form.compute, rows, tolerance)
        speeds = speed(original, form.compute, rows)
    except UnsupportedEstimatorError as error:
        return Choice(None, f"not accelerated: {error}")
    except (
        Exception
    ) as error:  # foreign estimators, converters and runtimes: none of them may keep a model from serving
        return Choice(None, f"not accelerated: {exception_text(error)}")
    slower = [one for one in speeds if one.form_s > WORTHWHILE * one.original_s]
    if slower:
        return Choice(None, f"not accelerated: {form.engine} is hardly faster ({_speed_text(slower[0])})")
    return Choice(form, f"accelerated by {form.engine}: {_agreement_text(agreed)}; {_speed_text(speeds[-1])}")


def form_of(estimator: Any, method: str, dtype: np.dtype[Any], threads: int) -> Form:
    """A form that computes the method, not compared yet.

    :raises UnsupportedEstimatorError: there is none.
    """
    if getattr(estimator, "n_features_in_", None) is None:
        raise UnsupportedEstimatorError("it does not say how many features it takes")
    *before, last = [step for _, step in estimator.steps] if _is_of(estimator, {"Pipeline"}) else [estimator]
    before = [step for step in before if step is not None and step != "passthrough"]
    is_scaled = all(_is_of(step, linear.SCALERS) for step in before)
    if not is_scaled or not _is_of(last, linear.LINEAR | _TREES):
        return Form(converted(estimator, method, dtype, threads), engine_name("onnxruntime"))
    core_dtype = dtype if not before or dtype == np.float32 else np.dtype(np.float64)
    core = _core(last, method, threads)
    compute = core.compute if _takes_nan(last) and not before else _guarded(core.compute)
    for step in reversed(before):
        compute = _after(linear.scaler(step, dtype if step is before[0] else core_dtype), compute)
    return Form(compute, core.engine)


_TREES = ensembles.FORESTS | ensembles.BOOSTED | ensembles.HISTOGRAM_BOOSTED


def _core(estimator: Any, method: str, threads: int) -> Form:
    if _is_of(estimator, linear.LINEAR):
        return Form(linear.linear(estimator, method), engine_name("numpy"))
    build = ensembles.forest
    if _is_of(estimator, ensembles.BOOSTED):
        build = ensembles.boosted
    elif _is_of(estimator, ensembles.HISTOGRAM_BOOSTED):
        build = ensembles.histogram_boosted
    return Form(build(estimator, method, threads), engine_name("onnxruntime"))


def _guarded(compute: Compute) -> Compute:
    """Only for finite numbers."""

    def guarded(rows: Array) -> Array | None:
        return compute(rows) if is_finite(rows) else None

    return guarded


def _after(transform: Callable[[Array], Array], compute: Compute) -> Compute:
    def chained(rows: Array) -> Array | None:
        return compute(transform(rows)) if is_finite(rows) else None

    return chained


def _rows(estimator: Any, dtype: np.dtype[Any], known_rows: Array | None) -> Array:
    generated = comparison_rows(estimator, estimator.n_features_in_, dtype, _takes_nan(estimator))
    if known_rows is None:
        return generated
    return known_rows if len(known_rows) >= len(generated) else np.concatenate([known_rows, generated])


def _takes_nan(estimator: Any) -> bool:
    return _is_of(estimator, ensembles.HISTOGRAM_BOOSTED)


def _is_of(estimator: Any, names: frozenset[str] | set[str]) -> bool:
    """Whether it is one of these classes of scikit-learn itself: a class derived from one may do something else."""
    return type(estimator).__name__ in names and type(estimator).__module__.partition(".")[0] == "sklearn"


def _agreement_text(agreed: Agreement) -> str:
    if agreed.are_labels:
        return f"labels equal on {agreed.n_rows} rows"
    if not agreed.greatest_difference:
        return f"outputs equal to the last bit on {agreed.n_rows} rows"
    return f"outputs within {agreed.greatest_difference:.1g} on {agreed.n_rows} rows"


def _speed_text(one: Speed) -> str:
    rows = "1 row takes" if one.n_rows == 1 else f"{one.n_rows} rows take"
    return f"{rows} {1e3 * one.form_s:.3g} ms instead of {1e3 * one.original_s:.3g} ms"
