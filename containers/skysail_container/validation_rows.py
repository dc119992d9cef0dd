"""The validation file of a model folder: example rows, and the outputs expected for them.

`validation.jsonl`: one object per line, `{"input": row, "output": expected}`, the output optional; the first line may
be `{"tolerance": 1e-6}`. `validation.parquet`: one column per field, expected outputs in a column `output` or in
columns `output.<name>`. `validation.npz`: arrays by input name with the rows on the first axis, expected outputs as
`output` or `output.<name>`, optionally a single number `tolerance`.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from skysail_container.errors import ModelLoadError, SkysailContainerError
from skysail_container.exception_text import exception_text
from skysail_container.input_types import InputType
from skysail_container.json_output import to_json
from skysail_container.manifest import Manifest

__all__ = ["MAX_ROWS", "VALIDATION_FILES", "ValidationRow", "ValidationRows", "read_validation_rows"]

VALIDATION_FILES = ("validation.jsonl", "validation.parquet", "validation.npz")
"""Found by themselves, the first that is there."""

MAX_ROWS = 10_000
"""They are all run before the model takes traffic; more belong into an evaluation of the model, not into its start."""

OUTPUT = "output"
SOLE_FIELD = "input"


class _Missing:
    """Stands for an output that nobody wrote down; null is one that somebody did."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


@dataclass(frozen=True, slots=True)
class ValidationRow:
    """One row: `value` and `expected` (or MISSING) in the form of JSON; `place` says where it stands in the file."""

    place: str
    value: Any
    expected: Any = MISSING

    @property
    def is_expected(self) -> bool:
        """Whether the output of this row is known."""
        return self.expected is not MISSING


@dataclass(frozen=True, slots=True)
class ValidationRows:
    """All rows of a file, at least one; `tolerance` is how far outputs may be from the expected ones."""

    file: str
    rows: tuple[ValidationRow, ...]
    tolerance: float


def read_validation_rows(folder: Path, manifest: Manifest, input_type: InputType) -> ValidationRows | None:
    """The rows of the manifest's validation file, or of the one that `folder` has; None without any.

    :raises ModelLoadError: the file is missing, or is not what its name says; the text says where it is wrong.
    """
    path = _path(folder, manifest)
    if path is None:
        return None
    read = {".jsonl": _read_jsonl, ".parquet": _read_parquet, ".npz": _read_npz}.get(path.suffix)
    if read is None:
        raise ModelLoadError(f"{path.name}: validation rows stand in a .jsonl, .parquet or .npz file")
    try:
        rows, tolerance = read(path, is_object=input_type == "json")
    except SkysailContainerError:
        raise
    except ModuleNotFoundError as error:
        raise ModelLoadError(
            f"{path.name} needs the module {error.name!r}, which is not installed in this container: "
            "pip install 'skysail-container[dataframe]'"
        ) from error
    except Exception as error:  # the readers of foreign formats raise what they like
        raise ModelLoadError(f"{path.name} cannot be read: {exception_text(error)}") from error
    if not rows:
        raise ModelLoadError(f"{path.name} has no rows")
    if len(rows) > MAX_ROWS:
        raise ModelLoadError(f"{path.name} has {len(rows)} rows; at most {MAX_ROWS} can be checked at every start")
    return ValidationRows(path.name, tuple(rows), manifest.tolerance if tolerance is None else tolerance)


def _path(folder: Path, manifest: Manifest) -> Path | None:
    if manifest.validation is None:
        return next((folder / name for name in VALIDATION_FILES if (folder / name).is_file()), None)
    path = (folder / manifest.validation).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise ModelLoadError(f"the validation file {manifest.validation!r} is not in the model's folder")
    return path


_Read = tuple[list[ValidationRow], float | None]


def _checked_tolerance(path: Path, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value >= 0):
        raise ModelLoadError(f"{path.name}: the tolerance {value!r} is not a finite number of at least 0")
    return float(value)


# --- jsonl ------------------------------------------------------------------------------------------------------------


