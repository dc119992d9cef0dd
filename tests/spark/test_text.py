"""Stages for text: files of old versions, damaged ones, columns that do not fit, hostile input."""

import json
import random
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skysail_container.spark import (
    Pipeline,
    RowError,
    SparseVector,
    StageError,
    UnsupportedStageError,
    load_pipeline,
)
from skysail_container.spark.murmur3 import hash_bytes, hash_bytes_before_3, hash_text
from skysail_container.spark.stages.hashing import HashingTF
from skysail_container.spark.stages.lsh import MinHashLSHModel
from skysail_container.spark.stages.text_vectors import Word2VecModel
from skysail_container.spark.stages.tokens import NGram, RegexTokenizer, StopWordsRemover, Tokenizer
from skysail_container.spark.vectors import occurrences

FIXTURES = Path(__file__).parent / "fixtures"
WORDS = {"words": "array<string>"}


def stage_folder(folder: Path, fixture: str) -> Path:
    """The first stage of a fixture's pipeline, on disk."""
    with zipfile.ZipFile(FIXTURES / fixture) as archive:
        archive.extractall(folder)
    return sorted((folder / "model" / "stages").iterdir())[0]


def rewrite_metadata(stage: Path, change: Callable[[dict[str, Any]], None]) -> None:
    (part,) = (stage / "metadata").glob("part-*")
    metadata = json.loads(part.read_text())
    change(metadata)
    part.write_text(json.dumps(metadata))


def as_old(version: str) -> Callable[[dict[str, Any]], None]:
    """Metadata as Spark 2.3 wrote it: all parameters together, no defaults apart."""

    def change(metadata: dict[str, Any]) -> None:
        metadata["sparkVersion"] = version
        metadata["paramMap"] = {**metadata.pop("defaultParamMap"), **metadata["paramMap"]}

    return change


