"""Spark pipelines without Spark against PySpark in a warm session, in one run: loads, rows, batches, memory, REST.

``python -m benchmarks.spark`` needs an interpreter with PySpark and a Java, and takes some minutes.

- Load: `PipelineModel.load` against `load_pipeline` and `bind`.
- Row and batch: `model.transform(frame).collect()`, where the frame of 1 or 64 rows is made before and held in Spark's
  memory in one partition, against `score_instance` and `score_rows`, which are measured once Spark's JVM has ended:
  its compiler and collector go on after a call, on the processors that they share.
- REST: the whole way, through frontend, container and scorer, with one connection, against a bare HTTP echo of the same
  bodies.

Before anything is measured both have to give the same predictions. The table goes to the screen, all figures to
`benchmarks/results/`. The exit code says whether the measurement worked.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.closed_loop import ClosedLoopError
from benchmarks.machine import describe_machine
from benchmarks.server_process import ServerError
from benchmarks.spark_pipelines import (
    FOREST,
    LINEAR,
    PIPELINES,
    SparkPipeline,
    data_frame,
    spark_session,
    trained,
)
from benchmarks.spark_serving import SavedPipeline, ServedPipelines, serving
from skysail_container.spark import Scorer, load_pipeline
from skysail_container.spark.java import JavaMissingError

__all__ = ["main"]

RESULTS = Path(__file__).parent / "results"
N_BATCH = 64
LOOP_S = 0.05
"""How long rows are scored before the clock is read again."""


class UnequalError(Exception):
    """The two do not predict the same, so that their times say nothing."""


@dataclass(slots=True)
class Figures:
    """Of one pipeline; each list has a value per repetition."""

    name: str
    spark_load_ms: list[float] = field(default_factory=list)
    load_ms: list[float] = field(default_factory=list)
    spark_row_ms: list[float] = field(default_factory=list)
    row_us: list[float] = field(default_factory=list)
    spark_batch_ms: list[float] = field(default_factory=list)
    batch_us: list[float] = field(default_factory=list)
    container_mb: float = math.nan
    """1,000,000 bytes, resident, after it has served."""
    rest_p50_ms: list[float] = field(default_factory=list)
    rest_p99_ms: list[float] = field(default_factory=list)
    echo_p50_ms: list[float] = field(default_factory=list)
    echo_p99_ms: list[float] = field(default_factory=list)

    @property
    def load_ratio(self) -> float:
        return median(self.spark_load_ms) / median(self.load_ms)

    @property
    def row_ratio(self) -> float:
        return 1e3 * median(self.spark_row_ms) / median(self.row_us)

    @property
    def batch_ratio(self) -> float:
        return 1e3 * median(self.spark_batch_ms) / median(self.batch_us)

    @property
    def added_p50_ms(self) -> float:
        return median([own - echo for own, echo in zip(self.rest_p50_ms, self.echo_p50_ms, strict=True)])


@dataclass(frozen=True, slots=True)
class Verdict:
    text: str
    demanded: str
    seen: float
    unit: str
    is_met: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything was measured, 1 with one line on stderr when something broke, 130 when interrupted."""
    options = _options(arguments)
    machine = {**describe_machine(), "pyspark": version("pyspark")}
    found = [Figures(one.name) for one in options.chosen]
    with tempfile.TemporaryDirectory(prefix="sky-") as folder:
        try:
            saved = _spark(options, Path(folder), found)
            _own_rows(saved, options.rounds, found)
            _over_rest(options, saved, Path(folder), found)
        except (ServerError, ClosedLoopError, UnequalError, JavaMissingError) as error:
            print(f"the benchmark broke: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted; everything is stopped", file=sys.stderr)
            return 130
    verdicts = _verdicts(found)
    print(_table(found), _verdict_table(verdicts), sep="\n\n", flush=True)
    _write(options, machine, found, verdicts)
    return 0


