"""Whether a JSON object has a key twice. Decoders take the last value and say nothing."""

import json

__all__ = ["MAX_BODY_BYTES", "given_twice"]

MAX_BODY_BYTES = 64 * 1024
"""Larger bodies are not looked at: looking twice costs some 25 ns a byte."""


def given_twice(field: str, body: bytes) -> bool:
    """Whether the JSON object `body` has the key `field` more than once.

    Looks closer only when the key stands there twice at all, be it inside of something else; then what Python's parser
    cannot read (it has limits of its own) counts as twice. A key spelled with escapes is missed: nobody writes that by
    mistake.
    """
    if len(body) > MAX_BODY_BYTES or body.count(b'"%b"' % field.encode()) < 2:
        return False
    try:
        pairs = json.loads(body, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return True
    return [key for key, _ in pairs].count(field) > 1
