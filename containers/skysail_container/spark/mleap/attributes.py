"""The attributes of a node's model: named numbers, texts, lists and tensors, from JSON or from Protobuf.

Source: ml.combust.bundle.json.JsonSupport, ml.bundle.{Scalar, List, Tensor}. Zero, false and the empty text are not
written, so that `{}` is each of them.
"""

import base64
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from skysail_container.spark.mleap.protobuf import Message

__all__ = ["Attributes", "Tensor"]

_NAMES: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf, "inf": math.inf, "-inf": -math.inf}

_MAX_DIMENSIONS: Final = 8
_DOUBLES: Final = (0, 6, 7)
_FLOATS: Final = (0, 5, 6)
"""The numbers of those types of tensors' values, which differ between versions; 0: not said."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """Dense numbers, in the order that they were stored in: as many as the product of the shape."""

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
        return _number(self._scalar(name, "double", "float", "long", "int", default=0.0))

    def integer(self, name: str) -> int:
        return _integer(self._scalar(name, "long", "int", default=0))

    def boolean(self, name: str) -> bool:
        value = self._scalar(name, "boolean", default=False)
        if not isinstance(value, bool):
            raise TypeError(f"{name} is neither true nor false")
        return value

    def text(self, name: str) -> str:
        return _text(self._scalar(name, "string", default=""))

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(map(_text, self._listed(name, "string")))

    def integers(self, name: str) -> tuple[int, ...]:
        return tuple(map(_integer, self._listed(name, "long", "int")))

    def numbers(self, name: str) -> tuple[float, ...]:
        """Of a list or of a tensor."""
        if self._values[name].get("type") == "tensor":
            return self.tensor(name).values
        return tuple(map(_number, self._listed(name, "double", "float")))

    def tensor(self, name: str) -> Tensor:
        value = self._values[name]
        if value.get("type") != "tensor":
            raise TypeError(f"{name} is no tensor")
        return _tensor(value)

    def tensors(self, name: str) -> list[Tensor]:
        return [_tensor(one) for one in self._listed(name, "tensor")]

    def _scalar(self, name: str, *kinds: str, default: Any) -> Any:
        """The value of the first of these kinds that it has."""
        value = self._values[name]
        if "type" in value:
            raise TypeError(f"{name} is a {value['type']}, and a single value is expected")
        return _of_kind(name, value, kinds, default)

    def _listed(self, name: str, *kinds: str) -> Sequence[Any]:
        value = self._values[name]
        if value.get("type") != "list":
            raise TypeError(f"{name} is no list")
        found: Any = _of_kind(name, value, kinds, [])
        if not isinstance(found, list):
            raise TypeError(f"{name} is no list")
        return found


def _of_kind(name: str, value: Mapping[str, Any], kinds: Sequence[str], default: Any) -> Any:
    found = [key for key, one in value.items() if key != "type" and one not in (None, [])]
    for kind in kinds:
        if kind in found:
            return value[kind]
    if found:
        raise TypeError(f"{name} is of the type {found[0]}, and {' or '.join(kinds)} is expected")
    return default


def _number(value: Any) -> float:
    """NaN is null in JSON, and no number is a text but the three without digits."""
    if value is None:
        return math.nan
    if isinstance(value, str):
        return _NAMES[value]
    if isinstance(value, bool):
        raise TypeError(f"{value} is no number")
    return float(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or int(value) != value:
        raise TypeError(f"{value!r} is no whole number")
    return int(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _tensor(value: Mapping[str, Any]) -> Tensor:
    """Either numbers that stand there, or bytes, in JSON as Base64."""
    shape = tuple(_integer(one["size"]) for one in (value.get("shape") or {}).get("dimensions", ()))
    if len(shape) > _MAX_DIMENSIONS or any(size < 0 for size in shape):
        raise ValueError(f"a tensor of {len(shape)} dimensions, the smallest {min(shape)}")
    n = math.prod(shape)
    if n == 0 and len(shape) > 1:
        raise ValueError(f"a tensor of shape {shape} has no numbers")
    if "value" in value:
        content = value["value"]
        if not isinstance(content, bytes):
            content = base64.b64decode(content, validate=True)
        values = _unpacked(content, n, value.get("base"))
    else:
        values = tuple(map(_number, value.get("double", value.get("float", ()))))
    if len(values) != n or value.get("indices"):
        raise ValueError(f"a tensor of shape {shape} with {len(values)} numbers")
    return Tensor(values, shape)


def _unpacked(content: bytes, n: int, base: Any) -> tuple[float, ...]:
    """Doubles or floats, as their length tells, for the numbers of the types differ between versions."""
    if len(content) == 8 * n and base in (None, "double", *_DOUBLES):
        return struct.unpack(f">{n}d", content)
    if len(content) == 4 * n and base in (None, "float", *_FLOATS):
        return struct.unpack(f">{n}f", content)
    raise ValueError(f"a tensor of {n} numbers in {len(content)} bytes of the type {base}")


def _from_protobuf(value: Message) -> Mapping[str, Any]:
    if 1 in value:
        return _scalar(value.message(1))
    if 2 in value:
        return {"type": "list", **_list(value.message(2))}
    return {"type": "tensor", **_tensor_from_protobuf(value.message(3))}


def _scalar(found: Message) -> dict[str, Any]:
    """What is not zero or empty, as in JSON."""
    fields: dict[str, Any] = {
        "boolean": bool(found.integer(1)),
        "string": found.text(2),
        "int": found.integer(3),
        "long": found.integer(4),
        "float": found.float_number(5),
        "double": found.number(6),
    }
    return {name: field for name, field in fields.items() if field} | _others(found)


def _list(found: Message) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "boolean": found.integers(1),
        "string": found.texts(2),
        "int": found.integers(3),
        "long": found.integers(4),
        "float": found.float_numbers(5),
        "double": found.numbers(6),
        "tensor": [_tensor_from_protobuf(one) for one in found.messages(8)],
    }
    return {name: field for name, field in fields.items() if field} | _others(found)


def _others(found: Message) -> dict[str, Any]:
    """What no operator here reads: only that it is there."""
    names = {7: "byte_string", 9: "basic_type", 10: "data_shape", 11: "model"}
    return {name: True for field, name in names.items() if field in found}


def _tensor_from_protobuf(found: Message) -> Mapping[str, Any]:
    dimensions = [{"size": one.integer(1)} for one in found.message(2).messages(1)]
    return {"base": found.integer(1), "shape": {"dimensions": dimensions}, "value": found.blob(3)}
