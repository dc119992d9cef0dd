"""MurmurHash3 (x86, 32 bits) as Spark computes it, of each type that it hashes.

Source: org.apache.spark.unsafe.hash.Murmur3_x86_32, FeatureHasher.murmur3Hash, mllib HashingTF.murmur3Hash.
"""

import math
import struct
from typing import Final

__all__ = [
    "SEED",
    "hash_bytes",
    "hash_bytes_before_3",
    "hash_double",
    "hash_float",
    "hash_int",
    "hash_long",
    "hash_text",
]

SEED: Final = 42
"""Of all hashes in spark.ml."""

_MASK: Final = 0xFFFFFFFF
_CANONICAL_NAN: Final = 0x7FC00000
_CANONICAL_NAN_64: Final = 0x7FF8000000000000


def hash_text(text: str) -> int:
    """Of a string's UTF-8; a lone surrogate counts as a question mark, as in Java.

    :return: a signed number of 32 bits, as from all functions here.
    """
    return hash_bytes(text.encode("utf-8", "replace"))


def hash_bytes(data: bytes) -> int:
    """As everybody computes it: hashUnsafeBytes2."""
    n = len(data)
    hashed = _words(data, n >> 2)
    return _final(hashed ^ _mixed_word(int.from_bytes(data[n & ~3 :], "little")), n)


def hash_bytes_before_3(data: bytes) -> int:
    """hashUnsafeBytes, which mixes each byte after the last whole word by itself: HashingTF up to Spark 2.4."""
    n = len(data)
    hashed = _words(data, n >> 2)
    for byte in data[n & ~3 :]:
        hashed = _mixed(hashed, byte if byte < 128 else byte + 0xFFFFFF00)
    return _final(hashed, n)


def hash_int(value: int) -> int:
    """Of all whole numbers of up to 32 bits, and of booleans."""
    return _final(_mixed(SEED, value & _MASK), 4)


def hash_long(value: int) -> int:
    return _final(_mixed(_mixed(SEED, value & _MASK), value >> 32 & _MASK), 8)


def hash_double(value: float) -> int:
    bits: int = _CANONICAL_NAN_64 if math.isnan(value) else struct.unpack("<q", struct.pack("<d", value))[0]
    return hash_long(bits)


def hash_float(value: float) -> int:
    """Of a number that came from a float32."""
    bits: int = _CANONICAL_NAN if math.isnan(value) else struct.unpack("<i", struct.pack("<f", value))[0]
    return hash_int(bits)


def _words(data: bytes, n_words: int) -> int:
    hashed = SEED
    for word in struct.unpack_from(f"<{n_words}I", data):
        hashed = _mixed(hashed, word)
    return hashed


def _mixed_word(word: int) -> int:
    word = word * 0xCC9E2D51 & _MASK
    return (word << 15 | word >> 17) * 0x1B873593 & _MASK


def _mixed(hashed: int, word: int) -> int:
    hashed ^= _mixed_word(word)
    return ((hashed << 13 | hashed >> 19) & _MASK) * 5 + 0xE6546B64 & _MASK


def _final(hashed: int, n_bytes: int) -> int:
    hashed ^= n_bytes
    hashed = (hashed ^ hashed >> 16) * 0x85EBCA6B & _MASK
    hashed = (hashed ^ hashed >> 13) * 0xC2B2AE35 & _MASK
    hashed ^= hashed >> 16
    return hashed - (1 << 32) if hashed >> 31 else hashed
