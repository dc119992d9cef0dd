"""Predict requests: the body of ``POST /<app>/predict`` to payloads, in one pass of compiled code per application."""

from collections.abc import Callable
from typing import Any

import msgspec

from skysail_frontend.checked_input import CheckedJson
from skysail_frontend.errors import RequestRefusedError
from skysail_frontend.foreign_value import foreign_value
from skysail_frontend.given_twice import given_twice
from skysail_frontend.input_type import InputError, InputType, Numbers
from skysail_frontend.plain_row import plain_row
from skysail_frontend.predict_options import TIMEOUT_EXPECTED, is_timeout

__all__ = ["PredictRequest", "PredictRequestParser"]


_UNSET = msgspec.UNSET


_PIN = msgspec.json.Decoder(msgspec.defstruct("Pin", [("version", str | None, None)]))


class PredictRequest:
    """What one request asks: ``payloads`` in input order, and the form of the answer; None for what it leaves open: a
    pinned ``version``, a deadline nearer than the objective's, whether the cache may answer.

    ``is_batch`` is true when the answer is an object with ``batch_predictions``; a batch of exactly one collapses into
    the single form (Clipper does, and its clients know).
    """

    __slots__ = ("cache", "is_batch", "payloads", "timeout_s", "version")

    def __init__(
        self,
        payloads: list[Any],
        is_batch: bool,
        version: str | None = None,
        timeout_s: float | None = None,
        cache: bool | None = None,
    ) -> None:
        self.payloads = payloads
        self.is_batch = is_batch
        self.version = version
        self.timeout_s = timeout_s
        self.cache = cache


