"""Charges by the billing period inside the market interval: a played month is billed as its meters would be apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.accounts import Accounts
from gridbazaar.experiments.evaluation.design_bills import bills_under
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.market.design import Design
from gridbazaar.market.designs import load_design
from gridbazaar.market.settlement.settle import LINES

FEBRUARY = ("2024-02-01", "2024-02-29")
SMALL: dict[str, Any] = {"data.n_homes": 8, "data.n_roofs": 4, "data.n_cars": 4, "data.n_days": 100}
EX_POST: dict[str, Any] = {"mechanism": "mid_market_rate"}


def month_of(name: str, scenario: str = "street", **more: Any) -> Core:
    design = replace(load_design(name), holidays="")
    given = {"dates": FEBRUARY, "step_min": 60, "tariff": design, "currency": design.currency}
    return Core(load_scenario(scenario, **given | more), 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "scenario", "more"),
    [
        ("be_flanders", "street", SMALL),
        ("no_bkk", "street", SMALL | EX_POST),
        ("au_two_way", "street", SMALL | EX_POST),
        ("be_flanders", "village", {"step_min": 15}),
        ("no_bkk", "village", {}),
        ("au_two_way", "village", {"step_min": 15}),
        ("be_flanders", "street", SMALL | EX_POST | {"dates": ("2024-02-01", "2024-03-31")}),
    ],
)
def test_a_played_month_is_billed_as_its_meters_are_apart(name: str, scenario: str, more: dict[str, Any]) -> None:
    """The line for power to the micro-unit; what is due by the kWh is rounded in every interval. Where a rule clears
    before delivery it also counts what was traded and not delivered.
    """
    core = month_of(name, scenario, **more)
    state = core.reset(1, split="test")
    accounts = Accounts(core, state, np.array([1]))
    play(core, load_policy("opportunity_cost"), [1], state=state, record=accounts.add)
    design = design_of(core)
    (found,) = bills_under(design, accounts)
    n, capacity = core.n_agents, LINES.index("capacity")
    place = [entry.line for entry in found.bill.entries].index("capacity")
    posted = accounts.bill_ucur[:, 0, capacity]
    assert (posted[:, :n] == found.bill.ucur[:, :, place].T).all()
    assert (posted[:, :n] > 0).all()
    assert (accounts.bill_ucur.sum(axis=-1) == 0).all()
    if more.get("mechanism") is None:
        return
    homes = core.scenario.kind_slices["prosumer"]
    for line in ("retail", "network", "fixed"):
        ours = accounts.bill_ucur[:, 0, LINES.index(line), homes].sum(0) / 1e6
        apart = found.bill.line_cur(line)[homes].sum(1)
        assert ours == pytest.approx(apart, abs=3e-6 * core.n_steps), line
    ours = accounts.bill_ucur[:, 0, LINES.index("tax"), homes].sum(0) / 1e6
    assert ours == pytest.approx(found.bill.line_cur("vat")[homes].sum(1), abs=3e-6 * core.n_steps)


def design_of(core: Core) -> Design:
    found = core.scenario.tariff
    assert isinstance(found, Design)
    return found


def test_an_episode_shorter_than_the_billing_period_is_refused() -> None:
    for dates in ((), ("2024-02-01", "2024-02-28"), ("2024-02-02", "2024-02-29")):
        with pytest.raises(ValueError, match=r"capacity charge on less than .* play whole months"):
            load_scenario("street", tariff="be_flanders", dates=dates, **SMALL)


def test_a_tariff_of_intervals_carries_nothing() -> None:
    core = Core("street", 1)
    assert core.world.by_month is None
    assert core.reset(0).months is None


def test_a_core_of_small_floats_bills_no_less_exactly() -> None:
    """The meters of float32 physics, billed apart, and what was posted."""
    scenario = month_of("be_flanders", **SMALL).scenario
    core = Core(scenario, 1, dtype="float32")
    state, metered, posted = core.reset(1), [], []
    action = np.zeros((1, core.n_agents, core.n_actions))
    for _ in range(48):
        state, happened = core.step(state, action)
        metered.append(happened.delivery.metered_ukwh[0])
        posted.append(happened.money.bill.line("capacity")[0, : core.n_agents])
    peak_kw = np.maximum(np.array(metered).max(0) / 1e6, 2.5)
    assert (np.sum(posted, axis=0) == np.rint(peak_kw * (40.40 * 29 / 366) * 1e6)).all()
