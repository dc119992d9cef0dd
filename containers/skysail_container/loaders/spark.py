"""Saved Spark pipelines and MLeap bundles, scored without Spark."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from skysail_container.errors import ManifestError, ModelLoadError, RowRefusedError, UnusableRowsError
from skysail_container.input_types import InputType
from skysail_container.load_report import report
from skysail_container.loaders.spark_fallback import PySparkPipeline, PySparkScorer, served_by
from skysail_container.manifest import Manifest
from skysail_container.model import Model, ModelInput
from skysail_container.spark import (
    Pipeline,
    RowDropped,
    RowFault,
    Schema,
    Scorer,
    StageError,
    UnsupportedStageError,
    load_pipeline,
)
from skysail_container.spark.answer_columns import Answers, answer_columns, leaf_folders
from skysail_container.spark.custom_stages import import_custom_stages
from skysail_container.spark.mleap import is_bundle
from skysail_container.spark.stage import Row
from skysail_container.spark.typed_rows import TypedRows, record_schema, spark_type
from skysail_container.wire import Rows

__all__ = ["SparkModel", "load"]

_MAX_BINDINGS = 16


class _Binding(NamedTuple):
    """A pipeline for rows of one schema: what makes them, what scores them, what is answered."""

    rows: TypedRows
    scorer: Scorer | PySparkScorer
    answers: Answers


class SparkModel:
    """A pipeline for rows of one schema. A row that does not fit, or that Spark drops or fails on, fails alone."""

    def __init__(self, binding: _Binding) -> None:
        self._binding = binding

    def predict(self, rows: ModelInput) -> object:
        return _answered(self._binding, rows)

    def example_rows(self, input_type: InputType) -> Rows | None:
        return None


class UntypedSparkModel:
    """A pipeline of which nobody said what types its columns have: each row shows its own."""

    def __init__(self, pipeline: Pipeline | PySparkPipeline, path: Path, outputs: tuple[str, ...]) -> None:
        self._pipeline = pipeline
        self._path = path
        self._outputs = outputs
        self._bindings: dict[tuple[tuple[str, str], ...], _Binding] = {}

    def predict(self, rows: ModelInput) -> object:
        answers: list[Any] = []
        for row in rows:
            try:
                answers += _answered(self._of(row), [row])
            except (StageError, UnusableRowsError, ManifestError) as error:
                answers.append(error)
        return answers

    def example_rows(self, input_type: InputType) -> Rows | None:
        return None

    def _of(self, row: Any) -> _Binding:
        if not isinstance(row, dict):
            raise UnusableRowsError("an object with the pipeline's columns is expected")
        schema = record_schema(row)
        key = tuple([(name, column.type) for name, column in schema.items()])
        found = self._bindings.get(key)
        if found is None:
            if len(self._bindings) >= _MAX_BINDINGS:
                self._bindings.clear()
            found = self._bindings[key] = _bound(self._pipeline, schema, self._path, self._outputs)
        return found


def load(folder: Path, manifest: Manifest) -> Model:
    """The pipeline that `PipelineModel.save` wrote, or the MLeap bundle, that the manifest names.

    A `stages.py` beside the manifest is imported first: it may define stages of the user's own. PySpark serves what the
    native scorer does not know.

    :raises ManifestError: its `spark_schema` has a type that rows cannot have, or there is no such output.
    :raises StageError: it is damaged, or does not take the columns of the schema; or `stages.py` fails.
    :raises UnsupportedStageError: it has a stage that is not known, and PySpark cannot serve it either.
    """
    path = manifest.location(folder)
    import_custom_stages(folder)
    try:
        model = _model(load_pipeline(path), path, manifest)
        report.served_by = f"native Spark scorer, {_counted(path)}"
    except UnsupportedStageError as error:
        if is_bundle(path):
            raise
        model = _model(_by_pyspark(error, path, folder, manifest), path, manifest)
        report.served_by = f"{served_by()}, {_counted(path)}"
        report.note(f"PySpark serves it, in tens of milliseconds a batch, since the native scorer cannot: {error}")
    return model


def _by_pyspark(error: UnsupportedStageError, path: Path, folder: Path, manifest: Manifest) -> PySparkPipeline:
    try:
        return PySparkPipeline(path, folder, manifest.threads)
    except ModelLoadError as second:
        raise UnsupportedStageError(
            error.stage, f"{error.reason}; nor can PySpark serve it here: {second}", column=error.column
        ) from second


def _model(pipeline: Pipeline | PySparkPipeline, path: Path, manifest: Manifest) -> Model:
    if manifest.spark_schema is None:
        report.note(
            "the manifest has no spark_schema, so each row's own values tell the types of its columns; give validation "
            "rows, or deploy from a Spark session with examples"
        )
        return UntypedSparkModel(pipeline, path, manifest.outputs)
    return SparkModel(_bound(pipeline, _schema(manifest.spark_schema), path, manifest.outputs))


def _schema(types: Mapping[str, str]) -> Schema:
    return Schema({name: spark_type(column_type) for name, column_type in types.items()})


def _counted(path: Path) -> str:
    leaves = leaf_folders(path)
    if not leaves:
        return "an MLeap bundle"
    versions = {".".join(map(str, leaf.metadata.spark_version)) for leaf in leaves}
    stages = "1 stage" if len(leaves) == 1 else f"{len(leaves)} stages"
    return f"{stages} saved by Spark {', '.join(sorted(versions))}"


def _bound(pipeline: Pipeline | PySparkPipeline, schema: Schema, path: Path, outputs: tuple[str, ...]) -> _Binding:
    try:
        rows = TypedRows(schema)
    except ValueError as error:
        raise ManifestError("spark_schema", str(error)) from error
    scorer = pipeline.bind(schema)
    names = outputs or answer_columns(path, schema, scorer.output_schema)
    try:
        return _Binding(rows, scorer, Answers(names, scorer.output_schema))
    except ValueError as error:
        raise ManifestError("outputs", str(error)) from error


def _answered(binding: _Binding, rows: ModelInput) -> list[Any]:
    typed = [_typed(binding.rows, row) for row in rows]
    outcomes = iter(binding.scorer.score_rows([row for row in typed if not isinstance(row, UnusableRowsError)]))
    answers: list[Any] = []
    for row in typed:
        outcome = row if isinstance(row, UnusableRowsError) else next(outcomes)
        if isinstance(outcome, RowFault):
            answers.append(RowRefusedError(_told(outcome)))
        else:
            answers.append(outcome if isinstance(outcome, UnusableRowsError) else binding.answers.of(outcome))
    return answers


def _typed(rows: TypedRows, record: Any) -> Row | UnusableRowsError:
    try:
        return rows.row(record)
    except UnusableRowsError as error:
        return error


def _told(fault: RowFault) -> str:
    return f"Spark {'drops' if isinstance(fault, RowDropped) else 'fails on'} this row: {fault}"
