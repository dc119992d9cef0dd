"""Applications: what clients query by name, and the models each one is linked to."""

from __future__ import annotations

from typing import Any

from skysail_admin.clipper_view import application_view
from skysail_admin.connection import segment
from skysail_admin.errors import InvalidRequestError, NotFoundError
from skysail_admin.records import Application
from skysail_admin.service import Service

__all__ = ["DEFAULT_SLO_MS", "ApplicationMethods"]

DEFAULT_SLO_MS = 100.0
"""Milliseconds an application waits for a prediction if nobody says otherwise."""

_ROOT = "/api/v1/applications"

_AMENDABLE = {
    "default_output": "default_output",
    "fallback": "fallback_model",
    "priority": "priority",
    "cache": "cache",
}
"""What can be changed, as a caller and as management names it; besides the objective, which has two names."""


class ApplicationMethods(Service):
    """Register, read, change, link and delete applications."""

    def register_application(
        self,
        name: str,
        input_type: str,
        default_output: Any,
        slo_micros: int | None = None,
        *,
        slo_ms: float | None = None,
        fallback: str | None = None,
        priority: str = "normal",
        cache: bool = True,
    ) -> Application:
        """Creates an application.

        :param input_type: integers, floats, doubles, strings, bytes, json or tensor.
        :param default_output: any JSON value; the answer when no prediction can be given in time.
        :param slo_micros: microseconds a query may take; or say `slo_ms`, in milliseconds. 100 ms if neither.
        :param fallback: a model of the same input type, asked when the linked model has no room for a query.
        :param priority: high, normal or low: its standing among the applications that share a model.
        :param cache: whether a prediction for equal input may be given again.
        :raises AlreadyExistsError: the name is taken.
        :raises NotFoundError: no such fallback.
        :raises InvalidRequestError: a bad name, input type, objective or priority; a fallback of another input type.
        """
        latency_slo_ms = _slo_ms(slo_micros, slo_ms)
        body = {
            "name": name,
            "input_type": input_type,
            "default_output": default_output,
            "latency_slo_ms": DEFAULT_SLO_MS if latency_slo_ms is None else latency_slo_ms,
            "fallback_model": fallback,
            "priority": priority,
            "cache": cache,
        }
        return Application.from_json(self.management.post(_ROOT, body))

    def update_application(self, name: str, **changes: Any) -> Application:
        """Changes what is given of `default_output`, the objective (`slo_ms` or `slo_micros`), `fallback` (None: none
        any more), `priority` and `cache`; everything else stays.

        :raises NotFoundError: no such application, or no such fallback.
        :raises InvalidRequestError: a bad value, or a fallback of another input type.
        :raises InUseError: the fallback is the model that the application asks first.
        """
        unknown = changes.keys() - {"slo_ms", "slo_micros", *_AMENDABLE}
        if unknown:
            raise InvalidRequestError(f"an application's {', '.join(sorted(unknown))} cannot be changed")
        slo_ms = _slo_ms(changes.get("slo_micros"), changes.get("slo_ms"))
        body: dict[str, Any] = {} if slo_ms is None else {"latency_slo_ms": slo_ms}
        body |= {field: changes[given] for given, field in _AMENDABLE.items() if given in changes}
        return Application.from_json(self.management.patch(_path(name), body))

    def delete_application(self, name: str) -> None:
        """Deletes the application and its links; its models stay.

        :raises NotFoundError: there is none.
        """
        self.management.delete(_path(name))

    def applications(self) -> list[Application]:
        return [Application.from_json(item) for item in self.management.get(_ROOT)["items"]]

    def application(self, name: str) -> Application:
        """:raises NotFoundError: there is none."""
        return Application.from_json(self.management.get(_path(name)))

    def get_all_apps(self, verbose: bool = False) -> list[Any]:
        """The applications' names; with `verbose`, an object for each."""
        found = self.applications()
        return [application_view(app) for app in found] if verbose else [app.name for app in found]

    def get_app_info(self, name: str) -> dict[str, Any] | None:
        """An object for the application; None if there is none."""
        try:
            return application_view(self.application(name))
        except NotFoundError:
            return None

    def link_model_to_app(
        self, app_name: str, model_name: str, role: str = "primary", weight: float = 1.0
    ) -> Application:
        """From now on the application asks the model.

        :param role: primary, candidate (gets `weight`'s share of the queries) or shadow (asked, never answers).
        :raises NotFoundError: no such application or model.
        :raises InvalidRequestError: their input types differ.
        :raises AlreadyExistsError: they are linked.
        :raises InUseError: the model is the application's fallback and would be the one asked first.
        """
        body = {"model": model_name, "role": role, "weight": weight}
        return Application.from_json(self.management.post(f"{_path(app_name)}/links", body))

    def unlink_model_from_app(self, app_name: str, model_name: str) -> None:
        """:raises NotFoundError: they are not linked."""
        self.management.delete(f"{_path(app_name)}/links/{segment(model_name)}")

    def get_linked_models(self, app_name: str) -> list[str]:
        """:raises NotFoundError: no such application."""
        return [link.model for link in self.application(app_name).links]


def _path(name: str) -> str:
    return f"{_ROOT}/{segment(name)}"


def _slo_ms(slo_micros: int | None, slo_ms: float | None) -> float | None:
    if slo_micros is not None and slo_ms is not None:
        raise InvalidRequestError("give the latency objective once: slo_micros or slo_ms", field="latency_slo_ms")
    return slo_micros / 1000 if slo_micros is not None else slo_ms
