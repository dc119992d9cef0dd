"""Whether a query can still be in time behind those that wait already. Pure arithmetic on the latency model."""

from skysail_frontend.batch_sizer import BatchSizer

__all__ = ["expected_wait_s"]


def expected_wait_s(sizer: BatchSizer, n_ahead: int, n_replicas: int, budget_s: float) -> float:
    """Seconds from the next free replica on until a query with `n_ahead` rows before it is computed.

    The rows before it leave in batches as large as half of `budget_s` allows: a row waits for the batch before its own.
    The estimate is kind (the line of the fit, not its upper bound): what is admitted and late gets its default output
    at the deadline, what is refused and would have been in time is lost for nothing.
    """
    n_batch = sizer.feasible_rows(0.5 * budget_s)
    n_rows = n_ahead + 1
    if n_rows <= n_batch:
        return sizer.latency_s(n_rows)
    return sizer.latency_s(n_batch) * n_rows / (n_batch * max(1, n_replicas))
