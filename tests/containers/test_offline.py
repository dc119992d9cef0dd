"""Offline jobs as far as they need no Spark: arguments, rows of columns, chunks, records, types of outputs."""

import json
import math
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from harness.canned_server import Answer, Request, canned_server
from skysail_container.errors import OfflineJobError
from skysail_container.manifest import Manifest
from skysail_container.offline import session
from skysail_container.offline.__main__ import main
from skysail_container.offline.comparison import Comparison, Online
from skysail_container.offline.feature_rows import FeatureRows, feature_rows
from skysail_container.offline.job_record import (
    JobRecord,
    checked,
    done_chunks,
    finished,
    opened,
    read_record,
    write_record,
)
from skysail_container.offline.output_type import output_type, typed_outputs
from skysail_container.offline.places import SPLIT
from skysail_container.offline.settings import Format, format_of, read_job_settings
from skysail_container.offline.storage import Storage
from skysail_container.offline.worker import ChunkScorer, ModelSource, Scorer
from skysail_container.output_values import json_values

NUMBERS = {"a": "double", "b": "bigint"}
SUM = "def predict(rows):\n    return [float(sum(row)) for row in rows]\n"
MANIFEST = Manifest("folder", "model.py")


# --- arguments --------------------------------------------------------------------------------------------------------


def test_arguments_become_settings() -> None:
    words = "--model m --input a.csv --input b.csv --output out --columns x,y --conf a=b --conf c=d=e --chunk-rows 7"
    settings = read_job_settings(words.split())
    assert (settings.input, settings.columns, settings.conf) == (("a.csv", "b.csv"), ("x", "y"), ("a=b", "c=d=e"))
    assert (settings.chunk_rows, settings.batch_rows, settings.master, settings.overwrite) == (7, 512, None, False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--model m --output o", "one of --input and --sql is needed"),
        ("--model m --input a.csv --sql x --output o", "one of --input and --sql is needed"),
        ("--model m --input a.csv", "--output is needed"),
        ("--model m --input a.csv --url http://x/app", "--url needs --version"),
        ("--model m --input a.csv --output o --columns a,,b", "different names"),
        ("--model m --input a.csv --output o --columns a,a", "different names"),
        ("--model m --input a.csv --output o --chunk-rows 0", "at least 1"),
        ("--model m --input a.csv --output o --conf x", "is not KEY=VALUE"),
        ("--model m --input a.csv --output o --tolerance 1", "less than 1"),
        ("--model m --input a.csv --output o --input-type rows", "is not one of integers"),
        ("--model m --input a.csv --output o --output-column error", "have to be different"),
        ("--model m --input a.csv --output o --output-table t --output-format csv", "leave --output-format out"),
    ],
)
def test_wrong_arguments_are_said(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_job_settings(words.split())
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "kind"),
    [("a.parquet", "parquet"), ("hdfs://x/a.CSV.gz", "csv"), ("a/b.jsonl", "json"), ("rows.parquet/", "parquet")],
)
def test_the_suffix_says_the_format(path: str, kind: str) -> None:
    assert format_of(path) == kind


def test_an_unknown_suffix_asks_for_the_format() -> None:
    with pytest.raises(OfflineJobError, match="say --input-format"):
        format_of("rows.xlsx")


def test_a_missing_package_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session, "find_spec", lambda module: None)
    report = tmp_path / "report.json"
    assert main(["--model", "m", "--input", "a.csv", "--output", "o", "--report", str(report)]) == 6
    error = json.loads(report.read_text())["error"]
    assert error["kind"] == "environment"
    assert error["message"].startswith(f"pyspark is not installed in {sys.executable}: pip install")
    assert "skysail: error: pyspark is not installed" in capsys.readouterr().err


# --- rows -------------------------------------------------------------------------------------------------------------


def test_columns_of_numbers_become_a_matrix_and_nulls_fail_alone() -> None:
    features = feature_rows(NUMBERS, (), MANIFEST, "doubles")
    batch = pa.record_batch({"a": [0.5, None, math.nan], "b": [1, 2, 3]})
    usable = features.usable(batch)
    assert usable.rows is not None
    assert (list(usable.positions), usable.errors) == ([0, 2], {1: "column 'a' is null"})
    np.testing.assert_equal(json_values(usable.rows), [[0.5, 1.0], [math.nan, 3.0]])
    rows = features.json_rows(batch)
    assert (rows[0], str(rows[1])) == ([0.5, 1], "column 'a' is null")


