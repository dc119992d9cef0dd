"""Sample rows of a Spark pipeline, and what Spark itself makes of them: the validation rows that prove parity.

Whoever has a pipeline has imported PySpark, so this never has to.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from skysail_admin.errors import InvalidRequestError
from skysail_admin.packing.input_schema import derived_schema
from skysail_admin.packing.spark_schema import DOUBLE_DIGITS, VECTOR, check_types, input_fields

__all__ = ["MAX_EXAMPLES", "SparkExamples", "predicted_columns", "spark_examples"]

MAX_EXAMPLES = 1_000
"""Rows that are taken of the examples, the first ones: every container scores them before it serves."""

_TOLERANCE = 1e-9
"""Everything is Spark's to the bit but what Spark sums with SIMD or finds by iteration."""

_TOLERANCES = {"DistributedLDAModel": 1e-3}
"""Spark itself starts at random there, and ends elsewhere each time."""

_ROW = "skysail_row"
_NUMERIC = frozenset({"tinyint", "smallint", "int", "bigint", "float", "double"})


@dataclass(frozen=True)
class SparkExamples:
    """Rows in the form that queries have, each with Spark's own answer."""

    types: dict[str, str]
    """The columns that the answer depends on, with Spark's names of their types."""
    outputs: list[str]
    rows: list[Any]
    answers: list[Any]
    input_schema: dict[str, Any]
    tolerance: float
    """How far a container's answers may be from Spark's, relative and absolute."""

    def file_content(self) -> bytes:
        """A `validation.jsonl`. NaN and the infinities stand there as Python writes them."""
        lines = [
            json.dumps({"input": row, "output": answer}, ensure_ascii=False)
            for row, answer in zip(self.rows, self.answers, strict=True)
        ]
        return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def spark_examples(model: Any, examples: Any, input_type: str, outputs: Sequence[str] | None) -> SparkExamples | None:
    """Scores the examples with Spark. Rows that Spark drops are left out, for they have no answer.

    :param examples: a DataFrame of Spark or pandas, or whatever else `createDataFrame` takes; None: there are none.
    :param outputs: columns of the answer; None: prediction and probability, and what stages behind them add.
    :raises InvalidRequestError: the pipeline is not fitted; Spark does not score them, or drops them all; a column is
        of a type that JSON has no form for; or rows of the input type cannot have these columns.
    """
    _check_fitted(model)
    if examples is None:
        return None
    frame = _frame(examples)
    scored = _transformed(model, frame)
    chosen = list(outputs or predicted_columns(model, frame.columns, scored.columns))
    unknown = [name for name in chosen if name not in scored.columns]
    if unknown:
        raise InvalidRequestError(
            f"{unknown[0]!r} is not one of the pipeline's columns: {', '.join(scored.columns)}", field="outputs"
        )
    needed = _needed(frame.columns, lambda names: _gives(model, frame.select(*map(_quoted, names)), chosen))
    types = {field.name: field.dataType.simpleString() for field in frame.schema.fields if field.name in needed}
    check_types(types)
    frame = frame.select(*map(_quoted, types))
    taken = [tuple(row) for row in frame.limit(MAX_EXAMPLES).collect()]
    if not taken:
        raise _refused("the examples have no rows")
    pairs = _scored(model, frame, taken, chosen)
    if not pairs:
        raise _refused(f"Spark drops all {len(taken)} examples")
    records = [dict(zip(types, map(_plain, values), strict=True)) for values, _ in pairs]
    rows = [_row(record, types, input_type) for record in records]
    schema = input_fields(types, records) if input_type == "json" else derived_schema(rows, input_type)
    answers = [_answer(answer) for _, answer in pairs]
    tolerance = max([_TOLERANCES.get(type(stage).__name__, _TOLERANCE) for stage in _leaves(model)], default=_TOLERANCE)
    return SparkExamples(types, chosen, rows, answers, schema, tolerance)


def _check_fitted(model: Any) -> None:
    if not hasattr(model, "transform"):
        raise InvalidRequestError(
            f"the {type(model).__name__} is not fitted yet: deploy the model that its fit() returns", field="model"
        )


def predicted_columns(model: Any, given: Sequence[str], scored: Sequence[str]) -> list[str]:
    """The columns that a container answers with when nobody chose any (`skysail_container.spark.answer_columns`)."""
    added = [name for name in scored if name not in given]
    stages = _leaves(model)
    for stage in reversed(stages):
        predicted = [name for name in _columns(stage, ("predictionCol", "probabilityCol")) if name in added]
        if predicted:
            first_later = max(added.index(name) for name in predicted) + 1
            own = _columns(stage, [param.name for param in stage.params if param.name.endswith("Col")])
            return predicted + [name for name in added[first_later:] if name not in own]
    for parameters in (("outputCol", "outputCols", "topicDistributionCol"), ("featuresCol",)):
        found = [name for stage in stages[-1:] for name in _columns(stage, parameters) if name in added]
        if found:
            return found
    return added or list(scored)


def _leaves(model: Any) -> list[Any]:
    if hasattr(model, "bestModel"):
        return _leaves(model.bestModel)
    if type(model).__name__ == "PipelineModel":
        return [leaf for stage in model.stages for leaf in _leaves(stage)]
    return [model]


