"""Real models in real processes, asked over real sockets."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.container_client import ContainerClient, connected, doubles, doubles_of
from harness.container_process import (
    ContainerProcess,
    function_folder,
    running_container,
    sklearn_folder,
    source_folder,
)
from harness.wait_until import wait_until
from skysail_container.wire import (
    ArrayRow,
    Arrays,
    Bytes,
    Cancel,
    Dense,
    Drain,
    Drained,
    Health,
    HealthReply,
    Json,
    Predict,
    Ragged,
    Refused,
    Result,
    Rows,
    Statistics,
    StatisticsRequest,
    Strings,
    Welcome,
)

pytestmark = pytest.mark.xdist_group("containers-serving")  # one worker starts the containers that they share

GATED = '''
"""Its first row names a file: the batch waits until the file is there."""
import time
from pathlib import Path

order = []

def predict(rows):
    order.append(rows[0])
    name, _, path = rows[0].partition("@")
    while path and not Path(path).exists():
        time.sleep(0.001)
    return [",".join(order)] * len(rows)
'''

MOODY = """
import sys

def predict(rows):
    moods = {row["mood"] for row in rows}
    print("a model may print to stdout:", moods, flush=True)
    print("and to stderr", file=sys.stderr)
    if "raise" in moods:
        raise ValueError("no " + "good")
    if "exit" in moods:
        sys.exit(7)
    if "interrupt" in moods:
        raise KeyboardInterrupt
    if "short" in moods:
        return [0] * (len(rows) - 1)
    return [Exception("cannot say") if row["mood"] == "shy" else row for row in rows]
