import math

import pytest

from skysail_admin.prometheus_text import Sample, parse, quantile_s

TEXT = """\
# HELP skysail_queries_total Queries taken in
# TYPE skysail_queries_total counter
skysail_queries_total{app="a",reason="say \\"no\\", \\\\ or\\nlater"} 3 1700000000000
skysail_connections 12.5
skysail_seconds_bucket{le="+Inf"} 7
this is no sample
nor this
<html>
"""


def test_samples_are_read_and_the_rest_is_passed_over() -> None:
    assert list(parse(TEXT)) == [
        Sample("skysail_queries_total", {"app": "a", "reason": 'say "no", \\ or\nlater'}, 3.0),
        Sample("skysail_connections", {}, 12.5),
        Sample("skysail_seconds_bucket", {"le": "+Inf"}, 7.0),
    ]


@pytest.mark.parametrize(
    ("quantile", "expected_s"),
    [(0.5, 0.1), (0.25, 0.05), (0.75, 0.15), (1.0, 0.2)],
)
def test_a_quantile_is_linear_within_its_bucket(quantile: float, expected_s: float) -> None:
    buckets = [(0.1, 50.0), (0.2, 100.0), (math.inf, 100.0)]
    found = quantile_s(buckets, quantile)
    assert found == pytest.approx(expected_s)


def test_above_the_last_bound_the_answer_is_the_last_bound() -> None:
    assert quantile_s([(0.1, 1.0), (math.inf, 100.0)], 0.99) == 0.1


def test_nothing_counted_has_no_quantiles() -> None:
    assert quantile_s([], 0.5) is None
    assert quantile_s([(0.1, 0.0), (math.inf, 0.0)], 0.5) is None
