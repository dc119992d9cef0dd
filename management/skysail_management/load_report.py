"""What a container had to tell of its model once it was ready: read from the file it was told to write."""

import logging
from pathlib import Path
from typing import Annotated

import msgspec

__all__ = ["LoadReport", "read_load_report"]

logger = logging.getLogger(__name__)

_MAX_FILE_BYTES = 65_536
_Text = Annotated[str, msgspec.Meta(max_length=500)]


class LoadReport(msgspec.Struct, frozen=True):
    """Sentences for the model's owner. The container is foreign code, so they are bounded."""

    served_by: _Text = ""
    notes: Annotated[tuple[_Text, ...], msgspec.Meta(max_length=20)] = ()


def read_load_report(path: Path) -> LoadReport | None:
    """The report in this file; None if there is none, or none that can be read. Blocks shortly."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_MAX_FILE_BYTES), type=LoadReport)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        logger.warning("the report %s is left out: %s", path, error)
        return None
