"""docs/models/sklearn.md and metrics.md, run as they stand."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.console_document import Step, console_steps, run_step, stack_environment
from harness.wait_until import wait_until
from skysail_admin import Skysail

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "models"
PARTS = ("MANAGEMENT", "QUERY")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def urls(running_environment: dict[str, str]) -> tuple[str, str]:
    """Management's and the frontend's address."""
    management, queries = (f"http://127.0.0.1:{running_environment[f'SKYSAIL_{part}_PORT']}" for part in PARTS)
    return management, queries


@pytest.mark.xdist_group("documents")
def test_the_example_prints_what_the_page_says_and_is_accelerated(urls: tuple[str, str]) -> None:
    shown = re.search(r"\$ python (examples/sklearn_model\.py)\n(.+)\n", (PAGES / "sklearn.md").read_text())
    assert shown is not None
    ran = subprocess.run(
        [sys.executable, str(ROOT / shown[1]), *urls], capture_output=True, text=True, check=False, timeout=200
    )
    assert ran.stdout == f"{shown[2]}\n", ran.stderr
    with Skysail(*urls) as skysail:
        version = skysail.version("tumours-forest", 1)
    assert "computed by onnxruntime" in version.served_by
    assert "outputs equal to the last bit" in version.notes[0]


@pytest.mark.environments
def test_every_command_of_the_page_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (PAGES / "sklearn.md").read_text()
    saving, deploying = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(saving, names)  # noqa: S102  # the page's own code is what is tested
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    steps = console_steps(page)
    commands = " ".join(step.command for step in steps)
    assert all(words in commands for words in (".skops", "--no-accelerate", "--validation"))
    with stack_environment() as environment:
        for step in [Step("skysail up --detach", []), *steps]:
            run_step(step, environment, tmp_path, timeout_s=120)
        management, queries = (f"http://127.0.0.1:{environment[f'SKYSAIL_{part}_PORT']}" for part in PARTS)
        with Skysail(management, queries) as skysail:
            assert skysail.get_current_model_version("tumours") == "3"
            names |= {"skysail": skysail}
            exec(deploying.replace('"tumours", 3', '"tumours", 5'), names)  # noqa: S102  # as above
            assert "100 of them with expected outputs" in " ".join(skysail.version("tumours", 5).notes)


@pytest.mark.xdist_group("documents")
def test_the_models_own_metrics_are_shown_with_where_they_come_from(urls: tuple[str, str], tmp_path: Path) -> None:
    page = (PAGES / "metrics.md").read_text()
    source = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    shown = re.findall(r"^skysail_user_\S+\{.*\} [\d.]+$", page, re.MULTILINE)
    assert source is not None
    assert len(shown) == 2
    (tmp_path / "model.py").write_text(source[1])
    with Skysail(*urls) as skysail:
        skysail.register_application("loans", "doubles", default_output=0, slo_ms=1000)
        skysail.deploy_model("loans", 3, "doubles", tmp_path)
        skysail.link_model_to_app("loans", "loans")
        assert skysail.predict("loans", [-1.0, 2.0]).output == 1.0

    def metrics() -> list[str]:
        return httpx.get(f"{urls[0]}/metrics").text.splitlines()

    wait_until(lambda: set(shown) <= set(metrics()), "the metrics of the page", timeout_s=60.0)
