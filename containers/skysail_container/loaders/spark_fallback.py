"""Pipelines with a stage that only Spark scores: PySpark's local mode inside the container, a batch at a time.

It gives what the native scorer gives: typed rows in, one outcome per row out. Each row is scored as if it were alone:
where a pipeline could mix the rows of a batch (windows, aggregates, sorting), they are sent one by one.
"""

import datetime
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from skysail_container.spark import RowDropped, RowError, RowFault, Schema, StageError
from skysail_container.spark.local_session import local_session
from skysail_container.spark.metadata import Metadata, read_metadata
from skysail_container.spark.schema import BOOLEAN, DOUBLE, FLOAT, STRING, VECTOR, VOID
from skysail_container.spark.stage import Row
from skysail_container.spark.vectors import DenseVector, SparseVector

__all__ = ["PySparkPipeline", "PySparkScorer", "served_by"]

_ROW = "skysail_row"
"""The column with a row's place in its batch; stages leave columns alone that they do not know."""

_ROW_BY_ROW_PLANS = frozenset({"Project", "Filter", "SubqueryAlias", "View", "LocalRelation", "LogicalRDD"})
"""Operators of Spark's plans that look at one row at a time, and keep the order."""

_MAX_REASON = 300

_DROPPED = 'one of its stages leaves it out (handleInvalid="skip", or a WHERE)'


def served_by() -> str:
    return f"PySpark {version('pyspark')} (fallback)"


class PySparkPipeline:
    """A pipeline that PySpark has loaded, to be bound to rows' types as a native one is."""

    def __init__(self, path: Path, folder: Path, threads: int = 1) -> None:
        """Starts Spark, if this process has none yet.

        :param folder: the model's; modules with stages of the user's own, in Python, are imported from there.
        :raises ModelLoadError: PySpark or Java is missing, or does not start.
        :raises StageError: Spark does not load the pipeline either.
        """
        self._metadata: Metadata = read_metadata(path)
        _let_import_from(folder)
        self._session = local_session(threads)
        is_ansi = self._metadata.spark_version[0] >= 4  # what the Spark that trained it had
        self._session.conf.set("spark.sql.ansi.enabled", str(is_ansi).lower())
        try:
            self._model = _loaded(path, self._metadata.spark_class)
        except Exception as error:  # Py4J's own, or whatever a stage's Python module raises
            raise StageError(
                self._metadata.uid, f"PySpark {self._session.version} does not load it: {_reason(error)}"
            ) from error

    def bind(self, schema: Schema | Mapping[str, str]) -> "PySparkScorer":
        """
        :raises StageError: the pipeline does not take these columns.
        """
        known = schema if isinstance(schema, Schema) else Schema(schema)
        scorer = PySparkScorer(self._session, self._model, self._metadata.uid, known)
        scorer.score_rows([_plain_row(known)])  # the first batch loads classes and starts Python's workers
        return scorer


class PySparkScorer:
    """A pipeline for rows of one schema. Invariant: each row is scored as if it were alone."""

    def __init__(self, session: Any, model: Any, uid: str, schema: Schema) -> None:
        self.schema = schema
        self._session = session
        self._model = model
        self._uid = uid
        self._table = _Table(session, schema)
        scored = self._planned()
        self._is_numbered = _ROW in scored.columns
        self._is_row_by_row = _looks_at_single_rows(scored._jdf.queryExecution().analyzed())
        self._convert = {field.name: _converter(field.dataType) for field in scored.schema.fields if field.name != _ROW}
        self.output_schema = Schema(
            {field.name: field.dataType.simpleString() for field in scored.schema.fields if field.name != _ROW}
        )

    def score_rows(self, rows: Sequence[Row]) -> list[Row | RowFault]:
        """One outcome per row, in order: the row with its outputs, or why it has none."""
        if not self._is_row_by_row:
            return [self._alone(row) for row in rows]
        outcomes: dict[int, Row | RowFault] = {}
        pending = [range(len(rows))] if rows else []
        while pending:
            part = pending.pop()
            try:
                outcomes.update(zip(part, self._together([rows[index] for index in part]), strict=True))
            except Exception as error:  # Py4J's own, or those of a stage in Python: halves tell which rows it is
                if len(part) == 1:
                    outcomes[part[0]] = RowError(self._uid, _reason(error))
                else:
                    middle = len(part) // 2
                    pending += [part[middle:], part[:middle]]
        return [outcomes[index] for index in range(len(rows))]

    def _planned(self) -> Any:
        """The DataFrame of some row: its plan is every row's."""
        try:
            return self._model.transform(self._table.frame([dict.fromkeys(self.schema)]))
        except Exception:  # some stages look at the first row while they plan, and may not like nulls
            example = _plain_row(self.schema)
        try:
            return self._model.transform(self._table.frame([example]))
        except Exception as error:  # of as many kinds
            raise StageError(self._uid, f"Spark does not take the columns: {_reason(error)}") from error

    def _together(self, rows: Sequence[Row]) -> list[Row | RowFault]:
        """All with one transform.

        :raises Exception: Spark fails on some of them.
        """
        found = self._model.transform(self._table.frame(rows)).collect()
        if self._is_numbered:
            by_row = {row[_ROW]: row for row in found}
            return [self._outcome(by_row.get(index)) for index in range(len(rows))]
        if len(found) == len(rows):
            return [self._outcome(row) for row in found]
        return [self._alone(row) for row in rows]

    def _alone(self, row: Row) -> Row | RowFault:
        try:
            found = self._model.transform(self._table.frame([row])).collect()
        except Exception as error:  # as above
            return RowError(self._uid, _reason(error))
        if len(found) > 1:
            return RowError(self._uid, f"it makes {len(found)} rows of this one")
        return self._outcome(found[0] if found else None)

    def _outcome(self, found: Any) -> Row | RowFault:
        if found is None:
            return RowDropped(self._uid, _DROPPED)
        return {
            name: value if value is None or convert is None else convert(value)
            for (name, convert), value in zip(
                self._convert.items(), [found[name] for name in self._convert], strict=True
            )
        }


