"""Peaks in plans: what the program charges for power, and the rule that shaves it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.dispatch.schedule import solve_optimum
from gridbazaar.agents.peaks import MonthPeak, margin_kw
from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policies.peak_shaving import level_of
from gridbazaar.agents.policy import NoBoundError
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import observe
from gridbazaar.envs.views.others import community_of
from tests.agents.policies.test_optimum import one_storage

LOAD = np.array([1.0, 0.5, 4.0, 2.0, 0.0, -3.0, 3.0, 1.0, 2.5, 0.5, 0.0, 1.0])
DAYS = np.arange(12) // 4


def month(n_steps: int = 12, **more: Any) -> MonthPeak:
    steps = np.arange(n_steps)[None]
    zero = np.zeros((1, 1))
    given: dict[str, Any] = {
        "charge": 0, "counts": steps >= 0, "interval": steps, "unit": steps, "interval_h": 1.0, "n": 1,
        "top_kw": np.zeros((1, 1, more.get("n", 1))), "unit_kw": zero, "part_kwh": zero, "least_kw": zero,
        "cur_per_kw": 10.0, "limits_kw": (), "prices": (), "has_steps": False,
    }  # fmt: skip
    return MonthPeak(**given | more)


def paid(*peaks: MonthPeak, step_h: float = 1.0, capacity: float = 0.0, load: Any = LOAD) -> float:
    """What the peaks of a home cost at least; energy costs nothing."""
    home = one_storage(np.zeros(len(load)), load, capacity=capacity, power=9.0, eta=1.0)
    return float(solve_optimum(replace(home, peaks=peaks), step_h).cost_cur[0])


def one(kw: float) -> Any:
    return np.full((1, 1), kw)


@pytest.mark.parametrize(
    ("peak", "kw"),
    [
        (month(), 4.0),
        (month(top_kw=np.full((1, 1, 1), 4.5)), 4.5),
        (month(least_kw=one(2.5), counts=LOAD[None] < 2.2), 2.5),
        (month(counts=LOAD[None] < 2.8), 2.5),
        (month(n=2, unit=DAYS[None]), (4.0 + 3.0) / 2),
        (month(n=2, unit=DAYS[None], top_kw=np.array([[[1.0, 5.0]]])), (5.0 + 4.0) / 2),
        (month(n=3, unit=DAYS[None], unit_kw=one(6.0)), (6.0 + 3.0 + 2.5) / 3),
        (month(interval=(np.arange(12) // 2)[None], interval_h=2.0), 3.0),
        (month(interval=((np.arange(12) + 1) // 2)[None], interval_h=2.0, part_kwh=one(6.5)), 3.75),
    ],
)
def test_the_program_charges_the_power_that_is_billed(peak: MonthPeak, kw: float) -> None:
    """Steps of an hour; of two hours the mean, also of one that runs since before; days of four hours."""
    assert paid(peak) == pytest.approx(10.0 * kw)


def test_storage_lowers_the_peak_to_the_mean() -> None:
    assert paid(month(6), capacity=20.0, load=[1.0, 1.0, 1.0, 5.0, 0.0, 1.0]) == pytest.approx(10.0 * 8 / 4)


@pytest.mark.parametrize(("kw", "cur"), [(1.9, 100.0), (2.01, 150.0), (4.9, 150.0), (5.01, 180.0), (9.0, 180.0)])
def test_a_step_is_paid_as_a_whole(kw: float, cur: float) -> None:
    steps = month(3, limits_kw=(2.0, 5.0), prices=(100.0, 150.0, 180.0), has_steps=True)
    assert paid(steps, load=[0.0, kw, 1.0]) == pytest.approx(cur, rel=1e-3)


def test_tiers_add_up_and_what_falls_has_no_bound() -> None:
    tiers = month(limits_kw=(1.0, 3.0), prices=(5.0, 7.0, 20.0))
    assert paid(tiers) == pytest.approx(5.0 + 2 * 7.0 + 20.0)
    with pytest.raises(NoBoundError, match="tiers of a charge on power that fall"):
        paid(replace(tiers, prices=(20.0, 7.0, 5.0)))
    with pytest.raises(NoBoundError, match="steps of a charge on power that fall"):
        paid(replace(tiers, prices=(20.0, 7.0, 5.0), has_steps=True))


def test_a_ratchet_holds_what_months_before_drew() -> None:
    first = month(counts=np.arange(12)[None] < 6, ratchet_frac=0.9, lookback_months=1)
    then = replace(first, counts=np.arange(12)[None] >= 6)
    assert paid(first, then) == pytest.approx(10.0 * (4.0 + 0.9 * 4.0))


def test_what_costs_nothing_more_is_up_to_the_peak_so_far_or_the_next_step() -> None:
    assert month(top_kw=np.full((1, 1, 1), 3.0), least_kw=one(2.5)).free_kw == pytest.approx(3.0)
    assert month(least_kw=one(2.5)).free_kw == pytest.approx(2.5)
    of_three = month(n=3, top_kw=np.array([[[1.0, 2.0, 6.0]]]))
    assert of_three.mean_kw == pytest.approx(3.0)
    assert of_three.free_kw == pytest.approx(1.0)
    steps = replace(of_three, limits_kw=(2.0, 5.0), prices=(1.0, 2.0, 3.0), has_steps=True)
    assert steps.free_kw == pytest.approx(5.0, rel=1e-3)
    assert replace(steps, top_kw=np.array([[[1.0, 5.0, 6.0]]])).free_kw == pytest.approx(4.0, rel=1e-3)


def test_a_margin_never_takes_more_than_there_is_room() -> None:
    found = margin_kw(np.array([1.0, 3.0, 4.0, -2.0]), np.array(3.5), 1.5)
    assert found.tolist() == [1.5, 0.5, 0.0, 3.0]
    assert margin_kw(np.array(1.0), np.array(np.inf), 1.5) == 1.5


def test_the_level_is_that_of_hours_in_which_power_counts() -> None:
    counts = np.arange(12)[None] >= 9
    level = level_of((month(least_kw=one(2.0)), month(counts=counts, least_kw=one(1.5))), (1, 1, 12))
    assert level[0, 0].tolist() == [2.0] * 9 + [1.5] * 3


@pytest.mark.parametrize("name", ["peak_shaving", "mpc"])
def test_a_margin_below_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected margin >= 0, got -1"):
        load_policy(name, margin=-1.0)


def test_without_a_charge_on_power_the_rule_is_the_one_it_builds_on() -> None:
    core = Core("street", 1)
    state = core.reset(0)
    seen, community, rng = observe(core, state, forecasts=True), community_of(core, state), np.random.default_rng(0)
    found = []
    for name in ("peak_shaving", "opportunity_cost"):
        policy = load_policy(name)
        found.append(policy.act(seen, policy.start(community, rng))[0])
    np.testing.assert_array_equal(*found)
