"""Predictions and feedback: what an application's own client does, from Python."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable
from typing import Any

from skysail_admin.connection import segment
from skysail_admin.errors import NotFoundError
from skysail_admin.models import VersionName
from skysail_admin.records import Prediction, from_json
from skysail_admin.service import Service

__all__ = ["PredictionMethods", "as_json_input"]

_RECORDED_WITHIN_S = 0.5
"""The query frontend writes what it has answered several times a second."""


class PredictionMethods(Service):
    """Ask an application; tell it the truth later."""

    def predict(self, app_name: str, input: Any, version: VersionName | None = None) -> Prediction:  # noqa: A002 - the HTTP contract's word
        """One prediction for one input: numbers (a list or an array), a string, bytes, or any JSON value.

        :param version: ask this version instead of the current one.
        :raises NotFoundError: no such application.
        :raises InvalidRequestError: the input does not fit the application; the text says what does.
        """
        return from_json(Prediction, self._ask(app_name, {"input": as_json_input(input)}, version))

    def predict_batch(
        self, app_name: str, inputs: Iterable[Any], version: VersionName | None = None
    ) -> list[Prediction]:
        """One prediction per input, in order, in one request."""
        answer = self._ask(app_name, {"input_batch": [as_json_input(row) for row in inputs]}, version)
        answers = answer.get("batch_predictions", [answer])
        return [from_json(Prediction, item) for item in answers]

    def update(self, app_name: str, query_id: int, label: Any) -> dict[str, Any]:
        """Feedback: the true label of an earlier query.

        Predictions are put on record a fraction of a second after they were answered, so a query that is not known is
        asked for once more before this gives up.

        :raises NotFoundError: no such application, or the query is not (or no longer) known.
        """
        path, body = f"/{segment(app_name)}/update", {"query_id": query_id, "label": as_json_input(label)}
        try:
            answer: dict[str, Any] = self.frontend.post(path, body)
        except NotFoundError:
            time.sleep(_RECORDED_WITHIN_S)
            answer = self.frontend.post(path, body)
        return answer

    feedback = update

    def _ask(self, app_name: str, body: dict[str, Any], version: VersionName | None) -> dict[str, Any]:
        if version is not None:
            body["version"] = str(version)
        answer: dict[str, Any] = self.frontend.post(f"/{segment(app_name)}/predict", body)
        return answer


def as_json_input(value: Any) -> Any:
    """The value as JSON can carry it: arrays and their numbers as lists and numbers, bytes as base64 text."""
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, str | int | float) or value is None:
        return value
    if isinstance(value, dict):
        return {str(key): as_json_input(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # NumPy's arrays and scalars, pandas' Series
        return value.tolist()
    if isinstance(value, Iterable):
        return [as_json_input(item) for item in value]
    return value
