"""Texts to words, with every sort of white space, letter and nothing that a text may hold."""

from typing import Any

from spark.case import Case, spark_case

TEXTS = [
    "Hello World",
    " leading and  double   spaces ",
    "tabs\tand\nnew lines\r\nand\x0bvertical\x0cform feeds",
    "",
    " ",
    "   ",
    "Ünïcödé STRASSE Straße ẞ ǅ ﬁ İstanbul IĞDIR",
    "no\u00a0break\u2003em\u3000ideographic\u2028line\u200bzero\x85next\x1cfile\x1funit",
    "ΌΔΟΣ ΣΑΣ Σ ΑΣ' Α.Σ ΑΣ.Α ΑΣ-Α 1Σ Α1Σ Α_Σ ΣΣ ΑΣ́ Α Σ ΑΣ1 'Σ",
    "emoji 😀👍🏽 and 𝒜𝒷 letters 𐐀𐐨",
    "under_score and-hyphen, comma; 3.14 1,000 a1b2",
    "Don't stop-words: it's O'Neil's",
    "Ⅷ ⓐ Ⓐ ª º ǆ ǅ Ǆ Å Å K k Ω Ω",
    "日本語 の テキスト カタカナ ｆｕｌｌ ＦＵＬＬ",
    "Привет, МИР! Ёлка Й",
    "e\u0301 E\u0301 I\u0307 i\u0307 J\u0303",
    "null \x00 control \x01\x7f",
    "trailing\n",
    "trailing two\r\n",
    "one\nTwo\r\nthree\rFour\u2028five\x85Six",
    "aaa bbb aab abab",
    "[brackets] (parens) {braces} <angles> a&b|c^d$e",
    None,
]


def _texts() -> list[dict[str, Any]]:
    return [{"text": text} for text in TEXTS]


def _alone(stage: Any) -> Any:
    from pyspark.ml import PipelineModel

    return PipelineModel([stage])


@spark_case
def tokenizer(spark: Any) -> Case:
    from pyspark.ml.feature import Tokenizer

    return Case(_alone(Tokenizer(inputCol="text", outputCol="words")), {"text": "string"}, _texts())


@spark_case
def tokenizer_named_by_its_uid(spark: Any) -> Case:
    from pyspark.ml.feature import Tokenizer

    return Case(_alone(Tokenizer(inputCol="text")), {"text": "string"}, _texts()[:3])


def _regex(pattern: str, **parameters: Any) -> Case:
    from pyspark.ml.feature import RegexTokenizer

    stage = RegexTokenizer(inputCol="text", outputCol="words", pattern=pattern, **parameters)
    return Case(_alone(stage), {"text": "string"}, _texts())


@spark_case
def regex_tokenizer(spark: Any) -> Case:
    from pyspark.ml.feature import RegexTokenizer

    return Case(_alone(RegexTokenizer(inputCol="text", outputCol="words")), {"text": "string"}, _texts())


@spark_case
def regex_tokenizer_non_words(spark: Any) -> Case:
    return _regex("\\W", toLowercase=False)


@spark_case
def regex_tokenizer_words(spark: Any) -> Case:
    return _regex("\\w+", gaps=False, minTokenLength=2)


@spark_case
def regex_tokenizer_letters(spark: Any) -> Case:
    return _regex("[^\\p{L}\\p{Nd}'&&[^_]]+|\\p{Punct}{2,}")


@spark_case
def regex_tokenizer_categories(spark: Any) -> Case:
    return _regex("\\p{Lu}\\p{Ll}+|\\pN+|\\p{IsP}|\\p{javaLowerCase}++", gaps=False, toLowercase=False)


@spark_case
def regex_tokenizer_unicode_classes(spark: Any) -> Case:
    return _regex("(?U)[\\w&&[^\\d]]+", gaps=False)


@spark_case
def regex_tokenizer_any_case(spark: Any) -> Case:
    return _regex("(?i)a(?-i)B|[k-p]+|ß", gaps=False, toLowercase=False)


@spark_case
def regex_tokenizer_any_unicode_case(spark: Any) -> Case:
    return _regex("(?iu)[k-pω]+|å|(й|Ё)", gaps=False, toLowercase=False)


@spark_case
def regex_tokenizer_characters(spark: Any) -> Case:
    return _regex("", minTokenLength=0)


@spark_case
def regex_tokenizer_empty_matches(spark: Any) -> Case:
    return _regex("a*?", gaps=False, minTokenLength=0)


@spark_case
def regex_tokenizer_greedy_empty_matches(spark: Any) -> Case:
    return _regex("[ab]*", minTokenLength=0)


@spark_case
def regex_tokenizer_boundaries(spark: Any) -> Case:
    return _regex("\\b", minTokenLength=0)


@spark_case
def regex_tokenizer_no_boundaries(spark: Any) -> Case:
    return _regex("\\B.\\b", gaps=False, minTokenLength=0)


