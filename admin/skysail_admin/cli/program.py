"""The command's frame: global options, one way for results and errors to go out, exit codes."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from skysail_admin.cli import apps, batch, explain, inspect, links, metrics, model_folder, models, queries, stack
from skysail_admin.cli.exit_codes import EXIT_CODES, exit_code_of
from skysail_admin.cli.output import Output
from skysail_admin.cli.session import Session
from skysail_admin.errors import SkysailError
from skysail_admin.local.settings import default_data_dir

__all__ = ["hoisted", "main", "program"]

_EPILOG = (
    "--json, --url, --query-url and --token may stand anywhere on the line. Exit codes: "
    + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
    + "."
)
_GLOBAL_FLAGS = frozenset({"--json"})
_GLOBAL_OPTIONS = frozenset({"--url", "--query-url", "--token"})

program = typer.Typer(name="skysail", no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False)
program.command(rich_help_panel="The stack on this machine")(stack.up)
program.command(rich_help_panel="The stack on this machine")(stack.down)
program.command(rich_help_panel="The stack on this machine")(stack.status)
program.add_typer(apps.app, name="app", rich_help_panel="What is served")
models.app.command()(model_folder.init)
models.app.command("test")(model_folder.trial)
models.app.command()(model_folder.package)
models.app.command()(inspect.inspect)
program.add_typer(models.app, name="model", rich_help_panel="What is served")
program.add_typer(links.app, name="link", rich_help_panel="What is served")
program.command(rich_help_panel="Use it")(queries.predict)
program.command(rich_help_panel="Use it")(queries.feedback)
program.command(rich_help_panel="Use it")(batch.batch)
program.command(rich_help_panel="Use it")(batch.consistency)
program.command(rich_help_panel="Look at it")(queries.logs)
program.command(rich_help_panel="Look at it")(metrics.metrics)
program.command(rich_help_panel="Look at it")(explain.explain)


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"skysail {importlib.metadata.version('skysail-admin')}\n")
        raise typer.Exit


@program.callback(epilog=_EPILOG)
def skysail(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout, errors included.")] = False,
    url: Annotated[
        str | None,
        typer.Option(envvar="SKYSAIL_URL", help="Management's address; without it, the stack on this machine."),
    ] = None,
    query_url: Annotated[
        str | None,
        typer.Option(envvar="SKYSAIL_QUERY_URL", help="The query frontend's address; likewise."),
    ] = None,
    token: Annotated[str | None, typer.Option(envvar="SKYSAIL_TOKEN", help="Management's token.")] = None,
    data_dir: Annotated[Path | None, typer.Option(envvar="SKYSAIL_DATA_DIR", hidden=True)] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Skysail answers predictions over REST, in time: deploy models, link them to applications, ask."""
    context.obj = Session(Output(as_json), (data_dir or default_data_dir()).expanduser(), url, query_url, token)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and gives its exit code; what goes wrong is one message, never a traceback."""
    words = hoisted(list(sys.argv[1:] if arguments is None else arguments))
    output = Output(as_json="--json" in words)
    try:
        result = program(words, prog_name="skysail", standalone_mode=not output.as_json)
    except SkysailError as error:
        output.error(error)
        return exit_code_of(error)
    except KeyboardInterrupt:
        return 130
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:
        return _unexpected(error, output)
    return result if isinstance(result, int) else 0


def hoisted(words: list[str]) -> list[str]:
    """The words with the global options first, wherever they stood (up to a `--`)."""
    end = words.index("--") if "--" in words else len(words)
    hoist: list[str] = []
    rest: list[str] = []
    pending = iter(words[:end])
    for word in pending:
        if word in _GLOBAL_FLAGS or word.split("=", 1)[0] in _GLOBAL_OPTIONS:
            hoist.append(word)
            if word in _GLOBAL_OPTIONS:
                hoist.extend(islice(pending, 1))
        else:
            rest.append(word)
    return hoist + rest + words[end:]


def _unexpected(error: Exception, output: Output) -> int:
    """An error that no part of ours has named: a usage error in JSON mode (typer's own), else a bug; still one line."""
    describe = getattr(error, "format_message", None)
    if describe is not None:
        output.error(SkysailError(describe(), code="usage"))
        return int(getattr(error, "exit_code", 2))
    output.error(SkysailError(f"unexpected {type(error).__name__}: {error}"))
    return 1
