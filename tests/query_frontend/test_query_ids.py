"""Query ids: never twice, and always an integer that a JSON client can hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysail_frontend import query_ids
from skysail_frontend.query_ids import BLOCK_BITS, QueryIds


def test_ids_of_a_block_are_counted_through() -> None:
    ids = QueryIds(3)
    assert [ids.next_id() for _ in range(3)] == [3 << BLOCK_BITS, (3 << BLOCK_BITS) + 1, (3 << BLOCK_BITS) + 2]


@given(st.lists(st.integers(1, 2**21 - 1), unique=True, min_size=2, max_size=5))
def test_ids_of_different_blocks_never_meet(blocks: list[int]) -> None:
    seen = {QueryIds(block).next_id() for block in blocks}
    assert len(seen) == len(blocks)
    assert max(seen) + 2**BLOCK_BITS <= 2**53


def test_a_new_block_takes_over_at_once() -> None:
    ids = QueryIds(1)
    old = [ids.next_id() for _ in range(5)]
    ids.begin_block(2)
    assert ids.next_id() == 2 << BLOCK_BITS
    assert all(id_ < 2 << BLOCK_BITS for id_ in old)


@given(st.integers(0, 2**60))
def test_an_id_fits_into_a_double_whatever_block_is_leased(block: int) -> None:
    assert 0 <= QueryIds(block).next_id() < 2**53


def test_the_next_block_is_due_when_half_is_used_and_looking_gives_no_id_out_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(query_ids, "N_BLOCK_IDS", 100)
    ids = QueryIds(1)
    given_out = []
    while not ids.is_half_used():
        given_out.append(ids.next_id())
    assert len(set(given_out)) == len(given_out)
    assert 20 <= len(given_out) <= 50
    ids.begin_block(2)
    assert not ids.is_half_used()
