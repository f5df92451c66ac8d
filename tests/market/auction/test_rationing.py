"""Rationing rules: closed forms, and what all of them keep."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.market.auction.rationing import by_lottery, by_share, drawn, equally, in_turn, increments, water_fill

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


# Sharing by weights up to a wish.


def filled(wish: list[int], weight: list[int], volume: int) -> list[int]:
    shares: list[int] = water_fill(np.array([wish]), np.array([weight]), np.array([volume]))[0].tolist()
    return shares


def test_what_one_leaves_goes_to_the_others_by_their_weights() -> None:
    assert filled([80, 10, 30], [5, 3, 2], 73) == [45, 10, 18]


def test_too_much_water_meets_all_wishes() -> None:
    assert filled([8, 1, 3], [1, 1, 1], 100) == [8, 1, 3]
    assert filled([8, 1, 3], [1, 0, 1], 100) == [8, 0, 3]


def test_who_has_no_weight_keeps_nobody_from_being_full() -> None:
    assert filled([1, 80, 10], [0, 1, 1], 30) == [0, 20, 10]


def test_nothing_is_shared_without_a_volume_a_weight_or_a_wish() -> None:
    assert filled([8, 1], [1, 1], 0) == filled([8, 1], [0, 0], 9) == filled([0, 0], [1, 1], 9) == [0, 0]


def test_water_never_rises_above_a_wish_and_is_all_spent() -> None:
    rng = np.random.default_rng(7)
    weight = rng.integers(0, 10**9, (2000, 6))
    wish = np.maximum(weight * rng.integers(1, 5000, (2000, 1)) + rng.integers(-1, 2, (2000, 6)), 0)
    volume = (wish.sum(axis=1) * rng.random(2000)).astype(np.int64)
    fill = water_fill(wish, weight, volume)
    assert (fill >= 0).all()
    assert (fill <= wish).all()
    assert (fill.sum(axis=1) == np.minimum(volume, (wish * (weight > 0)).sum(axis=1))).all()


def test_wishes_that_a_float_cannot_tell_apart_are_not_exceeded() -> None:
    """The first wish per weight is larger by 1e-18 only; a level between the two would give the second too much."""
    weight = [999_999_937, 999_999_929]
    wish = [pow(weight[1], -1, weight[0]), 0]
    wish[1] = (wish[0] * weight[1] - 1) // weight[0]
    assert wish[0] / weight[0] == wish[1] / weight[1]
    shares = filled(wish, weight, sum(wish))
    assert all(share <= most for share, most in zip(shares, wish, strict=True))
    assert sum(shares) >= sum(wish) - 1
