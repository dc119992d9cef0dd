"""What names, input types, objectives and default outputs may be. Each check gives the value or says what is wrong."""

import math
from typing import Any

import msgspec

from skysail_management.errors import InvalidError, TooLargeError
from skysail_management.records import (
    MAX_BATCH_DELAY_MICROS,
    MAX_BATCH_ROWS,
    MAX_LATENCY_SLO_MICROS,
    InputType,
    canonical_input_type,
    is_name,
)

__all__ = [
    "MAX_DEFAULT_OUTPUT_BYTES",
    "MAX_LABELS",
    "MAX_REPLICAS",
    "checked_batch_delay_micros",
    "checked_batch_size",
    "checked_default_output",
    "checked_input_type",
    "checked_labels",
    "checked_latency_slo_micros",
    "checked_max_batch_rows",
    "checked_memory_limit_mb",
    "checked_n_replicas",
    "checked_name",
    "checked_text",
    "checked_weight",
]

MAX_DEFAULT_OUTPUT_BYTES = 65_536
"""Frontends hold every default output in memory and send it whenever they are late."""

MAX_JSON_DEPTH = 64
MAX_LABELS = 64
MAX_LABEL_CHARACTERS = 256
MAX_TEXT_CHARACTERS = 4_096

MAX_REPLICAS = 256
"""Per version: more is a slip of the finger on one machine."""

MAX_MEMORY_LIMIT_MB = 1 << 24
"""16 TiB: more is a mistake of unit."""

MAX_WEIGHT = 1e6


def checked_name(kind: str, text: str, field: str) -> str:
    """`text` as the name of an application, a model or a version (`kind`).

    :raises InvalidError: it does not match NAME_PATTERN.
    """
    if is_name(text):
        return text
    shown = _shown(text)
    if "," in text or ":" in text:
        raise InvalidError(f"Invalid {kind} name supplied: {shown}. Contains one of: ',', ':'", field=field)
    raise InvalidError(
        f"Invalid {kind} name supplied: {shown}. Expected 1 to 63 characters a-z, 0-9, '.', '_' or '-', "
        "the first a letter or digit",
        field=field,
    )


def _shown(text: str) -> str:
    clean = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return clean if len(clean) <= 100 else f"{clean[:100]}..."


def checked_input_type(text: str, field: str = "input_type") -> InputType:
    """The input type called `text`, by its own or by one of Clipper's names.

    :raises InvalidError: nothing is called so.
    """
    try:
        return canonical_input_type(text)
    except ValueError as error:
        raise InvalidError(f"{field}: {error}", field=field) from error


def checked_latency_slo_micros(micros: int, field: str) -> int:
    """:raises InvalidError: it is not above 0 and at most one hour."""
    if not 0 < micros <= MAX_LATENCY_SLO_MICROS:
        raise InvalidError(f"{field}: expected more than 0 and at most one hour, got {micros / 1000} ms", field=field)
    return micros


def checked_default_output(value: Any, field: str = "default_output") -> Any:
    """`value`, if it is JSON that any client can read: finite numbers, whole characters, not too deep, not too long.

    :raises InvalidError: it is not.
    :raises TooLargeError: its JSON is over MAX_DEFAULT_OUTPUT_BYTES.
    """
    _check_json(value, field)
    try:
        n_bytes = len(msgspec.json.encode(value))
    except (OverflowError, UnicodeEncodeError, TypeError, ValueError) as error:
        raise InvalidError(
            f"{field}: expected JSON with numbers of 64 bits, got one that {error}", field=field
        ) from error
    if n_bytes > MAX_DEFAULT_OUTPUT_BYTES:
        raise TooLargeError(
            f"{field}: expected at most {MAX_DEFAULT_OUTPUT_BYTES} bytes of JSON, got {n_bytes}", field=field
        )
    return value


def _check_json(value: Any, field: str) -> None:
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        if any(isinstance(item, float) and not math.isfinite(item) for item in level):
            raise InvalidError(f"{field}: expected finite numbers, got NaN or Infinity", field=field)
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise InvalidError(f"{field}: expected at most {MAX_JSON_DEPTH} levels of nesting, got more", field=field)


def _children(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return list(item.values())
    return item if isinstance(item, list) else []


def checked_labels(labels: list[str], field: str = "labels") -> tuple[str, ...]:
    """:raises InvalidError: too many labels, or one that is too long."""
    if len(labels) > MAX_LABELS:
        raise InvalidError(f"{field}: expected at most {MAX_LABELS}, got {len(labels)}", field=field)
    for label in labels:
        if not 0 < len(label) <= MAX_LABEL_CHARACTERS or not label.isprintable():
            raise InvalidError(
                f"{field}: expected 1 to {MAX_LABEL_CHARACTERS} printable characters each, got {_shown(label)!r}",
                field=field,
            )
    return tuple(labels)


def checked_text(text: str | None, field: str) -> str | None:
    """:raises InvalidError: it is too long or has characters that cannot be printed."""
    if text is not None and (len(text) > MAX_TEXT_CHARACTERS or not text.isprintable()):
        raise InvalidError(
            f"{field}: expected at most {MAX_TEXT_CHARACTERS} printable characters, got {_shown(text)!r}", field=field
        )
    return text


def checked_n_replicas(n_replicas: int, field: str = "n_replicas") -> int:
    """:raises InvalidError: it is not between 0 and MAX_REPLICAS."""
    if not 0 <= n_replicas <= MAX_REPLICAS:
        raise InvalidError(f"{field}: expected 0 to {MAX_REPLICAS}, got {n_replicas}", field=field)
    return n_replicas


def checked_memory_limit_mb(limit_mb: int | None, field: str = "memory_limit_mb") -> int | None:
    """:raises InvalidError: it is neither None (as management is set) nor 1 to MAX_MEMORY_LIMIT_MB."""
    if limit_mb is not None and not 1 <= limit_mb <= MAX_MEMORY_LIMIT_MB:
        raise InvalidError(f"{field}: expected 1 to {MAX_MEMORY_LIMIT_MB}, got {limit_mb}", field=field)
    return limit_mb


def checked_batch_size(batch_size: int, field: str = "batch_size") -> int:
    """:raises InvalidError: it is neither -1 (automatic) nor 1 to 65,536 rows."""
    if batch_size != -1 and not 1 <= batch_size <= 65_536:
        raise InvalidError(f"{field}: expected -1 (automatic) or 1 to 65536, got {batch_size}", field=field)
    return batch_size


def checked_max_batch_rows(max_rows: int | None, field: str = "max_batch_rows") -> int | None:
    """:raises InvalidError: it is neither None (no cap) nor 1 to MAX_BATCH_ROWS."""
    if max_rows is not None and not 1 <= max_rows <= MAX_BATCH_ROWS:
        raise InvalidError(f"{field}: expected 1 to {MAX_BATCH_ROWS}, got {max_rows}", field=field)
    return max_rows


def checked_batch_delay_micros(micros: int, field: str = "batch_delay_micros") -> int:
    """:raises InvalidError: it is not between 0 and MAX_BATCH_DELAY_MICROS."""
    if not 0 <= micros <= MAX_BATCH_DELAY_MICROS:
        raise InvalidError(f"{field}: expected 0 to {MAX_BATCH_DELAY_MICROS}, got {micros}", field=field)
    return micros


def checked_weight(weight: float, field: str = "weight") -> float:
    """:raises InvalidError: it is negative, not finite or beyond all proportion."""
    if not 0 <= weight <= MAX_WEIGHT:
        raise InvalidError(f"{field}: expected 0 to {MAX_WEIGHT:g}, got {weight}", field=field)
    return weight
