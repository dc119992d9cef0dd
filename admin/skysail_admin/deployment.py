"""Deploying a model: pack it, upload what the server does not have, create the version, wait until it answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from skysail_admin.connection import segment
from skysail_admin.errors import (
    AlreadyExistsError,
    DeployFailedError,
    NotFoundError,
    SkysailError,
    UnavailableError,
    WaitTimeoutError,
)
from skysail_admin.models import ModelMethods, VersionName, version_path
from skysail_admin.packing.archive import read_chunks
from skysail_admin.packing.artifact import Artifact, packed
from skysail_admin.progress import ProgressCallback, ProgressEvent, progress_to, readable_bytes
from skysail_admin.records import Deployment, Version
from skysail_admin.replicas import ReplicaMethods

__all__ = ["DEFAULT_WAIT_S", "DeploymentMethods"]

DEFAULT_WAIT_S = 300.0
"""Seconds a deployment may take until its first replica answers; loading a large model is slow."""

_BUILDING = "building its environment"
"""How the reason of a version begins whose requirements are being installed."""

_NOT_GIVEN: Any = object()

_POLL_INTERVAL_S = 0.1
_LOG_LINES = 60


class DeploymentMethods(ModelMethods, ReplicaMethods):
    """Deploy models and wait for them."""

    def deploy_model(
        self,
        name: str,
        version: VersionName,
        input_type: Any,
        model: Any = _NOT_GIVEN,
        *,
        num_replicas: int = 1,
        labels: list[str] | None = None,
        batch_size: int = -1,
        method: str = "predict",
        warm_up_rows: list[Any] | None = None,
        accelerate: bool = True,
        outputs: Sequence[str] | None = None,
        signature: str | None = None,
        threads: int | None = None,
        examples: Any = None,
        validation: Any = None,
        tolerance: float | None = None,
        stages: str | os.PathLike[str] | None = None,
        memory_limit_mb: int | None = None,
        wait: bool = True,
        timeout_s: float = DEFAULT_WAIT_S,
        progress: ProgressCallback | None = None,
    ) -> Deployment:
        """Deploys a model under a name and version; it becomes the current version once a replica answers.

        :param model: a fitted scikit-learn estimator, a model of another library, a Python function (a batch in, one
            output per row out), or the path of a folder with a `model.py`, of a model's file or of a `.skysail` file.
        :param input_type: None, or left out: what the folder's or file's own manifest or validation rows say; json for
            a Spark pipeline.
        :param batch_size: rows per batch at most; -1 lets the query frontend find out.
        :param method: what the model answers with: predict, predict_proba, ... as its framework has it.
        :param warm_up_rows: rows the container predicts before it takes queries.
        :param accelerate: let a scikit-learn estimator be served by a faster form that gave the same outputs.
        :param outputs: names of the outputs to answer with, of an ONNX, TensorFlow or PyTorch model; columns of a Spark
            pipeline's.
        :param signature: the signature of a TensorFlow model to call.
        :param threads: threads the framework may use for one batch; None: one.
        :param examples: a DataFrame with sample rows of a pipeline in a Spark session. Spark scores them, and no
            container serves that does not answer them as Spark does; they also tell the types of the columns.
        :param validation: rows that each container runs before it serves, and the outputs that it has to give: a tuple
            of rows and outputs (arrays, lists or DataFrames), rows alone, or the path of a .jsonl, .parquet or .npz
            file. They are the schema of the input too. A model folder has such a file in it instead.
        :param tolerance: how far outputs may be from the expected ones, relative and absolute; None: 1e-5.
        :param stages: the path of a file with stages of one's own for the native scorer, of a pipeline in a Spark
            session (a folder has it as its `stages.py`).
        :param memory_limit_mb: MiB that each container may take before it is ended; None: as management is set.
        :param wait: return only when a replica answers; else as soon as the version is known.
        :param progress: called with a `ProgressEvent` now and then; without it a terminal shows a progress bar.

        Deploying the very same artifact again is fine and changes nothing. A version whose container never came up may
        be deployed again with another artifact.

        :raises InvalidRequestError: the model cannot be packed, or the server refuses a value.
        :raises AlreadyExistsError: the version exists with another artifact.
        :raises DeployFailedError: its container does not come up; `.logs` has what it wrote.
        :raises WaitTimeoutError: it is not up after `timeout_s`.
        """
        if model is _NOT_GIVEN:  # deploy_model("churn", "3", pipeline)
            input_type, model = None, input_type
        with progress_to(progress) as show:
            show(ProgressEvent("packing", f"packing {name}:{version}"))
            with packed(
                model,
                input_type,
                method=method,
                warm_up_rows=warm_up_rows,
                accelerate=accelerate,
                outputs=outputs,
                signature=signature,
                threads=threads,
                examples=examples,
                validation=validation,
                tolerance=tolerance,
                stages=stages,
            ) as artifact:
                request = {
                    "version": str(version),
                    "input_type": artifact.input_type,
                    "artifact": artifact.sha256,
                    "labels": labels or [],
                    "n_replicas": num_replicas,
                    "batch_size": batch_size,
                    "memory_limit_mb": memory_limit_mb,
                }
                known = self._known(name, str(version), artifact.sha256)
                deployed = known or self._create(name, artifact, request, show)
            if wait and num_replicas > 0:
                deployed = self._wait(name, version, 1, timeout_s, show)
            return Deployment(deployed, known is not None, artifact.sha256, artifact.size_bytes)

    def register_model(
        self,
        name: str,
        version: VersionName,
        input_type: str,
        image: str | None = None,
        labels: list[str] | None = None,
        batch_size: int = -1,
    ) -> Version:
        """Makes a version known whose containers somebody else runs; Skysail starts none.

        :raises AlreadyExistsError: there is such a version.
        """
        body = {
            "version": str(version),
            "input_type": input_type,
            "container_image": image,
            "labels": labels or [],
            "n_replicas": 0,
            "batch_size": batch_size,
        }
        return Version.from_json(self.management.post(_versions_path(name), body))

    def wait_until_ready(
        self,
        name: str,
        version: VersionName,
        num_replicas: int = 1,
        timeout_s: float = DEFAULT_WAIT_S,
        progress: ProgressCallback | None = None,
    ) -> Version:
        """Returns once so many replicas of the version answer.

        :raises DeployFailedError: its container does not come up.
        :raises WaitTimeoutError: not after `timeout_s`.
        """
        with progress_to(progress) as show:
            return self._wait(name, version, num_replicas, timeout_s, show)

    def _known(self, name: str, version: str, sha256: str) -> Version | None:
        """The version if it exists with this artifact; None if there is none, or one that never came up."""
        try:
            found = self.version(name, version)
        except NotFoundError:
            return None
        if found.state == "failed":
            self.delete_model_version(name, version, force=True)
            return None
        if found.artifact == sha256:
            return found
        raise AlreadyExistsError(
            f"model {name!r} version {version!r} exists with a different content; versions never change, "
            "deploy this one under a new version",
            field="version",
        )

    def _create(self, name: str, artifact: Artifact, request: dict[str, Any], show: ProgressCallback) -> Version:
        path = f"/api/v1/artifacts/{artifact.sha256}"
        if not self.management.exists(path):
            self.management.upload(path, _shown(artifact, show), artifact.size_bytes)
        return Version.from_json(self.management.post(_versions_path(name), request))

    def _wait(
        self, name: str, version: VersionName, num_replicas: int, timeout_s: float, show: ProgressCallback
    ) -> Version:
        deadline_s = time.monotonic() + timeout_s
        path = version_path(name, version)
        while time.monotonic() < deadline_s:
            with suppress(UnavailableError):  # management may be restarting; the deadline ends the patience
                found = Version.from_json(self.management.get(path))
                if found.n_ready >= num_replicas:
                    show(ProgressEvent("ready", f"{found.key} is ready", found.n_ready, num_replicas))
                    return found
                if found.state == "failed":
                    raise self._failure(found)
                show(ProgressEvent("starting", _progress_text(found), found.n_ready, num_replicas))
            time.sleep(_POLL_INTERVAL_S)
        raise WaitTimeoutError(
            f"{name}:{version} is not ready after {timeout_s:g} s; see: skysail logs {name}:{version}"
        )

    def _failure(self, version: Version) -> DeployFailedError:
        logs = ""
        with suppress(SkysailError):  # without logs the reason alone has to do
            logs = self.get_container_logs(version.model, version.version, tail=_LOG_LINES)
        reason, _, last_words = (version.reason or "no reason given").partition("\n")
        return DeployFailedError(f"{version.key} did not come up: {reason}", logs=logs or last_words)


def _progress_text(version: Version) -> str:
    """What a version that is not ready yet is at."""
    reason = version.reason or ""
    is_building = version.state == "starting" and reason.startswith(_BUILDING)
    return f"{version.key}: {reason}" if is_building else f"starting {version.key}"


def _versions_path(name: str) -> str:
    return f"/api/v1/models/{segment(name)}/versions"


def _shown(artifact: Artifact, show: Callable[[ProgressEvent], None]) -> Iterator[bytes]:
    text = f"uploading {readable_bytes(artifact.size_bytes)}"
    sent = 0
    for chunk in read_chunks(artifact.path):
        show(ProgressEvent("uploading", text, sent, artifact.size_bytes))
        yield chunk
        sent += len(chunk)
