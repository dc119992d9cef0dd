"""One offline job from its arguments to its outcome: what Spark runs, and what is written around it."""

import hashlib
import json
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

from skysail_container.errors import ModelLoadError, OfflineJobError
from skysail_container.loading import agreed_input_type
from skysail_container.manifest import MANIFEST_FILE, MODEL_MODULE_FILE, Manifest, read_manifest
from skysail_container.offline.feature_rows import feature_rows
from skysail_container.offline.job_record import (
    JobRecord,
    checked,
    done_chunks,
    finished,
    opened,
    write_record,
)
from skysail_container.offline.output_type import output_type
from skysail_container.offline.placement import is_for_driver, outcomes
from skysail_container.offline.session import first_line, spark_session
from skysail_container.offline.settings import JobSettings
from skysail_container.offline.source import (
    column_types,
    files_digest,
    needs_preparation,
    prepared,
    read_source,
    with_splits,
)
from skysail_container.offline.storage import Storage, as_uri
from skysail_container.offline.worker import CHUNKS_TYPE, ChunkScorer, ModelSource, Probe, Scorer

__all__ = ["JobOutcome", "Say", "model_at_hand", "run_job", "scorer_of", "spark_failure"]

Say = Callable[[str], object]
"""Takes one line for whoever waits."""

PROBE_ROWS = 256
"""Rows whose outputs tell the type of the output column."""

PROGRESS_S = 2.0

_ARCHIVE = "skysail-model"

_SPLITTING = ("spark.sql.files.maxPartitionBytes", "spark.sql.files.minPartitionNum", "spark.sql.files.openCostInBytes")
"""Where Spark splits files; a second run has to split them as the first one did."""


@dataclass(frozen=True)
class JobOutcome:
    """What a job that is done has to tell."""

    output: str
    n_rows: int
    n_errors: int
    n_chunks: int
    n_chunks_done_before: int
    seconds: float
    columns: tuple[str, ...]
    """The feature columns."""
    output_type: str


def run_job(settings: JobSettings, say: Say) -> JobOutcome:
    """Scores the input, as far as no earlier run did, and writes the predictions.

    :raises OfflineJobError: it cannot start, or Spark fails.
    """
    started_s = time.monotonic()
    storage = Storage(as_uri(settings.output or ""))
    record = opened(storage, overwrite=settings.overwrite)
    with model_at_hand(settings) as manifest:
        say("starting Spark")
        with spark_session(settings) as session:
            _check_table(session, settings, record)
            _pin(session, record)
            frame = _frame(session, settings, storage)
            scorer = scorer_of(session, settings, frame, manifest)
            on_driver = is_for_driver(scorer.source.folder(), manifest)
            if on_driver:
                say("only Spark itself can score this pipeline: its rows come to the driver")
            facts = _facts(settings, frame, scorer)
            if record is None:
                found = _probed(frame, scorer, say, on_driver=on_driver)
                record = JobRecord(facts, _pinned(session), JobRecord.described(found))
                write_record(storage, record)
            else:
                record = checked(storage, record, facts)
            before = done_chunks(storage)
            if before:
                say(f"going on: {sum(chunk.n_rows for chunk in before.values()):,} rows were done before")
            work = _work(scorer, settings, storage, record)
            n_chunks, n_rows, n_errors = _scored(frame, work, storage, say, on_driver=on_driver)
            n_errors += sum(chunk.n_errors for chunk in before.values())
            _save_table(session, settings, storage, record)
        finished(storage, record)
        seconds = time.monotonic() - started_s
        kind = str(record.type)
        columns = scorer.features.columns
        return JobOutcome(storage.uri, n_rows, n_errors, n_chunks, len(before), round(seconds, 3), columns, kind)


