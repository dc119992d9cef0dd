"""The prediction cache: bounded whatever comes, true to what was put in, and not emptied by a scan."""

import gc
import json
import random
import tracemalloc
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from skysail_frontend.input_type import INPUT_TYPES
from skysail_frontend.predict_request import PredictRequestParser
from skysail_frontend.prediction_cache import (
    ENTRY_BYTES,
    SAMPLE_LOOKUPS,
    SAMPLE_SHARE,
    SLEEP_LOOKUPS,
    PredictionCache,
    PredictionShelf,
)

TTL_S = 10.0


def a_cache(n_entries: float, ttl_s: float = TTL_S) -> tuple[PredictionCache, PredictionShelf]:
    """A cache with room for so many small entries (`small`), and a shelf of it."""
    cache = PredictionCache(int(n_entries * small_bytes()), ttl_s)
    return cache, cache.shelf()


def small(number: int) -> bytes:
    """A payload of eight bytes."""
    return number.to_bytes(8, "little")


def small_bytes() -> int:
    return ENTRY_BYTES + len(small(0)) + len(b"1.0")


def key_of(payload: Any) -> Any:
    """A key worse than any: what is long collides with one in three."""
    return len(payload) % 3 if len(payload) > 100 else payload


def keep(shelf: PredictionShelf, payload: Any, output: bytes, now_s: float) -> None:
    shelf.put(key_of(payload), payload, output, now_s)


def look_up(shelf: PredictionShelf, payload: Any, now_s: float) -> bytes | None:
    return shelf.get(key_of(payload), payload, now_s)


