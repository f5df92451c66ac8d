"""Rationing rules: closed forms, and what all of them keep."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.market.auction.rationing import by_lottery, by_share, drawn, equally, in_turn, increments

Rule = Callable[[Any, Any], Any]

RULES: dict[str, Rule] = {
    "by_share": by_share,
    "by_lottery": lambda wish, volume: by_lottery(wish, volume, np.random.default_rng(3).random(wish.shape)),
    "in_turn": lambda wish, volume: in_turn(wish, volume, np.argsort(-wish, axis=1)),
    "equally": equally,
}
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())


def one(rule: Callable[..., Any], wish: list[int], volume: int, *more: list[Any]) -> list[int]:
    """Ration one row."""
    fill = rule(np.array([wish]), np.array([volume]), *(np.array([x]) for x in more))
    row: list[int] = fill[0].tolist()
    return row


@st.composite
def wishes(draw: st.DrawFn) -> tuple[Any, Any]:
    """Rows of wishes, many of them equal or zero, and volumes from nothing to all."""
    shape = draw(st.integers(1, 4)), draw(st.integers(1, 8))
    sizes = st.one_of(st.integers(0, 5), st.integers(0, 10**13))
    wish = np.array([[draw(sizes) for _ in range(shape[1])] for _ in range(shape[0])])
    volume = np.array([draw(st.one_of(st.just(0), st.just(total), st.integers(0, total))) for total in wish.sum(1)])
    return wish, volume


@every_rule
@settings(max_examples=80, deadline=None)
@given(wishes())
def test_fills_sum_to_the_volume_and_stay_within_the_wishes(rule: Rule, drawn_wishes: tuple[Any, Any]) -> None:
    wish, volume = drawn_wishes
    fill = rule(wish, volume)
    assert fill.dtype == np.int64
    assert fill.sum(axis=1).tolist() == volume.tolist()
    assert (fill >= 0).all()
    assert (fill <= wish).all()


@every_rule
@settings(max_examples=30, deadline=None)
@given(wishes())
def test_a_row_alone_is_rationed_as_in_the_batch(rule: Rule, drawn_wishes: tuple[Any, Any]) -> None:
    wish, volume = drawn_wishes
    assert rule(wish, volume)[:1].tolist() == rule(wish[:1], volume[:1]).tolist()


@every_rule
def test_nothing_and_all_are_shared_as_such(rule: Rule) -> None:
    assert one(rule, [3, 0, 5], 0) == [0, 0, 0]
    assert one(rule, [3, 0, 5], 8) == [3, 0, 5]
    assert one(rule, [0, 0], 0) == [0, 0]


@pytest.mark.parametrize("rule", [by_share, equally])
def test_torch_shares_the_same(rule: Rule) -> None:
    torch = pytest.importorskip("torch")
    wish, volume = np.array([[7, 3, 3, 9, 0]]), np.array([11])
    assert rule(torch.as_tensor(wish), torch.as_tensor(volume)).tolist() == rule(wish, volume).tolist()


def test_shares_are_the_same_for_all() -> None:
    assert one(by_share, [100, 300, 600], 500) == [50, 150, 300]


@settings(max_examples=80, deadline=None)
@given(wishes())
def test_shares_are_off_by_less_than_a_unit(drawn_wishes: tuple[Any, Any]) -> None:
    wish, volume = drawn_wishes
    for wanted, sum_of, row in zip(wish.tolist(), volume.tolist(), by_share(wish, volume).tolist(), strict=True):
        total = max(sum(wanted), 1)
        assert all(abs(fill - Fraction(w * sum_of, total)) < 1 for w, fill in zip(wanted, row, strict=True))


def test_remainders_of_shares_fall_where_the_running_sum_passes_a_whole() -> None:
    assert one(by_share, [1, 1, 1], 2) == [0, 1, 1]
    assert one(by_share, [1, 1, 1], 1) == [0, 0, 1]


def test_the_lowest_number_is_served_first() -> None:
    assert one(by_lottery, [4, 4, 4], 6, [0.7, 0.1, 0.4]) == [0, 4, 2]


def test_equal_numbers_are_served_by_agent() -> None:
    assert one(by_lottery, [4, 4, 4], 6, [0.5, 0.5, 0.5]) == [4, 2, 0]


def test_orders_are_served_in_turn() -> None:
    assert one(in_turn, [4, 1, 4], 6, [2, 1, 0]) == [1, 1, 4]


def test_everybody_is_cut_by_the_same_amount() -> None:
    assert one(equally, [10, 20, 30], 51) == [7, 17, 27]


def test_those_who_wish_less_than_the_cut_drop_out() -> None:
    # 1 + 10 + 20 less 15 is a cut of 16: 5.33 each is more than 1, so the others share 15 and give up 7.5 each.
    assert one(equally, [1, 10, 20], 15) == [0, 3, 12]
    assert one(equally, [1, 2, 30], 4) == [0, 0, 4]


def test_equal_wishes_stay_equal_to_a_unit() -> None:
    assert one(equally, [5, 5, 5], 7) == [3, 2, 2]
    assert one(equally, [5, 5, 5], 9) == [3, 3, 3]


@settings(max_examples=150, deadline=None)
@given(wishes())
def test_the_cut_is_the_one_that_takes_the_excess(drawn_wishes: tuple[Any, Any]) -> None:
    wish, volume = drawn_wishes
    for wanted, sum_of, row in zip(wish.tolist(), volume.tolist(), equally(wish, volume).tolist(), strict=True):
        exact = cut_by_hand(wanted, sum_of)
        assert all(abs(fill - x) < 1 for fill, x in zip(row, exact, strict=True))


def cut_by_hand(wish: list[int], volume: int) -> list[Fraction]:
    """Drop whoever wishes less than the equal cut, until nobody does (Huang, Scheller-Wolf & Sycara 2002)."""
    left = [i for i, w in enumerate(wish) if w > 0]
    while left:
        cut = Fraction(sum(wish[i] for i in left) - volume, len(left))
        small = [i for i in left if wish[i] < cut]
        if not small:
            return [wish[i] - cut if i in left else Fraction(0) for i in range(len(wish))]
        left = [i for i in left if i not in small]
    return [Fraction(0)] * len(wish)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=9))
def test_increments_undo_a_running_sum(values: list[int]) -> None:
    parts = np.array(values)
    assert increments(np.cumsum(parts)[None]).tolist() == [values]


def test_increments_leave_the_running_sum_alone() -> None:
    running = np.array([[1, 3, 6]])
    assert increments(running).tolist() == [[1, 2, 3]]
    assert running.tolist() == [[1, 3, 6]]


def test_a_missing_lottery_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"muda: expected orders with a lottery .* got None"):
        drawn("muda", None)
