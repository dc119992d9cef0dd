"""Expressions from tokens, with the precedences of Spark's own grammar.

Source: SqlBaseParser.g4 (booleanExpression, valueExpression, primaryExpression). General SQL parsers rank `|`, `^` and
`&` alike and unescape strings in other ways, which would change answers without a word.
"""

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from skysail_container.spark.sql.cursor import Cursor
from skysail_container.spark.sql.faults import UnsupportedSqlError
from skysail_container.spark.sql.literals import number_of
from skysail_container.spark.sql.syntax import Call, Case, Cast, Literal, Name, Node
from skysail_container.spark.sql.tokens import Token

__all__ = ["MAX_DEPTH", "ExpressionParser"]

_Parsed = TypeVar("_Parsed")

MAX_DEPTH: Final = 50
"""Of parentheses within parentheses."""

_LEVELS: Final[tuple[dict[str, str], ...]] = (
    {"=": "=", "==": "=", "<=>": "<=>", "<>": "!=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="},
    {"|": "|"},
    {"^": "^"},
    {"&": "&"},
    {"<<": "<<", ">>": ">>", ">>>": ">>>"},
    {"+": "+", "-": "-", "||": "||"},
    {"*": "*", "/": "/", "%": "%", "DIV": "div"},
)
"""Binary operators, the weakest first; all of them join to the left."""

_BINARY: Final = {sign: (level, name) for level, names in enumerate(_LEVELS) for sign, name in names.items()}

