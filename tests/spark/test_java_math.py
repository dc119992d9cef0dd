"""Where Python raises, Java gives an infinity or NaN."""

import math

import pytest

from skysail_container.spark.java_math import divided, exp, log, log1p, power, sigmoid, softmax

INF, NAN = math.inf, math.nan


def same(given: float, expected: float) -> bool:
    return (math.isnan(given) and math.isnan(expected)) or (
        given == expected and math.copysign(1.0, given) == math.copysign(1.0, expected)
    )


@pytest.mark.parametrize(
    ("base", "exponent", "expected"),
    [
        (2.0, 0.5, math.sqrt(2.0)),
        (-1.0, 0.5, NAN),
        (-8.0, 3.0, -512.0),
        (0.0, -1.0, INF),
        (-0.0, -1.0, -INF),
        (-0.0, -2.0, INF),
        (-0.0, -0.5, INF),
        (1e300, 2.0, INF),
        (-1e300, 3.0, -INF),
        (-1e300, 2.0, INF),
        (1.0, NAN, NAN),
        (1.0, INF, NAN),
        (-1.0, -INF, NAN),
        (NAN, 0.0, 1.0),
        (INF, -1.0, 0.0),
    ],
)
def test_powers_are_javas(base: float, exponent: float, expected: float) -> None:
    assert same(power(base, exponent), expected)


def test_quotients_are_javas() -> None:
    assert [divided(1.0, 0.0), divided(-1.0, 0.0), divided(1.0, -0.0), divided(INF, 0.0)] == [INF, -INF, -INF, INF]
    assert math.isnan(divided(0.0, 0.0))
    assert math.isnan(divided(NAN, 0.0))
    assert divided(3.0, 2.0) == 1.5


def test_exponentials_and_logarithms_reach_infinity() -> None:
    assert [exp(1000.0), exp(-1000.0), exp(0.0)] == [INF, 0.0, 1.0]
    assert [log(0.0), log(-0.0), log(1.0), log(INF)] == [-INF, -INF, 0.0, INF]
    assert [log1p(-1.0), log1p(0.0)] == [-INF, 0.0]
    assert all(math.isnan(each) for each in (exp(NAN), log(NAN), log(-1.0), log1p(NAN), log1p(-2.0)))


def test_a_sigmoid_saturates() -> None:
    assert [sigmoid(0.0), sigmoid(-1e4), sigmoid(1e4), sigmoid(-INF), sigmoid(INF)] == [0.5, 0.0, 1.0, 0.0, 1.0]
    assert math.isnan(sigmoid(NAN))


def test_the_first_infinity_takes_all_of_a_softmax() -> None:
    assert softmax([1.0, INF, -2.0]) == [0.0, 1.0, -0.0]
    assert softmax([3.0, 3.0]) == [0.5, 0.5]
    assert all(math.isnan(each) for each in softmax([-INF, -INF]))
