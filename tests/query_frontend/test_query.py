"""Queries: answered exactly once, or not at all when nobody is there any more."""

from harness.queries import FakeOwner, FakeSink, a_query
from skysail_frontend.query import EXPLANATIONS, FALLBACK_TAIL, DefaultReason, Query


class FakeDispatcher:
    """Remembers what was cancelled."""

    def __init__(self) -> None:
        self.cancelled: list[Query] = []

    def cancel(self, query: Query) -> None:
        self.cancelled.append(query)
        query.is_done = True


def test_a_prediction_is_the_models_output_with_the_querys_id() -> None:
    owner, sink = FakeOwner(), FakeSink()
    query = a_query(owner=owner, sink=sink, arrival_s=10.0, position=3)
    query.predict(b'{"a":[1,2]}', 10.5)
    assert sink.answers == {3: {"query_id": query.query_id, "output": {"a": [1, 2]}, "default": False}}
    assert owner.predictions_s == [0.5]


def test_a_default_comes_from_the_application_with_its_reason_and_the_time_it_took() -> None:
    owner, sink = FakeOwner(), FakeSink()
    a_query(owner=owner, sink=sink, arrival_s=10.0).default(DefaultReason.DEADLINE, 10.25)
    assert sink.answer["default_reason"] == "deadline"
    assert owner.defaults == [("deadline", 0.25)]


def test_whatever_comes_second_is_ignored() -> None:
    owner, sink = FakeOwner(), FakeSink()
    query = a_query(owner=owner, sink=sink)
    query.default(DefaultReason.DEADLINE, 1001.0)
    query.predict(b"1", 1002.0)
    query.default(DefaultReason.OVERLOAD, 1003.0)
    assert len(sink.answers) == len(owner.defaults) == 1
    assert owner.predictions_s == []


def test_cancelling_reaches_the_dispatcher_once_and_only_while_the_query_is_open() -> None:
    dispatcher = FakeDispatcher()
    query = a_query()
    query.dispatcher = dispatcher
    query.cancel()
    query.cancel()
    assert dispatcher.cancelled == [query]


def test_a_follower_that_is_cancelled_is_never_answered() -> None:
    sink = FakeSink()
    follower = a_query(sink=sink)  # no dispatcher has it
    follower.cancel()
    follower.predict(b"1", 1000.5)
    follower.default(DefaultReason.DEADLINE, 1001.0)
    assert follower.is_done
    assert sink.answers == {}


def test_an_answer_of_the_fallback_model_says_so_and_is_counted() -> None:
    owner, sink = FakeOwner(), FakeSink()
    query = a_query(owner=owner, sink=sink)
    query.tail = FALLBACK_TAIL
    query.predict(b"1", 1000.5)
    assert sink.answer == {"query_id": query.query_id, "output": 1, "default": False, "fallback": True}
    assert (owner.n_fallbacks, owner.predictions_s) == (1, [0.5])


class FakeFlight:
    """Remembers what it is told of its leaders."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Query]] = []

    def landed(self, leader: Query, output: bytes, now_s: float) -> None:
        assert leader.is_done
        self.told.append((output.decode(), leader))

    def left(self, leader: Query) -> None:
        assert leader.is_done
        self.told.append(("left", leader))


def a_leader(flight: FakeFlight) -> Query:
    query = a_query()
    query.dispatcher, query.flight = FakeDispatcher(), flight
    return query


def test_a_flight_hears_once_that_its_leader_has_an_output() -> None:
    flight = FakeFlight()
    leader = a_leader(flight)
    leader.predict(b"1", 1000.5)
    leader.predict(b"2", 1000.6)
    leader.default(DefaultReason.DEADLINE, 1001.0)
    leader.cancel()
    assert flight.told == [("1", leader)]


def test_a_flight_hears_that_its_leader_has_left_and_of_the_output_that_comes_too_late() -> None:
    flight = FakeFlight()
    late, gone = a_leader(flight), a_leader(flight)
    late.default(DefaultReason.DEADLINE, 1001.0)
    late.default(DefaultReason.DEADLINE, 1001.0)
    late.predict(b"1", 1001.5)
    gone.cancel()
    gone.cancel()
    gone.predict(b"2", 1002.0)
    assert flight.told == [("left", late), ("1", late), ("left", gone), ("2", gone)]


def test_every_reason_has_its_explanation_and_clippers_texts_are_kept_word_for_word() -> None:
    reasons = {value for name, value in vars(DefaultReason).items() if name.isupper()}
    assert set(EXPLANATIONS) == reasons
    assert EXPLANATIONS["no_link"] == "No connected models found for query"
    assert EXPLANATIONS["deadline"] == "Failed to retrieve a prediction response within the specified latency SLO"


def test_its_text_tells_which_one_it_is() -> None:
    query = a_query(5.0)
    assert repr(query) == f"Query(id={query.query_id}, deadline_s=5.000000, is_done=False)"
