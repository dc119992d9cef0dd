"""Saved Spark pipelines and MLeap bundles as artifacts: their rows' types stand in the manifest."""

import json
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.spark_models import stored_pipeline, written_pipeline
from skysail_admin import InvalidRequestError
from skysail_admin.packing.artifact import packed
from skysail_admin.packing.known_input_type import known_input_type
from skysail_container.loading import load_checked
from skysail_container.manifest import read_manifest


def manifest_of(path: Path, input_type: str | None = None, **options: Any) -> dict[str, Any]:
    with packed(path, input_type, **options) as artifact, zipfile.ZipFile(artifact.path) as archive:
        manifest: dict[str, Any] = json.loads(archive.read("skysail.json"))
    return manifest


def described(folder: Path, *inputs: Any) -> Path:
    """A pipeline with these rows as its validation rows."""
    path = written_pipeline(folder / "model", [])
    (path / "validation.jsonl").write_text("\n".join(json.dumps({"input": row}) for row in inputs))
    return path


def types_of(manifest: dict[str, Any]) -> dict[str, str]:
    return {column["name"]: column["type"] for column in manifest["spark_schema"]}


def fields_of(manifest: dict[str, Any]) -> dict[str, tuple[str, list[int], bool]]:
    return {
        field["name"]: (field["type"], field["shape"], field["optional"])
        for field in manifest["input_schema"]["fields"]
    }


def test_a_directory_that_spark_saved_is_the_model_folder_itself(tmp_path: Path) -> None:
    path = written_pipeline(tmp_path / "model", [])
    (path / "metadata" / ".part-00000.crc").write_bytes(b"crc")
    manifest = manifest_of(path)
    assert (manifest["framework"], manifest["file"], manifest["input_type"]) == ("spark", ".", "json")
    assert "spark_schema" not in manifest
    with packed(path) as artifact, zipfile.ZipFile(artifact.path) as archive:
        assert not any(name.endswith(".crc") for name in archive.namelist())


def test_the_directory_may_stand_in_a_folder_beside_its_validation_rows(tmp_path: Path) -> None:
    written_pipeline(tmp_path / "churn", [])
    (tmp_path / "validation.jsonl").write_text('{"input": {"n": 1}}')
    manifest = manifest_of(tmp_path)
    assert (manifest["framework"], manifest["file"], manifest["validation"]) == ("spark", "churn", "validation.jsonl")
    assert types_of(manifest) == {"n": "bigint"}
    (tmp_path / "validation.jsonl").unlink()
    assert manifest_of(tmp_path)["input_type"] == "json"
    written_pipeline(tmp_path / "other", [])
    with pytest.raises(InvalidRequestError, match=r"nor is it .* a saved Spark pipeline"):
        manifest_of(tmp_path, "json")


def test_a_model_py_that_uses_a_pipeline_makes_a_model_folder(tmp_path: Path) -> None:
    written_pipeline(tmp_path / "churn", [])
    (tmp_path / "model.py").write_text("")
    assert manifest_of(tmp_path, "json")["framework"] == "folder"
    with pytest.raises(InvalidRequestError, match="does not say its input type"):
        known_input_type(tmp_path, None)


def test_its_validation_rows_tell_the_types_of_its_columns(tmp_path: Path) -> None:
    manifest = manifest_of(
        described(
            tmp_path,
            {
                "n": 1,
                "x": 1,
                "s": "a",
                "b": True,
                "v": [1, 2],
                "w": {"size": 1, "indices": [], "values": []},
                "t": ["a"],
            },
            {"n": 2, "x": 1.5, "s": None, "b": False, "v": [1], "w": [1], "t": [], "nothing": None},
        )
    )
    assert types_of(manifest) == {
        "n": "bigint",
        "x": "double",
        "s": "string",
        "b": "boolean",
        "v": "vector",
        "w": "vector",
        "t": "array<string>",
        "nothing": "void",
    }
    assert fields_of(manifest) == {
        "n": ("integer", [], False),
        "x": ("number", [], False),
        "s": ("string", [], True),
        "b": ("boolean", [], False),
        "v": ("any", [], False),
        "w": ("any", [], False),
        "t": ("string", [-1], False),
        "nothing": ("any", [], True),
    }


