"""What a manifest says of the input because of a validation file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skysail_admin.packing.input_schema import derived_schema
from skysail_admin.packing.spark_schema import described_rows
from skysail_admin.packing.validation_file import validation_inputs

__all__ = ["described_input"]


def described_input(path: Path, manifest: Mapping[str, Any], input_type: str) -> dict[str, Any]:
    """The schema that the rows of the file imply, and of a Spark pipeline the types of its columns; what the manifest
    says itself is left out.

    :raises InvalidRequestError: it cannot be read, or its rows are not of the input type.
    """
    rows = validation_inputs(path, is_object=input_type == "json")
    if manifest.get("framework") == "spark" and all(isinstance(row, dict) for row in rows):
        found = described_rows(path, rows, manifest)
    else:
        found = {"input_schema": derived_schema(rows, input_type)}
    return {field: value for field, value in found.items() if field not in manifest}