def test_integers_have_to_be_whole() -> None:
    features = feature_rows(NUMBERS, ("b", "a"), MANIFEST, "integers")
    batch = pa.record_batch({"a": [2.0, 2.5, math.inf], "b": [1, 2, 3]})
    usable = features.usable(batch)
    assert usable.rows is not None
    assert json_values(usable.rows) == [[1, 2]]
    assert set(usable.errors.values()) == {"column 'a' has no whole number"}
    assert features.json_rows(batch)[0] == [1, 2]


def test_a_number_too_great_for_a_float_fails() -> None:
    features = feature_rows({"a": "double"}, (), MANIFEST, "floats")
    assert set(features.usable(pa.record_batch({"a": [1e300, 1.0]})).errors) == {0}


@pytest.mark.parametrize(
    ("values", "outputs"),
    [
        ([[1.0, 2.0], [3.0]], [[1.0, 2.0], [3.0]]),
        ([{"type": 0, "size": 3, "indices": [1], "values": [5.0]}], [[0.0, 5.0, 0.0]]),
        ([{"type": 1, "size": None, "indices": None, "values": [5.0, 6.0]}], [[5.0, 6.0]]),
    ],
)
def test_a_column_of_lists_or_vectors_is_a_row_each(values: list[Any], outputs: list[Any]) -> None:
    features = feature_rows({"v": "vector"}, (), MANIFEST, "doubles")
    usable = features.usable(pa.record_batch({"v": values}))
    assert usable.rows is not None
    from skysail_container.batch_input import batch_input

    batch = batch_input(usable.rows)
    assert [list(row) for row in batch.select(batch.usable_indices())] == outputs


def test_objects_are_made_of_the_schemas_columns_and_checked_by_it() -> None:
    fields = [
        {"name": "n", "type": "integer", "shape": []},
        {"name": "s", "type": "string", "shape": [], "optional": True},
        {"name": "gone", "type": "string", "shape": [], "optional": True},
    ]
    manifest = Manifest("folder", "model.py", input_schema={"fields": fields})
    features = feature_rows({"id": "int", "s": "string", "n": "double"}, (), manifest, "json")
    assert features.columns == ("n", "s")
    usable = features.usable(pa.record_batch({"id": [1, 2], "s": [None, "x"], "n": [3.0, 3.5]}))
    assert usable.rows is not None
    assert json_values(usable.rows) == [{"n": 3.0, "s": None}]
    assert usable.errors == {1: "field 'n': an integer is expected, this is 3.5"}
    with pytest.raises(OfflineJobError, match=r"no column 'n', which the version takes; it has s"):
        feature_rows({"s": "string"}, (), manifest, "json")


def test_texts_and_bytes_and_tensors() -> None:
    strings = feature_rows({"t": "string"}, (), MANIFEST, "strings").usable(pa.record_batch({"t": ["x", None]}))
    assert strings.rows is not None
    assert (json_values(strings.rows), list(strings.errors)) == (["x"], [1])
    binary = feature_rows({"t": "binary"}, (), MANIFEST, "bytes").usable(pa.record_batch({"t": [b"\0\1"]}))
    assert binary.rows is not None
    assert json_values(binary.rows) == ["AAE="]
    tensors = feature_rows({"t": "array<array<int>>"}, (), MANIFEST, "tensor")
    usable = tensors.usable(pa.record_batch({"t": [[[1, 2], [3, 4]], [[1], [2, 3]]]}))
    assert usable.rows is not None
    assert (json_values(usable.rows), list(usable.errors)) == ([[[1, 2], [3, 4]]], [1])


