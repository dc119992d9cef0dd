"""The rules about default outputs: one for each reason, with what to do against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from skysail_admin.explaining.capacity import objective_called_for_s, replicas_called_for, replicas_to_have
from skysail_admin.explaining.figures import Figures
from skysail_admin.explaining.finding import Finding, duration, exact_duration, number, percent

__all__ = ["REASONS", "default_findings"]

REASONS: Mapping[str, str] = {
    "overload": "the queue was full",
    "no_time": "what waited already left them no time",
    "deadline": "no prediction came within the objective",
    "model_error": "the model failed on the input",
    "rejected_input": "the container could not read the input",
    "no_replica": "no replica was connected",
    "no_link": "the application had no model to ask",
    "poison": "their input had ended the container twice",
    "container_lost": "the container died with them",
    "shutdown": "the query frontend was stopped",
}
"""Why default outputs were given, by the metric's label."""


def default_findings(figures: Figures) -> list[Finding]:
    """One for each reason, the most frequent first. What holds for several is said once."""
    application = figures.application
    ordered = sorted(application.defaults.items(), key=lambda item: -item[1])
    findings: list[Finding] = []
    said: set[Advice] = set()
    for reason, n in ordered:
        share = percent(n / application.requests.n) if application.requests.n else "all"
        text = f"{number(n)} default outputs ({share} of the answers), because {REASONS.get(reason, reason)}"
        advice = _ADVICE.get(reason, _unknown)(figures)
        why, step = ("", None) if advice in said else advice
        said.add(advice)
        findings.append(Finding(f"default_{reason}", "problem", f"{text}{why}.", step))
    return findings


Advice = tuple[str, str | None]
"""What the sentence goes on with, and the next step."""


def _too_little(figures: Figures) -> Advice:
    """The model does not keep up."""
    too_slow = _slower_than_objective(figures)
    if too_slow is not None:
        return too_slow
    model, rate, called_for = figures.model, figures.rows_per_s, replicas_called_for(figures)
    if called_for is None or rate is None:
        scale = f"skysail model scale {model.name} {replicas_to_have(figures)}"
        return "", f"add replicas: {scale} (for the number, measure under load without --seconds 0)"
    if called_for > model.n_replicas:
        why = f"; {number(rate)} rows/s at the fitted latency call for {called_for} replicas, {model.n_replicas} "
        why += "is connected" if model.n_replicas == 1 else "are connected"
        step = f"add replicas: skysail model scale {model.name} {replicas_to_have(figures)}; or raise the objective"
        return why, step + _raise_priority(figures)
    why = f"; on average {called_for} of {model.n_replicas} replicas would do, so queries come in bursts"
    return why, _against_bursts(figures)


def _too_late(figures: Figures) -> Advice:
    """Taken in, and not computed in time: the model stalled, or it does not keep up."""
    too_slow = _slower_than_objective(figures)
    if too_slow is not None:
        return too_slow
    called_for, model = replicas_called_for(figures), figures.model
    p99_s, median_s = model.duration.quantile(0.99), model.duration.quantile(0.5)
    if called_for is not None and called_for > model.n_replicas:
        return _too_little(figures)
    if p99_s and median_s and p99_s > figures.application.objective_s / 2.0 and p99_s > 3.0 * median_s:
        why = f"; the model stalls: half of its batches take less than {duration(median_s)}, one in a hundred more "
        why += f"than {duration(p99_s)}"
        return why, f"see what it does then: skysail logs {model.name}; more replicas let others take over"
    if not model.duration.n:
        return "; no batch came back", f"see whether the model hangs: skysail logs {model.name}"
    return _too_little(figures)


def _slower_than_objective(figures: Figures) -> Advice | None:
    model, objective_s = figures.model, figures.application.objective_s
    alone_s = model.latency_s(1.0) + model.overhead_s
    called_for_s = objective_called_for_s(figures)
    if alone_s <= objective_s or called_for_s is None:
        return None
    why = f"; one row alone takes up to {duration(alone_s)}, longer than the objective of {exact_duration(objective_s)}"
    return why, f"raise the objective: {_raise_objective(figures, called_for_s)}; or make the model faster"


def _against_bursts(figures: Figures) -> str:
    called_for_s, application = objective_called_for_s(figures), figures.application
    steps = [f"one replica more: skysail model scale {figures.model.name} {replicas_to_have(figures)}"]
    if called_for_s is not None and called_for_s > application.objective_s:
        steps.append(f"a longer objective: {_raise_objective(figures, called_for_s)}")
    if application.fallback is None:
        steps.append(f"a quicker model as a fallback: skysail app update {application.name} --fallback MODEL")
    return "; or ".join(steps)


def _raise_priority(figures: Figures) -> str:
    """Only where there is somebody to be preferred to."""
    application = figures.application
    if application.priority != "low" or not figures.others:
        return ""
    return f"; or the priority: skysail app update {application.name} --priority normal"


def _raise_objective(figures: Figures, objective_s: float) -> str:
    return f"skysail app update {figures.application.name} --slo-ms {objective_s * 1000.0:g}"


def _model_error(figures: Figures) -> Advice:
    return "", f"its tracebacks are in: skysail logs {figures.model.name}"


def _rejected_input(figures: Figures) -> Advice:
    return "", f"compare what you send with what the model expects; its words: skysail logs {figures.model.name}"


def _no_replica(figures: Figures) -> Advice:
    model = figures.model
    if model.n_wanted == 0:
        return f"; {model.key} is scaled to 0 replicas", f"start one: skysail model scale {model.key} 1"
    if model.n_replicas == 0:
        return f"; none of {model.n_wanted} is up now", f"see why it does not start: skysail logs {model.key}"
    return f"; {model.n_replicas} of {model.n_wanted} are now", f"see what happened to it: skysail logs {model.key}"


def _no_link(figures: Figures) -> Advice:
    return f"; by now it asks {figures.model.key}", None


def _poison(figures: Figures) -> Advice:
    return "; it is refused for a minute", f"find what the input does to the model: skysail logs {figures.model.name}"


def _container_lost(figures: Figures) -> Advice:
    return "", f"its last words, if memory ran out or it crashed: skysail logs {figures.model.name}"


def _shutdown(figures: Figures) -> Advice:
    return "", None


def _unknown(figures: Figures) -> Advice:
    return "", f"look into: skysail logs {figures.model.name}"


_ADVICE: Mapping[str, Callable[[Figures], Advice]] = {
    "overload": _too_little,
    "no_time": _too_little,
    "deadline": _too_late,
    "model_error": _model_error,
    "rejected_input": _rejected_input,
    "no_replica": _no_replica,
    "no_link": _no_link,
    "poison": _poison,
    "container_lost": _container_lost,
    "shutdown": _shutdown,
}
