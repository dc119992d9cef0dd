"""Train the pipelines of `cases/` with PySpark, score their rows, and store both: `python -m spark.make_fixtures`.

Each fixture is a zip: `model/` as Spark saved it, and `expected.json` with schema, rows, and what Spark made of each of
them: its new columns, `dropped`, or `error`.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyspark.ml.linalg import VectorUDT
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import ArrayType, StructField, StructType, _parse_datatype_string

from skysail_container.spark.java import find_java
from spark.case import Case, CaseMaker, makers
from spark.values import to_json

FIXTURES = Path(__file__).parent / "fixtures"
ROW = "_row"
LONG_AGO = (2020, 1, 1, 0, 0, 0)


@contextmanager
def spark_session() -> Iterator[SparkSession]:
    os.environ.update(find_java().environment())
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.default.parallelism", "1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.log.level", "OFF")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )
    try:
        yield spark
    finally:
        spark.stop()


@contextmanager
def session_settings(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    for name, value in settings.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name in settings:
            spark.conf.unset(name)


def spark_schema(schema: Mapping[str, str], rows: Sequence[Mapping[str, Any]] = ()) -> StructType:
    """Spark's own schema of columns given by the names of their types; arrays say so if they may hold nulls."""
    fields = [
        StructField(name, VectorUDT() if kind == "vector" else _parse_datatype_string(kind))
        for name, kind in schema.items()
    ]
    for field in fields:
        if isinstance(field.dataType, ArrayType):
            field.dataType.containsNull = any(None in (row[field.name] or ()) for row in rows)
    return StructType(fields)


def data_frame(spark: SparkSession, case: Case) -> DataFrame:
    """The case's rows, numbered."""
    numbered = [{**row, ROW: number} for number, row in enumerate(case.rows)]
    return spark.createDataFrame(numbered, spark_schema({**case.schema, ROW: "bigint"}, numbered))


def outcomes(spark: SparkSession, case: Case) -> tuple[dict[str, str], list[Any]]:
    """The types of Spark's new columns, and what it makes of each row."""
    frame = data_frame(spark, case)
    scored = case.model.transform(frame)
    types = {
        field.name: "vector" if isinstance(field.dataType, VectorUDT) else field.dataType.simpleString()
        for field in scored.schema.fields
        if field.name != ROW
    }
    try:
        found = {row[ROW]: row for row in scored.collect()}
    except Exception:  # which rows it is tells each one by itself
        return types, [_alone(case, frame, number) for number in range(len(case.rows))]
    return types, [_outcome(found.get(number)) for number in range(len(case.rows))]


def _alone(case: Case, frame: DataFrame, number: int) -> Any:
    try:
        rows = case.model.transform(frame.filter(f"{ROW} = {number}")).collect()
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        causes = [line for line in lines if line.startswith("Caused by:")] or lines
        return {"error": causes[-1][:300]}
    return _outcome(rows[0] if rows else None)


def _outcome(row: Any) -> Any:
    if row is None:
        return {"dropped": True}
    return {"row": {name: to_json(value) for name, value in row.asDict().items() if name != ROW}}


def make(spark: SparkSession, maker: CaseMaker) -> Path:
    """One fixture, written whole or not at all."""
    case = maker.make(spark)
    with session_settings(spark, case.conf):
        types, expected = outcomes(spark, case)
    about = {
        "spark": spark.version,
        "schema": dict(case.schema),
        "output_types": types,
        "rtol": case.rtol,
        "atol": case.atol,
        **({"unordered": list(case.unordered)} if case.unordered else {}),
        "rows": [{name: to_json(value) for name, value in row.items()} for row in case.rows],
        "expected": expected,
    }
    target = FIXTURES / maker.family / f"{maker.name}.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        case.model.write().overwrite().save(str(model))
        fresh = Path(folder) / "fixture.zip"
        with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path in sorted(model.rglob("*")):
                if path.is_file() and path.suffix != ".crc" and path.name != "_SUCCESS":
                    content = path.read_bytes()
                    if case.spark_version and path.parent.name == "metadata":
                        content = _saved_by(case.spark_version, content)
                    _write(archive, str(path.relative_to(folder)), content)
            _write(archive, "expected.json", json.dumps(about, indent=1).encode())
        shutil.move(fresh, target)
    return target


def _saved_by(version: str, metadata: bytes) -> bytes:
    return json.dumps({**json.loads(metadata), "sparkVersion": version}).encode()


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, LONG_AGO), content, zipfile.ZIP_DEFLATED)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", help="modules of cases/; default all")
    parser.add_argument("--only", help="cases whose names contain this")
    arguments = parser.parse_args()
    chosen = [one for one in makers(arguments.families) if not arguments.only or arguments.only in one.name]
    if not chosen:
        parser.error("there is no such case")
    failed = 0
    with spark_session() as spark:
        for number, maker in enumerate(chosen, 1):
            started = time.monotonic()
            try:
                size = make(spark, maker).stat().st_size
            except Exception as error:  # the others are still worth making
                failed += 1
                print(f"[{number}/{len(chosen)}] {maker.name}: FAILED: {error}", file=sys.stderr)
                continue
            print(f"[{number}/{len(chosen)}] {maker.name}: {size / 1024:.0f} KiB, {time.monotonic() - started:.1f} s")
    return 1 if failed else 0


__all__ = ["data_frame", "make", "outcomes", "spark_schema", "spark_session"]

if __name__ == "__main__":
    sys.exit(main())
