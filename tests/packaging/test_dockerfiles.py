"""The Dockerfiles hold what docs/deploy.md says of the images; scripts/try-compose.sh builds them."""

import fnmatch
import json
import re
import tomllib
from pathlib import Path

import pytest

from harness.packaging import ROOT, Instruction, dockerfile

IMAGES = {
    "containers": ("skysail_container", 7000),
    "management": ("skysail_management", 1338),
    "query_frontend": ("skysail_frontend", 1337),
}

pytestmark = pytest.mark.parametrize("folder", IMAGES)


def instructions(folder: str) -> list[Instruction]:
    return dockerfile(ROOT / folder / "Dockerfile")


def final_stage(folder: str) -> list[Instruction]:
    everything = instructions(folder)
    start = max(index for index, instruction in enumerate(everything) if instruction.name == "FROM")
    return everything[start:]


def arguments(folder: str, name: str) -> list[str]:
    """The arguments of every `name` of the final stage."""
    return [instruction.arguments for instruction in final_stage(folder) if instruction.name == name]


def test_an_image_is_made_in_two_stages_of_the_slim_python(folder: str) -> None:
    bases = [one.arguments for one in instructions(folder) if one.name == "FROM"]
    assert bases == ["python:3.11-slim AS build", "python:3.11-slim"]


def test_no_front_end_has_to_be_fetched_to_build(folder: str) -> None:
    assert not re.search(r"#\s*syntax\s*=", (ROOT / folder / "Dockerfile").read_text())


def test_the_user_is_a_number_other_than_root_so_that_kubernetes_can_check_it(folder: str) -> None:
    assert arguments(folder, "USER") == ["10001:10001"]


def test_nothing_is_installed_in_the_final_stage(folder: str) -> None:
    runs = " ".join(arguments(folder, "RUN"))
    assert not re.search(r"\b(pip|apt-get|apt|gcc)\b", runs)


def test_no_stage_installs_a_compiler(folder: str) -> None:
    assert "apt-get" not in " ".join(one.arguments for one in instructions(folder))


def test_every_install_is_held_by_the_constraints_or_brings_nothing_new(folder: str) -> None:
    installs = [
        one.arguments for one in instructions(folder) if " install " in one.arguments and "pip" in one.arguments
    ]
    assert len(installs) == 2
    assert all("-c constraints.txt" in install or "--no-deps" in install for install in installs)


def test_the_process_is_the_entry_point_and_gets_sigterm(folder: str) -> None:
    module, _ = IMAGES[folder]
    assert [json.loads(one) for one in arguments(folder, "ENTRYPOINT")] == [["python", "-m", module]]
    assert arguments(folder, "STOPSIGNAL") == ["SIGTERM"]


def test_the_port_of_the_process_is_exposed_and_checked(folder: str) -> None:
    _, port = IMAGES[folder]
    assert arguments(folder, "EXPOSE") == [str(port)]
    (check,) = arguments(folder, "HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    assert command[:2] == ["python", "/opt/skysail/bin/healthcheck.py"]
    assert f":{port}" in command[2]


def test_labels_carry_the_version_of_the_distribution(folder: str) -> None:
    version = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]["version"]
    (labels,) = arguments(folder, "LABEL")
    assert f'org.opencontainers.image.version="{version}"' in labels
    assert 'org.opencontainers.image.licenses="Apache-2.0"' in labels


def test_everything_copied_exists_and_gets_past_the_dockerignore(folder: str) -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = [line[1:] for line in ignored if line.startswith("!")]
    copies = [one.arguments for one in instructions(folder) if one.name == "COPY" and "--from" not in one.arguments]
    sources = [source for copy in copies for source in copy.split()[:-1]]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in allowed), source


def test_the_sources_of_a_distribution_and_of_all_it_needs_are_copied(folder: str) -> None:
    copied = " ".join(one.arguments for one in instructions(folder) if one.name == "COPY")
    needed = {"containers": {"containers"}, "management": {"containers", "management"}}.get(folder, set(IMAGES))
    for part in needed:
        assert f"{part}/{IMAGES[part][0]}" in copied
        assert f"{part}/pyproject.toml" in copied
    assert Path(ROOT / ".dockerignore").read_text().splitlines()[1] == "*"
