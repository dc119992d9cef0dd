r"""The sets of characters that Java's patterns name: \d, \p{Lu}, \p{Alpha}, \p{IsPunctuation}.

Source: java.util.regex.Pattern and CharPredicates. Unicode's version is that of Python's `unicodedata`.
"""

import sys
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from typing import Final

__all__ = ["EVERYTHING", "Ranges", "complement", "intersection", "named", "union", "with_both_cases"]

Ranges = tuple[tuple[int, int], ...]
"""Code points from the first to the last, both included; ascending, without overlap and without gaps of nothing."""

EVERYTHING: Final[Ranges] = ((0, sys.maxunicode),)


def union(*sets: Ranges) -> Ranges:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(one for ranges in sets for one in ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def complement(ranges: Ranges) -> Ranges:
    rest, start = [], 0
    for first, last in ranges:
        if start < first:
            rest.append((start, first - 1))
        start = last + 1
    if start <= sys.maxunicode:
        rest.append((start, sys.maxunicode))
    return tuple(rest)


def intersection(left: Ranges, right: Ranges) -> Ranges:
    return complement(union(complement(left), complement(right)))


def _of(text: str) -> Ranges:
    """The characters of "az09__": pairs of first and last."""
    return union(tuple((ord(first), ord(last)) for first, last in zip(text[::2], text[1::2], strict=True)))


_ASCII: Final = {
    "Lower": _of("az"),
    "Upper": _of("AZ"),
    "ASCII": _of("\x00\x7f"),
    "Alpha": _of("AZaz"),
    "Digit": _of("09"),
    "Alnum": _of("09AZaz"),
    "Punct": _of("!/:@[`{~"),
    "Graph": _of("!~"),
    "Print": _of(" ~"),
    "Blank": _of("  \t\t"),
    "Cntrl": _of("\x00\x1f\x7f\x7f"),
    "XDigit": _of("09AFaf"),
    "Space": _of("  \t\r"),
    "d": _of("09"),
    "s": _of("  \t\r"),
    "w": _of("09AZaz__"),
    "h": _of("  \t\t\xa0\xa0\u1680\u1680\u180e\u180e\u2000\u200a\u202f\u202f\u205f\u205f\u3000\u3000"),
    "v": _of("\n\r\x85\x85\u2028\u2029"),
}

_WHITE_SPACE: Final = _of(
    "\t\r  \x85\x85\xa0\xa0\u1680\u1680\u2000\u200a\u2028\u2029\u202f\u202f\u205f\u205f\u3000\u3000"
)
_CIRCLED_LETTERS: Final = _of("\u24b6\u24e9\U0001f130\U0001f149\U0001f150\U0001f169\U0001f170\U0001f189")
"""Symbols that are alphabetic to Unicode, as no other symbol is."""

_GROUPS: Final = {"LC": ("Lu", "Ll", "Lt"), "LD": ("L", "Nd")}
_JAVA: Final = {
    "javaLowerCase": "IsLowercase", "javaUpperCase": "IsUppercase", "javaTitleCase": "Lt", "javaDigit": "Nd",
    "javaLetter": "L", "javaLetterOrDigit": "LD", "javaDefined": "IsAssigned",
}  # fmt: skip
_BINARY: Final = {"LETTER": "L", "DIGIT": "Nd", "PUNCTUATION": "P", "CONTROL": "Cc", "TITLECASE": "Lt"}


@cache
def named(name: str, is_unicode: bool = False) -> Ranges | None:
    r"""The characters of `\p{name}`, or of \d, \s, \w, \h and \v under their letters; None: not known here.

    :param is_unicode: whether the flag (?U) makes \d, \s, \w and the ASCII classes Unicode's.
    """
    if is_unicode and name in _ASCII and name not in ("ASCII", "h", "v"):
        return _of_unicode(name)
    if name in _ASCII:
        return _ASCII[name]
    if name in _JAVA:
        return named(_JAVA[name])
    key, is_assigned, value = name.partition("=")
    if is_assigned:
        return _category(value) if key.lower() in ("gc", "general_category") else None
    if name.startswith("Is"):
        return _binary(name[2:].upper()) or _category(name[2:])
    return _category(name)


def _category(name: str) -> Ranges | None:
    if name == "all":
        return EVERYTHING
    if name == "L1":
        return ((0, 255),)
    wanted = _GROUPS.get(name, (name,))
    found = [ranges for category, ranges in _categories().items() if category.startswith(wanted)]
    return union(*found) if found else None


def _binary(name: str) -> Ranges | None:
    """Of a binary property of Unicode; those that `unicodedata` does not tell are not known."""
    if name in _BINARY:
        return _category(_BINARY[name])
    match name:
        case "WHITE_SPACE" | "WHITESPACE":
            return _WHITE_SPACE
        case "ASSIGNED":
            return complement(_category("Cn") or ())
        case "LOWERCASE":
            return _where(str.islower, "L", "N", "M", "S")
        case "UPPERCASE":
            return _where(str.isupper, "L", "N", "M", "S")
        case "WORD":
            return _of_unicode("w")
        case "HEX_DIGIT" | "HEXDIGIT":
            return _of("09AFaf\uff10\uff19\uff21\uff26\uff41\uff46")
    return None


def _of_unicode(name: str) -> Ranges | None:
    """Of the names in `_ASCII` under the flag (?U)."""
    match name:
        case "d" | "Digit":
            return _category("Nd")
        case "s" | "Space":
            return _WHITE_SPACE
        case "w":
            parts = [_category(one) or () for one in ("L", "M", "Nd", "Nl", "Pc")]
            return union(*parts, _CIRCLED_LETTERS, _of("\u200c\u200d"))
        case "Lower" | "Upper":
            return _binary(f"{name}CASE".upper())
        case "Punct":
            return _category("P")
        case "Cntrl":
            return _category("Cc")
    return None


@cache
def with_both_cases(ranges: Ranges, is_unicode: bool) -> Ranges:
    """With the characters that the flag (?i) takes for the same: of ASCII, or with (?iu) of Unicode."""
    if is_unicode:
        folded = _folds()
        points = (point for first, last in ranges for point in range(first, last + 1) if point in folded)
        return union(ranges, *[folded[point] for point in points])
    upper, lower = (intersection(ranges, _ASCII[name]) for name in ("Upper", "Lower"))
    return union(ranges, _shifted(upper, 32), _shifted(lower, -32))


def _shifted(ranges: Ranges, by: int) -> Ranges:
    return tuple((first + by, last + by) for first, last in ranges)


@cache
def _folds() -> dict[int, Ranges]:
    """The characters that are one but for their case, by each of them. Some 0.3 s, once, for (?iu) alone."""
    alike: dict[str, list[int]] = {}
    for point in range(sys.maxunicode + 1):
        character = chr(point)
        upper = character.upper()
        folded = (upper if len(upper) == 1 else character).lower()
        if len(folded) == 1 and (folded != character or upper != character):
            alike.setdefault(folded, []).append(point)
    return {point: _runs(points) for points in alike.values() for point in points}


def _where(holds: Callable[[str], bool], *categories: str) -> Ranges:
    points = [
        point
        for category in categories
        for first, last in _category(category) or ()
        for point in range(first, last + 1)
        if holds(chr(point))
    ]
    return _runs(sorted(points))


def _runs(points: Iterable[int]) -> Ranges:
    return union(tuple((point, point) for point in points))


@cache
def _categories() -> dict[str, Ranges]:
    """All code points by their general category: some 0.2 s, once, and only for patterns that name one."""
    found: dict[str, list[tuple[int, int]]] = {}
    start, current = 0, unicodedata.category("\0")
    for point in range(1, sys.maxunicode + 1):
        category = unicodedata.category(chr(point))
        if category != current:
            found.setdefault(current, []).append((start, point - 1))
            start, current = point, category
    found.setdefault(current, []).append((start, sys.maxunicode))
    return {category: tuple(ranges) for category, ranges in found.items()}
