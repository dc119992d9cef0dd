"""What `kubectl kustomize` would print, for the part of kustomize that k8s/ uses, so that its tests need no kubectl.

Anything outside that part is refused with an error instead of being rendered wrongly; where kubectl is at hand a test
compares the two. Generated objects end in a fixed suffix where kustomize puts a hash.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

__all__ = ["GENERATED", "UnsupportedError", "render"]

GENERATED = "-generated"
"""Stands where kustomize puts the hash of a generated object's content."""

Manifest = dict[str, Any]

_KNOWN_FIELDS = {
    "apiVersion", "kind", "resources", "namespace", "images", "replicas", "patches",
    "configMapGenerator", "secretGenerator",
}  # fmt: skip
_CLUSTER_KINDS = {"Namespace", "ClusterRole", "ClusterRoleBinding", "PersistentVolume", "StorageClass"}
_MERGE_KEYS = ("name", "containerPort", "port", "mountPath")
"""Lists of maps are merged by the first of these keys that all elements carry."""


class UnsupportedError(Exception):
    """The kustomization uses something that this renderer does not know."""


def render(folder: Path) -> list[Manifest]:
    """The objects of the kustomization in `folder`, generated ones last.

    :raises UnsupportedError: a field or a form of it is outside the part rendered here.
    :raises FileNotFoundError: a file it names does not exist.
    """
    manifest = yaml.safe_load((folder / "kustomization.yaml").read_text())
    if unknown := set(manifest) - _KNOWN_FIELDS:
        raise UnsupportedError(f"{folder}/kustomization.yaml: {', '.join(sorted(unknown))}")
    objects = [one for name in manifest.get("resources", []) for one in _load(folder / name)]
    generated = [_config_map(folder, generator) for generator in manifest.get("configMapGenerator", [])]
    generated += [_secret(folder, generator) for generator in manifest.get("secretGenerator", [])]
    for one in generated:
        _rename_references(objects, one["kind"], one["metadata"]["name"].removesuffix(GENERATED))
    objects += generated
    for patch in manifest.get("patches", []):
        _apply_patch(objects, folder, patch)
    for replicas in manifest.get("replicas", []):
        _find(objects, None, replicas["name"])["spec"]["replicas"] = replicas["count"]
    for image in manifest.get("images", []):
        _set_image(objects, image)
    if "namespace" in manifest:
        _set_namespace(objects, manifest["namespace"])
    return objects


def _load(path: Path) -> list[Manifest]:
    if path.is_dir():
        return render(path)
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


def _values(folder: Path, generator: Manifest) -> dict[str, str]:
    if unknown := set(generator) - {"name", "literals", "files", "envs"}:
        raise UnsupportedError(f"{folder}: generator {generator['name']} with {', '.join(sorted(unknown))}")
    values = dict(literal.split("=", 1) for literal in generator.get("literals", []))
    for file in generator.get("files", []):
        values[Path(file).name] = (folder / file).read_text()
    for file in generator.get("envs", []):
        lines = (line.strip() for line in (folder / file).read_text().splitlines())
        values |= dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return values


def _config_map(folder: Path, generator: Manifest) -> Manifest:
    metadata = {"name": generator["name"] + GENERATED}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": _values(folder, generator)}


def _secret(folder: Path, generator: Manifest) -> Manifest:
    values = _values(folder, generator)
    data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
    metadata = {"name": generator["name"] + GENERATED}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}


def _maps(node: Any) -> Iterator[Manifest]:
    """Every map inside `node`, outermost first."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _maps(child)


def _rename_references(objects: list[Manifest], kind: str, name: str) -> None:
    fields = {
        "ConfigMap": (("configMapRef", "name"), ("configMapKeyRef", "name"), ("configMap", "name")),
        "Secret": (("secretRef", "name"), ("secretKeyRef", "name"), ("secret", "secretName")),
    }[kind]
    for node in _maps(objects):
        for field, key in fields:
            if isinstance(node.get(field), dict) and node[field].get(key) == name:
                node[field][key] = name + GENERATED


def _find(objects: list[Manifest], kind: str | None, name: str) -> Manifest:
    """The object called `name`; of any kind that has replicas when `kind` is None."""
    kinds = {kind} if kind else {"Deployment", "StatefulSet"}
    found = [one for one in objects if one["kind"] in kinds and one["metadata"]["name"].removesuffix(GENERATED) == name]
    if len(found) != 1:
        raise UnsupportedError(f"{len(found)} objects are called {'/'.join(sorted(kinds))} {name}")
    return found[0]


def _apply_patch(objects: list[Manifest], folder: Path, patch: Manifest) -> None:
    if set(patch) == {"path"}:
        documents = [one for one in yaml.safe_load_all((folder / patch["path"]).read_text()) if one]
    elif set(patch) == {"patch"}:
        documents = [yaml.safe_load(patch["patch"])]
    else:
        raise UnsupportedError(f"{folder}: a patch with {', '.join(sorted(patch))}")
    for document in documents:
        target = _find(objects, document["kind"], document["metadata"]["name"])
        _merge(target, document)


def _merge(base: Manifest, change: Manifest) -> None:
    for key, value in change.items():
        if value is None:
            base.pop(key, None)
        elif isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        elif isinstance(value, list) and isinstance(base.get(key), list):
            base[key] = _merged_list(base[key], value)
        else:
            base[key] = value


def _merged_list(base: list[Any], change: list[Any]) -> list[Any]:
    elements = [*base, *change]
    if not all(isinstance(element, dict) for element in elements):
        return change
    merge_key = next((key for key in _MERGE_KEYS if all(key in element for element in elements)), None)
    if merge_key is None:
        raise UnsupportedError(f"a patch of a list without a name: {json.dumps(change)}")
    known = {element[merge_key]: element for element in base}
    added = [element for element in change if element[merge_key] not in known]
    for element in change:
        if element[merge_key] in known:
            _merge(known[element[merge_key]], element)
    return [*added, *base]


def _set_image(objects: list[Manifest], image: Manifest) -> None:
    for node in _maps(objects):
        name = node.get("image")
        if isinstance(name, str) and name.rpartition(":")[0] == image["name"]:
            tag = image.get("newTag", name.rpartition(":")[2])
            node["image"] = f"{image.get('newName', image['name'])}:{tag}"


def _set_namespace(objects: list[Manifest], namespace: str) -> None:
    for one in objects:
        if one["kind"] == "Namespace":
            one["metadata"]["name"] = namespace
        elif one["kind"] not in _CLUSTER_KINDS:
            one["metadata"]["namespace"] = namespace
