"""What the figures say: every rule looks at one thing and says it in a sentence, or nothing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from skysail_admin.explaining.capacity import replicas_to_have, rows_in_time
from skysail_admin.explaining.default_rules import REASONS, default_findings
from skysail_admin.explaining.figures import Figures
from skysail_admin.explaining.finding import LEVELS, Finding, Level, duration, exact_duration, number, percent
from skysail_admin.explaining.parts import MODEL, NETWORK, RPC, WAITING, LatencyPart, largest_part, latency_parts

__all__ = ["findings_of", "verdict_of"]

FEW_BATCHES = 20
"""Below so many batches nothing is said about what most of them do."""
FEW_LOOKUPS = 100
"""Below so many look-ups nothing is said about the cache."""
LARGE_SHARE = 0.4
"""A part of the latency that takes this share gets its advice."""
MOST = 0.5
DOMINANT_COST = 0.6
"""A cost that makes up this much of the usual batch dominates it."""
NOTED_HEDGES = 0.01
NOTED_PROBES = 0.1
LOW_HIT_RATIO, HIGH_HIT_RATIO = 0.05, 0.2
BUSY = 0.7
STALLING = 3.0
"""A mean so many times the median is made by few that took long."""
WELL_ATTAINED = 0.99


def verdict_of(figures: Figures) -> str:
    """One line: where most of the time goes."""
    application = figures.application
    parts = latency_parts(figures)
    if not parts:
        return f"Nothing to explain: {_no_queries(figures)}."
    largest = largest_part(parts)
    total_ms = sum(part.mean_ms for part in parts)
    head = "Most of the time" if largest.share > MOST else "The largest part of the time"
    times = f"{duration(largest.mean_ms / 1000.0)} of the mean {duration(total_ms / 1000.0)}"
    verdict = f"{head} ({percent(largest.share)}) goes to {_WORDS[largest.part]}: {times}."
    if not _are_mostly_defaults(figures):
        return verdict
    reason = max(application.defaults.items(), key=lambda item: item[1])[0]
    share = percent(application.n_defaults / application.requests.n)
    return f"Most answers ({share}) are default outputs, mostly because {REASONS.get(reason, reason)}. {verdict}"


def findings_of(figures: Figures) -> list[Finding]:
    """All that is to be said: problems first, then advice, then notes."""
    found = [*default_findings(figures)]
    for rule in _RULES:
        found.extend(rule(figures))
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


_WORDS = {
    NETWORK: "network and HTTP",
    WAITING: "waiting, for a batch or a free replica",
    RPC: "the way to the container and back (RPC)",
    MODEL: "the model",
}


def _no_queries(figures: Figures) -> str:
    if figures.window_s is None:
        return f"no query for {figures.application.name} has come yet"
    return f"no query for {figures.application.name} came in {number(figures.window_s)} s"


def _traffic(figures: Figures) -> Iterable[Finding]:
    if figures.application.requests.n:
        return
    name = figures.application.name
    step = f"send one: skysail predict {name} INPUT"
    if figures.window_s is not None:
        step = f"run it while queries come, or look at all since the start: skysail explain {name} --seconds 0"
    yield Finding("no_traffic", "note", "Without queries there is nothing to measure.", step)


def _counters(figures: Figures) -> Iterable[Finding]:
    if figures.is_reset:
        text = "The counters began anew meanwhile (the query frontend was restarted, or several take turns at this "
        text += "address), so these are the figures since then."
        yield Finding("counters_reset", "note", text, "measure again; with several frontends name one: --query-url")


def _objective(figures: Figures) -> Iterable[Finding]:
    application = figures.application
    if not application.requests.n:
        return
    text = f"{percent(application.attained)} of the answers were predictions within the objective of "
    text += f"{exact_duration(application.objective_s)}"
    missing = f"; {percent(1.0 - application.attained)} were default outputs" if application.n_defaults else ""
    level: Level = "note" if application.attained >= WELL_ATTAINED else "problem"
    yield Finding("objective", level, f"{text}{missing}.")


def _fallbacks(figures: Figures) -> Iterable[Finding]:
    application = figures.application
    if application.fallbacks and application.requests.n:
        share = percent(application.fallbacks / application.requests.n)
        text = f"{share} of the answers are those of the fallback model {application.fallback}, because "
        text += f"{figures.model.name} had no room."
        yield Finding("fallbacks", "advice", text, f"if that is too many, {_more_replicas(figures)}")


def _network(figures: Figures) -> Iterable[Finding]:
    part = _part(figures, NETWORK)
    if part is None or part.share < LARGE_SHARE or _are_mostly_defaults(figures):
        return
    text = f"A request that asks nothing of a model takes {duration(figures.round_trips.mean)} from here and back"
    median_s = figures.round_trips.quantile(0.5) or 0.0
    if figures.round_trips.mean > STALLING * median_s:
        text += f", though half of them take less than {duration(median_s)}: something stalls on the way."
        yield Finding(
            "network_stalls", "advice", text, "look at the processor of the query frontend and of this machine"
        )
    else:
        step = "keep connections open, send several rows in one input_batch, ask from nearby"
        yield Finding("network", "advice", f"{text}.", step)


def _waiting(figures: Figures) -> Iterable[Finding]:
    part, model, busy = _part(figures, WAITING), figures.model, figures.busy
    if part is None or part.share < LARGE_SHARE:
        return
    waits = f"Queries wait {duration(part.mean_ms / 1000.0)} on average"
    if model.batch_delay_s >= 0.25 * part.mean_ms / 1000.0:
        text = f"{waits}; the model is set to let batches wait up to {exact_duration(model.batch_delay_s)} for company."
        step = f"wait less: skysail model batching {model.name} --delay-us {model.batch_delay_s * 5e5:.0f}"
        yield Finding("waiting_for_company", "advice", text, step)
    elif busy is not None and busy >= BUSY:
        text = f"{waits}: the replicas compute {percent(busy)} of the time, so that most queries find them busy."
        yield Finding("waiting_for_replicas", "advice", text, _more_replicas(figures))
    elif busy is not None and model.duration.n:
        text = f"{waits} although the replicas compute only {percent(busy)} of the time: queries come in bursts, or "
        text += "the query frontend itself is short of processor time."
        step = "look at its processor; several workers share the work: skysail up --workers N"
        yield Finding("waiting_in_frontend", "advice", text, step)


def _rpc(figures: Figures) -> Iterable[Finding]:
    part = _part(figures, RPC)
    if part is not None and part.share >= LARGE_SHARE:
        text = f"Batches spend {duration(figures.model.rpc.mean)} on the way to the container and back, and in its "
        text += "queue: other query frontends keep it busy, rows are large, or the machine is short of processor time."
        step = f"fewer frontends per replica, more replicas (skysail model scale {figures.model.name} "
        step += f"{replicas_to_have(figures)}), or smaller rows"
        yield Finding("rpc", "advice", text, step)


def _causes(figures: Figures) -> Iterable[Finding]:
    model = figures.model
    n_batches = sum(model.causes.values())
    if n_batches < FEW_BATCHES:
        return
    cause = max(model.causes, key=lambda name: model.causes[name])
    share = model.causes[cause] / n_batches
    if share < MOST or cause not in ("full", "deadline", "idle"):
        return
    head = f"{percent(share)} of the batches leave"
    rows = f"{number(model.rows.mean)} rows on average"
    if cause == "idle":
        text = f"{head} as soon as a replica is free, with all that waits ({rows}): the model keeps up."
        yield Finding("batches_idle", "note", text)
    elif cause == "full" and model.max_batch_rows is not None and model.policy != "fixed":
        text = f"{head} full: the model is set to {model.max_batch_rows} rows at most."
        step = f"allow larger ones, up to what is in time: skysail model batching {model.name} --max-rows 0"
        yield Finding("batches_full", "advice", text, step)
    elif cause == "full":
        text = f"{head} full, with {rows}: more is always waiting."
        yield Finding("batches_full", "advice", text, _more_replicas(figures))
    else:
        text = f"{head} smaller than the queue, because a larger one would miss its deadlines ({rows})."
        step = f"{_more_replicas(figures)}; or raise the objective"
        yield Finding("batches_deadline", "advice", text, step)


def _probes(figures: Figures) -> Iterable[Finding]:
    share = _cause_share(figures, "probe")
    if share >= NOTED_PROBES:
        text = f"{percent(share)} of the batches are single rows sent as a trial, because nothing that waits looks "
        text += f"feasible within {exact_duration(figures.application.objective_s)}, or a replica has to show that it "
        text += "is well."
        yield Finding("probes", "problem", text, f"raise the objective, or see: skysail logs {figures.model.name}")


def _hedges(figures: Figures) -> Iterable[Finding]:
    share = _cause_share(figures, "hedge")
    if share >= NOTED_HEDGES:
        text = f"{percent(share)} of the batches are second copies, sent because a replica was late with the first."
        step = f"see which replica lags: skysail logs {figures.model.key}:REPLICA"
        yield Finding("hedges", "advice", text, step)


def _suspects(figures: Figures) -> Iterable[Finding]:
    n = figures.model.causes.get("suspect", 0.0)
    if n or figures.model.poison_rows:
        text = f"Containers died at work: {number(n)} batches were tried again apart, and "
        text += f"{number(figures.model.poison_rows)} rows are refused for having ended two containers."
        yield Finding("containers_died", "problem", text, f"see why: skysail logs {figures.model.name}")


def _costs(figures: Figures) -> Iterable[Finding]:
    model, part = figures.model, _part(figures, MODEL)
    if part is None or part.share < LARGE_SHARE or not model.is_fitted or model.duration.n < FEW_BATCHES:
        return
    rows = max(1.0, model.rows.mean)
    fixed_share = model.fixed_s / (model.fixed_s + model.row_s * rows)
    costs = f"a batch costs {duration(model.fixed_s)} and {duration(model.row_s)} per row"
    if fixed_share >= DOMINANT_COST:
        text = f"The model's time is mostly fixed cost ({costs}, {number(rows)} rows on average): batching helps."
        yield Finding("fixed_cost", "advice", text, _larger_batches(figures))
    elif 1.0 - fixed_share >= DOMINANT_COST:
        text = f"The model's time is mostly cost per row ({costs}): larger batches would not help, replicas do."
        yield Finding("row_cost", "advice", text, _more_replicas(figures))


def _replicas(figures: Figures) -> Iterable[Finding]:
    model = figures.model
    if model.n_replicas < model.n_wanted:
        text = f"{model.n_replicas} of {model.n_wanted} replicas of {model.key} are connected."
        yield Finding("replicas_missing", "problem", text, f"see why: skysail logs {model.key}; skysail status")
    if model.n_in_rotation < model.n_replicas:
        n_out = model.n_replicas - model.n_in_rotation
        text = f"{n_out} of {model.n_replicas} replicas {'is' if n_out == 1 else 'are'} out of rotation, for failing, "
        text += "stalling or lagging behind the others."
        yield Finding("out_of_rotation", "problem", text, f"see what they do: skysail logs {model.key}:REPLICA")
    elif model.ejections:
        text = f"Replicas were taken out of rotation {number(model.ejections)} times, and are back."
        yield Finding("ejections", "advice", text, f"see what they did: skysail logs {model.key}:REPLICA")


def _cache(figures: Figures) -> Iterable[Finding]:
    model, application, ratio = figures.model, figures.application, figures.model.hit_ratio
    if not application.cache or ratio is None or model.hits + model.misses < FEW_LOOKUPS:
        return
    if _are_mostly_defaults(figures):
        return
    if model.evictions and ratio >= LOW_HIT_RATIO:
        text = f"{number(model.evictions)} predictions left the cache for want of room; {percent(ratio)} of the "
        text += "look-ups found one."
        yield Finding(
            "cache_too_small", "advice", text, "give each worker more: SKYSAIL_CACHE_BYTES (64 MiB by itself)"
        )
    elif ratio < LOW_HIT_RATIO:
        text = f"{percent(ratio)} of the look-ups in the prediction cache find something: inputs hardly repeat."
        step = f"leave it off: skysail app update {application.name} --no-cache"
        yield Finding("cache_useless", "advice", text, step)
    elif ratio >= HIGH_HIT_RATIO:
        yield Finding("cache_useful", "note", f"{percent(ratio)} of the look-ups are answered from the cache, at once.")


def _sharing(figures: Figures) -> Iterable[Finding]:
    if figures.others:
        text = f"{figures.model.key} also answers {', '.join(figures.others)}: its figures are those of all."
        yield Finding("shared_model", "note", text)


_RULES: tuple[Callable[[Figures], Iterable[Finding]], ...] = (
    *(_counters, _traffic, _objective, _replicas, _suspects, _probes, _fallbacks, _waiting, _rpc, _network),
    *(_costs, _causes, _hedges, _cache, _sharing),
)


def _part(figures: Figures, name: str) -> LatencyPart | None:
    return next((part for part in latency_parts(figures) if part.part == name), None)


def _are_mostly_defaults(figures: Figures) -> bool:
    """Then what could be faster hardly matters yet."""
    return figures.application.n_defaults >= MOST * max(1.0, figures.application.requests.n)


def _cause_share(figures: Figures, cause: str) -> float:
    causes = figures.model.causes
    n_batches = sum(causes.values())
    return causes.get(cause, 0.0) / n_batches if n_batches >= FEW_BATCHES else 0.0


def _more_replicas(figures: Figures) -> str:
    return f"add replicas: skysail model scale {figures.model.name} {replicas_to_have(figures)}"


def _larger_batches(figures: Figures) -> str:
    """A delay gathers rows only where several come in its time, and only batches that leave incomplete."""
    model, rate = figures.model, figures.rows_per_s
    delay_s = min(model.fixed_s / 2.0, figures.application.objective_s / 10.0)
    is_free = _cause_share(figures, "idle") >= MOST and model.rows.mean < rows_in_time(figures)
    if model.policy == "fixed":
        return f"larger batches: skysail model batching {model.name} --max-rows N"
    if is_free and rate is not None and rate * delay_s >= 1.0 and model.batch_delay_s < delay_s:
        command = f"skysail model batching {model.name} --delay-us {delay_s * 1e6:.0f}"
        return f"a short delay would fill batches: {command}; or send rows together as input_batch"
    return "send rows together as input_batch"
