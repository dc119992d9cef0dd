"""docker-compose.yml is consistent with the processes, the images and .env.example; scripts/try-compose.sh runs it."""

import os
import re
import shutil
import subprocess
import tomllib
from typing import Any
from urllib.parse import urlsplit

import pytest

from harness.packaging import ROOT, compose_file, dockerfile, environment_names, interpolated

MODULES = {"management": "skysail_management", "frontend": "skysail_frontend", "example-model": "skysail_container"}
"""The services that are built here and the process in each."""

SERVICES: dict[str, dict[str, Any]] = compose_file()["services"]


def ports(service: dict[str, Any]) -> list[str]:
    published: list[str] = service.get("ports", [])
    return published


def test_every_port_is_published_on_loopback_only() -> None:
    published = [port for service in SERVICES.values() for port in ports(service)]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_redis_is_published_nowhere_and_sits_on_a_network_without_a_way_out() -> None:
    assert ports(SERVICES["redis"]) == []
    assert SERVICES["redis"]["networks"] == ["data"]
    assert compose_file()["networks"]["data"] == {"internal": True}


def test_management_does_not_start_without_a_token() -> None:
    variables = interpolated(SERVICES["management"]["environment"]["SKYSAIL_TOKEN"])
    assert variables["SKYSAIL_TOKEN"][0] == ":?"


def test_no_secret_is_written_down() -> None:
    assert re.findall(r"^SKYSAIL_TOKEN=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE) == [""]
    ignored = (ROOT / ".gitignore").read_text().split()
    assert ".env" in ignored


def test_the_example_environment_names_every_variable_with_its_default() -> None:
    wanted = interpolated((ROOT / "docker-compose.yml").read_text())
    example = dict(re.findall(r"^([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert {name: operand for name, (operator, operand) in wanted.items() if operator == ":-"} | {
        "SKYSAIL_TOKEN": ""
    } == example


@pytest.mark.parametrize("name", MODULES)
def test_a_process_is_only_given_settings_that_it_reads(name: str) -> None:
    settings = set(SERVICES[name].get("environment", {}))
    assert settings <= environment_names(MODULES[name])


@pytest.mark.parametrize("name", MODULES)
def test_an_image_is_built_from_the_root_and_tagged_with_its_version(name: str) -> None:
    service = SERVICES[name]
    assert service["build"]["context"] == "."
    path = ROOT / service["build"]["dockerfile"]
    version = tomllib.loads((path.parent / "pyproject.toml").read_text())["project"]["version"]
    assert service["image"].partition(":")[2] == version
    assert any(MODULES[name] in one.arguments for one in dockerfile(path) if one.name == "ENTRYPOINT")


@pytest.mark.parametrize("name", MODULES)
def test_the_published_port_is_the_one_the_process_listens_on(name: str) -> None:
    service = SERVICES[name]
    exposed = next(one.arguments for one in dockerfile(ROOT / service["build"]["dockerfile"]) if one.name == "EXPOSE")
    assert [port.rpartition(":")[2] for port in ports(service)] == [exposed]
    listening = service.get("environment", {}).get("SKYSAIL_PORT") or service["command"][3].rpartition(":")[2]
    assert listening == exposed


@pytest.mark.parametrize("name", ["management", "frontend"])
def test_redis_is_reached_by_the_name_of_its_service_on_a_shared_network(name: str) -> None:
    url = urlsplit(SERVICES[name]["environment"]["SKYSAIL_REDIS_URL"])
    assert url.scheme == "redis"
    assert url.hostname in SERVICES
    assert set(SERVICES[str(url.hostname)]["networks"]) & set(SERVICES[name]["networks"])


@pytest.mark.parametrize("name", ["redis", *MODULES])
def test_a_service_runs_with_as_little_as_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert "privileged" not in service


def test_who_waits_for_a_service_waits_until_it_is_healthy() -> None:
    for service in SERVICES.values():
        for name, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}
            assert "healthcheck" in SERVICES[name] or "build" in SERVICES[name], "its image has the check"


def test_every_volume_and_network_and_secret_is_declared() -> None:
    content = compose_file()
    for service in SERVICES.values():
        named = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        assert {name for name in named if not name.startswith(".")} <= set(content["volumes"])
        assert all((ROOT / name).is_dir() for name in named if name.startswith("."))
        assert set(service["networks"]) <= set(content["networks"])
        assert set(service.get("secrets", [])) <= set(content["secrets"])


def test_data_outlives_the_containers() -> None:
    assert "redis-data:/data" in SERVICES["redis"]["volumes"]
    data_dir = SERVICES["management"]["environment"]["SKYSAIL_DATA_DIR"]
    assert f"management-data:{data_dir}" in SERVICES["management"]["volumes"]
    assert "--appendonly" in SERVICES["redis"]["command"]


def test_frontend_and_management_see_the_model_containers_sockets_under_the_same_path() -> None:
    shared = set(SERVICES["frontend"]["volumes"]) & set(SERVICES["management"]["volumes"])
    assert shared == {f"sockets:{SERVICES['management']['environment']['SKYSAIL_RUN_DIR']}"}


def test_compose_itself_accepts_the_file() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed")
    command = [docker, "compose", "--profile", "*", "config", "--quiet"]
    environment = {**os.environ, "SKYSAIL_TOKEN": "a-token"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
