"""The words for each way in which a container can end."""

import pytest

from skysail_management.exit_reason import exit_reason, is_final


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0, "its model ended the process"),
        (1, "exit status 1: it crashed"),
        (3, "another process has its address"),
        (4, "its model cannot be loaded, or does not pass its validation rows"),
        (5, "its environment cannot be built"),
        (6, "its model was blocked: one batch took longer"),
        (42, "exit status 42: its model ended the process"),
        (-9, "was killed (SIGKILL): by the kernel's out-of-memory killer or by hand"),
        (-11, "crashed in native code (SIGSEGV): its log has the stack"),
        (-6, "crashed in native code (SIGABRT)"),
        (-15, "was ended by SIGTERM"),
        (-40, "was ended by signal 40"),
        (None, "the container ended"),
    ],
)
def test_every_end_has_its_words(status: int | None, text: str) -> None:
    assert text in exit_reason(status, "last words")


def test_a_watchdog_that_could_not_choose_its_exit_status_is_known_by_its_line() -> None:
    words = "something\nTimeout (0:01:00)!\nThread 0x1 (most recent call first):"
    assert "it kept the interpreter lock" in exit_reason(1, words)
    assert "it kept the interpreter lock" not in exit_reason(11, words)


def test_only_a_verdict_of_the_container_itself_is_final() -> None:
    assert [status for status in (None, *range(-20, 20)) if is_final(status)] == [4, 5]
