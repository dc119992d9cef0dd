"""How tests/conftest.py shares tests out among the workers of xdist, in a small suite of its own."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).parents[1] / "conftest.py"
SUITE = """
import pytest

@pytest.mark.parametrize("n", range(10))
def test_alone(n): pass

@pytest.mark.xdist_group("shared")
@pytest.mark.parametrize("n", range(10))
def test_together(n): pass
"""


def test_a_group_runs_in_one_worker_and_begins_first(tmp_path: Path) -> None:
    shutil.copy(CONFTEST, tmp_path)
    (tmp_path / "test_suite.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", "-v", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=80, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    ran = re.findall(r"\[(gw\d)\] .* PASSED test_suite\.py::test_(alone|together)", done.stdout)
    assert len(ran) == 20
    (worker,) = {worker for worker, name in ran if name == "together"}
    assert [name for one, name in ran if one == worker][:10] == ["together"] * 10
