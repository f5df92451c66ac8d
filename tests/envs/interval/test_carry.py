"""Charges by the billing period inside the market interval: a played month is billed as its meters would be apart."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.data.community import Community, Customer
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.accounts import Accounts
from gridbazaar.experiments.evaluation.design_bills import bills_under
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.market.design import Design
from gridbazaar.market.designs import load_design
from gridbazaar.market.settlement.settle import LINES
from tests.biller import power_cur

FEBRUARY = ("2024-02-01", "2024-02-29")
SMALL: dict[str, Any] = {"data.n_homes": 8, "data.n_roofs": 4, "data.n_cars": 4, "data.n_days": 100}
EX_POST: dict[str, Any] = {"mechanism": "mid_market_rate"}
FAMILY = Community((Customer("family", ("prosumer_1", "battery_0", "ev_0")),))
VILLAGERS = Community((Customer("f", ("prosumer_3", "ev_1", "battery_0")), Customer("g", ("prosumer_5", "ev_0"))))


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
        ("be_flanders", "street", SMALL | EX_POST | {"community": FAMILY}),
        ("no_bkk", "street", SMALL | {"community": FAMILY, "step_min": 15}),
        ("au_two_way", "street", SMALL | EX_POST | {"community": FAMILY}),
        ("be_flanders", "village", {"community": VILLAGERS}),
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
    leads = [core.agents.index(customer.agents[0]) for customer in core.scenario.customers]
    assert (posted[:, leads] == found.bill.ucur[:, :, place].T).all()
    assert (posted[:, leads] > 0).all()
    assert not np.delete(posted[:, :n], leads, axis=1).any()
    assert (accounts.bill_ucur.sum(axis=-1) == 0).all()
    if more.get("mechanism") is None:
        return
    is_home = [core.scenario.agent_kind(core.agents[lead]) == "prosumer" for lead in leads]
    homes = np.array(leads)[is_home]
    for line in ("retail", "network", "fixed"):
        ours = accounts.bill_ucur[:, 0, LINES.index(line), homes].sum(0) / 1e6
        apart = found.bill.line_cur(line)[is_home].sum(1)
        assert ours == pytest.approx(apart, abs=3e-6 * core.n_steps), line
    ours = accounts.bill_ucur[:, 0, LINES.index("tax"), homes].sum(0) / 1e6
    assert ours == pytest.approx(found.bill.line_cur("vat")[is_home].sum(1), abs=3e-6 * core.n_steps)


def design_of(core: Core) -> Design:
    found = core.scenario.tariff
    assert isinstance(found, Design)
    return found


LETTER: dict[str, dict[str, Any]] = {
    "be_flanders": {"floor_kw": 2.5, "cur_per_kw": Fraction("40.40") * 29 / 366},
    "no_bkk": {
        "n": 3, "interval_min": 60, "steps_kw": (0, 2, 5, 10, 15, 20), "step_cur": (145, 240, 400, 570, 735, 900),
    },
}  # fmt: skip


@pytest.mark.parametrize(("name", "step_min"), [("be_flanders", 15), ("no_bkk", 30)])
def test_a_family_is_charged_for_the_peak_of_its_one_meter(name: str, step_min: int) -> None:
    """What is posted in the first days, by the letter of the tariff, in fractions; its agents see one peak."""
    core = month_of(name, **SMALL | {"community": FAMILY, "step_min": step_min, "prosumer.load_scale": (2.0, 3.0)})
    family = [core.agents.index(agent) for agent in FAMILY.customers[0].agents]
    rng, state = np.random.default_rng(3), core.reset(1)
    metered, posted = [], np.zeros(core.n_agents, np.int64)
    for _ in range(2 * 24 * 60 // step_min):
        state, happened = core.step(state, rng.uniform(-1, 1, (1, core.n_agents, core.n_actions)))
        metered.append(happened.delivery.metered_ukwh[0])
        posted += happened.money.bill.line("capacity")[0, : core.n_agents]
    of_family = [Fraction(int(ukwh), 10**6) for ukwh in np.array(metered)[:, family].sum(axis=1)]
    assert posted[family].tolist() == [round(power_cur(LETTER[name], of_family, step_min) * 10**6), 0, 0]
    apart = [[Fraction(int(ukwh), 10**6) for ukwh in np.array(metered)[:, agent]] for agent in family]
    assert sum(power_cur(LETTER[name], each, step_min) for each in apart) > posted[family[0]] / 1e6
    seen = observe(core, state).features[0, family, -2]
    assert (seen == seen[0]).all()
    assert seen[0] > 0


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
