"""What docs/deploy.md shows exists: files, services, commands and their options, objects; its overlay renders."""

import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml

from harness.kubernetes import containers, named, workloads
from harness.kustomize import render
from harness.packaging import ROOT, compose_file
from skysail_admin.cli.program import program

DOCUMENT = (ROOT / "docs" / "deploy.md").read_text()


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_the_document_shows_commands() -> None:
    assert len(commands()) > 20


def test_files_and_folders_it_names_exist() -> None:
    named_in_text = set(re.findall(r"`((?:k8s|monitoring|scripts|examples|containers|docs)/[\w./-]+)`", DOCUMENT))
    named_in_commands = set(re.findall(r"(?<![\w/])((?:k8s|scripts|examples)/[\w./-]+)", "\n".join(commands())))
    for name in (named_in_text | named_in_commands) - {"k8s/overlays/dev/token.env"}:
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("docker compose")])
def test_compose_commands_name_profiles_and_services_that_exist(line: str) -> None:
    services = compose_file()["services"]
    words = shlex.split(line)[2:]
    profiles = {profile for service in services.values() for profile in service.get("profiles", [])}
    assert {words[index + 1] for index, word in enumerate(words) if word == "--profile"} <= profiles
    command = next(word for word in words if word not in profiles and not word.startswith("-"))
    rest = [word for word in words[words.index(command) + 1 :] if not word.startswith("-") and not word.isdigit()]
    assert set(rest) <= set(services)


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith(".venv/bin/skysail")])
def test_skysail_commands_and_their_arguments_are_understood(line: str) -> None:
    words = shlex.split(line)[1:]
    command = typer.main.get_command(program)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    with command.make_context("skysail", words) as parsed:
        assert parsed.args == []


def test_volumes_that_are_backed_up_are_the_ones_with_data() -> None:
    volumes = set(re.findall(r"skysail_([a-z-]+):/", DOCUMENT))
    assert volumes == {"redis-data", "management-data"}
    assert volumes <= set(compose_file()["volumes"])


def test_kubernetes_objects_it_names_exist(dev_overlay: Path) -> None:
    objects = render(dev_overlay)
    kinds = {"statefulset": "StatefulSet", "deployment": "Deployment", "service": "Service"}
    found = re.findall(r"\b(statefulset|deployment|service)/([a-z-]+)", DOCUMENT)
    assert found
    for kind, name in found:
        assert named(objects, kinds[kind], name)["metadata"]["namespace"] == "skysail-dev"


def test_the_overlay_it_shows_renders_as_it_says(dev_overlay: Path) -> None:
    text = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)[0]
    folder = dev_overlay.parent / "production"
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(text)
    (folder / "token.env").write_text("SKYSAIL_TOKEN=a-token\n")
    objects = render(folder)
    assert named(objects, "Deployment", "skysail-frontend")["spec"]["replicas"] == 4
    images = {container["image"] for workload in workloads(objects) for container in containers(workload)}
    assert images == {
        "redis:7",
        "registry.example.com/skysail/management:0.1.0",
        "registry.example.com/skysail/frontend:0.1.0",
    }
    assert yaml.safe_load(text)["resources"] == ["../../base"]
