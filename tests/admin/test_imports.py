"""The client must not carry the rest of Skysail, nor scikit-learn, into a notebook."""

import subprocess
import sys

FORBIDDEN = ("skysail_container", "skysail_management", "skysail_frontend", "sklearn", "joblib", "numpy", "redis")


def modules_after(statement: str) -> set[str]:
    program = f"import sys; {statement}; print(*sorted(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in ran.stdout.split()}


def test_the_client_imports_no_other_part_and_no_framework() -> None:
    assert not modules_after("import skysail_admin").intersection(FORBIDDEN)


def test_the_command_imports_no_other_part_and_no_framework() -> None:
    assert not modules_after("import skysail_admin.cli").intersection(FORBIDDEN)


def test_the_supervisor_imports_no_other_part_and_no_redis_client() -> None:
    imported = modules_after("import skysail_admin.local.__main__, skysail_admin.local.local_stack")
    assert not imported.intersection(FORBIDDEN)


def test_the_client_does_not_import_the_command_line_library() -> None:
    assert "typer" not in modules_after("import skysail_admin")
