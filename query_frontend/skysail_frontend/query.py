"""A query: one input row on its way, answered exactly once."""

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from skysail_frontend.batch import Batch

__all__ = ["EXPLANATIONS", "FALLBACK_TAIL", "PREDICTION_TAIL", "DefaultReason", "Query", "QueryOwner", "QuerySink"]

PREDICTION_TAIL: Final = b',"default":false}'
FALLBACK_TAIL: Final = b',"default":false,"fallback":true}'
"""What ends the answer of a query that the application's model predicted, or its fallback model."""


class DefaultReason:
    """Why a default output was given: the value of ``default_reason``, and the label of its metric."""

    NO_LINK: Final = "no_link"
    NO_REPLICA: Final = "no_replica"
    DEADLINE: Final = "deadline"
    OVERLOAD: Final = "overload"
    NO_TIME: Final = "no_time"
    POISON: Final = "poison"
    MODEL_ERROR: Final = "model_error"
    REJECTED_INPUT: Final = "rejected_input"
    CONTAINER_LOST: Final = "container_lost"
    SHUTDOWN: Final = "shutdown"


EXPLANATIONS = {
    DefaultReason.NO_LINK: "No connected models found for query",
    DefaultReason.NO_REPLICA: "No connected models found for query",
    DefaultReason.DEADLINE: "Failed to retrieve a prediction response within the specified latency SLO",
    DefaultReason.OVERLOAD: "The model's queue is full; the query was refused at once",
    DefaultReason.NO_TIME: "Refused at once: what waits for the model already leaves no time for this query",
    DefaultReason.POISON: "Refused: this input has ended the model's container twice within the last minute",
    DefaultReason.MODEL_ERROR: "The model failed on this input; its error is in the container's log",
    DefaultReason.REJECTED_INPUT: "The model's container could not read this input",
    DefaultReason.CONTAINER_LOST: "The model's container was lost while it worked on this query",
    DefaultReason.SHUTDOWN: "The query frontend is shutting down",
}
"""``default_explanation`` by reason. The texts that speak of connected models and of the SLO are Clipper's, word for
word; its clients match on them."""


class QuerySink(Protocol):
    """Who waits for the answer."""

    def answered(self, position: int, answer: bytes) -> None:
        """`answer` is the JSON object of the query at `position` in its request. Called once a query."""
        ...


class QueryDispatcher(Protocol):
    """Where a query waits."""

    def cancel(self, query: "Query") -> None: ...


class QueryFlight(Protocol):
    """Who lets equal queries wait for one that leads them."""

    def landed(self, leader: "Query", output: bytes, now_s: float) -> None:
        """The leader's output is there, in time or not."""
        ...

    def left(self, leader: "Query") -> None:
        """The leader waits no longer, and has no output."""
        ...


class QueryOwner(Protocol):
    """The application a query belongs to: it counts answers and knows its default output."""

    name: str

    def observe_prediction(self, seconds: float) -> None: ...

    def count_fallback(self) -> None: ...

    def default_answer(self, query_id: int, reason: str, seconds: float, explanation: str | None = None) -> bytes: ...

    def refused(self, query: "Query", reason: str, now_s: float) -> None:
        """The model version that the query waited for takes it in no more: it is answered in another way."""
        ...


class Query:
    """One input row. Owned by one scheduler until it is done, or by the equal query that it follows.

    Invariants: ``is_done`` goes from False to True once and never back; whoever sets it tells the sink in the same
    breath, or nobody does because the client is gone. ``batch`` is None while the query waits in the queue;
    ``dispatcher`` is set once it has been taken in. ``flight`` is who hears of the end of a query that may lead others,
    ``followers`` are those that it leads; a follower does not know its leader, so that no reference cycle comes about.
    ``key`` is what the payload is looked up by, once the query leads; ``weight`` is what it counts for against others
    when not all can be served. ``may_fall_back``: the application's fallback model may still be asked. Times are
    seconds of ``time.monotonic``.
    """

    __slots__ = ("arrival_s", "batch", "deadline_s", "dispatcher", "flight", "followers", "is_done", "key",
                 "may_fall_back", "n_attempts", "n_bytes", "n_flights", "n_lost", "owner", "payload", "position",
                 "query_id", "sink", "tail", "weight")  # fmt: skip

    def __init__(
        self,
        payload: Any,
        n_bytes: int,
        arrival_s: float,
        deadline_s: float,
        query_id: int,
        owner: QueryOwner,
        sink: QuerySink,
        position: int = 0,
        weight: float = 1.0,
    ) -> None:
        self.payload = payload
        self.n_bytes = n_bytes
        self.arrival_s = arrival_s
        self.deadline_s = deadline_s
        self.query_id = query_id
        self.owner = owner
        self.sink = sink
        self.position = position
        self.weight = weight
        self.tail: bytes = PREDICTION_TAIL
        self.may_fall_back = True
        self.is_done = False
        self.n_attempts = 0
        self.n_flights = 0  # batches on their way that hold it
        self.n_lost = 0  # containers that died with it
        self.batch: Batch | None = None
        self.dispatcher: QueryDispatcher | None = None
        self.flight: QueryFlight | None = None
        self.key: Any = None
        self.followers: list[Query] | None = None

    def predict(self, output: bytes, now_s: float) -> None:
        """Answers with the model's output, one JSON fragment, unless the query is done already."""
        if not self.is_done:
            self.is_done = True
            self.owner.observe_prediction(now_s - self.arrival_s)
            if self.tail != PREDICTION_TAIL:
                self.owner.count_fallback()
            self.sink.answered(self.position, b'{"query_id":%d,"output":%b%b' % (self.query_id, output, self.tail))
        if self.flight is not None:
            flight, self.flight = self.flight, None
            flight.landed(self, output, now_s)

    def default(self, reason: str, now_s: float, explanation: str | None = None) -> None:
        """Answers with the application's default output, unless the query is done already.

        :param explanation: what `EXPLANATIONS` cannot know
        """
        if not self.is_done:
            self.is_done = True
            seconds = now_s - self.arrival_s
            self.sink.answered(self.position, self.owner.default_answer(self.query_id, reason, seconds, explanation))
            if self.flight is not None:
                self.flight.left(self)

    def cancel(self) -> None:
        """The client is gone: no answer is wanted any more."""
        if self.is_done:
            return
        if self.dispatcher is None:
            self.is_done = True
        else:
            self.dispatcher.cancel(self)
        if self.flight is not None:
            self.flight.left(self)

    def __repr__(self) -> str:
        return f"Query(id={self.query_id}, deadline_s={self.deadline_s:.6f}, is_done={self.is_done})"
