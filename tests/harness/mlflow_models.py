"""Small MLflow model directories."""

import os
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["GROUP", "pyfunc_of", "saved_pyfunc"]

GROUP = "mlflow"
"""The xdist group of tests that import it, which takes seconds: one process does."""


def saved_pyfunc(
    folder: Path, predict: Callable[[Any], Any], signature: Any = None, example: Any = None, answer: Any = None
) -> Path:
    """A pyfunc model saved in `folder`, with a signature or one inferred from an example and its answer."""
    mlflow = _mlflow()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice about hints and examples

        class Pyfunc(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]  # MLflow carries no types
            # MLflow takes hints for a signature.
            def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # as above
                return predict(model_input)

        if example is not None:
            signature = mlflow.models.infer_signature(example, answer)
        mlflow.pyfunc.save_model(
            str(folder), python_model=Pyfunc(), signature=signature, pip_requirements=["mlflow-skinny", "pandas"]
        )
    return folder


def pyfunc_of(folder: Path) -> Any:
    """The model in `folder` as MLflow loads it."""
    mlflow = _mlflow()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mlflow.pyfunc.load_model(str(folder), suppress_warnings=True)


def _mlflow() -> Any:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_module("mlflow.pyfunc")
        import_module("mlflow.models")
        return import_module("mlflow")
