"""What models report of themselves, as management shows it."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from harness.registry_samples import a_replica
from skysail_management.records import Replica
from skysail_management.user_metrics import UserMetrics, metrics_path

COUNTER = """# HELP skysail_user_seen_total Rows seen
# TYPE skysail_user_seen_total counter
skysail_user_seen_total{kind="a"} 3.0
"""


def replica(number: int, model: str = "m") -> Replica:
    return a_replica(model=model, version="1", replica_id=number, address=f"unix:/run/{model}{number}.sock")


def shown(directory: Path, replicas: Sequence[Replica]) -> list[str]:
    registry = CollectorRegistry()
    registry.register(UserMetrics(directory, lambda: replicas))
    return generate_latest(registry).decode().splitlines()


def write(directory: Path, of: Replica, text: str) -> None:
    metrics_path(directory, of.address).write_text(text)


def test_each_sample_has_the_model_version_and_replica_it_comes_from(tmp_path: Path) -> None:
    replicas = [replica(0), replica(1), replica(0, "other")]
    for one in replicas:
        write(tmp_path, one, COUNTER)
    lines = shown(tmp_path, replicas)
    assert lines.count("# TYPE skysail_user_seen_total counter") == 1
    assert 'skysail_user_seen_total{kind="a",model="m",replica="1",version="1"} 3.0' in lines
    assert sum(line.startswith("skysail_user_seen_total{") for line in lines) == 3


def test_a_histogram_keeps_its_buckets(tmp_path: Path) -> None:
    write(
        tmp_path,
        replica(0),
        "# TYPE skysail_user_age histogram\n"
        'skysail_user_age_bucket{le="18.0"} 1.0\nskysail_user_age_bucket{le="+Inf"} 2.0\n'
        "skysail_user_age_count 2.0\nskysail_user_age_sum 60.0\n",
    )
    lines = shown(tmp_path, [replica(0)])
    assert 'skysail_user_age_bucket{le="18.0",model="m",replica="0",version="1"} 1.0' in lines
    assert 'skysail_user_age_sum{model="m",replica="0",version="1"} 60.0' in lines


@pytest.mark.parametrize(
    "text",
    [
        "skysail_replicas 1000\n",
        "not prometheus at all {{{\n",
        'skysail_user_x{kind="a} 1\n',
        "".join(f'skysail_user_x{{kind="{number}"}} 1\n' for number in range(3000)),
    ],
    ids=["foreign name", "no text of Prometheus", "open quote", "too many"],
)
def test_a_file_that_speaks_for_others_or_is_none_is_left_out(tmp_path: Path, text: str) -> None:
    write(tmp_path, replica(0), text)
    write(tmp_path, replica(1), COUNTER)
    lines = [line for line in shown(tmp_path, [replica(0), replica(1), replica(2)]) if not line.startswith("#")]
    assert lines == ['skysail_user_seen_total{kind="a",model="m",replica="1",version="1"} 3.0']


def test_what_the_model_writes_cannot_name_another_model(tmp_path: Path) -> None:
    write(tmp_path, replica(0), COUNTER.replace('kind="a"', 'model="bank"'))
    assert 'skysail_user_seen_total{model="m",replica="0",version="1"} 3.0' in shown(tmp_path, [replica(0)])


def test_of_two_kinds_under_one_name_the_first_is_shown(tmp_path: Path) -> None:
    write(tmp_path, replica(0), "# TYPE skysail_user_seen gauge\nskysail_user_seen 1.0\n")
    write(tmp_path, replica(1), "# TYPE skysail_user_seen histogram\nskysail_user_seen_sum 2.0\n")
    lines = [line for line in shown(tmp_path, [replica(0), replica(1)]) if not line.startswith("#")]
    assert lines == ['skysail_user_seen{model="m",replica="0",version="1"} 1.0']


def test_containers_on_tcp_have_files_too(tmp_path: Path) -> None:
    assert metrics_path(tmp_path, "tcp:127.0.0.1:7000") == tmp_path / "tcp-127.0.0.1-7000.metrics"
    assert metrics_path(tmp_path, "tcp:[::1]:7000").parent == tmp_path
