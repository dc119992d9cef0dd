"""The contestants: each knows its versions and settings, and starts as a server that answers predictions."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.peers.assignment import N_SPARE_PORTS, variables
from benchmarks.peers.catalogue import PEERS, Peer
from benchmarks.peers.compared_models import ComparedModel
from benchmarks.peers.environment import PeerEnvironment
from benchmarks.peers.questions import Questions
from benchmarks.peers.server_tree import ServerTree
from benchmarks.replies import Form, Outcome, judge
from benchmarks.server_process import CHECKOUT, answers_with, free_port
from benchmarks.serving_stack import ServedApplication, start_stack
from skysail_frontend.compiled import FORM

__all__ = ["CONTESTANTS", "SKYSAIL", "Contestant", "RunningServer"]

SKYSAIL = "skysail"
SKYSAIL_ACCELERATED = "skysail-accelerated"
SLO_S = 0.1
COMMON_DISTRIBUTIONS = ("scikit-learn", "numpy")


@dataclass(frozen=True, slots=True)
class RunningServer:
    """It answers predictions at `port` and `path`."""

    port: int
    path: str
    form: Form
    n_defaults: Callable[[], int]
    """Default outputs given so far, by the server's own count; a peer knows none."""


class Contestant(Protocol):
    """Something that serves the compared models."""

    name: str
    title: str
    settings: str

    def versions(self) -> dict[str, str]:
        """Of its distributions.

        :raises PeerEnvironmentError: it is not installed as it should be.
        """
        ...

    def hindrance(self, model_name: str) -> str | None:
        """Why it cannot be started for this model; None if it can."""
        ...

    def start(self, model: ComparedModel, questions: Questions, folder: Path) -> AbstractContextManager[RunningServer]:
        """Start it, wait until it answers as the model does, stop it at the end. `folder` is empty, its path short.

        :raises ServerError: it does not start.
        """
        ...


class PeerContestant:
    """A peer, started by the `server.py` in its folder with the Python of its environment."""

    def __init__(self, peer: Peer) -> None:
        self.name, self.title, self.settings = peer.name, peer.title, peer.settings
        self._peer = peer
        self._environment = PeerEnvironment(peer.name)

    def versions(self) -> dict[str, str]:
        distributions = (*self._peer.distributions, *COMMON_DISTRIBUTIONS)
        if self._peer.has_environment:
            return self._environment.versions(*distributions)
        return {name: importlib.metadata.version(name) for name in distributions}

    def hindrance(self, _model_name: str) -> str | None:
        if not self._peer.has_environment or self._environment.is_ready():
            return None
        return f"its environment is not ready: python -m benchmarks.peers.setup {self.name}"

    @contextmanager
    def start(self, model: ComparedModel, questions: Questions, folder: Path) -> Iterator[RunningServer]:
        peer, port = self._peer, free_port()
        python = str(self._environment.python) if peer.has_environment else sys.executable
        told = variables(model.file, port, [free_port() for _ in range(N_SPARE_PORTS)], folder)
        told |= {name: value.format(folder=folder) for name, value in peer.variables.items()}
        told["PYTHONPATH"] = str(CHECKOUT)
        server = ServerTree(peer.name, [python, str(peer.server)], folder, told)
        try:
            path = peer.path(model.name)
            server.wait_until(lambda: _answers(port, path, questions, peer.form), peer.start_timeout_s)
            yield RunningServer(port, path, peer.form, lambda: 0)
        finally:
            server.stop()


class SkysailContestant:
    """One frontend worker, one container, a Redis with the registry's records; the application does not use the
    cache."""

    def __init__(self, name: str, title: str, *, is_accelerated: bool) -> None:
        self.name, self.title = name, title
        self._is_accelerated = is_accelerated
        form = "compiled" if FORM.is_in_use() else "interpreted"
        served_by = "the forest converted to ONNX at load" if is_accelerated else "scikit-learn itself"
        slo = f"SLO {1e3 * SLO_S:.0f} ms"
        self.settings = f"one frontend worker ({form}), one container, {served_by}, {slo}, no prediction cache"

    def versions(self) -> dict[str, str]:
        names = ["skysail-query-frontend", "skysail-container", "uvicorn", *COMMON_DISTRIBUTIONS]
        names += ["onnxruntime"] if self._is_accelerated else []
        return {name: importlib.metadata.version(name) for name in names}

    def hindrance(self, model_name: str) -> str | None:
        if not self._is_accelerated:
            return None
        if model_name != "forest":
            return "there is nothing to convert"
        needed = ("skysail_container.acceleration", "onnxruntime")
        missing = [name for name in needed if importlib.util.find_spec(name) is None]
        return f"{', '.join(missing)} is not installed" if missing else None

    @contextmanager
    def start(self, model: ComparedModel, questions: Questions, folder: Path) -> Iterator[RunningServer]:
        application = ServedApplication("app", SLO_S)
        served = _ServedForSkysail(model, questions, self._is_accelerated)
        with start_stack(folder, served, 1, [application]) as stack:
            stack.frontend.wait_until(lambda: _answers(stack.port, application.path, questions, "predict"))
            count = "skysail_defaults_total"
            yield RunningServer(stack.port, application.path, "predict", lambda: int(stack.metrics().get(count, 0.0)))


class _ServedForSkysail:
    """A compared model in the form in which `start_stack` takes one."""

    def __init__(self, model: ComparedModel, questions: Questions, is_accelerated: bool) -> None:
        self.name = model.name
        self._model = model
        self._questions = questions
        self._is_accelerated = is_accelerated

    def install(self, folder: Path) -> None:
        self._model.install(folder, is_accelerated=self._is_accelerated)

    def queries(self, n: int) -> Iterator[tuple[str, object]]:
        return iter(self._questions.ask(n, "predict"))


def _answers(port: int, path: str, questions: Questions, form: Form) -> bool:
    """Whether a query is answered with the model's own output."""
    ((body, output),) = questions.ask(1, form)
    return answers_with(
        port, path, body.encode(), lambda answer: judge(200, answer, output, form)[0] is Outcome.PREDICTED
    )


ALL: tuple[Contestant, ...] = (
    SkysailContestant(SKYSAIL, "Skysail", is_accelerated=False),
    SkysailContestant(SKYSAIL_ACCELERATED, "Skysail, accelerated", is_accelerated=True),
    *(PeerContestant(peer) for peer in PEERS),
)
CONTESTANTS: Mapping[str, Contestant] = {one.name: one for one in ALL}
"""In the order in which they are shown."""
