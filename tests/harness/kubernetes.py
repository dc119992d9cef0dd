"""Questions about rendered Kubernetes objects: which pods a selector means, what the network policies let through."""

from typing import Any

__all__ = ["Manifest", "containers", "lets_through", "matches", "named", "pod_labels", "workloads"]

Manifest = dict[str, Any]
Labels = dict[str, str]


def workloads(objects: list[Manifest]) -> list[Manifest]:
    """The objects that make pods."""
    return [one for one in objects if one["kind"] in {"Deployment", "StatefulSet"}]


def named(objects: list[Manifest], kind: str, name: str) -> Manifest:
    """The one object of that kind and name."""
    (found,) = [one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def pod_labels(workload: Manifest) -> Labels:
    labels: Labels = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def containers(workload: Manifest) -> list[Manifest]:
    pod = workload["spec"]["template"]["spec"]
    return [*pod["containers"], *pod.get("initContainers", [])]


def matches(selector: Manifest, labels: Labels) -> bool:
    """Whether a label selector (`matchLabels` only) means a pod with `labels`; an empty one means every pod."""
    assert set(selector) <= {"matchLabels"}, "only matchLabels are used in k8s/"
    wanted: Labels = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()


def lets_through(objects: list[Manifest], source: Labels, target: Labels, port: int) -> bool:
    """Whether the network policies let a pod labelled `source` connect to TCP `port` of one labelled `target`.

    As in the API's documentation of NetworkPolicy: a pod that no policy selects for a direction is open in it;
    otherwise one rule of one of its policies has to allow the connection.
    """
    policies = [one["spec"] for one in objects if one["kind"] == "NetworkPolicy"]
    return _one_way(policies, "Egress", source, target, port) and _one_way(policies, "Ingress", target, source, port)


def _one_way(policies: list[Manifest], direction: str, subject: Labels, peer: Labels, port: int) -> bool:
    mine = [one for one in policies if direction in one["policyTypes"] and matches(one["podSelector"], subject)]
    side = "to" if direction == "Egress" else "from"
    rules = [rule for policy in mine for rule in policy.get(direction.lower(), [])]
    return not mine or any(
        _peer_allowed(rule.get(side), peer) and _port_allowed(rule.get("ports"), port) for rule in rules
    )


def _peer_allowed(peers: list[Manifest] | None, labels: Labels) -> bool:
    if peers is None:
        return True
    local = [one["podSelector"] for one in peers if set(one) == {"podSelector"}]
    return any(matches(selector, labels) for selector in local)


def _port_allowed(ports: list[Manifest] | None, port: int) -> bool:
    if ports is None:
        return True
    tcp = [one for one in ports if one.get("protocol", "TCP") == "TCP"]
    ranges = [range(one["port"], (one["endPort"] if "endPort" in one else one["port"]) + 1) for one in tcp]
    return any(port in ports for ports in ranges)