"""


@pytest.fixture(scope="module")
def cancer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ContainerProcess, np.ndarray, np.ndarray]]:
    rows, labels = load_breast_cancer(return_X_y=True)
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows[:400], labels[:400])
    folder = sklearn_folder(tmp_path_factory.mktemp("cancer"), estimator, input_type="doubles")
    with running_container(folder, "--name=cancer", "--version=3") as container:
        yield container, rows[400:], estimator.predict(rows[400:])


@pytest.fixture(scope="module")
def moody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerProcess]:
    folder = source_folder(tmp_path_factory.mktemp("moody"), MOODY, input_type="json")
    with running_container(folder) as container:
        yield container


def moods(*names: str) -> Json:
    return Json(tuple([json.dumps({"mood": name}).encode() for name in names]))


def test_a_scikit_learn_model_answers_over_rpc_what_it_answers_in_process(
    cancer: tuple[ContainerProcess, np.ndarray, np.ndarray],
) -> None:
    container, rows, expected = cancer
    with connected(container.address, greet=False) as client:
        assert client.hello() == Welcome(1, "cancer", "3", "doubles", 64 * 1024 * 1024)
        result = client.predict(Dense("<f8", rows.shape, rows.tobytes()))
    assert result.errors is None
    assert isinstance(result.outputs, Dense)
    assert (result.outputs.dtype, result.outputs.shape) == ("<i8", (len(rows),))
    assert np.array_equal(np.frombuffer(result.outputs.data, "<i8"), expected)
    assert result.computed_us > 0


def test_a_row_of_the_wrong_width_fails_alone(cancer: tuple[ContainerProcess, np.ndarray, np.ndarray]) -> None:
    container, rows, expected = cancer
    widths = (30, 29, 30, 0)
    data = rows[0].tobytes() + rows[1][:29].tobytes() + rows[2].tobytes()
    with connected(container.address) as client:
        result = client.predict(Ragged("<f8", widths, data))
    assert isinstance(result.outputs, Dense)
    labels = np.frombuffer(result.outputs.data, "<i8")
    assert (labels[0], labels[2]) == (expected[0], expected[2])
    assert result.errors is not None
    assert sorted(result.errors) == [1, 3]
    assert "29 features" in result.errors[1]


def test_an_integer_model_may_be_given_any_number(cancer: tuple[ContainerProcess, np.ndarray, np.ndarray]) -> None:
    container, rows, _ = cancer
    with connected(container.address) as client:
        result = client.predict(Dense("<i4", (1, 30), rows[0].astype("<i4").tobytes()))
    assert result.errors is None


@pytest.mark.parametrize("kind", ["strings", "three axes", "one axis"])
def test_rows_that_the_input_type_does_not_take_are_refused(
    cancer: tuple[ContainerProcess, np.ndarray, np.ndarray], kind: str
) -> None:
    rows: dict[str, Rows] = {
        "strings": Strings(("a",)),
        "three axes": Dense("<f8", (1, 1, 1), bytes(8)),
        "one axis": Dense("<f8", (1,), bytes(8)),
    }
    with connected(cancer[0].address) as client:
        assert client.refusal(rows[kind]).code == "bad_rows"
        assert client.ask(Health(5), HealthReply) == HealthReply(5, "ok")


def test_a_function_with_a_closure_gets_a_matrix_and_answers_over_tcp(tmp_path: Path) -> None:
    weights = np.array([1.0, 10.0])

    def weighted(rows: np.ndarray) -> object:
        assert rows.ndim == 2
        rows *= weights  # the batch belongs to the function: it may write into it
        return rows.sum(axis=1)

    folder = function_folder(tmp_path / "model", weighted, warm_up_rows=[[1, 2]])
    with running_container(folder, listen="127.0.0.1:0") as container:
        assert container.address.startswith("tcp:127.0.0.1:")
        with connected(container.address) as client:
            assert doubles_of(client.predict(doubles([[1, 2], [3, 4]])).outputs) == [21.0, 43.0]


@pytest.mark.parametrize(
    ("input_type", "rows", "outputs"),
    [
        ("strings", Strings(("", "déjà")), Strings(("str:", "str:déjà"))),
        ("bytes", Bytes((b"", b"\x00\xff")), Strings(("bytes:b''", "bytes:b'\\x00\\xff'"))),
        ("json", Json((b'{"a":[1,null]}', b"2.5")), Strings(("dict:{'a': [1, None]}", "float:2.5"))),
        (
            "tensor",
            Arrays((ArrayRow("|u1", (2, 1), b"\x01\x02"), ArrayRow("<i2", (), b"\x05\x00"))),
            Strings(("ndarray:[[1]\n [2]]", "ndarray:5")),
        ),
        ("tensor", Dense("|u1", (2, 1, 1), b"\x01\x02"), Strings(("ndarray:[[1]]", "ndarray:[[2]]"))),
        ("integers", Ragged("<i2", (1, 2), b"\x01\x00\x02\x00\x03\x00"), Strings(("ndarray:[1]", "ndarray:[2 3]"))),
    ],
)
def test_every_input_type_reaches_the_model(
    tmp_path: Path, input_type: str, rows: Strings | Bytes | Json | Arrays | Dense | Ragged, outputs: Strings
) -> None:
    def described(rows: list[object]) -> list[str]:
        return [f"{type(row).__name__}:{row}" for row in rows]

    folder = function_folder(tmp_path / "model", described)
    with running_container(folder, f"--input-type={input_type}") as container, connected(container.address) as client:
        result = client.predict(rows)
    assert (result.outputs, result.errors) == (outputs, None)


def test_one_row_in_64_that_the_model_refuses_fails_alone(moody: ContainerProcess) -> None:
    with connected(moody.address) as client:
        result = client.predict(moods(*["fine"] * 40, "raise", *["fine"] * 23))
    assert result.errors == {40: "ValueError: no good"}
    assert isinstance(result.outputs, Json)
    assert result.outputs.items[0] == b'{"mood":"fine"}'
    assert result.outputs.items[40] == b"null"
    assert len(result.outputs.items) == 64


def test_nothing_that_a_model_raises_ends_its_process(moody: ContainerProcess) -> None:
    with connected(moody.address) as client:
        assert client.predict(moods("exit")).errors == {0: "SystemExit: 7"}
        assert client.predict(moods("interrupt", "fine")).errors == {0: "KeyboardInterrupt"}
        assert client.predict(moods("fine")).errors is None
    assert moody.process.poll() is None


def test_a_wrong_number_of_outputs_fails_every_row_with_the_numbers(moody: ContainerProcess) -> None:
    with connected(moody.address) as client:
        result = client.predict(moods("fine", "fine", "short", "fine"))
    assert result.errors == dict.fromkeys(range(4), "model returned 3 outputs for 4 rows")


def test_an_output_that_is_an_exception_is_its_rows_error(moody: ContainerProcess) -> None:
    with connected(moody.address) as client:
        result = client.predict(moods("fine", "shy"))
    assert result.errors == {1: "Exception: cannot say"}
    assert result.outputs == Json((b'{"mood":"fine"}', b"null"))


def test_a_row_that_is_not_json_fails_alone(moody: ContainerProcess) -> None:
    with connected(moody.address) as client:
        result = client.predict(Json((b'{"mood":"fine"}', b"{", b"[" * 100_000)))
    assert result.errors is not None
    assert sorted(result.errors) == [1, 2]
    assert "JSONDecodeError" in result.errors[1]


def test_what_a_model_prints_goes_to_the_log_and_its_errors_too(moody: ContainerProcess) -> None:
    with connected(moody.address) as client:
        client.predict(moods("fine"))
    moody.wait_for_log("a model may print to stdout: {'fine'}")
    moody.wait_for_log("and to stderr")


def test_statistics_count_what_became_of_every_batch(tmp_path: Path) -> None:
    folder = source_folder(tmp_path / "model", MOODY, input_type="json")
    with running_container(folder) as container, connected(container.address) as client:
        client.predict(moods("fine", "shy"))
        client.refusal(moods("fine"), time_left_us=0)
        client.refusal(Strings(()))

        def is_at_rest() -> bool:  # a batch counts as running until just after its reply
            now = client.ask(StatisticsRequest(), Statistics).values
            return (now["queued"], now["running"], now["connections"]) == (0, 0, 1)

        wait_until(is_at_rest, "nothing queued, nothing running, nobody else connected")
        values = client.ask(StatisticsRequest(), Statistics).values
    counted = {name: values[name] for name in ("batches", "rows", "row_errors", "refused_expired", "refused_bad_rows")}
    assert counted == {"batches": 1, "rows": 2, "row_errors": 1, "refused_expired": 1, "refused_bad_rows": 1}
    assert 0 < values["computing_s"] < values["uptime_s"]


class Gate:
    """A container whose model waits for a file, with its first batch inside the model."""

    def __init__(self, container: ContainerProcess, folder: Path) -> None:
        self.container = container
        self._path = folder / "open"

    def open(self) -> None:
        self._path.touch()

    def rows(self, name: str) -> Strings:
        return Strings((f"{name}@{self._path}",))

    def occupy(self, client: ContainerClient) -> None:
        """Returns once a batch, number 100, is inside the model."""
        client.send(Predict(100, 20_000_000, self.rows("first")))
        wait_until(lambda: client.ask(StatisticsRequest(), Statistics).values["running"], "a running batch")


def names_that_ran(result: Result) -> list[str]:
    """The first rows of every batch that the gated model was given until then."""
    assert isinstance(result.outputs, Strings)
    return [name.partition("@")[0] for name in result.outputs.items[0].split(",")]


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    folder = source_folder(tmp_path / "model", GATED, input_type="strings")
    with running_container(folder, "--max-queued-batches=4") as container:
        yield Gate(container, tmp_path)


def test_batches_in_flight_are_served_by_earliest_deadline_over_all_connections(gate: Gate) -> None:
    address = gate.container.address
    with connected(address) as one, connected(address) as other:
        gate.occupy(one)
        one.send(Predict(1, 15_000_000, Strings(("late",))))
        one.send(Predict(2, 5_000_000, Strings(("urgent",))))
        one.ask(Health(1), HealthReply)
        other.send(Predict(1, 10_000_000, Strings(("middle",))))
        other.ask(Health(1), HealthReply)
        gate.open()
        replies = [one.expect(Result) for _ in range(3)]
        other.expect(Result)
    assert [reply.batch_id for reply in replies] == [100, 2, 1]
    assert names_that_ran(replies[2]) == ["first", "urgent", "middle", "late"]
    assert replies[2].queued_us >= replies[1].queued_us > 0


def test_a_cancelled_batch_that_has_not_started_never_runs(gate: Gate) -> None:
    with connected(gate.container.address) as client:
        gate.occupy(client)
        client.send(Predict(1, 10_000_000, Strings(("cancelled",))))
        client.send(Predict(2, 10_000_000, Strings(("kept",))))
        client.send(Cancel(1))
        client.send(Cancel(100))  # runs already: answered as usual
        client.send(Cancel(77))  # never heard of: ignored
        refused = client.expect(Refused)
        assert (refused.batch_id, refused.code) == (1, "cancelled")
        gate.open()
        assert client.expect(Result).batch_id == 100
        kept = client.expect(Result)
    assert names_that_ran(kept) == ["first", "kept"]


def test_a_batch_whose_time_is_up_is_refused_without_running(gate: Gate) -> None:
    with connected(gate.container.address) as client:
        gate.occupy(client)
        client.send(Predict(1, 1_000, Strings(("expired",))))
        client.send(Predict(2, 10_000_000, Strings(("kept",))))
        threading.Timer(0.05, gate.open).start()
        assert client.expect(Result).batch_id == 100
        refused = client.expect(Refused)
        assert (refused.batch_id, refused.code) == (1, "expired")
        kept = client.expect(Result)
    assert names_that_ran(kept) == ["first", "kept"]


def test_a_full_queue_refuses_and_keeps_what_it_has(gate: Gate) -> None:
    with connected(gate.container.address) as client:
        gate.occupy(client)
        for batch_id in range(1, 7):
            client.send(Predict(batch_id, 10_000_000, Strings(("x",))))
        refused = [client.expect(Refused) for _ in range(2)]
        assert [(one.batch_id, one.code) for one in refused] == [(5, "overloaded"), (6, "overloaded")]
        gate.open()
        assert [client.expect(Result).batch_id for _ in range(5)] == [100, 1, 2, 3, 4]


def test_drain_answers_when_everything_taken_in_is_answered_and_refuses_what_comes_later(gate: Gate) -> None:
    address = gate.container.address
    with connected(address) as client, connected(address) as other:
        gate.occupy(client)
        client.send(Predict(1, 10_000_000, Strings(("taken in",))))
        client.send(Drain())
        assert client.ask(Health(9), HealthReply) == HealthReply(9, "draining")
        assert other.refusal(Strings(("new",))).code == "draining"
        gate.open()
        assert [client.expect(Result).batch_id for _ in range(2)] == [100, 1]
        client.expect(Drained)
    assert gate.container.process.poll() is None