@contextmanager
def model_at_hand(settings: JobSettings) -> Iterator[Manifest]:
    """The manifest of the version's folder or archive.

    :raises OfflineJobError: there is no model.
    """
    try:
        if not zipfile.is_zipfile(settings.model):
            yield read_manifest(Path(settings.model))
            return
        with tempfile.TemporaryDirectory(prefix="skysail-batch-") as name, zipfile.ZipFile(settings.model) as archive:
            for file in {MANIFEST_FILE, MODEL_MODULE_FILE} & set(archive.namelist()):
                archive.extract(file, name)
            yield read_manifest(Path(name))
    except ModelLoadError as error:
        raise OfflineJobError("model", str(error)) from error


def scorer_of(session: Any, settings: JobSettings, frame: Any, manifest: Manifest) -> Scorer:
    """What scores the rows of the frame on the session's workers.

    :raises OfflineJobError: the frame's columns are not what the version takes.
    """
    input_type = agreed_input_type(settings.input_type, manifest)
    types = column_types(frame)
    for option, name in (("--output-column", settings.output_column), ("--error-column", settings.error_column)):
        if name in types and settings.url is None:
            raise OfflineJobError("invalid", f"the input has a column {name!r} already: name another by {option}")
    features = feature_rows(types, settings.columns, manifest, input_type)
    if not zipfile.is_zipfile(settings.model):
        return Scorer(ModelSource(str(Path(settings.model).absolute())), features, settings.batch_rows)
    session.sparkContext.addArchive(f"{Path(settings.model).absolute()}#{_ARCHIVE}")
    return Scorer(ModelSource(_ARCHIVE, is_archive=True), features, settings.batch_rows)


def spark_failure(error: Exception) -> OfflineJobError:
    """What a failed action comes down to: a worker's own error, if Spark passes one on."""
    lines = [line.strip() for line in str(error).splitlines()]
    for kind in ("OfflineJobError: ", "ModelLoadError: "):
        for line in lines:
            if kind in line:
                return OfflineJobError("failed", line.partition(kind)[2])
    return OfflineJobError("failed", f"Spark failed: {first_line(error)}")


# --- before -----------------------------------------------------------------------------------------------------------


def _check_table(session: Any, settings: JobSettings, record: JobRecord | None) -> None:
    table = settings.output_table
    if table is None:
        return
    if session.conf.get("spark.sql.catalogImplementation") == "in-memory" and table.count(".") < 2:
        raise OfflineJobError(
            "invalid",
            "this session's catalog forgets its tables when the job ends: --conf spark.sql.catalogImplementation=hive "
            "has it keep them, or name a table of another catalog",
        )
    is_own = record is not None and record.state == "committing"
    if session.catalog.tableExists(table) and not settings.overwrite and not is_own:
        raise OfflineJobError("exists", f"table {table} exists: say --overwrite, or another --output-table")


def _pin(session: Any, record: JobRecord | None) -> None:
    pinned = record.pinned if record is not None else {_SPLITTING[1]: str(session.sparkContext.defaultParallelism)}
    for key, value in pinned.items():
        session.conf.set(key, value)


def _pinned(session: Any) -> dict[str, str]:
    return {key: str(session.conf.get(key)) for key in _SPLITTING}


def _frame(session: Any, settings: JobSettings, storage: Storage) -> Any:
    return prepared(session, settings, storage) if needs_preparation(settings) else read_source(session, settings)


def _facts(settings: JobSettings, frame: Any, scorer: Scorer) -> dict[str, Any]:
    given = {
        "input": [as_uri(path) for path in settings.input] or settings.sql,
        "version": settings.name,
        "model": _model_digest(Path(settings.model)),
        "columns": list(scorer.features.columns),
        "input type": scorer.features.input_type,
        "schema": frame.dtypes,
        "output format": settings.output_format,
        "output table": settings.output_table,
        "output column": settings.output_column,
        "error column": settings.error_column,
        "number of rows in a chunk": settings.chunk_rows,
        "number of partitions": settings.partitions,
    }
    if not needs_preparation(settings):
        given["content of the input"] = files_digest(frame.inputFiles())
    facts: dict[str, Any] = json.loads(json.dumps(given))
    return facts


