"""The trial behind scripts/try-compose.sh: each step states what holds of the running compose stack, and checks it."""

import argparse
import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
from compose_stack import PROJECT, ROOT, Stack, TrialError, all_healthy, expect, wait_until
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from skysail_admin.errors import SkysailError, UnauthorizedError
from skysail_container import wire

DATA, LABELS = load_iris(return_X_y=True)
MODEL = LogisticRegression(max_iter=1000).fit(DATA, LABELS)
ROWS = DATA[::10].tolist()
EXPECTED = MODEL.predict(DATA[::10]).tolist()


def answers(stack: Stack) -> bool:
    """Whether every row gets the model's own prediction."""
    with stack.client() as client:
        predictions = client.predict_batch("iris", ROWS)
    return [prediction.output for prediction in predictions] == EXPECTED and not any(one.default for one in predictions)


def refuses_to_start_without_a_token(stack: Stack) -> str:
    printed = stack.compose("config", check=False, SKYSAIL_TOKEN="")
    expect("copy .env.example to .env" in printed, f"compose said instead: {printed}")
    return printed.strip().splitlines()[-1]


def comes_up_healthy(stack: Stack) -> str:
    started_s = time.monotonic()
    stack.compose("up", "-d", "--build", "--wait", quiet=False)
    expect(all_healthy(stack), "a service is not healthy")
    return f"{time.monotonic() - started_s:.0f} s with the build"


def listens_on_loopback_and_runs_unprivileged(stack: Stack) -> str:
    for service, user in (("redis", "999"), ("management", "10001"), ("frontend", "10001")):
        facts = stack.inspect(service)
        bindings = [one for ports in facts["HostConfig"]["PortBindings"].values() for one in ports]
        expect(all(one["HostIp"] == "127.0.0.1" for one in bindings), f"{service} is published beyond loopback")
        expect(stack.inside(service, "id", "-u") == user, f"{service} runs as another user than {user}")
        touched = stack.inside(service, "sh", "-c", "touch /usr/probe 2>&1 || true")
        expect("Read-only file system" in touched, f"{service} can write to its root: {touched}")
        compiler = stack.inside(service, "sh", "-c", "command -v gcc cc g++ || true")
        expect(compiler == "", f"{service} has a compiler: {compiler}")
    return "users 999 and 10001, read-only roots, no compiler"


def asks_for_the_token(stack: Stack) -> str:
    for token in (None, "wrong"):
        headers = {"authorization": f"Bearer {token}"} if token else {}
        for route in ("/healthz", "/metrics", "/api/v1/status", "/api/v1/models", "/docs"):
            status = httpx.get(f"http://127.0.0.1:{stack.management_port}{route}", headers=headers).status_code
            expect(status == 401, f"{route} answered {status} to token {token}")
    try:
        stack.client("wrong").status()
    except UnauthorizedError:
        return "401 on every route without it"
    raise TrialError("the client got in with a wrong token")


def serves_a_model(stack: Stack) -> str:
    with stack.client() as client:
        client.register_application("iris", "doubles", default_output="-1", slo_ms=500)
        started_s = time.monotonic()
        client.deploy_model("iris-model", "1", "doubles", MODEL)
        deployed_s = time.monotonic() - started_s
        client.link_model_to_app("iris", "iris-model")
    wait_until(lambda: answers(stack), "the model's own predictions")
    return f"deployed in {deployed_s:.1f} s, all {len(ROWS)} rows as the model says"


def answers_single_queries_over_plain_http(stack: Stack) -> str:
    url = f"http://127.0.0.1:{stack.query_port}/iris/predict"
    answer = httpx.post(url, json={"input": ROWS[0]}).json()
    expect(answer["output"] == EXPECTED[0] and answer["default"] is False, f"got {answer}")
    bad = httpx.post(url, json={"input": "x"})
    expect(bad.status_code == 400, f"a bad query got {bad.status_code}")
    return json.dumps(answer)


def joins_feedback_with_its_prediction(stack: Stack) -> str:
    with stack.client() as client:
        query = client.predict("iris", ROWS[0])
        outcome: dict[str, Any] = {}

        def joined() -> bool:
            outcome.update(client.update("iris", query.query_id, EXPECTED[0]))
            return outcome.get("status") == "joined"

        wait_until(joined, "the feedback is joined")  # predictions are put on record shortly after the answer
    return json.dumps(outcome)


