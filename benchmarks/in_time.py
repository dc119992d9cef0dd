"""`make bench-faults`: are answers in time, whatever the load and whatever fails? Real processes, open-loop load.

Every row of the table starts processes of its own: a Redis, containers, one frontend worker. Raw results per request,
plots and the table go to a folder of `benchmarks/results/`. The exit code says whether the measurement worked, not
whether the figures please.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from benchmarks.crowd_scenario import crowd
from benchmarks.fault_scenarios import ejection, faults, killed
from benchmarks.fixed_batches import SweepError
from benchmarks.lab import Lab
from benchmarks.load_scenarios import mixed, overload, stall
from benchmarks.machine import describe_machine
from benchmarks.open_loop import OpenLoopError
from benchmarks.served_models import MODELS
from benchmarks.server_process import ServerError

__all__ = ["main"]

RESULTS = Path(__file__).parent / "results"
QUICK_S = 1.0

SCENARIOS: Mapping[str, Callable[[Lab], None]] = {
    "overload": overload,
    "mixed": mixed,
    "stall": stall,
    "faults": faults,
    "killed": killed,
    "ejection": ejection,
    "crowd": crowd,
}
FOR_ANY_MODEL = ("overload", "mixed")
"""The others make the paced model slow, or need its log of batches."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything was measured, 1 with one line on stderr when something broke, 130 when interrupted."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the frontend inherits it, and needs one per connection
    try:
        _run(options)
    except (ServerError, OpenLoopError, SweepError, OSError) as error:
        print(f"the benchmark broke: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything is stopped", file=sys.stderr)
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    results = options.results / f"in-time-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    results.mkdir(parents=True)
    machine = describe_machine()
    lab = Lab(MODELS[options.model](), results, options.seconds, options.quick)
    try:
        for name in options.rows:
            scenario = SCENARIOS[name]
            print(f"{name}: {scenario.__doc__}", flush=True)
            scenario(lab)
    finally:
        path = results / "table.json"
        path.write_text(json.dumps(_document(lab, machine, options), indent=1) + "\n")
        print(f"\nraw results, plots and this table: {results}")


def _document(lab: Lab, machine: dict[str, object], options: argparse.Namespace) -> dict[str, object]:
    return {
        "format": 1,
        "machine": machine,
        "settings": {"model": lab.model.name, "seconds": lab.seconds, "quick": lab.is_quick, "rows": options.rows},
        "sweep": [asdict(one) for one in lab.sweep],
        "findings": [asdict(finding) for finding in lab.findings],
    }


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure whether answers are in time under load and faults.")
    parser.add_argument("--rows", nargs="+", choices=SCENARIOS, help="default: all that the model can do")
    parser.add_argument("--seconds", type=float, default=12.0, help="length of one load (default 12)")
    parser.add_argument("--model", choices=MODELS, default="paced", help="default: paced")
    parser.add_argument("--quick", action="store_true", help=f"loads of {QUICK_S:g} s: a smoke run, no figures")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args(arguments)
    able = list(SCENARIOS) if options.model == "paced" else list(FOR_ANY_MODEL)
    options.rows = options.rows or able
    if unable := [row for row in options.rows if row not in able]:
        parser.error(f"{', '.join(unable)} cannot be measured with --model {options.model}")
    if options.quick:
        options.seconds = QUICK_S
    return options


if __name__ == "__main__":
    sys.exit(main())
