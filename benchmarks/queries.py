"""Pools of queries: request bodies with rows of random doubles, one body per line of a file, all different."""

from __future__ import annotations

from pathlib import Path
from random import Random

__all__ = ["predict_body", "write_pool"]

NUMBERED = "0.0000000000"
"""The first double of every row: the load generator may write a query's number over the digits (`queries.lua`)."""


def predict_body(random: Random, n_doubles: int) -> str:
    """One predict request without line breaks, as most clients encode doubles: the shortest text that reads back."""
    return '{"input":[' + ",".join([NUMBERED, *(repr(random.random()) for _ in range(n_doubles - 1))]) + "]}"


def write_pool(path: Path, n_queries: int, n_doubles: int, seed: int = 1) -> Path:
    """Write `n_queries` bodies of `n_doubles` doubles each; the same seed gives the same file. Returns `path`."""
    random = Random(seed)
    with path.open("w") as file:
        file.writelines(predict_body(random, n_doubles) + "\n" for _ in range(n_queries))
    return path
