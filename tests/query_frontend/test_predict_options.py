"""What a request's head may ask for: parsed or refused, never guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysail_frontend.predict_options import MAX_TIMEOUT_MS, options_of

Header = tuple[bytes, bytes]


def test_without_either_header_there_is_nothing_to_keep() -> None:
    assert options_of([]) is None
    assert (
        options_of([(b"host", b"a"), (b"x-skysail-timeout", b"5"), (b"cache-control", b"max-age=0, private")]) is None
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(b"1", 0.001), (b"250", 0.25), (b"0.5", 0.0005), (b"007", 0.007), (b"%d" % MAX_TIMEOUT_MS, 3600.0)],
)
def test_a_timeout_is_read_as_milliseconds(text: bytes, seconds: float) -> None:
    options = options_of([(b"host", b"a"), (b"x-skysail-timeout-ms", text)])
    assert options is not None
    assert options.timeout_s == pytest.approx(seconds)
    assert (options.cache, options.fault) == (None, None)


@pytest.mark.parametrize(
    "text",
    [b"", b"0", b"0.0", b"-1", b"+1", b"1e3", b"1.", b".5", b"NaN", b"Infinity", b"0x10", b"1 0", b"1,2", b"ten",
     b"3600001", b"9" * 20, b"9" * 400, b"\xb2", b"\xff", b"1_0", b"0." + b"0" * 400 + b"1"],
)  # fmt: skip
def test_anything_else_is_a_fault_that_names_the_header(text: bytes) -> None:
    options = options_of([(b"x-skysail-timeout-ms", text)])
    assert options is not None
    assert options.fault is not None
    assert options.fault.startswith("header `X-Skysail-Timeout-Ms` is ")
    assert "above 0, and at most 3600000" in options.fault
    assert len(options.fault) < 250


def test_two_timeouts_are_a_fault_even_when_they_agree() -> None:
    options = options_of([(b"x-skysail-timeout-ms", b"5"), (b"x-skysail-timeout-ms", b"5")])
    assert options is not None
    assert options.fault == "header `X-Skysail-Timeout-Ms` is there more than once"


@pytest.mark.parametrize(
    ("values", "passes_by"),
    [
        ([b"no-cache"], True), ([b"no-store"], True), ([b"No-Cache"], True), ([b"max-age=0,no-cache"], True),
        ([b"private , no-store ,x"], True), ([b"no-cache=\"set-cookie\""], True), ([b"max-age=0", b"no-cache"], True),
        ([b"no-cached"], False), ([b"x-no-cache"], False), ([b""], False), ([b",,"], False), ([b"\xff"], False),
    ],
)  # fmt: skip
def test_cache_control_asks_for_an_answer_that_is_computed_anew(values: list[bytes], passes_by: bool) -> None:
    options = options_of([(b"cache-control", value) for value in values])
    assert (options is not None and options.cache is False) is passes_by


def test_both_headers_count() -> None:
    options = options_of([(b"cache-control", b"no-store"), (b"x-skysail-timeout-ms", b"5")])
    assert options is not None
    assert (options.timeout_s, options.cache) == (0.005, False)


@given(st.lists(st.tuples(st.sampled_from([b"x-skysail-timeout-ms", b"cache-control", b"a"]), st.binary(max_size=30))))
def test_no_header_does_anything_but_set_an_option_or_a_fault(headers: list[Header]) -> None:
    options = options_of(headers)
    if options is not None:
        assert options.timeout_s is None or 0 < options.timeout_s <= MAX_TIMEOUT_MS / 1000
