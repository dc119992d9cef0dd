"""docs/admin.md names methods and commands; they have to exist. Those for model folders print what it says."""

import re
from pathlib import Path

import pytest

from harness.console_document import console_steps, run_step
from skysail_admin import Skysail
from skysail_admin.cli import main
from skysail_admin.cli.exit_codes import EXIT_CODES

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "admin.md").read_text()


def test_every_method_the_document_calls_exists() -> None:
    called = set(re.findall(r"\bskysail\.(\w+)\(", DOCUMENT))
    by_name = set(re.findall(r"`(\w+)\(", DOCUMENT)) | set(re.findall(r"`([a-z]+_[a-z_]+)`", DOCUMENT))
    elsewhere = {"predict", "start_clipper", "stop_all", "deploy_python_closure", "deploy_pyspark_model"}
    elsewhere |= {"build_and_deploy_model", "ClipperConnection", "clipper_admin", "slo_micros", "already_deployed"}
    missing = {name for name in (called | by_name) - elsewhere if not hasattr(Skysail, name)}
    assert not missing - {"Skysail"}


def test_every_command_the_document_shows_exists(capsys: pytest.CaptureFixture[str]) -> None:
    shown = {tuple(words.split()) for words in re.findall(r"\bskysail ((?:app|model|link) [a-z-]+|[a-z]+)", DOCUMENT)}
    assert len(shown) > 15
    for words in shown:
        assert main([*words, "--help"]) == 0, words
    capsys.readouterr()


def test_every_exit_code_is_in_the_document() -> None:
    for code in set(EXIT_CODES) - {0, 130}:
        assert f"| {code} |" in DOCUMENT


@pytest.mark.xdist_group("documents")
def test_the_commands_for_model_folders_print_what_the_document_says(
    running_environment: dict[str, str], tmp_path: Path
) -> None:
    _, _, rest = DOCUMENT.partition("## Make, test, package and inspect a model folder\n")
    steps = console_steps(rest.partition("\n## ")[0])
    assert [step.command.split()[2] for step in steps] == ["init", "test", "package", "deploy", "inspect"]
    for step in steps:
        run_step(step, running_environment, tmp_path, timeout_s=60)
