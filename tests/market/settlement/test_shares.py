"""Shares in what the community owns, in integers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gridbazaar.market.settlement.shares import holding, pass_on

AGENTS = ("a", "b", "c", "tank_0", "tank_1")


def test_a_worked_result_goes_to_its_holders() -> None:
    """The tanks owe 700 and earn 1700, together they earn 1000: half of it, three tenths, a fifth."""
    held = holding(AGENTS, slice(3, 5), {"a": 0.5, "b": 0.3, "c": 0.2})
    owed = np.array([[10, 20, 30, 700, -1700]])
    assert pass_on(owed, held).tolist() == [[-500, -300, -200, -700, 1700]]


def test_what_does_not_divide_is_shared_to_the_last_unit() -> None:
    held = holding(AGENTS, slice(3, 5), {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
    given_ = pass_on(np.array([[0, 0, 0, 100, 0], [0, 0, 0, -100, 0], [0, 0, 0, 1, 0]]), held)
    assert given_[:, :3].tolist() == [[33, 34, 33], [-33, -34, -33], [0, 1, 0]]  # alike in either direction
    assert not given_.sum(axis=1).any()


@given(
    st.lists(st.integers(1, 1000), min_size=3, max_size=3),
    st.lists(st.integers(-(10**11), 10**11), min_size=5, max_size=5),
)
def test_rows_sum_to_zero_and_nobody_is_off_by_a_unit(weights: list[int], owed: list[int]) -> None:
    shares = {name: w / sum(weights) for name, w in zip("abc", weights, strict=True)}
    held = holding(AGENTS, slice(3, 5), shares)
    passed = pass_on(np.array([owed]), held)[0]
    assert passed.sum() == 0
    assert (np.array(owed) + passed)[3:].tolist() == [0, 0]
    total, ppm = owed[3] + owed[4], np.diff(held.until_ppm, prepend=0)
    assert np.abs(passed[:3] - total * ppm[:3] / 1e6).max() < 1 + 1e-4
    assert np.abs(ppm[:3] / 1e6 - list(shares.values())).max() <= 1e-6 + 1e-12
