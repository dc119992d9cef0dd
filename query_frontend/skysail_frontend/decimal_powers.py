"""Powers of ten to 128 bits, for reading decimals: the table of Lemire's algorithm (see row_reader.c)."""

import struct

__all__ = ["MAX_POWER", "table"]

MAX_POWER = 120
"""Decimals with other exponents are left to the decoder."""


def table() -> bytes:
    """The first 128 bits of 5^q for q from -MAX_POWER to MAX_POWER, two words each, the higher one first.

    Truncated where q >= 0; reciprocals are rounded up.
    """
    powers = [_power(q) for q in range(-MAX_POWER, MAX_POWER + 1)]
    return b"".join([struct.pack("<QQ", power >> 64, power & (2**64 - 1)) for power in powers])


def _power(q: int) -> int:
    if q >= 0:
        return _first_128_bits(5**q)
    divisor = 5**-q
    n_bits = (divisor - 1).bit_length()
    if q >= -27:  # what is exactly between two doubles is told from the 128 bits themselves
        return int((1 << (n_bits + 127)) // divisor) + 1
    return _first_128_bits((1 << (2 * n_bits + 128)) // divisor + 1)


def _first_128_bits(number: int) -> int:
    excess = number.bit_length() - 128
    return number >> excess if excess >= 0 else number << -excess
