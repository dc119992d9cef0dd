"""An artifact ready to be uploaded: a zip on disk, its sha256, its size."""

from __future__ import annotations

import errno
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skysail_admin.errors import InvalidRequestError, SkysailError
from skysail_admin.packing.archive import ArchiveEntry, sha256_of, write_archive
from skysail_admin.packing.described_input import described_input
from skysail_admin.packing.estimator import estimator_entries, is_estimator
from skysail_admin.packing.folder import folder_entries
from skysail_admin.packing.function import function_entries
from skysail_admin.packing.known_input_type import known_input_type
from skysail_admin.packing.manifest import manifest_in, with_fields
from skysail_admin.packing.native import (
    is_native_file,
    is_native_object,
    native_file_entries,
    native_object_entries,
)
from skysail_admin.packing.portable import is_portable, read_portable
from skysail_admin.packing.pytorch import is_torch_file, is_torch_model, torch_file_entries, torch_model_entries
from skysail_admin.packing.skops_file import is_skops_file, skops_file_entries
from skysail_admin.packing.spark import is_spark_object, spark_model_entries
from skysail_admin.packing.spark_examples import spark_examples
from skysail_admin.packing.spark_folder import bundle_file_entries, is_bundle_file
from skysail_admin.packing.tensorflow import (
    is_keras_file,
    is_keras_model,
    keras_file_entries,
    keras_model_entries,
)
from skysail_admin.packing.validation_rows import as_validation_file

__all__ = ["Artifact", "packed"]

_FILES: Sequence[tuple[Callable[[Path], bool], Callable[..., list[ArchiveEntry]]]] = (
    (is_native_file, native_file_entries),
    (is_keras_file, keras_file_entries),
    (is_torch_file, torch_file_entries),
    (is_bundle_file, bundle_file_entries),
)

_OBJECTS: Sequence[tuple[Callable[[object], bool], Callable[..., list[ArchiveEntry]]]] = (
    (is_native_object, native_object_entries),
    (is_keras_model, keras_model_entries),
    (is_torch_model, torch_model_entries),
)
"""Models of libraries go before estimators, which some of them are as well, and before functions, which most can be."""


@dataclass(frozen=True)
class Artifact:
    path: Path
    sha256: str
    size_bytes: int
    n_files: int
    input_type: str


@contextmanager
def packed(
    model: Any,
    input_type: str | None = None,
    *,
    method: str = "predict",
    warm_up_rows: list[Any] | None = None,
    accelerate: bool = True,
    outputs: Sequence[str] | None = None,
    signature: str | None = None,
    threads: int | None = None,
    examples: Any = None,
    validation: Any = None,
    tolerance: float | None = None,
    stages: Any = None,
) -> Iterator[Artifact]:
    """The model as an artifact, which lasts as long as the context.

    :param model: a fitted estimator, another library's model object, a callable, or the path of a folder, of a model's
        file or of a `.skysail` file.
    :param input_type: None: as a folder's or a `.skysail` file's own manifest or validation rows say.
    :param accelerate: whether a faster form of a scikit-learn estimator may be served; a folder's own manifest says
        it there.
    :param outputs: names of the outputs to answer with, `signature` of the TensorFlow signature to call, `threads` of
        the framework per batch; None: as the manifest or the framework has it.
    :param examples: sample rows for a pipeline of a Spark session: Spark scores them, and containers are held to that.
    :param validation: rows that each container runs before it serves, with what is expected for them: the path of a
        validation file, a tuple of rows and outputs, or rows. A folder has a file of its own.
    :param tolerance: how far outputs may be from the expected ones; None: 1e-5, or as the manifest has it.
    :param stages: of a pipeline of a Spark session: the path of a file with stages of one's own for the native scorer.
    :raises InvalidRequestError: it is none of these, or cannot be packed, or there is no such input type.
    :raises SkysailError: the disk is full.
    """
    if validation is not None:
        _check_takes_validation(model)
    input_type = known_input_type(model, input_type, validation)
    chosen: dict[str, Any] = {
        "outputs": None if outputs is None else list(outputs),
        "signature": signature,
        "threads": threads,
        "tolerance": _checked_tolerance(tolerance),
    }
    if examples is not None and not is_spark_object(model):
        raise InvalidRequestError(
            "only pipelines of a Spark session take examples; put a validation file into a folder", field="examples"
        )
    if stages is not None and not is_spark_object(model):
        raise InvalidRequestError(
            "only pipelines of a Spark session take stages; put a stages.py into a folder", field="stages"
        )
    if is_portable(model):
        _refuse_choices(chosen)
        yield _portable(Path(model).expanduser(), input_type, warm_up_rows)
        return
    with tempfile.TemporaryDirectory(prefix="skysail-pack-") as folder:
        staging = Path(folder)
        try:
            entries = _entries(model, staging, input_type, method, warm_up_rows, accelerate, examples, outputs, stages)
            if validation is not None:
                entries = _validated(entries, validation, staging, input_type)
            yield _write(with_fields(entries, chosen), staging / "artifact.zip", input_type)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise SkysailError(
                f"the disk is full: {staging.parent} has no room for the packed model; free some space, "
                "or set TMPDIR to a folder that has more"
            ) from error