def _columns(stage: Any, parameters: Sequence[str]) -> list[str]:
    values = [
        stage.getOrDefault(name)
        for name in parameters
        if stage.hasParam(name) and stage.isDefined(stage.getParam(name))
    ]
    return [name for value in values for name in (value if isinstance(value, list) else [value]) if name]


# --- Spark ------------------------------------------------------------------------------------------------------------


def _frame(examples: Any) -> Any:
    if hasattr(examples, "sparkSession"):
        return examples
    session = sys.modules["pyspark.sql"].SparkSession.getActiveSession()
    if session is None:
        raise _refused("there is no Spark session to make a DataFrame of the examples: give them as one")
    try:
        return session.createDataFrame(examples)
    except Exception as error:  # whatever PySpark, Java or pandas have against them
        raise _refused(f"the examples make no DataFrame: {_cause(error)}") from error


def _transformed(model: Any, frame: Any) -> Any:
    try:
        return model.transform(frame)
    except Exception as error:  # as above
        raise _refused(f"the pipeline does not take the examples: {_cause(error)}") from error


def _gives(model: Any, frame: Any, names: Sequence[str]) -> bool:
    """Whether Spark plans these columns; nothing is computed."""
    try:
        return set(names) <= set(model.transform(frame).columns)
    except Exception:  # a column that a stage reads is missing; which exception says so differs by stage
        return False


def _needed(names: Sequence[str], suffices: Callable[[Sequence[str]], bool]) -> set[str]:
    """Those without which the answer cannot be had: labels and whatever else a table holds are none of a query's."""
    kept = list(names)
    pending = [list(names)]
    while pending:
        group = pending.pop()
        rest = [name for name in kept if name not in group]
        if rest and suffices(rest):
            kept = rest
        elif len(group) > 1:
            middle = len(group) // 2
            pending += [group[middle:], group[:middle]]
    return set(kept)


def _scored(
    model: Any, frame: Any, rows: Sequence[tuple[Any, ...]], outputs: Sequence[str]
) -> list[tuple[tuple[Any, ...], Any]]:
    """Each row that Spark gives an answer for, and that answer."""
    types = sys.modules["pyspark.sql.types"]
    schema = types.StructType([*frame.schema.fields, types.StructField(_ROW, types.LongType())])
    numbered = frame.sparkSession.createDataFrame([(*row, number) for number, row in enumerate(rows)], schema)
    scored = _transformed(model, numbered.coalesce(1))
    has_number = _ROW in scored.columns
    try:
        found = scored.select(*map(_quoted, [*outputs, _ROW] if has_number else outputs)).collect()
    except Exception as error:  # as above
        raise _refused(f"Spark fails on the examples: {_cause(error)}") from error
    if not has_number and len(found) != len(rows):
        raise _refused(
            "the pipeline drops rows and all columns it does not know, so that none can be told from another"
        )
    answers = [{name: _plain(row[name]) for name in outputs} for row in found]
    numbers = [row[_ROW] for row in found] if has_number else range(len(rows))
    return [
        (rows[number], answer) for number, answer in sorted(zip(numbers, answers, strict=True), key=lambda one: one[0])
    ]


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _cause(error: BaseException) -> str:
    """The last cause that Java names, else what it says first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    thrown = [line.removeprefix(start) for start in ("Caused by: ", ": ") for line in lines if line.startswith(start)]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return (causes[-1] if causes else (thrown or lines)[0])[:500]


def _refused(problem: str) -> InvalidRequestError:
    return InvalidRequestError(problem, field="examples")


# --- JSON -------------------------------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """A value of Spark's in the form that a query has."""
    if value is None or isinstance(value, str | int | float):
        return value
    if type(value).__name__ == "SparseVector":
        return {"size": int(value.size), "indices": value.indices.tolist(), "values": value.values.tolist()}
    if type(value).__name__ == "DenseVector":
        return value.values.tolist()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Decimal):
        return float(value) if len(value.as_tuple().digits) <= DOUBLE_DIGITS else str(value)
    return str(value)


def _answer(columns: dict[str, Any]) -> Any:
    """Vectors are lists in answers, whatever form they have."""
    dense = {name: _dense(value) for name, value in columns.items()}
    return next(iter(dense.values())) if len(dense) == 1 else dense


def _dense(value: Any) -> Any:
    if isinstance(value, list):
        return [_dense(one) for one in value]
    if not isinstance(value, dict):
        return value
    numbers = [0.0] * value["size"]
    for index, number in zip(value["indices"], value["values"], strict=True):
        numbers[index] = number
    return numbers


def _row(record: dict[str, Any], types: dict[str, str], input_type: str) -> Any:
    """An object; of other input types the values in the columns' order, or the sole column's value.

    :raises InvalidRequestError: these columns are not of the input type.
    """
    if input_type == "json":
        return record
    if len(types) == 1 and set(types.values()) <= {VECTOR, "string"}:
        (value,) = record.values()
        return _dense(value)
    if types.keys() and set(types.values()) <= _NUMERIC:
        return list(record.values())
    columns = ", ".join(f"{name}: {column_type}" for name, column_type in types.items())
    raise InvalidRequestError(
        f"the pipeline takes the columns {columns}, which rows of input type {input_type} do not have: deploy it with "
        "input type json",
        field="input_type",
    )
