"""Validation rows handed over with a model that is no folder: packed as a file, run by the container's own gate."""

import json
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import xgboost
from scipy import sparse  # type: ignore[import-untyped]  # SciPy carries no types
from sklearn.linear_model import LinearRegression, LogisticRegression

from skysail_admin import InvalidRequestError
from skysail_admin.packing.artifact import packed
from skysail_container.errors import ValidationError
from skysail_container.loading import load_checked
from skysail_container.manifest import read_manifest
from skysail_container.validation_rows import ValidationRows

ROWS = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 3.0], [3.0, 1.0]])
LABELS = np.array([0, 1, 0, 1])
FRAME = pd.DataFrame(ROWS, columns=["age", "income"])


def classifier(labels: npt.NDArray[Any] = LABELS) -> Any:
    return LogisticRegression().fit(ROWS, labels)


def unpacked(model: object, folder: Path, input_type: str | None = "doubles", **options: Any) -> dict[str, Any]:
    with packed(model, input_type, **options) as artifact, zipfile.ZipFile(artifact.path) as archive:
        archive.extractall(folder)
    manifest: dict[str, Any] = json.loads((folder / "skysail.json").read_text())
    return manifest


def passed(folder: Path) -> ValidationRows:
    """What the container that is given the folder has checked before it serves."""
    manifest = read_manifest(folder)
    assert manifest.input_type is not None
    validation = load_checked(folder, manifest, manifest.input_type).validation
    assert validation is not None
    return validation


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_an_estimator_is_held_to_the_outputs_given_with_it(tmp_path: Path, method: str) -> None:
    model = classifier()
    expected = getattr(model, method)(ROWS)
    unpacked(model, tmp_path / "good", method=method, validation=(ROWS, expected))
    checked = passed(tmp_path / "good")
    assert [row.is_expected for row in checked.rows] == [True] * 4
    unpacked(model, tmp_path / "bad", method=method, validation=(ROWS, expected + 1))
    with pytest.raises(ValidationError, match=r"4 differences in the 4 rows of validation\.jsonl\n  row 1"):
        passed(tmp_path / "bad")


def test_labels_are_expected_as_they_are_answered(tmp_path: Path) -> None:
    for index, labels in enumerate((["no", "yes"] * 2, ["0", "1"] * 2, [False, True] * 2)):
        model = classifier(np.array(labels))
        unpacked(model, tmp_path / str(index), validation=(ROWS, model.predict(ROWS)))
        passed(tmp_path / str(index))


def test_the_rows_of_a_frame_are_objects_or_lists_as_the_input_type_says(tmp_path: Path) -> None:
    model = LogisticRegression().fit(FRAME, LABELS)
    expected = pd.Series(model.predict(FRAME))
    manifest = unpacked(model, tmp_path / "json", None, validation=(FRAME, expected))
    assert manifest["input_type"] == "json"
    assert [field["name"] for field in manifest["input_schema"]["fields"]] == ["age", "income"]
    assert passed(tmp_path / "json").rows[1].value == {"age": 1.0, "income": 0.0}
    manifest = unpacked(classifier(), tmp_path / "doubles", validation=(FRAME, expected))
    assert manifest["input_schema"] == {"type": "number", "shape": [2]}
    assert passed(tmp_path / "doubles").rows[1].value == [1.0, 0.0]


def test_rows_say_the_input_type_where_nobody_does(tmp_path: Path) -> None:
    assert unpacked(classifier(), tmp_path, None, validation=ROWS)["input_type"] == "doubles"
    with (
        pytest.raises(InvalidRequestError, match="does not say its input type"),
        packed(classifier(), None, validation=ROWS.reshape(2, 2, 2)),
    ):
        pass


def test_rows_alone_are_a_schema_and_a_check_of_the_outputs_form(tmp_path: Path) -> None:
    assert unpacked(classifier(), tmp_path, validation=ROWS.tolist())["validation"] == "validation.jsonl"
    assert [row.is_expected for row in passed(tmp_path).rows] == [False] * 4


