"""The model's own metrics as a file that management reads when it is scraped."""

import asyncio
import logging
from pathlib import Path

from skysail_container.metrics import exposition

__all__ = ["WRITE_EVERY_S", "MetricsFile"]

WRITE_EVERY_S = 5.0

_log = logging.getLogger(__name__)


class MetricsFile:
    """Writes the file every `WRITE_EVERY_S` while the model has metrics. Whoever reads it sees it whole or not at all.

    It lives in the event loop; a failure to write is logged once and tried again.
    """

    def __init__(self, path: Path | None) -> None:
        """:param path: None: nothing is written."""
        self._path = path
        self._timer: asyncio.TimerHandle | None = None
        self._has_failed = False

    def start(self) -> None:
        """Begins, with what there is already."""
        if self._path is None:
            return
        self._write(self._path)
        self._timer = asyncio.get_running_loop().call_later(WRITE_EVERY_S, self.start)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _write(self, path: Path) -> None:
        text = exposition()
        if text is None:
            return
        draft = path.with_name(f"{path.name}.draft")
        try:
            draft.write_bytes(text)
            draft.replace(path)
        except OSError as error:
            if not self._has_failed:
                _log.warning("the model's metrics cannot be written: %s", error)
            self._has_failed = True
