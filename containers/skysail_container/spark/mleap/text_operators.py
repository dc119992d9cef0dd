"""Operators that make words of texts, and numbers of words.

Source: ml.combust.mleap.bundle.ops.feature and org.apache.spark.ml.bundle.ops.feature, which name the attributes.
"""

from array import array

import numpy as np

from skysail_container.spark.mleap.node import Node
from skysail_container.spark.mleap.operator_registry import check_lengths, column_pairs, in_out, operator
from skysail_container.spark.schema import STRING, Schema
from skysail_container.spark.stage import Stage
from skysail_container.spark.stages.hashing import HashingTF
from skysail_container.spark.stages.text_vectors import CountVectorizerModel, IDFModel, Word2VecModel
from skysail_container.spark.stages.tokens import NGram, RegexTokenizer, StopWordsRemover, Tokenizer


@operator("tokenizer", Tokenizer)
def _tokenizer(node: Node) -> Stage:
    return Tokenizer(*in_out(node))


@operator("regex_tokenizer", RegexTokenizer, "regex", "match_gaps", "token_min_length", "lowercase_text")
def _regex_tokenizer(node: Node) -> Stage:
    found = node.attributes
    stage = RegexTokenizer(
        *in_out(node),
        found.text("regex"),
        found.boolean("match_gaps"),
        found.integer("token_min_length"),
        found.boolean("lowercase_text"),
    )
    stage.bind(Schema({stage.input_column: STRING}))  # so that a pattern is refused now
    return stage


@operator(
    "stopwords_remover", StopWordsRemover, "stop_words", "case_sensitive",
    note="words are compared in the lower case of `en_US`, for a bundle holds no locale",
)  # fmt: skip
def _stopwords_remover(node: Node) -> Stage:
    sources, targets = zip(*column_pairs(node), strict=True)
    stop_words = node.attributes.texts("stop_words")
    return StopWordsRemover(node.name, sources, targets, stop_words, node.attributes.boolean("case_sensitive"))


@operator("ngram", NGram, "n")
def _ngram(node: Node) -> Stage:
    return NGram(*in_out(node), node.attributes.integer("n"))


@operator("hashing_term_frequency", HashingTF, "num_features", "binary", "hashUnsafeBytesVersion")
def _hashing_term_frequency(node: Node) -> Stage:
    found = node.attributes
    binary = "binary" in found and found.boolean("binary")
    before_3 = "hashUnsafeBytesVersion" not in found or found.integer("hashUnsafeBytesVersion") == 1
    n_features = found.integer("num_features")
    if n_features < 1:
        raise node.error(f"it has {n_features} features")
    return HashingTF(*in_out(node), n_features, binary, before_3)


@operator("count_vectorizer", CountVectorizerModel, "vocabulary", "binary", "min_tf")
def _count_vectorizer(node: Node) -> Stage:
    found = node.attributes
    return CountVectorizerModel(
        *in_out(node), found.texts("vocabulary"), found.number("min_tf"), found.boolean("binary")
    )


@operator("idf", IDFModel, "idf")
def _idf(node: Node) -> Stage:
    return IDFModel(*in_out(node), array("d", node.attributes.numbers("idf")))


@operator(
    "word_to_vector", Word2VecModel, "words", "indices", "word_vectors", "kernel",
    note="the mean of the words' vectors, as Spark exports it; the kernel `sqrt`, and vectors more precise than "
    "Spark's float32, are refused",
)  # fmt: skip
def _word_to_vector(node: Node) -> Stage:
    """Vectors stand one after another, and each word has the place of its own."""
    found = node.attributes
    words = found.texts("words")
    places = found.integers("indices") if "indices" in found else tuple(range(len(words)))
    kernel = found.text("kernel") if "kernel" in found else "default"
    if kernel != "default":
        raise node.unsupported(f"its kernel is {kernel!r}, and Spark's Word2VecModel takes the mean")
    check_lengths(node, ("different words", len(set(words))), ("words", len(words)), ("indices", len(set(places))))
    numbers = np.array(found.numbers("word_vectors"), np.float64)
    if min(places) < 0 or max(places) >= len(words) or len(numbers) % len(words):
        raise node.error(f"its {len(words)} words have no vectors of the same length in {len(numbers)} numbers")
    with np.errstate(over="ignore"):
        is_float = np.array_equal(numbers.astype(np.float32), numbers, equal_nan=True)
    if not is_float:
        raise node.unsupported("its word_vectors are more precise than float32, and so not Spark's")
    vectors = numbers.reshape(len(words), len(numbers) // len(words))
    by_word = {word: vectors[place] for word, place in zip(words, places, strict=True)}
    return Word2VecModel(*in_out(node), vectors.shape[1], by_word)
