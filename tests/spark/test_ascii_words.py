"""Words by a table of characters are those that the regular expression finds, which Java's splitting is held to."""

import random
from collections.abc import Callable

import pytest

from skysail_container.spark import Pipeline
from skysail_container.spark.ascii_words import ascii_words_of
from skysail_container.spark.java_regex import pattern_of
from skysail_container.spark.stages.tokens import RegexTokenizer

SIMPLE = [
    "\\s+", "\\s", "\\W+", "\\W", "\\w+", "[^\\S\\t]", ",", "[,; ]+", "-", "[\\]\\-^]", "[\\x1c-\\x20]", "(?i)[a-f]+",
]  # fmt: skip
OTHER = [
    "", "a*", "a++", "a+?", "\\bx", "(,)|(;)", "a|b", "ab+", "\\s{2,}", "(?=b)", "^", "$", "\\.\\.", "[^\\x00-\\x7f]",
]  # fmt: skip


def words_of(pattern: str, gaps: bool, min_length: int, to_lower: bool) -> Callable[[str], list[str]]:
    stage = RegexTokenizer("r", "text", "words", pattern, gaps, min_length, to_lower)
    scorer = Pipeline(stage).bind({"text": "string"})

    def words(text: str) -> list[str]:
        found: list[str] = scorer.score_instance({"text": text})["words"]
        return found

    return words


@pytest.mark.parametrize("to_lower", [True, False])
@pytest.mark.parametrize("gaps", [True, False])
@pytest.mark.parametrize("pattern", SIMPLE + OTHER)
def test_the_table_finds_what_the_regular_expression_finds(pattern: str, gaps: bool, to_lower: bool) -> None:
    chance = random.Random(pattern)
    texts = ["".join(chance.choices("aAbBfFxX_09 \t\n\x1c\x1f,;.-^]\x00\x7f", k=n)) for n in range(40)]
    by_expression = words_of(pattern, gaps, 0, to_lower)
    by_length = {least: words_of(pattern, gaps, least, to_lower) for least in (1, 3)}
    for text in [*texts, *map(chr, range(128)), f"{texts[-1]}é{texts[-2]}"]:
        with_empty = by_expression(text)
        for least, words in by_length.items():
            assert words(text) == [word for word in with_empty if len(word) >= least]


@pytest.mark.parametrize("pattern", SIMPLE)
def test_patterns_of_one_character_have_a_table(pattern: str) -> None:
    assert ascii_words_of(pattern_of(pattern), gaps=True, to_lower=True)
    assert (ascii_words_of(pattern_of(pattern), gaps=False, to_lower=True) is not None) == pattern.endswith("+")


@pytest.mark.parametrize("pattern", OTHER)
def test_other_patterns_have_none(pattern: str) -> None:
    assert ascii_words_of(pattern_of(pattern), gaps=True, to_lower=True) is None
