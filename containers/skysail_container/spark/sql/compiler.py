"""From a query's syntax to functions of rows: columns are looked up, types found, names given as Spark gives them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from skysail_container.spark.java_numbers import double_text, float_text
from skysail_container.spark.schema import Column, Schema
from skysail_container.spark.sql.conditions import case
from skysail_container.spark.sql.expressions import Evaluate, Expression, as_type, condition, constant, folded
from skysail_container.spark.sql.faults import SqlError, SqlFault, UnsupportedSqlError
from skysail_container.spark.sql.functions import Call as BoundCall
from skysail_container.spark.sql.functions import build, is_known
from skysail_container.spark.sql.syntax import Call, Case, Cast, Item, Literal, Name, Node, Query, Star
from skysail_container.spark.sql.widths import float32
from skysail_container.spark.stage import Row

__all__ = ["CompiledQuery", "check_functions", "compiled", "run"]

_AGGREGATES = frozenset(
    (
        "avg", "mean", "sum", "count", "min", "max", "first", "last", "collect_list", "collect_set", "stddev",
        "stddev_pop", "stddev_samp", "std", "variance", "var_pop", "var_samp", "median", "mode", "percentile",
        "percentile_approx", "approx_percentile", "approx_count_distinct", "corr", "covar_pop", "covar_samp", "any",
        "every", "some", "bool_and", "bool_or", "any_value", "max_by", "min_by", "skewness", "kurtosis", "count_if",
        "row_number", "rank", "dense_rank", "ntile", "lag", "lead",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CompiledQuery:
    """A query over rows of one schema."""

    schema: Schema
    """Its own columns."""
    values: Mapping[str, Evaluate]
    """How each of them is computed from a row of the source."""
    kept: frozenset[str]
    """Those that are the source's own, under their own names."""
    where: Evaluate | None
    source: "CompiledQuery | None"


def check_functions(query: Query) -> None:
    """
    :raises UnsupportedSqlError: the query calls a function that is not known here.
    """
    for item in query.items:
        _check(item.node)
    if query.where is not None:
        _check(query.where)
    if query.source is not None:
        check_functions(query.source)


def _check(node: Node) -> None:
    match node:
        case Call(name, arguments):
            if not is_known(name):
                many = ", which looks at several rows" if name in _AGGREGATES else ""
                raise UnsupportedSqlError(f"the function {name}{many}")
            for argument in arguments:
                _check(argument)
        case Cast(value):
            _check(value)
        case Case(branches, otherwise):
            for branch in branches:
                for part in branch:
                    _check(part)
            if otherwise is not None:
                _check(otherwise)
        case _:
            pass


def compiled(query: Query, schema: Schema, *, ansi: bool) -> CompiledQuery:
    """The query over columns.

    :raises SqlError: it does not fit them.
    :raises UnsupportedSqlError: it uses what is not known here.
    """
    source = None if query.source is None else compiled(query.source, schema, ansi=ansi)
    scope = _Scope(schema if source is None else source.schema, query.tables, ansi)
    where = None if query.where is None else condition(scope.expression(query.where)).evaluate
    columns: dict[str, Column] = {}
    values: dict[str, Evaluate] = {}
    kept: set[str] = set()
    for item in query.items:
        for name, expression in scope.item(item):
            if name in columns:
                raise SqlError(f"two columns would be called {name}; give one of them another name with AS")
            columns[name] = Column(expression.type, expression.attributes)
            values[name] = expression.evaluate
            if expression.name == name and name in scope.columns and isinstance(item.node, Star | Name):
                kept.add(name)
    return CompiledQuery(Schema(columns), values, frozenset(kept), where, source)


