"""The manifest of a model folder: skysail.json."""

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from skysail_container.errors import ManifestError, ModelLoadError
from skysail_container.input_types import INPUT_TYPES, InputType

__all__ = ["MANIFEST_FILE", "MODEL_MODULE_FILE", "Framework", "Manifest", "read_manifest"]

MANIFEST_FILE = "skysail.json"
MODEL_MODULE_FILE = "model.py"
FORMAT = 1

DEFAULT_TOLERANCE = 1e-5

Framework = Literal[
    "sklearn", "python", "folder", "tensorflow", "onnx", "xgboost", "lightgbm", "pytorch", "mlflow", "spark"
]
FRAMEWORKS: tuple[Framework, ...] = get_args(Framework)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a model folder says about itself."""

    framework: Framework
    file: str
    method: str = "predict"
    python: str | None = None
    libraries: Mapping[str, str] | None = None
    input_type: InputType | None = None
    warm_up_rows: tuple[Any, ...] = ()
    outputs: tuple[str, ...] = ()
    """Names of the outputs to answer with, where a framework names them; empty: all."""
    classes: tuple[Any, ...] = ()
    """The labels of a classifier whose file knows its classes only by their numbers."""
    signature: str | None = None
    """The TensorFlow signature to call; None: the default one."""
    threads: int = 1
    """Threads that the framework may use for one batch. Replicas scale a model; threads of several replicas would
    only wait for each other."""
    accelerate: bool = True
    """Whether a faster form of the model may be served, once it is seen to give the same outputs."""
    tolerance: float = DEFAULT_TOLERANCE
    """How far outputs may be from the expected ones, relative and absolute."""
    validation: str | None = None
    """The file with validation rows; None: the one that the folder has, if any."""
    input_schema: Mapping[str, Any] | None = None
    """What the validation rows say about the fields, types and shapes of the input."""
    spark_schema: Mapping[str, str] | None = None
    """The columns of a Spark pipeline's rows, each with Spark's name of its type; None: as each row shows them."""

    def path(self, folder: Path) -> Path:
        """The model's file in `folder`.

        :raises ManifestError: it is not there, is no file, or is outside.
        """
        path = self.location(folder)
        if not path.is_file():
            raise ManifestError("file", f"{self.file!r} is a folder, a file is expected")
        return path

    def location(self, folder: Path) -> Path:
        """The model's file or directory in `folder`, for the frameworks that save directories.

        :raises ManifestError: it is not there, or outside.
        """
        path = (folder / self.file).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise ManifestError("file", f"{self.file!r} is outside the model's folder")
        if not path.exists():
            raise ManifestError("file", f"{self.file!r} is not in the model's folder")
        return path

    def check_python(self) -> None:
        """Pickles of code and estimators are only good for the Python version that wrote them.

        :raises ModelLoadError: this is another one.
        """
        running = f"{sys.version_info.major}.{sys.version_info.minor}"
        if self.python is not None and self.python != running:
            raise ModelLoadError(
                f"the model was saved by Python {self.python} and this container runs Python {running}: "
                f"deploy it again from Python {running}, or serve it with a container of Python {self.python}"
            )


def read_manifest(folder: Path) -> Manifest:
    """The manifest of `folder`; a folder that has none but a model.py speaks for itself.

    :raises ModelLoadError: there is no model here; ManifestError: the manifest is wrong.
    """
    if not folder.is_dir():
        raise ModelLoadError(f"the model folder {folder} does not exist")
    path = folder / MANIFEST_FILE
    if path.is_file():
        return _parsed(path.read_bytes())
    if (folder / MODEL_MODULE_FILE).is_file():
        return Manifest("folder", MODEL_MODULE_FILE)
    raise ModelLoadError(f"the model folder {folder} has neither {MANIFEST_FILE} nor {MODEL_MODULE_FILE}")


def _parsed(text: bytes) -> Manifest:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ManifestError("the file", f"not JSON: {error}") from error
    if not isinstance(values, dict):
        raise ManifestError("the file", "a JSON object is expected")
    if values.get("format") != FORMAT:
        raise ManifestError("format", f"{values.get('format')!r} is not known here, {FORMAT} is")
    libraries: dict[str, Any] = _optional(values, "libraries", dict, {})
    return Manifest(
        framework=cast("Framework", _choice(values, "framework", FRAMEWORKS)),
        file=_text(values, "file"),
        method=_optional(values, "method", str, "predict"),
        python=_optional(values, "python", str, None),
        libraries={str(name): str(version) for name, version in libraries.items()},
        input_type=cast("InputType", _choice(values, "input_type", INPUT_TYPES)) if "input_type" in values else None,
        warm_up_rows=tuple(_optional(values, "warm_up_rows", list, [])),
        outputs=_output_names(values),
        classes=tuple(_optional(values, "classes", list, [])),
        signature=_optional(values, "signature", str, None),
        threads=_threads(values),
        accelerate=_optional(values, "accelerate", bool, True),
        tolerance=_tolerance(values),
        validation=_optional(values, "validation", str, None),
        input_schema=_optional(values, "input_schema", dict, None),
        spark_schema=_spark_schema(values),
    )


def _output_names(values: dict[str, Any]) -> tuple[str, ...]:
    names = _optional(values, "outputs", list, [])
    for name in names:
        if not isinstance(name, str):
            raise ManifestError("outputs", f"{name!r} is not of type str")
    return tuple(names)


def _spark_schema(values: dict[str, Any]) -> Mapping[str, str] | None:
    columns = _optional(values, "spark_schema", list, None)
    if columns is None:
        return None
    types = {}
    for index, column in enumerate(columns):
        if not isinstance(column, dict) or not all(isinstance(column.get(key), str) for key in ("name", "type")):
            raise ManifestError("spark_schema", f"[{index}]: {column!r} is no object with a name and a type")
        types[column["name"]] = column["type"]
    if len(types) < len(columns):
        raise ManifestError("spark_schema", "two columns have the same name")
    return types


def _threads(values: dict[str, Any]) -> int:
    threads = _optional(values, "threads", int, 1)
    if isinstance(threads, bool) or threads < 1:
        raise ManifestError("threads", f"{threads!r} is not a number of threads, at least 1 is")
    return int(threads)


def _tolerance(values: dict[str, Any]) -> float:
    tolerance = values.get("tolerance", DEFAULT_TOLERANCE)
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float):
        raise ManifestError("tolerance", f"{tolerance!r} is not a number")
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise ManifestError("tolerance", f"{tolerance!r} is not finite and at least 0")
    return float(tolerance)


def _text(values: dict[str, Any], field: str) -> str:
    if field not in values:
        raise ManifestError(field, "missing")
    text: str = _optional(values, field, str, "")
    return text


def _optional(values: dict[str, Any], field: str, expected: type, default: object) -> Any:
    value = values.get(field)
    if value is None:
        return default
    if not isinstance(value, expected):
        raise ManifestError(field, f"{value!r} is not of type {expected.__name__}")
    return value


def _choice(values: dict[str, Any], field: str, choices: tuple[str, ...]) -> str:
    text = _text(values, field)
    if text not in choices:
        raise ManifestError(field, f"{text!r} is not one of {', '.join(choices)}")
    return text
