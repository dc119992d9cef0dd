"""The policies beside the default one."""

from harness.queries import a_query, queries_of
from skysail_frontend.batch_policies import ADDITIVE_ROWS, BACKOFF, Aimd, Fixed


def test_fixed_takes_its_size_or_what_there_is() -> None:
    policy = Fixed(4)
    assert policy.choose(queries_of(*[1.0] * 9), 0.0, 0.0) == (0, 4)
    assert policy.choose(queries_of(1.0, 2.0), 0.0, 0.0) == (0, 2)


def full_batches(policy: Aimd, n: int, seconds: float) -> list[int]:
    """The sizes of `n` batches out of a long queue with an objective of 100 ms, each computed for `seconds`."""
    waiting = [a_query(0.1, 0.0) for _ in range(200)]
    sizes = []
    for _ in range(n):
        _, n_rows = policy.choose(waiting, 0.0, 0.0)
        policy.observe(n_rows, seconds)
        sizes.append(n_rows)
    return sizes


def test_aimd_grows_by_addition_up_to_its_bound() -> None:
    assert full_batches(Aimd(8), 6, 0.01) == [1, 1 + ADDITIVE_ROWS, 1 + 2 * ADDITIVE_ROWS, 7, 8, 8]


def test_aimd_shrinks_by_a_tenth_when_a_batch_is_over_the_objective_and_not_below_one() -> None:
    policy = Aimd(100)
    full_batches(policy, 50, 0.01)
    before = policy.limit_rows
    full_batches(policy, 1, 0.2)
    assert policy.limit_rows == BACKOFF * before
    full_batches(policy, 100, 0.2)
    assert policy.limit_rows == 1.0


def test_aimd_learns_nothing_from_batches_that_were_not_full() -> None:
    policy = Aimd(100)
    full_batches(policy, 10, 0.01)
    before = policy.limit_rows
    policy.choose([a_query(1.0, 0.0)], 0.0, 0.0)
    policy.observe(1, 0.001)
    assert policy.limit_rows == before
