"""The attributes of a node's model: named numbers, texts, lists and tensors, from JSON or from Protobuf.

Source: ml.combust.bundle.json.JsonSupport, ml.bundle.{Scalar, List, Tensor}. Zero, false and the empty text are not
written, so that `{}` is each of them.
"""

import base64
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from skysail_container.spark.mleap.protobuf import Message

__all__ = ["Attributes", "Tensor"]

_NAMES: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf, "inf": math.inf, "-inf": -math.inf}


@dataclass(frozen=True, slots=True)
class Tensor:
    """Dense numbers, in the order that they were stored in."""

    values: tuple[float, ...]
    shape: tuple[int, ...]


class Attributes:
    """Each reader raises KeyError for what is missing, and ValueError or TypeError for what is something else."""

    def __init__(self, values: Mapping[str, Mapping[str, Any]]) -> None:
        self._values = values

    @classmethod
    def from_json(cls, found: Mapping[str, Any] | None) -> Self:
        return cls({name: dict(value) for name, value in (found or {}).items()})

    @classmethod
    def from_protobuf(cls, message: Message) -> Self:
        """Of the message ml.bundle.Attributes."""
        return cls({entry.text(1): _from_protobuf(entry.message(2)) for entry in message.messages(1)})

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def names(self) -> set[str]:
        return set(self._values)

    def number(self, name: str) -> float:
        value = self._values[name]
        return float(_number(value.get("double", value.get("float", value.get("long", value.get("int", 0.0))))))

    def integer(self, name: str) -> int:
        value = self._values[name]
        return int(value.get("long", value.get("int", 0)))

    def boolean(self, name: str) -> bool:
        return bool(self._values[name].get("boolean", False))

    def text(self, name: str) -> str:
        return str(self._values[name].get("string", ""))

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(str(one) for one in self._values[name].get("string", ()))

    def integers(self, name: str) -> tuple[int, ...]:
        value = self._values[name]
        return tuple(int(one) for one in value.get("int", value.get("long", ())))

    def numbers(self, name: str) -> tuple[float, ...]:
        """Of a list or of a tensor."""
        value = self._values[name]
        if value.get("type") == "tensor":
            return _tensor(value).values
        return tuple(_number(one) for one in value.get("double", ()))

    def tensor(self, name: str) -> Tensor:
        return _tensor(self._values[name])

    def tensors(self, name: str) -> list[Tensor]:
        return [_tensor(one) for one in self._values[name].get("tensor", ())]


def _number(value: Any) -> float:
    return _NAMES[value] if isinstance(value, str) else float(value)


def _tensor(value: Mapping[str, Any]) -> Tensor:
    """Either numbers that stand there, or bytes, in JSON as Base64."""
    shape = tuple(int(one["size"]) for one in (value.get("shape") or {}).get("dimensions", ()))
    n = math.prod(shape)
    if "value" in value:
        content = value["value"] if isinstance(value["value"], bytes) else base64.b64decode(value["value"])
        values = _unpacked(content, n)
    else:
        values = tuple(_number(one) for one in value.get("double", value.get("float", ())))
    if len(values) != n or value.get("indices"):
        raise ValueError(f"a tensor of shape {shape} with {len(values)} numbers")
    return Tensor(values, shape)


def _unpacked(content: bytes, n: int) -> tuple[float, ...]:
    """Doubles or floats, as their length tells, for the numbers of the types differ between versions."""
    if len(content) == 8 * n:
        return struct.unpack(f">{n}d", content)
    if len(content) == 4 * n:
        return struct.unpack(f">{n}f", content)
    raise ValueError(f"a tensor of {n} numbers in {len(content)} bytes")


def _from_protobuf(value: Message) -> Mapping[str, Any]:
    if 1 in value:
        return _scalar(value.message(1))
    if 2 in value:
        found = value.message(2)
        return {
            "type": "list",
            "string": found.texts(2),
            "int": found.integers(3) or found.integers(4),
            "double": found.numbers(6),
            "tensor": [_tensor_from_protobuf(one) for one in found.messages(8)],
        }
    return {"type": "tensor", **_tensor_from_protobuf(value.message(3))}


def _scalar(found: Message) -> Mapping[str, Any]:
    """What is not zero or empty, as in JSON."""
    fields = {
        "boolean": bool(found.integer(1)),
        "string": found.text(2),
        "int": found.integer(3),
        "long": found.integer(4),
        "double": found.number(6),
    }
    return {name: field for name, field in fields.items() if field}


def _tensor_from_protobuf(found: Message) -> Mapping[str, Any]:
    dimensions = [{"size": one.integer(1)} for one in found.message(2).messages(1)]
    return {"shape": {"dimensions": dimensions}, "value": found.blob(3)}
