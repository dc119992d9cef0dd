"""Damage to the files of a saved model, drawn by chance: bytes, JSON, and the rows of Parquet files."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["damaged"]

_JUNK: Final[tuple[Any, ...]] = (
    None, True, -1, 0, 1, 2**31, 2**63, 2**70, 1e308, -0.5, "", "x", "NaN", [], [1], ["a"], {}, {"a": 1}, [[]],
    "../..", "\0", "a" * 300,
)  # fmt: skip
_MAX_ITEMS: Final = 5
"""Of a list so many are damaged, so that those within are as well."""


def damaged(folder: Path, draw: random.Random) -> str:
    """Damages one of the files under a folder.

    :return: which, and how.
    """
    path = draw.choice(sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size))
    kind = draw.choice(("cut", "bytes", "gone", *["content"] * 5))
    content = path.read_bytes()
    if kind == "content" and path.suffix == ".parquet":
        _damage_rows(path, draw)
    elif kind == "content" and content[:1] in b"{[":
        path.write_text("\n".join(json.dumps(_changed(json.loads(line), draw)) for line in content.splitlines()))
    elif kind == "gone":
        path.unlink()
    elif kind == "cut":
        path.write_bytes(content[: draw.randrange(len(content))])
    else:
        changed = bytearray(content)
        for _ in range(draw.randint(1, 5)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        path.write_bytes(bytes(changed))
    return f"{kind} {path.relative_to(folder)}"


def _damage_rows(path: Path, draw: random.Random) -> None:
    """What Parquet cannot hold stays as it was."""
    rows = pq.ParquetFile(path).read().to_pylist()
    if rows and draw.random() < 0.2:
        rows.pop(draw.randrange(len(rows)))
    elif rows:
        rows = _changed(rows, draw)
    try:
        pq.write_table(pa.Table.from_pylist(rows), path)
    except (pa.ArrowException, TypeError, ValueError, AttributeError, OverflowError):
        return


def _changed(value: Any, draw: random.Random) -> Any:
    """With one of the values within it gone, replaced, renamed or doubled."""
    places = list(_places(value))
    if not places:
        return draw.choice(_JUNK)
    within, key = draw.choice(places)
    how = draw.randrange(3)
    if how == 0:
        del within[key]
    elif how == 1:
        within[key] = draw.choice(_JUNK)
    elif isinstance(within, dict):
        within[f"{key}x"] = within.pop(key)
    else:
        within.append(within[key])
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each dict or list with each of its keys."""
    keys = (
        list(value)
        if isinstance(value, dict)
        else range(min(len(value), _MAX_ITEMS))
        if isinstance(value, list)
        else ()
    )
    for key in keys:
        yield value, key
        yield from _places(value[key])
