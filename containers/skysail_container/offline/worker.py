"""What a Spark worker does: one model per process, chunks of rows through it, one file for each chunk.

Invariant: a chunk is told by where its rows stand in the input, so it has the same name and the same rows in every run;
it counts as done only after its file is whole, and is written again otherwise. So each row is in the output once.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from skysail_container.batch_execution import run_batch
from skysail_container.errors import ModelLoadError
from skysail_container.loaders.registry import load_model
from skysail_container.manifest import read_manifest
from skysail_container.model import Model
from skysail_container.offline.chunk_file import chunk_writer
from skysail_container.offline.feature_rows import FeatureRows
from skysail_container.offline.output_type import typed_outputs
from skysail_container.offline.places import DONE, SPLIT
from skysail_container.offline.settings import Format
from skysail_container.offline.storage import Storage
from skysail_container.output_values import json_values

__all__ = ["CHUNKS_TYPE", "ChunkScorer", "ModelSource", "Outcomes", "Probe", "Scorer"]

CHUNKS_TYPE = "chunk string, n_rows bigint, n_errors bigint"
_CHUNKS = pa.schema([("chunk", pa.string()), ("n_rows", pa.int64()), ("n_errors", pa.int64())])


@dataclass(frozen=True)
class ModelSource:
    """Where a worker finds the version's files. An archive that Spark brings is known to it by a name."""

    place: str
    is_archive: bool = False

    def folder(self) -> Path:
        if not self.is_archive:
            return Path(self.place)
        from pyspark.files import SparkFiles

        return Path(SparkFiles.get(self.place))


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> Model:
    """Once per process: Spark keeps its Python processes and gives them one task after the other."""
    return load_model(folder, read_manifest(folder))


@dataclass(frozen=True)
class Outcomes:
    """Of each row its output in the form of JSON, and by position why a row has none."""

    values: list[Any]
    errors: dict[int, str]


@dataclass(frozen=True)
class Scorer:
    """A version's model and how rows are made for it."""

    source: ModelSource
    features: FeatureRows
    batch_rows: int

    def outcomes(self, batch: Any) -> Outcomes:
        """Of a RecordBatch or Table.

        :raises ModelLoadError: the model cannot be loaded.
        """
        found = Outcomes([None] * batch.num_rows, {})
        for start in range(0, batch.num_rows, self.batch_rows):
            self._score(batch.slice(start, self.batch_rows), start, found)
        return found

    def _score(self, batch: Any, start: int, found: Outcomes) -> None:
        model = _loaded(self.source.folder())
        usable = self.features.usable(batch)
        found.errors.update({start + index: text for index, text in usable.errors.items()})
        if usable.rows is None:
            return
        output = run_batch(model, usable.rows, lambda: True)
        errors = output.errors or {}
        for index, value in enumerate(json_values(output.rows)):
            position = start + usable.positions[index]
            if index in errors:
                found.errors[position] = errors[index]
            else:
                found.values[position] = value


@dataclass(frozen=True)
class Probe:
    """For mapInArrow: the outputs of some rows as JSON texts, or why the model cannot be loaded."""

    scorer: Scorer

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            if batch.num_rows:
                yield pa.record_batch({"outcome": [json.dumps(self._outcome(batch))]})

    def _outcome(self, batch: Any) -> dict[str, Any]:
        try:
            found = self.scorer.outcomes(batch)
        except ModelLoadError as error:
            return {"load_error": str(error)}
        kept = [value for index, value in enumerate(found.values) if index not in found.errors]
        return {"outputs": kept, "errors": list(found.errors.values())}


@dataclass(frozen=True)
class ChunkScorer:
    """For mapInArrow: writes the chunks of a partition that are not done, and says of each how many rows it has."""

    scorer: Scorer
    storage: Storage
    format: Format
    output_type: pa.DataType
    output_column: str
    error_column: str
    chunk_rows: int
    done: frozenset[str]
    """Names of the chunks that an earlier run finished."""

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        for name, chunk in _chunks(batches, self.chunk_rows):
            n_errors = 0 if name in self.done else self._write(name, chunk)
            yield pa.record_batch([[name], [chunk.num_rows], [n_errors]], schema=_CHUNKS)

    def _write(self, name: str, chunk: Any) -> int:
        found = self.scorer.outcomes(chunk)
        outputs, misfits = typed_outputs(found.values, self.output_type)
        errors = misfits | found.errors
        texts = pa.array([errors.get(index) for index in range(chunk.num_rows)], pa.string())
        table = chunk.append_column(self.output_column, outputs).append_column(self.error_column, texts)
        self.storage.write(f"{name}.{self.format}", chunk_writer(table, self.format))
        self.storage.write(f"{DONE}/{name}.{chunk.num_rows}.{len(errors)}", lambda stream: None)
        return len(errors)


def _chunks(batches: Iterator[Any], chunk_rows: int) -> Iterator[tuple[str, Any]]:
    """Tables of at most so many rows, each of one part of the input, without the column that tells the parts."""
    split: int | None = None
    number = 0
    pending: list[Any] = []
    for batch in batches:
        for part_split, part in _parts(batch):
            if split is not None and part_split != split:
                if pending:
                    yield _name(split, number), pa.Table.from_batches(pending)
                number, pending = 0, []
            split = part_split
            while part.num_rows:
                room = chunk_rows - sum(one.num_rows for one in pending)
                pending.append(part.slice(0, room))
                part = part.slice(room)
                if sum(one.num_rows for one in pending) == chunk_rows:
                    yield _name(split, number), pa.Table.from_batches(pending)
                    number, pending = number + 1, []
    if pending and split is not None:
        yield _name(split, number), pa.Table.from_batches(pending)


def _parts(batch: Any) -> Iterator[tuple[int, Any]]:
    """The runs of rows from one part of the input."""
    if not batch.num_rows:
        return
    splits = np.asarray(batch.column(SPLIT))
    rest = batch.select([name for name in batch.schema.names if name != SPLIT])
    starts = [0, *(np.flatnonzero(np.diff(splits)) + 1).tolist(), batch.num_rows]
    for start, end in pairwise(starts):
        yield int(splits[start]), rest.slice(start, end - start)


def _name(split: int, number: int) -> str:
    return f"part-{split & 0xFFFFFFFFFFFFFFFF:016x}-{number:06d}"
