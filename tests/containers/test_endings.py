"""What loaders started is ended with the process, whatever else goes wrong."""

import logging

import pytest

from skysail_container.endings import at_end, run_endings


def test_endings_are_run_once_the_last_first_and_a_failing_one_stops_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended: list[str] = []

    def failing() -> None:
        raise OSError("no such process")

    at_end(lambda: ended.append("first"))
    at_end(failing)
    at_end(lambda: ended.append("last"))
    with caplog.at_level(logging.ERROR):
        run_endings()
    run_endings()
    assert ended == ["last", "first"]
    assert "failing" in caplog.text
