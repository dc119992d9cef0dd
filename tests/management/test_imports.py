"""What the parts that frontends import bring along."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["records", "store"])
def test_the_registry_comes_without_a_web_framework(module: str) -> None:
    look = f"import skysail_management.{module}, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout.split()
    assert f"skysail_management.{module}" in loaded
    assert not {"fastapi", "starlette", "uvicorn", "pydantic", "prometheus_client", "numpy"} & set(loaded)
