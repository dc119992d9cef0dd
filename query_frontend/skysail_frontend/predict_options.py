"""What the head of a predict request may ask for: a shorter deadline, and an answer that is not from the cache."""

import re
from collections.abc import Sequence

from skysail_management.records import MAX_LATENCY_SLO_MICROS

__all__ = ["MAX_TIMEOUT_MS", "TIMEOUT_EXPECTED", "PredictOptions", "is_timeout", "options_of"]

MAX_TIMEOUT_MS = MAX_LATENCY_SLO_MICROS // 1000
"""One hour, as for objectives: more is a mistake of unit."""
TIMEOUT_EXPECTED = f"a number of milliseconds above 0, and at most {MAX_TIMEOUT_MS}, was expected"

_TIMEOUT, _CACHE_CONTROL = b"x-skysail-timeout-ms", b"cache-control"
_NUMBER = re.compile(rb"\d{1,20}(\.\d{1,20})?")
_BYPASSES = (b"no-cache", b"no-store")


class PredictOptions:
    """Options of one request, of its head or of its body; None stands for what the head or the body does not say.

    ``fault`` says what is wrong with the head; then the request is refused, whatever its body says.
    """

    __slots__ = ("cache", "fault", "timeout_s")

    def __init__(self, timeout_s: float | None = None, cache: bool | None = None, fault: str | None = None) -> None:
        self.timeout_s = timeout_s
        self.cache = cache
        self.fault = fault


def options_of(headers: Sequence[tuple[bytes, bytes]]) -> PredictOptions | None:
    """The options in a request's head, whose header names are in lower case; None when there are none."""
    timeouts = [value for name, value in headers if name == _TIMEOUT]
    bypasses = any(name == _CACHE_CONTROL and _is_bypass(value) for name, value in headers)
    if not timeouts:
        return PredictOptions(cache=False) if bypasses else None
    cache = False if bypasses else None
    if len(timeouts) > 1:
        return PredictOptions(fault="header `X-Skysail-Timeout-Ms` is there more than once")
    timeout_ms = float(timeouts[0]) if _NUMBER.fullmatch(timeouts[0]) else 0.0
    if not is_timeout(timeout_ms):
        text = timeouts[0][:40].decode("latin-1")
        return PredictOptions(fault=f"header `X-Skysail-Timeout-Ms` is {text!r}; {TIMEOUT_EXPECTED}")
    return PredictOptions(timeout_ms * 1e-3, cache)


def is_timeout(timeout_ms: float) -> bool:
    return 0.0 < timeout_ms <= MAX_TIMEOUT_MS


def _is_bypass(cache_control: bytes) -> bool:
    """Whether a Cache-Control header asks for an answer that is computed anew (RFC 9111, section 5.2.1)."""
    return any(directive.partition(b"=")[0].strip().lower() in _BYPASSES for directive in cache_control.split(b","))
