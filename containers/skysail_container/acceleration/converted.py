"""Any other estimator or pipeline that skl2onnx can convert, run by ONNX Runtime."""

from importlib import import_module
from typing import Any

import numpy as np

from skysail_container.acceleration.form import Array, Compute, UnsupportedEstimatorError, is_finite
from skysail_container.acceleration.trees import onnx_session

__all__ = ["converted"]

_OPSETS = {"": 18, "ai.onnx.ml": 3}
_MAX_REASON_CHARACTERS = 200


def converted(estimator: Any, method: str, dtype: np.dtype[Any], threads: int) -> Compute:
    """The estimator's method as an ONNX graph: in double precision if the converter has it, else in single.

    :raises UnsupportedEstimatorError: skl2onnx or onnxruntime is not installed, or does not know it.
    """
    session, works_in = _session(estimator, method, dtype, threads)
    input_name = session.get_inputs()[0].name
    names = [output.name for output in session.get_outputs()]
    classes = getattr(estimator, "classes_", None)
    name = names[1] if classes is not None and method != "predict" else names[0]

    def compute(rows: Array) -> Array | None:
        numbers = rows.astype(works_in, copy=False)
        if not is_finite(numbers):
            return None
        output: Array = session.run([name], {input_name: numbers})[0]
        if classes is not None and method == "predict":
            return output.astype(classes.dtype)
        if method == "decision_function" and output.ndim == 2 and classes is not None and len(classes) == 2:
            output = output[:, -1]
        if classes is None and output.ndim == 2 and output.shape[1] == 1:
            output = output[:, 0]
        return output.astype(np.float64)

    return compute


def _session(estimator: Any, method: str, dtype: np.dtype[Any], threads: int) -> tuple[Any, np.dtype[Any]]:
    double, single = np.dtype(np.float64), np.dtype(np.float32)
    reasons = []
    for works_in in (double, single) if dtype != np.float32 else (single,):
        try:
            return onnx_session(_graph(estimator, method, is_double=works_in == double), threads), works_in
        except UnsupportedEstimatorError:
            raise
        except Exception as error:  # the converters, and onnxruntime for what they made, raise whatever they like
            reasons.append(" ".join(f"{type(error).__name__}: {error}".split())[:_MAX_REASON_CHARACTERS])
    raise UnsupportedEstimatorError(f"it cannot be converted: {reasons[0]}")


def _graph(estimator: Any, method: str, *, is_double: bool) -> bytes:
    try:
        skl2onnx = import_module("skl2onnx")
        types = import_module("skl2onnx.common.data_types")
    except ImportError as error:
        raise UnsupportedEstimatorError(
            "skl2onnx is not installed: pip install 'skysail-container[accelerate]'"
        ) from error
    kind = types.DoubleTensorType if is_double else types.FloatTensorType
    options = {}
    if hasattr(estimator, "classes_"):
        last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
        options = {id(last): {"zipmap": False}}
        if method == "decision_function":
            options[id(last)]["raw_scores"] = True
    graph: bytes = skl2onnx.to_onnx(
        estimator,
        initial_types=[("rows", kind([None, estimator.n_features_in_]))],
        options=options,
        target_opset=_OPSETS,
    ).SerializeToString()
    return graph
