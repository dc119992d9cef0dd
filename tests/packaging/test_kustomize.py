"""The objects of k8s/ validate against the published schemas, fit together, and fit the processes and images."""

import base64
import copy
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate  # type: ignore[import-untyped]  # it ships no type information
import pytest
import yaml

from harness.kubernetes import containers, lets_through, matches, named, pod_labels, workloads
from harness.kustomize import GENERATED, UnsupportedError, render
from harness.packaging import ROOT, compose_file, environment_names

Manifest = dict[str, Any]

SCHEMAS = ("1.25", kubernetes_validate.latest_version())
"""The oldest and the newest Kubernetes whose published schemas the objects are held against."""
MODULES = {"management": "skysail_management", "frontend": "skysail_frontend"}
FOLDERS = {"management": "management", "frontend": "query_frontend"}
TOKEN = "a-token-for-tests"  # noqa: S105 - it guards nothing


@pytest.fixture(params=["base", "overlays/dev"])
def rendered(request: pytest.FixtureRequest, dev_overlay: Path) -> list[Manifest]:
    """All objects of the base, and of the dev overlay."""
    return render(dev_overlay.parents[1] / request.param)


@pytest.fixture
def dev(dev_overlay: Path) -> list[Manifest]:
    return render(dev_overlay)


def process(objects: list[Manifest], name: str) -> Manifest:
    """The container called `name`, wherever its pod is."""
    (found,) = [one for workload in workloads(objects) for one in containers(workload) if one["name"] == name]
    return found


def environment(objects: list[Manifest], name: str) -> dict[str, str | None]:
    """What the process gets as environment; None for what comes from a Secret or a field of the pod."""
    container = process(objects, name)
    values: dict[str, str | None] = {}
    for source in container.get("envFrom", []):
        values |= named(objects, "ConfigMap", source["configMapRef"]["name"])["data"]
    return values | {one["name"]: one.get("value") for one in container["env"]}


@pytest.mark.parametrize("version", SCHEMAS)
def test_every_object_validates_strictly_against_the_published_schemas(rendered: list[Manifest], version: str) -> None:
    for one in rendered:
        kubernetes_validate.validate(one, version, strict=True)


def test_the_schemas_would_find_a_field_that_does_not_exist(rendered: list[Manifest]) -> None:
    wrong = copy.deepcopy(named(rendered, "Deployment", "skysail-frontend"))
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(wrong, SCHEMAS[-1], strict=True)


@pytest.mark.parametrize("folder", ["base", "overlays/dev"])
def test_kubectl_renders_the_same(dev_overlay: Path, folder: str) -> None:
    k8s = dev_overlay.parents[1]
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run(
        [kubectl, "kustomize", str(k8s / folder)], capture_output=True, text=True, check=True, timeout=60
    )
    ours = render(k8s / folder)
    suffix = re.compile(r"(?<=: )(skysail-(?:settings|redis|token))-[0-9a-z]{10}$", re.MULTILINE)
    theirs = list(yaml.safe_load_all(suffix.sub(rf"\1{GENERATED}", done.stdout)))
    assert by_name(ours) == by_name(theirs)


def by_name(objects: list[Manifest]) -> dict[str, Manifest]:
    found = {f"{one['kind']}/{one['metadata']['name']}": one for one in objects}
    assert len(found) == len(objects), "two objects have the same name"
    return found


def test_a_kustomization_that_uses_more_than_the_tests_can_render_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("namePrefix: my-\n")
    with pytest.raises(UnsupportedError, match="namePrefix"):
        render(tmp_path)


def test_selectors_mean_exactly_the_pods_of_one_workload(rendered: list[Manifest]) -> None:
    labels = [pod_labels(workload) for workload in workloads(rendered)]
    for workload in workloads(rendered):
        assert matches(workload["spec"]["selector"], pod_labels(workload))
    for one in rendered:
        if one["kind"] in {"Deployment", "StatefulSet", "PodDisruptionBudget"}:
            assert [matches(one["spec"]["selector"], pod) for pod in labels].count(True) == 1, one["metadata"]["name"]
        elif one["kind"] == "Service":
            selector = {"matchLabels": one["spec"]["selector"]}
            assert [matches(selector, pod) for pod in labels].count(True) == 1, one["metadata"]["name"]