@pytest.mark.parametrize(
    ("types", "chosen", "input_type", "said"),
    [
        ({"a": "double", "s": "string"}, (), "doubles", "column 's' is of type string .* choose the columns"),
        ({"a": "double"}, ("z",), "doubles", "no column 'z'"),
        ({"a": "double", "b": "double"}, (), "strings", "choose one by --columns"),
        ({"a": "double"}, (), "strings", "is of type double and the version takes strings"),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    types: dict[str, str], chosen: tuple[str, ...], input_type: Any, said: str
) -> None:
    with pytest.raises(OfflineJobError, match=said):
        feature_rows(types, chosen, MANIFEST, input_type)


def test_the_number_of_columns_has_to_be_the_schemas() -> None:
    manifest = Manifest("folder", "model.py", input_schema={"type": "number", "shape": [3]})
    with pytest.raises(OfflineJobError, match="rows have 3 numbers and 2 columns"):
        feature_rows(NUMBERS, (), manifest, "doubles")


# --- outputs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        ([1, 2], pa.int64()),
        ([1, 2.5, None], pa.float64()),
        (["x"], pa.string()),
        ([True], pa.bool_()),
        ([[1.0], []], pa.list_(pa.float64())),
        ([{"p": 1.0}, {"p": 2, "l": "x"}], pa.struct([("p", pa.float64()), ("l", pa.string())])),
        ([1, "x"], pa.string()),
        ([[], []], pa.string()),
        ([2**70], pa.float64()),
        ([], pa.string()),
    ],
)
def test_a_sample_tells_the_type_of_outputs(sample: list[Any], kind: pa.DataType) -> None:
    assert output_type(sample) == kind


def test_an_output_of_another_type_is_its_rows_error() -> None:
    column, errors = typed_outputs([1.0, "x", 3, [1.0], True], pa.float64())
    assert column.to_pylist() == [1.0, None, 3.0, None, None]
    assert list(errors) == [1, 3, 4]
    assert errors[1] == 'the output "x" is not of type double, as those of the first rows are'
    column, errors = typed_outputs([{"p": 1.0, "new": 2}, {}], pa.struct([("p", pa.float64())]))
    assert (column.to_pylist(), list(errors)) == ([None, {"p": None}], [0])
    column, errors = typed_outputs([{"p": 1}, "x"], pa.string())
    assert (column.to_pylist(), errors) == (['{"p": 1}', "x"], {})


# --- chunks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.py").write_text(SUM)
    return tmp_path / "model"


def chunk_scorer(model: Path, out: Path, done: frozenset[str] = frozenset(), kind: Format = "parquet") -> ChunkScorer:
    scorer = Scorer(ModelSource(str(model)), FeatureRows(("a",), "doubles", "numbers"), 3)
    return ChunkScorer(scorer, Storage(out.as_uri()), kind, pa.float64(), "prediction", "error", 4, done)


def batches() -> Iterator[Any]:
    """Three parts of 6, 5 and 1 rows, which do not end where batches do."""
    splits = [1] * 6 + [-2] * 5 + [3]
    whole = pa.record_batch({"a": [None, *np.arange(1.0, 12.0)], SPLIT: pa.array(splits, pa.int64())})
    yield whole.slice(0, 0)
    yield whole.slice(0, 2)
    yield whole.slice(2, 7)
    yield whole.slice(9)


