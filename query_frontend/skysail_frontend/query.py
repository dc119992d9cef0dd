"""A query: one input row on its way, answered exactly once."""

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from skysail_frontend.batch import Batch

__all__ = ["EXPLANATIONS", "DefaultReason", "Query", "QueryOwner", "QuerySink"]


class DefaultReason:
    """Why a default output was given: the value of ``default_reason``, and the label of its metric."""

    NO_LINK: Final = "no_link"
    NO_REPLICA: Final = "no_replica"
    DEADLINE: Final = "deadline"
    OVERLOAD: Final = "overload"
    MODEL_ERROR: Final = "model_error"
    REJECTED_INPUT: Final = "rejected_input"
    CONTAINER_LOST: Final = "container_lost"
    SHUTDOWN: Final = "shutdown"


EXPLANATIONS = {
    DefaultReason.NO_LINK: "No connected models found for query",
    DefaultReason.NO_REPLICA: "No connected models found for query",
    DefaultReason.DEADLINE: "Failed to retrieve a prediction response within the specified latency SLO",
    DefaultReason.OVERLOAD: "The model's queue is full; the query was refused at once",
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


class QueryOwner(Protocol):
    """The application a query belongs to: it counts answers and knows its default output."""

    name: str

    def observe_prediction(self, seconds: float) -> None: ...

    def default_answer(self, query_id: int, reason: str, seconds: float) -> bytes: ...


class Query:
    """One input row. Owned by one scheduler until it is done.

    Invariants: ``is_done`` goes from False to True once and never back; whoever sets it tells the sink in the same
    breath, or nobody does because the client is gone. ``batch`` is None while the query waits in the queue;
    ``dispatcher`` is set once it has been taken in. Times are seconds of ``time.monotonic``.
    """

    __slots__ = ("arrival_s", "batch", "deadline_s", "dispatcher", "is_done", "n_attempts", "n_bytes", "owner",
                 "payload", "position", "query_id", "sink")  # fmt: skip

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
    ) -> None:
        self.payload = payload
        self.n_bytes = n_bytes
        self.arrival_s = arrival_s
        self.deadline_s = deadline_s
        self.query_id = query_id
        self.owner = owner
        self.sink = sink
        self.position = position
        self.is_done = False
        self.n_attempts = 0
        self.batch: Batch | None = None
        self.dispatcher: QueryDispatcher | None = None

    def predict(self, output: bytes, now_s: float) -> None:
        """Answers with the model's output, one JSON fragment, unless the query is done already."""
        if not self.is_done:
            self.is_done = True
            self.owner.observe_prediction(now_s - self.arrival_s)
            self.sink.answered(self.position, b'{"query_id":%d,"output":%b,"default":false}' % (self.query_id, output))

    def default(self, reason: str, now_s: float) -> None:
        """Answers with the application's default output, unless the query is done already."""
        if not self.is_done:
            self.is_done = True
            self.sink.answered(self.position, self.owner.default_answer(self.query_id, reason, now_s - self.arrival_s))

    def cancel(self) -> None:
        """The client is gone: no answer is wanted any more."""
        if self.dispatcher is not None and not self.is_done:
            self.dispatcher.cancel(self)

    def __repr__(self) -> str:
        return f"Query(id={self.query_id}, deadline_s={self.deadline_s:.6f}, is_done={self.is_done})"