class _Table:
    """Makes DataFrames of rows; with Arrow, which is three times faster, where Spark takes all columns that way."""

    def __init__(self, session: Any, schema: Schema) -> None:
        from pyspark.ml.linalg import VectorUDT
        from pyspark.sql.pandas.types import to_arrow_schema
        from pyspark.sql.types import LongType, StructField, StructType, _parse_datatype_string

        self._session = session
        self._names = (*schema, _ROW)
        types = [
            VectorUDT() if column.type == VECTOR else _parse_datatype_string(column.type) for column in schema.values()
        ]
        fields = [StructField(name, kind) for name, kind in zip(schema, types, strict=True)]
        self._type = StructType([*fields, StructField(_ROW, LongType())])
        has_vectors = any(VECTOR in column.type for column in schema.values())
        self._arrow_schema = None if has_vectors else to_arrow_schema(self._type)

    def frame(self, rows: Sequence[Row]) -> Any:
        """Of these rows, numbered."""
        if self._arrow_schema is None:
            tuples = [(*(_to_spark(row[name]) for name in self._names[:-1]), number) for number, row in enumerate(rows)]
            return self._session.createDataFrame(tuples, self._type, verifySchema=False)
        import pyarrow as pa

        numbered = [{**row, _ROW: number} for number, row in enumerate(rows)]
        return self._session.createDataFrame(pa.Table.from_pylist(numbered, self._arrow_schema), self._type)


def _let_import_from(folder: Path) -> None:
    """Here, and in the Python processes that Spark starts for functions of the user's own."""
    path = str(folder.resolve())
    if path not in sys.path:
        sys.path.insert(0, path)
    others = os.environ.get("PYTHONPATH", "")
    if path not in others.split(os.pathsep):
        os.environ["PYTHONPATH"] = f"{path}{os.pathsep}{others}" if others else path


def _loaded(path: Path, spark_class: str) -> Any:
    """What was saved at `path`: a pipeline, or a stage alone."""
    from pyspark.ml import PipelineModel
    from pyspark.ml.util import DefaultParamsReader

    if spark_class.rpartition(".")[2] == "PipelineModel":
        return PipelineModel.load(path.resolve().as_uri())
    return DefaultParamsReader.loadParamsInstance(path.resolve().as_uri(), local_session())


def _looks_at_single_rows(plan: Any) -> bool:
    if plan.nodeName() not in _ROW_BY_ROW_PLANS or not plan.subqueries().isEmpty():
        return False
    children = plan.children()
    return all(_looks_at_single_rows(children.apply(index)) for index in range(children.size()))


# --- values -----------------------------------------------------------------------------------------------------------


def _plain_row(schema: Schema) -> Row:
    return {name: _plain_value(column.type) for name, column in schema.items()}


def _plain_value(column_type: str) -> Any:
    """Some value of a type."""
    if column_type.startswith("array<"):
        return []
    if column_type.startswith("decimal"):
        return Decimal(0)
    return {STRING: "", BOOLEAN: False, VECTOR: DenseVector([0.0]), DOUBLE: 0.0, FLOAT: 0.0, VOID: None}.get(
        column_type, 0
    )


def _to_spark(value: Any) -> Any:
    from pyspark.ml import linalg

    if isinstance(value, DenseVector):
        return linalg.DenseVector(value.values)
    if isinstance(value, SparseVector):
        return linalg.SparseVector(value.size, value.indices, value.values)
    return [_to_spark(one) for one in value] if isinstance(value, list) else value


def _converter(kind: Any) -> Callable[[Any], Any] | None:
    """How values of Spark's type become what answers are made of; None: they are."""
    from pyspark.sql import types

    if isinstance(kind, types.NumericType | types.StringType | types.BooleanType | types.NullType):
        return None
    return _from_spark


def _from_spark(value: Any) -> Any:
    from pyspark.ml import linalg
    from pyspark.sql import Row as SparkRow

    if isinstance(value, linalg.DenseVector):
        return DenseVector(value.values.tolist())
    if isinstance(value, linalg.SparseVector):
        return SparseVector(int(value.size), value.indices.tolist(), value.values.tolist())
    if isinstance(value, linalg.Matrix):
        return value.toArray().tolist()
    if isinstance(value, SparkRow):
        value = value.asDict()
    if isinstance(value, dict):
        return {str(name): _from_spark(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_from_spark(one) for one in value]
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else value


def _reason(error: Exception) -> str:
    """Why Spark fails, in one line: what the first cause says, without the calls that led to it."""
    from pyspark.errors import PythonException

    java_error = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    if java_error is None or isinstance(error, PythonException):
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        text = (lines[-1] if isinstance(error, PythonException) else lines[0]) if lines else ""
        return (text or type(error).__name__)[:_MAX_REASON]
    while (cause := java_error.getCause()) is not None:
        java_error = cause
    lines = (java_error.getMessage() or java_error.toString()).strip().splitlines()
    return lines[0][:_MAX_REASON] if lines else type(error).__name__
