"""The words, numbers, strings and signs of a statement. Source: Spark's SqlBaseLexer.g4 and ParserUtils."""

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from skysail_container.spark.sql.faults import UnsupportedSqlError

__all__ = ["Token", "tokens"]

Kind = Literal["word", "quoted", "number", "string", "sign", "end"]


class Token(NamedTuple):
    kind: Kind
    text: str
    """Of a string or a quoted name: what it stands for."""

    @property
    def word(self) -> str:
        """In upper case, as keywords are compared; empty if it is no unquoted word or sign."""
        return self.text.upper() if self.kind in ("word", "sign") else ""


_TOKEN: Final = re.compile(
    r"""
      (?P<blank> \s+ | --[^\n]* | /\*.*?\*/ )
    | (?P<raw> [rR](?: '[^']*' | "[^"]*" ) )
    | (?P<string> '(?: [^'\\] | \\. | '' )*' | "(?: [^"\\] | \\. | "" )*" )
    | (?P<quoted> `(?: [^`] | `` )+` )
    | (?P<number> (?: \d+\.?\d* | \.\d+ ) (?: [eE][+-]?\d+ )? (?: BD | [LSYFD] )? (?! \w ) )
    | (?P<word> [^\W\d]\w* )
    | (?P<sign> <=> | >>> | \|\| | :: | -> | => | << | >> | <= | >= | <> | != | == | [-+*/%~&|^=<>!(),.\[\]:] )
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_ESCAPE: Final = re.compile(r"\\(?:([0-3][0-7]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_ESCAPED: Final = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "%": "\\%", "_": "\\_"}


def tokens(statement: str, *, doubled_quotes: bool) -> Iterator[Token]:
    """All tokens, an `end` last.

    :param doubled_quotes: whether two quotes within a string are one, as since Spark 4.0; before, they join strings.
    :raises UnsupportedSqlError: a character that begins nothing.
    """
    position = 0
    while position < len(statement):
        found = _TOKEN.match(statement, position)
        if found is None:
            raise UnsupportedSqlError(f"{statement[position : position + 20]!r} cannot be read")
        position = found.end()
        text = found.group()
        match found.lastgroup:
            case "string":
                yield Token("string", _string(text, doubled_quotes))
            case "raw":
                yield Token("string", text[2:-1])
            case "quoted":
                yield Token("quoted", text[1:-1].replace("``", "`"))
            case "number":
                yield Token("number", text)
            case "word":
                yield Token("word", text)
            case "sign":
                yield Token("sign", text)
    yield Token("end", "the end")


def _string(text: str, doubled_quotes: bool) -> str:
    quote = text[0]
    inner = text[1:-1].replace(quote * 2, quote if doubled_quotes else "")
    return _ESCAPE.sub(_unescaped, inner)


def _unescaped(found: re.Match[str]) -> str:
    octal, four, eight, other = found.groups()
    if octal:
        return chr(int(octal, 8))
    if four or eight:
        return chr(int(four or eight, 16))
    return _ESCAPED.get(other, other)
