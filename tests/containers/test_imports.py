"""What the distribution costs those who import it."""

import json
import subprocess
import sys

import pytest

REPORT = """
import sys, time
start = time.process_time()
import {module}
elapsed = time.process_time() - start
import json
print(json.dumps({{"seconds": elapsed, "modules": sorted(sys.modules)}}))
"""


def imported(module: str) -> tuple[float, set[str]]:
    """The least CPU time of three imports, each in a new process, and the packages that came with it."""
    reports = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", REPORT.format(module=module)], capture_output=True, text=True, check=True
            ).stdout
        )
        for _ in range(3)
    ]
    return min(report["seconds"] for report in reports), {name.partition(".")[0] for name in reports[0]["modules"]}


@pytest.mark.parametrize("module", ["skysail_container.lifetime", "skysail_container.__main__"])
def test_a_container_starts_without_web_framework_registry_or_orchestrator(module: str) -> None:
    seconds, packages = imported(module)
    assert not packages & {"fastapi", "starlette", "uvicorn", "redis", "kubernetes", "pydantic", "msgspec"}
    assert not packages & {"sklearn", "joblib", "cloudpickle", "pandas", "scipy"}
    assert not packages & {"skysail_management", "skysail_frontend", "skysail_admin"}
    assert seconds < 0.3


def test_the_wire_needs_neither_numpy_nor_asyncio() -> None:
    seconds, packages = imported("skysail_container.wire")
    assert not packages & {"numpy", "asyncio", "uvloop"}
    assert seconds < 0.3