class PredictRequestParser:
    """Parses bodies for one input type, checked by a schema or not. Made once per application and schema; holds the
    compiled decoders.

    :param max_batch_rows: how many examples ``input_batch`` may hold
    :param of_version: who parses a body that pins a version, for its schema may be another one; None: this parser
    """

    def __init__(
        self,
        input_type: InputType,
        max_batch_rows: int,
        of_version: "Callable[[str], PredictRequestParser] | None" = None,
    ) -> None:
        self._input_type = input_type
        self._to_payload = input_type.payload
        self._max_batch_rows = max_batch_rows
        self._of_version = of_version
        example = input_type.python_type
        unset = msgspec.UnsetType
        options: list[tuple[str, Any, Any]] = [
            ("version", str | None, None),
            ("timeout_ms", float | None | unset, _UNSET),
            ("cache", bool | None | unset, _UNSET),
        ]
        both = msgspec.defstruct(
            "Body",
            [
                ("input", example if example is Any else example | unset, _UNSET),
                ("input_batch", list[example] | unset, _UNSET),  # type: ignore[valid-type]  # built at run time
                *options,
            ],
            gc=False,
        )
        single = msgspec.defstruct("SingleBody", [("input", example), *options], gc=False)
        self._decode = msgspec.json.Decoder(both).decode
        self._decode_single = msgspec.json.Decoder(single).decode
        self._plain_row = plain_row(input_type.dtype) if isinstance(input_type, Numbers) else None
        self._row_bytes = input_type.row_bytes if isinstance(input_type, Numbers) else None

    def parse(self, body: bytes) -> PredictRequest:
        """:raises RequestRefusedError: status 400 with the field, what was expected and what came"""
        version = None if self._of_version is None else _pinned(body)
        if self._of_version is None or version is None:
            return self._request(self._decoded(body), body)
        return self._of_version(version).parse(body)

    def parse_row(self, body: bytes) -> Any:
        """The payload of the common request, one example and nothing else; for any other what `parse` gives. Twice as
        fast as `parse`.

        :raises RequestRefusedError: as `parse`
        """
        plain = self._plain_row
        if plain is not None and len(body) >= plain.min_body_bytes:
            payload = plain.payload(body)
            if payload is not None and (self._row_bytes is None or len(payload) == self._row_bytes):
                return payload
        try:
            request: Any = self._decode(body)
            value = request.input
            if value is not _UNSET and request.version is None and request.timeout_ms is _UNSET is request.cache:
                return self._to_payload(value)
        except (msgspec.DecodeError, RecursionError, ValueError):
            return self.parse(body)  # which tells what is wrong
        if self._of_version is not None and request.version is not None:
            return self.parse(body)
        return self._request(request, body)

    def _request(self, decoded: Any, body: bytes) -> PredictRequest:
        """Options first: they are refused whatever the examples are."""
        version, timeout_s, cache = decoded.version, _timeout_s(decoded, body), _cache(decoded, body)
        value = decoded.input
        if value is not _UNSET:
            return PredictRequest([self._payload(value, "input")], False, version, timeout_s, cache)
        if decoded.input_batch is _UNSET:
            raise RequestRefusedError.json("Object missing required field `input` (or `input_batch`)")
        examples = decoded.input_batch
        if len(examples) > self._max_batch_rows:
            raise RequestRefusedError.json(
                f"`input_batch` holds {len(examples)} examples; at most {self._max_batch_rows} are accepted"
            )
        payloads = [self._payload(example, f"input_batch[{i}]") for i, example in enumerate(examples)]
        return PredictRequest(payloads, len(payloads) != 1, version, timeout_s, cache)

    def _decoded(self, body: bytes) -> Any:
        try:
            return self._decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            return self._decoded_despite(body, error)

    def _decoded_despite(self, body: bytes, error: Exception) -> Any:
        """When both fields are present ``input`` wins, so a faulty ``input_batch`` beside it is not looked at."""
        if isinstance(error, msgspec.ValidationError) and "$.input_batch" in str(error):
            try:
                request: Any = self._decode_single(body)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                pass  # the first error is the one to tell
            else:
                return _Single(request)
        raise RequestRefusedError.json(foreign_value(body) or self._fault(body, error) or _cause(error)) from error

    def _fault(self, body: bytes, error: Exception) -> str | None:
        if isinstance(self._input_type, CheckedJson) and isinstance(error, msgspec.ValidationError):
            return self._input_type.fault(body)
        return None

    def _payload(self, value: Any, field: str) -> Any:
        try:
            return self._input_type.payload(value)
        except InputError as error:
            raise RequestRefusedError.json(f"`{field}` {error}") from error
        except UnicodeEncodeError as error:
            raise RequestRefusedError.json(f"`{field}` holds a lone surrogate, which is not text") from error


class _Single:
    """A body whose ``input_batch`` is not looked at."""

    input_batch = _UNSET

    def __init__(self, decoded: Any) -> None:
        self.input = decoded.input
        self.version = decoded.version
        self.timeout_ms = decoded.timeout_ms
        self.cache = decoded.cache


def _pinned(body: bytes) -> str | None:
    """The version that a body asks for; None when none can be read."""
    try:
        pin: Any = _PIN.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return None if pin.version is None else str(pin.version)


def _timeout_s(decoded: Any, body: bytes) -> float | None:
    timeout_ms = decoded.timeout_ms
    if timeout_ms is _UNSET:
        return None
    _refuse_twice("timeout_ms", body)
    if timeout_ms is None:
        return None
    if not is_timeout(timeout_ms):
        raise RequestRefusedError.json(f"`timeout_ms` is {timeout_ms:g}; {TIMEOUT_EXPECTED}")
    return float(timeout_ms) * 1e-3


def _cache(decoded: Any, body: bytes) -> bool | None:
    cache = decoded.cache
    if cache is _UNSET:
        return None
    _refuse_twice("cache", body)
    return None if cache is None else bool(cache)


def _refuse_twice(field: str, body: bytes) -> None:
    if given_twice(field, body):
        raise RequestRefusedError.json(f"`{field}` is there more than once")


def _cause(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "JSON is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "JSON is not valid UTF-8"
    return str(error).replace("`$.", "`").replace("- at `$`", "at the top level")
