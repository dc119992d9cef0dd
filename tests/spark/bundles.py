"""Bundles of MLeap, written in both of their formats: attributes as JSON has them, or as Protobuf."""

import base64
import json
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["BundleNode", "Value", "doubles", "longs", "tensor", "tensors", "texts", "write_bundle"]

Value = Mapping[str, Any]


def texts(*values: str) -> Value:
    return {"type": "list", "string": list(values)}


def doubles(*values: float) -> Value:
    return {"type": "list", "double": list(values)}


def longs(*values: int) -> Value:
    return {"type": "list", "long": list(values)}


def tensors(*values: Value) -> Value:
    return {"type": "list", "tensor": list(values)}


def tensor(*values: float, shape: Sequence[int] = ()) -> Value:
    return {"type": "tensor", "double": list(values), "shape": list(shape or [len(values)])}


@dataclass(frozen=True)
class BundleNode:
    op: str
    attributes: Mapping[str, Value]
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Columns by their ports."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    nodes: Sequence["BundleNode"] = ()
    trees: Sequence[Sequence[Mapping[str, Any]]] = ()
    """Of each tree its nodes, as JSON has them."""
    models: Sequence["BundleNode"] = ()
    """Of one_vs_rest: without columns."""
    clusters: Sequence[Mapping[str, Any]] = ()
    """Of bisecting_k_means the nodes of its tree, as JSON has them."""


def write_bundle(path: Path, root: BundleNode, protobuf: bool = False) -> Path:
    """As a zip if the path ends so, else as a folder."""
    files = {"bundle.json": json.dumps({"format": "protobuf" if protobuf else "json", "version": "0.20.0"}).encode()}
    _add(files, "root", root, protobuf)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    for name, content in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return path


def _add(files: dict[str, bytes], folder: str, node: BundleNode, protobuf: bool) -> None:
    attributes = dict(node.attributes)
    if node.op == "pipeline":
        attributes["nodes"] = texts(*(f"n{number}" for number in range(len(node.nodes))))
    if node.trees and node.op.startswith(("random_forest", "gbt")):
        attributes["trees"] = texts(*(f"tree{number}" for number in range(len(node.trees))))
        inner = "decision_tree_classifier" if node.op == "random_forest_classifier" else "decision_tree_regression"
        for number, tree in enumerate(node.trees):
            _add(files, f"{folder}/tree{number}", BundleNode(inner, {}, trees=[tree]), protobuf)
    elif node.trees:
        extension = "pb" if protobuf else "json"
        files[f"{folder}/tree.{extension}"] = (_tree_pb if protobuf else _tree_json)(node.trees[0])
    if node.clusters:
        extension = "pb" if protobuf else "json"
        files[f"{folder}/tree.{extension}"] = (_clusters_pb if protobuf else _tree_json)(node.clusters)
    for number, child in enumerate(node.nodes):
        _add(files, f"{folder}/n{number}.node", child, protobuf)
    for number, model in enumerate(node.models):
        _add(files, f"{folder}/model{number}", model, protobuf)
        del files[f"{folder}/model{number}/node.{'pb' if protobuf else 'json'}"]
    if protobuf:
        listed = b"".join(
            _field(1, _field(1, key.encode()) + _field(2, _value(one))) for key, one in attributes.items()
        )
        files[f"{folder}/model.pb"] = _field(1, node.op.encode()) + _field(2, listed)
        sockets = [
            b"".join(_field(at, _field(1, port.encode()) + _field(2, name.encode())) for port, name in ports.items())
            for at, ports in ((1, node.inputs), (2, node.outputs))
        ]
        files[f"{folder}/node.pb"] = _field(1, folder.encode()) + _field(2, b"".join(sockets))
        return
    shown = {key: _json(one) for key, one in attributes.items()}
    files[f"{folder}/model.json"] = json.dumps({"op": node.op, "attributes": shown}).encode()
    shape = {
        side: [{"port": port, "name": name} for port, name in ports.items()]
        for side, ports in (("inputs", node.inputs), ("outputs", node.outputs))
    }
    files[f"{folder}/node.json"] = json.dumps({"name": folder, "shape": shape}).encode()