def test_services_lead_to_ports_that_their_pods_have(rendered: list[Manifest]) -> None:
    for service in [one for one in rendered if one["kind"] == "Service"]:
        selector = {"matchLabels": service["spec"]["selector"]}
        (workload,) = [one for one in workloads(rendered) if matches(selector, pod_labels(one))]
        ports = {port["name"]: port["containerPort"] for one in containers(workload) for port in one.get("ports", [])}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]


def test_a_stateful_set_has_the_service_it_names(rendered: list[Manifest]) -> None:
    for one in rendered:
        if one["kind"] == "StatefulSet":
            named(rendered, "Service", one["spec"]["serviceName"])


@pytest.mark.parametrize("name", MODULES)
def test_a_process_is_only_given_settings_that_it_reads(dev: list[Manifest], name: str) -> None:
    assert set(environment(dev, name)) <= environment_names(MODULES[name])


@pytest.mark.parametrize("name", MODULES)
def test_a_process_listens_on_every_address_at_the_port_of_its_pod(dev: list[Manifest], name: str) -> None:
    settings = environment(dev, name)
    assert settings["SKYSAIL_HOST"] == "0.0.0.0"  # the pod's, reached through its Service
    assert process(dev, name)["ports"] == [{"name": "http", "containerPort": int(str(settings["SKYSAIL_PORT"]))}]


def test_model_containers_listen_at_the_address_of_their_pod(dev: list[Manifest]) -> None:
    (variable,) = [one for one in process(dev, "management")["env"] if one["name"] == "SKYSAIL_CONTAINER_HOST"]
    assert variable["valueFrom"] == {"fieldRef": {"fieldPath": "status.podIP"}}


@pytest.mark.parametrize("name", MODULES)
def test_images_are_those_of_the_compose_file_at_the_version_of_the_distribution(
    dev: list[Manifest], name: str
) -> None:
    image = process(dev, name)["image"]
    version = tomllib.loads((ROOT / FOLDERS[name] / "pyproject.toml").read_text())["project"]["version"]
    assert image == compose_file()["services"][name]["image"]
    assert image.partition(":")[2] == version


def test_redis_is_the_same_image_as_in_compose_and_found_by_the_name_of_its_service(dev: list[Manifest]) -> None:
    assert process(dev, "redis")["image"] == compose_file()["services"]["redis"]["image"]
    for name in MODULES:
        url = urlsplit(str(environment(dev, name)["SKYSAIL_REDIS_URL"]))
        assert named(dev, "Service", str(url.hostname))["spec"]["ports"][0]["port"] == url.port


def test_redis_keeps_what_was_acknowledged_and_evicts_nothing(dev: list[Manifest]) -> None:
    configuration = named(dev, "ConfigMap", "skysail-redis" + GENERATED)["data"]["redis.conf"]
    assert "appendonly yes" in configuration
    assert "maxmemory-policy noeviction" in configuration


def test_probes_ask_ports_and_routes_of_their_own_process(rendered: list[Manifest]) -> None:
    for container in [one for workload in workloads(rendered) for one in containers(workload)]:
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for probe in (container[kind] for kind in ("startupProbe", "readinessProbe", "livenessProbe")):
            if "httpGet" in probe:
                assert probe["httpGet"]["port"] in ports
                assert probe["httpGet"]["path"] in {"/healthz", "/readyz"}
            elif container["name"] == "management":
                url = urlsplit(probe["exec"]["command"][-1])
                assert (url.port, url.path in {"/healthz", "/readyz"}) == (ports["http"], True)


def test_only_readiness_depends_on_redis(dev: list[Manifest]) -> None:
    for name in MODULES:
        liveness = json.dumps(process(dev, name)["livenessProbe"])
        assert "/healthz" in liveness
        assert "/readyz" not in liveness


