"""Every bit of some trajectories, of the optimum's cost and of a ledger is as recorded (``tests/trajectories.py``)."""

from __future__ import annotations

import pytest

from tests.trajectories import bound, bounded, cases, recorded, rounding, trajectory, village_root

HELD = recorded()
PLAYED = [*cases()]

pytestmark = pytest.mark.skipif(
    rounding() != HELD["rounding"], reason="this machine or NumPy rounds otherwise than the one that recorded"
)


def test_nothing_recorded_is_left_out() -> None:
    assert set(HELD["trajectories"]) == set(PLAYED)
    assert set(HELD["bounds"]) == set(bounded())
    assert len(PLAYED) >= 25


@pytest.mark.parametrize("name", PLAYED)
def test_a_trajectory_is_the_recorded_one(name: str) -> None:
    assert trajectory(name) == HELD["trajectories"][name]


@pytest.mark.parametrize("name", [*bounded()])
def test_the_optimum_costs_what_is_recorded(name: str) -> None:
    assert bound(name) == HELD["bounds"][name]


def test_a_village_day_has_the_recorded_merkle_root() -> None:
    assert village_root() == HELD["village_root"]