class _Scope:
    """The columns that names stand for, and the aliases that later items may use: Spark's lateral column aliases."""

    def __init__(self, columns: Schema, tables: frozenset[str], ansi: bool) -> None:
        self.columns = columns
        self._tables = tables
        self._ansi = ansi
        self._by_name: dict[str, list[str]] = {}
        for name in columns:
            self._by_name.setdefault(name.lower(), []).append(name)
        self._aliases: dict[str, Expression] = {}

    def item(self, item: Item) -> list[tuple[str, Expression]]:
        if isinstance(item.node, Star):
            return self._all(item.node)
        expression = self.expression(item.node)
        if item.alias is None:
            return [(expression.name or expression.text, expression)]
        self._aliases.setdefault(
            item.alias.lower(),
            replace(expression, text=f"lateralAliasReference({item.alias})", name=item.alias, is_literal=False),
        )
        return [(item.alias, expression)]

    def _all(self, star: Star) -> list[tuple[str, Expression]]:
        self._check_table(star.table)
        excluded = {self._column(name) for name in star.excluded}
        return [(name, self._of_column(name, name)) for name in self.columns if name not in excluded]

    def _check_table(self, table: str | None) -> None:
        if table is not None and table.lower() not in self._tables:
            raise SqlError(f"there is no table {table}")

    def _column(self, name: str) -> str:
        found = self._by_name.get(name.lower(), [])
        if len(found) != 1:
            raise SqlError(f"{'several columns are' if found else 'no column is'} called {name}")
        return found[0]

    def _of_column(self, name: str, shown: str) -> Expression:
        column = self.columns[name]

        def evaluate(row: Row) -> Any:
            return row[name]

        return Expression(column.type, evaluate, shown, shown, column.attributes)

    def expression(self, node: Node) -> Expression:
        """
        :raises SqlError: it does not fit the columns.
        """
        match node:
            case Name(parts):
                return self._named(parts)
            case Literal(kind, value):
                return constant(kind, value, _literal_text(kind, value))
            case Call(name, arguments):
                bound = [self.expression(argument) for argument in arguments]
                return folded(build(BoundCall(name, bound, self._ansi)), bound)
            case Cast():
                return self._cast(node)
            case Case(branches, otherwise):
                return case(
                    [(self.expression(when), self.expression(value)) for when, value in branches],
                    None if otherwise is None else self.expression(otherwise),
                    ansi=self._ansi,
                )
        raise SqlError("* stands within an expression")

    def _named(self, parts: tuple[str, ...]) -> Expression:
        *tables, name = parts
        if len(tables) > 1 or (tables and tables[0].lower() not in self._tables):
            raise UnsupportedSqlError(f"{'.'.join(parts)}: fields of structs")
        if name.lower() not in self._by_name and not tables and name.lower() in self._aliases:
            return self._aliases[name.lower()]
        return self._of_column(self._column(name), name)

    def _cast(self, node: Cast) -> Expression:
        value = self.expression(node.value)
        cast = as_type(value, node.type, ansi=self._ansi or node.is_try)
        evaluate = _or_null(cast.evaluate) if node.is_try else cast.evaluate
        shown = f"{'TRY_' if node.is_try else ''}CAST({value.text} AS {node.type.upper()})"
        return folded(Expression(cast.type, evaluate, shown if node.is_shown else value.text, value.name), [value])


def _or_null(evaluate: Evaluate) -> Evaluate:
    def tried(row: Row) -> Any:
        try:
            return evaluate(row)
        except SqlFault:
            return None

    return tried


def _literal_text(kind: str, value: Any) -> str:
    if value is None:
        return "NULL"
    if kind == "boolean":
        return "true" if value else "false"
    if kind in ("double", "float"):
        return double_text(value) if kind == "double" else float_text(float32(value))
    return f"{value:f}" if kind.startswith("decimal") else str(value)


def run(query: CompiledQuery, row: Row) -> Row | None:
    """The query's columns for a row; None: its WHERE leaves it out.

    :raises SqlFault: Spark fails on this row.
    """
    if query.source is not None:
        inner = run(query.source, row)
        if inner is None:
            return None
        row = inner
    if query.where is not None and not query.where(row):
        return None
    return {name: evaluate(row) for name, evaluate in query.values.items()}