def _json(value: Value) -> Value:
    """Zero, false and the empty text are left out, as MLeap leaves them out; tensors are Base64."""
    if value.get("type") == "tensor":
        content = struct.pack(f">{len(value['double'])}d", *value["double"])
        dimensions = [{"size": size, "name": ""} for size in value["shape"]]
        encoded = base64.b64encode(content).decode()
        return {"type": "tensor", "base": "double", "shape": {"dimensions": dimensions}, "value": encoded}
    if value.get("type") == "list" and "tensor" in value:
        return {"type": "list", "tensor": [_json(one) for one in value["tensor"]]}
    return {key: one for key, one in value.items() if one}


def _value(value: Value) -> bytes:
    if value.get("type") == "tensor":
        return _field(3, _tensor(value))
    if value.get("type") == "list":
        content = b"".join(_field(2, one.encode()) for one in value.get("string", ()))
        for number, key in ((3, "int"), (4, "long")):
            content += _field(number, b"".join(_varint(one) for one in value.get(key, ())))
        content += _field(6, struct.pack(f"<{len(value.get('double', ()))}d", *value.get("double", ())))
        return _field(2, content + b"".join(_field(8, _tensor(one)) for one in value.get("tensor", ())))
    content = b""
    if value.get("boolean"):
        content += b"\x08\x01"
    if value.get("string"):
        content += _field(2, value["string"].encode())
    for number, key in ((3, "int"), (4, "long")):
        if value.get(key):
            content += _varint(number << 3) + _varint(value[key])
    if value.get("double"):
        content += _varint(6 << 3 | 1) + struct.pack("<d", value["double"])
    return _field(1, content)


def _tensor(value: Value) -> bytes:
    dimensions = b"".join(_field(1, _varint(1 << 3) + _varint(size)) for size in value["shape"])
    return b"\x08\x06" + _field(2, dimensions) + _field(3, struct.pack(f">{len(value['double'])}d", *value["double"]))


def _tree_json(nodes: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(node).encode() + b"\n" for node in nodes)


def _tree_pb(nodes: Sequence[Mapping[str, Any]]) -> bytes:
    content = b""
    for node in nodes:
        message = _tree_node(node)
        content += struct.pack(">i", len(message)) + message
    return content


def _clusters_pb(nodes: Sequence[Mapping[str, Any]]) -> bytes:
    """A negative index is written as a positive one of 32 bits."""
    content = b""
    for node in nodes:
        message = _varint(1 << 3) + _varint(node["index"] & 0xFFFFFFFF)
        message += _varint(2 << 3 | 1) + struct.pack("<d", node["norm"])
        message += _field(3, struct.pack(f"<{len(node['values'])}d", *node["values"]))
        message += _varint(4 << 3) + _varint(node["numChildren"])
        content += struct.pack(">i", len(message)) + message
    return content


def _tree_node(node: Mapping[str, Any]) -> bytes:
    if node["type"] == "leaf":
        return _field(2, _field(1, struct.pack(f"<{len(node['values'])}d", *node["values"])))
    split = node["split"]
    feature = _varint(1 << 3) + _varint(split["featureIndex"])
    if split["type"] == "continuous":
        threshold = _varint(2 << 3 | 1) + struct.pack("<d", split["threshold"])
        return _field(1, _field(1, _field(2, feature + threshold)))
    members = struct.pack(f"<{len(split['categories'])}d", *split["categories"])
    is_left = b"\x10\x01" if split["isLeft"] else b""
    return _field(1, _field(1, _field(1, feature + is_left + _field(4, members))))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Negative numbers have 64 bits."""
    content = b""
    value &= (1 << 64) - 1
    while value >= 0x80:
        content += bytes([value & 0x7F | 0x80])
        value >>= 7
    return content + bytes([value])
