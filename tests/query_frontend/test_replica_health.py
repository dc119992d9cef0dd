"""The circuit breaker of a replica."""

from skysail_frontend.replica_health import (
    FIRST_PAUSE_S,
    LAST_PAUSE_S,
    MAX_FAILURES,
    N_TRUSTED,
    SLOW_RATIO,
    ReplicaHealth,
    is_slow,
)


def test_it_goes_out_after_so_many_failures_in_a_row() -> None:
    health = ReplicaHealth()
    assert [health.failed() for _ in range(MAX_FAILURES - 1)] == [False] * (MAX_FAILURES - 1)
    health.succeeded(1.0)
    assert [health.failed() for _ in range(MAX_FAILURES)][-1]


def test_a_probe_is_due_after_a_pause_that_doubles_up_to_a_bound() -> None:
    health = ReplicaHealth()
    now_s, pauses = 0.0, []
    for _ in range(6):
        health.eject(now_s)
        assert not health.may_probe(health.probe_at_s - 0.001)
        pauses.append(health.probe_at_s - now_s)
        now_s = health.probe_at_s
        assert health.may_probe(now_s)
        health.is_probing = True
        assert not health.may_probe(now_s)
    assert pauses[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses[-1] == LAST_PAUSE_S
    health.readmit()
    assert not health.is_out
    assert not health.may_probe(1e9)


def test_slowness_is_the_median_of_what_was_seen_lately() -> None:
    health = ReplicaHealth()
    for _ in range(N_TRUSTED - 1):
        health.succeeded(10.0)
    assert health.slowness() is None
    health.succeeded(10.0)
    assert health.slowness() == 10.0
    for _ in range(20):
        health.succeeded(1.0)
    assert health.slowness() == 1.0


def test_only_a_replica_far_slower_than_its_peers_is_slow() -> None:
    assert is_slow(SLOW_RATIO + 0.1, [1.0, 1.0, None])
    assert not is_slow(SLOW_RATIO - 0.1, [1.0, 1.0])
    assert not is_slow(100.0, [])
    assert not is_slow(100.0, [None])
    assert not is_slow(None, [1.0])
    assert not is_slow(100.0, [100.0, 100.0])
