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
    import pandas as pd

    mlflow = _mlflow()

    class Pyfunc(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]  # MLflow carries no types
        # Without a hint MLflow warns, whatever is filtered here. Of this one it infers no signature and checks nothing,
        # so that it is right for tensors too.
        def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
            return predict(model_input)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice about examples
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
