"""ONNX models through their loader, and through a container process."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from harness.framework_rows import BATCH_SIZES, N_ROWS, dense_answers, random_rows, rows_of
from harness.native_models import loaded, native_folder, process_answers
from skysail_container.batch_execution import run_batch
from skysail_container.errors import ManifestError, ModelLoadError
from skysail_container.load_report import report
from skysail_container.wire import Json

ROWS = random_rows(12)
CLASSES = (ROWS[:, 0] + ROWS[:, 1] > 0).astype(int) + (ROWS[:, 2] > 1)


@cache
def forest_model(zipmap: bool = False) -> Any:
    forest = RandomForestClassifier(20, max_depth=6, random_state=4).fit(ROWS, CLASSES)
    return to_onnx(forest, ROWS[:1], options={"zipmap": zipmap})


def network(n_rows: int | str | None = "n") -> Any:
    """scores = softmax(left @ W + right), best = argmax(scores): two named inputs, two named outputs."""
    weights = np.random.default_rng(4).normal(size=(6, 3)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["left", "W"], ["product"]),
        helper.make_node("Add", ["product", "right"], ["sum"]),
        helper.make_node("Softmax", ["sum"], ["scores"], axis=1),
        helper.make_node("ArgMax", ["scores"], ["best"], axis=1, keepdims=0),
    ]
    inputs = [
        helper.make_tensor_value_info("left", TensorProto.FLOAT, [n_rows, 6]),
        helper.make_tensor_value_info("right", TensorProto.FLOAT, [n_rows, 3]),
    ]
    outputs = [
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, [n_rows, 3]),
        helper.make_tensor_value_info("best", TensorProto.INT64, [n_rows]),
    ]
    constants = [numpy_helper.from_array(weights, "W")]
    graph = helper.make_graph(nodes, "network", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def onnx_folder(folder: Path, model: Any, **manifest: Any) -> Path:
    return native_folder(
        folder, "onnx", "model.onnx", lambda path: path.write_bytes(model.SerializeToString()), **manifest
    )


def own_answers(model: Any, names: list[str], inputs: dict[str, Any], size: int = N_ROWS) -> list[Any]:
    """What ONNX Runtime itself answers on one thread, `size` rows at a time.

    It adds up in another order in batches of another size or on more threads, so only then is it the same to the bit.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    parts = [
        session.run(names, {name: array[start : start + size] for name, array in inputs.items()})
        for start in range(0, len(next(iter(inputs.values()))), size)
    ]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


@pytest.mark.parametrize("size", BATCH_SIZES)
@pytest.mark.parametrize("output", ["label", "probabilities"])
def test_a_forests_answers_are_onnx_runtimes_own(tmp_path: Path, output: str, size: int) -> None:
    forest = forest_model()
    answers = dense_answers(loaded(onnx_folder(tmp_path / "model", forest, outputs=[output])), ROWS, size)
    (expected,) = own_answers(forest, [output], {"X": ROWS}, size)
    assert answers.dtype == expected.dtype
    assert np.array_equal(answers, expected)
    (at_once,) = onnxruntime.InferenceSession(forest.SerializeToString()).run([output], {"X": ROWS})
    np.testing.assert_allclose(answers, at_once, atol=1e-6)


@pytest.mark.parametrize("size", [1, 64])
def test_a_container_process_answers_the_same(tmp_path: Path, size: int) -> None:
    linear = to_onnx(LogisticRegression(max_iter=500).fit(ROWS, CLASSES), ROWS[:1], options={"zipmap": False})
    folder = onnx_folder(tmp_path / "model", linear, outputs=["probabilities"])
    (expected,) = own_answers(linear, ["probabilities"], {"X": ROWS}, size)
    assert np.array_equal(process_answers(folder, ROWS, size), expected)


