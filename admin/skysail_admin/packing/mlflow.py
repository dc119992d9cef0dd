"""MLflow model directories: what their MLmodel file says about the Python and the input of the model."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from skysail_admin.errors import InvalidRequestError
from skysail_admin.packing.manifest import new_manifest

__all__ = ["is_mlflow_model", "mlflow_manifest"]

_FILE = "MLmodel"
_FLAVOUR = "python_function"
_COLUMN_TYPES = {
    "long": "integer",
    "integer": "integer",
    "double": "number",
    "float": "number",
    "boolean": "boolean",
    "string": "string",
    "datetime": "string",
    "binary": "bytes",
}
_FLAT = frozenset({"integers", "floats", "doubles"})
"""The input types whose rows are lists of numbers, whatever shape the model gives them."""

_NUMERIC = frozenset({"integer", "number"})


def is_mlflow_model(names: Collection[str]) -> bool:
    """Whether a folder with files of these names is an MLflow model directory."""
    return _FILE in names


def mlflow_manifest(folder: Path, input_type: str, warm_up_rows: list[Any] | None) -> dict[str, Any]:
    """The manifest of an MLflow directory, which is the model folder itself. Its signature is the input schema.

    :raises InvalidRequestError: its MLmodel cannot be read, has no python_function flavour, or has a signature of
        columns that rows of `input_type` cannot have.
    """
    values = _read(folder / _FILE)
    flavour = values.get("flavors", {}).get(_FLAVOUR)
    if not isinstance(flavour, dict):
        raise _refusal(folder, f"has no {_FLAVOUR} flavour, which is the one that is served")
    signature = values.get("signature") or {}
    try:
        specs = json.loads(signature.get("inputs") or "[]")
        schema = _schema(specs, input_type) if specs else None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _refusal(folder, f"has a signature that cannot be read: {error}") from error
    manifest = new_manifest("mlflow", ".", input_type, warm_up_rows=warm_up_rows, input_schema=schema)
    saved_by = ".".join(str(flavour.get("python_version", "")).split(".")[:2])
    if saved_by:
        manifest["python"] = saved_by
    return manifest


def _read(path: Path) -> dict[str, Any]:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise InvalidRequestError(
            f"{path} is YAML, and PyYAML is not installed here: pip install PyYAML (MLflow brings it)", field="model"
        ) from error
    try:
        values = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{path} is not YAML: {error}", field="model") from error
    if not isinstance(values, dict) or not isinstance(values.get("flavors", {}), dict):
        raise InvalidRequestError(f"{path} is not the description of an MLflow model", field="model")
    return values


def _schema(specs: list[dict[str, Any]], input_type: str) -> dict[str, Any]:
    if specs[0]["type"] == "tensor":
        return _schema_of_tensors(specs, input_type)
    fields = [_column(spec, index) for index, spec in enumerate(specs)]
    if input_type == "json" and "name" in specs[0]:
        return {"fields": fields}
    types = {field["type"] for field in fields}
    if types <= _NUMERIC and input_type in _FLAT | {"tensor", "json"}:
        return {"type": "number" if "number" in types else "integer", "shape": [len(fields)]}
    if types == {"string"} and input_type == "strings" and len(fields) == 1:
        return {"type": "string", "shape": []}
    columns = ", ".join(f"{field['name']}: {field['type']}" for field in fields)
    raise InvalidRequestError(
        f"the model takes the columns {columns}, which rows of input type {input_type} do not have: "
        "deploy it with input type json",
        field="input_type",
    )


def _schema_of_tensors(specs: list[dict[str, Any]], input_type: str) -> dict[str, Any]:
    tensors = [spec["tensor-spec"] for spec in specs]
    forms = [{"type": _dtype_type(tensor["dtype"]), "shape": tensor["shape"][1:]} for tensor in tensors]
    if len(specs) == 1 and input_type in _FLAT:
        shape = forms[0]["shape"]
        return {**forms[0], "shape": [-1 if -1 in shape else math.prod(shape)]}
    if "name" not in specs[0] or (len(specs) == 1 and input_type != "json"):
        return forms[0]
    return {
        "fields": [{"name": spec["name"], **form, "optional": False} for spec, form in zip(specs, forms, strict=True)]
    }


def _column(spec: Mapping[str, Any], index: int) -> dict[str, Any]:
    name = spec.get("name", f"column {index}")
    value_type = _COLUMN_TYPES.get(spec["type"], "any")
    return {"name": name, "type": value_type, "shape": [], "optional": spec.get("required") is False}


def _dtype_type(dtype: str) -> str:
    if dtype.startswith(("int", "uint")):
        return "integer"
    if dtype.startswith("float"):
        return "number"
    return "boolean" if dtype == "bool" else "string"


def _refusal(folder: Path, problem: str) -> InvalidRequestError:
    return InvalidRequestError(f"the MLflow model in {folder} {problem}", field="model")
