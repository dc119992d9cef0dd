"""A whole bundle: recognised, and read into stages."""

import json
from pathlib import Path

from skysail_container.spark.errors import StageError
from skysail_container.spark.mleap.files import BundleFiles
from skysail_container.spark.mleap.node import read_node
from skysail_container.spark.mleap.operators import stage_of
from skysail_container.spark.stage import Stage
from skysail_container.spark.stages.pipelines import PipelineModel

__all__ = ["is_bundle", "load_bundle"]

_MAX_DEPTH = 64


def is_bundle(path: Path) -> bool:
    """Whether it is a bundle of MLeap: a zip, or a folder with a bundle.json."""
    return (path.suffix == ".zip" and path.is_file()) or (path / "bundle.json").is_file()


def load_bundle(path: Path) -> Stage:
    """The pipeline in a bundle, as stages of Spark: it is scored as Spark does, wherever MLeap does otherwise.

    :raises StageError: something is missing or damaged.
    :raises UnsupportedStageError: an operator, or an attribute of one, is not known here.
    """
    files = BundleFiles(path)
    try:
        _check(files)
        return _stage(files, "root", 0)
    finally:
        files.close()


def _check(files: BundleFiles) -> None:
    _, content = files.read("bundle.json")
    try:
        about = json.loads(content)
        known = about["format"] in ("json", "protobuf", "mixed")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StageError(str(files.path), f"bundle.json describes no bundle: {error}") from error
    if not known:
        raise StageError(str(files.path), f"the bundle's format is {about['format']!r} instead of json or protobuf")


def _stage(files: BundleFiles, folder: str, depth: int) -> Stage:
    node = read_node(files, folder)
    if depth > _MAX_DEPTH:
        raise node.error(f"pipelines are nested more than {_MAX_DEPTH} deep")
    if node.op != "pipeline":
        return stage_of(node)
    try:
        names = node.parts("nodes")
    except (KeyError, TypeError, ValueError) as error:
        raise node.error(f"this is not what MLeap writes: {type(error).__name__}: {error}") from error
    return PipelineModel(node.name, tuple([_stage(files, f"{folder}/{name}.node", depth + 1) for name in names]))
