"""The sum of each row, which tells how long it took."""

from __future__ import annotations

from pathlib import Path

from benchmarks.own_time import OWN_TIME_FILE, timed

__all__ = ["predict"]

predict = timed(lambda rows: rows.sum(axis=1), Path(__file__).with_name(OWN_TIME_FILE))
