r"""Java's regular expressions as Python's: classes of ASCII, classes in classes, line ends, flags, splitting.

Source: java.util.regex.Pattern up to Java 17 (\b became one of ASCII in Java 19). What Python cannot match alike
(scripts, blocks, \G, \X, look-behinds of several lengths) is refused. Left out: patterns without any class, such as \B,
also match between the halves of a character beyond the basic plane without having matched before it.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from skysail_container.spark.java_regex_parser import JavaRegexError, translated

__all__ = ["JavaRegex", "JavaRegexError", "findall_of", "pattern_of", "split_of"]


class JavaRegex:
    """A pattern of Python that matches what the one of Java does; without groups unless it refers to them."""

    def __init__(self, compiled: re.Pattern[str], may_be_empty: bool) -> None:
        self.compiled = compiled
        self.may_be_empty = may_be_empty
        """It may match the empty string somewhere."""

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Of all matches, as `Matcher.find` finds them: the one after an empty match begins a UTF-16 unit later.

        Positions count halves of characters: an odd one is within a character beyond the basic plane.
        """
        position = 0
        while position <= 2 * len(text):
            found = self._within(text, position // 2) if position % 2 else self._from(text, position // 2)
            if found is not None:
                yield found
            elif position % 2 == 0:
                return
            start, end = found or (position, position)
            position = end if end > start else end + _step(text, end)

    def _from(self, text: str, index: int) -> tuple[int, int] | None:
        found = self.compiled.search(text, index)
        return None if found is None else (2 * found.start(), 2 * found.end())

    def _within(self, text: str, index: int) -> tuple[int, int] | None:
        """The match that begins with the second half of a character, as Java sees the halves."""
        point = ord(text[index]) - 0x10000
        halves = chr(0xD800 + (point >> 10)) + chr(0xDC00 + (point & 0x3FF))
        found = self.compiled.match(text[:index] + halves + text[index + 1 :], index + 1)
        if found is None:
            return None
        start = 2 * index + 1
        return start, start if found.end() == index + 1 else 2 * (found.end() - 1)


def _step(text: str, position: int) -> int:
    """To the next UTF-16 unit."""
    return 1 if position % 2 or text[position // 2 : position // 2 + 1] > "\uffff" else 2


def _piece(text: str, start: int, end: int) -> str:
    """Between two positions of `spans`; half a character is a question mark, as in Java's UTF-8."""
    if start == end:
        return ""
    return "?" * (start % 2) + text[(start + 1) // 2 : end // 2] + "?" * (end % 2)


@lru_cache(maxsize=64)
def pattern_of(java: str) -> JavaRegex:
    """
    :raises JavaRegexError: Java would not take it, or Python cannot match what it matches.
    """
    python, may_be_empty = translated(java)
    try:
        return JavaRegex(re.compile(python), may_be_empty)
    except (re.error, RecursionError, OverflowError) as error:
        raise JavaRegexError(str(error)) from error


def findall_of(pattern: JavaRegex) -> Callable[[str], list[str]]:
    """All that matches in a text."""
    if not pattern.may_be_empty and not pattern.compiled.groups:
        return pattern.compiled.findall
    return lambda text: [_piece(text, start, end) for start, end in pattern.spans(text)]


def split_of(pattern: JavaRegex) -> Callable[[str], list[str]]:
    """`Pattern.split`: what is between matches, without empty strings at the end; the text where nothing matches."""
    if not pattern.may_be_empty and not pattern.compiled.groups:
        split = pattern.compiled.split
        return lambda text: _without_empty_end(split(text))
    return lambda text: _without_empty_end(_between(text, pattern.spans(text)))


def _between(text: str, spans: Iterator[tuple[int, int]]) -> list[str]:
    parts, position = [], 0
    for start, end in spans:
        if end > 0:  # an empty match at the beginning parts nothing
            parts.append(_piece(text, position, start))
            position = end
    return [*parts, _piece(text, position, 2 * len(text))]


def _without_empty_end(parts: list[str]) -> list[str]:
    if len(parts) > 1:
        while parts and not parts[-1]:
            parts.pop()
    return parts
