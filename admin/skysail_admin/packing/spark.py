"""Pipelines of a live Spark session: saved by Spark, with Spark's own outputs of sample rows beside them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from skysail_admin.errors import InvalidRequestError
from skysail_admin.packing.archive import ArchiveEntry
from skysail_admin.packing.manifest import MANIFEST_NAME, manifest_bytes, new_manifest
from skysail_admin.packing.spark_examples import SparkExamples
from skysail_admin.packing.spark_folder import check_method, spark_manifest
from skysail_admin.packing.spark_schema import spark_schema
from skysail_admin.packing.spark_stages import stage_classes, stage_sources, twins_entry

__all__ = ["is_spark_object", "spark_model_entries"]

_FOLDER = "model"
_VALIDATION = "validation.jsonl"

_UUID = re.compile(r"-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=-c\d+[.])")
_TIMESTAMP = re.compile(rb'("timestamp"\s*:\s*)\d+')


def is_spark_object(model: object) -> bool:
    """Whether it is a transformer of pyspark.ml, as fitted pipelines are, or an estimator."""
    base = sys.modules.get("pyspark.ml.base")
    return base is not None and isinstance(model, base.Transformer | base.Estimator)


def spark_model_entries(
    model: Any,
    staging: Path,
    input_type: str,
    examples: SparkExamples | None,
    *,
    method: str,
    warm_up_rows: list[Any] | None,
    stages: Any = None,
) -> list[ArchiveEntry]:
    """The pipeline, saved into `staging`, the source of its stages in Python, and the examples if there are any.

    :param stages: the path of a file with stages for the native scorer.
    :raises InvalidRequestError: it cannot be saved here, or no container could import one of its stages, or another
        method than transform is asked for.
    """
    check_method(method)
    entries = _saved(model, staging / _FOLDER)
    classes = stage_classes(_content(entry) for entry in entries if "/metadata/" in entry.name)
    entries += stage_sources(classes, has_twins=stages is not None)
    if stages is not None:
        entries.append(twins_entry(stages))
    manifest = spark_manifest(_FOLDER, input_type, warm_up_rows)
    if examples is not None:
        entries.append(ArchiveEntry(_VALIDATION, examples.file_content()))
        manifest = new_manifest(
            "spark",
            _FOLDER,
            input_type,
            warm_up_rows=warm_up_rows,
            outputs=examples.outputs,
            tolerance=examples.tolerance,
            validation=_VALIDATION,
            input_schema=examples.input_schema,
            spark_schema=spark_schema(examples.types),
        )
    return [*entries, ArchiveEntry(MANIFEST_NAME, manifest_bytes(manifest))]


def _saved(model: Any, folder: Path) -> list[ArchiveEntry]:
    """What Spark writes, without what differs each time: the same pipeline gives the same artifact."""
    try:
        model.write().overwrite().save(folder.as_uri())
    except Exception as error:  # a stage that cannot be written, or whatever Java has against it
        raise InvalidRequestError(
            f"Spark does not save the pipeline: {type(error).__name__}: {str(error)[:500]}", field="model"
        ) from error
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name[0] not in "._"]
    if not any(path.parent.name == "metadata" for path in files):
        raise InvalidRequestError(
            "Spark saved the pipeline where its executors run, which is not here: save it with model.save(path), copy "
            "the directory to this machine and deploy that",
            field="model",
        )
    names = [f"{_FOLDER}/{path.relative_to(folder).as_posix()}" for path in files]
    plain = [_UUID.sub("", name) for name in names]
    if len(set(plain)) == len(names):
        names = plain
    return [ArchiveEntry(name, _lasting(path)) for name, path in zip(names, files, strict=True)]


def _content(entry: ArchiveEntry) -> bytes:
    return entry.source if isinstance(entry.source, bytes) else entry.source.read_bytes()


def _lasting(path: Path) -> Path | bytes:
    """A file's content without the time at which it was saved."""
    return _TIMESTAMP.sub(rb"\g<1>0", path.read_bytes(), count=1) if path.parent.name == "metadata" else path
