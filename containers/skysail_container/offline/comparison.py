"""The same rows offline and online: where one version answers differently."""

import http.client
import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from skysail_container.errors import ModelLoadError, OfflineJobError
from skysail_container.json_output import to_json
from skysail_container.offline.job import Say, model_at_hand, scorer_of, spark_failure
from skysail_container.offline.placement import is_for_driver, outcomes
from skysail_container.offline.session import spark_session
from skysail_container.offline.settings import JobSettings
from skysail_container.offline.source import read_source
from skysail_container.offline.worker import Outcomes, Scorer
from skysail_container.output_values import difference

__all__ = ["ComparisonOutcome", "run_comparison"]

MAX_LISTED = 10
QUERY_ROWS = 100
"""Rows of one request."""

MAX_ATTEMPTS = 5
"""For a row that gets the default output because there was no time for it."""

PAUSE_S = 0.2
TIMEOUT_S = 60.0

_MODELS_OWN = frozenset({"model_error", "rejected_input"})
"""Reasons for a default output that lie in the row, not in the moment."""


@dataclass(frozen=True)
class ComparisonOutcome:
    """What is different, and how many rows could not be compared."""

    n_rows: int
    n_different: int
    n_unanswered: int
    """Rows that got the default output for a reason of the moment, also when they were asked again."""
    n_unaskable: int
    """Rows that JSON has no form for: NaN and the infinities."""
    n_failed_alike: int
    """Rows that fail on both sides."""
    by_column: dict[str, int]
    differences: list[dict[str, Any]]
    """The first ones: the row, what was answered offline and online, and in a sentence what is different."""
    reasons: dict[str, int]
    """Why rows were unanswered."""
    seconds: float

    @property
    def is_consistent(self) -> bool:
        return not self.n_different and not self.n_unanswered


def run_comparison(settings: JobSettings, say: Say) -> ComparisonOutcome:
    """Asks the application at `settings.url` and the model the same rows.

    :raises OfflineJobError: nothing answers there, the model cannot be loaded, or the rows cannot be read.
    """
    started_s = time.monotonic()
    online = Online(settings.url or "", settings.version or "")
    with model_at_hand(settings) as manifest:
        say("starting Spark")
        with spark_session(settings) as session:
            frame = read_source(session, settings)
            if settings.limit is not None:
                frame = frame.limit(settings.limit)
            scorer = scorer_of(session, settings, frame, manifest)
            say(f"asking {online.url}")
            try:
                work = Comparison(scorer, online, settings.tolerance)
                on_driver = is_for_driver(scorer.source.folder(), manifest)
                found = [json.loads(row["found"]) for row in outcomes(frame, work, "found string", on_driver=on_driver)]
            except Exception as error:  # py4j's, Spark's own or a worker's
                raise spark_failure(error) from error
    return _summed(found, time.monotonic() - started_s)


def _summed(parts: Sequence[Mapping[str, Any]], seconds: float) -> ComparisonOutcome:
    for part in parts:
        if "error" in part:
            raise OfflineJobError(part["kind"], part["error"])
    counts: Counter[str] = Counter()
    by_column: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for part in parts:
        counts.update(part["counts"])
        by_column.update(part["by_column"])
        reasons.update(part["reasons"])
    listed = [one for part in parts for one in part["differences"]]
    return ComparisonOutcome(
        n_rows=counts["rows"],
        n_different=counts["different"],
        n_unanswered=counts["unanswered"],
        n_unaskable=counts["unaskable"],
        n_failed_alike=counts["failed_alike"],
        by_column=dict(by_column.most_common()),
        differences=listed[:MAX_LISTED],
        reasons=dict(reasons.most_common()),
        seconds=round(seconds, 3),
    )


@dataclass(frozen=True)
class Answer:
    """What an application answers to one row: an output; a reason why there is none; or that the row is refused."""

    output: Any = None
    reason: str | None = None
    refusal: str | None = None

    @property
    def is_models_own(self) -> bool:
        """Whether the row fails, and would again."""
        return self.refusal is not None or self.reason in _MODELS_OWN


