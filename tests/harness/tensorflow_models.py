"""TensorFlow set up for answers that repeat exactly, and small models made with it.

Modules that import this belong into the xdist group `tensorflow`: one process then imports it, which takes seconds.
"""

import importlib
import os
from functools import cache
from pathlib import Path
from typing import Any

from harness.container_process import manifest_folder

__all__ = ["GROUP", "classifier", "repeatable_tensorflow", "saved", "two_armed"]

GROUP = "tensorflow"


@cache
def repeatable_tensorflow() -> Any:
    """The module, with the settings that a container gives it, which must be made before its first operation."""
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # oneDNN chooses its order of summation anew
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    tf = importlib.import_module("tensorflow")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return tf


@cache
def classifier() -> Any:
    """A Keras model from 30 features to 3 probabilities."""
    repeatable_tensorflow()
    keras = importlib.import_module("keras")
    keras.utils.set_random_seed(4)
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((30,)), layers.Dense(64, activation="relu"), layers.Dense(3, activation="softmax")]
    )


@cache
def two_armed() -> Any:
    """A Keras model with the inputs `left` (2 numbers) and `right` (one) and the outputs `score` and `class`."""
    repeatable_tensorflow()
    keras = importlib.import_module("keras")
    keras.utils.set_random_seed(4)
    left, right = keras.Input((2,), name="left"), keras.Input((1,), name="right")
    both = keras.layers.Concatenate()([left, right])
    outputs = {name: keras.layers.Dense(n, name=name)(both) for name, n in (("score", 1), ("class", 4))}
    return keras.Model({"left": left, "right": right}, outputs)


def saved(model: Any, folder: Path, form: str, **manifest: Any) -> Path:
    """A model folder with a Keras model as `model.keras`, or as a SavedModel in the folder `saved`."""
    folder.mkdir(parents=True, exist_ok=True)
    if form == "model.keras":
        model.save(folder / form)
    else:
        model.export(folder / form, verbose=False)
    return manifest_folder(folder, "tensorflow", form, manifest)