class CacheAgainstModel(RuleBasedStateMachine):
    """Two shelves of one cache beside plain dictionaries of what was put in, and when."""

    payloads = st.one_of(
        st.integers(0, 60).map(small),
        st.sampled_from(["", "a", "\U0001f600" * 30]),
        st.sampled_from([("<f8", (1,), b"\0" * 8), ("<i8", (1,), b"\0" * 8), ("<f8", (1, 1), b"\0" * 8)]),
        st.integers(0, 3000).map(bytes),
    )
    sides = st.integers(0, 1)

    @initialize(n_entries=st.sampled_from([0.5, 8, 20]))
    def begin(self, n_entries: float) -> None:
        self.cache = a_cache(n_entries)[0]
        self.shelves = [self.cache.shelf(), self.cache.shelf()]
        self.put: list[dict[Any, tuple[bytes, float]]] = [{}, {}]
        self.now_s = 0.0

    @rule(side=sides, payload=payloads, n_output_bytes=st.sampled_from([1, 1, 1, 500, 20_000]))
    def keep(self, side: int, payload: Any, n_output_bytes: int) -> None:
        output = b"%d" % (self.now_s * 1000) + b"x" * n_output_bytes
        keep(self.shelves[side], payload, output, self.now_s)
        self.put[side][payload] = output, self.now_s + TTL_S

    @rule(side=sides, payload=payloads)
    def look(self, side: int, payload: Any) -> None:
        output = look_up(self.shelves[side], payload, self.now_s)
        if output is not None:
            newest, until_s = self.put[side][payload]
            assert output == newest
            assert self.now_s < until_s

    @rule(side=sides)
    def look_often_at_what_is_there(self, side: int) -> None:
        for payload in [entry.payload for entry in self.shelves[side].entries.values()]:
            for _ in range(4):
                self.look(side, payload)

    @rule(seconds=st.sampled_from([0.001, 1.0, TTL_S]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(side=sides)
    def purge(self, side: int) -> None:
        self.shelves[side].purge()
        self.put[side].clear()
        assert self.shelves[side].n_bytes == 0

    @precondition(lambda self: self.cache.max_bytes > 8 * small_bytes())
    @rule(side=sides, number=st.integers(0, 60))
    def what_is_new_and_small_is_kept(self, side: int, number: int) -> None:
        self.keep(side, small(number), 1)
        assert look_up(self.shelves[side], small(number), self.now_s) == self.put[side][small(number)][0]

    @invariant()
    def the_books_are_right(self) -> None:
        if not hasattr(self, "cache"):
            return
        entries = [*self.cache._small, *self.cache._main]
        assert self.cache.n_bytes == sum(entry.n_bytes for entry in entries) <= self.cache.max_bytes
        assert self.cache.statistics()["n_small_bytes"] == sum(entry.n_bytes for entry in self.cache._small)
        assert len(self.cache._ghost_order) <= max(1, len(entries)) + 1
        for shelf in self.shelves:
            own = [entry for entry in entries if entry.shelf is shelf]
            assert {id(entry) for entry in own} == {id(entry) for entry in shelf.entries.values()}
            assert shelf.n_bytes == sum(entry.n_bytes for entry in own)
            assert all(entry.n_bytes * 8 <= self.cache.max_bytes for entry in own)


CacheAgainstModel.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
test_the_cache_agrees_with_a_dictionary = CacheAgainstModel.TestCase


def test_an_output_is_given_until_it_is_too_old() -> None:
    _, shelf = a_cache(20)
    keep(shelf, b"row", b"1", 100.0)
    assert look_up(shelf, b"row", 100.0 + TTL_S - 0.001) == b"1"
    assert look_up(shelf, b"row", 100.0 + TTL_S) is None
    keep(shelf, b"row", b"2", 100.0 + TTL_S)
    assert look_up(shelf, b"row", 100.0 + TTL_S) == b"2"


def test_versions_share_the_room_but_not_the_outputs() -> None:
    cache, one = a_cache(20)
    other = cache.shelf()
    keep(one, b"row", b"1", 0.0)
    keep(other, b"row", b"2", 0.0)
    assert (look_up(one, b"row", 0.0), look_up(other, b"row", 0.0)) == (b"1", b"2")
    one.purge()
    assert (look_up(one, b"row", 0.0), look_up(other, b"row", 0.0)) == (None, b"2")


@pytest.mark.parametrize(
    ("input_type", "first", "second"),
    [
        ("doubles", [0.0], [-0.0]),
        ("floats", [0.0], [-0.0]),
        ("doubles", [1], [1, 0]),
        ("json", 1, True),
        ("json", 1, 1.0),
        ("json", 0.0, -0.0),
        ("json", [[]], []),
        ("json", {"a": 1}, {"a": "1"}),
        ("strings", "1", "1 "),
        ("strings", "\u00e9", "e\u0301"),
        ("tensor", [1], [1.0]),
        ("tensor", [[1, 2]], [[1], [2]]),
        ("tensor", [0.0], [-0.0]),
        (
            "tensor",
            {"data": "AQ==", "dtype": "|u1", "shape": [1]},
            {"data": "AQ==", "dtype": "|b1", "shape": [1]},
        ),
    ],
)
def test_what_a_model_could_tell_apart_is_kept_apart(input_type: str, first: object, second: object) -> None:
    parser = PredictRequestParser(INPUT_TYPES[input_type], 10)
    _, shelf = a_cache(50)
    payloads = [parser.parse_row(json.dumps({"input": value}).encode()) for value in (first, second)]
    keep(shelf, payloads[0], b"1", 0.0)
    assert look_up(shelf, payloads[1], 0.0) is None
    again = parser.parse_row(json.dumps({"input": first}).encode())
    assert look_up(shelf, again, 0.0) == b"1"


def test_an_entry_larger_than_an_eighth_of_the_cache_is_not_kept() -> None:
    cache, shelf = a_cache(100)
    room = cache.max_bytes // 8 - ENTRY_BYTES - len(b"1")
    keep(shelf, b"x" * (room + 1), b"1", 0.0)
    assert (len(shelf.entries), cache.n_bytes) == (0, 0)
    keep(shelf, b"x" * room, b"1", 0.0)
    assert len(shelf.entries) == 1
    keep(shelf, b"x" * room, b"1" * 100, 0.0)  # the newer output is too large: the older one must not be given
    assert look_up(shelf, b"x" * room, 0.0) is None


def test_of_two_payloads_with_one_key_each_gets_its_own_output_or_none() -> None:
    _, shelf = a_cache(100)
    one, other = b"a" * 102, b"b" * 102
    keep(shelf, one, b"1", 0.0)
    keep(shelf, other, b"2", 0.0)
    assert (look_up(shelf, one, 0.0), look_up(shelf, other, 0.0)) == (b"1", None)


@pytest.mark.parametrize("n_payload_bytes", [8, 80, 3000])
def test_a_flood_of_new_inputs_takes_the_memory_it_is_given_and_no_more(n_payload_bytes: int) -> None:
    max_bytes = 4 * 2**20
    gc.collect()
    tracemalloc.start()
    cache = PredictionCache(max_bytes, TTL_S)
    shelf = cache.shelf()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(40_000):
        payload = number.to_bytes(n_payload_bytes, "little")
        shelf.put(payload, payload, b"%d.25" % number, float(number) * 1e-4)
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert cache.n_bytes <= max_bytes
    assert 0.4 * max_bytes < held <= max_bytes


class LeastRecentlyUsed:
    """What the cache is compared with: as many entries, the one not used for longest goes."""

    def __init__(self, n_entries: int) -> None:
        self._n_entries = n_entries
        self._entries: OrderedDict[int, None] = OrderedDict()

    def asks(self, number: int) -> bool:
        """Whether the number was there; it is from now on."""
        is_hit = number in self._entries
        self._entries[number] = None
        self._entries.move_to_end(number)
        if len(self._entries) > self._n_entries:
            self._entries.popitem(last=False)
        return is_hit


def hit_ratios(trace: list[int], n_entries: int) -> tuple[float, float]:
    """Of the cache and of LRU."""
    _, shelf = a_cache(n_entries)
    lru = LeastRecentlyUsed(n_entries)
    n_hits = n_lru_hits = 0
    for number in trace:
        n_lru_hits += lru.asks(number)
        if look_up(shelf, small(number), 0.0) is None:
            keep(shelf, small(number), b"1.0", 0.0)
        else:
            n_hits += 1
    return n_hits / len(trace), n_lru_hits / len(trace)


def skewed(random_: random.Random, n: int) -> list[int]:
    """Asks for few inputs often and for many seldom (Zipf-like)."""
    return [int(random_.paretovariate(0.9)) for _ in range(n)]


def test_a_scan_does_not_empty_the_cache_as_it_does_with_lru() -> None:
    """A hundred inputs are asked for all the time, and five times somebody sends a table of a thousand rows."""
    random_ = random.Random(5)
    trace: list[int] = []
    for scan in range(5):
        trace += [random_.randrange(100) for _ in range(1000)]
        trace += range(10**6 * (scan + 1), 10**6 * (scan + 1) + 1000)
    ratio, lru_ratio = hit_ratios(trace, 200)
    assert lru_ratio < 0.46  # every scan costs it all of the hundred
    assert ratio > 0.48  # and here, the first sight of them


def test_without_scans_it_is_as_good_as_lru() -> None:
    ratio, lru_ratio = hit_ratios(skewed(random.Random(6), 60_000), 200)
    assert ratio > lru_ratio


def test_it_follows_when_other_inputs_become_popular() -> None:
    random_ = random.Random(7)
    trace = [number + 10**6 * phase for phase in range(6) for number in skewed(random_, 10_000)]
    ratio, lru_ratio = hit_ratios(trace, 200)
    assert ratio > lru_ratio - 0.01


# --- sleep ------------------------------------------------------------------------------------------------------------


def asleep() -> tuple[PredictionCache, PredictionShelf]:
    """A cache whose shelf was asked for a great many different inputs."""
    cache, shelf = a_cache(1000)
    for number in range(SLEEP_LOOKUPS + 1):
        ask(shelf, small(number))
    assert shelf.is_asleep
    return cache, shelf


def ask(shelf: PredictionShelf, payload: bytes) -> bool:
    """As a query does: whether it was a hit; if not, the output is kept."""
    if look_up(shelf, payload, 0.0) is not None:
        return True
    keep(shelf, payload, b"1.0", 0.0)
    return False


def test_a_shelf_that_is_asked_for_nothing_twice_sleeps_and_keeps_one_input_of_sixteen() -> None:
    _, shelf = asleep()
    shelf.purge()
    for number in range(SLEEP_LOOKUPS, SLEEP_LOOKUPS + 1600):
        ask(shelf, small(number))
    assert 50 <= len(shelf.entries) <= 150
    assert shelf.is_asleep


@pytest.mark.parametrize("n_popular", [1, 5, 300])
def test_it_wakes_up_whichever_inputs_become_popular(n_popular: int) -> None:
    _, shelf = asleep()
    wanted = [small(-1 - number & 0xFFFFFFFF) for number in range(n_popular)]
    chooser = random.Random(1)
    n_asked = 0
    while shelf.is_asleep:
        ask(shelf, chooser.choice(wanted))
        n_asked += 1
        assert n_asked <= 2 * SAMPLE_SHARE * SAMPLE_LOOKUPS
    for payload in wanted:
        ask(shelf, payload)
    assert all(ask(shelf, payload) for payload in wanted)


def test_it_wakes_up_when_some_of_a_mixed_load_comes_again() -> None:
    _, shelf = asleep()
    chooser = random.Random(2)
    new = iter(range(SLEEP_LOOKUPS + 1, 10**9))
    n_asked = 0
    while shelf.is_asleep:
        ask(shelf, small(chooser.randrange(100) if chooser.random() < 0.2 else next(new)))
        n_asked += 1
        assert n_asked <= 4 * SAMPLE_SHARE * SAMPLE_LOOKUPS


def test_it_stays_awake_while_one_look_up_in_a_hundred_is_a_hit() -> None:
    _, shelf = a_cache(1000)
    for number in range(3 * SLEEP_LOOKUPS):
        ask(shelf, b"popular" if number % 100 == 0 else small(number))
    assert not shelf.is_asleep