@dataclass
class Online:
    """An application, asked for one version over REST, without its cache. Keeps its connection; can be pickled."""

    url: str
    version: str
    _connection: Any = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "version": self.version, "_connection": None}

    def answers(self, rows: Sequence[Any]) -> list[Answer]:
        """One per row. A row that there was no time for is asked again alone.

        :raises OfflineJobError: nothing answers, or there is no such application or version.
        """
        answers = self._asked(rows)
        for attempt in range(1, MAX_ATTEMPTS):
            late = [index for index, one in enumerate(answers) if one.reason is not None and not one.is_models_own]
            if not late:
                break
            time.sleep(PAUSE_S * attempt)
            for index in late:
                (answers[index],) = self._asked([rows[index]])
        return answers

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _asked(self, rows: Sequence[Any]) -> list[Answer]:
        status, document = self._post({"input_batch": rows, "version": self.version, "cache": False})
        if status == 200:
            return [_answer(one) for one in document.get("batch_predictions", [document])]
        cause = str(document.get("cause") or document.get("error") or document)
        if status in (400, 413) and "version" not in cause.partition(" ")[0]:
            if len(rows) == 1:
                return [Answer(refusal=cause)]
            return [self._asked([row])[0] for row in rows]
        raise OfflineJobError("online", f"{self.url} answers {status}: {cause}")

    def _post(self, body: object) -> tuple[int, dict[str, Any]]:
        content = json.dumps(body, allow_nan=False).encode()
        for is_last in (False, True):  # a kept connection may have been closed meanwhile
            try:
                return self._sent(content)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if is_last:
                    text = f"nothing answers at {self.url} ({error or type(error).__name__}): is the stack running?"
                    raise OfflineJobError("online", text) from error
        raise AssertionError("unreachable")

    def _sent(self, content: bytes) -> tuple[int, dict[str, Any]]:
        address = urlsplit(self.url)
        if self._connection is None:
            kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
            self._connection = kind(address.hostname or "", address.port, timeout=TIMEOUT_S)
        self._connection.request("POST", f"{address.path.rstrip('/')}/predict", content)
        response = self._connection.getresponse()
        text = response.read()
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        return response.status, document if isinstance(document, dict) else {"error": text.decode("utf-8", "replace")}


def _answer(document: Mapping[str, Any]) -> Answer:
    if document.get("default"):
        return Answer(reason=document.get("default_reason") or "unknown")
    return Answer(output=document.get("output"))


@dataclass(frozen=True)
class Comparison:
    """For mapInArrow: compares the rows of a partition and gives counts and the first differences, as JSON."""

    scorer: Scorer
    online: Online
    tolerance: float

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        try:
            for batch in batches:
                for start in range(0, batch.num_rows, QUERY_ROWS):
                    part = batch.slice(start, QUERY_ROWS)
                    yield pa.record_batch({"found": [json.dumps(self._of(part))]})
        finally:
            self.online.close()

    def _of(self, batch: Any) -> dict[str, Any]:
        try:
            offline = self.scorer.outcomes(batch)
            rows = self.scorer.features.json_rows(batch)
            return self._compared(rows, offline)
        except ModelLoadError as error:
            return {"kind": "model", "error": str(error)}
        except OfflineJobError as error:
            return {"kind": error.kind, "error": str(error)}

    def _compared(self, rows: Sequence[Any], offline: Outcomes) -> dict[str, Any]:
        askable = [index for index, row in enumerate(rows) if isinstance(row, ValueError) or _is_finite(row)]
        asked = [index for index in askable if not isinstance(rows[index], ValueError)]
        answers = self.online.answers([rows[index] for index in asked]) if asked else []
        online = dict(zip(asked, answers, strict=True))
        counts = Counter(rows=len(rows), unaskable=len(rows) - len(askable))
        by_column: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        listed: list[dict[str, Any]] = []
        for index in askable:
            answer = online.get(index, Answer(refusal="not a row of this version"))
            error = offline.errors.get(index)
            if answer.reason is not None and not answer.is_models_own:
                counts["unanswered"] += 1
                reasons[answer.reason] += 1
            elif answer.is_models_own and error is not None:
                counts["failed_alike"] += 1
            elif text := _different(offline.values[index], error, answer, self.tolerance):
                counts["different"] += 1
                by_column[text.partition(":")[0].partition("[")[0]] += 1
                listed.append({"row": _short(rows[index]), "difference": text})
        return {"counts": counts, "by_column": by_column, "reasons": reasons, "differences": listed[:MAX_LISTED]}


def _different(value: Any, error: str | None, answer: Answer, tolerance: float) -> str | None:
    if error is not None:
        return f"error: offline {error!r}, online {_short(answer.output)}"
    if answer.is_models_own:
        return f"error: offline {_short(value)}, online {answer.refusal or answer.reason!r}"
    text = difference(value, answer.output, tolerance)
    return None if text is None else text.replace("expected", "offline", 1).replace("got", "online", 1)


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    return all(map(_is_finite, value)) if isinstance(value, list) else True


def _short(value: Any) -> str:
    text = to_json(value).decode()
    return text if len(text) <= 200 else f"{text[:197]}..."
