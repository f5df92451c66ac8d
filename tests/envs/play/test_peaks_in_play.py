"""Months under charges on power: what agents see, what the optimum knows, and who lowers the peak."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.dispatch.schedule import solve_optimum
from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policies.optimum import Policy as Optimum
from gridbazaar.agents.policy import NoBoundError
from gridbazaar.data.community import Community, Customer
from gridbazaar.envs.core import Core
from gridbazaar.envs.foresight import foresight
from gridbazaar.envs.observe import feature_columns, observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.accounts import Accounts
from gridbazaar.experiments.evaluation.bound import bound_of
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.market.charge import Charge, Hours, Peak
from gridbazaar.market.design import Design
from gridbazaar.market.designs import load_design
from gridbazaar.market.settlement.settle import LINES

SMALL: dict[str, Any] = {"data.n_homes": 8, "data.n_roofs": 4, "data.n_cars": 4, "data.n_days": 100}
FEBRUARY = ("2024-02-01", "2024-02-29")
WINTER = ("2024-02-01", "2024-03-31")
FAMILY = Community((Customer("family", ("prosumer_1", "battery_0", "ev_0")),))
TWO_HOMES = Community((Customer("two homes", ("prosumer_0", "prosumer_1")),))
BARE: dict[str, Any] = {"battery.count": 0, "ev.count": 0, "vpp.count": 0, "prosumer.battery_share": (0.0, 0.0)}


def power(**of_charge: Any) -> Design:
    charges = (
        Charge("retail", "retailer", cur_per_kwh=0.3),
        Charge("capacity", "network_operator", **of_charge),
    )
    return Design(
        name="d", title="d", region="", year=2024, currency="EUR", tz="Europe/Brussels", source="", charges=charges
    )


def core_of(tariff: Any, dates: tuple[str, str] = FEBRUARY, scenario: str = "street", **more: Any) -> Core:
    given = {"tariff": tariff, "dates": dates, "step_min": 60}
    return Core(load_scenario(scenario, **given | SMALL | more), 1)


def village_of(tariff: Any, community: Community | None = None) -> Core:
    return Core(load_scenario("village", tariff=tariff, dates=FEBRUARY, step_min=60, community=community), 1)


def test_agents_see_the_peak_so_far_and_its_price() -> None:
    """A floor of 2.5 kW; 40.40 a year, with 6 % tax, for the 29 days of a leap year's February."""
    core = core_of("be_flanders")
    names = [column.name for column in feature_columns(core.scenario)]
    assert names[-2:] == ["peak_so_far_0", "peak_price_0"]
    state = core.reset(0)
    full = np.ones((1, core.n_agents, core.n_actions))
    seen = observe(core, state).features[0, :, -2:]
    assert seen[:, 0] * 5.0 == pytest.approx(np.full(core.n_agents, 2.5))
    assert seen[:, 1] * 10.0 == pytest.approx(np.full(core.n_agents, 40.40 * 29 / 366 * 1.06), rel=1e-6)
    metered = []
    for _ in range(20):
        state, happened = core.step(state, full)
        metered.append(happened.delivery.metered_ukwh[0] / 1e6)
    highest_kw = np.maximum(np.max(metered, axis=0), 2.5)
    assert (highest_kw > 2.5).any()
    assert observe(core, state).features[0, :, -2] * 5.0 == pytest.approx(highest_kw, rel=1e-6)
    ahead = observe(core, state, forecasts=True).forecasts
    assert ahead is not None
    assert ahead.peaks[0].mean_kw[0] == pytest.approx(highest_kw)


def test_nobody_sees_a_peak_that_costs_nothing() -> None:
    assert not [column for column in feature_columns(load_scenario("street")) if column.name.startswith("peak")]
    core = Core("street", 1)
    ahead = observe(core, core.reset(0), forecasts=True).forecasts
    assert ahead is not None
    assert ahead.peaks == ()


EVENING = (Hours(17, 20, days="weekday"),)
CHARGES: dict[str, dict[str, Any]] = {
    "a mean of two months": {"cur_per_kw_year": 50.0, "peak": Peak(average_months=2, floor_kw=2.0)},
    "three days": {"cur_per_kw_month": 4.0, "peak": Peak(n=3, interval_min=60)},
    "three hours": {"cur_per_kw_month": 4.0, "peak": Peak(n=3, per="interval", interval_min=60)},
    "evenings": {"cur_per_kw_day": 0.2, "peak": Peak(windows=EVENING)},
    "a ratchet": {"cur_per_kw_month": 4.0, "peak": Peak(ratchet_frac=0.9, lookback_months=1)},
    "tiers": {"tiers_kw": (1.0, 2.0), "tier_cur_per_kw_month": (1.0, 3.0, 9.0)},
    "steps": {"steps_kw": (1.0, 2.0), "step_cur_per_month": (5.0, 9.0, 20.0)},
}


