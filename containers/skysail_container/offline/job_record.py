"""What a job keeps of itself beside its output, so that a second run goes on where the first one stopped."""

import base64
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import pyarrow as pa

from skysail_container.errors import OfflineJobError
from skysail_container.offline.places import DONE, PREPARED
from skysail_container.offline.storage import Storage

__all__ = ["DoneChunk", "JobRecord", "checked", "done_chunks", "finished", "opened", "read_record", "write_record"]

_RECORD = "_skysail/job.json"
_FORMAT = 1

State = Literal["running", "committing", "done"]


@dataclass(frozen=True)
class DoneChunk:
    """A chunk whose file is whole."""

    name: str
    n_rows: int
    n_errors: int


@dataclass(frozen=True)
class JobRecord:
    """`facts` are what has to be the same for another run to go on; `pinned` what it takes over from the first."""

    facts: dict[str, Any]
    pinned: dict[str, str]
    output_type: str
    state: State = "running"

    @property
    def type(self) -> pa.DataType:
        return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(self.output_type))).field(0).type

    @staticmethod
    def described(kind: pa.DataType) -> str:
        return base64.b64encode(pa.schema([("output", kind)]).serialize().to_pybytes()).decode("ascii")


def read_record(storage: Storage) -> JobRecord | None:
    """
    :raises OfflineJobError: what is there is no record that this version can read.
    """
    text = storage.read(_RECORD)
    if text is None:
        return None
    try:
        values = json.loads(text)
        found = JobRecord(**{name: value for name, value in values.items() if name != "format"})
    except (ValueError, TypeError, AttributeError) as error:
        raise OfflineJobError(
            "exists", f"{storage.uri}/{_RECORD} is no record of a job ({error}): say --overwrite, or another --output"
        ) from error
    if values.get("format") != _FORMAT:
        raise OfflineJobError("exists", f"{storage.uri}/{_RECORD} is of another version of Skysail: say --overwrite")
    return found


def write_record(storage: Storage, record: JobRecord) -> None:
    text = json.dumps({"format": _FORMAT, **asdict(record)}, indent=2).encode()
    storage.write(_RECORD, lambda stream: stream.write(text))


def opened(storage: Storage, *, overwrite: bool) -> JobRecord | None:
    """The record of the job to go on with; None: the folder is empty, or now it is.

    :raises OfflineJobError: a finished job's output is there, or something else's.
    """
    names = storage.names()
    if not names:
        return None
    is_job = "_skysail" in names
    if not is_job:
        raise OfflineJobError(
            "exists", f"{storage.uri} holds files that no job of skysail batch wrote: choose another --output"
        )
    if overwrite:
        storage.empty()
        return None
    record = read_record(storage)
    if record is not None and record.state == "done":
        raise OfflineJobError(
            "exists", f"{storage.uri} holds the output of a finished job: say --overwrite, or another --output"
        )
    if record is None and any(not name.startswith("_") for name in names):
        raise OfflineJobError("exists", f"{storage.uri} holds chunks without a record: say --overwrite")
    return record


def checked(storage: Storage, record: JobRecord, facts: dict[str, Any]) -> JobRecord:
    """
    :raises OfflineJobError: the unfinished job in the folder is another one.
    """
    other = [name for name, value in facts.items() if record.facts.get(name) != value]
    if other:
        raise OfflineJobError(
            "exists",
            f"{storage.uri} holds an unfinished job with another {', another '.join(other)}: "
            "run that one again, or say --overwrite",
        )
    return record


def done_chunks(storage: Storage) -> dict[str, DoneChunk]:
    """By name, the chunks that are done."""
    found = {}
    for entry in storage.names(DONE):
        name, n_rows, n_errors = entry.rsplit(".", 2)
        found[name] = DoneChunk(name, int(n_rows), int(n_errors))
    return found


def finished(storage: Storage, record: JobRecord) -> None:
    """The job is done: what was only needed to go on is removed."""
    write_record(storage, replace(record, state="done"))
    storage.write("_SUCCESS", lambda stream: None)
    for folder in (DONE, PREPARED, "_skysail/drafts"):
        storage.remove_folder(folder)
