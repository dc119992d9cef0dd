"""One rig per xdist worker; what runs in it is started when a test first asks for it."""

from collections.abc import Iterator

import pytest

from harness.frontend_rig import FrontendRig


@pytest.fixture(scope="session")
def rig() -> Iterator[FrontendRig]:
    with FrontendRig() as rig:
        yield rig
