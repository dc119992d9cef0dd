"""From a statement to its syntax: SELECT ... FROM __THIS__ WHERE ..., one query within another.

Source: Spark's SqlBaseParser.g4 (querySpecification).
"""

from typing import Final

from skysail_container.spark.sql.expression_parser import ExpressionParser
from skysail_container.spark.sql.faults import UnsupportedSqlError
from skysail_container.spark.sql.syntax import Call, Case, Cast, Item, Node, Query, Star
from skysail_container.spark.sql.tokens import Token, tokens

__all__ = ["parsed"]

THIS: Final = "__THIS__"
_MAX_DEPTH: Final = 150
"""Of operators and calls within one another; sums of many terms are as deep as they are long."""
_ENDS_ITEM: Final = frozenset(("FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "WINDOW", "LATERAL"))
_BEYOND_ROWS: Final = frozenset((
    "GROUP", "HAVING", "ORDER", "SORT", "CLUSTER", "DISTRIBUTE", "LIMIT", "OFFSET", "UNION", "INTERSECT", "EXCEPT",
    "MINUS", "WINDOW", "LATERAL", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", "TABLESAMPLE", "PIVOT",
    "UNPIVOT", "QUALIFY",
))  # fmt: skip


def parsed(statement: str, *, doubled_quotes: bool = True) -> Query:
    """The query that the statement of an SQLTransformer is.

    :raises UnsupportedSqlError: it has parts that are not known here, or is no query; the text names the first of them.
    """
    return _QueryParser(tokens(statement, doubled_quotes=doubled_quotes)).statement()


class _QueryParser(ExpressionParser):
    """Recursive descent."""

    def statement(self) -> Query:
        query = self._query()
        if self.peek().kind != "end":
            raise UnsupportedSqlError(f"{self.peek().text!r} after the query")
        return query

    def _query(self) -> Query:
        if self.peek().word == "WITH":
            raise UnsupportedSqlError("WITH")
        self.expect("SELECT")
        if self.peek().word == "DISTINCT":
            raise UnsupportedSqlError("DISTINCT, which looks at several rows")
        self.take("ALL")
        items = [self._item()]
        while self.take(","):
            items.append(self._item())
        self.expect("FROM")
        source, names = self._table()
        where = self.expression() if self.take("WHERE") else None
        for node in (*(item.node for item in items), *(() if where is None else (where,))):
            _check_depth(node)
        word = self.peek().word
        if word in _BEYOND_ROWS or word == ",":
            raise UnsupportedSqlError(f"{word}, which looks at several rows or tables")
        return Query(tuple(items), where, source, names)

    def _table(self) -> tuple[Query | None, frozenset[str]]:
        if self.take("("):
            source: Query | None = self.nested(self._query)
            self.expect(")")
            names = set()
        else:
            name = self.identifier()
            if name != THIS:
                raise UnsupportedSqlError(f"the table {name}: only {THIS} is there")
            source, names = None, {THIS.lower()}
        has_as = self.take("AS")
        if has_as or self.peek().kind == "quoted" or self._is_alias(self.peek()):
            names = {self.identifier().lower()}
        return source, frozenset(names)

    def _is_alias(self, token: Token) -> bool:
        return token.kind == "word" and token.word not in _ENDS_ITEM and token.word not in _BEYOND_ROWS

    def _item(self) -> Item:
        star = self._star()
        if star is not None:
            return Item(star)
        node = self.expression()
        if self.peek().word == "OVER":
            raise UnsupportedSqlError("OVER, which looks at several rows")
        if self.take("AS"):
            return Item(node, self.identifier())
        if self.peek().kind == "quoted" or self._is_alias(self.peek()):
            return Item(node, self.identifier())
        return Item(node)

    def _star(self) -> Star | None:
        table = None
        if self.peek(1).word == "." and self.peek(2).word == "*":
            table = self.identifier()
            self.next()
        if not self.take("*"):
            return None
        excluded = []
        if self.take("EXCEPT"):
            self.expect("(")
            excluded.append(self.identifier())
            while self.take(","):
                excluded.append(self.identifier())
            self.expect(")")
        return Star(table, tuple(excluded))


def _check_depth(node: Node) -> None:
    level: list[Node] = [node]
    for _ in range(_MAX_DEPTH):
        level = [part for above in level for part in _parts(above)]
        if not level:
            return
    raise UnsupportedSqlError(f"an expression of more than {_MAX_DEPTH} levels")


def _parts(node: Node) -> tuple[Node, ...]:
    match node:
        case Call(_, arguments):
            return arguments
        case Cast(value):
            return (value,)
        case Case(branches, otherwise):
            return (*(part for branch in branches for part in branch), *(() if otherwise is None else (otherwise,)))
    return ()
