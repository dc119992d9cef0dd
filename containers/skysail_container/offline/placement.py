"""Where a model runs: in Spark's workers, or beside the session if only Spark itself can score it.

A worker cannot have a session. So the rows of such a pipeline come to the driver, a batch at a time, and are scored by
the loader that containers use, in the session that is there.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from skysail_container.errors import ModelLoadError
from skysail_container.manifest import Manifest
from skysail_container.spark import UnsupportedStageError, load_pipeline
from skysail_container.spark.custom_stages import import_custom_stages

__all__ = ["Work", "is_for_driver", "outcomes"]

Work = Callable[[Iterator[Any]], Iterator[Any]]
"""Record batches of the input in, record batches of what is found out; as mapInArrow wants it."""


def is_for_driver(folder: Path, manifest: Manifest) -> bool:
    """Whether it is a pipeline that only Spark can score."""
    if manifest.framework != "spark":
        return False
    try:
        import_custom_stages(folder)
        load_pipeline(manifest.location(folder))
    except UnsupportedStageError:
        return True
    except ModelLoadError:  # the loader says it better
        return False
    return False


def outcomes(frame: Any, work: Work, columns: str, *, on_driver: bool) -> Iterator[Mapping[str, Any]]:
    """What `work` finds, one row after the other.

    :param columns: names and types of what it finds, as Spark writes them.
    """
    if not on_driver:
        for row in frame.mapInArrow(work, columns).collect():
            yield row.asDict()
        return
    for found in work(_brought(frame)):
        yield from found.to_pylist()


def _brought(frame: Any) -> Iterator[Any]:
    for row in frame.mapInArrow(_packed, "batch binary").toLocalIterator():
        with pa.ipc.open_stream(bytes(row.batch)) as stream:
            yield from stream


def _packed(batches: Iterator[Any]) -> Iterator[Any]:
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        yield pa.record_batch({"batch": pa.array([sink.getvalue().to_pybytes()], pa.binary())})
