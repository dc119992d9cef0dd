"""The scraped page: every family, all workers merged, only allowed labels, nothing of what was deleted."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from harness.queries import a_query
from skysail_frontend.batch import Batch
from skysail_frontend.exposition import cells_path, clipper_json, prometheus_text
from skysail_frontend.metric_cells import FILE_BYTES, CellsFile
from skysail_frontend.metrics import DESCRIPTIONS, SECONDS_BUCKETS, ApplicationMetrics, FrontendMetrics
from skysail_frontend.query import EXPLANATIONS, DefaultReason

ALLOWED_LABELS = {"cause", "app", "model", "version", "reason", "code", "le"}


def metrics_of(run_dir: Path, worker: int = 0) -> FrontendMetrics:
    return FrontendMetrics(CellsFile(cells_path(run_dir, worker)))


def scraped(run_dir: Path) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(prometheus_text(run_dir).decode())}


def sample(run_dir: Path, name: str, **labels: str) -> float | None:
    for family in scraped(run_dir).values():
        for candidate in family.samples:
            if candidate.name == name and candidate.labels == labels:
                return candidate.value
    return None


def serve(application: ApplicationMetrics, durations_s: Iterable[float]) -> None:
    for seconds in durations_s:
        application.request_duration.observe(seconds)


def test_every_described_family_is_there_after_traffic_with_its_kind_and_help(tmp_path: Path) -> None:
    metrics = metrics_of(tmp_path)
    metrics.application("a")
    metrics.model("m", "1")
    metrics.feedback("a", "m", "1").add(1.0)
    families = scraped(tmp_path)
    assert set(families) == set(DESCRIPTIONS)
    for name, description in DESCRIPTIONS.items():
        assert families[name].type == description.kind
        assert families[name].documentation == description.help


def test_labels_are_only_names_of_the_registry_and_the_words_of_the_code(tmp_path: Path) -> None:
    metrics = metrics_of(tmp_path)
    metrics.application("a")
    metrics.model("m", "1")
    metrics.feedback("a", "m", "1")
    for family in scraped(tmp_path).values():
        for one in family.samples:
            assert set(one.labels) <= ALLOWED_LABELS
            assert one.labels.get("app", "a") in ("a", "")
            assert one.labels.get("reason", DefaultReason.DEADLINE) in EXPLANATIONS


def test_counts_equal_what_was_sent(tmp_path: Path) -> None:
    application = metrics_of(tmp_path).application("a")
    serve(application, [0.003] * 7)
    application.defaults[DefaultReason.DEADLINE].add(2)
    application.errors.add(3)
    assert sample(tmp_path, "skysail_queries_total", app="a") == 7
    assert sample(tmp_path, "skysail_request_duration_seconds_count", app="a") == 7
    assert sample(tmp_path, "skysail_request_duration_seconds_sum", app="a") == pytest.approx(0.021)
    assert sample(tmp_path, "skysail_defaults_total", app="a", reason="deadline") == 2
    assert sample(tmp_path, "skysail_defaults_total", app="a", reason="overload") == 0
    assert sample(tmp_path, "skysail_request_errors_total", app="a") == 3


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.0, 20.0), max_size=40))
def test_buckets_are_cumulative_and_hold_what_is_at_most_their_bound(
    tmp_path_factory: pytest.TempPathFactory, durations_s: list[float]
) -> None:
    run_dir = tmp_path_factory.mktemp("run")
    serve(metrics_of(run_dir).application("a"), durations_s)
    family = scraped(run_dir)["skysail_request_duration_seconds"]
    buckets = [(float(one.labels["le"]), one.value) for one in family.samples if one.name.endswith("_bucket")]
    assert [upper for upper, _ in buckets] == [*SECONDS_BUCKETS, float("inf")]
    for upper, n in buckets:
        assert n == sum(seconds <= upper for seconds in durations_s)
    assert buckets[-1][1] == len(durations_s)


def test_a_batch_is_seen_in_all_its_parts(tmp_path: Path) -> None:
    model = metrics_of(tmp_path).model("m", "1")
    batch = Batch(1, 0, [a_query(arrival_s=999.5), a_query(arrival_s=999.0)], sent_s=1000.0, starts_s=1000.0)
    model.observe_batch(batch, queued_s=0.25, computed_s=0.5, now_s=1001.0)
    labels = {"model": "m", "version": "1"}
    assert sample(tmp_path, "skysail_batch_rows_sum", **labels) == 2
    assert sample(tmp_path, "skysail_queue_duration_seconds_sum", **labels) == 1.0
    assert sample(tmp_path, "skysail_model_duration_seconds_sum", **labels) == 0.5
    assert sample(tmp_path, "skysail_rpc_duration_seconds_sum", **labels) == 0.5


def test_counters_and_histograms_of_several_workers_are_added_up(tmp_path: Path) -> None:
    for worker in range(3):
        application = metrics_of(tmp_path, worker).application("a")
        serve(application, [0.001 * (worker + 1)] * (worker + 1))
        application.errors.add(1)
    assert sample(tmp_path, "skysail_queries_total", app="a") == 6
    assert sample(tmp_path, "skysail_request_errors_total", app="a") == 3
    assert sample(tmp_path, "skysail_request_duration_seconds_bucket", app="a", le="0.001") == 1
    assert sample(tmp_path, "skysail_request_duration_seconds_sum", app="a") == pytest.approx(0.014)


def test_gauges_of_several_workers_are_merged_as_described(tmp_path: Path) -> None:
    for worker, n_rows in enumerate((5, 2)):
        metrics = metrics_of(tmp_path, worker)
        model = metrics.model("m", "1")
        model.queue_rows.set(n_rows)
        model.replicas.set(n_rows)
        metrics.registry_connected.set(worker)
        metrics.connections.set(n_rows)
    labels = {"model": "m", "version": "1"}
    assert sample(tmp_path, "skysail_queue_rows", **labels) == 7
    assert sample(tmp_path, "skysail_replicas", **labels) == 2
    assert sample(tmp_path, "skysail_registry_connected") == 0
    assert sample(tmp_path, "skysail_connections") == 7


def test_a_worker_killed_and_started_again_goes_on_counting_and_its_gauges_begin_at_zero(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from skysail_frontend.metric_cells import CellsFile\n"
        "from skysail_frontend.metrics import FrontendMetrics\n"
        "metrics = FrontendMetrics(CellsFile(Path(sys.argv[1])))\n"
        "[metrics.application('a').request_duration.observe(0.001) for _ in range(5)]\n"
        "metrics.connections.set(12); metrics.model('m', '1').queue_rows.set(9)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    serve(metrics_of(tmp_path, 0).application("a"), [0.001] * 2)
    subprocess.run([sys.executable, "-c", program, str(cells_path(tmp_path, 1))], check=False)
    assert sample(tmp_path, "skysail_queries_total", app="a") == 7
    assert sample(tmp_path, "skysail_connections") == 12
    again = metrics_of(tmp_path, 1)
    again.model("m", "1")
    serve(again.application("a"), [0.001] * 3)
    assert sample(tmp_path, "skysail_queries_total", app="a") == 10
    assert sample(tmp_path, "skysail_connections") == 0
    assert sample(tmp_path, "skysail_queue_rows", model="m", version="1") == 0


def test_what_is_deleted_is_gone_from_the_page(tmp_path: Path) -> None:
    metrics = metrics_of(tmp_path)
    for app in ("a", "b"):
        metrics.application(app)
    for version in ("1", "2"):
        metrics.model("m", version)
        for app in ("a", "b"):
            metrics.feedback(app, "m", version).add(1)
    metrics.forget_application("a")
    metrics.forget_model("m", "1")
    text = prometheus_text(tmp_path).decode()
    assert 'app="a"' not in text
    assert 'version="1"' not in text
    assert 'skysail_feedback_total{app="b",model="m",version="2"} 1.0' in text


def test_a_deleted_application_that_still_answers_does_not_count_for_its_successor(tmp_path: Path) -> None:
    metrics = metrics_of(tmp_path)
    deleted = metrics.application("a")
    observe, feedback = deleted.request_duration.observe, metrics.feedback
    metrics.forget_application("a")
    observe(0.5)
    deleted.defaults[DefaultReason.DEADLINE].add(1)
    assert 'app="a"' not in prometheus_text(tmp_path).decode()
    metrics.application("b")  # takes the room that became free
    observe(0.5)
    deleted.errors.add(1)
    feedback("a", "m", "1").add(1)
    assert sample(tmp_path, "skysail_queries_total", app="b") == 0
    assert sample(tmp_path, "skysail_request_errors_total", app="b") == 0
    assert 'app="a"' not in prometheus_text(tmp_path).decode()


def test_an_application_made_anew_under_its_name_goes_on_counting_in_the_same_series(tmp_path: Path) -> None:
    metrics = metrics_of(tmp_path)
    serve(metrics.application("a"), [0.1])
    serve(metrics.application("a"), [0.1])
    assert sample(tmp_path, "skysail_queries_total", app="a") == 2
    metrics.forget_application("a")
    assert 'app="a"' not in prometheus_text(tmp_path).decode()


def test_what_went_while_no_worker_ran_ends_with_the_first_snapshot(tmp_path: Path) -> None:
    before = metrics_of(tmp_path)
    for app in ("a", "b"):
        serve(before.application(app), [0.1])
    for version in ("1", "2"):
        before.model("m", version)
        before.feedback("a", "m", version).add(1)
    after = metrics_of(tmp_path)
    after.forget_all_but({"a": 1}, {("m", "2"): 1})
    text = prometheus_text(tmp_path).decode()
    assert 'app="b"' not in text
    assert 'version="1"' not in text
    assert sample(tmp_path, "skysail_queries_total", app="a") == 1
    assert sample(tmp_path, "skysail_request_errors_total", app="") == 0


def test_a_worker_whose_file_is_full_serves_on_without_the_new_series(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = CellsFile(cells_path(tmp_path, 0))
    file.cells("filler", {}, FILE_BYTES // 8 - 40)
    metrics = FrontendMetrics(file)
    serve(metrics.application("late"), [0.1])
    assert "no room for another metric series" in caplog.text
    assert sample(tmp_path, "skysail_queries_total", app="late") is None
    assert sample(tmp_path, "skysail_connections") == 0
    metrics.forget_application("late")


def test_a_corrupt_file_of_one_worker_costs_its_own_counts_alone(tmp_path: Path) -> None:
    serve(metrics_of(tmp_path, 0).application("a"), [0.1])
    cells_path(tmp_path, 1).write_bytes(b"skycell1" + b"\xff" * 500)
    assert sample(tmp_path, "skysail_queries_total", app="a") == 1


def test_series_of_another_release_are_left_out(tmp_path: Path) -> None:
    file = CellsFile(cells_path(tmp_path, 0))
    file.cells("skysail_request_duration_seconds", {"app": "old"}, 5)[0] = 3
    file.cells("skysail_unheard_of", {"app": "old"}, 1)[0] = 3
    serve(metrics_of(tmp_path, 1).application("old"), [0.1])
    assert sample(tmp_path, "skysail_queries_total", app="old") == 1
    assert "unheard" not in prometheus_text(tmp_path).decode()


def test_without_a_worker_the_page_has_no_samples(tmp_path: Path) -> None:
    assert [family.samples for family in scraped(tmp_path).values() if family.samples] == []


def test_clippers_json_tells_the_same_by_kind(tmp_path: Path) -> None:
    metrics = metrics_of(tmp_path)
    application = metrics.application("a")
    serve(application, [0.1, 0.3])
    metrics.connections.set(4)
    page = clipper_json(tmp_path)
    assert {"a:skysail_queries": {"count": 2.0}} in page["counters"]
    assert {"skysail_connections": {"value": 4.0}} in page["gauges"]
    histogram = {"size": 2.0, "sum": pytest.approx(0.4), "mean": pytest.approx(0.2)}
    assert {"a:skysail_request_duration_seconds": histogram} in page["histograms"]
