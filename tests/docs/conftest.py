"""One stack for the pages whose commands expect one that is up: what they deploy has names of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.console_document import Step, run_step, stack_environment


@pytest.fixture(scope="session")
def running_environment() -> Iterator[dict[str, str]]:
    """The environment of commands for a stack that is up. Tests with it belong into the xdist group `documents`."""
    with stack_environment() as environment:
        run_step(Step("skysail up --detach", []), environment, Path(__file__).parents[2], timeout_s=80.0)
        yield environment
