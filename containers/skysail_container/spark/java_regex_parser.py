"""The grammar of Java's regular expressions, read into patterns of Python.

Each character class is worked out to ranges of characters and written as one of Python's, so that nothing depends on
what Python takes for a digit, a space or a letter.

Source: java.util.regex.Pattern.
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import cache

from skysail_container.spark.java_characters import (
    EVERYTHING,
    Ranges,
    complement,
    intersection,
    named,
    union,
    with_both_cases,
)

__all__ = ["JavaRegexError", "translated"]

_MAX_LENGTH = 10_000
_MAX_DEPTH = 100
_CASED = re.compile(r"(Is|java)?(gc=|general_category=)?(Lu|Ll|Lt|(Lower|Upper|Title)([Cc]ase)?)", re.IGNORECASE)
_PLAIN = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "a": "\a", "e": "\x1b"}


class JavaRegexError(ValueError):
    """A pattern that Java does not take, or that Python cannot match."""


@dataclass(frozen=True, slots=True)
class _Flags:
    i: bool = False
    d: bool = False
    m: bool = False
    s: bool = False
    u: bool = False
    x: bool = False
    U: bool = False

    @property
    def line_ends(self) -> str:
        return "\n" if self.d else "\n\r\x85\u2028\u2029"


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of Python's pattern, to which a quantifier may be added."""

    python: str
    may_be_empty: bool


def translated(java: str) -> tuple[str, bool]:
    """Python's pattern, and whether it may match the empty string.

    :raises JavaRegexError: it is not known here.
    """
    if len(java) > _MAX_LENGTH:
        raise JavaRegexError(f"it is longer than {_MAX_LENGTH} characters")
    without_groups = _Parser(java, False)
    branches = without_groups.branches(0)
    if without_groups.refers_back:
        branches = _Parser(java, True).branches(0)
    return "|".join(part.python for part in branches), any(part.may_be_empty for part in branches)


