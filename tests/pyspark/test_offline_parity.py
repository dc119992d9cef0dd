"""100,000 rows of a table through `skysail batch`, and through the version's own container: the same answers.

Which rows come together in a batch online is chance. To most frameworks it does not matter, to the last bit; where one
adds up in an order that depends on how many rows there are, batches of the same rows still give the same bits.
"""

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from harness.container_client import ContainerClient, connected
from harness.local_stack import running_stack
from harness.table_models import TABLE_MODELS, TableModel, table_of, wire_rows
from skysail_admin import Skysail
from skysail_admin.cli import main
from skysail_admin.local.local_stack import LocalStack
from skysail_container.output_values import difference, json_values

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore"),  # what the frameworks warn of while they train and export
]

N_ROWS = 100_000
BATCH_ROWS = 512
ONLINE_SIZES = (1, 2, 3, 7, 16, 64, 100, 512)
"""Rows of a batch online are as many as happen to wait."""


@pytest.fixture(scope="module")
def stack() -> Iterator[tuple[LocalStack, Skysail]]:
    with running_stack() as running:
        yield running


def scored_offline(stack: LocalStack, name: str, table: pa.Table, folder: Path) -> list[pa.Table]:
    """The finished job's chunks, each in the order of its rows."""
    parquet.write_table(table, folder / "rows.parquet", row_group_size=len(table) // 4)
    words = ["--input", folder / "rows.parquet", "--output", folder / "out", "--master", "local[2]"]
    assert main(["batch", f"{name}:1", *map(str, words), "--batch-rows", str(BATCH_ROWS), "--json"]) == 0
    return [parquet.read_table(path) for path in sorted((folder / "out").glob("*.parquet"))]


def outcomes_offline(chunk: pa.Table) -> list[Any]:
    """Of each row its output, or the text of its error."""
    pairs = zip(chunk["prediction"].to_pylist(), chunk["error"].to_pylist(), strict=True)
    return [output if error is None else error for output, error in pairs]


def outcomes_online(client: ContainerClient, model: TableModel, rows: pa.Table, sizes: Iterator[int]) -> list[Any]:
    outcomes: list[Any] = []
    while len(outcomes) < len(rows):
        result = client.predict(wire_rows(model, rows.slice(len(outcomes), next(sizes))))
        errors = result.errors or {}
        outcomes += [errors.get(index, output) for index, output in enumerate(json_values(result.outputs))]
    return outcomes


def always(size: int) -> Iterator[int]:
    while True:
        yield size


def as_it_comes(seed: int) -> Iterator[int]:
    chance = random.Random(seed)
    while True:
        yield chance.choice(ONLINE_SIZES)


def differences(offline: Sequence[Any], online: Sequence[Any], tolerance: float) -> list[str]:
    pairs = zip(offline, online, strict=True)
    return [text for given, got in pairs if given != got and (text := difference(given, got, tolerance))]


@pytest.mark.parametrize("model", TABLE_MODELS, ids=lambda model: model.name)
def test_a_table_is_answered_offline_as_its_rows_are_online(
    model: TableModel,
    stack: tuple[LocalStack, Skysail],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    local, client = stack
    monkeypatch.setenv("SKYSAIL_DATA_DIR", str(local.settings.data_dir))
    monkeypatch.setenv("SKYSAIL_URL", local.settings.management_url)
    (tmp_path / "model").mkdir()
    made = model.make(tmp_path / "model")
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)  # made with it, but the stack runs without
    client.deploy_model(model.name, 1, model.input_type, made, method=model.method)
    table = table_of(model, N_ROWS)

    chunks = scored_offline(local, model.name, table, tmp_path)

    done = json.loads(capsys.readouterr().out)
    assert done["n_rows"] == N_ROWS == sum(map(len, chunks))
    assert (done["n_errors"] > 0) == (model.name == "function")
    (replica,) = client.replicas(model.name)
    with connected(replica.address) as container:
        for number, chunk in enumerate(chunks):
            rows, offline = chunk.select(table.column_names), outcomes_offline(chunk)
            if model.tolerance:
                online = outcomes_online(container, model, rows, always(BATCH_ROWS))
                assert not differences(offline, online, 0.0)[:3]
            online = outcomes_online(container, model, rows, as_it_comes(number))
            assert not differences(offline, online, model.tolerance)[:3]
    client.set_num_replicas(model.name, 0, 1)