def _read_jsonl(path: Path, *, is_object: bool) -> _Read:
    rows: list[ValidationRow] = []
    tolerance = None
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            entry = _entry(path, number, line)
            if not rows and tolerance is None and entry.keys() == {"tolerance"}:
                tolerance = _checked_tolerance(path, entry["tolerance"])
                continue
            _check_keys(path, number, entry)
            place = f"row {len(rows) + 1} (line {number})"
            rows.append(ValidationRow(place, entry["input"], entry.get(OUTPUT, MISSING)))
    return rows, tolerance


def _entry(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ModelLoadError(f"{path.name}, line {number}: not JSON: {error}") from error
    if not isinstance(entry, dict):
        raise ModelLoadError(f'{path.name}, line {number}: an object with "input" is expected')
    return entry


def _check_keys(path: Path, number: int, entry: Mapping[str, Any]) -> None:
    unknown = sorted(entry.keys() - {"input", OUTPUT})
    if unknown:
        raise ModelLoadError(f'{path.name}, line {number}: {unknown[0]!r} is neither "input" nor "output"')
    if "input" not in entry:
        raise ModelLoadError(f'{path.name}, line {number}: "input" is missing')


# --- tables and arrays ------------------------------------------------------------------------------------------------


def _read_parquet(path: Path, *, is_object: bool) -> _Read:
    table = import_module("pyarrow.parquet").read_table(path)
    columns = {name: _plain(table.column(name).to_pylist()) for name in table.column_names}
    return _rows_of_columns(path, columns, is_object=is_object), None


def _read_npz(path: Path, *, is_object: bool) -> _Read:
    with np.load(path, allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    tolerance = None
    if "tolerance" in found and not found["tolerance"].ndim:
        tolerance = _checked_tolerance(path, found.pop("tolerance").item())
    for name, array in found.items():
        if not array.ndim:
            raise ModelLoadError(f"{path.name}: {name!r} is one value; the rows are expected on the first axis")
    columns = {name: _plain(array.tolist()) for name, array in found.items()}
    return _rows_of_columns(path, columns, is_object=is_object), tolerance


def _rows_of_columns(path: Path, columns: Mapping[str, list[Any]], *, is_object: bool) -> list[ValidationRow]:
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise ModelLoadError(f"{path.name}: its arrays have different numbers of rows")
    is_output = {name: name == OUTPUT or name.startswith(f"{OUTPUT}.") for name in columns}
    inputs = {name: values for name, values in columns.items() if not is_output[name]}
    outputs = {name: values for name, values in columns.items() if is_output[name]}
    if not inputs:
        raise ModelLoadError(f"{path.name} has no inputs")
    if OUTPUT in outputs and len(outputs) > 1:
        raise ModelLoadError(f"{path.name} has both 'output' and 'output.<name>'; one of them is expected")
    return [
        ValidationRow(f"row {index + 1}", _row(inputs, index, is_object=is_object), _expected(outputs, index))
        for index in range(lengths.pop())
    ]


def _row(inputs: Mapping[str, list[Any]], index: int, *, is_object: bool) -> Any:
    """An object; where rows are none, the sole column's value, or a list with one number per column.

    A sole array named `input` holds whole rows also where they may be objects.
    """
    values = {name: column[index] for name, column in inputs.items()}
    if is_object:
        return values[SOLE_FIELD] if values.keys() == {SOLE_FIELD} else values
    if len(values) == 1:
        (value,) = values.values()
        return value
    return list(values.values())


def _expected(outputs: Mapping[str, list[Any]], index: int) -> Any:
    if OUTPUT in outputs:
        return outputs[OUTPUT][index]
    return {name.partition(".")[2]: column[index] for name, column in outputs.items()} or MISSING


def _plain(value: Any) -> Any:
    """`value` in the form of JSON: NaN is null, bytes are base64."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if value is None or isinstance(value, str | int):
        return value
    return json.loads(to_json(value))