def test_a_parquet_file_states_the_types(tmp_path: Path) -> None:
    path = written_pipeline(tmp_path / "model", [])
    vector = pa.struct(
        [
            ("type", pa.int8()),
            ("size", pa.int32()),
            ("indices", pa.list_(pa.int32())),
            ("values", pa.list_(pa.float64())),
        ]
    )
    types = {
        "byte": pa.int8(),
        "short": pa.int16(),
        "int": pa.int32(),
        "long": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
        "money": pa.decimal128(10, 2),
        "money_of_many_digits": pa.decimal128(38, 2),
        "text": pa.string(),
        "flag": pa.bool_(),
        "words": pa.list_(pa.string()),
        "grid": pa.list_(pa.list_(pa.int32())),
        "vector": vector,
    }
    row = {"byte": 1, "short": 1, "int": 1, "long": 1, "float": 1, "double": 1, "text": "a", "flag": True}
    row |= {"money": Decimal("1.5"), "money_of_many_digits": Decimal(1)}
    row |= {"words": ["a", None], "grid": [[1]], "vector": {"type": 1, "values": [1.0]}}
    pq.write_table(pa.Table.from_pylist([row], pa.schema(types)), path / "validation.parquet")
    manifest = manifest_of(path)
    assert list(types_of(manifest).values()) == [
        "tinyint",
        "smallint",
        "int",
        "bigint",
        "float",
        "double",
        "decimal(10,2)",
        "decimal(38,2)",
        "string",
        "boolean",
        "array<string>",
        "array<array<int>>",
        "vector",
    ]
    fields = fields_of(manifest)
    assert (fields["double"], fields["float"], fields["long"]) == (
        ("number", [], False),
        ("number", [], False),
        ("integer", [], False),
    )
    assert (fields["money"], fields["money_of_many_digits"]) == (("number", [], False), ("any", [], False))
    assert fields["words"] == ("any", [], False)  # a null among its texts
    assert fields["grid"] == ("any", [], False)


def test_types_of_the_folders_own_manifest_stay(tmp_path: Path) -> None:
    path = described(tmp_path, {"n": 1, "words": []})
    columns = [{"name": "n", "type": "float"}, {"name": "words", "type": "array<string>"}]
    own = {"format": 1, "framework": "spark", "file": ".", "spark_schema": columns, "outputs": ["n"]}
    (path / "skysail.json").write_text(json.dumps(own))
    manifest = manifest_of(path)
    assert manifest["spark_schema"] == columns
    assert manifest["outputs"] == ["n"]
    assert fields_of(manifest) == {"n": ("number", [], False), "words": ("string", [-1], False)}


def test_values_of_several_types_in_a_column_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="column 'n' has values of type bigint and string"):
        manifest_of(described(tmp_path, {"n": 1}, {"n": "a"}))


def test_more_columns_than_a_schema_holds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="the rows have 1001 columns; at most 1000"):
        manifest_of(described(tmp_path, {f"c{number}": 1 for number in range(1001)}))


def test_rows_that_are_no_objects_have_a_schema_too(tmp_path: Path) -> None:
    manifest = manifest_of(described(tmp_path, [1.5, 2.0]), "doubles")
    assert manifest["input_schema"] == {"type": "number", "shape": [2]}
    assert "spark_schema" not in manifest


def test_columns_to_answer_with_can_be_chosen(tmp_path: Path) -> None:
    path = written_pipeline(tmp_path / "model", [])
    assert manifest_of(path, outputs=["probability"])["outputs"] == ["probability"]


def test_a_stored_pipeline_passes_its_gate_as_packed(tmp_path: Path) -> None:
    stored = stored_pipeline("linear/logistic_binary", tmp_path)
    stored.write_validation(stored.path / "validation.jsonl", ["prediction", "probability"])
    with packed(stored.path) as artifact, zipfile.ZipFile(artifact.path) as archive:
        archive.extractall(tmp_path / "unpacked")
    manifest = read_manifest(tmp_path / "unpacked")
    assert manifest.spark_schema == {"features": "vector"}
    assert load_checked(tmp_path / "unpacked", manifest, "json").validation is not None


def test_a_bundle_in_a_zip_or_a_directory_is_deployed_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "bundle.json").write_text("{}")
    file = tmp_path / "model.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("bundle.json", "{}")
    assert (manifest_of(file)["framework"], manifest_of(file)["file"]) == ("spark", "model.zip")
    assert (manifest_of(tmp_path / "bundle")["framework"], manifest_of(tmp_path / "bundle")["file"]) == ("spark", ".")
    with pytest.raises(InvalidRequestError, match="method 'predict_proba' is for estimators"):
        manifest_of(file, method="predict_proba")


def test_another_zip_is_no_model(tmp_path: Path) -> None:
    file = tmp_path / "model.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "")
    with pytest.raises(InvalidRequestError, match=r"neither a folder nor a model's file.* or \.zip \(MLeap\)"):
        manifest_of(file, "json")


def test_rows_are_objects_unless_said_otherwise(tmp_path: Path) -> None:
    path = written_pipeline(tmp_path / "model", [])
    assert known_input_type(path, None) == "json"
    assert known_input_type(path, "doubles") == "doubles"
    (tmp_path / "other").mkdir()
    with pytest.raises(InvalidRequestError, match="does not say its input type"):
        known_input_type(tmp_path / "other", None)


def test_examples_are_for_pipelines_of_a_session(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="only pipelines of a Spark session take examples"):
        manifest_of(written_pipeline(tmp_path / "model", []), examples=[{"a": 1}])