@spark_case
def regex_tokenizer_lines(spark: Any) -> Case:
    return _regex("(?m)^.+$|\\R", gaps=False, toLowercase=False)


@spark_case
def regex_tokenizer_ends(spark: Any) -> Case:
    return _regex("\\A\\w|.$|\\s\\Z|.\\z", gaps=False, minTokenLength=0)


@spark_case
def regex_tokenizer_all_characters(spark: Any) -> Case:
    return _regex("(?s).{3}", gaps=False, minTokenLength=4)


@spark_case
def regex_tokenizer_white_space(spark: Any) -> Case:
    return _regex("[\\h\\v]+|\\x{1f600}|\\uD83D\\uDC4D|\\Q.\\E")


@spark_case
def regex_tokenizer_back_references(spark: Any) -> Case:
    return _regex("(\\w)\\1+|(?<two>ab)\\k<two>", gaps=False)


@spark_case
def regex_tokenizer_looks_around(spark: Any) -> Case:
    return _regex("(?<=[a-z]|\\s)(?=[aeiou])|(?<!o|an)(?>d+)", toLowercase=False, minTokenLength=0)


@spark_case
def regex_tokenizer_comments(spark: Any) -> Case:
    return _regex("(?x) [a-c \\ ] + # letters\n | \\d {1,2}+", gaps=False, minTokenLength=0)


@spark_case
def regex_tokenizer_of_classes(spark: Any) -> Case:
    return _regex("[]a-c[x-z]&&[^b]]|[^&&[a-z]d-f]|[&^-]", gaps=False, minTokenLength=0)


WORDS = [
    ["The", "quick", "brown", "FOX"],
    ["the", None, "THE", "i", "I", "İ", "ı"],
    [],
    [None],
    [None, None, "a"],
    ["", " ", "the "],
    ["ist", "IST", "İST", "ıst", "STRASSE", "straße"],
    ["Ì", "Í", "Ĩ", "J̃", "Į́", "Ì", "i̇̀"],
    ["one"],
    ["a", "b"],
    ["a", "b", "c", "d", "e"],
    ["ΛΟΓΟΣ", "λογος", "λογοσ"],
    ["日本", "語", "😀"],
    None,
]


def _words() -> list[dict[str, Any]]:
    return [{"words": words} for words in WORDS]


def _stop_words(**parameters: Any) -> Case:
    from pyspark.ml.feature import StopWordsRemover

    stage = StopWordsRemover(inputCol="words", outputCol="kept", **parameters)
    return Case(_alone(stage), {"words": "array<string>"}, _words())


@spark_case
def stop_words(spark: Any) -> Case:
    return _stop_words()


@spark_case
def stop_words_of_ones_own(spark: Any) -> Case:
    return _stop_words(stopWords=["FOX", "the", "", "ISt", "ΛΟΓΟΣ", "😀", "straße"])


@spark_case
def stop_words_by_case(spark: Any) -> Case:
    return _stop_words(stopWords=["FOX", "the", "I"], caseSensitive=True)


@spark_case
def stop_words_in_turkish(spark: Any) -> Case:
    return _stop_words(stopWords=["I", "İST", "THE"], locale="tr")


@spark_case
def stop_words_in_turkey(spark: Any) -> Case:
    return _stop_words(stopWords=["I", "İST", "THE"], locale="tr_TR")


@spark_case
def stop_words_in_lithuanian(spark: Any) -> Case:
    return _stop_words(stopWords=["Ì", "Í", "Ĩ", "J̃", "Į́", "I"], locale="lt")


@spark_case
def stop_words_of_two_columns(spark: Any) -> Case:
    from pyspark.ml.feature import StopWordsRemover

    stage = StopWordsRemover(inputCols=["words", "others"], outputCols=["kept", "also"], stopWords=["a", "the"])
    rows = [{"words": one, "others": other} for one, other in zip(WORDS, reversed(WORDS), strict=True)]
    return Case(_alone(stage), {"words": "array<string>", "others": "array<string>"}, rows)


@spark_case
def bigrams(spark: Any) -> Case:
    from pyspark.ml.feature import NGram

    return Case(_alone(NGram(inputCol="words", outputCol="grams")), {"words": "array<string>"}, _words())


@spark_case
def single_grams(spark: Any) -> Case:
    from pyspark.ml.feature import NGram

    return Case(_alone(NGram(inputCol="words", outputCol="grams", n=1)), {"words": "array<string>"}, _words())


@spark_case
def four_grams_of_a_text(spark: Any) -> Case:
    from pyspark.ml import PipelineModel
    from pyspark.ml.feature import NGram, StopWordsRemover, Tokenizer

    stages = [
        Tokenizer(inputCol="text", outputCol="words"),
        StopWordsRemover(inputCol="words", outputCol="kept"),
        NGram(inputCol="kept", outputCol="grams", n=4),
    ]
    return Case(PipelineModel(stages), {"text": "string"}, _texts())
