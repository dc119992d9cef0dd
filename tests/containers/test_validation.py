"""Validation rows: read from their files, run through the model, compared."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from harness.container_process import source_folder, started_container
from skysail_container.errors import ManifestError, ModelLoadError, ValidationError
from skysail_container.input_types import InputType
from skysail_container.loading import load_checked
from skysail_container.manifest import Manifest, read_manifest
from skysail_container.output_values import difference
from skysail_container.validation_rows import read_validation_rows

SUMS = "def predict(rows):\n    return rows.sum(axis=1)\n"
OBJECTS = "def predict(rows):\n    return [{'sum': row['a'] + row['b']} for row in rows]\n"


def write_lines(folder: Path, *lines: object) -> None:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / "validation.jsonl").write_text("\n".join(texts) + "\n")


def checked(folder: Path, input_type: InputType = "doubles") -> None:
    load_checked(folder, read_manifest(folder), input_type)


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    return source_folder(tmp_path / "model", SUMS)


def test_a_model_that_answers_as_expected_is_served(sums: Path) -> None:
    write_lines(sums, {"input": [1, 2], "output": 3}, {"input": [1.5, 2]}, "", {"input": [3, 4, 5], "output": 12.0})
    checked(sums)


def test_a_difference_names_the_row_what_was_expected_and_what_came(sums: Path) -> None:
    write_lines(sums, {"tolerance": 0.01}, {"input": [1, 2], "output": 3.02}, {"input": [2, 2], "output": 5})
    with pytest.raises(ValidationError) as caught:
        checked(sums)
    assert caught.value.differences == ("row 2 (line 3), output: expected 5, got 4.0 (tolerance 0.01)",)
    assert str(caught.value).startswith("the model does not pass its validation: 1 difference in the 2 rows of ")


def test_at_most_ten_differences_are_listed_and_the_rest_is_counted(sums: Path) -> None:
    write_lines(sums, *({"input": [index], "output": -1} for index in range(100)))
    with pytest.raises(ValidationError) as caught:
        checked(sums)
    assert len(caught.value.differences) == 100
    assert len(str(caught.value).splitlines()) == 12
    assert str(caught.value).endswith("and 90 more")


def test_the_manifests_tolerance_holds_where_the_file_has_none(tmp_path: Path) -> None:
    folder = source_folder(tmp_path / "model", SUMS, tolerance=0.5)
    write_lines(folder, {"input": [1], "output": 1.4})
    checked(folder)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def predict(rows): return [float('nan') for row in rows]", "row 1 (line 1), output is nan: a finite value"),
        ("def predict(rows): return [{'a': [1.0, float('inf')]} for row in rows]", "output.a[1] is inf"),
        ("import numpy as np\ndef predict(rows): return rows / 0.0", "output[0] is "),
        (
            "def predict(rows): return [1 if row[0] < 2 else 'two' for row in rows]",
            "row 2 (line 2): the output is of type text, that of row 1 (line 1) is of type number",
        ),
        ("def predict(rows): return [1]", "model returned 1 outputs for 2 rows"),
        ("def predict(rows): return [object() for row in rows]", "a object has no form in JSON"),
        (
            "def predict(rows):\n    if (rows > 1).any(): raise ValueError('over 1')\n    return [0] * len(rows)",
            "row 2 (line 2): ValueError: over 1",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_without_expected_outputs_they_must_be_finite_one_per_row_and_of_one_type(
    tmp_path: Path, source: str, said: str
) -> None:
    folder = source_folder(tmp_path / "model", source)
    write_lines(folder, {"input": [1.0]}, {"input": [2.0]})
    with pytest.raises(ValidationError) as caught:
        checked(folder)
    assert said in str(caught.value)


def test_null_is_a_fine_output_where_it_is_expected(tmp_path: Path) -> None:
    folder = source_folder(tmp_path / "model", "def predict(rows): return rows[:, 0]")
    write_lines(folder, {"input": [1], "output": 1})
    checked(folder)
    json_folder = source_folder(tmp_path / "json", "def predict(rows): return [float('nan')] * len(rows)")
    write_lines(json_folder, {"input": {}, "output": None})
    checked(json_folder, "json")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "validation.jsonl, line 2: not JSON"),
        ([1], "line 2: an object"),
        ({"output": 1}, 'line 2: "input" is missing'),
        ({"input": [1], "expected": 1}, "line 2: 'expected' is neither"),
        ({"tolerance": 1}, "line 2: 'tolerance' is neither"),
        ({"input": ["x"]}, "row 2 (line 2): not rows of input type doubles"),
        ({"input": 1}, "row 2 (line 2): not rows of input type doubles"),
    ],
)
def test_a_line_that_is_no_row_is_named(sums: Path, line: object, said: str) -> None:
    write_lines(sums, {"input": [1]}, line)
    with pytest.raises(ModelLoadError) as caught:
        checked(sums)
    assert said in str(caught.value)


@pytest.mark.parametrize("value", [-1, "1", True, 1e999])
def test_a_tolerance_that_is_none_is_refused(sums: Path, value: object) -> None:
    write_lines(sums, {"tolerance": value}, {"input": [1]})
    with pytest.raises(ModelLoadError, match=r"the tolerance .* is not a finite number"):
        checked(sums)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00"])
def test_a_file_without_rows_is_refused(sums: Path, content: bytes) -> None:
    (sums / "validation.jsonl").write_bytes(content)
    with pytest.raises(ModelLoadError, match=r"validation\.jsonl"):
        checked(sums)


@pytest.mark.parametrize("name", ["validation.parquet", "validation.npz"])
def test_a_corrupt_file_is_refused_by_name(sums: Path, name: str) -> None:
    (sums / name).write_bytes(b"PAR1 or PK")
    with pytest.raises(ModelLoadError, match=f"{name} cannot be read: "):
        checked(sums)


@pytest.mark.parametrize("name", ["gone.jsonl", "../outside.jsonl"])
def test_a_validation_file_that_the_manifest_names_must_be_in_the_folder(tmp_path: Path, name: str) -> None:
    folder = source_folder(tmp_path / "model", SUMS, validation=name)
    write_lines(folder, {"input": [1]})
    (tmp_path / "outside.jsonl").write_text('{"input": [1]}\n')
    with pytest.raises(ModelLoadError, match="is not in the model's folder"):
        checked(folder)


def test_a_parquet_files_columns_are_the_fields_and_its_outputs(tmp_path: Path) -> None:
    folder = source_folder(tmp_path / "model", OBJECTS)
    table = pa.table({"a": [1, 2], "b": [0.5, 1.5], "output.sum": [1.5, 3.5]})
    pyarrow.parquet.write_table(table, folder / "validation.parquet")
    checked(folder, "json")
    table = pa.table({"a": [1, 2], "b": [0.5, 1.5], "output.sum": [1.5, 4.5]})
    pyarrow.parquet.write_table(table, folder / "validation.parquet")
    with pytest.raises(ValidationError, match=r"row 2, output\.sum: expected 4\.5, got 3\.5"):
        checked(folder, "json")


def test_an_npz_files_arrays_are_the_rows_and_their_outputs(sums: Path) -> None:
    rows = np.arange(12.0).reshape(4, 3)
    np.savez(sums / "validation.npz", input=rows, output=rows.sum(axis=1) + 0.1, tolerance=0.2)
    checked(sums)
    np.savez(sums / "validation.npz", input=rows, output=rows.sum(axis=1) + 0.1)
    with pytest.raises(ValidationError, match=r"row 1, output: expected 3\.1, got 3\.0"):
        checked(sums)


def test_objects_in_an_npz_file_are_not_unpickled(sums: Path) -> None:
    np.savez(sums / "validation.npz", input=np.array([{}], object))
    with pytest.raises(ModelLoadError, match="allow_pickle"):
        checked(sums)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"a": np.zeros(2), "b": np.zeros(3)}, "different numbers of rows"),
        ({"output": np.zeros(2)}, "has no inputs"),
        ({"a": np.zeros(2), "output": np.zeros(2), "output.b": np.zeros(2)}, "one of them is expected"),
        ({"a": np.zeros(())}, "'a' is one value"),
    ],
)
def test_arrays_that_make_no_rows_are_refused(sums: Path, arrays: dict[str, Any], said: str) -> None:
    np.savez(sums / "validation.npz", **arrays)
    with pytest.raises(ModelLoadError, match=said):
        checked(sums)


def test_missing_values_of_a_table_are_null(tmp_path: Path) -> None:
    table = pa.table({"age": [1.0, None, float("nan")], "city": ["a", None, "b"]})
    pyarrow.parquet.write_table(table, tmp_path / "validation.parquet")
    rows = read_validation_rows(tmp_path, Manifest("folder", "model.py"), "json")
    assert rows is not None
    assert [row.value for row in rows.rows] == [
        {"age": 1.0, "city": "a"},
        {"age": None, "city": None},
        {"age": None, "city": "b"},
    ]


SCHEMA = {
    "fields": [
        {"name": "a", "type": "integer"},
        {"name": "b", "type": "number", "optional": True},
        {"name": "c", "type": "string", "shape": [2, -1], "optional": True},
    ]
}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"b": 1}, "field 'a' is missing"),
        ({"a": 1.5}, "field 'a': an integer is expected, this is 1.5"),
        ({"a": None}, "field 'a': an integer is expected, this is null"),
        ({"a": True}, "field 'a': an integer is expected, this is True"),
        ({"a": 1, "b": "x"}, "field 'b': a number is expected, this is 'x'"),
        ({"a": 1, "c": ["x"]}, "field 'c': a list of 2 values is expected, this one has 1"),
        ({"a": 1, "c": [["x"], [1]]}, r"field 'c': \[1\]: \[0\]: a string is expected, this is 1"),
        ({"a": 1, "d": 1}, "there is no field 'd'"),
        ([1], "an object is expected"),
    ],
)
def test_a_validation_row_that_does_not_fit_the_manifests_schema_is_refused(
    tmp_path: Path, row: object, said: str
) -> None:
    folder = source_folder(tmp_path / "model", "def predict(rows): return [0] * len(rows)", input_schema=SCHEMA)
    write_lines(folder, {"input": {"a": 1, "c": [["x", "y"], []]}}, {"input": row})
    with pytest.raises(ModelLoadError, match=f"row 2 .line 2. does not fit the manifest's input_schema: {said}"):
        checked(folder, "json")


@pytest.mark.parametrize(
    "schema",
    [
        {"fields": {}},
        {"fields": [{"type": "integer"}]},
        {"fields": [{"name": "a", "type": "whole"}]},
        {"fields": [{"name": "a", "type": "integer", "shape": [-2]}]},
        {"fields": [{"name": "a", "type": "integer"}, {"name": "a", "type": "integer"}]},
        {"type": "number", "shape": 3},
        {},
    ],
)
def test_a_schema_that_is_none_is_refused(tmp_path: Path, schema: dict[str, Any]) -> None:
    folder = source_folder(tmp_path / "model", SUMS, input_schema=schema)
    write_lines(folder, {"input": [1]})
    with pytest.raises(ManifestError, match="input_schema"):
        checked(folder)


@pytest.mark.parametrize(
    ("expected", "got", "said"),
    [
        (1, 1.000001, None),
        (1_000_000, 1_000_001.0, None),
        (1, 1.1, "output: expected 1, got 1.1 (tolerance 1e-05)"),
        (0, 1e-6, None),
        (True, 1, "output: expected true, got 1"),
        ("1", 1, 'output: expected "1", got 1'),
        ("1.0", "1.00", 'output: expected "1.0", got "1.00"'),
        (None, float("nan"), None),
        ([1, 2], [1], "output: expected 2 values, got 1"),
        ([[1, 2], [3, 4]], [[1, 2], [3, 5]], "output[1][1]: expected 4, got 5 (tolerance 1e-05)"),
        ({"a": 1}, {"b": 1}, "output: expected the fields a, got b"),
        ({"a": {"b": [0]}}, {"a": {"b": ["x"]}}, 'output.a.b[0]: expected 0, got "x"'),
    ],
)
def test_outputs_are_compared_by_value(expected: object, got: object, said: str | None) -> None:
    assert difference(expected, got, 1e-5) == said


def test_a_container_that_does_not_pass_ends_with_code_4_the_traceback_and_the_differences(tmp_path: Path) -> None:
    folder = source_folder(tmp_path / "model", "def predict(rows):\n    return [row['missing'] for row in rows]\n")
    write_lines(folder, {"input": {"a": 1}})
    with started_container(folder, "--input-type=json") as container:
        assert container.wait_exit(40) == 4
        assert "Traceback" in container.log
        assert "return [row['missing'] for row in rows]" in container.log
        assert "row 1 (line 1): KeyError: 'missing'" in container.log.splitlines()[-1]
