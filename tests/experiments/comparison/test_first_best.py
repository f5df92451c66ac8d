"""The first best: closed forms, policies that cannot undercut it, and why there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gridbazaar.data.units import MICRO
from gridbazaar.experiments.comparison.asked import ask
from gridbazaar.experiments.comparison.cell import Cell, Outcome
from gridbazaar.experiments.comparison.cells_table import cell_table, losses_worth_cur, resource_cost_cur
from gridbazaar.experiments.comparison.first_best import WHOLESALE
from gridbazaar.experiments.comparison.study import Study, study
from gridbazaar.experiments.comparison.write import notes_of

SMALL: dict[str, Any] = {
    "hours": 12, "step_min": 60, "data.n_homes": 8, "data.n_roofs": 4, "data.n_cars": 4, "data.n_days": 80,
    "seeds": 3, "equal_revenue": False,
}  # fmt: skip
NOTHING_FLEXIBLE: dict[str, Any] = {
    "battery.count": 0, "ev.count": 0, "vpp.count": 0, "prosumer.battery_share": (0.0, 0.0),
}  # fmt: skip


def outcome(found: Study, policy: str, tariff: str = "flat") -> Outcome:
    one = found.outcome(Cell(tariff, "none", policy))
    assert one is not None
    return one


def at_wholesale_cur(one: Outcome) -> NDArray[np.float64]:
    """[n_seeds] the wholesale price of what all meters counted."""
    total = []
    for book in one.accounts:
        start = np.asarray(book.first.episode.start)
        for env in range(len(start)):
            spot = book.core.world.bank.spot_cur_per_kwh[start[env] : start[env] + book.core.n_steps]
            total.append(float(book.net_ukwh[:, env].sum(axis=1) / MICRO @ spot))
    return np.array(total)


def test_where_nothing_can_be_shifted_it_is_what_the_meters_cost_wholesale() -> None:
    found = study(ask("street", ["flat"], ["idle"], ["none"], **SMALL, **NOTHING_FLEXIBLE))
    one = outcome(found, "idle")
    assert found.best.cost_cur == pytest.approx(at_wholesale_cur(one), abs=1e-3)
    spent = resource_cost_cur(found, one)
    assert spent - losses_worth_cur(one) == pytest.approx(found.best.cost_cur, abs=1e-3)
    assert (losses_worth_cur(one) > 0).all()


@pytest.fixture(scope="module")
def found() -> Study:
    given = ask("street", ["flat", WHOLESALE], ["optimum", "random"], ["none"], **SMALL, forecast="perfect")
    return study(given)


def test_the_optimum_at_wholesale_prices_reaches_it_and_nobody_undercuts_it(found: Study) -> None:
    best = found.best.cost_cur
    for one in found.outcomes:
        spent = resource_cost_cur(found, one) - losses_worth_cur(one)
        assert (spent >= best - found.best.rounding_cur).all()
    optimum, idle = outcome(found, "optimum", "wholesale"), outcome(found, "idle")
    reached, today = (resource_cost_cur(found, one) - losses_worth_cur(one) for one in (optimum, idle))
    assert (today - reached).mean() > 0.95 * (today - best).mean() > 0.1


def test_cells_say_how_far_they_are_above_it(found: Study) -> None:
    cells = cell_table(found)
    played: Any = cells[cells["basis"] == "played"].set_index(["tariff", "policy"])
    assert played["above_first_best_cur"].min() > 0
    assert played.at[("flat", "idle"), "first_best_reached_frac"] == 0.0
    assert 0.85 < played.at[("wholesale", "optimum"), "first_best_reached_frac"] <= 1.0
    assert set(played["no_first_best"]) == {""}
    assert notes_of(found)["first_best"].startswith(f"society spends at least {found.best.cost_cur.mean():.2f} EUR")


def test_a_cell_below_it_is_an_error_of_ours(found: Study) -> None:
    broken = replace(found, best=replace(found.best, cost_cur=found.best.cost_cur + 100.0))
    with pytest.raises(AssertionError, match=r"flat, none, idle, 1.0 costs less than the first best \(seed 0: "):
        cell_table(broken)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"prosumer.heating.share": (1.0, 1.0)}, "the optimum's program does not cover heat pumps"),
        ({"first_best": False}, "it was not asked for"),
    ],
)
def test_where_there_is_none_cells_and_notes_say_why(more: dict[str, Any], why: str) -> None:
    found = study(ask("street", ["flat"], ["idle"], ["none"], **SMALL | {"hours": 4, "seeds": 1} | more))
    cells = cell_table(found)
    played = cells[cells["basis"] == "played"]
    assert set(played["no_first_best"]) == {why}
    assert played[["first_best_cur", "above_first_best_cur", "first_best_reached_frac"]].isna().all(axis=None)
    assert notes_of(found)["first_best"] == f"not given: {why}"
    assert played["resource_cost_cur"].notna().all()
