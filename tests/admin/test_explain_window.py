"""What two scrapes say together, and what a histogram says of its mean and quantiles."""

import math

import pytest

from skysail_admin.explaining.distribution import Distribution
from skysail_admin.explaining.metrics_window import MetricsWindow
from skysail_admin.prometheus_text import Sample, parse

BEFORE = """\
skysail_defaults_total{app="a",reason="deadline"} 3
skysail_defaults_total{app="a",reason="overload"} 2
skysail_replicas{model="m",version="1"} 1
skysail_seconds_bucket{app="a",le="0.1"} 10
skysail_seconds_bucket{app="a",le="+Inf"} 10
skysail_seconds_count{app="a"} 10
skysail_seconds_sum{app="a"} 0.5
"""
AFTER = """\
skysail_defaults_total{app="a",reason="deadline"} 7
skysail_defaults_total{app="a",reason="overload"} 2
skysail_defaults_total{app="b",reason="deadline"} 5
skysail_replicas{model="m",version="1"} 2
skysail_seconds_bucket{app="a",le="0.1"} 12
skysail_seconds_bucket{app="a",le="+Inf"} 14
skysail_seconds_count{app="a"} 14
skysail_seconds_sum{app="a"} 1.5
"""


def window(after: str = AFTER, before: str = BEFORE) -> MetricsWindow:
    return MetricsWindow(parse(after), parse(before))


def test_a_counter_is_what_it_rose_by_and_a_gauge_what_it_is() -> None:
    assert window().counter("skysail_defaults", app="a") == 4
    assert window().counters("skysail_defaults", "reason", app="a") == {"deadline": 4}
    assert window().gauge("skysail_replicas", model="m") == 2
    assert window().gauge("skysail_replicas", model="other") == 0


def test_a_series_that_was_not_there_before_counts_from_zero() -> None:
    assert window().counter("skysail_defaults", app="b") == 5
    assert window(before="").counter("skysail_defaults", app="a") == 9


def test_a_histogram_is_what_was_observed_in_between() -> None:
    found = window().histogram("skysail_seconds", app="a")
    assert (found.n, found.total, found.mean) == (4, 1.0, 0.25)
    assert found.buckets == ((0.1, 2.0), (math.inf, 4.0))


def test_counters_that_went_back_count_from_zero() -> None:
    restarted = window(after=BEFORE, before=AFTER)
    assert restarted.is_reset
    assert restarted.counter("skysail_defaults", app="a") == 5
    assert not window().is_reset


def test_nothing_observed_has_no_quantile_and_no_mean() -> None:
    nothing = Distribution()
    assert nothing.quantile(0.5) is None
    assert (nothing.mean, nothing.largest, nothing.mean_by_size, nothing.n_used_buckets) == (0.0, 0.0, 0.0, 0)


def test_known_values_keep_their_quantiles() -> None:
    found = Distribution.of_values([0.3, 0.1, 0.2])
    assert found.mean == pytest.approx(0.2)
    assert found.quantile(1.0) == 0.3


def test_a_row_finds_itself_in_a_batch_larger_than_the_mean_one() -> None:
    sizes = Distribution(10.0, 9.0 + 64.0, ((1.0, 9.0), (32.0, 9.0), (64.0, 10.0), (math.inf, 10.0)))
    assert sizes.mean == pytest.approx(7.3)
    assert 40.0 < sizes.mean_by_size < 50.0
    assert sizes.n_used_buckets == 2
    assert sizes.largest == 64.0


def test_a_series_is_known_by_its_name_and_labels() -> None:
    samples = [Sample("skysail_x", {"app": "a"}, 1.0)]
    assert MetricsWindow(samples).gauge("skysail_x", app="a") == 1.0
    assert MetricsWindow(samples).gauge("skysail_x", app="b") == 0.0
