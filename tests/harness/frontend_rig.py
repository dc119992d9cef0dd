"""What a query passes through, for the tests of the query frontend: Redis, containers and frontends as processes.

Management is not there; its records are written as it would write them.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness import probe_model
from harness.container_process import ContainerProcess, short_folder, source_folder, started_container
from harness.frontend_process import FrontendProcess, started_frontend
from harness.raw_http import predict
from harness.redis_server import RedisServer
from harness.registry_samples import a_model, a_replica, a_version, an_application
from harness.wait_until import wait_until
from skysail_management.records import (
    Application,
    Entry,
    InputField,
    InputSchema,
    InputType,
    Link,
    Record,
    Snapshot,
)
from skysail_management.store import Registry

__all__ = [
    "DEFAULT_OUTPUT",
    "EXAMPLES",
    "PATIENT_SLO_MICROS",
    "SCHEMAS",
    "FrontendRig",
    "container_flags",
    "patient_application",
    "wait_until_predicting",
]

PATIENT_SLO_MICROS = 60_000_000
"""The objective of applications whose answers must not depend on how busy the machine is."""

DEFAULT_OUTPUT = {"verdict": "none"}

EXAMPLES: dict[InputType, Any] = {
    InputType.INTEGERS: [1, 2, 3],
    InputType.FLOATS: [1.5, 2.5],
    InputType.DOUBLES: [1.0, 2.5],
    InputType.STRINGS: "some text",
    InputType.BYTES: "AAEC/w==",
    InputType.JSON: {"a": [1, None, "x"]},
    InputType.TENSOR: [[1, 2], [3, 4]],
}
"""One example of each input type. An application and a model are called after each type."""

SCHEMAS = {
    "checked-doubles": (
        InputType.DOUBLES,
        InputSchema(type="number", shape=(3,)),
        InputSchema(type="number", shape=(2,)),
    ),
    "checked-json": (
        InputType.JSON,
        InputSchema(fields=(InputField("a", "integer"), InputField("b", "string", (-1,), optional=True))),
        InputSchema(fields=(InputField("a", "number", (2, 2)), InputField("c d", "any", (), optional=True))),
    ),
    "checked-tensor": (
        InputType.TENSOR,
        InputSchema(type="number", shape=(2, -1)),
        InputSchema(type="number", shape=(2,)),
    ),
}
"""Input type and schemas of version 1 and 2, by the application and model that have them."""

OTHER_MODEL = "def predict(rows):\n    return [1000.0 + float(sum(row)) for row in rows]\n"


class FrontendRig:
    """A registry with an application and a model for every input type, and processes started when first asked for.

    Applications beside those: `unlinked` has no link, `bulky` neither but a default output of 10 kB, `lonely` a model
    without replicas, `versionless` a model without a current version. Model `doubles` has versions 1 (the probe
    model), 2 (adds 1000) and 3 (no replica, ever). The applications `SCHEMAS` names have a model without replicas whose
    current version 1 has that schema, while version 2 has another and version 3 none.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._containers: dict[str, ExitStack] = {}
        self._frontends: dict[tuple[str, ...], FrontendProcess] = {}
        self._numbers = itertools.count()

    def __enter__(self) -> Self:
        self.folder: Path = self._stack.enter_context(short_folder())
        self.redis = self._stack.enter_context(RedisServer())
        source_folder(self.folder / "probe", Path(probe_model.__file__).read_text())
        source_folder(self.folder / "other", OTHER_MODEL)
        self.write_first_records()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._stack:
            for container in self._containers.values():
                container.close()

    # --- the registry -------------------------------------------------------------------------------------------------

    def write_first_records(self) -> None:
        """Writes the records of the class's docstring, into whatever is there."""
        records: list[Record] = []
        for input_type in InputType:
            records += [patient_application(input_type.value, input_type)]
            records += [a_model(input_type.value, input_type=input_type, current_version="1")]
            records += [a_version(input_type.value, "1", input_type=input_type, state="ready")]
        records += [a_version("doubles", "2", state="ready"), a_version("doubles", "3", state="ready")]
        records += [patient_application("unlinked", links=()), patient_application("lonely")]
        records += [patient_application("bulky", links=(), default_output="x" * 10_000)]
        records += [a_model("lonely", current_version="1"), a_version("lonely", state="ready")]
        records += [patient_application("versionless"), a_model("versionless")]
        for name, (input_type, *schemas) in SCHEMAS.items():
            records += [patient_application(name, input_type)]
            records += [a_model(name, input_type=input_type, current_version="1")]
            for version, schema in enumerate([*schemas, None], 1):
                facts = {"input_type": input_type, "input_schema": schema, "state": "ready"}
                records += [a_version(name, str(version), **facts)]
        self.write(*records)

    def write(self, *records: Record) -> None:
        """Puts records into the registry in one transaction."""
        self.transact(lambda _: [Entry.put(record) for record in records])

    def delete(self, *records: Record) -> None:
        self.transact(lambda _: [Entry.delete(record) for record in records])

    def transact(self, decide: Callable[[Snapshot], Sequence[Entry]]) -> None:
        async def run() -> None:
            registry = Registry.from_url(self.redis.url)
            try:
                await registry.initialize()
                await registry.transact(decide)
            finally:
                await registry.aclose()

        asyncio.run(run())

    def new_name(self, prefix: str = "app") -> str:
        """A name that no record of this rig has."""
        return f"{prefix}-{next(self._numbers)}"

    @contextmanager
    def application(self, **changes: Any) -> Iterator[str]:
        """The name of an application of the test's own, over the probe model unless `links` says otherwise."""
        name = self.new_name()
        record = patient_application(name, **{"links": (Link("doubles"),), **changes})
        self.write(record)
        try:
            yield name
        finally:
            self.delete(record)

    @contextmanager
    def own_model(self, **changes: Any) -> Iterator[tuple[str, ContainerProcess]]:
        """The name of an application and of its model, with a container of the test's own."""
        name = self.new_name("own")
        records: list[Record] = [patient_application(name, **changes), a_model(name, current_version="1")]
        records += [a_version(name, state="ready")]
        self.write(*records)
        with started_container(self.folder / "probe", *container_flags(name, "1", InputType.DOUBLES)) as container:
            self.write(a_replica(name, address=container.wait_ready().address))
            try:
                yield name, container
            finally:
                self.delete(*records, a_replica(name))

    # --- processes ----------------------------------------------------------------------------------------------------

    def serve(self, model: str, version: str = "1") -> None:
        """Makes sure that a container of one of the first records' versions runs and is listed."""
        address = f"unix:{self.folder}/{model}-{version}.sock"
        if address in self._containers:
            return
        folder = self.folder / ("probe" if version == "1" else "other")
        flags = container_flags(model, version, InputType(model))
        with ExitStack() as stack:
            container = stack.enter_context(started_container(folder, *flags, listen=address))
            container.wait_ready()
            self._containers[address] = stack.pop_all()
        self.write(a_replica(model, version, address=address))

    def frontend(self, *flags: str) -> FrontendProcess:
        """A frontend with these flags, shared by all who ask for the same."""
        if flags not in self._frontends:
            self._frontends[flags] = self._stack.enter_context(self.own_frontend(*flags))
        return self._frontends[flags]

    @contextmanager
    def own_frontend(
        self, *flags: str, folder: Path | None = None, pass_fds: tuple[int, ...] = ()
    ) -> Iterator[FrontendProcess]:
        """A frontend of the test's own, ready to serve."""
        place = folder or self.folder / f"frontend-{next(self._numbers)}"
        with started_frontend(self.redis.url, place, *flags, pass_fds=pass_fds) as frontend:
            yield frontend.wait_ready()

    def serving(self, *flags: str, models: Sequence[str] = ("doubles",)) -> FrontendProcess:
        """A shared frontend that is connected to version 1 of these models."""
        for model in models:
            self.serve(model)
        frontend = self.frontend(*flags)
        for model in models:
            wait_until_predicting(frontend, model, EXAMPLES[InputType(model)])
        return frontend


def wait_until_predicting(frontend: FrontendProcess, app: str, row: object = (1.0, 2.5)) -> None:
    """Returns once an application answers with its model's output."""

    def predicts() -> bool:
        try:
            response = frontend.ask(predict(app, row))
        except OSError:
            return False
        return response.status == 200 and response.json()["default"] is False

    wait_until(predicts, f"a prediction of {app}")


def patient_application(name: str, input_type: InputType = InputType.DOUBLES, **changes: Any) -> Application:
    facts = {"default_output": DEFAULT_OUTPUT, "latency_slo_micros": PATIENT_SLO_MICROS, "links": (Link(name),)}
    return an_application(name, input_type=input_type, **(facts | changes))


def container_flags(model: str, version: str, input_type: InputType) -> list[str]:
    return ["--name", model, "--version", version, "--input-type", input_type.value]
