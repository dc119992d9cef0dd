"""From the manifest's framework to its loader. A loader's module, and with it the framework, is imported on demand."""

import logging
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from skysail_container.errors import ModelLoadError, SkysailContainerError
from skysail_container.exception_text import exception_text
from skysail_container.load_report import report
from skysail_container.manifest import Framework, Manifest
from skysail_container.model import Model

__all__ = ["load_model"]

Loader = Callable[[Path, Manifest], Model]

_MODULES: dict[Framework, str] = {
    "sklearn": "skysail_container.loaders.sklearn",
    "python": "skysail_container.loaders.python_function",
    "folder": "skysail_container.loaders.model_folder",
    "tensorflow": "skysail_container.loaders.tensorflow",
    "onnx": "skysail_container.loaders.onnx",
    "xgboost": "skysail_container.loaders.xgboost",
    "lightgbm": "skysail_container.loaders.lightgbm",
    "pytorch": "skysail_container.loaders.pytorch",
    "mlflow": "skysail_container.loaders.mlflow",
    "spark": "skysail_container.loaders.spark",
}

_EXTRAS = {
    "cloudpickle": "python",
    "sklearn": "sklearn",
    "joblib": "sklearn",
    "skops": "skops",
    "pandas": "dataframe",
    "pyarrow": "dataframe",
    "onnxruntime": "onnx",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "tensorflow": "tensorflow",
    "keras": "tensorflow",
    "torch": "pytorch",
    "mlflow": "mlflow",
}
"""The extra of this distribution that brings a module."""

_OF_SPARK = frozenset({"pyarrow", "sqlglot"})
"""The modules that the extra for Spark pipelines brings, some of which others bring as well."""

_OWN_VERSIONS = "save it again with these versions, or give it a requirements.txt with its own"

_log = logging.getLogger(__name__)


def load_model(folder: Path, manifest: Manifest) -> Model:
    """The model in `folder`. Runs the model's own code.

    :raises ModelLoadError: it cannot be loaded, for whatever reason.
    """
    other_versions = _other_versions(manifest)
    for text in other_versions:
        _log.warning("%s", text)
        report.note(text)
    try:
        load: Loader = import_module(_MODULES[manifest.framework]).load
        return load(folder, manifest)
    except SkysailContainerError:
        raise
    except ModuleNotFoundError as error:
        raise ModelLoadError(
            f"the model needs the module {error.name!r}, which is not installed in this container: "
            + _remedy(error.name or "", manifest.framework)
        ) from error
    except BaseException as error:  # a model's code may raise anything, SystemExit included, while it is loaded
        hint = f" ({'; '.join(other_versions)}: {_OWN_VERSIONS})" if other_versions else ""
        raise ModelLoadError(f"the model cannot be loaded: {exception_text(error)}{hint}") from error


def _remedy(module: str, framework: Framework) -> str:
    top = module.partition(".")[0]
    extra = "spark" if framework == "spark" and top in _OF_SPARK else _EXTRAS.get(top)
    if extra is not None:
        return f"pip install 'skysail-container[{extra}]'"
    return "add it to the container's environment, or put its source into a model folder"


def _other_versions(manifest: Manifest) -> list[str]:
    """A sentence for each library that is not here in the version the model was saved with."""
    found = []
    for library, saved_with in (manifest.libraries or {}).items():
        installed = _installed_version(library)
        if installed != saved_with:
            found.append(f"the model was saved with {library} {saved_with}; here it is {installed or 'missing'}")
    return found


def _installed_version(library: str) -> str | None:
    """Some libraries have a smaller distribution for machines without a graphics card: xgboost-cpu, tensorflow-cpu."""
    for distribution in (library, f"{library}-cpu"):
        with suppress(PackageNotFoundError):
            return version(distribution)
    return None
