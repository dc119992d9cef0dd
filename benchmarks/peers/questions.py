"""What the contestants are asked: rows of the model's data, made unlike each other by a number in the first double."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np

from benchmarks.peers.compared_models import ComparedModel
from benchmarks.peers.forms import Form, request_body

__all__ = ["Questions"]

N_DIGITS = 10
FIRST_NUMBER = 9_000_000_000
"""Beyond the numbers that wrk writes (`benchmarks/queries.lua`)."""


class Questions:
    """The queries of one model. No two that it gives are equal, and none is equal to one of wrk's."""

    def __init__(self, model: ComparedModel) -> None:
        self._model = model
        self._n_rows, self._n_doubles = model.rows.shape
        self._tails = ["," + json.dumps(row, separators=(",", ":"))[1:] for row in model.rows[:, 1:].tolist()]
        self._numbers = itertools.count(FIRST_NUMBER)

    def write_pool(self, path: Path, form: Form) -> Path:
        """A body per line, with zeros where wrk writes the number. Returns `path`."""
        lines = [self._body(form, index, "0" * N_DIGITS) + "\n" for index in range(self._n_rows)]
        path.write_text("".join(lines))
        return path

    def ask(self, n: int, form: Form) -> list[tuple[str, object]]:
        """`n` request bodies with the model's own outputs."""
        numbers = list(itertools.islice(self._numbers, n))
        indices = [number % self._n_rows for number in numbers]
        rows = self._model.rows[indices]
        digits = [f"{number:0{N_DIGITS}}" for number in numbers]
        rows[:, 0] = [float(self._model.leads[index] + text) for index, text in zip(indices, digits, strict=True)]
        outputs = self._model.predict(np.ascontiguousarray(rows))
        bodies = [self._body(form, index, text) for index, text in zip(indices, digits, strict=True)]
        return list(zip(bodies, outputs, strict=True))

    def _body(self, form: Form, index: int, digits: str) -> str:
        row = f"[{self._model.leads[index]}{digits}{self._tails[index]}"
        return request_body(form, row, self._n_doubles)
