"""Schemas from validation rows, and the validation files themselves, when a model is packed."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from skysail_admin import InvalidRequestError
from skysail_admin.packing.artifact import packed
from skysail_admin.packing.input_schema import MAX_FIELDS, derived_schema
from skysail_container.input_schema import parsed_schema
from skysail_management.records import InputSchema


def field(name: str, kind: str, *shape: int, optional: bool = False) -> dict[str, Any]:
    return {"name": name, "type": kind, "shape": list(shape), "optional": optional}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2], field("a", "integer")),
        ([1, 2.5], field("a", "number")),
        ([True, False], field("a", "boolean")),
        ([True, 1], field("a", "any")),
        (["x", "y"], field("a", "string")),
        (["x", 1], field("a", "any")),
        ([1, None], field("a", "integer", optional=True)),
        ([None, None], field("a", "any", optional=True)),
        ([[1, 2], [3, 4]], field("a", "integer", 2)),
        ([[1, 2], [3.5]], field("a", "number", -1)),
        ([[], []], field("a", "any", -1)),
        ([[], [1]], field("a", "integer", -1)),
        ([[[1, 2]], [[3, 4]]], field("a", "integer", 1, 2)),
        ([[[1], [2, 3]], [[4]]], field("a", "integer", -1, -1)),
        ([[], [[1, 2]]], field("a", "integer", -1, 2)),
        ([[1], [[1]]], field("a", "any")),
        ([[1, None], [2, 3]], field("a", "any", 2)),
        ([{"b": 1}, {"b": 2}], field("a", "any")),
        ([[1], 1], field("a", "any")),
    ],
)
def test_a_fields_type_and_shape_are_what_all_its_values_have(values: list[Any], expected: dict[str, Any]) -> None:
    rows = [{"a": value} for value in values]
    schema = derived_schema(rows, "json")
    assert schema == {"fields": [expected]}
    assert all(parsed_schema(schema).misfit(row) is None for row in rows)


def test_fields_stand_in_the_order_of_their_appearance_and_missing_ones_are_optional() -> None:
    fields = derived_schema([{"b": 1}, {"a": "x", "b": 2}], "json")["fields"]
    assert fields == [field("b", "integer"), field("a", "string", optional=True)]


@pytest.mark.parametrize(
    ("input_type", "rows", "expected"),
    [
        ("doubles", [[1, 2], [3, 4]], {"type": "number", "shape": [2]}),
        ("floats", [[1.5], [3, 4]], {"type": "number", "shape": [-1]}),
        ("integers", [[1, 2]], {"type": "integer", "shape": [2]}),
        ("strings", ["a", "b"], {"type": "string", "shape": []}),
        ("bytes", ["AP8="], {"type": "bytes", "shape": []}),
        ("tensor", [[[1, 2], [3, 4]]], {"type": "number", "shape": [2, 2]}),
        ("json", [[1, 2.5], [3, 4]], {"type": "number", "shape": [2]}),
        ("json", [{"a": 1}, 2], {"type": "any", "shape": []}),
    ],
)
def test_rows_that_are_no_objects_have_one_type_and_shape(
    input_type: str, rows: list[Any], expected: dict[str, Any]
) -> None:
    assert derived_schema(rows, input_type) == expected


@pytest.mark.parametrize(
    ("input_type", "row", "said"),
    [
        ("doubles", "text", "validation row 2 is not of input type doubles: a list of numbers is expected"),
        ("doubles", 1.5, "a list of numbers"),
        ("floats", [[1.0]], "a list of numbers"),
        ("doubles", [1, None], "a list of numbers"),
        ("doubles", None, "a list of numbers"),
        ("integers", [1.5], "a list of integers"),
        ("strings", ["x"], "a text"),
        ("bytes", 1, "a base64 text"),
        ("tensor", [[1], [2, 3]], "numbers in lists of the same lengths"),
        ("tensor", ["x"], "numbers in lists"),
    ],
)
def test_a_row_that_is_not_of_the_input_type_is_refused(input_type: str, row: Any, said: str) -> None:
    good = {"strings": "x", "bytes": "AA==", "tensor": [[1.0]]}.get(input_type, [1])
    with pytest.raises(InvalidRequestError, match=said):
        derived_schema([good, row], input_type)


def test_more_fields_than_a_schema_may_have_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="1001 fields; at most 1000"):
        derived_schema([{str(index): 0 for index in range(MAX_FIELDS + 1)}], "json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    (made / "model.py").write_text("def predict(rows):\n    return [0 for row in rows]\n")
    return made


def manifest_of(folder: Path, input_type: str | None = "json") -> dict[str, Any]:
    with packed(folder, input_type) as artifact, zipfile.ZipFile(artifact.path) as archive:
        manifest: dict[str, Any] = json.loads(archive.read("skysail.json"))
    return manifest


def fields_of(folder: Path) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = manifest_of(folder)["input_schema"]["fields"]
    return fields


def test_lines_parquet_and_arrays_give_the_manifest_the_same_schema(folder: Path) -> None:
    lines = folder / "validation.jsonl"
    lines.write_text('{"tolerance": 1}\n\n{"input": {"a": 1, "b": 0.5}, "output": 1}\n{"input": {"a": 2, "b": 1.5}}\n')
    schema = manifest_of(folder)["input_schema"]
    assert schema == {"fields": [field("a", "integer"), field("b", "number")]}
    lines.unlink()
    table = pa.table({"a": [1, 2], "b": [0.5, 1.5], "output.p": [1, 2]})
    pyarrow.parquet.write_table(table, folder / "validation.parquet")
    assert manifest_of(folder)["input_schema"] == schema
    (folder / "validation.parquet").unlink()
    np.savez(folder / "validation.npz", a=np.arange(2), b=np.array([0.5, 1.5]), output=np.ones(2), tolerance=0.1)
    assert manifest_of(folder) | {"validation": ""} == manifest_of(folder) | {"validation": "", "input_schema": schema}


def test_missing_values_of_a_table_make_its_fields_optional(folder: Path) -> None:
    table = pa.table({"a": [1, None], "b": [0.5, float("nan")], "c": ["x", None], "d": [None, True]})
    pyarrow.parquet.write_table(table, folder / "validation.parquet")
    kinds = {one["name"]: (one["type"], one["optional"]) for one in fields_of(folder)}
    assert kinds == {"a": ("integer", True), "b": ("number", True), "c": ("string", True), "d": ("boolean", True)}


def test_the_registry_takes_every_schema_that_packing_derives(folder: Path) -> None:
    import msgspec

    row = {"i": 1, "n": 0.5, "s": "x", "b": True, "l": [[1, 2], [3]], "o": {"k": 1}, "e": [], "z": None}
    (folder / "validation.jsonl").write_text(json.dumps({"input": row}))
    for input_type, value in (("json", row), ("doubles", [1, 2]), ("bytes", "AA=="), ("tensor", [[1.0]])):
        (folder / "validation.jsonl").write_text(json.dumps({"input": value}))
        assert msgspec.convert(manifest_of(folder, input_type)["input_schema"], InputSchema)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("validation.jsonl", b"", "has 0 rows"),
        ("validation.jsonl", b'{"input": 1}\n{', "line 2: not JSON"),
        ("validation.jsonl", b'{"output": 1}', 'line 1: an object with "input"'),
        ("validation.jsonl", b'{"input": 1}\n' * 10_001, "has 10001 rows; from 1 to 10000"),
        ("validation.parquet", b"PAR1", "validation.parquet cannot be read"),
        ("validation.npz", b"PK", "validation.npz cannot be read"),
    ],
)
def test_a_validation_file_that_is_none_is_refused_before_anything_is_sent(
    folder: Path, name: str, content: bytes, said: str
) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(InvalidRequestError, match=said):
        manifest_of(folder)


def test_a_manifests_own_schema_is_kept_and_its_validation_file_has_to_be_there(folder: Path) -> None:
    own = {"format": 1, "framework": "folder", "file": "model.py", "validation": "rows.jsonl"}
    (folder / "skysail.json").write_text(json.dumps(own))
    with pytest.raises(InvalidRequestError, match=r"'rows.jsonl' is not in"):
        manifest_of(folder)
    (folder / "rows.jsonl").write_text('{"input": {"a": 1}}')
    assert fields_of(folder) == [field("a", "integer")]
    (folder / "skysail.json").write_text(json.dumps(own | {"input_schema": {"fields": []}}))
    assert manifest_of(folder)["input_schema"] == {"fields": []}


@pytest.mark.parametrize(
    ("row", "expected"), [({"a": 1}, "json"), ("x", "strings"), ([1, 2.5], "doubles"), ([[1]], None), (1, None)]
)
def test_validation_rows_may_tell_the_input_type(folder: Path, row: Any, expected: str | None) -> None:
    (folder / "validation.jsonl").write_text(json.dumps({"input": row}))
    if expected is None:
        with pytest.raises(InvalidRequestError, match="does not say its input type"):
            manifest_of(folder, None)
    else:
        assert manifest_of(folder, None)["input_type"] == expected


def test_a_manifest_that_says_another_input_type_is_told(folder: Path) -> None:
    own = {"format": 1, "framework": "folder", "file": "model.py", "input_type": "strings"}
    (folder / "skysail.json").write_text(json.dumps(own))
    with pytest.raises(InvalidRequestError, match="says input type strings, not json"):
        manifest_of(folder)
    assert manifest_of(folder, None) == own