class _Parser:
    def __init__(self, text: str, keeps_groups: bool) -> None:
        self.text = text
        self.at = 0
        self.flags = _Flags()
        self.keeps_groups = keeps_groups
        self.n_groups = 0
        self.names: set[str] = set()
        self.refers_back = False

    def branches(self, depth: int) -> list[_Part]:
        """The alternatives up to the closing parenthesis, or to the end of all."""
        if depth > _MAX_DEPTH:
            raise JavaRegexError(f"its groups are nested more than {_MAX_DEPTH} deep")
        found, parts = [], list[_Part]()
        while (character := self._peek()) and character != ")":
            if character == "|":
                self.at += 1
                found.append(_joined(parts))
                parts = []
                continue
            atom = self._atom(depth)
            if atom is not None:
                parts.append(self._quantified(atom))
        if (character == ")") != (depth > 0):
            raise JavaRegexError("its parentheses do not match")
        return [*found, _joined(parts)]

    def _peek(self) -> str:
        """The next character that counts; "" at the end."""
        if self.flags.x:
            while self.at < len(self.text) and self.text[self.at] in " \t\n\x0b\f\r#":
                if self.text[self.at] == "#":
                    while self.at < len(self.text) and self.text[self.at] not in self.flags.line_ends:
                        self.at += 1
                self.at += 1
        return self.text[self.at : self.at + 1]

    def _next(self) -> str:
        character = self.text[self.at : self.at + 1]
        if not character:
            raise JavaRegexError("it ends too early")
        self.at += 1
        return character

    def _atom(self, depth: int) -> _Part | None:
        character = self._next()
        match character:
            case "(":
                return self._group(depth)
            case "[":
                return _class(self._class(depth))
            case "\\":
                return self._escaped()
            case ".":
                return _class(EVERYTHING if self.flags.s else complement(_points(self.flags.line_ends)))
            case "^":
                return _Part(self._line_start() if self.flags.m else r"\A", True)
            case "$":
                return _Part(self._line_end(), True)
            case "*" | "+" | "?" | "{":
                raise JavaRegexError(f"there is nothing that {character!r} could repeat")
        return self._literal(character)

    def _literal(self, character: str) -> _Part:
        if "\ud800" <= character <= "\udfff":
            raise JavaRegexError("it holds half a character")
        if self.flags.i:
            return _class(self._cased(_points(character)))
        return _Part(re.escape(character), False)

    def _cased(self, ranges: Ranges) -> Ranges:
        return with_both_cases(ranges, self.flags.u) if self.flags.i else ranges

    def _line_start(self) -> str:
        if self.flags.d:
            return r"(?:(?!\Z)(?:\A|(?<=\n)))"
        return r"(?:(?!\Z)(?:\A|(?<=[\n\r\x85\u2028\u2029])(?<!\r(?=\n))))"

    def _line_end(self, is_multiline: bool | None = None) -> str:
        """`$`, or with False what \\Z is."""
        ends = r"\n" if self.flags.d else r"(?:\r\n|(?<!\r)\n|[\r\x85\u2028\u2029])"
        if self.flags.m if is_multiline is None else is_multiline:
            return rf"(?=\Z|{ends})"
        return rf"(?={ends}?\Z)"

    def _quantified(self, atom: _Part) -> _Part:
        quantifier, least = "", 1
        match self._peek():
            case "*" | "?" as character:
                self.at += 1
                quantifier, least = character, 0
            case "+":
                self.at += 1
                quantifier = "+"
            case "{":
                quantifier, least = self._bounds()
        if not quantifier:
            return atom
        if self.text[self.at : self.at + 1] in ("?", "+"):
            quantifier += self._next()
        return _Part(f"(?:{atom.python}){quantifier}" if _is_long(atom.python) else atom.python + quantifier,
                     atom.may_be_empty or least == 0)  # fmt: skip

    def _bounds(self) -> tuple[str, int]:
        found = re.compile(r"\{(\d{1,9})(,(\d{0,9}))?\}").match(self.text, self.at)
        if found is None:
            raise JavaRegexError("a repetition in braces is not closed or no number")
        self.at = found.end()
        return found[0], int(found[1])

    # ---- groups

    def _group(self, depth: int) -> _Part | None:
        if self.text[self.at : self.at + 1] != "?":
            self.n_groups += 1
            return self._body("(" if self.keeps_groups else "(?:", depth)
        self.at += 1
        rest = self.text[self.at : self.at + 2]
        for opening in (":", "=", "!", ">", "<=", "<!"):
            if rest.startswith(opening):
                self.at += len(opening)
                if opening in ("<=", "<!"):
                    return self._look_behind(opening, depth)
                body = self._body(f"(?{opening}", depth)
                return body if opening in ":>" else _Part(body.python, True)
        if rest.startswith("<"):
            return self._named_group(depth)
        return self._flagged(depth)

    def _body(self, opening: str, depth: int) -> _Part:
        before = self.flags
        branches = self.branches(depth + 1)
        self.at += 1
        self.flags = before
        python = "|".join(part.python for part in branches)
        return _Part(f"{opening}{python})", any(part.may_be_empty for part in branches))

    def _look_behind(self, opening: str, depth: int) -> _Part:
        """Python wants one length for each: alternatives are looked for one by one."""
        before = self.flags
        branches = self.branches(depth + 1)
        self.at += 1
        self.flags = before
        each = [f"(?{opening}{part.python})" for part in branches]
        return _Part(f"(?:{('' if opening == '<!' else '|').join(each)})", True)

    def _named_group(self, depth: int) -> _Part:
        found = re.compile(r"<([a-zA-Z][a-zA-Z0-9]*)>").match(self.text, self.at)
        if found is None or found[1] in self.names:
            raise JavaRegexError("a group's name is no name, or there twice")
        self.at = found.end()
        self.names.add(found[1])
        self.n_groups += 1
        return self._body(f"(?P<{found[1]}>" if self.keeps_groups else "(?:", depth)

    def _flagged(self, depth: int) -> _Part | None:
        """(?i) up to the end of the group, (?i:...) for what is in it."""
        before = self.flags
        is_on = True
        while (letter := self._next()) not in ":)":
            if letter == "-" and is_on:
                is_on = False
            elif letter in "idmsuxU":
                changes = {letter: is_on} | ({"u": is_on} if letter == "U" else {})
                self.flags = replace(self.flags, **changes)
            else:
                raise JavaRegexError(f"(?{letter} is not known here")
        if letter == ")":
            return None
        body = self._body("(?:", depth)
        self.flags = before
        return body

    # ---- escapes

    def _escaped(self) -> _Part:
        character = self._next()
        boundary = self._boundary(character)
        if boundary is not None:
            return _Part(boundary, True)
        match character:
            case "Q":
                return self._quoted()
            case "R":
                return _Part(r"(?:\r\n|[\n\x0b\f\r\x85\u2028\u2029])", False)
            case "k":
                return self._back_to_name()
            case "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9":
                return self._back_to(character)
        ranges = self._predefined(character)
        if ranges is not None:
            return _class(ranges)
        return self._literal(self._escaped_character(character))

    def _boundary(self, character: str) -> str | None:
        match character:
            case "A":
                return r"\A"
            case "z":
                return r"\Z"
            case "Z":
                return self._line_end(is_multiline=False)
            case "b" | "B":
                if self.text[self.at : self.at + 1] == "{":
                    raise JavaRegexError(r"\b{g} is not known here")
                left, right = _word_sides(self.flags.U)
                if character == "b":
                    return f"(?:{left}(?!{right})|(?!{left}){right})"
                return f"(?:{left}{right}|(?!{left})(?!{right}))"
        return None

    def _quoted(self) -> _Part:
        """All up to \\E as it is; what follows repeats only the last of it."""
        end = self.text.find("\\E", self.at)
        quoted = self.text[self.at : end if end >= 0 else len(self.text)]
        self.at = len(self.text) if end < 0 else end + 2
        parts = [self._literal(character) for character in quoted]
        if parts:
            parts[-1] = self._quantified(parts[-1])
        return _joined(parts)

    def _back_to(self, digit: str) -> _Part:
        number = int(digit)
        while (more := self.text[self.at : self.at + 1]).isdecimal() and number * 10 + int(more) <= self.n_groups:
            number = number * 10 + int(self._next())
        if number > self.n_groups:
            raise JavaRegexError(f"there is no group {number} before it is referred to")
        return self._reference(f"(?:\\{number})")

    def _back_to_name(self) -> _Part:
        found = re.compile(r"<([a-zA-Z][a-zA-Z0-9]*)>").match(self.text, self.at)
        if found is None or found[1] not in self.names:
            raise JavaRegexError("there is no group of the name that is referred to")
        self.at = found.end()
        return self._reference(f"(?P={found[1]})")

    def _reference(self, python: str) -> _Part:
        self.refers_back = True
        if self.flags.i:
            python = f"(?i{'u' if self.flags.u else 'a'}:{python})"
        return _Part(python, True)

    def _predefined(self, character: str) -> Ranges | None:
        r"""Of \d, \D, \p{...} and their like; None: it is none of them."""
        if character in "pP":
            name = self._property_name()
            if self.flags.i and _CASED.fullmatch(name):
                raise JavaRegexError(rf"\{character}{{{name}}} without regard to case is not known here")
        elif character in "dDsSwWhHvV":
            name = character.lower()
        else:
            return None
        is_negated = character.isupper()
        if character in "pP" and name.startswith("^"):
            raise JavaRegexError(rf"\{character}{{{name}}} is not known here")
        ranges = named(name, self.flags.U)
        if ranges is None:
            raise JavaRegexError(rf"\{character}{{{name}}} is not known here")
        return complement(ranges) if is_negated else ranges

    def _property_name(self) -> str:
        if self._next() != "{":
            return self.text[self.at - 1]
        end = self.text.find("}", self.at)
        if end < 0:
            raise JavaRegexError("a property's brace is not closed")
        name, self.at = self.text[self.at : end], end + 1
        return name

    def _escaped_character(self, character: str) -> str:
        if character in _PLAIN:
            return _PLAIN[character]
        match character:
            case "0":
                return self._numbered(r"[0-3]?[0-7]{1,2}", 8)
            case "x":
                if self.text[self.at : self.at + 1] == "{":
                    return self._numbered(r"\{([0-9a-fA-F]{1,8})\}", 16)
                return self._numbered(r"[0-9a-fA-F]{2}", 16)
            case "u":
                return self._utf16()
            case "c":
                return chr(ord(self._next()) ^ 64)
            case "N":
                return self._of_name()
        if character.isascii() and character.isalpha():
            raise JavaRegexError(f"\\{character} is not known here")
        return character

    def _numbered(self, form: str, base: int) -> str:
        found = re.compile(form).match(self.text, self.at)
        if found is None:
            raise JavaRegexError("a character's number is none")
        self.at = found.end()
        point = int(found[found.lastindex or 0], base)
        if point > 0x10FFFF:
            raise JavaRegexError("a character's number is beyond Unicode")
        return chr(point)

    def _utf16(self) -> str:
        unit = self._numbered(r"[0-9a-fA-F]{4}", 16)
        if "\ud800" <= unit <= "\udbff" and self.text.startswith("\\u", self.at):
            self.at += 2
            units = unit + self._numbered(r"[0-9a-fA-F]{4}", 16)
            return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return unit

    def _of_name(self) -> str:
        found = re.compile(r"\{([^}]*)\}").match(self.text, self.at)
        try:
            character = unicodedata.lookup(found[1] if found else "")
        except KeyError:
            raise JavaRegexError("a character's name is none") from None
        self.at = found.end() if found else self.at
        return character

    # ---- classes

    def _class(self, depth: int, closes: bool = True) -> Ranges:
        """Up to the bracket that closes it, which is consumed if `closes`: the right side of && is a class without."""
        if depth > _MAX_DEPTH:
            raise JavaRegexError(f"its classes are nested more than {_MAX_DEPTH} deep")
        is_negated = closes and self._peek() == "^"
        self.at += is_negated
        found: Ranges | None = None
        while True:
            character = self._peek()
            if character == "]" and found is not None:
                self.at += closes
                return complement(found) if is_negated else found
            if character == "[":
                self.at += 1
                found = union(found or (), self._class(depth + 1))
            elif self.text.startswith("&&", self.at):
                self.at += 2
                found = self._intersected(found, depth)
            else:
                found = union(found or (), self._range())

    def _intersected(self, left: Ranges | None, depth: int) -> Ranges:
        right: Ranges | None = None
        while (character := self._peek()) not in ("]", "&"):
            if not character:
                raise JavaRegexError("a class is not closed")
            self.at += character == "["
            right = union(right or (), self._class(depth + 1, closes=character == "["))
        if left is None and right is None:
            raise JavaRegexError("&& stands between nothing")
        if right is None:
            return left or ()
        return right if left is None else intersection(left, right)

    def _range(self) -> Ranges:
        first = self._member()
        if not isinstance(first, str):
            return first
        if self._peek() != "-" or self.text[self.at + 1 : self.at + 2] in ("]", "["):
            return self._cased(_points(first))
        self.at += 1
        self._peek()
        last = self._member()
        if not isinstance(last, str) or last < first:
            raise JavaRegexError("a range of characters has no end, or one before its beginning")
        return self._cased(((ord(first), ord(last)),))

    def _member(self) -> str | Ranges:
        self._peek()
        character = self._next()
        if character != "\\":
            return character
        character = self._next()
        if character == "Q":
            raise JavaRegexError(r"\Q in a class is not known here")
        predefined = self._predefined(character)
        return self._escaped_character(character) if predefined is None else predefined