def stops_gracefully(stack: Stack) -> str:
    services = ("frontend", "management", "redis")
    started_s = time.monotonic()
    stack.compose("stop", *services)
    took_s = time.monotonic() - started_s
    codes = {service: stack.inspect(service)["State"]["ExitCode"] for service in services}
    expect(set(codes.values()) == {0}, f"exit codes {codes}")
    stack.compose("start", *services)
    wait_until(lambda: all_healthy(stack), "all services healthy again", 120)
    wait_until(lambda: answers(stack), "the model's own predictions again")
    return f"exit code 0 of all within {took_s:.1f} s, and answering again after start"


def survives_a_restart_of_everything(stack: Stack) -> str:
    stack.compose("restart", quiet=False)
    healthy_s = wait_until(lambda: all_healthy(stack), "all services healthy again", 120)
    answers_s = wait_until(lambda: answers(stack), "the model's own predictions again", 120)
    with stack.client() as client:
        expect([one.name for one in client.applications()] == ["iris"], "the application is gone")
    return f"healthy {healthy_s:.1f} s after the restart and answering {answers_s:.1f} s later"


def survives_the_death_of_a_model_container(stack: Stack) -> str:
    with stack.client() as client:
        (replica,) = client.replicas("iris-model")
        stack.inside("management", "python", "-c", f"import os; os.kill({replica.pid}, 9)")
        seconds = wait_until(lambda: client.replicas("iris-model")[0].restarts > replica.restarts, "a restart")
    seconds += wait_until(lambda: answers(stack), "the model's own predictions again")
    return f"the model's own predictions again after {seconds:.1f} s"


def survives_kill_nine_of(service: str, program: str) -> Callable[[Stack], str]:
    """A step that kills the service's process inside its container with SIGKILL; the engine has to bring it back."""

    def step(stack: Stack) -> str:
        before = stack.inspect(service)
        stack.inside(service, "sh", "-c", kill_nine(program), check=False)
        wait_until(lambda: stack.inspect(service)["RestartCount"] > before["RestartCount"], f"{service} is restarted")
        wait_until(lambda: all_healthy(stack), "all services healthy again", 120)
        seconds = wait_until(lambda: answers(stack), "the model's own predictions again", 120)
        return f"restarted by the engine; answering {seconds:.1f} s after it was healthy"

    return step


def kill_nine(program: str) -> str:
    """A shell line that kills the init process's only child, if it is `program`: the images have no pkill."""
    return (
        "for dir in /proc/[0-9]*; do "
        f"if [ \"$(cut -d' ' -f4 $dir/stat)\" = 1 ] && tr '\\0' ' ' <$dir/cmdline | grep -q '{program}'; "
        "then kill -9 ${dir#/proc/}; fi; done"
    )


def predicts_while_redis_is_away(stack: Stack) -> str:
    stack.compose("stop", "redis")
    expect(answers(stack), "predictions stopped with Redis")
    status = httpx.get(
        f"http://127.0.0.1:{stack.management_port}/api/v1/applications",
        headers={"authorization": f"Bearer {stack.token}"},
        timeout=30,
    ).status_code
    expect(status == 503, f"management answered {status} without Redis")
    stack.compose("start", "redis")
    wait_until(lambda: all_healthy(stack), "all services healthy again", 120)
    with stack.client() as client:
        wait_until(lambda: [one.name for one in client.applications()] == ["iris"], "management has its registry again")
    expect(answers(stack), "predictions are wrong after Redis came back")
    return "predictions went on, management answered 503"


def keeps_its_data_over_down_and_up(stack: Stack) -> str:
    stack.compose("down", quiet=False)
    stack.compose("up", "-d", "--wait", quiet=False)
    seconds = wait_until(lambda: answers(stack), "the model's own predictions again", 120)
    return f"answering {seconds:.1f} s after up"


def runs_a_model_container_of_its_own(stack: Stack) -> str:
    stack.compose("--profile", "example", "up", "-d", "--build", "--wait", "example-model", quiet=False)
    rows = wire.Dense("<f8", (2, 2), struct.pack("<4d", 1, 2, 3, 4))
    with socket.create_connection(("127.0.0.1", stack.example_port), 10) as connection:
        connection.sendall(wire.encode(wire.Hello(wire.PROTOCOL_VERSION, "trial")))
        connection.sendall(wire.encode(wire.Predict(1, 5_000_000, rows)))
        decoder = wire.FrameDecoder()
        messages: list[Any] = []
        while not any(isinstance(message, wire.Result) for message in messages):
            messages += [wire.decode_from_container(body) for body in decoder.feed(connection.recv(65536))]
    expect(messages[-1].outputs == wire.Dense("<f8", (2,), struct.pack("<2d", 3, 7)), f"got {messages[-1]}")
    return f"{messages[0].model}:{messages[0].version} answers batches"


