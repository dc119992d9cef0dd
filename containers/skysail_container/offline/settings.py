"""What one offline job is told: its arguments, parsed once."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from skysail_container.errors import OfflineJobError
from skysail_container.input_types import INPUT_TYPES, InputType

__all__ = ["FORMATS", "Format", "JobSettings", "format_of", "read_job_settings"]

Format = Literal["parquet", "csv", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)

_BY_SUFFIX: dict[str, Format] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}
_PACKED = (".gz", ".bz2", ".zst", ".lz4")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """Rows in (`input` or `sql`), a model, predictions out (`output`, `output_table`) or compared (`url`)."""

    model: str
    """The version's folder, or its archive, which is then brought to every worker."""

    name: str = "model"
    """What the job is called in Spark's own pages and in messages: MODEL:VERSION."""

    input: tuple[str, ...] = ()
    """Files or folders of one format: paths, or addresses that Spark can read."""

    sql: str | None = None
    """A query instead, over the tables that the session knows."""

    input_format: Format | None = None
    """None: what the first input's suffix says."""

    schema: str | None = None
    """The columns of CSV or JSON, as `name string, age int`; None: Spark looks at the values."""

    output: str | None = None
    """A folder that every worker can write to."""

    output_format: Format = "parquet"

    output_table: str | None = None
    """A table of the session's catalog, written at the end from the finished chunks in `output`."""

    overwrite: bool = False

    columns: tuple[str, ...] = ()
    """The feature columns in the model's order; empty: what the version says of its input, else all columns."""

    output_column: str = "prediction"
    error_column: str = "error"

    batch_rows: int = 512
    """Rows that the model is given at once."""

    chunk_rows: int = 10_000
    """Rows of one file of the output, the least that a restart does again."""

    partitions: int | None = None
    """Spread the rows anew over so many partitions first; None: as Spark splits the files."""

    input_type: InputType | None = None
    """None: the manifest's, or doubles when it names none."""

    master: str | None = None
    """Spark's master; None: what spark-submit says, else local[*]."""

    conf: tuple[str, ...] = ()
    """Spark's settings, each KEY=VALUE."""

    report: Path | None = None
    """Where the outcome is written as JSON."""

    url: str | None = None
    """Address of an application, without /predict: compare with its answers instead of writing any."""

    version: str | None = None
    """The version that the application is asked for."""

    tolerance: float = 0.0
    """How far numbers may be apart, absolute or relative to the greater one."""

    limit: int | None = None
    """Rows to compare at most."""


def format_of(path: str) -> Format:
    """What the suffix says, also of a packed file.

    :raises OfflineJobError: nothing that is known here.
    """
    plain = path.rstrip("/").lower()
    for suffix in _PACKED:
        plain = plain.removesuffix(suffix)
    for suffix, found in _BY_SUFFIX.items():
        if plain.endswith(suffix):
            return found
    raise OfflineJobError(
        "invalid", f"{path}: its name does not say which format it has; say --input-format {', '.join(FORMATS)}"
    )


def read_job_settings(arguments: Sequence[str]) -> JobSettings:
    """Bad arguments end the process with exit code 2 and a line that says what is wrong."""
    parser = _parser()
    values = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    settings = JobSettings(**values)
    if bool(settings.input) == (settings.sql is not None):
        parser.error("one of --input and --sql is needed")
    if settings.url is None and settings.output is None:
        parser.error(
            "--output is needed, a folder; with --output-table it holds what is done until the table is written"
        )
    if settings.url is not None and settings.version is None:
        parser.error("--url needs --version")
    if settings.output_table is not None and settings.output_format != "parquet":
        parser.error("--output-table is written from Parquet; leave --output-format out")
    if settings.output_column == settings.error_column:
        parser.error("--output-column and --error-column have to be different")
    return settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m skysail_container.offline",
        description="Scores a table with one model version, by PySpark, or compares it with what is answered online.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--model", required=True, help="folder or .zip with the version's files")
    add("--name", help="MODEL:VERSION, for messages")
    add("--input", action=_Collected, help="file or folder; may be repeated")
    add("--sql", help="a query instead of files")
    add("--input-format", choices=FORMATS, help="instead of the suffix's")
    add("--schema", help="columns and types of CSV or JSON")
    add("--output", help="folder for the predictions")
    add("--output-format", choices=FORMATS, help="parquet unless told")
    add("--output-table", help="a table to write at the end")
    add("--overwrite", action="store_true", default=None, help="replace an earlier job's output")
    add("--columns", type=_names, help="feature columns, in order, with commas between")
    add("--output-column", help="prediction unless told")
    add("--error-column", help="error unless told")
    add("--batch-rows", type=_positive, help="rows for the model at once (512)")
    add("--chunk-rows", type=_positive, help="rows of one output file (10,000)")
    add("--partitions", type=_positive, help="spread the rows over so many partitions first")
    add("--input-type", type=_input_type, help="the version's; the manifest's if left out")
    add("--master", help="Spark's master (local[*] outside spark-submit)")
    add("--conf", action=_Collected, type=_setting, help="KEY=VALUE for Spark; may be repeated")
    add("--report", type=Path, help="file for the outcome, as JSON")
    add("--url", help="an application's address: compare with its answers")
    add("--version", help="the version to ask it for")
    add("--tolerance", type=_tolerance, help="how far numbers may be apart (0)")
    add("--limit", type=_positive, help="rows to compare at most")
    return parser


class _Collected(argparse.Action):
    """Values of an option that may be repeated, as a tuple."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, (*(getattr(namespace, self.dest) or ()), values))


def _names(text: str) -> tuple[str, ...]:
    names = tuple([name.strip() for name in text.split(",")])
    if not all(names) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r}: different names with commas between are expected")
    return names


def _input_type(text: str) -> InputType:
    if text not in INPUT_TYPES:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(INPUT_TYPES)}")
    return text


def _setting(text: str) -> str:
    if not text.partition("=")[0] or "=" not in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return text


def _number(text: str, kind: Callable[[str], float]) -> float:
    try:
        return kind(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error


def _positive(text: str) -> int:
    number = int(_number(text, int))
    if number < 1:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return number


def _tolerance(text: str) -> float:
    number = _number(text, float)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError("it must be at least 0 and less than 1")
    return number