@pytest.mark.parametrize("size", BATCH_SIZES)
@pytest.mark.parametrize("n_rows", ["n", 1])
def test_named_inputs_and_outputs_are_json_objects(tmp_path: Path, n_rows: int | str, size: int) -> None:
    model = loaded(onnx_folder(tmp_path / "model", network(n_rows)))
    left, right = ROWS[:, :6], ROWS[:, 6:9]
    own_size = 1 if n_rows == 1 else size
    scores, best = own_answers(network(), ["scores", "best"], {"left": left, "right": right}, own_size)
    for start in range(0, len(ROWS), size):
        rows = [
            {"left": left[index].tolist(), "right": right[index].tolist()}
            for index in range(start, min(start + size, len(ROWS)))
        ]
        answered = run_batch(model, Json(tuple(json.dumps(row).encode() for row in rows)), lambda: True)
        assert answered.errors is None
        assert isinstance(answered.rows, Json)
        outputs = [json.loads(item) for item in answered.rows.items]
        assert [list(output) for output in outputs] == [["scores", "best"]] * len(rows)
        part = slice(start, start + size)
        assert [output["best"] for output in outputs] == best[part].tolist()
        assert [output["scores"] for output in outputs] == scores[part].tolist()


def test_a_model_for_one_row_says_that_it_runs_row_by_row(tmp_path: Path) -> None:
    loaded(onnx_folder(tmp_path / "model", network(1)))
    assert any("runs row by row" in note for note in report.notes)
    assert report.served_by == f"onnxruntime {onnxruntime.__version__}"


@pytest.mark.parametrize("size", [1, 7])
def test_zipmaps_outputs_are_objects(tmp_path: Path, size: int) -> None:
    model = loaded(onnx_folder(tmp_path / "model", forest_model(zipmap=True), outputs=["output_probability"]))
    answered = run_batch(model, rows_of(ROWS[:size]), lambda: True)
    assert isinstance(answered.rows, Json)
    session = onnxruntime.InferenceSession(forest_model(zipmap=True).SerializeToString())
    expected = session.run(["output_probability"], {"X": ROWS[:size]})[0]
    objects = [json.loads(item) for item in answered.rows.items]
    assert [set(one) for one in objects] == [{"0", "1", "2"}] * size
    for one, own in zip(objects, expected, strict=True):
        assert [one[str(label)] for label in own] == pytest.approx(list(own.values()), abs=1e-6)


def test_doubles_and_integers_are_given_to_a_model_of_floats(tmp_path: Path) -> None:
    model = loaded(onnx_folder(tmp_path / "model", forest_model(), outputs=["label"]))
    assert np.array_equal(
        dense_answers(model, ROWS[:64].astype("<f8"), 64), own_answers(forest_model(), ["label"], {"X": ROWS[:64]})[0]
    )


def test_a_row_of_another_width_fails_alone_and_says_why(tmp_path: Path) -> None:
    model = loaded(onnx_folder(tmp_path / "model", forest_model(), outputs=["label"]))
    rows = Json(tuple(json.dumps(row).encode() for row in [ROWS[0].tolist(), [1.0], ROWS[1].tolist()]))
    answered = run_batch(model, rows, lambda: True)
    assert answered.errors is not None
    assert list(answered.errors) == [1]
    assert "input 'X': a list of shape [12] is expected, this is a list of shape [1]" in answered.errors[1]


def test_weights_in_a_file_beside_the_model_are_found(tmp_path: Path) -> None:
    folder = onnx_folder(tmp_path / "model", network(), outputs=["scores"])
    onnx.save_model(
        network(), folder / "model.onnx", save_as_external_data=True, location="model.onnx.data", size_threshold=0
    )
    row = {"left": ROWS[0, :6].tolist(), "right": ROWS[0, 6:9].tolist()}
    assert (folder / "model.onnx.data").is_file()
    assert run_batch(loaded(folder), Json((json.dumps(row).encode(),)), lambda: True).errors is None


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_corrupt_file_is_refused(tmp_path: Path, damage: bytes | None) -> None:
    folder = onnx_folder(tmp_path / "model", forest_model())
    whole = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    with pytest.raises(ModelLoadError, match=r"model\.onnx is not a model that ONNX Runtime can load: "):
        loaded(folder)


def test_an_output_or_method_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="outputs: the model has no output 'logits', only 'scores', 'best'"):
        loaded(onnx_folder(tmp_path / "a", network(), outputs=["logits"]))
    with pytest.raises(ManifestError, match="method: an ONNX model has no 'predict_proba'; outputs says"):
        loaded(onnx_folder(tmp_path / "b", network(), method="predict_proba"))


def test_a_model_for_exactly_eight_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="input 'left' takes batches of exactly 8 rows: export the model with a"):
        loaded(onnx_folder(tmp_path / "model", network(8)))
