"""Rows of the table about replicas that fail: in every way, killed, frozen, slow."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.lab import SLO, Lab, RunningLoad
from benchmarks.pace import Pace
from benchmarks.plots import plot_shares
from benchmarks.recovery import bin_edges, first_lasting, seconds_until_normal
from benchmarks.replies import Outcome
from benchmarks.serving_stack import ServedReplica, ServingStack

__all__ = ["ejection", "faults", "killed"]

FAULTY_OF_TWO_LOAD = 0.4
"""Of what two replicas can do: the healthy one can carry all of it."""
KILLED_LOAD = 0.7
EJECTION_LOAD = 0.5
"""Of what three replicas can do: two can carry it."""
SLOWDOWN = 10.0
OUT_SHARE = 0.05
"""A replica that begins less than this share of the rows is out of rotation; what is left are probes."""

Change = Callable[[ServedReplica], None]


def _slow_down(replica: ServedReplica) -> None:
    replica.set_pace(Pace(slowdown=SLOWDOWN))


def _speed_up(replica: ServedReplica) -> None:
    replica.set_pace(Pace())


FAULTS: Mapping[str, tuple[str | None, Change, Change]] = {
    "10 times slower": (None, _slow_down, _speed_up),
    "SIGSTOP": (None, ServedReplica.suspend, ServedReplica.resume),
    "kill -9": (None, ServedReplica.kill, ServedReplica.start),
    "one output too many": ("wrong-count", ServedReplica.misbehave, ServedReplica.behave),
    "garbage frames": ("garbage", ServedReplica.misbehave, ServedReplica.behave),
    "no answers": ("silent", ServedReplica.misbehave, ServedReplica.behave),
}
"""The rogue container's fault, if it takes one; what begins the fault; what ends it."""
QUICK_FAULTS = ("kill -9", "garbage frames")


def faults(lab: Lab) -> None:
    """Two replicas; one of them fails in the second third of the run, in each way there is."""
    row = "any fault of a container"
    for name in QUICK_FAULTS if lab.is_quick else FAULTS:
        fault, begin, end = FAULTS[name]
        file_name = "fault-" + name.replace(" ", "-")
        with lab.stack(2, [SLO], fault) as stack:
            rate_per_s = 2.0 * FAULTY_OF_TWO_LOAD * lab.capacity_per_s(stack)
            load, begun_s, ended_s = _disturbed(lab, file_name, stack, rate_per_s, stack.replicas[1], begin, end)
        seen = load.summary
        lab.find(row, f"{name}: every query exactly one answer", seen.one_answer_each and not seen.http_errors, load)
        lab.find(row, f"{name}: share answered by SLO + 5 ms", seen.in_time_share, load)
        lab.find(row, f"{name}: default outputs", seen.defaulted, load)
        plot_shares(lab.results / f"{file_name}.png", load.record, {"fault": begun_s, "its end": ended_s})


def killed(lab: Lab) -> None:
    """Three replicas at 70 % load; one is killed and comes back in the last third."""
    row = "1 of 3 killed, 70 % load"
    with lab.stack(3, [SLO]) as stack:
        rate_per_s = 3.0 * KILLED_LOAD * lab.capacity_per_s(stack)
        load, begun_s, ended_s = _disturbed(
            lab, "killed", stack, rate_per_s, stack.replicas[0], ServedReplica.kill, ServedReplica.start
        )
    seen = load.summary
    while_dead = load.record.between(begun_s, ended_s)
    lab.find(row, "HTTP errors, and queries without an answer", seen.http_errors + seen.none, load)
    lab.find(row, "default outputs", seen.defaulted, load)
    lab.find(
        row, "share of default outputs while it was dead", _share(while_dead.count(Outcome.DEFAULTED), while_dead.n)
    )
    lab.find(row, "share answered by SLO + 5 ms", seen.in_time_share, load)
    lab.find(row, "seconds from its death until normal", seconds_until_normal(load.record, begun_s), load)
    plot_shares(lab.results / "killed.png", load.record, {"killed": begun_s, "started again": ended_s})


def ejection(lab: Lab) -> None:
    """Three replicas at half load; one is frozen, or slow, and gets well again in the last third."""
    row = "1 of 3 frozen or slow"
    for name in ("SIGSTOP", "10 times slower"):
        _, begin, end = FAULTS[name]
        file_name = "ejection-" + name.replace(" ", "-")
        with lab.stack(3, [SLO]) as stack:
            rate_per_s = 3.0 * EJECTION_LOAD * lab.capacity_per_s(stack)
            load, begun_s, ended_s = _disturbed(lab, file_name, stack, rate_per_s, stack.replicas[0], begin, end)
            shares = _row_shares(stack, load)
        edges_s = bin_edges(load.record.duration_s)
        seen = load.summary
        until_normal_s = seconds_until_normal(load.record, begun_s)
        lab.find(row, f"{name}: seconds until queries are predicted in time as before", until_normal_s, load)
        if name != "SIGSTOP":  # a frozen one begins no batch, whether it is given any or not
            out_s = first_lasting(shares < OUT_SHARE, edges_s, begun_s)
            lab.find(row, f"{name}: seconds until it begins less than 5 % of rows", out_s, load)
        back_s = first_lasting(shares >= 0.5 / len(stack.replicas), edges_s, ended_s)
        lab.find(row, f"{name}: seconds from its end until it begins half its share of rows again", back_s, load)
        lab.find(row, f"{name}: share answered by SLO + 5 ms", seen.in_time_share, load)
        lab.find(row, f"{name}: default outputs", seen.defaulted, load)
        marks = {"fault": begun_s, "its end": ended_s}
        plot_shares(lab.results / f"{file_name}.png", load.record, marks, {"its share of rows": (edges_s, shares)})


def _disturbed(
    lab: Lab, name: str, stack: ServingStack, rate_per_s: float, victim: ServedReplica, begin: Change, end: Change
) -> tuple[RunningLoad, float, float]:
    """A load during whose second third `victim` fails; when the fault began and ended, in seconds of the run."""
    with lab.load(name, stack, [rate_per_s], lab.seconds) as load:
        begun_s = load.wait_until(lab.seconds / 3.0)
        begin(victim)
        ended_s = load.wait_until(2.0 * lab.seconds / 3.0)
        end(victim)
    return load, begun_s, ended_s


def _row_shares(stack: ServingStack, load: RunningLoad) -> np.ndarray:
    """The first replica's share of the rows that all replicas began in each bin; 0 where nothing began."""
    edges_s = load.started_s + bin_edges(load.record.duration_s)
    rows = np.array([replica.batches().rows_per_bin(edges_s) for replica in stack.replicas])
    shares: np.ndarray = rows[0] / np.maximum(1.0, rows.sum(axis=0))
    return shares


def _share(count: int, n: int) -> float:
    return round(count / max(1, n), 5)
