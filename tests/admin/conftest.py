import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A temporary folder whose name leaves room for the names of unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="skt-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)
