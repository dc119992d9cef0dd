"""Inputs that are refused for a while, and the budget of rows sent twice."""

from skysail_frontend.hedge_budget import MAX_SAVED_ROWS, SHARE, HedgeBudget
from skysail_frontend.poison import MAX_FINGERPRINTS, REFUSED_S, PoisonList


def test_a_listed_input_is_refused_for_its_time_and_no_other() -> None:
    poison = PoisonList()
    assert not poison.is_refused(b"bad", 0.0)
    poison.add(b"bad", 10.0)
    assert poison.is_refused(b"bad", 10.0 + REFUSED_S - 0.1)
    assert not poison.is_refused(b"good", 11.0)
    assert not poison.is_refused(b"bad", 10.0 + REFUSED_S)
    assert len(poison) == 0


def test_the_list_is_bounded() -> None:
    poison = PoisonList()
    for i in range(MAX_FINGERPRINTS + 10):
        poison.add(b"%d" % i, 0.0)
    assert len(poison) == MAX_FINGERPRINTS
    assert not poison.is_refused(b"0", 1.0)
    assert poison.is_refused(b"%d" % (MAX_FINGERPRINTS + 9), 1.0)


def test_a_twentieth_of_what_is_sent_may_be_sent_twice() -> None:
    budget = HedgeBudget()
    n_spent = 0
    for _ in range(1000):
        budget.earn(10)
        n_spent += 10 * budget.spend(10)
    assert SHARE * 10_000 - 10 <= n_spent <= SHARE * 10_000 + 1


def test_quiet_times_save_up_so_much_and_no_more() -> None:
    budget = HedgeBudget()
    budget.earn(1_000_000)
    assert budget.spend(int(MAX_SAVED_ROWS))
    assert not budget.spend(1)
