"""PyTorch models: TorchScript and exported programs, as files and in memory.

Whoever has a module has imported PyTorch, so this never has to.
"""

from __future__ import annotations

import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any, Literal

from skysail_admin.errors import InvalidRequestError
from skysail_admin.packing.archive import ArchiveEntry
from skysail_admin.packing.manifest import MANIFEST_NAME, installed_versions, manifest_bytes, new_manifest

__all__ = ["is_torch_file", "is_torch_model", "torch_file_entries", "torch_model_entries"]

Content = Literal["script", "exported", "pickled"]

_SUFFIXES = frozenset({".pt", ".pth", ".pt2"})

_WHAT_TO_DO = (
    "save what it computes: torch.export.save(torch.export.export(model.eval(), (example,), "
    'dynamic_shapes=({0: torch.export.Dim("batch")},)), "model.pt2"), and deploy that file; '
    "or write a model folder whose model.py has the module's code and loads its weights"
)


def is_torch_file(path: Path) -> bool:
    """Whether PyTorch wrote the file, or it is at least called so."""
    return path.is_file() and (path.suffix.lower() in _SUFFIXES or _content(path) is not None)


def torch_file_entries(
    path: Path, input_type: str, *, method: str, warm_up_rows: list[Any] | None
) -> list[ArchiveEntry]:
    """The file itself and a manifest.

    :raises InvalidRequestError: it holds only weights or a pickled module, or is damaged.
    """
    _check_method(method)
    content = _content(path)
    if content is None:
        raise InvalidRequestError(f"{path} is not a PyTorch file, or is damaged", field="model")
    if content == "pickled":
        raise InvalidRequestError(
            f"{path} holds weights or a pickled module without code: {_WHAT_TO_DO}", field="model"
        )
    manifest = new_manifest("pytorch", path.name, input_type, warm_up_rows=warm_up_rows)
    return [ArchiveEntry(path.name, path), ArchiveEntry(MANIFEST_NAME, manifest_bytes(manifest))]


def is_torch_model(model: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and (isinstance(model, torch.nn.Module) or _is_exported(model))


def torch_model_entries(
    model: Any, staging: Path, input_type: str, *, method: str, warm_up_rows: list[Any] | None
) -> list[ArchiveEntry]:
    """Saves a TorchScript module or an exported program into `staging`.

    :raises InvalidRequestError: it is a plain module, whose code would not travel with it.
    """
    _check_method(method)
    torch = sys.modules["torch"]
    if _is_exported(model):
        file = "model.pt2"
        torch.export.save(model, staging / file)
    elif isinstance(model, torch.jit.ScriptModule):
        file = "model.pt"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # TorchScript is deprecated; what users have of it is taken
            torch.jit.save(model, str(staging / file))
    else:
        raise InvalidRequestError(
            f"a {type(model).__name__} is a module whose code does not travel with it: {_WHAT_TO_DO}", field="model"
        )
    manifest = new_manifest(
        "pytorch", file, input_type, libraries=installed_versions({"torch"}), warm_up_rows=warm_up_rows
    )
    return [ArchiveEntry(file, staging / file), ArchiveEntry(MANIFEST_NAME, manifest_bytes(manifest))]


def _is_exported(model: object) -> bool:
    export = sys.modules.get("torch.export")
    return export is not None and isinstance(model, export.ExportedProgram)


def _check_method(method: str) -> None:
    if method != "predict":
        raise InvalidRequestError(
            f"method {method!r} is for estimators; of a PyTorch model forward is called", field="method"
        )


def _content(path: Path) -> Content | None:
    """What is in the file, a zip whose names are all in one folder; None when PyTorch did not write it."""
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        names = {name.partition("/")[2] for name in archive.namelist()}
    if "archive_format" in names:
        return "exported"
    if "constants.pkl" in names:
        return "script"
    return "pickled" if "data.pkl" in names else None
