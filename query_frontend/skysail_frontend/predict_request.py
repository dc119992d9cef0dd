"""Predict requests: the body of ``POST /<app>/predict`` to payloads, in one pass of compiled code per application."""

from typing import Any

import msgspec

from skysail_frontend.errors import RequestRefusedError
from skysail_frontend.foreign_value import foreign_value
from skysail_frontend.input_type import InputError, InputType, Numbers
from skysail_frontend.wide_row import MIN_BODY_BYTES, WideRow

__all__ = ["PredictRequest", "PredictRequestParser"]


_UNSET = msgspec.UNSET


class PredictRequest:
    """What one request asks: ``payloads`` in input order, a pinned ``version`` or None, and the form of the answer.

    ``is_batch`` is true when the answer is an object with ``batch_predictions``; a batch of exactly one collapses into
    the single form (Clipper does, and its clients know).
    """

    __slots__ = ("is_batch", "payloads", "version")

    def __init__(self, payloads: list[Any], is_batch: bool, version: str | None) -> None:
        self.payloads = payloads
        self.is_batch = is_batch
        self.version = version


class PredictRequestParser:
    """Parses bodies for one input type. Made once per application; holds the compiled decoders.

    :param max_batch_rows: how many examples ``input_batch`` may hold
    """

    def __init__(self, input_type: InputType, max_batch_rows: int) -> None:
        self._input_type = input_type
        self._to_payload = input_type.payload
        self._max_batch_rows = max_batch_rows
        example = input_type.python_type
        unset = msgspec.UnsetType
        both = msgspec.defstruct(
            "Body",
            [
                ("input", example if example is Any else example | unset, _UNSET),
                ("input_batch", list[example] | unset, _UNSET),  # type: ignore[valid-type]  # built at run time
                ("version", str | None, None),
            ],
            gc=False,
        )
        single = msgspec.defstruct("SingleBody", [("input", example), ("version", str | None, None)], gc=False)
        self._decode = msgspec.json.Decoder(both).decode
        self._decode_single = msgspec.json.Decoder(single).decode
        self._wide_row = WideRow(input_type.dtype) if isinstance(input_type, Numbers) else None

    def parse(self, body: bytes) -> PredictRequest:
        """:raises RequestRefusedError: status 400 with the field, what was expected and what came"""
        return self._request(self._decoded(body))

    def parse_row(self, body: bytes) -> Any:
        """The payload of the common request, one example and no version; for any other what `parse` gives. Twice as
        fast as `parse`.

        :raises RequestRefusedError: as `parse`
        """
        if len(body) >= MIN_BODY_BYTES and self._wide_row is not None:
            payload = self._wide_row.payload(body)
            if payload is not None:
                return payload
        try:
            request: Any = self._decode(body)
            value = request.input
            if value is not _UNSET and request.version is None:
                return self._to_payload(value)
        except (msgspec.DecodeError, RecursionError, ValueError):
            return self.parse(body)  # which tells what is wrong
        return self._request(request)

    def _request(self, decoded: Any) -> PredictRequest:
        value = decoded.input
        if value is not _UNSET:
            return PredictRequest([self._payload(value, "input")], False, decoded.version)
        if decoded.input_batch is _UNSET:
            raise RequestRefusedError.json("Object missing required field `input` (or `input_batch`)")
        examples = decoded.input_batch
        if len(examples) > self._max_batch_rows:
            raise RequestRefusedError.json(
                f"`input_batch` holds {len(examples)} examples; at most {self._max_batch_rows} are accepted"
            )
        payloads = [self._payload(example, f"input_batch[{i}]") for i, example in enumerate(examples)]
        return PredictRequest(payloads, len(payloads) != 1, decoded.version)

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
                return _Single(request.input, request.version)
        raise RequestRefusedError.json(foreign_value(body) or _cause(error)) from error

    def _payload(self, value: Any, field: str) -> Any:
        try:
            return self._input_type.payload(value)
        except InputError as error:
            raise RequestRefusedError.json(f"`{field}` {error}") from error
        except UnicodeEncodeError as error:
            raise RequestRefusedError.json(f"`{field}` holds a lone surrogate, which is not text") from error


class _Single:
    input_batch = _UNSET

    def __init__(self, value: Any, version: str | None) -> None:
        self.input = value
        self.version = version


def _cause(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "JSON is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "JSON is not valid UTF-8"
    return str(error).replace("`$.", "`").replace("- at `$`", "at the top level")
