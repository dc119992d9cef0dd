"""What the end of a container's process means, in words. Pure."""

import signal

__all__ = ["exit_reason", "is_final"]

_CRASHED = 1
_NO_MODEL = 4
_NO_ENVIRONMENT = 5

_MEANINGS = {
    0: "it was told to stop, or its model ended the process",
    _CRASHED: "it crashed",
    2: "it was started with arguments that it does not take",
    3: "another process has its address",
    _NO_MODEL: "its model cannot be loaded, or does not pass its validation rows",
    _NO_ENVIRONMENT: "its environment cannot be built",
    6: "its model was blocked: one batch took longer than a batch may",
}
_LOCK_HELD = "its model was blocked: it kept the interpreter lock for longer than a batch may take"
_IN_NATIVE_CODE = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT}
_WATCHDOG_SIGN = "Timeout ("


def exit_reason(status: int | None, last_words: str) -> str:
    """One line about a container that ended with this status (that of subprocess; None: nobody saw it).

    The exit codes are those of the container; of one that its watchdog ended while the interpreter lock was kept, the
    log tells it, for there faulthandler ends the process, with 1.
    """
    if status is None:
        return "the container ended"
    if status < 0:
        return f"the container {_signal_text(-status)}"
    meaning = _MEANINGS.get(status, "its model ended the process")
    if status == _CRASHED and any(line.startswith(_WATCHDOG_SIGN) for line in last_words.splitlines()):
        meaning = _LOCK_HELD
    return f"the container ended with exit status {status}: {meaning}"


def _signal_text(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"was ended by signal {number}"
    if number == signal.SIGKILL:
        return "was killed (SIGKILL): by the kernel's out-of-memory killer or by hand"
    if number in _IN_NATIVE_CODE:
        return f"crashed in native code ({name}): its log has the stack"
    return f"was ended by {name}"


def is_final(status: int | None) -> bool:
    """Whether another start would end in the same way."""
    return status in (_NO_MODEL, _NO_ENVIRONMENT)
