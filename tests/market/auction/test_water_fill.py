"""Sharing by weights up to a wish."""

from __future__ import annotations

import numpy as np

from gridbazaar.market.water_fill import water_fill


def fill(wish: list[int], weight: list[int], volume: int) -> list[int]:
    shares: list[int] = water_fill(np.array([wish]), np.array([weight]), np.array([volume]))[0].tolist()
    return shares


def test_what_one_leaves_goes_to_the_others_by_their_weights() -> None:
    assert fill([80, 10, 30], [5, 3, 2], 73) == [45, 10, 18]


def test_too_much_water_meets_all_wishes() -> None:
    assert fill([8, 1, 3], [1, 1, 1], 100) == [8, 1, 3]
    assert fill([8, 1, 3], [1, 0, 1], 100) == [8, 0, 3]


def test_who_has_no_weight_keeps_nobody_from_being_full() -> None:
    assert fill([1, 80, 10], [0, 1, 1], 30) == [0, 20, 10]


def test_nothing_is_shared_without_a_volume_a_weight_or_a_wish() -> None:
    assert fill([8, 1], [1, 1], 0) == fill([8, 1], [0, 0], 9) == fill([0, 0], [1, 1], 9) == [0, 0]


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
    shares = fill(wish, weight, sum(wish))
    assert all(share <= most for share, most in zip(shares, wish, strict=True))
    assert sum(shares) >= sum(wish) - 1
