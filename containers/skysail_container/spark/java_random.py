"""Random numbers as Java's libraries draw them, where a model's scores begin with some.

Source: org.apache.commons.math3.random.{MersenneTwister, BitsStreamGenerator}, breeze.stats.distributions.Gamma.
"""

import math

import numpy as np

__all__ = ["CommonsMersenneTwister", "gamma_samples"]


class CommonsMersenneTwister:
    """MT19937 seeded with the two halves of a long, as commons-math does."""

    def __init__(self, seed: int) -> None:
        bits = seed & 0xFFFF_FFFF_FFFF_FFFF
        self._generator = np.random.RandomState(np.array([bits >> 32, bits & 0xFFFF_FFFF], np.uint32))
        self._spare: float | None = None

    def next_double(self) -> float:
        """In [0, 1), of 52 bits."""
        return float((self._next(26) << 26) | self._next(26)) * 2.0**-52

    def next_gaussian(self) -> float:
        """Box and Muller's, which come in pairs."""
        if self._spare is not None:
            spare, self._spare = self._spare, None
            return spare
        angle = 2.0 * math.pi * self.next_double()
        uniform = self.next_double()
        radius = math.sqrt(-2.0 * math.log(uniform)) if uniform > 0.0 else math.inf
        self._spare = radius * math.sin(angle)
        return radius * math.cos(angle)

    def _next(self, bits: int) -> int:
        return int(self._generator.randint(0, 1 << 32, dtype=np.uint32)) >> (32 - bits)


def gamma_samples(shape: float, scale: float, n: int, random: CommonsMersenneTwister) -> list[float]:
    """Marsaglia and Tsang's, for shapes above 1.

    :raises ValueError: the shape is not above 1.
    """
    if not shape > 1.0:
        raise ValueError(f"a gamma distribution of shape {shape}")
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    samples: list[float] = []
    while len(samples) < n:
        normal = random.next_gaussian()
        v = 1.0 + c * normal
        if v <= 0:
            continue
        v = v * v * v
        square = normal * normal
        uniform = random.next_double()
        if uniform < 1.0 - 0.0331 * (square * square) or (
            uniform > 0.0 and math.log(uniform) < 0.5 * square + d * (1.0 - v + math.log(v))
        ):
            samples.append(scale * d * v)
    return samples
