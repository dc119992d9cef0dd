"""A node of a bundle: an operator, its attributes, and the columns at its ports."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from skysail_container.spark.errors import StageError, UnsupportedStageError
from skysail_container.spark.mleap.attributes import Attributes
from skysail_container.spark.mleap.files import BundleFiles
from skysail_container.spark.mleap.protobuf import Message

__all__ = ["Node", "read_node"]


@dataclass(frozen=True, slots=True)
class Node:
    files: BundleFiles
    folder: str
    """Where its files are, for trees and nodes within it."""
    name: str
    op: str
    attributes: Attributes
    inputs: Mapping[str, str]
    """Columns by their ports."""
    outputs: Mapping[str, str]

    def error(self, reason: str) -> StageError:
        return StageError(self.name, f"{self.op}: {reason}")

    def unsupported(self, reason: str) -> UnsupportedStageError:
        return UnsupportedStageError(self.name, f"{self.op}: {reason}")

    def read(self, *names: str) -> tuple[str, bytes]:
        """The first of these files that there is in its folder, and its name.

        :raises StageError: there is none of them, or it cannot be read.
        """
        try:
            return self.files.read(*(f"{self.folder}/{name}" for name in names))
        except StageError as error:
            raise self.error(error.reason) from error

    def part(self, name: str) -> Self:
        """The model in a folder within its own: with the same columns, and a name after this one's.

        :raises StageError: the name leads elsewhere, or there is no such model, or it is damaged.
        """
        folder = f"{self.folder}/{self.folder_name(name)}"
        try:
            op, attributes = _read_model(self.files, folder)
        except StageError as error:
            raise self.error(error.reason) from error
        return replace(self, folder=folder, name=f"{self.name}/{name}", op=op, attributes=attributes)

    def parts(self, attribute: str) -> tuple[str, ...]:
        """The names of the folders that an attribute lists.

        :raises StageError: one leads elsewhere, or stands there twice.
        """
        names = self.attributes.texts(attribute)
        if len(set(names)) != len(names):
            raise self.error(f"its {attribute} are not different ones")
        return tuple(map(self.folder_name, names))

    def folder_name(self, name: str) -> str:
        """The name of a folder within this one.

        :raises StageError: it leads elsewhere.
        """
        if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
            raise self.error(f"its part {name!r} is not the name of a folder within it")
        return name

    def input(self, *ports: str) -> str:
        """The column at the first of these ports that it has.

        :raises StageError: it has none of them.
        """
        return self._column(self.inputs, ports)

    def output(self, *ports: str) -> str:
        """As `input`."""
        return self._column(self.outputs, ports)

    def numbered_inputs(self) -> tuple[str, ...]:
        """The columns at the ports input0, input1, ..."""
        return tuple(self.inputs[port] for port in sorted(self.inputs, key=_number))

    def numbered_outputs(self) -> tuple[str, ...]:
        return tuple(self.outputs[port] for port in sorted(self.outputs, key=_number))

    def _column(self, columns: Mapping[str, str], ports: tuple[str, ...]) -> str:
        for port in ports:
            if port in columns:
                return columns[port]
        raise self.error(f"it has no port {' or '.join(ports)}, only {', '.join(columns) or 'none'}")


def read_node(files: BundleFiles, folder: str) -> Node:
    """
    :raises StageError: it is missing or damaged.
    """
    name, content = files.read(f"{folder}/node.json", f"{folder}/node.pb")
    try:
        if name.endswith(".json"):
            found = json.loads(content)
            title, inputs, outputs = found["name"], *(_ports(found["shape"].get(key)) for key in ("inputs", "outputs"))
        else:
            message = Message(content)
            shape = message.message(2)
            title = message.text(1)
            inputs, outputs = ({one.text(1): one.text(2) for one in shape.messages(at)} for at in (1, 2))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StageError(folder, f"{name} is no node of a bundle: {type(error).__name__}: {error}") from error
    op, attributes = _read_model(files, folder)
    return Node(files, folder, str(title), op, attributes, inputs, outputs)


def _read_model(files: BundleFiles, folder: str) -> tuple[str, Attributes]:
    """The operator and the attributes in a folder.

    :raises StageError: they are missing or damaged.
    """
    name, content = files.read(f"{folder}/model.json", f"{folder}/model.pb")
    try:
        if name.endswith(".json"):
            found = json.loads(content)
            return str(found["op"]), Attributes.from_json(found.get("attributes"))
        message = Message(content)
        return message.text(1), Attributes.from_protobuf(message.message(2))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StageError(folder, f"{name} is no model of a bundle: {type(error).__name__}: {error}") from error


def _ports(sockets: Any) -> dict[str, str]:
    return {str(one["port"]): str(one["name"]) for one in sockets or ()}


def _number(port: str) -> int:
    digits = port.lstrip("abcdefghijklmnopqrstuvwxyz_")
    return int(digits) if digits.isdecimal() else -1