@pytest.mark.slow
@pytest.mark.parametrize("community", [None, TWO_HOMES])
@pytest.mark.parametrize("name", CHARGES)
def test_where_nothing_can_be_moved_the_program_charges_what_is_posted(name: str, community: Community | None) -> None:
    """Two months of homes without devices, under a rule that clears what flowed."""
    core = core_of(power(**CHARGES[name]), WINTER, mechanism="mid_market_rate", community=community, **BARE)
    state = core.reset(0, split="test")
    ahead = foresight(core, state)
    without = solve_optimum(replace(ahead, peaks=()), 1.0).cost_cur
    accounts = Accounts(core, state, np.array([0]))
    play(core, load_policy("idle"), [0], state=state, record=accounts.add)
    posted = accounts.bill_ucur[:, 0, LINES.index("capacity"), : core.n_agents].sum() / 1e6
    assert solve_optimum(ahead, 1.0).cost_cur - without == pytest.approx(posted, rel=1e-6)
    assert posted > 5


@pytest.mark.slow
@pytest.mark.parametrize("community", [None, FAMILY])
@pytest.mark.parametrize("tariff", ["be_flanders", "three days", "evenings", "tiers", "steps"])
def test_no_policy_costs_less_than_the_bound(tariff: str, community: Community | None) -> None:
    core = core_of(power(**CHARGES[tariff]) if tariff in CHARGES else tariff, community=community)
    state = core.reset(3, split="validation")
    bound = bound_of(core, state)
    for name in ("random", "opportunity_cost", "peak_shaving"):
        played = play(core, load_policy(name), [3], split="validation", state=state)
        assert played.tally.scored_cur[0] >= bound.cost_cur[0] - bound.rounding_cur[0], name
    replayed = play(core, Optimum(bound.schedule), [3], state=state, ahead=bound.ahead)
    assert replayed.tally.scored_cur[0] >= bound.cost_cur[0] - bound.rounding_cur[0]


def test_what_has_no_bound_is_named() -> None:
    design = replace(load_design("au_two_way"), currency="EUR")
    core = core_of(design)
    with pytest.raises(NoBoundError, match="does not cover energy that earns by the month"):
        foresight(core, core.reset(0))


@pytest.mark.slow
def test_policies_lower_the_peak_where_it_costs_something_and_nowhere_else() -> None:
    """The hourly February of a village: mean highest power of a meter, and what is due for power."""
    peak_kw: dict[tuple[str, str], float] = {}
    due_cur: dict[str, float] = {}
    for tariff in ("be_flanders", "flat"):
        core = village_of(tariff)
        state = core.reset(0, split="test")
        bound = bound_of(core, state)
        policies = {name: load_policy(name) for name in ("idle", "opportunity_cost", "peak_shaving")}
        policies |= {"mpc": load_policy("mpc", every=4), "optimum": Optimum(bound.schedule)}
        for name, policy in policies.items():
            accounts = Accounts(core, state, np.array([0]))
            ahead = bound.ahead if name == "optimum" else None
            played = play(core, policy, [0], state=state, record=accounts.add, ahead=ahead)
            assert played.tally.scored_cur[0] >= bound.cost_cur[0] - bound.rounding_cur[0], name
            peak_kw[tariff, name] = float(accounts.peak_ukwh[0, 0].mean()) / 1e6
            if tariff == "be_flanders":
                due_cur[name] = float(accounts.bill_ucur[0, 0, LINES.index("capacity"), : core.n_agents].sum()) / 1e6
    for name in ("peak_shaving", "mpc", "optimum"):
        for other in ("idle", "opportunity_cost"):
            assert due_cur[name] < 0.95 * due_cur[other], (name, other)
            assert peak_kw["be_flanders", name] < 0.97 * peak_kw["be_flanders", other], (name, other)
    assert peak_kw["flat", "peak_shaving"] == peak_kw["flat", "opportunity_cost"]
    for name in ("mpc", "optimum"):
        assert peak_kw["flat", name] > max(peak_kw["flat", "idle"], 1.2 * peak_kw["be_flanders", name]), name


FAMILIES = Community(
    tuple(Customer(f"family {i}", (f"prosumer_{i}", f"ev_{i}", *[f"battery_{i}"] * (i < 4))) for i in range(6))
)


@pytest.mark.slow
def test_policies_lower_the_peak_of_families_whose_devices_share_one_meter() -> None:
    """Cars, batteries and loads of six homes; what is due for power in the hourly February of a village."""
    core = village_of("be_flanders", FAMILIES)
    state = core.reset(0, split="test")
    bound = bound_of(core, state)
    due_cur: dict[str, float] = {}
    policies = {name: load_policy(name) for name in ("opportunity_cost", "peak_shaving")}
    policies |= {"mpc": load_policy("mpc", every=4), "optimum": Optimum(bound.schedule)}
    for name, policy in policies.items():
        accounts = Accounts(core, state, np.array([0]))
        ahead = bound.ahead if name == "optimum" else None
        played = play(core, policy, [0], state=state, record=accounts.add, ahead=ahead)
        assert played.tally.scored_cur[0] >= bound.cost_cur[0] - bound.rounding_cur[0], name
        due_cur[name] = float(accounts.bill_ucur[0, 0, LINES.index("capacity"), : core.n_agents].sum()) / 1e6
    for name in ("peak_shaving", "mpc", "optimum"):
        assert due_cur[name] < 0.9 * due_cur["opportunity_cost"], name
