"""`python -m skysail_container.offline ...`, or the same by spark-submit: one offline job."""

import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from skysail_container.errors import OfflineJobError
from skysail_container.offline.session import check_environment
from skysail_container.offline.settings import JobSettings, read_job_settings

__all__ = ["EXIT_CODES", "main"]

EXIT_CODES = {"invalid": 2, "exists": 5, "environment": 6, "online": 7, "model": 8}
"""By the kind of an error; 1 for others, and for answers that are different."""

PREFIX = "skysail: "
"""Begins each of this job's lines on stderr, where Spark writes too."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one job; its exit code. The outcome is the last line on stdout, as JSON, and in the report."""
    settings = read_job_settings(sys.argv[1:] if arguments is None else arguments)
    signal.signal(signal.SIGTERM, _stop)
    try:
        check_environment()
        found, code = _run(settings)
    except OfflineJobError as error:
        found, code = {"error": {"kind": error.kind, "message": str(error)}}, EXIT_CODES.get(error.kind, 1)
        _say(f"error: {error}")
    except KeyboardInterrupt:
        return 130
    text = json.dumps(found)
    if settings.report is not None:
        settings.report.write_text(text)
    if "error" not in found:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    return code


def _run(settings: JobSettings) -> tuple[dict[str, Any], int]:
    if settings.url is None:
        from skysail_container.offline.job import run_job

        return asdict(run_job(settings, _say)), 0
    from skysail_container.offline.comparison import run_comparison

    outcome = run_comparison(settings, _say)
    return asdict(outcome), 0 if outcome.is_consistent else 1


def _say(text: str) -> None:
    sys.stderr.write(f"{PREFIX}{text}\n")
    sys.stderr.flush()


def _stop(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
