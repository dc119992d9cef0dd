"""`skysail model inspect`: what a version takes, and what answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import typer

from skysail_admin.cli.models import Named, chosen_version
from skysail_admin.cli.session import Session, parse_model, session_of
from skysail_admin.records import Version

__all__ = ["inspect"]

_COLUMNS = ("FIELD", "TYPE", "SHAPE", "OPTIONAL")


def inspect(context: typer.Context, named: Named) -> None:
    """Show what a version (the current one if none is named) takes: the fields that queries are checked by, and what
    serves it."""
    session = session_of(context)
    with session.client() as client:
        found = client.version(*chosen_version(client, parse_model(named, n_parts=2)))
    session.output.result(found, lambda: _show(session, found))


def _show(session: Session, found: Version) -> None:
    session.output.facts(
        (
            ("model", found.model),
            ("version", found.version),
            ("current", found.is_current),
            ("state", found.state),
            ("reason", found.reason or None),
            ("served by", found.served_by or None),
            *(("note", note) for note in found.notes),
            ("memory limit", None if found.memory_limit_mb is None else f"{found.memory_limit_mb} MiB a container"),
            ("input type", found.input_type),
            ("input", "not checked: the model has no validation rows" if found.input_schema is None else "checked"),
        )
    )
    if found.input_schema is not None:
        session.output.table(_COLUMNS, _rows(found.input_schema), empty="an object without fields")


def _rows(schema: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    """One row of the table for each field, or one for rows that are no objects."""
    if "fields" not in schema:
        yield "(the row)", schema["type"], _shape(schema["shape"]), None
        return
    for field in schema["fields"]:
        yield field["name"], field["type"], _shape(field["shape"]), field["optional"]


def _shape(shape: Sequence[int]) -> str:
    """`one value`, `30`, `2 x any`"""
    return " x ".join("any" if side < 0 else str(side) for side in shape) or "one value"
