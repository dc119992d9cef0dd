"""Functions of strings. Source: org.apache.spark.sql.catalyst.expressions.{stringExpressions, regexpExpressions}.

Positions count code points from 1, negative ones from the end.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from skysail_container.spark.java_regex import JavaRegex, JavaRegexError, pattern_of
from skysail_container.spark.schema import BOOLEAN, INT, STRING
from skysail_container.spark.sql.expressions import Expression, as_type, strict
from skysail_container.spark.sql.faults import SqlFault, UnsupportedSqlError
from skysail_container.spark.sql.functions import Call, sql_function
from skysail_container.spark.stage import Row

Function = Callable[..., Any]

_STRINGS: Final = f"array<{STRING}>"


def _initials(value: str) -> str:
    return " ".join(word[:1].title() + word[1:].lower() for word in value.split(" "))


_OF_ONE: Final[dict[str, tuple[str, Function]]] = {
    "lower": (STRING, str.lower),
    "lcase": (STRING, str.lower),
    "upper": (STRING, str.upper),
    "ucase": (STRING, str.upper),
    "length": (INT, len),
    "char_length": (INT, len),
    "character_length": (INT, len),
    "len": (INT, len),
    "octet_length": (INT, lambda value: len(value.encode())),
    "bit_length": (INT, lambda value: 8 * len(value.encode())),
    "reverse": (STRING, lambda value: value[::-1]),
    "initcap": (STRING, _initials),
    "ascii": (INT, lambda value: ord(value[0]) if value else 0),
}


@sql_function(*_OF_ONE)
def _of_one(call: Call) -> Expression:
    call.expect(1)
    kind, function = _OF_ONE[call.name]
    if call.name == "reverse" and call.arguments[0].type.startswith("array<"):
        return call.strict(call.arguments[0].type, lambda values: values[::-1], call.arguments, call.text())
    return call.strict(kind, function, [call.argument(0, STRING)], call.text())


_STRIPS: Final[dict[str, Function]] = {"trim": str.strip, "btrim": str.strip, "ltrim": str.lstrip, "rtrim": str.rstrip}


@sql_function(*_STRIPS)
def _trim(call: Call) -> Expression:
    """Of blanks (U+0020 alone), or of the characters that come first (last, in `btrim`)."""
    call.expect(1, 2)
    strip = _STRIPS[call.name]
    if len(call.arguments) == 1:
        return call.strict(STRING, lambda value: strip(value, " "), [call.argument(0, STRING)], call.text())
    value, characters = call.argument(0, STRING), call.argument(1, STRING)
    if call.name != "btrim":
        raise UnsupportedSqlError(f"{call.name} with two arguments: write TRIM(... FROM ...)")
    return call.strict(STRING, _stripped(strip), [value, characters], call.text())


def _stripped(strip: Function) -> Function:
    return lambda value, characters: strip(value, characters) if characters else value


@sql_function("trim both", "trim leading", "trim trailing")
def _trim_of(call: Call) -> Expression:
    side = call.name.partition(" ")[2]
    strip = {"both": str.strip, "leading": str.lstrip, "trailing": str.rstrip}[side]
    characters, value = call.argument(0, STRING), call.argument(1, STRING)
    text = f"TRIM({side.upper()} {characters.text} FROM {value.text})"
    return call.strict(STRING, _stripped(strip), [value, characters], text)


@sql_function("concat", "||")
def _concat(call: Call) -> Expression:
    """Of strings and what is cast to them, or of arrays."""
    text = call.text("concat")
    if any(one.type.startswith("array<") for one in call.arguments):
        arrays = call.common()
        return call.strict(arrays[0].type, lambda *parts: [value for part in parts for value in part], arrays, text)
    values = [call.argument(number, STRING) for number in range(len(call.arguments))]
    return call.strict(STRING, lambda *parts: "".join(parts), values, text)


@sql_function("concat_ws")
def _concat_with(call: Call) -> Expression:
    """Nulls are left out; elements of arrays are joined as well."""
    call.expect(1, 10**6)
    between, *parts = [one if one.type == _STRINGS else as_type(one, STRING, ansi=call.ansi) for one in call.arguments]
    evaluates = [part.evaluate for part in parts]

    def evaluate(row: Row) -> str | None:
        separator = between.evaluate(row)
        found: list[str] = []
        for each in evaluates:
            value = each(row)
            if isinstance(value, list):
                found.extend(one for one in value if one is not None)
            elif value is not None:
                found.append(value)
        return None if separator is None else separator.join(found)

    return Expression(STRING, evaluate, call.text())


def _part(value: str, start: int, length: int) -> str:
    """From a position on; what lies before the string counts against the length."""
    begin = start - 1 if start > 0 else len(value) + start if start < 0 else 0
    end = begin + length
    return value[max(begin, 0) : end] if end > max(begin, 0) else ""


@sql_function("substring", "substr")
def _substring(call: Call) -> Expression:
    call.expect(2, 3)
    arguments = [call.argument(0, STRING), call.argument(1, INT), call.optional(2, INT, 2**31 - 1)]
    return call.strict(STRING, _part, arguments, call.text(None, *(["2147483647"] if len(call.arguments) == 2 else [])))


@sql_function("left", "right")
def _side(call: Call) -> Expression:
    call.expect(2)

    def evaluate(value: str, length: int) -> str:
        if length <= 0:
            return ""
        return value[:length] if call.name == "left" else value[-length:]

    return call.strict(STRING, evaluate, [call.argument(0, STRING), call.argument(1, INT)], call.text())


@sql_function("repeat")
def _repeat(call: Call) -> Expression:
    call.expect(2)
    return call.strict(
        STRING, lambda value, times: value * times, [call.argument(0, STRING), call.argument(1, INT)], call.text()
    )


@sql_function("space")
def _space(call: Call) -> Expression:
    call.expect(1)
    return call.strict(STRING, lambda times: " " * times, [call.argument(0, INT)], call.text())


@sql_function("lpad", "rpad")
def _pad(call: Call) -> Expression:
    call.expect(2, 3)

    def evaluate(value: str, length: int, pad: str) -> str:
        missing = length - len(value)
        if missing <= 0 or not pad:
            return value[: max(length, 0)]
        filling = (pad * (missing // len(pad) + 1))[:missing]
        return filling + value if call.name == "lpad" else value + filling

    arguments = [call.argument(0, STRING), call.argument(1, INT), call.optional(2, STRING, " ")]
    return call.strict(STRING, evaluate, arguments, call.text(None, *([" "] if len(call.arguments) == 2 else [])))


@sql_function("replace")
def _replace(call: Call) -> Expression:
    call.expect(2, 3)
    arguments = [call.argument(0, STRING), call.argument(1, STRING), call.optional(2, STRING, "")]
    text = call.text(None, *([""] if len(call.arguments) == 2 else []))
    return call.strict(STRING, lambda value, old, new: value.replace(old, new) if old else value, arguments, text)


@sql_function("translate")
def _translate(call: Call) -> Expression:
    """Character by character; those without a counterpart go."""
    call.expect(3)

    def evaluate(value: str, old: str, new: str) -> str:
        table: dict[int, str | None] = {}
        for number, character in enumerate(old):
            table.setdefault(ord(character), new[number] if number < len(new) else None)
        return value.translate(table)

    return call.strict(STRING, evaluate, [call.argument(number, STRING) for number in range(3)], call.text())


_OF_TWO: Final[dict[str, tuple[str, Function]]] = {
    "contains": (BOOLEAN, lambda value, part: part in value),
    "startswith": (BOOLEAN, str.startswith),
    "endswith": (BOOLEAN, str.endswith),
    "instr": (INT, lambda value, part: value.find(part) + 1),
}


@sql_function(*_OF_TWO)
def _of_two(call: Call) -> Expression:
    call.expect(2)
    kind, function = _OF_TWO[call.name]
    return call.strict(kind, function, [call.argument(0, STRING), call.argument(1, STRING)], call.text())


@sql_function("locate", "position")
def _locate(call: Call) -> Expression:
    call.expect(2, 3)
    text = call.text(None, *(["1"] if len(call.arguments) == 2 else []))
    part, value, start = call.argument(0, STRING), call.argument(1, STRING), call.optional(2, INT, 1)

    def evaluate(wanted: str, within: str, first: int) -> int:
        return within.find(wanted, first - 1) + 1 if first > 0 else 0

    return call.strict(INT, evaluate, [part, value, start], text)


@sql_function("substring_index")
def _before(call: Call) -> Expression:
    """What stands before the n-th separator, or after the n-th from the end."""
    call.expect(3)

    def evaluate(value: str, separator: str, count: int) -> str:
        if not separator or not count:
            return ""
        parts = value.split(separator) if count > 0 else value.rsplit(separator, -count)
        if count > 0:
            return separator.join(parts[:count])
        return value if len(parts) <= -count else separator.join(parts[1:])

    arguments = [call.argument(0, STRING), call.argument(1, STRING), call.argument(2, INT)]
    return call.strict(STRING, evaluate, arguments, call.text())


@sql_function("like", "ilike")
def _like(call: Call) -> Expression:
    call.expect(2, 3)
    escape = call.constant(2, STRING, "\\")
    if escape is None or len(escape) != 1:
        raise UnsupportedSqlError(f"{call.name} with {escape!r} for an escape character")
    value, pattern = call.argument(0, STRING), call.argument(1, STRING)
    ignores_case = call.name == "ilike"
    text = call.text() if ignores_case else f"{value.text} LIKE {pattern.text}"
    if len(call.arguments) == 3 and not ignores_case:
        text += f" ESCAPE '{escape}'"
    if pattern.is_constant and pattern.value is not None:
        try:
            found = _like_pattern(pattern.value, escape, ignores_case).fullmatch
        except SqlFault as fault:
            raise UnsupportedSqlError(str(fault)) from fault
        return call.strict(BOOLEAN, lambda given: found(given) is not None, [value], text)

    def evaluate(given: str, shape: str) -> bool:
        return _like_pattern(shape, escape, ignores_case).fullmatch(given) is not None

    return call.strict(BOOLEAN, evaluate, [value, pattern], text)


@lru_cache(maxsize=256)
def _like_pattern(pattern: str, escape: str, ignores_case: bool) -> re.Pattern[str]:
    """
    :raises SqlFault: the escape character stands before another one than `%`, `_` and itself.
    """
    if ignores_case:
        pattern = pattern.lower()
    parts = []
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            escaped = next(characters, None)
            if escaped is None or escaped not in ("%", "_", escape):
                raise SqlFault(f"the LIKE pattern {pattern!r} escapes what needs no escape")
            parts.append(re.escape(escaped))
        else:
            parts.append({"%": ".*", "_": "."}.get(character) or re.escape(character))
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignores_case else 0))


def _regex(call: Call) -> JavaRegex:
    """The pattern that is the second argument.

    :raises UnsupportedSqlError: it depends on the row, or Python cannot match what Java does.
    """
    pattern = call.constant(1, STRING)
    if pattern is None:
        raise UnsupportedSqlError(f"{call.name} with NULL as a pattern")
    try:
        return pattern_of(pattern)
    except JavaRegexError as error:
        raise UnsupportedSqlError(f"the regular expression {pattern!r}: {error}") from error


def _filled(call: Call) -> re.Pattern[str]:
    """A pattern that matches no empty string: Java finds those within characters beyond the basic plane too.

    :raises UnsupportedSqlError: it may match one.
    """
    found = _regex(call)
    if found.may_be_empty:
        raise UnsupportedSqlError(f"{call.name} with a pattern that matches an empty string")
    return found.compiled


def _groups(call: Call) -> re.Pattern[str]:
    """The pattern with its groups, if Python reads it as Java does.

    :raises UnsupportedSqlError: it may not.
    """
    _regex(call)
    pattern = call.constant(1, STRING)
    if _ALIKE.fullmatch(pattern) is None:
        raise UnsupportedSqlError(f"groups of the regular expression {pattern!r}")
    return re.compile(pattern, re.ASCII)


_ALIKE: Final = re.compile(
    r"""(?: [^\\^$\[\](){}?*+|.&#] | \\[\\.^$\[\](){}?*+|dDwWsS-] | [\^|] | \(\?: | [()]
      | \[ \^? (?: [^\\\[\]&^] | \\[\\\]\[^dws.-] )+ \] | (?<=.) [?*+] (?! \+ ) | (?<=.) \{\d+(?:,\d*)?\} )*""",
    re.VERBOSE | re.DOTALL,
)
"""What Java and Python read alike: no `$` and `.`, whose ends of lines differ, no classes within classes."""


@sql_function("rlike", "regexp", "regexp_like")
def _matches(call: Call) -> Expression:
    call.expect(2)
    search = _regex(call).compiled.search
    shown = "REGEXP_LIKE" if call.name == "regexp_like" else "RLIKE"
    return call.strict(BOOLEAN, lambda value: search(value) is not None, [call.argument(0, STRING)], call.text(shown))


@sql_function("split")
def _split(call: Call) -> Expression:
    """By a regular expression; a limit above 0 is the largest number of parts."""
    call.expect(2, 3)
    text = call.text(None, *(["-1"] if len(call.arguments) == 2 else []))
    limit, is_empty = call.optional(2, INT, -1), call.constant(1, STRING) == ""
    pattern = _regex(call).compiled if is_empty else _filled(call)

    def evaluate(value: str, most: int) -> list[str]:
        if is_empty:
            return [*value[: most - 1], value[most - 1 :]] if 0 < most < len(value) else list(value) or [""]
        parts: list[str] = []
        begin = 0
        for found in pattern.finditer(value):
            if 0 < most <= len(parts) + 1:
                break
            parts.append(value[begin : found.start()])
            begin = found.end()
        return [*parts, value[begin:]]

    return Expression(_STRINGS, strict(evaluate, call.argument(0, STRING), limit), text)


@sql_function("regexp_replace")
def _regex_replace(call: Call) -> Expression:
    call.expect(3)
    pattern, new = _filled(call), call.constant(2, STRING)
    if new is None or "$" in new or "\\" in new:
        raise UnsupportedSqlError("regexp_replace with groups in what is put in")

    def evaluate(value: str) -> str:
        return pattern.sub(lambda _: new, value)

    return call.strict(STRING, evaluate, [call.argument(0, STRING)], call.text(None, "1"))


@sql_function("regexp_extract")
def _regex_extract(call: Call) -> Expression:
    """A group, an empty string where nothing matches."""
    call.expect(2, 3)
    text = call.text(None, *(["1"] if len(call.arguments) == 2 else []))
    pattern, group = _groups(call), call.constant(2, INT, 1)
    if group is None or not 0 <= group <= pattern.groups:
        raise UnsupportedSqlError(f"regexp_extract of group {group} of {pattern.groups}")

    def evaluate(value: str) -> str:
        found = pattern.search(value)
        return "" if found is None else found.group(group) or ""

    return call.strict(STRING, evaluate, [call.argument(0, STRING)], text)
