"""Months of netting and tiers: what is posted is the bill, what the optimum knows of them, and who answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.dispatch.schedule import solve_optimum
from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policies.optimum import Policy as Optimum
from gridbazaar.agents.policy import Forecasts, NoBoundError
from gridbazaar.envs.core import Core
from gridbazaar.envs.foresight import foresight
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.views.others import community_of
from gridbazaar.experiments.evaluation.accounts import Accounts
from gridbazaar.experiments.evaluation.bound import bound_of
from gridbazaar.experiments.evaluation.design_bills import bills_under
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.market.charge import Charge, Window
from gridbazaar.market.design import Design, Netting, Vat
from gridbazaar.market.settlement.settle import LINES
from tests.quick import only

SMALL: dict[str, Any] = {"data.n_homes": 8, "data.n_roofs": 4, "data.n_cars": 4, "data.n_days": 100}
FEBRUARY = ("2024-02-01", "2024-02-29")
WINTER = ("2024-02-01", "2024-03-31")
BARE: dict[str, Any] = {"battery.count": 0, "ev.count": 0, "vpp.count": 0, "prosumer.battery_share": (0.0, 0.0)}
SUNNY: dict[str, Any] = {"prosumer.count": 3, "prosumer.pv_share": (1.0, 1.0), "prosumer.pv_kwp": (8.0, 9.0)}
FEW: dict[str, Any] = {"prosumer.count": 2, "ev.count": 0, "vpp.count": 0}
EVENING = (Window(17, 21, cur_per_kwh=0.4),)


def energy(netting: Netting | None = None, *, sold: float | None = None, fixed: float = 0.0, **bought: Any) -> Design:
    """A retailer's price with tax, a network price that does not net, and what export earns."""
    charges = [
        Charge("retail", "retailer", **(bought or {"cur_per_kwh": 0.24})),
        Charge("network", "network_operator", cur_per_kwh=0.05, nets=False, local={"transformer": 0.4}),
    ]
    charges += [] if sold is None else [Charge("retail", "retailer", flow="export", cur_per_kwh=sold, vat=False)]
    charges += [Charge("fixed", "retailer", cur_per_day=fixed)] if fixed else []
    return Design(
        "d", "d", "", 2024, "EUR", "Europe/Brussels", "", tuple(charges), vat=Vat(0.2), netting=netting or Netting()
    )


TIERS: dict[str, Any] = {"tiers_kwh": (60.0, 150.0), "tier_cur_per_kwh": (0.2, 0.28, 0.5)}
DESIGNS = {
    "a month": energy(Netting("month"), sold=0.06, fixed=0.2),
    "a share of the month": energy(Netting("month", 0.6), sold=0.06),
    "a bank": energy(Netting("month", rollover="kwh"), cur_per_kwh=0.21, windows=EVENING),
    "credits": energy(Netting(rollover="money", credit_pays=("retail",)), sold=0.15),
    "money": energy(Netting("month", rollover="money"), cur_per_kwh=0.21, windows=EVENING),
    "a cap": energy(Netting(cap="energy_month", credit_pays=("retail",)), sold=0.1, cur_per_kwh=0.06),
    "tiers": energy(sold=0.05, **TIERS),
    "tiers a day": energy(sold=0.05, **{**TIERS, "tiers_kwh": (2.0, 5.0)}, tier_scope="month_per_day"),
    "tiers of the year": energy(sold=0.05, **TIERS, tier_scope="year"),
    "tiers of each window": energy(
        sold=0.05, **TIERS, tier_split="window", windows=(Window(17, 21, tier_cur_per_kwh=(0.3, 0.5, 0.6)),)
    ),
}


def core_of(tariff: Any, dates: tuple[str, str] = FEBRUARY, **more: Any) -> Core:
    given = {"tariff": tariff, "dates": dates, "step_min": 60}
    return Core(load_scenario("street", **given | SMALL | more), 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNS)
def test_a_played_month_is_billed_as_its_meters_are_apart(name: str) -> None:
    """Lines of energy to the micro-unit, and every line sums to zero over all parties; who is balance-responsible pays
    the tariff on its whole meter, and on top what a deviation is worse by.
    """
    core = core_of(DESIGNS[name], FEBRUARY, mechanism="mid_market_rate", **FEW)
    state = core.reset(1, split="test")
    accounts = Accounts(core, state, np.array([1]))
    play(core, load_policy("self_consumption"), [1], state=state, record=accounts.add)
    assert (accounts.bill_ucur.sum(axis=-1) == 0).all()
    (found,) = bills_under(DESIGNS[name], accounts)
    for line in ("retail", "network"):
        place = [entry.line for entry in found.bill.entries].index(line)
        posted = accounts.bill_ucur[:, 0, LINES.index(line), : core.n_agents]
        assert (posted == found.bill.ucur[:, :, place].T).all(), line
        assert np.abs(posted).max() > 1_000_000
    vat = accounts.bill_ucur[0, 0, LINES.index("tax"), : core.n_agents]
    assert np.abs(vat - np.rint(found.bill.cur[..., -1].sum(1) * 1e6)).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a month", "a cap", "tiers", "tiers a day"])