def _spark(options: argparse.Namespace, folder: Path, found: Sequence[Figures]) -> list[SavedPipeline]:
    """Trains and saves the pipelines, and measures what needs Spark: its rows, and the loads of both.

    Loads come round by round, so that all meet a warm JVM.
    """
    with spark_session() as spark:
        saved = []
        for number, pipeline in enumerate(options.chosen):
            print(f"training: {pipeline.name}", flush=True)
            path = folder / f"saved-{number}"
            trained(spark, pipeline).save(path.as_uri())
            saved.append(SavedPipeline(pipeline.name, path, pipeline.schema, pipeline.queries()))
        for number in range(options.rounds + 1):
            for figures, one in zip(found, saved, strict=True):
                spark_s, own_s = _loads(one)
                if number:  # the first round warms up
                    figures.spark_load_ms.append(1e3 * spark_s)
                    figures.load_ms.append(1e3 * own_s)
        for figures, pipeline, one in zip(found, options.chosen, saved, strict=True):
            print(f"scoring: {pipeline.name}", flush=True)
            _spark_rows(spark, pipeline, one, options.rounds, figures)
    return saved


def _loads(saved: SavedPipeline) -> tuple[float, float]:
    """Seconds that Spark takes, and seconds here."""
    from pyspark.ml import PipelineModel

    spark_s = _seconds(lambda: PipelineModel.load(saved.path.as_uri()))
    own_s = median([_seconds(lambda: load_pipeline(saved.path).bind(dict(saved.schema))) for _ in range(3)])
    return spark_s, own_s


def _spark_rows(spark: Any, pipeline: SparkPipeline, saved: SavedPipeline, rounds: int, figures: Figures) -> None:
    """
    :raises UnequalError: the scorer predicts something else.
    """
    from pyspark.ml import PipelineModel

    model = PipelineModel.load(saved.path.as_uri())
    scorer = load_pipeline(saved.path).bind(dict(saved.schema))
    rows = list(saved.queries[:N_BATCH])
    batch, single = (data_frame(spark, some, pipeline.schema) for some in (rows, rows[:1]))
    _check_equal(model.transform(batch).collect(), scorer, rows)
    for _ in range(3):
        model.transform(single).collect()
        model.transform(batch).collect()
    for _ in range(rounds):
        figures.spark_row_ms.append(1e3 * _seconds(lambda: model.transform(single).collect()))
        figures.spark_batch_ms.append(1e3 * _seconds(lambda: model.transform(batch).collect()))
    for frame in (batch, single):
        frame.unpersist()


def _own_rows(saved: Sequence[SavedPipeline], rounds: int, found: Sequence[Figures]) -> None:
    """Round by round, so that what disturbs a moment disturbs one round of a pipeline at most."""
    print("scoring without Spark", flush=True)
    scorers = [load_pipeline(one.path).bind(dict(one.schema)) for one in saved]
    for _ in range(rounds):
        for scorer, one, figures in zip(scorers, saved, found, strict=True):
            _own_round(scorer, list(one.queries[:N_BATCH]), figures)


def _own_round(scorer: Scorer, rows: Sequence[Any], figures: Figures) -> None:
    figures.row_us.append(1e6 * _seconds_each(lambda: [scorer.score_instance(row) for row in rows]) / len(rows))
    figures.batch_us.append(1e6 * _seconds_each(lambda: scorer.score_rows(rows)))


def _check_equal(scored: Sequence[Any], scorer: Scorer, rows: Sequence[Any]) -> None:
    """:raises UnequalError: a prediction is another one; rows that Spark has in another order are sorted."""
    spark_said = sorted([row["prediction"] for row in scored])
    said = sorted([scorer.score_instance(row)["prediction"] for row in rows])
    if len(said) != len(spark_said) or not all(map(_is_close, said, spark_said)):
        raise UnequalError(f"Spark predicts {spark_said[:5]}..., the scorer {said[:5]}...")


def _is_close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-12)


def _over_rest(
    options: argparse.Namespace, saved: Sequence[SavedPipeline], folder: Path, found: Sequence[Figures]
) -> None:
    """Spark's JVM has ended before this begins."""
    print("serving over REST", flush=True)
    with serving(saved, folder) as served:
        for _ in range(options.rounds):
            for number, figures in enumerate(found):
                _rest_round(served, number, options.seconds, figures)
        for container, figures in zip(served.containers, found, strict=True):
            figures.container_mb = container.resident_bytes() / 1e6


def _rest_round(served: ServedPipelines, number: int, seconds: float, figures: Figures) -> None:
    echo, skysail = served.round(number, seconds)
    if skysail.errors or skysail.defaults:
        raise ServerError(f"{figures.name}: {skysail.errors} errors and {skysail.defaults} default outputs")
    figures.echo_p50_ms.append(echo.p50_ms)
    figures.echo_p99_ms.append(echo.p99_ms)
    figures.rest_p50_ms.append(skysail.p50_ms)
    figures.rest_p99_ms.append(skysail.p99_ms)