def test_pods_meet_the_restricted_standard_and_have_a_read_only_root(rendered: list[Manifest]) -> None:
    for workload in workloads(rendered):
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in containers(workload):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_the_user_of_a_pod_is_the_user_of_its_image(dev: list[Manifest]) -> None:
    for workload in workloads(dev):
        user = workload["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
        name = containers(workload)[0]["name"]
        assert user == (999 if name == "redis" else 10001)


def test_every_container_says_what_it_needs_and_how_much_memory_it_may_take(rendered: list[Manifest]) -> None:
    for container in [one for workload in workloads(rendered) for one in containers(workload)]:
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


def test_everything_mounted_or_referred_to_is_there(dev: list[Manifest]) -> None:
    for workload in workloads(dev):
        pod = workload["spec"]["template"]["spec"]
        claims = {one["metadata"]["name"] for one in workload["spec"].get("volumeClaimTemplates", [])}
        volumes = {volume["name"] for volume in pod.get("volumes", [])} | claims
        for container in containers(workload):
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        for volume in pod.get("volumes", []):
            if "configMap" in volume:
                named(dev, "ConfigMap", volume["configMap"]["name"])


def test_the_token_comes_from_a_generated_secret(dev: list[Manifest]) -> None:
    (variable,) = [one for one in process(dev, "management")["env"] if one["name"] == "SKYSAIL_TOKEN"]
    reference = variable["valueFrom"]["secretKeyRef"]
    data = named(dev, "Secret", reference["name"])["data"]
    assert base64.b64decode(data[reference["key"]]).decode() == TOKEN


def test_no_secret_is_committed() -> None:
    assert (ROOT / "k8s" / ".gitignore").read_text().splitlines()[-1] == "token.env"
    for path in (ROOT / "k8s").rglob("*.yaml"):
        assert "kind: Secret" not in path.read_text()


def test_data_is_on_volumes_that_outlive_the_pods(rendered: list[Manifest]) -> None:
    for name, path in (("redis", "/data"), ("management", "/var/lib/skysail")):
        (workload,) = [one for one in workloads(rendered) if containers(one)[0]["name"] == name]
        (claim,) = [one["metadata"]["name"] for one in workload["spec"]["volumeClaimTemplates"]]
        assert {"name": claim, "mountPath": path} in containers(workload)[0]["volumeMounts"]


def test_network_policies_let_through_what_is_needed_and_nothing_else(dev: list[Manifest]) -> None:
    pods = {containers(one)[0]["name"]: pod_labels(one) for one in workloads(dev)}
    stranger = {"app.kubernetes.io/name": "something-else"}
    operator = {"skysail/management-client": "true"}
    allowed = [
        (pods["management"], pods["redis"], 6379),
        (pods["frontend"], pods["redis"], 6379),
        (stranger, pods["frontend"], 1337),
        (operator, pods["management"], 1338),
        (pods["frontend"], pods["management"], 45678),  # a model container
    ]
    refused = [
        (stranger, pods["redis"], 6379),
        (stranger, pods["management"], 1338),
        (stranger, pods["management"], 45678),
        (pods["frontend"], pods["management"], 1338),
        (pods["redis"], pods["management"], 1338),
        (pods["management"], pods["frontend"], 1337),
        (pods["management"], stranger, 443),
        (pods["redis"], stranger, 443),
    ]
    assert [case for case in allowed if not lets_through(dev, *case)] == []
    assert [case for case in refused if lets_through(dev, *case)] == []


def test_the_dev_overlay_puts_everything_into_its_own_restricted_namespace(dev: list[Manifest]) -> None:
    (namespace,) = [one for one in dev if one["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    others = {one["metadata"]["namespace"] for one in dev if one is not namespace}
    assert others == {namespace["metadata"]["name"]}
    assert named(dev, "Deployment", "skysail-frontend")["spec"]["replicas"] == 1
