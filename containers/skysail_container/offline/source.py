"""The rows of a job as a Spark DataFrame that has the same rows in the same order in every run."""

import hashlib
from collections.abc import Sequence
from typing import Any

from skysail_container.errors import OfflineJobError
from skysail_container.offline.places import PREPARED, SPLIT
from skysail_container.offline.session import first_line
from skysail_container.offline.settings import Format, JobSettings, format_of
from skysail_container.offline.storage import Storage, as_uri, file_facts

__all__ = ["column_types", "files_digest", "needs_preparation", "prepared", "read_source", "with_splits"]

_CORRUPT = "_corrupt_record"


def needs_preparation(settings: JobSettings) -> bool:
    return settings.sql is not None or settings.partitions is not None


def read_source(session: Any, settings: JobSettings) -> Any:
    """The DataFrame of the files or the query.

    :raises OfflineJobError: there are none, or Spark cannot read them as what they are said to be.
    """
    try:
        if settings.sql is not None:
            return session.sql(settings.sql)
        kind = settings.input_format or format_of(settings.input[0])
        reader = session.read
        if settings.schema is not None and kind != "parquet":
            reader = reader.schema(settings.schema)
        elif kind == "csv":
            reader = reader.option("inferSchema", True)
        if kind == "csv":
            reader = reader.option("header", True)
        frame = reader.format(kind).load([as_uri(path) for path in settings.input])
    except OfflineJobError:
        raise
    except Exception as error:  # analysis errors, and whatever py4j brings of the JVM's
        raise _unreadable(settings, error) from error
    return _sound(frame, settings, kind)


def _sound(frame: Any, settings: JobSettings, kind: Format) -> Any:
    if frame.columns in ([], [_CORRUPT]):
        raise OfflineJobError(
            "invalid", f"{_named(settings)} holds no rows of {kind}: look at the file, or say another --input-format"
        )
    return frame


def _unreadable(settings: JobSettings, error: Exception) -> OfflineJobError:
    hint = "" if settings.sql is not None else "; --input-format says which format it has if it is another"
    return OfflineJobError("invalid", f"{_named(settings)} cannot be read: {first_line(error)}{hint}")


def _named(settings: JobSettings) -> str:
    return "the query" if settings.sql is not None else ", ".join(settings.input)


def column_types(frame: Any) -> dict[str, str]:
    """Name and Spark's name of the type of each column.

    :raises OfflineJobError: two columns have the same name.
    """
    types = dict(frame.dtypes)
    if len(types) < len(frame.dtypes):
        raise OfflineJobError("invalid", f"two columns have the same name: {', '.join(frame.columns)}")
    return types


def prepared(session: Any, settings: JobSettings, storage: Storage) -> Any:
    """The rows as files of the job's own, which are made unless an earlier run made them.

    :raises OfflineJobError: the input cannot be read, or the files cannot be written.
    """
    place = f"{storage.uri}/{PREPARED}"
    if "_SUCCESS" not in storage.names(PREPARED):
        frame = read_source(session, settings)
        column_types(frame)
        if settings.partitions is not None:
            frame = frame.repartition(settings.partitions)
        try:
            frame.write.mode("overwrite").parquet(place)
        except Exception as error:  # as in read_source; rows are read only now
            raise _unreadable(settings, error) from error
    return session.read.parquet(place)


def with_splits(frame: Any) -> Any:
    """The frame with a column that says which part of which file each row is from."""
    from pyspark.sql import functions

    place = functions.xxhash64("_metadata.file_path", "_metadata.file_block_start")
    return frame.select("*", place.alias(SPLIT))


def files_digest(uris: Sequence[str]) -> str:
    """Changes when a file is added, removed, or written again."""
    digest = hashlib.sha256()
    for uri in sorted(uris):
        digest.update(repr(file_facts(uri)).encode())
    return digest.hexdigest()