def test_a_familys_month_is_billed_as_one_meter(name: str, tmp_path: Path) -> None:
    """Two meters would have used up each kWh's tier apart, and their surplus would not net."""
    table = tmp_path / "family.csv"
    table.write_text("customer,agent\nfamily,prosumer_0\nfamily,battery_0\n", encoding="utf-8")
    core = core_of(DESIGNS[name], FEBRUARY, mechanism="mid_market_rate", community=str(table), **FEW)
    state = core.reset(1, split="test")
    accounts = Accounts(core, state, np.array([1]))
    play(core, load_policy("self_consumption"), [1], state=state, record=accounts.add)
    bills, apart = (bills_under(DESIGNS[name], accounts, of)[0].bill for of in (None, {a: [a] for a in core.agents}))
    owned = [[core.agents.index(agent) for agent in customer.agents] for customer in core.scenario.customers]
    assert owned == [[0, 2], [1]]
    for line in ("retail", "network"):
        place = [entry.line for entry in bills.entries].index(line)
        posted = accounts.bill_ucur[:, 0, LINES.index(line), : core.n_agents].sum(axis=0)
        assert [posted[agents].sum() for agents in owned] == bills.ucur[:, :, place].sum(axis=1).tolist(), line
    assert abs(apart.ucur.sum() - bills.ucur.sum()) > 100_000


@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNS)
def test_where_nothing_can_be_moved_the_program_charges_what_is_posted(name: str) -> None:
    """Two months of homes without devices and without neighbours: what the month asks beside the prices."""
    core = core_of(DESIGNS[name], WINTER, mechanism="none", **BARE | SUNNY)
    state = core.reset(0, split="test")
    ahead = foresight(core, state)
    assert ahead.excess
    alone = replace(ahead, excess=tuple(replace(one, local=one.local + 1e6) for one in ahead.excess))
    accounts = Accounts(core, state, np.array([0]))
    play(core, load_policy("idle"), [0], state=state, record=accounts.add)
    n = core.n_agents
    lines = [LINES.index(line) for line in ("retail", "network", "tax")]
    posted = accounts.bill_ucur[:, 0][:, lines, :n].sum() / 1e6
    posted -= 0.2 * 0.2 * 60 * n if name == "a month" else 0.0  # the tax on 60 days of standing charges
    rates = core.world.rates
    net = accounts.net_ukwh[:, 0]
    steps = int(state.episode.start[0]) + np.arange(core.n_steps)
    asked = (rates.energy + rates.network + rates.tax)[steps][:, None] * np.maximum(net, 0)
    asked = (asked - rates.export[steps][:, None] * np.maximum(-net, 0)).sum() / 1e12
    more = solve_optimum(alone, 1.0).cost_cur - solve_optimum(replace(ahead, excess=()), 1.0).cost_cur
    assert more == pytest.approx(posted - asked, abs=1e-4)
    assert abs(more) > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a month", "a bank", "credits", "tiers", "tiers of each window"])
def test_no_policy_costs_less_than_the_bound(name: str) -> None:
    core = core_of(DESIGNS[name])
    state = core.reset(3, split="validation")
    bound = bound_of(core, state)
    costs = {}
    for policy in ("random", "opportunity_cost"):
        played = play(core, load_policy(policy), [3], split="validation", state=state)
        costs[policy] = float(played.tally.scored_cur[0])
    replayed = play(core, Optimum(bound.schedule), [3], state=state, ahead=bound.ahead)
    costs["optimum"] = float(replayed.tally.scored_cur[0])
    assert min(costs.values()) >= bound.cost_cur[0] - bound.rounding_cur[0], costs
    assert costs["optimum"] <= costs["opportunity_cost"], costs