def rewrite_data(stage: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    for part in (stage / "data").glob("part-*.parquet"):
        pq.write_table(change(pq.read_table(part)), part)


def scored(stage: Any, schema: dict[str, str], **row: Any) -> dict[str, Any]:
    return Pipeline(stage).bind(schema).score_instance(row)


# ---- versions


def test_terms_of_a_model_of_spark_2_are_hashed_as_spark_2_did(tmp_path: Path) -> None:
    stage = stage_folder(tmp_path, "hashing/hashing_tf.zip")
    row = {"terms": ["spark", "ünïcödé", "abcd", None]}
    today = load_pipeline(stage).bind({"terms": "array<string>"}).score_instance(row)["features"]
    rewrite_metadata(stage, as_old("2.4.5"))
    old = load_pipeline(stage).bind({"terms": "array<string>"}).score_instance(row)["features"]
    terms = ("spark", "ünïcödé", "abcd")
    assert set(today.indices) == {hash_text(term) % 262144 for term in terms} | {42}
    assert set(old.indices) == {hash_bytes_before_3(term.encode()) % 262144 for term in terms} | {42}
    assert set(old.indices) & set(today.indices) == {42, hash_text("abcd") % 262144}


def test_both_hashes_are_those_of_spark() -> None:
    """Source: Spark's HashingTFSuite and Murmur3_x86_32Suite."""
    assert hash_bytes(b"") == 142593372
    assert hash_bytes_before_3(b"") == 142593372
    assert hash_bytes_before_3(b"abcd") == hash_bytes(b"abcd")
    assert hash_bytes_before_3(b"abcde") != hash_bytes(b"abcde")


def test_a_frequency_model_of_spark_2_holds_frequencies_alone(tmp_path: Path) -> None:
    stage = stage_folder(tmp_path, "text_vectors/idf.zip")
    rewrite_metadata(stage, as_old("2.3.1"))
    rewrite_data(stage, lambda table: table.select(["idf"]))
    vector = load_pipeline(stage).bind({"counts": "vector"}).score_instance({"counts": SparseVector(4, [3], [2.0])})
    assert vector["weighted"] == SparseVector(4, [3], [2.772588722239781])


@pytest.mark.parametrize(
    "fixture",
    ["tokens/tokenizer.zip", "tokens/stop_words.zip", "tokens/bigrams.zip", "text_vectors/word2vec.zip"],
)
def test_stages_of_spark_2_have_their_defaults_among_their_parameters(tmp_path: Path, fixture: str) -> None:
    stage = stage_folder(tmp_path, fixture)
    as_saved = load_pipeline(stage)
    rewrite_metadata(stage, as_old("2.3.0"))
    assert type(load_pipeline(stage).stage) is type(as_saved.stage)


# ---- damage


@pytest.mark.parametrize(
    ("fixture", "column"),
    [
        ("text_vectors/count_vectorizer.zip", "vocabulary"),
        ("text_vectors/idf.zip", "idf"),
        ("text_vectors/word2vec.zip", "vector"),
        ("text_vectors/word2vec.zip", "word"),
        ("lsh/min_hash.zip", "randCoefficients"),
        ("lsh/random_projection.zip", "randUnitVectors"),
    ],
)
def test_a_missing_column_of_the_data_is_named(tmp_path: Path, fixture: str, column: str) -> None:
    stage = stage_folder(tmp_path, fixture)
    rewrite_data(stage, lambda table: table.rename_columns([f"no_{name}" for name in table.column_names]))
    with pytest.raises(StageError, match=stage.name.partition("_")[2]):
        load_pipeline(stage)


def test_vectors_of_another_size_than_stated_are_refused(tmp_path: Path) -> None:
    stage = stage_folder(tmp_path, "text_vectors/word2vec.zip")
    rewrite_metadata(stage, lambda metadata: metadata["paramMap"].update(vectorSize=6))
    with pytest.raises(StageError, match="not what"):
        load_pipeline(stage)


def test_a_vocabulary_of_numbers_is_refused(tmp_path: Path) -> None:
    stage = stage_folder(tmp_path, "text_vectors/count_vectorizer.zip")
    rewrite_data(stage, lambda table: pa.table({"vocabulary": [[1, 2]]}))
    with pytest.raises(StageError, match="no string"):
        load_pipeline(stage)


@pytest.mark.parametrize("n_features", [0, -3, 1 << 31, "many", 2.5])
def test_an_impossible_number_of_features_is_refused(tmp_path: Path, n_features: Any) -> None:
    stage = stage_folder(tmp_path, "hashing/hashing_tf.zip")
    rewrite_metadata(stage, lambda metadata: metadata["paramMap"].update(numFeatures=n_features))
    with pytest.raises(StageError, match="numFeatures"):
        load_pipeline(stage)


def test_stop_words_that_are_no_texts_are_refused(tmp_path: Path) -> None:
    stage = stage_folder(tmp_path, "tokens/stop_words.zip")
    rewrite_metadata(stage, lambda metadata: metadata["paramMap"].update(stopWords=["a", None, 7]))
    with pytest.raises(StageError, match="its stopWords are not all texts"):
        load_pipeline(stage)


def test_an_unknown_parameter_is_left_to_spark(tmp_path: Path) -> None:
    stage = stage_folder(tmp_path, "tokens/tokenizer.zip")
    rewrite_metadata(stage, lambda metadata: metadata["paramMap"].update(dialect="x"))
    with pytest.raises(UnsupportedStageError, match="dialect"):
        load_pipeline(stage)


# ---- columns


@pytest.mark.parametrize("kind", ["int", "array<string>", "vector"])
def test_a_tokenizer_takes_text_alone(kind: str) -> None:
    with pytest.raises(StageError, match="column 'text': string is expected"):
        Tokenizer("t", "text", "words").bind(
            Pipeline(Tokenizer("t", "a", "b")).bind({"a": "string", "text": kind}).schema
        )


def test_words_are_no_text() -> None:
    for stage in (NGram("n", "words", "grams"), StopWordsRemover("s", ("words",), ("kept",), ("a",))):
        with pytest.raises(StageError, match="array<string>"):
            Pipeline(stage).bind({"words": "string"})


def test_a_hasher_of_terms_wants_an_array() -> None:
    with pytest.raises(StageError, match="an array of terms"):
        Pipeline(HashingTF("h", "words", "features")).bind({"words": "string"})


def test_an_output_that_is_there_already_is_refused() -> None:
    with pytest.raises(StageError, match="exists already"):
        Pipeline(NGram("n", "words", "words")).bind(WORDS)


# ---- rows


def test_a_null_among_texts_names_its_column() -> None:
    with pytest.raises(RowError, match="text is null"):
        scored(Tokenizer("t", "text", "words"), {"text": "string"}, text=None)


def test_grams_longer_than_any_text_cost_nothing() -> None:
    assert scored(NGram("n", "words", "grams", 2**31 - 1), WORDS, words=["a", "b"])["grams"] == []


def test_terms_without_end_do_not_fill_the_memory() -> None:
    stage = HashingTF("h", "words", "features", 1000)
    scorer = Pipeline(stage).bind(WORDS)
    first = scorer.score_instance({"words": [str(number) for number in range(70_000)]})
    again = scorer.score_instance({"words": [str(number) for number in range(70_000)]})
    assert first["features"] == again["features"]
    assert sum(first["features"].values) == 70_000


def test_terms_are_counted_in_the_order_of_their_indices() -> None:
    chance = random.Random(1)
    for n_terms in (0, 1, 2, 5, 40):
        found = [chance.randrange(30) for _ in range(n_terms)]
        counts = Counter(found)
        indices = sorted(counts)
        assert occurrences(30, found) == SparseVector(30, indices, [float(counts[index]) for index in indices])


def test_half_a_character_hashes_as_a_question_mark() -> None:
    assert hash_text("a\ud800") == hash_text("a?")


def test_many_features_hash_to_the_least_as_few_do() -> None:
    stage = MinHashLSHModel("m", "v", "b", ((2038074742, 2038074741), (1, 0)))
    many = SparseVector(2**31 - 1, list(range(2**31 - 90, 2**31 - 2)), [1.0] * 88)
    least = [min((index + 1) * a + b for _ in "x") for a, b in stage.coefficients for index in many.indices]
    assert len(least) == 176
    hashed = [bucket.values[0] for bucket in scored(stage, {"v": "vector"}, v=many)["b"]]
    assert hashed == [
        float(min(((index + 1) * a + b) % 2038074743 for index in many.indices)) for a, b in stage.coefficients
    ]


def test_no_words_have_an_empty_vector() -> None:
    stage = Word2VecModel("w", "words", "mean", 3, {})
    assert scored(stage, WORDS, words=[])["mean"] == SparseVector(3, [], [])
    assert scored(stage, WORDS, words=["a"])["mean"].to_list() == [0.0, 0.0, 0.0]


# ---- patterns


@pytest.mark.parametrize(
    "pattern",
    [
        "\\p{IsHan}", "\\p{InGreek}", "\\p{IsAlphabetic}", "(?i)\\p{Lu}", "\\G", "\\X", "\\b{g}", "(?<=a*)b", "(", "a)",
        "[a", "*a", "a{", "a{2", "\\", "\\y", "[b-a]", "(?<1>a)", "\\1", "\\k<a>", "(?q)", "\\x{110000}", "(" * 500,
        "[" * 500, "a" * 20_000, "(?P<a>b)", "[[:alpha:]", "\\p{", "\\N{no such name}",
    ],
)  # fmt: skip
def test_a_pattern_that_is_not_known_is_refused_by_itself(tmp_path: Path, pattern: str) -> None:
    stage = stage_folder(tmp_path, "tokens/regex_tokenizer.zip")
    rewrite_metadata(stage, lambda metadata: metadata["paramMap"].update(pattern=pattern))
    with pytest.raises(UnsupportedStageError, match="its pattern"):
        load_pipeline(stage)


@pytest.mark.parametrize(
    ("pattern", "text", "words"),
    [
        (",", "a,b,,c,,", ["a", "b", "", "c"]),
        (",", ",", []),
        (",", "", [""]),
        ("\\d", "a\u0661b1c", ["a\u0661b", "c"]),
        ("\\s", "a\u00a0b c", ["a\u00a0b", "c"]),
        ("(,)|(;)", "a,b;c", ["a", "b", "c"]),
        ("(?=b)", "abab", ["a", "ba", "b"]),
        ("^", "ab", ["ab"]),
        ("$", "a\r\n", ["a", "\r\n"]),
        ("\\x41\\0101\\u0041\\cA", "xAAA\x01y", ["x", "y"]),
        ("[\\d&&[^5]]", "1526", ["", "5"]),
        ("[^\\S\\t]", "a b\tc", ["a", "b\tc"]),
        ("\\Q[\\E", "a[b", ["a", "b"]),
        ("(?i:B)c", "aBcbCbc", ["a", "bC"]),
    ],
)
def test_patterns_part_texts_as_in_java(pattern: str, text: str, words: list[str]) -> None:
    stage = RegexTokenizer("r", "text", "words", pattern, min_length=0, to_lower=False)
    assert scored(stage, {"text": "string"}, text=text)["words"] == words
