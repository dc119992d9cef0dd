"""What has to hold before a model is served, in the order in which it is found out."""

import gc
from pathlib import Path
from typing import NamedTuple

from skysail_container.errors import ModelLoadError
from skysail_container.input_types import InputType
from skysail_container.loaders.registry import load_model
from skysail_container.manifest import Manifest
from skysail_container.model import Model
from skysail_container.validation import check_model
from skysail_container.validation_rows import ValidationRows
from skysail_container.warm_up import warm_up

__all__ = ["CheckedModel", "agreed_input_type", "load_checked"]


class CheckedModel(NamedTuple):
    """A model that may be served, and the rows it was validated with."""

    model: Model
    validation: ValidationRows | None


def load_checked(folder: Path, manifest: Manifest, input_type: InputType) -> CheckedModel:
    """Loads the model in `folder`, checks it with its validation rows and warms it up. Runs the model's own code.

    :raises ModelLoadError: one of these fails; the text says why, the cause has the model's own traceback.
    """
    model = load_model(folder, manifest)
    validation = check_model(model, folder, manifest, input_type)
    warm_up(model, manifest, input_type)
    # What is loaded stays; the collector need not walk through it again and again while batches wait.
    gc.collect()
    gc.freeze()
    return CheckedModel(model, validation)


def agreed_input_type(asked: InputType | None, manifest: Manifest) -> InputType:
    """The input type that the container is started for and that the manifest names; doubles when neither says.

    :raises ModelLoadError: they say different ones.
    """
    written = manifest.input_type
    if asked and written and asked != written:
        raise ModelLoadError(
            f"the model's manifest says input type {written} and the container is started for {asked}: "
            "deploy the model again with the input type it is meant for"
        )
    return asked or written or "doubles"