def is_scraped_by_prometheus(stack: Stack) -> str:
    stack.compose("--profile", "monitoring", "up", "-d", "prometheus", quiet=False)
    api = f"http://127.0.0.1:{stack.prometheus_port}/api/v1"

    def both_up() -> bool:
        targets = httpx.get(f"{api}/targets").json()["data"]["activeTargets"]
        return len(targets) == 2 and all(target["health"] == "up" for target in targets)

    wait_until(both_up, "both targets are up")
    groups = httpx.get(f"{api}/rules").json()["data"]["groups"]
    wait_until(lambda: bool(httpx.get(f"{api}/query?query=skysail_queries_total").json()["data"]["result"]), "a series")
    return f"2 targets up, {sum(len(group['rules']) for group in groups)} rules"


def has_rules_that_promtool_accepts(stack: Stack) -> str:
    image = stack.inspect("prometheus")["Config"]["Image"]
    mounts = ["-v", f"{ROOT}/monitoring/rules:/trial/rules:ro"]
    mounts += ["-v", f"{ROOT}/tests/packaging/prometheus_rules_test.yml:/trial/rules_test.yml:ro"]
    command = ["docker", "run", "--rm", "--network", "none", *mounts, "--entrypoint", "promtool", image]
    command += ["test", "rules", "/trial/rules_test.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    expect(done.returncode == 0, done.stdout + done.stderr)
    return "promtool test rules: SUCCESS"


def leaves_nothing_behind(stack: Stack) -> str:
    stack.compose("--profile", "*", "down", "-v", "--remove-orphans", quiet=False)
    for kind in ("container", "volume", "network"):
        command = ["docker", kind, "ls", "-q", "--filter", f"label=com.docker.compose.project={PROJECT}"]
        command += ["-a"] if kind == "container" else []
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        expect(not found, f"{kind}s left: {found}")
    return "no container, volume or network"


STEPS: list[tuple[str, Callable[[Stack], str]]] = [
    ("refuses to start without a token", refuses_to_start_without_a_token),
    ("comes up healthy", comes_up_healthy),
    ("listens on loopback and runs unprivileged", listens_on_loopback_and_runs_unprivileged),
    ("asks for the token", asks_for_the_token),
    ("serves a model", serves_a_model),
    ("answers single queries over plain HTTP", answers_single_queries_over_plain_http),
    ("joins feedback with its prediction", joins_feedback_with_its_prediction),
    ("stops gracefully", stops_gracefully),
    ("survives a restart of everything", survives_a_restart_of_everything),
    ("survives kill -9 of a model container", survives_the_death_of_a_model_container),
    ("survives kill -9 of management", survives_kill_nine_of("management", "skysail_management")),
    ("survives kill -9 of the frontend", survives_kill_nine_of("frontend", "skysail_frontend")),
    ("survives kill -9 of Redis", survives_kill_nine_of("redis", "redis-server")),
    ("predicts while Redis is away", predicts_while_redis_is_away),
    ("keeps its data over down and up", keeps_its_data_over_down_and_up),
    ("runs a model container of its own", runs_a_model_container_of_its_own),
    ("is scraped by Prometheus", is_scraped_by_prometheus),
    ("has alerts that fire as written", has_rules_that_promtool_accepts),
    ("leaves nothing behind after down -v", leaves_nothing_behind),
]


def main() -> int:
    parser = argparse.ArgumentParser(description="Try docker-compose.yml on a Docker engine.")
    parser.add_argument("--keep", action="store_true", help="leave it running at the end, or where it failed")
    keep = parser.parse_args().keep
    stack = Stack()
    steps = STEPS[:-1] if keep else STEPS
    for number, (title, step) in enumerate(steps, start=1):
        started_s = time.monotonic()
        try:
            found = step(stack)
        except (TrialError, SkysailError, OSError, httpx.HTTPError) as error:
            print(f"{number:2}/{len(steps)} FAILED {title}: {error}", flush=True)
            print(stack.compose("logs", "--tail", "40", check=False))
            if not keep:
                stack.compose("--profile", "*", "down", "-v", "--remove-orphans", check=False)
            return 1
        took_s = time.monotonic() - started_s
        print(f"{number:2}/{len(steps)} ok     {title}: {found} ({took_s:.1f} s)", flush=True)
    if keep:
        print(
            f"left running: queries on {stack.query_port}, management on {stack.management_port}, token {stack.token}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
