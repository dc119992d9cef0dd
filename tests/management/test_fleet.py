"""The fleet in virtual time: backoff, failures, scaling, versions that come and go."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.registry_samples import NOON, a_replica, a_version
from skysail_management.fleet import FAILED_STARTS, Action, Fleet, Outlook, Start, Stop
from skysail_management.load_report import LoadReport
from skysail_management.records import Version
from skysail_management.replica_slot import Moment, ReplicaKey

KEY = ("m", "1", 0)
CURRENT = frozenset({("m", "1")})


def at(seconds: float) -> Moment:
    return Moment(seconds, NOON + timedelta(seconds=seconds))


def running(version: Version, now: float = 0.0) -> Fleet:
    """A fleet with one version whose replicas are all ready."""
    fleet = Fleet(start_limit_s=300)
    for action in fleet.want([version], at(now)):
        assert isinstance(action, Start)
        key = (version.model, version.version, action.replica_id)
        fleet.started(key, f"unix:/{action.replica_id}", 100 + action.replica_id)
        fleet.became_ready(key, at(now))
    return fleet


def test_wanted_replicas_are_started_once() -> None:
    fleet = Fleet(300)
    version = a_version(n_replicas=2)
    assert fleet.want([version], at(0)) == [Start(version, 0), Start(version, 1)]
    assert fleet.want([version], at(1)) == []


def test_the_backoff_doubles_up_to_its_limit() -> None:
    version = a_version()
    fleet = running(version)
    now, waits = 0.0, []
    for _ in range(9):
        fleet.exited(KEY, "crash", at(now))
        due = fleet.wake_at_s()
        assert due is not None
        assert fleet.tick(at(due - 0.001)) == []
        assert fleet.tick(at(due)) == [Start(version, 0)]
        waits.append(due - now)
        now = due
    assert waits == pytest.approx([0.5, 1, 2, 4, 8, 16, 30, 30, 30])


def test_the_start_limit_begins_when_the_environment_is_built() -> None:
    fleet = Fleet(start_limit_s=300, build_limit_s=1800)
    version = a_version()
    fleet.want([version], at(0))
    fleet.building(KEY, "building its environment: fetching numpy", at(1))
    assert fleet.outlook(version) == Outlook("starting", "building its environment: fetching numpy")
    assert fleet.tick(at(2000)) == []
    fleet.building(KEY, "", at(2000))
    assert fleet.outlook(version) == Outlook("starting")
    assert fleet.tick(at(2299)) == []
    assert fleet.tick(at(2300)) == [Stop(KEY)]


def test_a_build_that_hangs_is_ended() -> None:
    fleet = Fleet(start_limit_s=300, build_limit_s=1800)
    fleet.want([a_version()], at(0))
    fleet.building(KEY, "building its environment: fetching numpy", at(1))
    assert fleet.tick(at(2099)) == []
    assert fleet.tick(at(2100)) == [Stop(KEY)]


def test_a_stable_replica_has_its_failures_forgotten() -> None:
    fleet = running(a_version())
    for _ in range(5):
        fleet.exited(KEY, "crash", at(0))
        fleet.tick(at(1000))
        fleet.became_ready(KEY, at(1000))
        fleet.exited(KEY, "crash", at(1061))
        assert fleet.slots[KEY].due_s == 1061.5
        fleet.tick(at(2000))


def test_a_replica_that_is_ready_only_shortly_is_not_stable() -> None:
    fleet = running(a_version())
    fleet.exited(KEY, "crash", at(1))
    fleet.tick(at(2))
    fleet.became_ready(KEY, at(2))
    fleet.exited(KEY, "crash", at(3))
    assert fleet.slots[KEY].due_s == 4.0
    assert fleet.slots[KEY].record().restarts == 2


def test_a_version_has_failed_after_three_starts_without_one_ready_replica() -> None:
    fleet = Fleet(300)
    version = a_version()
    fleet.want([version], at(0), CURRENT)
    outlooks = []
    for n in range(4):
        fleet.exited(KEY, f"crash {n}", at(100 * n))
        outlooks.append(fleet.outlook(version))
        assert fleet.tick(at(100 * n + 50)) == [Start(version, 0)], "a current version goes on trying"
    assert [outlook.state for outlook in outlooks] == ["starting", "starting", "failed", "failed"]
    assert outlooks[-1].reason == "crash 3"
    fleet.became_ready(KEY, at(400))
    assert fleet.outlook(version) == Outlook("ready", "crash 3"), "why it was lost last is still told"


def given_up(version: Version) -> Fleet:
    """A fleet in which no container of the version came up, with the registry still to learn of it."""
    fleet = Fleet(300)
    fleet.want([version], at(0))
    for n in range(FAILED_STARTS):
        assert fleet.exited(KEY, f"crash {n}", at(100 * n)) == []
        fleet.tick(at(100 * n + 50))
    assert fleet.outlook(version) == Outlook("failed", "crash 2")
    return fleet


def test_a_version_that_failed_and_is_not_the_current_one_is_given_up() -> None:
    fleet = given_up(a_version())
    assert (fleet.slots, fleet.wake_at_s()) == ({}, None)
    assert fleet.want([a_version()], at(900)) == [], "the registry does not know of it yet"
    failed = a_version(state="failed", reason="crash 2")
    assert fleet.want([failed], at(901)) == []
    assert fleet.outlook(failed) == Outlook("failed", "crash 2")


def test_a_container_that_says_itself_that_it_cannot_serve_its_model_is_not_started_again() -> None:
    fleet = Fleet(300)
    version = a_version(n_replicas=2)
    fleet.want([version], at(0))
    assert fleet.exited(KEY, "no such module", at(1), is_final=True) == [Stop(("m", "1", 1))]
    assert fleet.outlook(version) == Outlook("failed", "no such module")
    assert fleet.exited(("m", "1", 1), "stopped", at(2)) == []
    assert fleet.slots == {}


def test_a_failed_version_is_tried_again_once_somebody_asks_for_it_after_the_registry_knew() -> None:
    fleet = given_up(a_version())
    fleet.want([a_version(state="failed", reason="crash 2")], at(900))
    again = a_version(state="starting")
    assert fleet.outlook(again) == Outlook("starting"), "what the registry says is newer than what the fleet knows"
    assert fleet.want([again], at(901)) == [Start(again, 0)]
    assert fleet.outlook(again) == Outlook("starting")


@pytest.mark.parametrize("change", [{"n_replicas": 2}, {"created_at": NOON + timedelta(seconds=1)}])
def test_a_failed_version_is_tried_again_when_it_is_scaled_or_deployed_anew(change: dict[str, Any]) -> None:
    fleet = given_up(a_version())
    again = a_version(**change)
    assert Start(again, 0) in fleet.want([again], at(900))


def test_a_version_that_failed_before_this_process_began_is_not_tried_unless_it_is_current() -> None:
    failed = a_version(state="failed", reason="crash")
    fleet = Fleet(300)
    assert fleet.want([failed], at(0)) == []
    assert fleet.outlook(failed) == Outlook("failed", "crash")
    assert fleet.want([failed], at(1), CURRENT) == [Start(failed, 0)]


def test_what_is_known_of_failures_outlives_the_end_of_all_containers() -> None:
    fleet = given_up(a_version())
    fleet.want_nothing(at(900))
    assert fleet.outlook(a_version()) == Outlook("failed", "crash 2")


def test_the_report_of_a_version_is_that_of_its_last_ready_container_and_goes_with_it() -> None:
    version = a_version()
    fleet = running(version)
    assert fleet.report(version) is None
    fleet.exited(KEY, "crash", at(1))
    fleet.tick(at(2))
    fleet.became_ready(KEY, at(2), LoadReport("a library", ("a note",)))
    assert fleet.report(version) == LoadReport("a library", ("a note",))
    fleet.want([], at(3))
    assert fleet.report(version) is None


def test_a_version_that_was_ready_once_is_not_failed_but_starting() -> None:
    version = a_version()
    fleet = running(version)
    for n in range(5):
        fleet.exited(KEY, "crash", at(100 * n))
        fleet.tick(at(100 * n + 50))
    assert fleet.outlook(version) == Outlook("starting", "crash")


def test_a_start_that_never_ends_is_ended_and_counts_as_failed() -> None:
    fleet = Fleet(start_limit_s=10)
    version = a_version()
    fleet.want([version], at(0))
    assert fleet.wake_at_s() == 10
    assert fleet.tick(at(10)) == [Stop(KEY)]
    assert fleet.tick(at(11)) == []
    fleet.exited(KEY, "killed by SIGTERM", at(12))
    assert fleet.slots[KEY].record().reason == "not ready within 10 s of its start"
    assert fleet.slots[KEY].state == "backoff"


def test_scaling_down_stops_the_highest_replicas_and_up_again_waits_for_their_end() -> None:
    version = a_version(n_replicas=3)
    fleet = running(version)
    assert fleet.want([a_version(n_replicas=1)], at(1)) == [Stop(("m", "1", 1)), Stop(("m", "1", 2))]
    assert fleet.slots["m", "1", 2].record().state == "stopping"
    assert fleet.want([version], at(2)) == [], "one process per replica key"
    assert fleet.exited(("m", "1", 1), "drained", at(3)) == [Start(version, 1)]


def test_a_replica_in_backoff_that_is_not_wanted_any_more_is_just_gone() -> None:
    fleet = running(a_version())
    fleet.exited(KEY, "crash", at(1))
    assert fleet.want([], at(1)) == []
    assert fleet.slots == {}
    assert fleet.wake_at_s() is None


def test_a_version_deleted_and_registered_again_gets_new_containers() -> None:
    fleet = running(a_version())
    again = a_version(created_at=NOON + timedelta(seconds=1), artifact="a" * 64)
    assert fleet.want([again], at(1)) == [Stop(KEY)]
    assert fleet.exited(KEY, "drained", at(2)) == [Start(again, 0)]


def test_an_adopted_replica_keeps_its_record() -> None:
    version = a_version(state="ready")
    replica = a_replica(restarts=4, pid=9, address="unix:/x")
    fleet = Fleet(300)
    fleet.adopt(replica, version, at(5))
    assert fleet.want([version], at(5)) == []
    assert fleet.slots[KEY].record() == replica
    assert fleet.outlook(version).state == "ready"


def test_no_replicas_wanted_is_stopped() -> None:
    assert Fleet(300).outlook(a_version(n_replicas=0)) == Outlook("stopped")


def test_events_of_unknown_replicas_change_nothing() -> None:
    fleet = Fleet(300)
    assert fleet.exited(KEY, "x", at(0)) == []
    fleet.became_ready(KEY, at(0))
    assert fleet.slots == {}


class World:
    """A fleet whose processes do as they are told, or as chance has it; checks the fleet's invariants all the while."""

    def __init__(self) -> None:
        self.fleet = Fleet(start_limit_s=20)
        self.processes: set[ReplicaKey] = set()
        self.wanted: list[Version] = []
        self.now = 0.0

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Start):
                key = (action.version.model, action.version.version, action.replica_id)
                assert key not in self.processes
                self.processes.add(key)
                self.fleet.started(key, "unix:/x", 1)
            else:
                assert action.key in self.processes

    def want(self, n_versions: int, n_replicas: int) -> None:
        age = timedelta(seconds=n_replicas % 2)
        self.wanted = [
            a_version(version=str(n), n_replicas=n_replicas, created_at=NOON + age) for n in range(n_versions)
        ]
        current = frozenset(("m", str(n)) for n in range(n_versions))
        self.do(self.fleet.want(self.wanted, at(self.now), current))

    def exit(self, key: ReplicaKey) -> None:
        if key in self.processes:
            self.processes.discard(key)
            self.do(self.fleet.exited(key, "x", at(self.now)))

    def ready(self, key: ReplicaKey) -> None:
        if key in self.processes:
            self.fleet.became_ready(key, at(self.now))

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.do(self.fleet.tick(at(self.now)))

    def check(self) -> None:
        for slot in self.fleet.slots.values():
            assert (slot.due_s is not None) == (slot.state == "backoff")
            assert (slot.key in self.processes) == (slot.state != "backoff")

    def settle(self) -> None:
        """From now on everything goes well."""
        for _ in range(50):
            self.pass_time(31)
            for key, slot in list(self.fleet.slots.items()):
                if slot.state == "stopping" or slot.gave_up:
                    self.exit(key)
                else:
                    self.ready(key)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["want", "ready", "exit", "time"]), st.integers(0, 3), st.integers(0, 2))))
def test_there_is_never_more_than_one_process_per_replica_and_the_wanted_always_come_back(
    events: list[tuple[str, int, int]],
) -> None:
    world = World()
    for kind, n, which in events:
        world.now += 0.25
        match kind:
            case "want":
                world.want(which, n)
            case "ready":
                world.ready(("m", str(which), n))
            case "exit":
                world.exit(("m", str(which), n))
            case _:
                world.pass_time(n * 7)
        world.check()
    world.settle()
    assert {key for key, slot in world.fleet.slots.items() if slot.state == "ready"} == {
        ("m", version.version, n) for version in world.wanted for n in range(version.n_replicas)
    }
