"""How the mean answer is divided among network, waiting, RPC and model."""

from dataclasses import replace

import pytest

from skysail_admin.explaining.distribution import Distribution
from skysail_admin.explaining.figures import ApplicationFigures, Figures, ModelFigures
from skysail_admin.explaining.parts import latency_parts


def seconds(n: float, mean_s: float) -> Distribution:
    return Distribution(n, n * mean_s, ((mean_s, n), (float("inf"), n)))


MODEL = ModelFigures(
    "m", "1", rows=seconds(50, 2.0), queue=seconds(50, 0.002), rpc=seconds(50, 0.001), duration=seconds(50, 0.005)
)
FIGURES = Figures(
    application=ApplicationFigures("a", 0.1, requests=seconds(100, 0.010)),
    model=MODEL,
    window_s=10.0,
    n_asking=100,
    n_cached_asking=100,
    round_trips=seconds(10, 0.002),
)


def means_ms(figures: Figures) -> dict[str, float]:
    parts = latency_parts(figures)
    assert sum(part.share for part in parts) == pytest.approx(1.0)
    assert all(part.mean_ms >= 0.0 for part in parts)
    return {part.part: part.mean_ms for part in parts}


def test_what_neither_model_nor_rpc_take_of_an_answer_is_waiting() -> None:
    found = means_ms(FIGURES)
    assert found == pytest.approx({"network and HTTP": 2.0, "waiting": 4.0, "RPC": 1.0, "model": 5.0})


def test_answers_from_the_cache_owe_nothing_to_the_model() -> None:
    cached = replace(FIGURES, model=replace(MODEL, hits=80, misses=20))
    assert means_ms(cached)["model"] == pytest.approx(1.0)
    uncached = replace(cached, application=replace(cached.application, cache=False))
    assert means_ms(uncached)["model"] == pytest.approx(5.0)


def test_only_its_own_share_of_the_hits_counts_where_applications_share_a_model() -> None:
    shared = replace(FIGURES, model=replace(MODEL, hits=80, misses=120), n_cached_asking=200)
    assert means_ms(shared)["model"] == pytest.approx(3.0)


def test_refused_queries_owe_nothing_to_the_model() -> None:
    application = replace(FIGURES.application, defaults={"overload": 60, "deadline": 20})
    assert means_ms(replace(FIGURES, application=application))["model"] == pytest.approx(2.0)


def test_answers_of_the_fallback_owe_to_that_model() -> None:
    quick = ModelFigures("quick", "1", rpc=seconds(9, 0.001), duration=seconds(9, 0.001))
    application = replace(FIGURES.application, fallback="quick", fallbacks=50)
    found = means_ms(replace(FIGURES, application=application, fallback=quick))
    assert found["model"] == pytest.approx(3.0)
    assert found["RPC"] == pytest.approx(1.0)


def test_batches_that_outlive_the_answers_do_not_take_more_than_there_is() -> None:
    short = replace(FIGURES.application, requests=seconds(100, 0.003))
    found = means_ms(replace(FIGURES, application=short))
    assert found["waiting"] == pytest.approx(0.0)
    assert found["model"] == pytest.approx(2.5)
    assert found["RPC"] == pytest.approx(0.5)


def test_most_rows_are_in_the_larger_batches() -> None:
    rows = Distribution(50, 100, ((1.0, 40), (4.0, 40), (8.0, 50), (float("inf"), 50)))
    varied = replace(MODEL, rows=rows, fixed_s=0.001, row_s=0.001)
    assert means_ms(replace(FIGURES, model=varied))["model"] > 6.0


def test_without_answers_there_are_no_parts() -> None:
    assert latency_parts(replace(FIGURES, application=ApplicationFigures("a", 0.1))) == ()
