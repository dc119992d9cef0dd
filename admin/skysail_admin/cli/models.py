"""`skysail model ...`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skysail_admin.cli.output import as_plain
from skysail_admin.cli.session import ModelName, Session, parse_model, session_of
from skysail_admin.client import Skysail
from skysail_admin.deployment import DEFAULT_WAIT_S
from skysail_admin.errors import InvalidRequestError
from skysail_admin.progress import readable_bytes
from skysail_admin.records import Model, Version

__all__ = ["Named", "app", "chosen_version"]

app = typer.Typer(no_args_is_help=True, help="Models: deployed artifacts, their versions and replicas.")

Named = Annotated[str, typer.Argument(metavar="MODEL[:VERSION]", help="A model, or one version of it.")]
Name = Annotated[str, typer.Argument(metavar="MODEL", help="The model's name.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the replicas answer.")]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds to wait at most.")]

_PICKLED_SUFFIXES = (".joblib", ".pkl", ".pickle")


@app.command()
def deploy(
    context: typer.Context,
    name: Name,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="The version's name; versions never change.")],
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="A folder with a model.py or a saved pipeline, a model's file, or a pickle you made yourself.",
        ),
    ],
    input_type: Annotated[
        str | None,
        typer.Option(
            "--input-type",
            "-t",
            help="integers, floats, doubles, strings, bytes, json or tensor; without it, what a folder's manifest or "
            "validation rows say.",
        ),
    ] = None,
    replicas: Annotated[int, typer.Option("--replicas", "-n", help="Containers to run.")] = 1,
    method: Annotated[
        str, typer.Option("--method", help="predict, predict_proba, ... as the model's framework has it.")
    ] = "predict",
    batch_size: Annotated[int, typer.Option("--batch-size", help="Rows per batch at most; -1: found out.")] = -1,
    accelerate: Annotated[
        bool,
        typer.Option(
            "--accelerate/--no-accelerate",
            help="Let a faster form of an estimator answer if it gives the same outputs.",
        ),
    ] = True,
    output: Annotated[
        list[str] | None, typer.Option("--output", help="An output to answer with, by name; may be repeated.")
    ] = None,
    signature: Annotated[str | None, typer.Option("--signature", help="The TensorFlow signature to call.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="Threads for one batch; 1 unless told.")] = None,
    validation: Annotated[
        Path | None,
        typer.Option("--validation", help="A .jsonl, .parquet or .npz file of rows and outputs; a folder has its own."),
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option("--tolerance", help="How far outputs may be from the expected ones; 1e-5.")
    ] = None,
    memory_limit_mb: Annotated[
        int | None, typer.Option("--memory-limit-mb", help="MiB a container may take; else as management is set.")
    ] = None,
    wait: Wait = True,
    timeout_s: Timeout = DEFAULT_WAIT_S,
) -> None:
    """Deploy a model: pack it, upload it, start its containers."""
    session = session_of(context)
    with session.client() as client:
        done = client.deploy_model(
            name,
            version,
            input_type,
            _loaded(path),
            num_replicas=replicas,
            method=method,
            batch_size=batch_size,
            accelerate=accelerate,
            outputs=output or None,
            signature=signature,
            threads=threads,
            validation=validation,
            tolerance=tolerance,
            memory_limit_mb=memory_limit_mb,
            wait=wait,
            timeout_s=timeout_s,
            progress=_quiet if session.output.as_json else None,
        )
    what = "was deployed already, unchanged" if done.already_deployed else "deployed"
    session.output.result(
        done,
        lambda: session.output.line(
            f"[bold]{done.version.key}[/] {what}: {readable_bytes(done.size_bytes)}, "
            f"{done.version.n_ready} of {done.version.n_replicas} replicas ready"
        ),
    )


@app.command("list")
def list_(context: typer.Context) -> None:
    """List all versions of all models."""
    session = session_of(context)
    with session.client() as client:
        found = [(model, version) for model in client.models() for version in client.versions(model.name)]
    columns = ("MODEL", "VERSION", "CURRENT", "STATE", "REPLICAS", "INPUT TYPE", "BATCHES", "ARTIFACT")
    session.output.result(
        [_document(model, version) for model, version in found],
        lambda: session.output.table(
            columns,
            (
                (
                    *(v.model, v.version, v.is_current, v.state, f"{v.n_ready}/{v.n_replicas}", v.input_type),
                    *(_batches(model), _short(v)),
                )
                for model, v in found
            ),
            empty="no models yet; next: skysail model deploy",
        ),
    )


@app.command()
def get(context: typer.Context, named: Named) -> None:
    """Show a version (the current one if none is named) and its replicas."""
    session = session_of(context)
    with session.client() as client:
        name, version = chosen_version(client, parse_model(named, n_parts=2))
        model, found = client.model(name), client.version(name, version)
    session.output.result(_document(model, found), lambda: _show(session, model, found))


@app.command()
def delete(
    context: typer.Context,
    named: Named,
    force: Annotated[bool, typer.Option("--force", help="Even if an application uses it.")] = False,
) -> None:
    """Delete a model with all its versions, or one version of it."""
    session = session_of(context)
    wanted = parse_model(named, n_parts=2)
    with session.client() as client:
        if wanted.version is None:
            client.delete_model(wanted.name, force)
        else:
            client.delete_model_version(wanted.name, wanted.version, force)
    session.output.result({"deleted": named}, lambda: session.output.line(f"deleted {named}"))


@app.command()
def scale(
    context: typer.Context,
    named: Named,
    replicas: Annotated[int, typer.Argument(metavar="REPLICAS", help="How many containers shall run.", min=0)],
    wait: Wait = True,
    timeout_s: Timeout = DEFAULT_WAIT_S,
) -> None:
    """Run more or fewer replicas of a version (the current one if none is named)."""
    session = session_of(context)
    with session.client() as client:
        name, version = chosen_version(client, parse_model(named, n_parts=2))
        found = client.set_num_replicas(name, replicas, version)
        if wait and replicas:
            quiet = _quiet if session.output.as_json else None
            found = client.wait_until_ready(name, version, replicas, timeout_s, quiet)
    text = f"[bold]{found.key}[/]: {found.n_ready} of {found.n_replicas} replicas ready"
    session.output.result(found, lambda: session.output.line(text))


@app.command()
def batching(
    context: typer.Context,
    name: Name,
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            help="deadline: as many rows as meet their deadlines; aimd: additive increase, multiplicative decrease; "
            "fixed: --max-rows.",
        ),
    ] = None,
    max_rows: Annotated[
        int | None, typer.Option("--max-rows", help="1 to 4096: the size for fixed, else a cap; 0: no cap.")
    ] = None,
    delay_us: Annotated[
        int | None,
        typer.Option("--delay-us", help="0 to 1000000: microseconds that a batch may wait for more rows."),
    ] = None,
) -> None:
    """Say how the rows for a model are put into batches; what is not said stays. Without options, show it."""
    session = session_of(context)
    with session.client() as client:
        found = client.model(name)
        if (policy, max_rows, delay_us) != (None, None, None):
            found = client.set_batching(
                name,
                found.batch_policy if policy is None else policy,
                found.max_batch_rows if max_rows is None else max_rows or None,
                found.batch_delay_micros if delay_us is None else delay_us,
            )
    session.output.result(found, lambda: session.output.line(f"[bold]{found.name}[/] batches: {_batches(found)}"))


@app.command("set-version")
def set_version(
    context: typer.Context,
    name: Name,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A deployed version.")],
) -> None:
    """Make a version the current one: a rollback, or forward again."""
    session = session_of(context)
    with session.client() as client:
        found = client.set_model_version(name, version)
    now = f"[bold]{found.name}[/] now answers with version {found.current_version}"
    if found.next_version:
        now = f"[bold]{found.name}[/] will answer with version {found.next_version} once a replica of it is ready"
    session.output.result(found, lambda: session.output.line(now))


def chosen_version(client: Skysail, wanted: ModelName) -> tuple[str, str]:
    """The model and the version meant: the current one if none is named.

    :raises InvalidRequestError: none is named, and the model has no current one.
    """
    if wanted.version is not None:
        return wanted.name, wanted.version
    current = client.get_current_model_version(wanted.name)
    if current is None:
        raise InvalidRequestError(f"model {wanted.name!r} has no current version; say MODEL:VERSION")
    return wanted.name, current


def _loaded(path: Path) -> Any:
    """What the path holds: a pickled model as an object, a folder or another file as it is."""
    if not path.exists():
        raise InvalidRequestError(f"there is no {path}", field="model")
    if path.is_dir() or path.suffix not in _PICKLED_SUFFIXES:
        return path
    try:
        import joblib

        return joblib.load(path)
    except Exception as error:  # whatever the pickle's own code raises
        raise InvalidRequestError(f"{path} cannot be loaded: {type(error).__name__}: {error}", field="model") from error


def _document(model: Model, version: Version) -> dict[str, Any]:
    """A version as programs see it, with the batching that it has from its model."""
    shared = ("batch_policy", "max_batch_rows", "batch_delay_micros")
    document: dict[str, Any] = as_plain(version)
    return document | {name: getattr(model, name) for name in shared}


def _batches(model: Model) -> str:
    """`deadline`, `fixed, 64 rows`, `aimd, up to 64 rows, 500 us delay`"""
    words = [model.batch_policy]
    if model.max_batch_rows is not None:
        words.append(f"{'' if model.batch_policy == 'fixed' else 'up to '}{model.max_batch_rows} rows")
    if model.batch_delay_micros:
        words.append(f"{model.batch_delay_micros} us delay")
    return ", ".join(words)


def _show(session: Session, model: Model, found: Version) -> None:
    session.output.facts(
        (
            ("model", found.model),
            ("version", found.version),
            ("current", found.is_current),
            ("state", found.state),
            ("reason", found.reason or None),
            ("input type", found.input_type),
            ("artifact", found.artifact or found.container_image),
            ("batches", _batches(model)),
            ("replicas", f"{found.n_ready} of {found.n_replicas} ready"),
        )
    )
    if found.replicas:
        columns = ("REPLICA", "STATE", "RESTARTS", "PID", "ADDRESS", "REASON")
        rows = ((r.replica_id, r.state, r.restarts, r.pid, r.address, r.reason or None) for r in found.replicas)
        session.output.table(columns, rows)


def _short(version: Version) -> str | None:
    return version.artifact[:12] if version.artifact else version.container_image


def _quiet(event: object) -> None:
    """Programs do not look at progress."""
