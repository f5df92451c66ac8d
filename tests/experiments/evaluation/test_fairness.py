"""Worked figures of policy, by their numbers: a year of samples, equal revenue, cross-subsidy, winners, burden."""

from __future__ import annotations

import numpy as np
import pytest

from gridbazaar.experiments.evaluation.fairness import (
    Revenue,
    burden_frac,
    change_of,
    cross_subsidy,
    equal_revenue,
    weighted_year,
)


def test_case_62_a_year_from_four_months() -> None:
    """3 x 280; weights have to sum to the year."""
    assert weighted_year(np.array([100.0, 50.0, 40.0, 90.0]), [3, 3, 3, 3], 12) == 840.0
    with pytest.raises(ValueError, match="expected 4 that sum to 12, got"):
        weighted_year(np.array([100.0, 50.0, 40.0, 90.0]), [3, 3, 3, 2], 12)


def test_case_77_equal_revenue_without_an_answer() -> None:
    """60 / 48 = 1.25: .10 a kWh, bills 20, 30, 40."""
    kwh = np.array([100.0, 200.0, 300.0])
    found = equal_revenue(lambda scale: Revenue(30.0, float(0.08 * scale * kwh.sum())), 90.0)
    assert found.is_settled
    assert found.path == pytest.approx((1.0, 1.25))
    assert (10 + 0.08 * found.scale * kwh).round(2).tolist() == [20.0, 30.0, 40.0]
    assert found.revenue_cur == pytest.approx(90.0)


def test_case_78_equal_revenue_with_an_answer() -> None:
    """t q(t) = 110 with q = 1200 - 2000 t: from .10 to .1122 in two steps, to .1129172 in the end."""
    found = equal_revenue(lambda scale: Revenue(0.0, 0.10 * scale * (1200 - 2000 * 0.10 * scale)), 110.0, 30)
    assert round(0.10 * found.path[2], 4) == 0.1122
    assert round(0.10 * found.scale, 4) == 0.1129
    assert found.revenue_cur == pytest.approx(110.0, abs=1e-3)
    assert found.is_settled


def test_revenue_that_no_price_brings_is_said() -> None:
    """Customers who leave faster than prices rise: the path does not settle, and eight rounds are enough."""
    found = equal_revenue(lambda scale: Revenue(0.0, 0.10 * scale * 1200 * np.exp(-3 * scale)), 110.0)
    assert not found.is_settled
    assert len(found.path) <= 9


PEAKS = {"A": 4, "B": 3, "C": 2, "AB": 6, "AC": 5, "BC": 4, "ABC": 7}


def cost(group: frozenset[str]) -> float:
    return 60.0 + 10 * PEAKS["".join(sorted(group))] if group else 0.0


def test_case_80_three_homes_and_their_coincident_peak() -> None:
    """130 by 3000 : 2000 : 1000 kWh is 65, 43.33, 21.67: between 30, 20, 10 and 100, 90, 80."""
    bills = {"A": 65.0, "B": 130 / 3, "C": 130 / 6}
    found = cross_subsidy(["A", "B", "C"], cost, bills)
    assert found.incremental_cur == {"A": 30.0, "B": 20.0, "C": 10.0}
    assert found.stand_alone_cur == {"A": 100.0, "B": 90.0, "C": 80.0}
    assert found.outside == ()


def test_who_pays_for_whom_is_named() -> None:
    """C pays 5 of the 10 that it adds, so A and B together pay 125 where they would cost 120 alone."""
    found = cross_subsidy(["A", "B", "C"], cost, {"A": 70.0, "B": 55.0, "C": 5.0})
    assert found.outside == (("C",), ("A", "B"))
    with pytest.raises(ValueError, match="expected 2 to 16 different names"):
        cross_subsidy(["A", "A"], cost, {"A": 1.0})


@pytest.mark.parametrize(
    ("before", "losers", "mean_loss", "mean_gain"),
    [([100.0, 80.0, 60.0], 2, 3.50, 10.0), ([95.0, 86.0, 63.0], 0, 0.0, 7 / 3), ([97.0, 84.0, 62.0], 1, 1.00, 7.0)],
    ids=["today", "without the market", "without automation"],
)
def test_case_82_winners_and_losers(before: list[float], losers: int, mean_loss: float, mean_gain: float) -> None:
    found = change_of(np.array([90.0, 85.0, 62.0]), np.array(before))
    assert found.losers == losers
    assert found.mean_loss_cur == pytest.approx(mean_loss)
    assert found.mean_gain_cur == pytest.approx(mean_gain)
    assert found.winners + found.losers <= 3


def test_half_a_cent_is_no_loss() -> None:
    assert change_of(np.array([1.004, 2.006]), np.array([1.0, 2.0])).losers == 1


def test_case_84_the_burden_of_a_bill() -> None:
    """5 %, 6 %, -.25 %."""
    found = burden_frac(np.array([1200.0, 900.0, -100.0]), np.array([24000.0, 15000.0, 40000.0]))
    assert (100 * found).round(4).tolist() == [5.0, 6.0, -0.25]
    assert float(np.median(100 * found)) == pytest.approx(5.0)
    with pytest.raises(ValueError, match="income: expected amounts above 0"):
        burden_frac(np.ones(2), np.array([1.0, 0.0]))
