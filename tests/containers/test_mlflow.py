"""MLflow directories: what is served is what the pyfunc model itself answers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.container_process import manifest_folder
from harness.framework_rows import BATCH_SIZES, dense_answers, random_rows
from harness.mlflow_models import GROUP, pyfunc_of, saved_pyfunc
from skysail_container.batch_execution import run_batch
from skysail_container.errors import ManifestError, ModelLoadError
from skysail_container.loaders.registry import load_model
from skysail_container.manifest import read_manifest
from skysail_container.model import Model
from skysail_container.warm_up import warm_up
from skysail_container.wire import Dense, Json, Strings

pytestmark = pytest.mark.xdist_group(GROUP)

COLUMNS = ["age", "income", "ratio"]


def loaded(folder: Path, **manifest: Any) -> Model:
    manifest_folder(folder, "mlflow", "model", manifest)
    return load_model(folder, read_manifest(folder))


def outputs_of(model: Model, rows: list[dict[str, Any]]) -> Any:
    return run_batch(model, Json(tuple([json.dumps(row).encode() for row in rows])), lambda: True)


def error_of(model: Model, row: dict[str, Any]) -> str:
    errors = outputs_of(model, [row]).errors
    assert errors is not None
    return str(errors[0])


def frame_of(numbers: Any) -> Any:
    """A column of each of MLflow's types long, double and float."""
    made = pd.DataFrame(numbers, columns=COLUMNS)
    return made.assign(age=(made["age"] * 10).round().astype("int64"), ratio=made["ratio"].astype("float32"))


