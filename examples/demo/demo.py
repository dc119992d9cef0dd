"""`make demo`: a real model served end to end on this machine, from nothing to answers, and everything stopped again.

Starts a stack of its own in a temporary folder, so that it neither sees nor changes yours.
Exit codes: 0 every answer was the model's own; 1 not so, or something failed; 3 a port is in use.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from examples.demo.measurement import ask_as_a_batch, ask_one_by_one, ask_over_many_connections, wait_until_live
from examples.demo.report import Report, Steps
from examples.demo.tumours import Trained, train
from rich.console import Console
from rich.markup import escape

from skysail_admin import DeployFailedError, Skysail, SkysailError
from skysail_admin.errors import PortInUseError, StackError
from skysail_admin.local.events import StackEvent
from skysail_admin.local.local_stack import LocalStack
from skysail_admin.local.settings import DEFAULT_MANAGEMENT_PORT, DEFAULT_QUERY_PORT, StackSettings

__all__ = ["main"]

APP = "tumours"
MODEL = "tumour-classifier"
SLO_MS = 100.0


def main() -> int:
    arguments = _parser().parse_args()
    console = Console(highlight=False)
    signal.signal(signal.SIGTERM, _leave)
    try:
        with tempfile.TemporaryDirectory(prefix="skysail-demo-") as folder:
            report = _run(arguments, Path(folder), Steps(console))
    except PortInUseError as error:
        console.print(f"[bold red]error:[/] {escape(error.message)}", soft_wrap=True)
        console.print(
            "  for example: [bold]make demo SKYSAIL_QUERY_PORT=2337 SKYSAIL_MANAGEMENT_PORT=2338[/]", soft_wrap=True
        )
        return 3
    except SkysailError as error:
        console.print(escape(_last_words(error)), style="dim")
        console.print(f"[bold red]error:[/] {escape(error.message)}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 130
    report.show(console)
    return 0 if report.is_right else 1


def _run(arguments: argparse.Namespace, data_dir: Path, steps: Steps) -> Report:
    settings = StackSettings(
        data_dir=data_dir, query_port=arguments.query_port, management_port=arguments.management_port
    )

    def follow(event: StackEvent) -> None:
        if event.kind in ("starting", "stopping"):
            steps.doing(event.text)

    steps.doing("training")
    trained = train()
    steps.done(f"trained a logistic regression on {trained.n_trained_on} tumours, {len(trained.held_out)} held out")
    with LocalStack(settings, follow) as stack, stack.client() as client:
        steps.done(f"started Redis, management ({settings.management_url}) and query frontend ({settings.query_url})")
        _deploy(client, trained, steps)
        report = _ask(client, settings, trained, arguments.seconds, steps)
        steps.doing("stopping everything")
    steps.done("stopped everything")
    return report


def _deploy(client: Skysail, trained: Trained, steps: Steps) -> None:
    # Without the cache: the load asks for the same rows again and again, and it is the model that is shown here.
    client.register_application(APP, "doubles", default_output=-1, slo_ms=SLO_MS, cache=False)
    steps.done(f"registered the application {APP}: 30 doubles in, an answer within {SLO_MS:g} ms")
    client.deploy_model(MODEL, 1, "doubles", trained.estimator, progress=lambda event: steps.doing(event.text))
    client.link_model_to_app(APP, MODEL)
    wait_until_live(client, APP, trained.held_out[0].tolist())
    steps.done(f"deployed {MODEL}:1 in a container of its own and linked it: live")


def _ask(client: Skysail, settings: StackSettings, trained: Trained, seconds: float, steps: Steps) -> Report:
    steps.doing("asking row by row")
    single = ask_one_by_one(client, APP, trained)
    steps.done(f"asked for {len(single.outputs)} held-out rows, one by one")
    batch = ask_as_a_batch(client, APP, trained)
    steps.done(f"asked for the same {len(batch.outputs)} rows as one batch")
    steps.doing(f"asking over 64 connections for {seconds:g} s")
    load = ask_over_many_connections(settings.query_port, APP, trained, seconds)
    steps.done(f"asked {load.requests:,} times over 64 connections in {load.duration_s:.0f} s")
    return Report(trained, single, batch, load, settings, APP)


def _last_words(error: SkysailError) -> str:
    if isinstance(error, DeployFailedError):
        return error.logs
    return error.log_tail if isinstance(error, StackError) else ""


def _leave(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends the demo as Ctrl-C does: with everything stopped."""
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make demo", description="Serve a real model end to end, then stop.")
    query_port = int(os.environ.get("SKYSAIL_QUERY_PORT") or DEFAULT_QUERY_PORT)
    management_port = int(os.environ.get("SKYSAIL_MANAGEMENT_PORT") or DEFAULT_MANAGEMENT_PORT)
    parser.add_argument("--query-port", type=int, default=query_port)
    parser.add_argument("--management-port", type=int, default=management_port)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to ask over 64 connections")
    return parser


if __name__ == "__main__":
    sys.exit(main())