_CASTS: Final = frozenset(("boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "string", "decimal"))
"""Types that are functions as well."""
_TYPES: Final = {
    **{name.upper(): name for name in _CASTS},
    "DECIMAL": "decimal(10,0)",
    "BYTE": "tinyint",
    "SHORT": "smallint",
    "INTEGER": "int",
    "LONG": "bigint",
    "REAL": "float",
    "DEC": "decimal(10,0)",
    "NUMERIC": "decimal(10,0)",
}
_SUFFIXES: Final = {"L": "bigint", "S": "smallint", "Y": "tinyint"}
_CONSTANTS: Final[dict[str, Node]] = {
    "NULL": Literal("void", None),
    "TRUE": Literal("boolean", True),
    "FALSE": Literal("boolean", False),
}


class ExpressionParser(Cursor):
    """Recursive descent."""

    def __init__(self, tokens: Iterable[Token]) -> None:
        super().__init__(tokens)
        self._depth = 0

    def expression(self) -> Node:
        """The longest expression from here on.

        :raises UnsupportedSqlError: there is none that is known here; the text names where reading came to its end.
        """
        return self.nested(self._disjunction)

    def nested(self, parse: Callable[[], _Parsed]) -> _Parsed:
        """What `parse` gives, unless it stands too deep within others."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnsupportedSqlError(f"a statement of more than {MAX_DEPTH} levels")
        found = parse()
        self._depth -= 1
        return found

    def _disjunction(self) -> Node:
        node = self._conjunction()
        while self.take("OR"):
            node = Call("or", (node, self._conjunction()))
        return node

    def _conjunction(self) -> Node:
        node = self._negation()
        while self.take("AND"):
            node = Call("and", (node, self._negation()))
        return node

    def _negation(self) -> Node:
        n_negations = 0
        while self.take("NOT") or self.take("!"):
            n_negations += 1
        node = self._predicate()
        for _ in range(n_negations):
            node = Call("not", (node,))
        return node

    def _predicate(self) -> Node:
        node = self._value()
        is_negated = self.take("NOT")
        found = self._condition(node)
        if found is None:
            if is_negated:
                raise UnsupportedSqlError(f"{self.peek().text!r} is not expected after NOT")
            return node
        return Call("not", (found,)) if is_negated else found

    def _condition(self, node: Node) -> Node | None:
        if self.take("BETWEEN"):
            low = self._value()
            self.expect("AND")
            return Call("between", (node, low, self._value()))
        if self.take("IN"):
            self.expect("(")
            if self.peek().word == "SELECT":
                raise UnsupportedSqlError("IN (SELECT ...)")
            return Call("in", (node, *self._until_parenthesis()))
        if self.take("RLIKE") or self.take("REGEXP"):
            return Call("rlike", (node, self._value()))
        if self.peek().word in ("LIKE", "ILIKE"):
            return self._like(self.next().text.lower(), node)
        return self._is(node) if self.take("IS") else None

    def _like(self, name: str, node: Node) -> Node:
        if self.peek().word in ("ANY", "SOME", "ALL"):
            raise UnsupportedSqlError(f"{name.upper()} {self.peek().word}")
        arguments: tuple[Node, ...] = (node, self._value())
        if self.take("ESCAPE"):
            arguments = (*arguments, Literal("string", self.next().text))
        return Call(name, arguments)

    def _is(self, node: Node) -> Node:
        is_negated = self.take("NOT")
        if self.take("DISTINCT", "FROM"):
            same = Call("<=>", (node, self._value()))
            return same if is_negated else Call("not", (same,))
        word = self.next().word
        if word in ("NULL", "UNKNOWN"):
            return Call("isnotnull" if is_negated else "isnull", (node,))
        if word not in ("TRUE", "FALSE"):
            raise UnsupportedSqlError(f"{word or 'a value'} is not expected after IS")
        same = Call("<=>", (node, Literal("boolean", word == "TRUE")))
        return Call("not", (same,)) if is_negated else same

    def _value(self, least: int = 0) -> Node:
        """Operators that bind at least so strongly, and what they stand between."""
        node = self._unary()
        while (found := _BINARY.get(self.peek().word)) is not None and found[0] >= least:
            level, name = found
            self.next()
            right = self._value(level + 1)
            node = Call("not", (Call("=", (node, right)),)) if name == "!=" else Call(name, (node, right))
        return node

    def _unary(self) -> Node:
        signs: list[str] = []
        while self.peek().word in ("-", "+", "~"):
            if self.peek().word == "-" and self.peek(1).kind == "number":
                break
            signs.append(self.next().text)
        node = self._indexed()
        for sign in reversed(signs):
            node = Call("~" if sign == "~" else f"unary {sign}", (node,))
        return node

    def _indexed(self) -> Node:
        node = self._primary()
        while True:
            if self.take("["):
                node = Call("[]", (node, self._value()))
                self.expect("]")
            elif self.take("::"):
                node = Cast(node, self._type())
            elif self.peek().word == ".":
                raise UnsupportedSqlError("fields of structs")
            else:
                return node

    def _primary(self) -> Node:
        token = self.next()
        match token.kind:
            case "number":
                return number_of(token.text)
            case "string":
                return self._strings(token.text)
            case "quoted":
                return self._name(token.text)
            case "word":
                return self._worded(token)
        if token.word == "-" and self.peek().kind == "number":
            return number_of("-" + self.next().text)
        if token.word == "(":
            if self.peek().word == "SELECT":
                raise UnsupportedSqlError("a query within an expression")
            node = self.expression()
            self.expect(")")
            return node
        raise UnsupportedSqlError(f"{token.text!r} is not expected")

    def _strings(self, text: str) -> Node:
        while self.peek().kind == "string":
            text += self.next().text
        return Literal("string", text)

    def _worded(self, token: Token) -> Node:
        word = token.word
        if word in _CONSTANTS:
            return _CONSTANTS[word]
        if word == "CASE":
            return self._case()
        if word in ("DATE", "TIMESTAMP", "INTERVAL", "X") and self.peek().kind in ("string", "number"):
            raise UnsupportedSqlError(f"{word} {self.peek().text!r}")
        if self.take("("):
            return self._call(token.text.lower())
        return self._name(token.text)

    def _name(self, first: str) -> Node:
        parts = [first]
        while self.take("."):
            parts.append(self.identifier())
        if self.peek().word == "->":
            raise UnsupportedSqlError(f"a lambda of {first}")
        return Name(tuple(parts))

    def _case(self) -> Node:
        operand = None if self.peek().word == "WHEN" else self.expression()
        branches: list[tuple[Node, Node]] = []
        while self.take("WHEN"):
            condition = self.expression()
            self.expect("THEN")
            branches.append((condition if operand is None else Call("=", (operand, condition)), self.expression()))
        if not branches:
            raise UnsupportedSqlError("CASE has no WHEN")
        otherwise = self.expression() if self.take("ELSE") else None
        self.expect("END")
        return Case(tuple(branches), otherwise)

    # calls

    def _call(self, name: str) -> Node:
        match name:
            case "cast" | "try_cast":
                node = self._cast(is_try=name == "try_cast")
            case "trim":
                node = self._trim()
            case "substring" | "substr":
                node = self._substring(name)
            case "position":
                node = self._place()
            case _:
                node = Call(name, self._until_parenthesis())
        if self.peek().word in ("OVER", "FILTER", "WITHIN"):
            raise UnsupportedSqlError(f"{name}(...) {self.peek().word}, which looks at several rows")
        if isinstance(node, Call) and node.name in _CASTS and len(node.arguments) == 1:
            return Cast(node.arguments[0], _TYPES[node.name.upper()], is_shown=False)
        return node

    def _until_parenthesis(self) -> tuple[Node, ...]:
        if self.take(")"):
            return ()
        if self.peek().word in ("DISTINCT", "*"):
            raise UnsupportedSqlError("an aggregate, which looks at several rows")
        found = [self.expression()]
        while self.take(","):
            found.append(self.expression())
        self.expect(")")
        return tuple(found)

    def _cast(self, *, is_try: bool) -> Node:
        value = self.expression()
        self.expect("AS")
        to = self._type()
        self.expect(")")
        return Cast(value, to, is_try)

    def _trim(self) -> Node:
        names = {"BOTH": "trim both", "LEADING": "trim leading", "TRAILING": "trim trailing"}
        side = self.peek().word
        if side in names:
            self.next()
        if self.take("FROM"):
            plain = {"LEADING": "ltrim", "TRAILING": "rtrim"}
            node = Call(plain.get(side, "trim"), (self.expression(),))
        else:
            first = self.expression()
            if not self.take("FROM"):
                return Call("trim", (first, *self._rest()))
            node = Call(names.get(side, "trim both"), (first, self.expression()))
        self.expect(")")
        return node

    def _rest(self) -> tuple[Node, ...]:
        if self.take(","):
            return self._until_parenthesis()
        self.expect(")")
        return ()

    def _substring(self, name: str) -> Node:
        value = self.expression()
        if not self.take("FROM"):
            return Call(name, (value, *self._rest()))
        start = self.expression()
        length = self.expression() if self.take("FOR") else Literal("int", 2**31 - 1)
        self.expect(")")
        return Call("substring", (value, start, length))

    def _place(self) -> Node:
        wanted = self._value()
        if self.take("IN"):
            node = Call("locate", (wanted, self._value()))
            self.expect(")")
            return node
        return Call("position", (wanted, *self._rest()))

    def _type(self) -> str:
        word = self.identifier()
        if word.upper() == "ARRAY" and self.take("<"):
            element = self._type()
            self.expect(">")
            return f"array<{element}>"
        known = _TYPES.get(word.upper())
        if known is None:
            raise UnsupportedSqlError(f"the type {word}")
        return self._sized(known)

    def _sized(self, name: str) -> str:
        if name != _TYPES["DECIMAL"] or not self.take("("):
            return name
        precision, scale = self.next().text, "0"
        if self.take(","):
            scale = self.next().text
        self.expect(")")
        return f"decimal({precision},{scale})"
