"""Strings as Java treats them: lower case by locale, lengths in UTF-16.

Source: java.lang.String.toLowerCase(Locale), java.lang.ConditionalSpecialCasing, Unicode's SpecialCasing.txt.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final

__all__ = ["lower", "lower_in", "utf16_length"]

_SIGMA: Final = "\u03a3"
_FINAL_SIGMA: Final = "\u03c2"
_SMALL_SIGMA: Final = "\u03c3"
_MID_WORD: Final = "\"'.\u00ad\u2027"
"""With dashes those that part no word when they stand between two letters."""
_MID_NUMBER: Final = "\"',.\u066b"
"""Those that part no word when they stand between two digits."""
_CASED: Final = re.compile(
    "[\u02b0-\u02b8\u02c0\u02c1\u02e0-\u02e4\u0345\u037a\u1d2c-\u1d61\u2160-\u217f\u24b6-\u24e9]"
)
"""What has case and is no letter of a case."""


def utf16_length(text: str) -> int:
    """`text.length()` in Java: characters beyond the basic plane count twice."""
    return len(text) if text.isascii() else len(text) + sum(character > "\uffff" for character in text)


def lower(text: str) -> str:
    """`text.toLowerCase()` in any locale but Turkish, Azeri and Lithuanian."""
    return text.lower() if _SIGMA not in text else _with_sigmas(text, text)


def lower_in(locale: str) -> Callable[[str], str]:
    """`text.toLowerCase(new Locale(locale))`.

    `new Locale("tr_TR")` is a language of that whole name, unknown to Java, and so nothing special.
    """
    language = locale.lower()
    if language in ("tr", "az"):
        return _turkish
    return _lithuanian if language == "lt" else lower


def _with_sigmas(text: str, original: str) -> str:
    """Lower case of `text`, whose capital sigmas are where they are in `original`, final ones in their form."""
    parts = text.split(_SIGMA)
    whole = [parts[0].lower()]
    position = -1
    for part in parts[1:]:
        position = original.index(_SIGMA, position + 1)
        whole.append(_FINAL_SIGMA if _ends_word(original, position) else _SMALL_SIGMA)
        whole.append(part.lower())
    return "".join(whole)


def _ends_word(text: str, position: int) -> bool:
    """Whether a cased letter comes before in the same word, and none after. Java asks a BreakIterator for words."""
    return _has_cased(text, position, -1) and not _has_cased(text, position, 1)


def _has_cased(text: str, position: int, step: int) -> bool:
    position += step
    while 0 <= position < len(text) and _continues_word(text, position):
        if unicodedata.category(text[position]) in ("Lu", "Ll", "Lt") or _CASED.match(text[position]):
            return True
        position += step
    return False


def _continues_word(text: str, position: int) -> bool:
    character = text[position]
    category = unicodedata.category(character)
    if character.isalnum() or category in ("Mn", "Mc", "Me", "Pc") or (category == "Cf" and character != "\u00ad"):
        return True
    if position == 0 or position + 1 == len(text):
        return False
    before, after = text[position - 1], text[position + 1]
    if (character in _MID_WORD or category == "Pd") and before.isalpha() and after.isalpha():
        return True
    return character in _MID_NUMBER and before.isdecimal() and after.isdecimal()


def _turkish(text: str) -> str:
    if text.isascii():
        return text.replace("I", "\u0131").lower()
    text = _DOTTED_I.sub(lambda found: "i" + found[1], text)
    return lower(text.replace("\u0130", "i").replace("I", "\u0131"))


_DOTTED_I = re.compile("I([^\u0300-\u036f\\s\\w]*)\u0307")
"""I and a dot above are a small i in Turkish."""

_ABOVE = "\u0300-\u0314\u033d-\u0344\u0346\u034a-\u034c\u0350-\u0352\u0357\u035b\u0363-\u036f"
_BELOW = "\u0316-\u0319\u031c-\u0333\u0339-\u033c\u0347-\u0349\u034d\u034e\u0353-\u0356\u0359\u035a"
_MORE_ABOVE = re.compile(f"([IJ\u012e])(?=[{_BELOW}]*[{_ABOVE}])")
_LITHUANIAN = {"\u00cc": "i\u0307\u0300", "\u00cd": "i\u0307\u0301", "\u0128": "i\u0307\u0303"}


def _lithuanian(text: str) -> str:
    """The dot of i, j and i with an ogonek is written out below another accent."""
    if text.isascii():
        return text.lower()
    text = _MORE_ABOVE.sub(lambda found: found[1].lower() + "\u0307", text)
    for capital, small in _LITHUANIAN.items():
        text = text.replace(capital, small)
    return lower(text)