def _seconds(call: Callable[[], object]) -> float:
    started_s = perf_counter()
    call()
    return perf_counter() - started_s


def _seconds_each(call: Callable[[], object]) -> float:
    """Seconds of one call, of many."""
    n_calls, started_s = 0, perf_counter()
    while (passed_s := perf_counter() - started_s) < LOOP_S:
        call()
        n_calls += 1
    return passed_s / n_calls


def _verdicts(found: Sequence[Figures]) -> list[Verdict]:
    by_name = {figures.name: figures for figures in found}
    load = median([one.load_ratio for one in found])
    verdicts = [
        _at_least("load, median of the pipelines, against Spark's", 30, load, "x"),
        _at_least("one row, the pipeline with the least advantage", 1000, min(one.row_ratio for one in found), "x"),
        _at_least("64 rows, the pipeline with the least advantage", 100, min(one.batch_ratio for one in found), "x"),
        _below("memory of the largest container", 200, max(one.container_mb for one in found), "MB"),
        _below("REST: p50 above the echo's, the slowest", 1, max(one.added_p50_ms for one in found), "ms"),
        _below("REST: p99, the slowest", 5, max(median(one.rest_p99_ms) for one in found), "ms"),
    ]
    for name, limit_us in ((LINEAR, 50), (FOREST, 100)):
        if name in by_name:
            verdicts.append(_below(f"one row: {name}", limit_us, median(by_name[name].row_us), "µs"))
    return verdicts


def _at_least(text: str, limit: float, seen: float, unit: str) -> Verdict:
    return Verdict(text, f"at least {limit:,} {unit}", seen, unit, seen >= limit)


def _below(text: str, limit: float, seen: float, unit: str) -> Verdict:
    return Verdict(text, f"below {limit:,} {unit}", seen, unit, seen < limit)


def _table(found: Sequence[Figures]) -> str:
    titles = [title for own in ("load ms", "row µs", "64 µs") for title in (own, "Spark ms", "x")]
    titles += ["MB", "REST p50", "p99", "echo p50", "p99"]
    lines = ["medians of the rounds", f"{'':54}" + "".join(f"{title:>10}" for title in titles)]
    for one in found:
        cells = [
            *_compared(one.load_ms, one.spark_load_ms, one.load_ratio),
            *_compared(one.row_us, one.spark_row_ms, one.row_ratio),
            *_compared(one.batch_us, one.spark_batch_ms, one.batch_ratio),
            f"{one.container_mb:.0f}",
            *[
                f"{median(values):.3f}"
                for values in (one.rest_p50_ms, one.rest_p99_ms, one.echo_p50_ms, one.echo_p99_ms)
            ],
        ]
        lines.append(f"{one.name:54}" + "".join(f"{cell:>10}" for cell in cells))
    return "\n".join(lines)


def _compared(own: Sequence[float], spark: Sequence[float], ratio: float) -> tuple[str, str, str]:
    return f"{median(own):.1f}", f"{median(spark):.0f}", f"{ratio:,.0f}"


def _verdict_table(verdicts: Sequence[Verdict]) -> str:
    return "\n".join(map(_verdict_line, verdicts))


def _verdict_line(one: Verdict) -> str:
    word = "met" if one.is_met else "missed"
    return f"  {word:7}{one.seen:12,.2f} {one.unit:3} demanded {one.demanded:20} {one.text}"


def _write(
    options: argparse.Namespace, machine: dict[str, object], found: Sequence[Figures], verdicts: Sequence[Verdict]
) -> None:
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"spark-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    document = {
        "format": 1,
        "machine": machine,
        "settings": {"rounds": options.rounds, "seconds": options.seconds, "batch_rows": N_BATCH},
        "pipelines": [asdict(one) for one in found],
        "demands": [asdict(one) for one in verdicts],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(f"all figures: {path}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare the scorer of Spark pipelines with PySpark.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each load over REST (default 1)")
    parser.add_argument("--pipelines", type=int, default=len(PIPELINES), help="only the first ones")
    parser.add_argument("--quick", action="store_true", help="one short round of two pipelines: does it run?")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the figures")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.seconds, options.pipelines = 1, 0.3, 2
    options.chosen = PIPELINES[: options.pipelines]
    return options


if __name__ == "__main__":
    sys.exit(main())
