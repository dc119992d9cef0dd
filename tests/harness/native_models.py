"""Folders with models in their frameworks' own files, and what a container process answers to rows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.container_client import connected
from harness.container_process import running_container
from harness.framework_rows import batches, rows_of
from skysail_container.loaders.registry import load_model
from skysail_container.manifest import read_manifest
from skysail_container.model import Model
from skysail_container.wire import Dense

__all__ = ["loaded", "native_folder", "process_answers"]


def native_folder(folder: Path, framework: str, file: str, save: Callable[[Path], object], **manifest: Any) -> Path:
    """A model folder with what `save` writes to the path it is given."""
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / file)
    (folder / "skysail.json").write_text(json.dumps({"format": 1, "framework": framework, "file": file, **manifest}))
    return folder


def loaded(folder: Path) -> Model:
    return load_model(folder, read_manifest(folder))


def process_answers(folder: Path, array: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """What a container process that serves `folder` answers to all of `array`, `size` rows at a time."""
    input_type = {"<f4": "floats", "<f8": "doubles"}[array.dtype.str]
    parts = []
    with running_container(folder, f"--input-type={input_type}") as container, connected(container.address) as client:
        for part in batches(array, size):
            result = client.predict(rows_of(part))
            assert result.errors is None, result.errors
            assert isinstance(result.outputs, Dense), result.outputs
            parts.append(np.frombuffer(result.outputs.data, result.outputs.dtype).reshape(result.outputs.shape))
    return np.concatenate(parts)