UNBOUND = {
    "netting over a month at prices that change": energy(Netting("month"), sold=0.05, cur_per_kwh=0.2, windows=EVENING),
    "netting over a month where export earns more than import costs": energy(Netting("month"), sold=0.5),
    "tiers that fall of a charge on energy": energy(tiers_kwh=(50.0,), tier_cur_per_kwh=(0.3, 0.2)),
    "tiers that net of a charge on energy": energy(Netting("month"), **TIERS),
    "tiers that rise by more at some hours than at others": energy(
        **TIERS, windows=(Window(17, 21, tier_cur_per_kwh=(0.3, 0.5, 0.6)),)
    ),
    "a true-up that pays more for a kWh than it costs": energy(
        Netting("month", rollover="kwh", true_up_month=2, true_up_cur_per_kwh=0.5), cur_per_kwh=0.2
    ),
}


@pytest.mark.parametrize("why", only(lambda why: "fall" in why or "prices" in why, UNBOUND))
def test_what_has_no_bound_is_named_and_planned_all_the_same(why: str) -> None:
    design = replace(UNBOUND[why], netting=replace(UNBOUND[why].netting, true_up_month=None))
    design = UNBOUND[why] if "true-up" in why else design
    months = {"dates": ("2024-03-01", "2025-02-28"), "data.n_days": 500} if "true-up" in why else {}
    core = Core(
        load_scenario("street", **{"tariff": design, "dates": FEBRUARY, "step_min": 60} | SMALL | BARE | months)
    )
    state = core.reset(0)
    with pytest.raises(NoBoundError, match=why):
        foresight(core, state)
    seen = observe(core, state, forecasts=True)
    assert seen.forecasts is not None
    assert [one.no_bound for one in seen.forecasts.excess if one.no_bound]


def test_planners_see_what_the_month_has_come_to() -> None:
    """60 kWh at .20, up to 150 kWh at .28 and .50 above, with 20 % tax; after 3 days a home has used some of it."""
    core = core_of(DESIGNS["tiers"], FEBRUARY, **BARE | {"prosumer.count": 2})
    state, rest = core.reset(0), np.zeros((1, core.n_agents, core.n_actions))
    drawn_kwh = np.zeros(core.n_agents)
    for _ in range(72):
        state, happened = core.step(state, rest)
        drawn_kwh += (
            np.maximum(happened.delivery.metered_ukwh[0] - happened.market.clearing.traded_ukwh[0, :2], 0) / 1e6
        )
    ahead = observe(core, state, forecasts=True).forecasts
    assert ahead is not None
    low, high = ahead.excess
    assert drawn_kwh.min() > 5
    assert low.so_far[0] == pytest.approx(drawn_kwh - 60.0, abs=1e-5)
    assert high.so_far[0] == pytest.approx(drawn_kwh - 150.0, abs=1e-5)
    assert (low.cost_cur, high.cost_cur) == pytest.approx((0.08 * 1.2, 0.22 * 1.2))
    assert low.draw.tolist() == [1.0] * 24


@pytest.mark.slow
def test_who_sees_the_tier_of_the_month_stores_its_sun() -> None:
    """A home whose month is in the third tier: a kWh costs .66 and earns .25. By prices alone, .30 and .25, storing it
    does not pay for losses and wear.
    """
    alone = {"prosumer.count": 1, "prosumer.battery_share": (1.0, 1.0), "prosumer.pv_share": (1.0, 1.0)}
    core = core_of(energy(sold=0.25, **TIERS), FEBRUARY, mechanism="none", **BARE | alone)
    begun, rest = core.reset(0, split="test"), np.zeros((1, 1, core.n_actions))
    while (observe(core, begun, forecasts=True).forecasts or _none()).excess[1].so_far.min() < 0:
        for _ in range(24):
            begun, _ = core.step(begun, rest)
    fed_in_kwh, due_cur = {}, {}
    for sees in (True, False):
        state, policy, sent, due = begun, load_policy("mpc", every=4), 0.0, 0.0
        memory = policy.start(community_of(core, state), np.random.default_rng(0))
        for _ in range(72):
            seen = observe(core, state, forecasts=True)
            assert seen.forecasts is not None
            if not sees:
                seen = replace(seen, forecasts=replace(seen.forecasts, excess=()))
            action, memory = policy.act(seen, memory)
            state, happened = core.step(state, action)
            sent += float(np.maximum(-happened.delivery.metered_ukwh, 0).sum()) / 1e6
            due += float(happened.money.bill.ucur[0, :, 0].sum()) / 1e6
        fed_in_kwh[sees], due_cur[sees] = sent, due
    assert fed_in_kwh[True] < 0.8 * fed_in_kwh[False]
    assert due_cur[True] < due_cur[False] - 0.5


def _none() -> Forecasts:
    raise AssertionError("forecasts were asked for")
