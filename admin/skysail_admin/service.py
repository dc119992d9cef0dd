"""The two services a client talks to. Each noun's module builds its part of the client on this."""

from __future__ import annotations

from dataclasses import dataclass

from skysail_admin.connection import Connection

__all__ = ["Service"]


@dataclass(frozen=True)
class Service:
    """Connections to management (applications, models, replicas) and to the query frontend (predictions)."""

    management: Connection
    frontend: Connection
