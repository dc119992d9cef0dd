"""Texts to words: tokenizers, stop words, n-grams."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

from skysail_container.spark.ascii_words import ascii_words_of
from skysail_container.spark.errors import UnsupportedStageError
from skysail_container.spark.java_regex import JavaRegexError, findall_of, pattern_of, split_of
from skysail_container.spark.java_strings import lower, lower_in, utf16_length
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import STRING, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder

__all__ = ["NGram", "RegexTokenizer", "StopWordsRemover", "Tokenizer"]

WORDS = "array<string>"
_NO_WORDS = (WORDS, "array<void>")


@spark_stage("org.apache.spark.ml.feature.Tokenizer", parameters={"inputCol": None, "outputCol": None})
@dataclass(frozen=True)
class Tokenizer(Stage):
    r"""Lower case, split at each ASCII white space. Source: Tokenizer, `toLowerCase.split("\\s")`.

    Two spaces leave an empty word between them; empty words at the end are left out.
    """

    uid: str
    input_column: str
    output_column: str

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        return cls(folder.uid, folder.required("inputCol"), folder.required("outputCol"))

    def bind(self, schema: Schema) -> Bound:
        schema.column(self.uid, self.input_column, STRING)
        after = schema.with_output(self.uid, self.output_column, WORDS)
        source, target = self.input_column, self.output_column

        def score(row: Row) -> None:
            text = row[source]
            if text is None:
                raise self.row_error(f"{source} is null")
            if text.isascii():
                words = text.encode().translate(_ASCII_LOWER).decode().split(" ")
            else:
                words = lower(text).translate(_SPACES).split(" ")
            if not words[-1] and len(words) > 1:
                _drop_empty_end(words)
            row[target] = words

        return Bound(after, score)


def _drop_empty_end(words: list[str]) -> None:
    while words and not words[-1]:
        words.pop()


_SPACES: Final = str.maketrans("\t\n\x0b\f\r", " " * 5)
_ASCII_LOWER: Final = bytes(range(256)).lower().translate(bytes.maketrans(b"\t\n\x0b\f\r", b" " * 5))
"""What becomes of each byte of ASCII text: capitals small, white space blanks."""


@spark_stage(
    "org.apache.spark.ml.feature.RegexTokenizer",
    parameters={
        "inputCol": None, "outputCol": None, "pattern": "\\s+", "gaps": True, "minTokenLength": 1, "toLowercase": True,
    },
    exactness="exact with Java 8 to 17, but for patterns of look-arounds alone in characters beyond the basic plane; "
    "a pattern that Python cannot match is refused when loading",
)  # fmt: skip
@dataclass(frozen=True)
class RegexTokenizer(Stage):
    """Words between or in what a Java pattern matches. Source: RegexTokenizer."""

    uid: str
    input_column: str
    output_column: str
    pattern: str = "\\s+"
    """A Java regular expression."""
    gaps: bool = True
    """It matches what is between words."""
    min_length: int = 1
    """Shorter words, in units of UTF-16, are left out."""
    to_lower: bool = True

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        stage = cls(
            folder.uid,
            folder.required("inputCol"),
            folder.required("outputCol"),
            folder.required("pattern"),
            folder.required("gaps"),
            folder.required("minTokenLength"),
            folder.required("toLowercase"),
        )
        stage._words_of()
        return stage

    def bind(self, schema: Schema) -> Bound:
        schema.column(self.uid, self.input_column, STRING)
        after = schema.with_output(self.uid, self.output_column, WORDS)
        source, target, to_lower, min_length = self.input_column, self.output_column, self.to_lower, self.min_length
        words_of, ascii_words = self._words_of(), None
        if min_length > 0:  # empty words are left out
            ascii_words = ascii_words_of(pattern_of(self.pattern), gaps=self.gaps, to_lower=to_lower)

        def score(row: Row) -> None:
            text = row[source]
            if text is None:
                raise self.row_error(f"{source} is null")
            if ascii_words is not None and text.isascii():
                words = ascii_words(text)
                row[target] = words if min_length <= 1 else [word for word in words if len(word) >= min_length]
                return
            words = words_of(lower(text) if to_lower else text)
            if min_length > 0:
                words = [word for word in words if len(word) >= min_length or utf16_length(word) >= min_length]
            row[target] = words

        return Bound(after, score)

    def _words_of(self) -> Callable[[str], list[str]]:
        """
        :raises UnsupportedStageError: Python cannot match what the pattern matches.
        """
        try:
            pattern = pattern_of(self.pattern)
        except JavaRegexError as error:
            raise UnsupportedStageError(self.uid, f"its pattern {self.pattern!r} is not known here: {error}") from error
        return split_of(pattern) if self.gaps else findall_of(pattern)


@spark_stage(
    "org.apache.spark.ml.feature.StopWordsRemover",
    parameters={
        "inputCol": None, "outputCol": None, "inputCols": None, "outputCols": None, "stopWords": None,
        "caseSensitive": False, "locale": "en_US",
    },
)  # fmt: skip
@dataclass(frozen=True)
class StopWordsRemover(Stage):
    """Words without the stop words. Source: StopWordsRemover."""

    uid: str
    input_columns: tuple[str, ...]
    output_columns: tuple[str, ...]
    stop_words: tuple[str | None, ...]
    """None is one where nulls are left out as well."""
    case_sensitive: bool = False
    locale: str = "en_US"
    """Of the lower case that words are compared in."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        if folder.param("inputCols") is not None:
            names = tuple(folder.required("inputCols")), tuple(folder.required("outputCols"))
        else:
            names = (folder.required("inputCol"),), (folder.required("outputCol"),)
        if len(names[0]) != len(names[1]):
            raise folder.error("it has not as many inputCols as outputCols")
        words = tuple(folder.required("stopWords"))
        if not all(isinstance(word, str) for word in words):
            raise folder.error("its stopWords are not all texts")
        return cls(
            folder.uid,
            *names,
            words,
            folder.required("caseSensitive"),
            folder.required("locale"),
        )

    def bind(self, schema: Schema) -> Bound:
        for name in self.input_columns:
            schema.column(self.uid, name, *_NO_WORDS)
        after = schema
        for name in self.output_columns:
            after = after.with_output(self.uid, name, WORDS)
        pairs = tuple(zip(self.input_columns, self.output_columns, strict=True))
        without = self._filter()

        def score(row: Row) -> None:
            for source, target in pairs:
                words = row[source]
                if words is None:
                    raise self.row_error(f"{source} is null")
                row[target] = without(words)

        return Bound(after, score)

    def _filter(self) -> Callable[[list[Any]], list[Any]]:
        if self.case_sensitive:
            exact = frozenset(self.stop_words)
            return lambda words: [word for word in words if word not in exact]
        to_lower = lower_in(self.locale)
        stops = frozenset(None if word is None else to_lower(word) for word in self.stop_words)

        def without(words: list[Any]) -> list[Any]:
            try:
                joined = "".join(words)
            except TypeError:  # a null among them
                pass
            else:
                if joined.isascii() and joined == joined.lower():  # as tokenizers leave them: lower in any locale
                    return words if stops.isdisjoint(words) else [word for word in words if word not in stops]
            return [word for word in words if (word if word is None else to_lower(word)) not in stops]

        return without


@spark_stage("org.apache.spark.ml.feature.NGram", parameters={"inputCol": None, "outputCol": None, "n": 2})
@dataclass(frozen=True)
class NGram(Stage):
    """Every `n` words that follow one another, joined by spaces; a null is the word "null". Source: NGram."""

    uid: str
    input_column: str
    output_column: str
    n: int = 2

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        return cls(folder.uid, folder.required("inputCol"), folder.required("outputCol"), int(folder.required("n")))

    def bind(self, schema: Schema) -> Bound:
        schema.column(self.uid, self.input_column, *_NO_WORDS)
        after = schema.with_output(self.uid, self.output_column, WORDS)
        source, target, n = self.input_column, self.output_column, self.n
        if n < 1:
            raise self.error(f"its parameter n is {n}, and must be 1 at least")

        def score(row: Row) -> None:
            words = row[source]
            if words is None:
                raise self.row_error(f"{source} is null")
            if None in words:
                words = ["null" if word is None else word for word in words]
            starts = range(min(n, len(words)))
            row[target] = (
                list(map(" ".join, zip(*[words[start:] for start in starts], strict=False))) if n <= len(words) else []
            )

        return Bound(after, score)