def test_chunks_are_told_by_where_their_rows_stand(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = pa.Table.from_batches(chunk_scorer(model, out)(batches())).to_pylist()
    names = ["1-000000", "1-000001", "fffffffffffffffe-000000", "fffffffffffffffe-000001", "3-000000"]
    assert [row["chunk"].removeprefix("part-").lstrip("0") for row in found] == names
    assert [(row["n_rows"], row["n_errors"]) for row in found] == [(4, 1), (2, 0), (4, 0), (1, 0), (1, 0)]
    tables = [parquet.read_table(path) for path in sorted(out.glob("*.parquet"))]
    assert tables[0].schema.names == ["a", "prediction", "error"]
    rows = [row for table in tables for row in table.to_pylist()]
    assert sorted(row["prediction"] for row in rows if row["error"] is None) == list(np.arange(1.0, 12.0))
    assert [row["error"] for row in rows if row["error"]] == ["column 'a' is null"]
    assert {chunk.n_rows for chunk in done_chunks(Storage(out.as_uri())).values()} == {4, 2, 1}


def test_a_chunk_that_is_done_is_not_written_again(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    list(chunk_scorer(model, out)(batches()))
    first, *others = sorted(out.glob("*.parquet"))
    first.unlink()
    times = {path: path.stat().st_mtime_ns for path in others}
    done = frozenset(done_chunks(Storage(out.as_uri()))) - {first.stem}
    found = pa.Table.from_batches(chunk_scorer(model, out, done)(batches())).to_pylist()
    assert sum(row["n_rows"] for row in found) == 12
    assert first.exists()
    assert {path: path.stat().st_mtime_ns for path in others} == times


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_chunks_of_text(kind: Format, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    batch = pa.record_batch({"a": [1.0], "l": [[1, 2]], SPLIT: [7]})
    list(chunk_scorer(model, out, kind=kind)(iter([batch])))
    (file,) = out.glob(f"*.{kind}")
    expected = {
        "csv": '"a","l","prediction","error"\n1,"[1,2]",1,\n',
        "json": '{"a":1.0,"l":[1,2],"prediction":1.0,"error":null}\n',
    }
    assert file.read_text() == expected[kind]


# --- the job's record -------------------------------------------------------------------------------------------------


def test_a_record_says_what_has_to_be_the_same(tmp_path: Path) -> None:
    storage = Storage((tmp_path / "out").as_uri())
    assert opened(storage, overwrite=False) is None
    kind = pa.struct([("p", pa.list_(pa.float64()))])
    record = JobRecord({"input": "a"}, {"key": "1"}, JobRecord.described(kind))
    write_record(storage, record)
    found = opened(storage, overwrite=False)
    assert found == record
    assert found.type == kind
    assert checked(storage, found, {"input": "a"}) is found
    with pytest.raises(OfflineJobError, match="unfinished job with another input") as refused:
        checked(storage, found, {"input": "b"})
    assert refused.value.kind == "exists"
    finished(storage, record)
    assert (tmp_path / "out" / "_SUCCESS").exists()
    with pytest.raises(OfflineJobError, match="a finished job: say --overwrite"):
        opened(storage, overwrite=False)
    assert opened(storage, overwrite=True) is None
    assert storage.names() == []


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    storage = Storage(tmp_path.as_uri())
    for overwrite in (False, True):
        with pytest.raises(OfflineJobError, match="choose another --output"):
            opened(storage, overwrite=overwrite)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 9, "facts": {}, "pinned": {}, "output_type": ""}'])
def test_a_damaged_record_is_said(text: str, tmp_path: Path) -> None:
    (tmp_path / "_skysail").mkdir()
    (tmp_path / "_skysail" / "job.json").write_text(text)
    with pytest.raises(OfflineJobError, match="say --overwrite"):
        read_record(Storage(tmp_path.as_uri()))


# --- online and offline -----------------------------------------------------------------------------------------------


def test_rows_are_compared_with_what_is_answered_and_late_ones_asked_again(model: Path) -> None:
    seen: list[int] = []

    def answer(request: Request) -> Answer:
        rows = request.json["input_batch"]
        assert (request.json["version"], request.json["cache"]) == ("3", False)
        seen.append(len(rows))
        answers: list[dict[str, Any]] = [{"output": row[0], "default": False} for row in rows]
        for index, row in enumerate(rows):
            if row == [2.0] and len(rows) > 1:
                answers[index] = {"output": -1, "default": True, "default_reason": "deadline"}
            if row == [3.0]:
                answers[index]["output"] = 4
        return Answer(200, {"batch_predictions": answers} if len(rows) > 1 else answers[0])

    with canned_server({("POST", "/app/predict"): answer}) as server:
        comparison = Comparison(chunk_scorer(model, model).scorer, Online(f"{server.url}/app", "3"), 0.0)
        batch = pa.record_batch({"a": [1.0, 2.0, 3.0, None, math.nan]})
        (found,) = pa.Table.from_batches(comparison(iter([batch]))).to_pylist()
    outcome = json.loads(found["found"])
    assert seen == [3, 1]
    counts = {"rows": 5, "unaskable": 1, "different": 1, "failed_alike": 1}
    assert outcome["counts"] == counts
    assert outcome["by_column"] == {"output": 1}
    assert outcome["differences"] == [
        {"row": "[3.0]", "difference": "output: offline 3.0, online 4 (tolerance 0)"},
    ]


def test_an_application_that_is_not_there_is_an_error(model: Path) -> None:
    online = Online("http://127.0.0.1:9/app", "1")
    with pytest.raises(OfflineJobError, match="nothing answers at http"):
        online.answers([[1.0]])
    refused = pytest.raises(OfflineJobError, match="answers 404")
    with canned_server() as server, closing(Online(f"{server.url}/app", "1")) as unknown, refused:
        unknown.answers([[1.0]])
