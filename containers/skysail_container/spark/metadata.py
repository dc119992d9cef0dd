"""A stage's metadata: the one line of JSON that Spark writes beside its data.

Source: org.apache.spark.ml.util.DefaultParamsReader. Spark 2.3 writes no `defaultParamMap`; the defaults of a stage's
own parameters therefore live in the registry.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skysail_container.spark.errors import StageError

__all__ = ["Metadata", "read_metadata", "read_mllib_metadata"]

_MAX_BYTES = 256 << 20
_NUMBERS = {"Inf": math.inf, "-Inf": -math.inf, "Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}


@dataclass(frozen=True, slots=True)
class Metadata:
    spark_class: str
    uid: str
    spark_version: tuple[int, ...]
    """(2, 4, 5)"""
    params: Mapping[str, Any]
    """What the user has set."""
    defaults: Mapping[str, Any]
    extra: Mapping[str, Any]
    """What a class writes beside its parameters: numFeatures, numClasses, ..."""


def read_metadata(folder: Path) -> Metadata:
    """The metadata of the stage in this folder.

    :raises StageError: there is none, or it is no JSON, or lacks what every stage has.
    """
    found = _json_object(folder)
    spark_class, uid, version = (_string(folder, found, name) for name in ("class", "uid", "sparkVersion"))
    known = {"class", "uid", "sparkVersion", "timestamp", "paramMap", "defaultParamMap"}
    return Metadata(
        spark_class,
        uid,
        _version(folder, version),
        _params(folder, found, "paramMap"),
        _params(folder, found, "defaultParamMap"),
        {name: decoded(value) for name, value in found.items() if name not in known},
    )


def read_mllib_metadata(folder: Path) -> Mapping[str, Any]:
    """The metadata of a model of the old spark.mllib that a stage keeps inside it: class, version, and its own entries.

    :raises StageError: there is none, or it is no JSON.
    """
    return {name: decoded(value) for name, value in _json_object(folder).items()}


def decoded(value: Any) -> Any:
    """A parameter's value: infinities and NaN are written as {"class": ..., "value": "Inf"} or as their names."""
    if isinstance(value, list):
        return [decoded(one) for one in value]
    if isinstance(value, dict) and set(value) <= {"class", "value"} and value.get("value") in _NUMBERS:
        return _NUMBERS[value["value"]]
    return value


def _json_object(folder: Path) -> dict[str, Any]:
    text = _text(folder)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StageError(str(folder), f"its metadata is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise StageError(str(folder), "its metadata is no JSON object")
    return found


def _text(folder: Path) -> str:
    try:
        parts = sorted(path for path in (folder / "metadata").glob("part-*") if path.stat().st_size)
        if not parts:
            hint = "" if folder.exists() else ": the folder does not exist"
            raise StageError(str(folder), f"it has no metadata/part-* file, so it is no saved Spark stage{hint}")
        if parts[0].stat().st_size > _MAX_BYTES:
            raise StageError(str(folder), f"its metadata is longer than {_MAX_BYTES >> 20} MB")
        return parts[0].read_text("utf-8")
    except UnicodeDecodeError as error:
        raise StageError(str(folder), f"its metadata is no UTF-8: {error}") from error
    except OSError as error:
        raise StageError(str(folder), f"its metadata cannot be read: {error}") from error


def _string(folder: Path, found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str):
        raise StageError(str(folder), f"its metadata has no {name!r}")
    return value


def _version(folder: Path, text: str) -> tuple[int, ...]:
    numbers = text.partition("-")[0].split(".")
    if not numbers or not all(number.isdecimal() for number in numbers):
        raise StageError(str(folder), f"its sparkVersion is {text!r}, which is no version")
    return tuple(int(number) for number in numbers)


def _params(folder: Path, found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = found.get(name, {})
    if not isinstance(value, dict):
        raise StageError(str(folder), f"its {name} is no JSON object")
    return {param: decoded(one) for param, one in value.items()}
