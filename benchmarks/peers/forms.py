"""How a row is asked for and how the output is read, in the protocols that the peers speak."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.replies import Form

__all__ = ["Form", "request_body"]


def _predict(row: str, _n_doubles: int) -> str:
    return f'{{"input":{row}}}'


def _rows(row: str, _n_doubles: int) -> str:
    return f'{{"rows":[{row}]}}'


def _v2(row: str, n_doubles: int) -> str:
    return f'{{"inputs":[{{"name":"rows","shape":[1,{n_doubles}],"datatype":"FP64","data":{row}}}]}}'


BODIES: Mapping[Form, Callable[[str, int], str]] = {"predict": _predict, "rows": _rows, "v2": _v2}


def request_body(form: Form, row: str, n_doubles: int) -> str:
    """The body of a request for one row, which is given as a JSON list."""
    return BODIES[form](row, n_doubles)