def _points(characters: str) -> Ranges:
    return union(tuple((ord(character), ord(character)) for character in characters))


def _joined(parts: list[_Part]) -> _Part:
    return _Part("".join(part.python for part in parts), all(part.may_be_empty for part in parts))


def _is_long(python: str) -> bool:
    """Whether a quantifier after it would repeat only its end."""
    return not (len(python) == 1 or (len(python) == 2 and python[0] == "\\") or python[0] in "([")


def _class(ranges: Ranges) -> _Part:
    if not ranges:
        return _Part("(?!)", False)
    return _Part(_written(ranges), False)


@cache
def _written(ranges: Ranges) -> str:
    ends = ((_escaped(first), _escaped(last)) for first, last in ranges)
    return f"[{''.join(first if first == last else f'{first}-{last}' for first, last in ends)}]"


def _escaped(point: int) -> str:
    character = chr(point)
    return f"\\{character}" if character in "\\]^-[&~|" else character


@cache
def _word_sides(is_unicode: bool) -> tuple[str, str]:
    r"""Whether a word is to the left of a place, and to its right, as \b asks.

    Letters, digits and the underscore are of a word; so are marks upon a letter or digit, here up to two of them.
    """
    base, mark = (_written(union(*[named(name) or () for name in names])) for names in (("L", "Nd"), ("Mn",)))
    plain = named("w", True) or () if is_unicode else union(*[named(name) or () for name in ("L", "Nd")], _points("_"))
    word = _written(plain)
    left = f"(?:(?<={word})|(?<={mark})(?:(?<={base}{mark})|(?<={base}{mark}{mark})))"
    right = f"(?:(?={word})|(?={mark})(?:(?<={base})|(?<={base}{mark})))"
    return left, right
