"""The check of a model that is loaded and not yet served: its validation rows, through the very path of a batch."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skysail_container.batch_execution import run_batch
from skysail_container.batch_output import Outputs, check_outputs
from skysail_container.errors import ManifestError, ModelLoadError, ValidationError
from skysail_container.input_schema import parsed_schema
from skysail_container.input_types import InputType
from skysail_container.load_report import report
from skysail_container.manifest import Manifest
from skysail_container.model import Model, ModelInput
from skysail_container.output_values import difference, json_type, json_values, non_finite
from skysail_container.validation_rows import ValidationRow, ValidationRows, read_validation_rows
from skysail_container.warm_up import rows_of_json
from skysail_container.wire import Rows

__all__ = ["MAX_LISTED", "check_model", "wire_rows"]

MAX_LISTED = 10
"""Differences that are listed; the rest is counted."""

BATCH_ROWS = 64

_log = logging.getLogger(__name__)


def check_model(model: Model, folder: Path, manifest: Manifest, input_type: InputType) -> ValidationRows | None:
    """Runs the validation rows of `folder` through `model`; the rows, or None when it has none.

    Every output has to be within the tolerance of the expected one; where none is expected, to be finite and of one
    JSON type for all rows.

    :raises ModelLoadError: the file cannot be read; its rows are not of the input type or do not fit the manifest's
        schema.
    :raises ValidationError: the model fails on a row or answers otherwise. What the model raised is its cause.
    """
    validation = read_validation_rows(folder, manifest, input_type)
    if validation is None:
        return None
    _check_schema(validation, manifest)
    recorded = _Recorded(model)
    differences: list[str] = []
    for start in range(0, len(validation.rows), BATCH_ROWS):
        rows = validation.rows[start : start + BATCH_ROWS]
        differences += _differences(recorded, rows, wire_rows(validation, rows, input_type), validation.tolerance)
    differences += _mixed_types(recorded.types)
    if differences:
        raise ValidationError(validation.file, len(validation.rows), differences, MAX_LISTED) from recorded.error
    n_expected = sum(row.is_expected for row in validation.rows)
    text = f"{len(validation.rows)} rows of {validation.file} passed, {n_expected} of them with expected outputs"
    _log.info("%s", text)
    report.note(text)
    return validation


def wire_rows(validation: ValidationRows, rows: Sequence[ValidationRow], input_type: InputType) -> Rows:
    """`rows` as a batch would bring them.

    :raises ModelLoadError: they are not of the input type.
    """
    try:
        return rows_of_json([row.value for row in rows], input_type)
    except ManifestError as together:
        for row in rows:
            try:
                rows_of_json([row.value], input_type)
            except ManifestError as alone:
                raise ModelLoadError(f"{validation.file}, {row.place}: {alone.problem}") from None
        raise ModelLoadError(f"{validation.file}: {together.problem}") from None


def _check_schema(validation: ValidationRows, manifest: Manifest) -> None:
    if manifest.input_schema is None:
        return
    schema = parsed_schema(manifest.input_schema)
    for row in validation.rows:
        if text := schema.misfit(row.value):
            raise ModelLoadError(
                f"{validation.file}, {row.place} does not fit the manifest's input_schema: {text}. Leave input_schema "
                "out of skysail.json to have it derived from the rows"
            )


class _Recorded:
    """A model of which is kept what it raised first, what it last returned, and the types of its outputs."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.error: BaseException | None = None
        self.outputs: Outputs = []
        self.n_calls = 0
        self.types: dict[str, str] = {}
        """By JSON type the place of the first row whose output had it, of rows without an expected one."""

    def predict(self, rows: ModelInput) -> object:
        self.n_calls += 1
        try:
            self.outputs = check_outputs(self._model.predict(rows), len(rows))
        except BaseException as error:
            self.error = self.error or error
            raise
        return self.outputs

    def example_rows(self, input_type: InputType) -> Rows | None:
        return self._model.example_rows(input_type)


def _differences(model: _Recorded, rows: Sequence[ValidationRow], batch: Rows, tolerance: float) -> Iterator[str]:
    model.n_calls = 0
    output = run_batch(model, batch, lambda: True)
    errors = output.errors or {}
    values = json_values(output.rows)
    # On the way into an object NaN becomes null; unless the batch was split, what the model returned still tells.
    returned = model.outputs if model.n_calls == 1 and not errors else values
    for index, row in enumerate(rows):
        if index in errors:
            yield f"{row.place}: {errors[index]}"
        elif row.is_expected:
            if text := difference(row.expected, values[index], tolerance):
                yield f"{row.place}, {text}"
        elif text := _non_finite(returned[index]):
            yield f"{row.place}, {text}: a finite value is expected"
        else:
            model.types.setdefault(json_type(values[index]), row.place)


def _non_finite(output: Any) -> str | None:
    if isinstance(output, np.ndarray | np.generic):
        output = output.tolist()
    return non_finite(output)


def _mixed_types(places: Mapping[str, str]) -> list[str]:
    if len(places) < 2:
        return []
    (first_type, first), (other_type, other) = list(places.items())[:2]
    return [f"{other}: the output is of type {other_type}, that of {first} is of type {first_type}"]
