"""Metrics of the model's own."""

import re
from pathlib import Path

import pytest

from harness.container_client import connected, doubles
from harness.container_process import running_container, source_folder
from harness.wait_until import wait_until
from skysail_container import metrics


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics belong to the process; each test has a process's worth of its own."""
    monkeypatch.setattr(metrics, "_series", metrics._Series())


def lines() -> list[str]:
    text = metrics.exposition()
    assert text is not None
    return [line for line in text.decode().splitlines() if not line.startswith("#")]


def test_without_metrics_there_is_nothing_to_show() -> None:
    assert metrics.exposition() is None


def test_counters_and_histograms_are_shown_under_skysails_prefix() -> None:
    refused = metrics.counter("refused_rows", "Rows refused", labels=["reason"])
    refused.add(reason="old")
    refused.add(2, reason="old")
    ages = metrics.histogram("age_years", "Age", buckets=[18, 65])
    ages.observe(30)
    assert lines() == [
        'skysail_user_refused_rows_total{reason="old"} 3.0',
        'skysail_user_age_years_bucket{le="18.0"} 0.0',
        'skysail_user_age_years_bucket{le="65.0"} 1.0',
        'skysail_user_age_years_bucket{le="+Inf"} 1.0',
        "skysail_user_age_years_count 1.0",
        "skysail_user_age_years_sum 30.0",
    ]


def test_declaring_a_metric_again_gives_the_same_one() -> None:
    assert metrics.counter("seen", "Seen") is metrics.counter("seen", "Seen")
    with pytest.raises(ValueError, match="declared already"):
        metrics.counter("seen", "Seen", labels=["kind"])
    with pytest.raises(ValueError, match="declared already"):
        metrics.histogram("seen", "Seen")


def test_label_values_beyond_the_bound_are_counted_together_and_none_is_lost() -> None:
    seen = metrics.counter("seen", "Seen", labels=["customer"])
    for number in range(3 * metrics.MAX_SERIES):
        seen.add(customer=number)
    assert len(lines()) == metrics.MAX_SERIES + 1
    assert f'skysail_user_seen_total{{customer="other"}} {2 * metrics.MAX_SERIES}.0' in lines()
    with pytest.raises(ValueError, match="has them already"):
        metrics.counter("one_more", "One too many")


def test_long_label_values_are_cut() -> None:
    metrics.counter("seen", "Seen", labels=["text"]).add(text="x" * 1000)
    assert lines() == [f'skysail_user_seen_total{{text="{"x" * metrics.MAX_VALUE_CHARACTERS}"}} 1.0']


@pytest.mark.parametrize(
    ("name", "labels", "said"),
    [
        ("Bad-Name", [], "is not a name"),
        ("good", ["ba d"], "is not a name"),
        ("good", ["model"], "added by Skysail"),
        ("good", list("abcdef"), "5 are allowed"),
    ],
)
def test_names_that_prometheus_or_skysail_cannot_have_are_refused(name: str, labels: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        metrics.counter(name, "Help", labels)


def test_labels_that_were_not_declared_and_sums_that_shrink_are_refused() -> None:
    seen = metrics.counter("seen", "Seen", labels=["kind"])
    with pytest.raises(ValueError, match="are declared"):
        seen.add(other=1)
    with pytest.raises(ValueError, match="non-negative"):
        seen.add(-1, kind="a")
    with pytest.raises(ValueError, match="1 to 20 are allowed"):
        metrics.histogram("wide", "Wide", buckets=range(21))


COUNTING = """
from skysail_container.metrics import counter, histogram

rows_seen = counter("rows_seen", "Rows", labels=["size"])
sums = histogram("sums", "Sums of rows", buckets=[1, 10])

def predict(rows):
    rows_seen.add(len(rows), size="small" if len(rows) < 10 else "large")
    for total in rows.sum(axis=1):
        sums.observe(total)
    return rows.sum(axis=1)
"""


def test_a_container_writes_its_models_metrics_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "own.metrics"
    model = source_folder(tmp_path / "model", COUNTING)
    with running_container(model, "--metrics-file", str(path)) as container, connected(container.address) as client:
        wait_until(path.exists, "the metrics declared at load")
        client.predict(doubles([[1.0, 2.0], [30.0, 4.0]]))
        wait_until(lambda: "rows_seen_total{" in path.read_text(), "the metrics of the batch")
        text = path.read_text()
    assert 'skysail_user_rows_seen_total{size="small"} 2.0' in text
    assert 'skysail_user_sums_bucket{le="10.0"} 1.0' in text
    assert re.search(r"^skysail_user_sums_sum 37\.0$", text, re.MULTILINE)