def test_sparse_rows_and_every_form_of_a_value_have_one_in_json(tmp_path: Path) -> None:
    model = LinearRegression().fit(ROWS, LABELS)
    unpacked(model, tmp_path / "sparse", validation=(sparse.csr_matrix(ROWS), model.predict(ROWS)))
    assert passed(tmp_path / "sparse").rows[2].value == [2.0, 3.0]
    row = {"n": np.int64(3), "x": float("nan"), "m": pd.NA, "d": date(2026, 1, 2), "b": b"\x00", "l": (1, np.ones(2))}
    unpacked(lambda rows: [row["n"] for row in rows], tmp_path / "values", "json", validation=([row], [3]))
    plain = {"n": 3, "x": None, "m": None, "d": "2026-01-02", "b": "AA==", "l": [1, [1.0, 1.0]]}
    assert passed(tmp_path / "values").rows[0].value == plain


@pytest.mark.parametrize("suffix", [".jsonl", ".npz", ".parquet"])
def test_a_file_goes_along_as_it_is(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    expected = classifier().predict(ROWS)
    if suffix == ".jsonl":
        pairs = zip(ROWS.tolist(), expected.tolist(), strict=True)
        path.write_text("\n".join(json.dumps({"input": row, "output": output}) for row, output in pairs))
    elif suffix == ".npz":
        np.savez(path, input=ROWS, output=expected)
    else:
        FRAME.assign(output=expected).to_parquet(path)
    unpacked(classifier(), tmp_path / "model", validation=path)
    assert (tmp_path / "model" / f"validation{suffix}").read_bytes() == path.read_bytes()
    checked = passed(tmp_path / "model")
    assert (checked.file, len(checked.rows)) == (f"validation{suffix}", 4)


def test_models_of_other_libraries_and_their_files_take_them_too(tmp_path: Path) -> None:
    model = xgboost.XGBRegressor(n_estimators=3, max_depth=2, n_jobs=1).fit(ROWS, LABELS)
    model.save_model(tmp_path / "model.ubj")
    for index, one in enumerate((model, tmp_path / "model.ubj")):
        unpacked(one, tmp_path / str(index), validation=(ROWS, model.predict(ROWS)))
        assert len(passed(tmp_path / str(index)).rows) == 4
        unpacked(one, tmp_path / f"{index}-bad", validation=(ROWS, model.predict(ROWS) + 1))
        with pytest.raises(ValidationError, match="row 1"):
            passed(tmp_path / f"{index}-bad")


def test_the_tolerance_is_as_given(tmp_path: Path) -> None:
    model = LinearRegression().fit(ROWS, LABELS)
    near = model.predict(ROWS) + 0.01
    unpacked(model, tmp_path / "wide", validation=(ROWS, near), tolerance=0.1)
    assert passed(tmp_path / "wide").tolerance == 0.1
    unpacked(model, tmp_path / "usual", validation=(ROWS, near))
    with pytest.raises(ValidationError, match="tolerance 1e-05"):
        passed(tmp_path / "usual")
    for wrong in (-1.0, float("nan")):
        with pytest.raises(InvalidRequestError, match="not finite and at least 0"), packed(model, "d", tolerance=wrong):
            pass


def test_the_same_rows_give_the_same_artifact() -> None:
    hashes = set()
    for _ in range(2):
        with packed(classifier(), "doubles", validation=(ROWS, LABELS)) as artifact:
            hashes.add(artifact.sha256)
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("validation", "said"),
    [
        ((ROWS, LABELS[:3]), "4 validation rows and 3 outputs"),
        ([], "0 validation rows; from 1 to 10000"),
        ([["a", "b"]], "validation row 1 is not of input type doubles"),
        ([[1.0, float("nan")]], "validation row 1 is not of input type doubles"),
        ([[object()]], "a object among the validation rows has no form in JSON"),
        (7, "not a int"),
        ("rows.csv", r"stand in a \.jsonl, \.parquet or \.npz file"),
        ("nowhere.jsonl", "there is no file nowhere.jsonl"),
    ],
)
def test_what_are_no_rows_is_refused_by_field(validation: object, said: str) -> None:
    with (
        pytest.raises(InvalidRequestError, match=said) as refused,
        packed(classifier(), "doubles", validation=validation),
    ):
        pass
    assert refused.value.field == "validation"


def test_a_folder_and_a_packed_model_have_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("def predict(rows): return rows\n")
    for path, said in (
        (tmp_path, "put the validation file into the folder"),
        (tmp_path / "a.skysail", "packed already"),
    ):
        with pytest.raises(InvalidRequestError, match=said), packed(path, "doubles", validation=ROWS):
            pass
