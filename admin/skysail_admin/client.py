"""The admin client: everything a Skysail can be asked, over HTTP, as one object."""

from __future__ import annotations

from types import TracebackType

from skysail_admin.applications import ApplicationMethods
from skysail_admin.connection import Connection
from skysail_admin.deployment import DeploymentMethods
from skysail_admin.explanation import ExplanationMethods
from skysail_admin.inspection import InspectionMethods
from skysail_admin.models import ModelMethods
from skysail_admin.predictions import PredictionMethods
from skysail_admin.replicas import ReplicaMethods

__all__ = ["DEFAULT_QUERY_URL", "DEFAULT_URL", "Skysail"]

DEFAULT_URL = "http://127.0.0.1:1338"
"""Where management listens unless told otherwise."""
DEFAULT_QUERY_URL = "http://127.0.0.1:1337"
"""Where the query frontend listens unless told otherwise."""


class Skysail(
    ExplanationMethods,
    ApplicationMethods,
    DeploymentMethods,
    ModelMethods,
    ReplicaMethods,
    PredictionMethods,
    InspectionMethods,
):
    """A running Skysail.

    :param url: management's address.
    :param query_url: the query frontend's address.
    :param token: management's token, if it was started with one.
    :param timeout_s: seconds any single request may wait for an answer.

    Every method raises `UnavailableError` when nothing answers and `UnauthorizedError` when the token is missing or
    wrong, besides what it names itself. Can be used as a context manager; `close()` lets go of the connections.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        query_url: str = DEFAULT_QUERY_URL,
        token: str | None = None,
        *,
        timeout_s: float = 30.0,
    ) -> None:
        super().__init__(
            management=Connection(url, "management", token=token, timeout_s=timeout_s),
            frontend=Connection(query_url, "the query frontend", timeout_s=timeout_s),
        )

    def __repr__(self) -> str:
        return f"Skysail({self.management.base_url}, queries at {self.frontend.base_url})"

    def __enter__(self) -> Skysail:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.management.close()
        self.frontend.close()

    def get_query_addr(self) -> str:
        """The query frontend's host and port."""
        return self.frontend.base_url.split("://", 1)[-1]
