"""Who may import whom, seen in a fresh interpreter."""

import json
import subprocess
import sys

import pytest

REPORT = "import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"


def modules_after(module: str) -> set[str]:
    """Every module that comes with an import, in a process of its own."""
    command = [sys.executable, "-c", REPORT.format(module=module)]
    return set(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def test_the_frontend_sees_the_wire_of_containers_and_the_registry_of_management_alone() -> None:
    modules = modules_after("skysail_frontend.worker")
    containers = {name for name in modules if name.startswith("skysail_container.")}
    assert {name for name in containers if not name.startswith("skysail_container.wire")} <= {
        "skysail_container.compiled",
        "skysail_container.compiled_form",
        "skysail_container.errors",
    }
    management = {name.split(".")[1] for name in modules if name.startswith("skysail_management.")}
    assert {"records", "store"} <= management
    assert not management & {"__main__", "api", "backend", "fleet", "local_backend", "process", "reconciler", "service"}
    assert not any(name.partition(".")[0] == "skysail_admin" for name in modules)


def test_the_frontend_starts_without_numpy_orchestrators_or_an_http_client() -> None:
    packages = {name.partition(".")[0] for name in modules_after("skysail_frontend.__main__")}
    assert not packages & {"numpy", "sklearn", "kubernetes", "docker", "requests", "httpx", "aiohttp"}


@pytest.mark.parametrize(
    "module",
    ["skysail_container.__main__", "skysail_management.__main__", "skysail_admin"],
)
def test_nobody_imports_the_frontend(module: str) -> None:
    assert not any(name.partition(".")[0] == "skysail_frontend" for name in modules_after(module))
