"""The settings of one query frontend. The environment is read once, in `__main__`."""

import re
from dataclasses import dataclass
from pathlib import Path

from skysail_container.wire import MAX_ROWS
from skysail_frontend.errors import SettingsError

__all__ = ["Settings"]

MAY_BE_ZERO = ("port", "cache_bytes", "feedback_per_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One frozen object per process; every field has an environment variable ``SKYSAIL_<FIELD>``."""

    redis_url: str
    """Where the registry is: ``redis://host:port/db`` or ``unix:///path?db=0``."""
    run_dir: Path
    """A directory of this frontend's own for the workers' metric cells."""
    host: str = "127.0.0.1"
    """Address to listen on. Loopback by default: predictions need no credentials."""
    port: int = 1337
    """TCP port; 0 takes a free one."""
    workers: int = 1
    """Processes that share the port. One serves tens of thousands of queries per second."""
    lane: bool = True
    """False serves predictions through the ASGI route alone: for comparison, and as a way out."""
    max_body_bytes: int = 16 * 1024 * 1024
    """Largest request body; larger ones get 413. A 4k image as base64 fits."""
    max_header_bytes: int = 32 * 1024
    """Most bytes of request line and headers; more get 431. What nginx allows in all."""
    receive_timeout_s: float = 30.0
    """How long one request may take to arrive, first byte to last; slower ones get 408."""
    idle_timeout_s: float = 75.0
    """How long a connection may stay idle between requests. Longer than common client pools keep theirs."""
    shutdown_timeout_s: float = 30.0
    """How long a graceful shutdown waits for what was taken in."""
    max_request_rows: int = 10_000
    """Most examples in one ``input_batch``."""
    max_queue_rows: int = 20_000
    """Queries that may wait for one model version; more are answered with the default output at once."""
    max_queue_bytes: int = 256 * 1024 * 1024
    """Their payloads together."""
    max_batch_rows: int = 1024
    """Most rows in one batch."""
    max_batch_bytes: int = 16 * 1024 * 1024
    """Most payload bytes in one batch, a quarter of the wire's frame limit."""
    cache_bytes: int = 64 * 1024 * 1024
    """What the prediction cache of one worker may take; 0 keeps no predictions. Room for 100,000 small ones."""
    cache_ttl_s: float = 3600.0
    """How long a prediction is given again. A model version does not change; what its code looks up elsewhere may."""
    feedback_per_s: int = 2000
    """Predictions put on record for feedback per worker and second; 0 keeps none."""
    log_level: str = "info"
    """debug, info, warning or error."""

    def __post_init__(self) -> None:
        for field in MAY_BE_ZERO:
            if getattr(self, field) < 0:
                raise SettingsError(f"{field} is {getattr(self, field)}; 0 or more was expected")
        for field in self.__slots__:
            value = getattr(self, field)
            positive = isinstance(value, int | float) and field not in (*MAY_BE_ZERO, "lane")
            if positive and not 0 < value < float("inf"):
                raise SettingsError(f"{field} is {value}; more than 0 was expected")
        if self.max_batch_rows > MAX_ROWS:
            raise SettingsError(f"max_batch_rows is {self.max_batch_rows}; at most {MAX_ROWS} was expected")
        if self.port > 65535:
            raise SettingsError(f"port is {self.port}; at most 65535 was expected")
        if not re.match(r"^(redis|rediss|unix)://", self.redis_url):
            raise SettingsError(f"redis_url is {self.redis_url!r}; redis://host:port/db or unix:///path was expected")
        if self.log_level not in ("debug", "info", "warning", "error"):
            raise SettingsError(f"log_level is {self.log_level!r}; debug, info, warning or error was expected")