def scored(rows: Any) -> Any:
    return rows["age"].to_numpy() * 0.1 + np.exp(rows["income"].to_numpy()) * rows["ratio"].to_numpy()


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a formula over three columns of three types."""
    rows = frame_of(random_rows(3, dtype="<f8"))
    folder = tmp_path_factory.mktemp("scorer")
    saved_pyfunc(folder / "model", scored, example=rows, answer=scored(rows))
    return folder


@pytest.mark.parametrize("size", BATCH_SIZES)
def test_outputs_are_bit_for_bit_those_of_mlflow(scorer: Path, size: int) -> None:
    rows = frame_of(random_rows(3, dtype="<f8", seed=5))
    own, model = pyfunc_of(scorer / "model"), loaded(scorer)
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        answers = outputs_of(model, part.to_dict("records"))
        assert answers.errors is None
        assert np.array_equal(np.frombuffer(answers.rows.data, "<f8"), own.predict(part))


def test_rows_of_numbers_are_the_columns_in_order(scorer: Path) -> None:
    numbers = random_rows(3, dtype="<f8")
    numbers[:, 0] = np.round(numbers[:, 0] * 10)
    typed = pd.DataFrame(numbers, columns=COLUMNS).astype({"age": "int64", "ratio": "float32"})
    own = pyfunc_of(scorer / "model").predict(typed)
    assert np.array_equal(dense_answers(loaded(scorer), numbers, 64), own)


def test_whole_numbers_in_json_may_stand_in_columns_of_fractions(scorer: Path) -> None:
    model = loaded(scorer)
    whole, fractions = {"age": 30, "income": 1, "ratio": 2}, {"age": 30.0, "income": 1.0, "ratio": 2.0}
    assert outputs_of(model, [whole]) == outputs_of(model, [fractions])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"age": 3.5}, "field 'age': an integer is expected, this is 3.5"),
        ({"age": None}, "field 'age' is missing or null"),
        ({"income": "much"}, "field 'income': a number is expected, this is 'much'"),
        ({"height": 1}, "there is no field 'height'"),
    ],
)
def test_rows_that_do_not_fit_the_signature_are_refused_by_field(
    scorer: Path, change: dict[str, Any], text: str
) -> None:
    assert text in error_of(loaded(scorer), {"age": 30, "income": 1.5, "ratio": 0.5, **change})


def test_texts_dates_bytes_and_optional_columns_become_what_the_signature_says(tmp_path: Path) -> None:
    example = pd.DataFrame(
        {"name": ["a"], "born": pd.to_datetime(["2001-02-03"]), "face": [b"\x00\xff"], "height": [1.5], "fit": [True]}
    )

    def described(rows: Any) -> list[str]:
        return [f"{r.name} {r.born:%d.%m.%Y} {r.face!r} {r.height} {r.fit}" for r in rows.itertuples(index=False)]

    saved_pyfunc(tmp_path / "model", described, example=example, answer=["text"])
    mlmodel = tmp_path / "model" / "MLmodel"
    mlmodel.write_text(
        mlmodel.read_text().replace('"name": "height", "required": true', '"name": "height", "required": false')
    )
    assert "false" in mlmodel.read_text().replace("\n   ", "")
    row = {"name": "Ada", "born": "2001-02-03T00:00:00", "face": "AP8=", "fit": False}
    answers = outputs_of(loaded(tmp_path), [row, {**row, "height": 1.75}])
    assert answers.errors is None
    assert answers.rows == Strings(
        ("Ada 03.02.2001 b'\\x00\\xff' nan False", "Ada 03.02.2001 b'\\x00\\xff' 1.75 False")
    )


def test_tensor_signatures_get_arrays(tmp_path: Path) -> None:
    rows = random_rows(4, 3)
    saved_pyfunc(tmp_path / "model", lambda tensors: tensors.sum(axis=(1, 2)), example=rows, answer=rows[:, 0, 0])
    model = loaded(tmp_path)
    assert np.array_equal(dense_answers(model, rows, 64), rows.sum(axis=(1, 2)))
    assert model.example_rows("tensor") == Dense("<f4", (1, 4, 3), bytes(48))


def test_named_tensors_go_by_their_names(tmp_path: Path) -> None:
    rows = {"left": random_rows(2), "right": random_rows(2, seed=5)}
    saved_pyfunc(tmp_path / "model", lambda by: {"sum": by["left"] + by["right"]}, example=rows, answer=rows["left"])
    pairs = zip(rows["left"].tolist(), rows["right"].tolist(), strict=True)
    answers = outputs_of(loaded(tmp_path), [{"left": left, "right": right} for left, right in pairs])
    assert answers.errors is None
    assert np.array_equal(np.frombuffer(answers.rows.data, "<f4").reshape(-1, 2), rows["left"] + rows["right"])


def test_without_a_signature_objects_become_a_frame(tmp_path: Path) -> None:
    saved_pyfunc(tmp_path / "model", lambda rows: rows[["a", "b"]].assign(c=rows["a"] + rows["b"]))
    answers = outputs_of(loaded(tmp_path), [{"a": 1, "b": 2}])
    assert answers.errors is None
    assert [json.loads(item) for item in answers.rows.items] == [{"a": 1, "b": 2, "c": 3}]


def test_chosen_columns_of_a_frame_are_the_answer_and_a_sole_one_is_its_value(tmp_path: Path) -> None:
    saved_pyfunc(tmp_path / "model", lambda rows: rows[["a", "b"]].assign(c=rows["a"] + rows["b"]))
    several = outputs_of(loaded(tmp_path, outputs=["c", "a"]), [{"a": 1, "b": 2}])
    assert [json.loads(item) for item in several.rows.items] == [{"c": 3, "a": 1}]
    one = outputs_of(loaded(tmp_path, outputs=["c"]), [{"a": 1, "b": 2}, {"a": 3, "b": 4}])
    assert np.frombuffer(one.rows.data, one.rows.dtype).tolist() == [3, 7]
    assert "'d' is not one of the model's: 'a', 'b', 'c'" in error_of(loaded(tmp_path, outputs=["d"]), {"a": 1, "b": 2})


def test_chosen_arrays_are_the_answer(tmp_path: Path) -> None:
    rows = {"left": random_rows(2), "right": random_rows(2, seed=5)}
    answer = {"sum": rows["left"], "difference": rows["left"]}

    def both(by: Any) -> Any:
        return {"sum": by["left"] + by["right"], "difference": by["left"] - by["right"]}

    saved_pyfunc(tmp_path / "model", both, example=rows, answer=answer)
    pairs = zip(rows["left"].tolist(), rows["right"].tolist(), strict=True)
    model = loaded(tmp_path, outputs=["difference"])
    answers = outputs_of(model, [{"left": left, "right": right} for left, right in pairs])
    assert np.array_equal(np.frombuffer(answers.rows.data, "<f4").reshape(-1, 2), rows["left"] - rows["right"])
    with pytest.raises(ManifestError, match="'product' is not one of the model's: sum, difference"):
        loaded(tmp_path, outputs=["product"])


@pytest.mark.parametrize("input_type", ["json", "doubles"])
def test_it_knows_a_row_to_warm_up_with(scorer: Path, input_type: Any, caplog: pytest.LogCaptureFixture) -> None:
    model = loaded(scorer)
    assert model.example_rows(input_type) is not None
    warm_up(model, read_manifest(scorer), input_type)
    assert not caplog.records


def test_a_model_of_another_python_is_refused(scorer: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"saved by Python 2\.7"):
        loaded(scorer, python="2.7")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("flavors: {", "expected the node content"),
        ("flavors: {sklearn: {}}", 'does not have the "python_function" flavor'),
    ],
)
def test_a_damaged_description_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text(text)
    with pytest.raises(ModelLoadError, match=problem):
        loaded(tmp_path)


def test_a_flavour_whose_library_is_missing_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text("flavors: {python_function: {loader_module: no_such_library}}")
    with pytest.raises(ModelLoadError, match="needs the module 'no_such_library', which is not installed"):
        loaded(tmp_path)
