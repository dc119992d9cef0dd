"""Where an application's latency goes and why answers are defaults: measured on a running Skysail, told in words."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from skysail_admin.applications import ApplicationMethods
from skysail_admin.errors import InvalidRequestError, NotFoundError, SkysailError
from skysail_admin.explaining.distribution import Distribution
from skysail_admin.explaining.figures import Figures, ModelFigures, application_figures, model_figures
from skysail_admin.explaining.finding import Finding
from skysail_admin.explaining.metrics_window import MetricsWindow
from skysail_admin.explaining.parts import LatencyPart, latency_parts
from skysail_admin.explaining.rules import findings_of, verdict_of
from skysail_admin.models import ModelMethods
from skysail_admin.prometheus_text import Sample, parse
from skysail_admin.records import Application, Version

__all__ = ["DEFAULT_WINDOW_S", "Explanation", "ExplanationMethods"]

DEFAULT_WINDOW_S = 5.0
"""How long an explanation looks unless told otherwise: some hundred batches of any application that is in use."""
ROUND_TRIP_INTERVAL_S = 0.25
N_ROUND_TRIPS = 8
"""Round trips when there is no window to spread them over."""


@dataclass(frozen=True)
class Explanation:
    """`seconds` None: all since the query frontend began to count. `p50_ms` and `p99_ms` are from arrival to answer
    in the frontend; quantiles are interpolated within the buckets of a histogram. `attained` is the share of answers
    that were predictions in time; `parts` are empty when there were none."""

    application: str
    model: str
    verdict: str
    seconds: float | None
    queries: float
    defaults: float
    attained: float
    mean_ms: float
    p50_ms: float | None
    p99_ms: float | None
    parts: tuple[LatencyPart, ...]
    findings: tuple[Finding, ...]


class ExplanationMethods(ApplicationMethods, ModelMethods):
    """Explains an application's latency."""

    def explain(
        self,
        app: str,
        seconds: float = DEFAULT_WINDOW_S,
        *,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> Explanation:
        """Looks at the application's queries for so many seconds and tells where their time goes; blocks that long.

        :param seconds: 0 looks at all since the query frontend began to count, and returns at once.
        :raises NotFoundError: no such application, in management or in the frontend; no model that it asks.
        :raises InvalidRequestError: not a number of seconds.
        :raises SkysailError: what answers has no metrics of a query frontend.
        """
        if not 0.0 <= seconds < math.inf:
            raise InvalidRequestError(f"{seconds} is no number of seconds to look at", field="seconds")
        application = self.application(app)
        version = self._asked_version(application)
        before = self._frontend_samples(app) if seconds else []
        began_s = clock()
        round_trips = self._round_trips(seconds, sleep, clock)
        window = MetricsWindow(self._frontend_samples(app), before)
        window_s = clock() - began_s if seconds and not window.is_reset else None
        return _explanation(self._figures(application, version, window, window_s, round_trips))

    def _asked_version(self, application: Application) -> Version:
        """The model version that answers the application now."""
        model = _asked_model(application)
        if model is None:
            app = application.name
            raise NotFoundError(f"application {app!r} asks no model; next: skysail link add {app} MODEL")
        version = self._current_version(model)
        if version is None:
            raise NotFoundError(f"model {model!r} has no current version; next: skysail model deploy --help")
        return version

    def _current_version(self, model: str) -> Version | None:
        current = self.model(model).current_version
        return None if current is None else self.version(model, current)

    def _frontend_samples(self, app: str) -> list[Sample]:
        """The frontend's own metrics; they name the application as soon as the frontend knows it."""
        samples = list(parse(self.frontend.text("/metrics")))
        if not any(sample.name == "skysail_registry_revision" for sample in samples):
            raise SkysailError(f"{self.frontend.base_url}/metrics has no metrics of a query frontend")
        if not any(sample.labels.get("app") == app for sample in samples):
            raise NotFoundError(f"the query frontend at {self.frontend.base_url} does not know application {app!r}")
        return samples

    def _round_trips(
        self, seconds: float, sleep: Callable[[float], object], clock: Callable[[], float]
    ) -> Distribution:
        """How long requests take that ask nothing of a model, spread over the seconds."""
        ends_s = clock() + seconds
        self._round_trip_s(clock)  # the first one may have to open the connection
        taken_s: list[float] = []
        while len(taken_s) < N_ROUND_TRIPS if not seconds else clock() < ends_s:
            taken_s.append(self._round_trip_s(clock))
            if seconds:
                sleep(max(0.0, min(ROUND_TRIP_INTERVAL_S, ends_s - clock())))
        return Distribution.of_values(taken_s)

    def _round_trip_s(self, clock: Callable[[], float]) -> float:
        began_s = clock()
        self.frontend.send("GET", "/healthz")
        return clock() - began_s

    def _figures(
        self,
        application: Application,
        version: Version,
        window: MetricsWindow,
        window_s: float | None,
        round_trips: Distribution,
    ) -> Figures:
        everyone = self.applications()
        figures = {other.name: application_figures(window, other) for other in everyone}
        asking = [figures[other.name] for other in everyone if _asked_model(other) == version.model]
        falling_back = [figures[other.name] for other in everyone if other.fallback_model == version.model]
        busy_names = {other.name for other in asking if other.requests.n}
        busy_names |= {other.name for other in falling_back if other.fallbacks}
        return Figures(
            application=application_figures(window, application),
            model=model_figures(window, self.model(version.model), version),
            fallback=self._fallback_figures(application, window),
            window_s=window_s,
            is_reset=window.is_reset,
            n_asking=sum(other.requests.n for other in asking) + sum(other.fallbacks for other in falling_back),
            n_cached_asking=sum(other.requests.n for other in asking if other.cache),
            others=tuple(sorted(busy_names - {application.name})),
            round_trips=round_trips,
        )

    def _fallback_figures(self, application: Application, window: MetricsWindow) -> ModelFigures | None:
        if application.fallback_model is None:
            return None
        version = self._current_version(application.fallback_model)
        return None if version is None else model_figures(window, self.model(version.model), version)


def _asked_model(application: Application) -> str | None:
    """The model that the frontend asks for the application: its first primary link, else a candidate with weight."""
    links = [link for link in application.links if link.role == "primary"]
    links += [link for link in application.links if link.role == "candidate" and link.weight > 0]
    return links[0].model if links else None


def _explanation(figures: Figures) -> Explanation:
    requests = figures.application.requests
    return Explanation(
        application=figures.application.name,
        model=figures.model.key,
        verdict=verdict_of(figures),
        seconds=figures.window_s,
        queries=requests.n,
        defaults=figures.application.n_defaults,
        attained=figures.application.attained,
        mean_ms=requests.mean * 1000.0,
        p50_ms=_quantile_ms(requests, 0.5),
        p99_ms=_quantile_ms(requests, 0.99),
        parts=latency_parts(figures),
        findings=tuple(findings_of(figures)),
    )


def _quantile_ms(observed: Distribution, quantile: float) -> float | None:
    seconds = observed.quantile(quantile)
    return None if seconds is None else seconds * 1000.0
