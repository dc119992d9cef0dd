"""SavedModels and .keras files: what is served is what TensorFlow itself answers."""

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.container_client import connected
from harness.container_process import manifest_folder, started_container
from harness.framework_rows import BATCH_SIZES, batches, dense_answers, json_answers, random_rows, rows_of
from harness.tensorflow_models import GROUP, classifier, repeatable_tensorflow, saved, two_armed
from skysail_container.errors import ManifestError, ModelLoadError
from skysail_container.loaders.registry import load_model
from skysail_container.manifest import read_manifest
from skysail_container.model import Model
from skysail_container.warm_up import warm_up
from skysail_container.wire import Dense, Strings

pytestmark = [
    pytest.mark.xdist_group(GROUP),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]

FORMS = ("model.keras", "saved")


def loaded(folder: Path) -> Model:
    return load_model(folder, read_manifest(folder))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The classifier in both forms, and the model with two inputs as `two`."""
    folder = tmp_path_factory.mktemp("tensorflow")
    made = {form: saved(classifier(), folder / form, form) for form in FORMS}
    return {**made, "two": saved(two_armed(), folder / "two", "saved")}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", BATCH_SIZES)
def test_outputs_are_bit_for_bit_those_of_tensorflow(folders: dict[str, Path], form: str, size: int) -> None:
    rows = random_rows(30)
    own = np.concatenate([classifier()(part, training=False).numpy() for part in batches(rows, size)])
    answers = dense_answers(loaded(folders[form]), rows, size)
    assert answers.dtype == np.float32
    assert np.array_equal(answers, own)


def test_the_size_of_a_batch_moves_only_the_last_bits(folders: dict[str, Path]) -> None:
    model, rows = loaded(folders["saved"]), random_rows(30)
    alone, together = dense_answers(model, rows, 1), dense_answers(model, rows, 64)
    assert np.allclose(alone, together, rtol=0, atol=1e-6)


def test_numbers_of_other_types_are_converted_to_the_signatures(folders: dict[str, Path]) -> None:
    model, rows = loaded(folders["saved"]), random_rows(30, dtype="<f8")
    whole = np.round(rows).astype("<i8")
    assert np.array_equal(dense_answers(model, rows, 64), dense_answers(model, rows.astype("<f4"), 64))
    assert np.array_equal(dense_answers(model, whole, 64), dense_answers(model, whole.astype("<f4"), 64))


@pytest.mark.parametrize("form", FORMS)
def test_named_inputs_and_outputs_go_by_their_names(tmp_path: Path, form: str) -> None:
    left, right = random_rows(2), random_rows(1, seed=5)
    model = loaded(saved(two_armed(), tmp_path, form))
    own = two_armed()({"left": left, "right": right}, training=False)
    rows = [{"right": b.tolist(), "left": a.tolist()} for a, b in zip(left, right, strict=True)]
    answers = json_answers(model, rows)
    for name in ("score", "class"):
        assert np.array_equal(np.array([answer[name] for answer in answers], "<f4"), own[name].numpy())


def test_a_chosen_output_is_the_answer_itself(tmp_path: Path) -> None:
    model = loaded(saved(two_armed(), tmp_path, "saved", outputs=["class"]))
    answer = np.asarray(model.predict([{"left": [1, 2], "right": [3]}]))
    assert answer.shape == (1, 4)
    with pytest.raises(ManifestError, match=r"outputs: 'klass' is not one of the model's: class, score"):
        loaded(manifest_folder(tmp_path, "tensorflow", "saved", {"outputs": ["klass"]}))


def test_a_signature_that_is_not_there_is_refused_with_those_that_are(folders: dict[str, Path]) -> None:
    folder = folders["two"]
    with pytest.raises(ManifestError) as caught:
        loaded(manifest_folder(folder, "tensorflow", "saved", {"signature": "classify"}))
    assert str(caught.value).startswith("skysail.json: signature: 'classify' is not one of the SavedModel's: ")
    described = "'serving_default' (left: float32 [None, 2], right: float32 [None, 1]) -> class, score"
    assert described in str(caught.value)


def test_texts_go_in_and_come_out(tmp_path: Path) -> None:
    tf = repeatable_tensorflow()

    class Shouting(tf.Module):  # type: ignore[misc, name-defined, unused-ignore]  # TensorFlow carries no types
        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])  # type: ignore[untyped-decorator, unused-ignore]
        def shout(self, text: Any) -> Any:
            return {"shout": tf.strings.upper(text)}

    shouting = Shouting()
    tf.saved_model.save(shouting, tmp_path / "saved", signatures={"shout": shouting.shout})
    model = loaded(manifest_folder(tmp_path, "tensorflow", "saved", {"signature": "shout"}))
    assert list(np.asarray(model.predict(["ahoy", "land"]))) == ["AHOY", "LAND"]
    assert model.example_rows("strings") == Strings(("",))


def test_a_saved_model_without_signatures_is_refused_with_what_to_do(tmp_path: Path) -> None:
    tf = repeatable_tensorflow()
    tf.saved_model.save(tf.Module(), tmp_path / "saved")
    with pytest.raises(ModelLoadError, match=r"no signatures.*tf\.saved_model\.save\(model, folder, signatures="):
        loaded(manifest_folder(tmp_path, "tensorflow", "saved", {}))


def test_a_fixed_number_of_rows_is_refused(tmp_path: Path) -> None:
    tf = repeatable_tensorflow()
    module = tf.Module()
    spec = tf.TensorSpec((8, 30), tf.float32)
    fixed = tf.function(lambda features: {"sum": tf.reduce_sum(features, 1)}, input_signature=[spec])
    tf.saved_model.save(module, tmp_path / "saved", signatures=fixed)
    with pytest.raises(ModelLoadError, match=r"has the shape \[8, 30\]; its first axis has to be the rows"):
        loaded(manifest_folder(tmp_path, "tensorflow", "saved", {}))


@pytest.mark.parametrize("form", FORMS)
def test_damaged_models_are_refused(folders: dict[str, Path], tmp_path: Path, form: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(folders[form], folder)
    damaged = folder / form if form == "model.keras" else folder / form / "saved_model.pb"
    damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.raises(ModelLoadError, match=r"model\.keras is not a \.keras file|Wire format was corrupt"):
        loaded(folder)


def test_code_in_a_keras_file_is_not_run(tmp_path: Path) -> None:
    repeatable_tensorflow()
    keras = import_module("keras")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda rows: rows + 1)])
    with pytest.raises(ModelLoadError, match=r"its own code is not run \(safe mode\)"):
        loaded(saved(model, tmp_path, "model.keras"))


@pytest.mark.parametrize("form", FORMS)
def test_it_knows_a_row_to_warm_up_with(folders: dict[str, Path], form: str, caplog: pytest.LogCaptureFixture) -> None:
    model, manifest = loaded(folders[form]), read_manifest(folders[form])
    assert model.example_rows("tensor") == Dense("<f4", (1, 30), bytes(120))
    for input_type in ("doubles", "floats", "integers", "tensor", "json"):
        warm_up(model, manifest, input_type)
    assert not caplog.records


def test_a_container_answers_what_tensorflow_answers(folders: dict[str, Path]) -> None:
    rows = random_rows(30)
    with (
        started_container(
            folders["saved"], "--input-type=floats", environment={"TF_ENABLE_ONEDNN_OPTS": "0"}
        ) as container,
        connected(container.wait_ready(80).address) as client,
    ):
        for size in BATCH_SIZES:
            for part in list(batches(rows, size))[:3]:
                result = client.predict(rows_of(part))
                assert result.errors is None or not result.errors
                assert result.outputs == rows_of(classifier()(part, training=False).numpy())
