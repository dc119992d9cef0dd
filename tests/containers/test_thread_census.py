"""When many threads are too many."""

from skysail_container.thread_census import MIN_SUSPECT, ThreadCensus


def test_a_pool_that_is_made_at_first_use_is_nothing_to_tell() -> None:
    census = ThreadCensus()
    assert census.judge(4) is None
    assert census.judge(4 + MIN_SUSPECT - 1) is None


def test_a_warning_comes_at_most_once_per_doubling() -> None:
    census = ThreadCensus()
    numbers = [10, 60, 61, 119, 120, 200, 239, 240]
    warned = [n for n in numbers if census.judge(n) is not None]
    assert warned == [60, 120, 240]


def test_a_warning_tells_how_many_there_were() -> None:
    census = ThreadCensus()
    census.judge(10)
    assert "the process has 500 threads, 10 when its model was loaded" in (census.judge(500) or "")


def test_the_census_counts_at_least_the_thread_that_asks() -> None:
    census = ThreadCensus()
    assert census.take() is None
    assert census.judge(10_000) is not None
