"""Arrays and their elements. Source: catalyst.expressions.{collectionOperations, complexTypeExtractors}."""

from collections.abc import Callable
from typing import Any

from skysail_container.spark.schema import BOOLEAN, INT, LONG, STRING, VOID
from skysail_container.spark.sql.comparisons import compare
from skysail_container.spark.sql.expressions import Expression, as_type, constant
from skysail_container.spark.sql.faults import SqlFault, UnsupportedSqlError
from skysail_container.spark.sql.functions import Call, sql_function
from skysail_container.spark.sql.promotion import INTEGRAL, common_type
from skysail_container.spark.stage import Row


def _element(call: Call, number: int = 0) -> str:
    """The type of an array's elements.

    :raises UnsupportedSqlError: it is no array.
    """
    kind = call.arguments[number].type
    if not kind.startswith("array<"):
        raise UnsupportedSqlError(f"{call.name} of {kind}")
    return kind[len("array<") : -1]


@sql_function("array")
def _array(call: Call) -> Expression:
    if not call.arguments:
        return constant(f"array<{VOID}>", [], call.text())
    values = call.common()
    evaluates = [value.evaluate for value in values]

    def evaluate(row: Row) -> list[Any]:
        return [each(row) for each in evaluates]

    return Expression(f"array<{values[0].type}>", evaluate, call.text())


@sql_function("size", "cardinality", "array_size")
def _size(call: Call) -> Expression:
    """Of null it is null, since ANSI mode; before it was -1."""
    call.expect(1)
    if call.arguments[0].type != VOID:
        _element(call)
    only = call.arguments[0].evaluate
    missing = None if call.ansi or call.name == "array_size" else -1

    def evaluate(row: Row) -> int | None:
        values = only(row)
        return missing if values is None else len(values)

    return Expression(INT, evaluate, call.text())


def _whole(call: Call, number: int) -> Expression:
    if call.arguments[number].type not in (*INTEGRAL, VOID):
        raise UnsupportedSqlError(f"{call.name} with {call.arguments[number].text}, which is no whole number")
    return call.arguments[number]


def _out_of_range(index: int, *, fails: bool) -> None:
    if fails:
        raise SqlFault(f"there is no element {index}")


@sql_function("[]", "get")
def _item(call: Call) -> Expression:
    """Counted from 0."""
    call.expect(2)
    fails = call.ansi and call.name == "[]"

    def evaluate(values: list[Any], index: int) -> Any:
        return values[index] if 0 <= index < len(values) else _out_of_range(index, fails=fails)

    array, index = call.arguments[0], _whole(call, 1)
    text = f"{array.text}[{index.text}]" if call.name == "[]" else call.text()
    return call.strict(_element(call), evaluate, [array, index], text)


@sql_function("element_at", "try_element_at")
def _element_at(call: Call) -> Expression:
    """Counted from 1, or from the end."""
    call.expect(2)
    fails = call.ansi and call.name == "element_at"

    def evaluate(values: list[Any], index: int) -> Any:
        if index == 0:
            raise SqlFault("elements are counted from 1")
        if abs(index) > len(values):
            return _out_of_range(index, fails=fails)
        return values[index - 1 if index > 0 else index]

    return call.strict(_element(call), evaluate, [call.arguments[0], _whole(call, 1)], call.text())


@sql_function("array_contains")
def _contains(call: Call) -> Expression:
    """Null if it is not there, but nulls are."""
    call.expect(2)
    kind = common_type([_element(call), call.arguments[1].type], ansi=call.ansi, with_strings=False)
    if kind is None or call.arguments[1].type == VOID:
        raise UnsupportedSqlError(f"array_contains of {call.arguments[0].type} and {call.arguments[1].type}")
    same = compare("=", kind)

    def evaluate(values: list[Any], wanted: Any) -> bool | None:
        if any(value is not None and same(value, wanted) for value in values):
            return True
        return None if None in values else False

    arguments = [call.argument(0, f"array<{kind}>"), call.argument(1, kind)]
    return call.strict(BOOLEAN, evaluate, arguments, call.text())


@sql_function("array_position")
def _position(call: Call) -> Expression:
    call.expect(2)
    kind = common_type([_element(call), call.arguments[1].type], ansi=call.ansi, with_strings=False)
    if kind is None:
        raise UnsupportedSqlError(f"array_position of {call.arguments[0].type} and {call.arguments[1].type}")
    same = compare("=", kind)

    def evaluate(values: list[Any], wanted: Any) -> int:
        places = (place for place, value in enumerate(values, 1) if value is not None and same(value, wanted))
        return next(places, 0)

    return call.strict(LONG, evaluate, [call.argument(0, f"array<{kind}>"), call.argument(1, kind)], call.text())


@sql_function("array_max", "array_min")
def _extreme(call: Call) -> Expression:
    call.expect(1)
    kind = _element(call)
    better = compare(">" if call.name == "array_max" else "<", kind)
    return call.strict(kind, lambda values: _best(values, better), call.arguments, call.text())


def _best(values: list[Any], better: Callable[[Any, Any], bool]) -> Any:
    best = None
    for value in values:
        if value is not None and (best is None or better(value, best)):
            best = value
    return best


@sql_function("array_join")
def _join(call: Call) -> Expression:
    call.expect(2, 3)
    if _element(call) != STRING:
        raise UnsupportedSqlError(f"array_join of {call.arguments[0].type}")
    values, between = call.arguments[0], call.argument(1, STRING)
    filling = as_type(call.arguments[2], STRING, ansi=call.ansi) if len(call.arguments) == 3 else None

    if filling is None:
        return call.strict(
            STRING, lambda found, sep: sep.join(one for one in found if one is not None), [values, between], call.text()
        )
    return call.strict(
        STRING,
        lambda found, sep, missing: sep.join(missing if one is None else one for one in found),
        [values, between, filling],
        call.text(),
    )


@sql_function("slice")
def _slice(call: Call) -> Expression:
    call.expect(3)

    def evaluate(values: list[Any], start: int, length: int) -> list[Any]:
        if start == 0 or length < 0:
            raise SqlFault(f"slice from {start} with length {length}")
        begin = start - 1 if start > 0 else len(values) + start
        return values[begin : begin + length] if begin >= 0 else []

    _element(call)
    arguments = [call.arguments[0], call.argument(1, INT), call.argument(2, INT)]
    return call.strict(call.arguments[0].type, evaluate, arguments, call.text())
