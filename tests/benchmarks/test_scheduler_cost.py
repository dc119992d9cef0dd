"""The microbenchmark of the scheduler runs and says what it ran."""

import json

import pytest
from benchmarks.scheduler_cost import BACKLOGS, ONE_OBJECTIVE, TWO_OBJECTIVES, cost_us, main


@pytest.mark.parametrize("objectives_s", [ONE_OBJECTIVE, TWO_OBJECTIVES])
def test_a_long_queue_costs_little_more_than_a_short_one(objectives_s: tuple[float, ...]) -> None:
    """Flat within the noise of a busy machine: a cost that grew with the queue would be a hundred times as much."""
    short = min(cost_us(100, objectives_s, 30) for _ in range(3))
    long = min(cost_us(10_000, objectives_s, 30) for _ in range(3))
    assert long < 10 * short


def test_the_command_gives_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["us_per_query"]) == {str(n) for n in BACKLOGS}