def _entries(
    model: Any,
    staging: Path,
    input_type: str,
    method: str,
    warm_up_rows: list[Any] | None,
    accelerate: bool,
    examples: Any,
    outputs: Sequence[str] | None,
    stages: Any,
) -> list[ArchiveEntry]:
    if isinstance(model, str | os.PathLike):
        path = Path(model).expanduser()
        if is_skops_file(path):
            return skops_file_entries(path, input_type, method=method, warm_up_rows=warm_up_rows, accelerate=accelerate)
        return _entries_of_path(path, input_type, method, warm_up_rows)
    if is_spark_object(model):
        rows = spark_examples(model, examples, input_type, outputs)
        return spark_model_entries(
            model, staging, input_type, rows, method=method, warm_up_rows=warm_up_rows, stages=stages
        )
    for is_kind, entries in _OBJECTS:
        if is_kind(model):
            return entries(model, staging, input_type, method=method, warm_up_rows=warm_up_rows)
    if is_estimator(model):
        return estimator_entries(
            model, staging, input_type, method=method, warm_up_rows=warm_up_rows, accelerate=accelerate
        )
    if callable(model):
        return function_entries(model, staging, input_type, warm_up_rows=warm_up_rows)
    raise InvalidRequestError(
        f"a {type(model).__name__} cannot be deployed: give a fitted estimator, another library's model, a function, "
        "or the path of a folder or of a model's file",
        field="model",
    )


def _entries_of_path(path: Path, input_type: str, method: str, warm_up_rows: list[Any] | None) -> list[ArchiveEntry]:
    for is_kind, entries in _FILES:
        if is_kind(path):
            return entries(path, input_type, method=method, warm_up_rows=warm_up_rows)
    if path.is_file():
        raise InvalidRequestError(
            f"{path} is neither a folder nor a model's file: .onnx, .json or .ubj (XGBoost), .txt (LightGBM), .skops, "
            ".keras, .pt (TorchScript), .pt2 (PyTorch) or .zip (MLeap)",
            field="model",
        )
    return folder_entries(path, input_type, warm_up_rows)


def _check_takes_validation(model: Any) -> None:
    text = None
    if is_portable(model):
        text = f"{model} is packed already; give the validation rows when packing"
    elif isinstance(model, str | os.PathLike) and Path(model).expanduser().is_dir():
        text = f"put the validation file into the folder {model}; it is found there by its name"
    elif is_spark_object(model):
        text = "a pipeline of a Spark session takes examples, whose outputs are Spark's own"
    if text is not None:
        raise InvalidRequestError(text, field="validation")


def _checked_tolerance(tolerance: float | None) -> float | None:
    if tolerance is not None and not (math.isfinite(tolerance) and tolerance >= 0):
        raise InvalidRequestError(f"the tolerance {tolerance} is not finite and at least 0", field="tolerance")
    return tolerance


def _validated(entries: list[ArchiveEntry], validation: Any, staging: Path, input_type: str) -> list[ArchiveEntry]:
    """The entries with the validation file, which the manifest names with the schema that it implies."""
    path = as_validation_file(validation, staging, is_object=input_type == "json")
    name = f"validation{path.suffix}"
    try:
        fields = described_input(path, manifest_in(entries), input_type)
    except InvalidRequestError as error:
        raise InvalidRequestError(error.message, field="validation") from error
    return with_fields([*entries, ArchiveEntry(name, path)], {"validation": name, **fields})


def _refuse_choices(chosen: dict[str, Any]) -> None:
    for name, value in chosen.items():
        if value is not None:
            raise InvalidRequestError(f"the model is packed already; choose its {name} when packing", field=name)


def _portable(path: Path, input_type: str, warm_up_rows: list[Any] | None) -> Artifact:
    """A packed model is deployed as it is."""
    manifest, n_files = read_portable(path)
    written = manifest.get("input_type", input_type)
    if written != input_type:
        raise InvalidRequestError(f"{path} was packed for input type {written}, not {input_type}", field="input_type")
    if warm_up_rows is not None:
        raise InvalidRequestError(f"{path} is packed already; give warm_up_rows when packing", field="warm_up_rows")
    return Artifact(path, sha256_of(path), path.stat().st_size, n_files, input_type)


def _write(entries: list[ArchiveEntry], path: Path, input_type: str) -> Artifact:
    write_archive(entries, path)
    return Artifact(path, sha256_of(path), path.stat().st_size, len(entries), input_type)
