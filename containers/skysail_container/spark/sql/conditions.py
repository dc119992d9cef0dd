"""What depends on nulls and on other values. Source: catalyst.expressions.{nullExpressions, conditionalExpressions}."""

from collections.abc import Callable, Sequence
from typing import Any

from skysail_container.spark.schema import BOOLEAN, DOUBLE, FLOAT
from skysail_container.spark.sql.comparisons import compare
from skysail_container.spark.sql.expressions import Evaluate, Expression, as_type, condition
from skysail_container.spark.sql.faults import UnsupportedSqlError
from skysail_container.spark.sql.functions import Call, build, sql_function
from skysail_container.spark.sql.promotion import common_type
from skysail_container.spark.stage import Row

__all__ = ["case"]


def case(branches: Sequence[tuple[Expression, Expression]], otherwise: Expression | None, *, ansi: bool) -> Expression:
    """CASE WHEN ... THEN ... ELSE ... END.

    :raises SqlError: a condition is not boolean.
    :raises UnsupportedSqlError: the values have no common type.
    """
    values = [value for _, value in branches] + ([] if otherwise is None else [otherwise])
    kind = common_type([value.type for value in values], ansi=ansi)
    if kind is None:
        raise UnsupportedSqlError(f"CASE with values of {', '.join(value.type for value in values)}")
    chosen = [(condition(when).evaluate, as_type(value, kind, ansi=ansi).evaluate) for when, value in branches]
    last = None if otherwise is None else as_type(otherwise, kind, ansi=ansi).evaluate
    texts = [f"WHEN {when.text} THEN {value.text}" for when, value in branches]
    if otherwise is not None:
        texts.append(f"ELSE {otherwise.text}")
    return Expression(kind, _first_true(chosen, last), f"CASE {' '.join(texts)} END")


def _first_true(branches: Sequence[tuple[Evaluate, Evaluate]], otherwise: Evaluate | None) -> Evaluate:
    def evaluate(row: Row) -> Any:
        for when, value in branches:
            if when(row):
                return value(row)
        return None if otherwise is None else otherwise(row)

    return evaluate


@sql_function("if")
def _if(call: Call) -> Expression:
    call.expect(3)
    when, *_ = call.arguments
    yes, no = call.common(start=1)
    text = f"(IF({when.text}, {yes.text}, {no.text}))"
    return Expression(yes.type, _first_true([(condition(when).evaluate, yes.evaluate)], no.evaluate), text)


def _first_known(values: Sequence[Expression]) -> Evaluate:
    evaluates = [value.evaluate for value in values]

    def evaluate(row: Row) -> Any:
        for each in evaluates:
            value = each(row)
            if value is not None:
                return value
        return None

    return evaluate


@sql_function("coalesce", "nvl", "ifnull")
def _coalesce(call: Call) -> Expression:
    call.expect(*((1, 10**6) if call.name == "coalesce" else (2, 2)))
    values = call.common()
    return Expression(values[0].type, _first_known(values), call.text())


@sql_function("zeroifnull")
def _zero_if_null(call: Call) -> Expression:
    call.expect(1)
    zero = Expression("int", lambda row: 0, "0", is_constant=True, value=0)
    values = Call(call.name, (*call.arguments, zero), call.ansi).common()
    return Expression(values[0].type, _first_known(values), call.text())


@sql_function("nvl2")
def _nvl2(call: Call) -> Expression:
    call.expect(3)
    known, yes, no = call.arguments[0].evaluate, *call.common(start=1)
    return Expression(yes.type, lambda row: no.evaluate(row) if known(row) is None else yes.evaluate(row), call.text())


@sql_function("nullif")
def _null_if(call: Call) -> Expression:
    call.expect(2)
    value = call.arguments[0]
    same = build(Call("=", call.arguments, call.ansi)).evaluate
    return Expression(value.type, lambda row: None if same(row) else value.evaluate(row), call.text())


@sql_function("isnull", "isnotnull")
def _is_null(call: Call) -> Expression:
    call.expect(1)
    only = call.arguments[0]
    value = only.evaluate
    if call.name == "isnull":
        return Expression(BOOLEAN, lambda row: value(row) is None, f"({only.text} IS NULL)")
    return Expression(BOOLEAN, lambda row: value(row) is not None, f"({only.text} IS NOT NULL)")


def _fraction(call: Call, number: int) -> Expression:
    return call.arguments[number] if call.arguments[number].type == FLOAT else call.argument(number, DOUBLE)


@sql_function("isnan")
def _is_nan(call: Call) -> Expression:
    """Of null it is false."""
    call.expect(1)
    value = _fraction(call, 0).evaluate

    def evaluate(row: Row) -> bool:
        found = value(row)
        return found is not None and bool(found != found)

    return Expression(BOOLEAN, evaluate, call.text())


@sql_function("nanvl")
def _nan_else(call: Call) -> Expression:
    call.expect(2)
    first, second = (_fraction(call, number) for number in range(2))
    kind = first.type if first.type == second.type else DOUBLE
    value, other = (as_type(one, kind, ansi=call.ansi).evaluate for one in (first, second))

    def evaluate(row: Row) -> Any:
        found = value(row)
        return other(row) if found is not None and found != found else found

    return Expression(kind, evaluate, call.text())


@sql_function("greatest", "least")
def _extreme(call: Call) -> Expression:
    """Nulls are passed over; of equal ones it is the first."""
    call.expect(2, 10**6)
    values = call.common(with_strings=False)
    kind = values[0].type
    better = compare(">" if call.name == "greatest" else "<", kind)
    return Expression(kind, _best([value.evaluate for value in values], better), call.text())


def _best(values: Sequence[Evaluate], better: Callable[[Any, Any], bool]) -> Evaluate:
    def evaluate(row: Row) -> Any:
        best = None
        for each in values:
            value = each(row)
            if value is not None and (best is None or better(value, best)):
                best = value
        return best

    return evaluate
