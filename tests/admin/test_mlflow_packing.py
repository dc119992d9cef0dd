"""MLflow directories as artifacts: their MLmodel file becomes the manifest."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.mlflow_models import GROUP, saved_pyfunc
from skysail_admin import InvalidRequestError
from skysail_admin.packing.artifact import packed

SAVED_BY = "flavors: {python_function: {loader_module: m, python_version: 3.9.7}}\n"


def described(folder: Path, inputs: list[dict[str, Any]] | None, text: str = SAVED_BY) -> Path:
    """A folder with the MLmodel of a model with these inputs in its signature."""
    signature = "" if inputs is None else f"signature: {{inputs: '{json.dumps(inputs)}'}}\n"
    (folder / "MLmodel").write_text(text + signature)
    return folder


def manifest_of(folder: Path, input_type: str) -> dict[str, Any]:
    with packed(folder, input_type) as artifact, zipfile.ZipFile(artifact.path) as archive:
        manifest: dict[str, Any] = json.loads(archive.read("skysail.json"))
    return manifest


def column(name: str, column_type: str, **others: Any) -> dict[str, Any]:
    return {"name": name, "type": column_type, "required": True, **others}


def tensor(dtype: str, *shape: int, **others: Any) -> dict[str, Any]:
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": [-1, *shape]}, **others}


@pytest.mark.xdist_group(GROUP)
def test_a_directory_that_mlflow_saved_is_the_model_folder_itself(tmp_path: Path) -> None:
    example = pd.DataFrame({"age": [1], "income": [1.5]})
    folder = saved_pyfunc(tmp_path / "model", lambda rows: rows["age"], example=example, answer=[1])
    manifest = manifest_of(folder, "json")
    assert (manifest["framework"], manifest["file"]) == ("mlflow", ".")
    assert manifest["input_schema"] == {
        "fields": [
            {"name": "age", "type": "integer", "shape": [], "optional": False},
            {"name": "income", "type": "number", "shape": [], "optional": False},
        ]
    }


def test_the_python_is_the_one_that_saved_the_model(tmp_path: Path) -> None:
    assert manifest_of(described(tmp_path, None), "json")["python"] == "3.9"
    assert "input_schema" not in manifest_of(tmp_path, "json")


def test_outputs_are_chosen_when_packing(tmp_path: Path) -> None:
    chosen = packed(described(tmp_path, None), "json", outputs=["score"])
    with chosen as artifact, zipfile.ZipFile(artifact.path) as archive:
        assert json.loads(archive.read("skysail.json"))["outputs"] == ["score"]


def test_a_model_py_among_the_files_of_mlflow_does_not_make_a_model_folder(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("")
    assert manifest_of(described(tmp_path, None), "json")["framework"] == "mlflow"


@pytest.mark.parametrize(
    ("inputs", "input_type", "schema"),
    [
        ([column("a", "double"), column("b", "long")], "doubles", {"type": "number", "shape": [2]}),
        ([column("a", "long"), column("b", "integer")], "integers", {"type": "integer", "shape": [2]}),
        ([column("a", "string")], "strings", {"type": "string", "shape": []}),
        ([tensor("float32", 28, 28)], "tensor", {"type": "number", "shape": [28, 28]}),
        ([tensor("float32", 28, 28)], "floats", {"type": "number", "shape": [784]}),
        ([tensor("int64", -1, name="ids")], "integers", {"type": "integer", "shape": [-1]}),
    ],
)
def test_rows_that_are_no_objects_have_a_schema_too(
    tmp_path: Path, inputs: list[dict[str, Any]], input_type: str, schema: dict[str, Any]
) -> None:
    assert manifest_of(described(tmp_path, inputs), input_type)["input_schema"] == schema


def test_other_columns_and_named_tensors_are_fields(tmp_path: Path) -> None:
    inputs = [
        column("when", "datetime"),
        column("face", "binary"),
        column("tags", "array", items={"type": "string"}),
        column("height", "double", required=False),
    ]
    fields = manifest_of(described(tmp_path, inputs), "json")["input_schema"]["fields"]
    assert [field["type"] for field in fields] == ["string", "bytes", "any", "number"]
    assert [field["optional"] for field in fields] == [False, False, False, True]
    named = [tensor("float32", 2, name="left"), tensor("bool", name="right")]
    fields = manifest_of(described(tmp_path, named), "json")["input_schema"]["fields"]
    assert fields[0] == {"name": "left", "type": "number", "shape": [2], "optional": False}
    assert fields[1] == {"name": "right", "type": "boolean", "shape": [], "optional": False}


def test_an_input_type_that_cannot_carry_the_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidRequestError, match=r"columns name: string, age: integer.*deploy it with input type json"
    ):
        manifest_of(described(tmp_path, [column("name", "string"), column("age", "long")]), "doubles")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("flavors: {", "is not YAML"),
        ("[]", "is not the description of an MLflow model"),
        ("flavors: {sklearn: {}}", "has no python_function flavour"),
        (SAVED_BY + "signature: {inputs: 'nonsense'}", "has a signature that cannot be read"),
        (SAVED_BY + "signature: {inputs: '[1]'}", "has a signature that cannot be read"),
        (SAVED_BY + "signature: 5", "has a signature that cannot be read"),
    ],
)
def test_a_damaged_description_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        manifest_of(described(tmp_path, None, text), "json")
