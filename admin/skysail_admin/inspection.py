"""Looking at a running Skysail: status, metrics, and a model function tried out before it is deployed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from skysail_admin.errors import InvalidRequestError
from skysail_admin.input_types import canonical_input_type
from skysail_admin.prometheus_text import Sample, parse
from skysail_admin.service import Service

__all__ = ["InspectionMethods"]

_NUMERIC_TYPES = {"integers": "int64", "floats": "float32", "doubles": "float64"}


class InspectionMethods(Service):
    """Status and metrics of the services."""

    def status(self) -> dict[str, Any]:
        """Management's own account: version, backend, registry, and how many of everything there are."""
        answer: dict[str, Any] = self.management.get("/api/v1/status")
        return answer

    def metrics_text(self) -> str:
        """The query frontend's metrics, then management's, as Prometheus text."""
        return self.frontend.text("/metrics").rstrip("\n") + "\n" + self.management.text("/metrics")

    def metrics(self) -> list[Sample]:
        """Every sample of the query frontend's and management's metrics."""
        return list(parse(self.metrics_text()))

    def inspect_instance(self) -> dict[str, Any]:
        """Status and metrics in one object."""
        metrics = [{"name": sample.name, "labels": sample.labels, "value": sample.value} for sample in self.metrics()]
        return {"status": self.status(), "metrics": metrics}

    @staticmethod
    def test_predict_function(query: dict[str, Any], func: Callable[[Any], Iterable[Any]], input_type: str) -> Any:
        """What `func` answers to the query when it is given its rows as a container would give them.

        :param query: `{"input": row}` or `{"input_batch": [row, ...]}`.
        :raises InvalidRequestError: the query has neither, or the function did not return one output per row.
        """
        rows = _rows_of(query)
        outputs = list(func(_as_batch(rows, input_type)))
        if len(outputs) != len(rows):
            raise InvalidRequestError(f"the function returned {len(outputs)} outputs for {len(rows)} rows")
        return outputs if "input_batch" in query and "input" not in query else outputs[0]


def _rows_of(query: dict[str, Any]) -> list[Any]:
    if "input" in query:
        return [query["input"]]
    if "input_batch" in query:
        return list(query["input_batch"])
    raise InvalidRequestError("a query has an 'input' or an 'input_batch'", field="input")


def _as_batch(rows: list[Any], input_type: str) -> Any:
    dtype = _NUMERIC_TYPES.get(canonical_input_type(input_type))
    if dtype is None:
        return rows
    import numpy as np  # only this helper needs arrays; the client itself does without

    arrays = [np.asarray(row, dtype=dtype) for row in rows]
    return np.stack(arrays) if len({len(array) for array in arrays}) == 1 else arrays