def _model_digest(model: Path) -> str:
    """Of the files' names and sizes and of the manifest: a version never changes, a folder of one's own may."""
    if model.is_file():
        with model.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for path in sorted(path for path in model.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        digest.update(f"{path.relative_to(model)}:{path.stat().st_size}\n".encode())
    return digest.hexdigest()


def _probed(frame: Any, scorer: Scorer, say: Say, *, on_driver: bool) -> Any:
    say("trying the first rows")
    try:
        rows = list(outcomes(frame.limit(PROBE_ROWS), Probe(scorer), "outcome string", on_driver=on_driver))
    except Exception as error:  # as in _scored
        raise spark_failure(error) from error
    found = [json.loads(row["outcome"]) for row in rows]
    for outcome in found:
        if "load_error" in outcome:
            raise OfflineJobError("model", outcome["load_error"])
    outputs = [output for outcome in found for output in outcome["outputs"]]
    errors = [text for outcome in found for text in outcome["errors"]]
    if errors and not outputs:
        say(f"note: each of the first {len(errors)} rows fails; the first one: {errors[0]}")
    return output_type(outputs)


# --- the work ---------------------------------------------------------------------------------------------------------


def _work(scorer: Scorer, settings: JobSettings, storage: Storage, record: JobRecord) -> ChunkScorer:
    return ChunkScorer(
        scorer,
        storage,
        settings.output_format,
        record.type,
        settings.output_column,
        settings.error_column,
        settings.chunk_rows,
        frozenset(done_chunks(storage)),
    )


def _scored(frame: Any, work: ChunkScorer, storage: Storage, say: Say, *, on_driver: bool) -> tuple[int, int, int]:
    """Numbers of chunks and rows in all, and of errors in the chunks of this run."""
    n_chunks = n_rows = n_errors = 0
    try:
        with _progress(storage, say):
            for chunk in outcomes(with_splits(frame), work, CHUNKS_TYPE, on_driver=on_driver):
                n_chunks, n_rows, n_errors = n_chunks + 1, n_rows + chunk["n_rows"], n_errors + chunk["n_errors"]
    except OfflineJobError:
        raise
    except Exception as error:  # py4j's, Spark's own or a worker's
        raise spark_failure(error) from error
    if not n_chunks:
        say("note: the input has no rows")
    return n_chunks, n_rows, n_errors


@contextmanager
def _progress(storage: Storage, say: Say) -> Iterator[None]:
    """Says now and then how many rows are done."""
    is_over = Event()

    def watch() -> None:
        started_s, n_before, n_said, pause_s = time.monotonic(), _n_done(storage)[0], -1, PROGRESS_S
        while not is_over.wait(pause_s):
            looked_s = time.monotonic()
            n_rows, n_errors = _n_done(storage)
            now_s = time.monotonic()
            pause_s = max(PROGRESS_S, 20 * (now_s - looked_s))  # a long list of chunks takes long to read
            if n_rows != n_said:
                rate = (n_rows - n_before) / (now_s - started_s)
                say(f"{n_rows:,} rows done, {n_errors:,} errors, {rate:,.0f} rows/s")
                n_said = n_rows

    watcher = Thread(target=watch, name="progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def _n_done(storage: Storage) -> tuple[int, int]:
    chunks = done_chunks(storage).values()
    return sum(chunk.n_rows for chunk in chunks), sum(chunk.n_errors for chunk in chunks)


def _save_table(session: Any, settings: JobSettings, storage: Storage, record: JobRecord) -> None:
    """From the first line of this on, the table is this job's and may be written again."""
    if settings.output_table is None:
        return
    write_record(storage, replace(record, state="committing"))
    try:
        session.read.parquet(storage.uri).write.mode("overwrite").saveAsTable(settings.output_table)
    except Exception as error:  # as in _scored
        raise spark_failure(error) from error
