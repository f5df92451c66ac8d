"""Outages: islands balance themselves, critical load goes last, and everything still adds up."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.agents.plan import View
from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.interval.island import balance
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import State, Transition
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.market.orders import Status
from gridbazaar.market.settlement.settle import SYSTEM_PARTIES

N = 200


@pytest.fixture(scope="module")
def random_outages() -> list[tuple[State, Transition, Any]]:
    """Two hundred days of the blackout village with random actions; the interval, and who was off."""
    core = Core(load_scenario("blackout", hours=6.0, **{"outage.mean_h": 3.0, "outage.lines_per_year": 500.0}), N)
    played = play(core, load_policy("random"), range(N), split="train", keep=True)
    kept = []
    for before, happened in zip(played.states, played.transitions, strict=True):
        outages = before.episode.outages
        assert outages is not None
        off = (before.t >= outages.begin) & (before.t < outages.end)
        kept.append((before, happened, off))
    return kept


def rows(kept: list[tuple[State, Transition, Any]]) -> list[tuple[State, Transition, Any]]:
    """Intervals in which somebody is on an island, and which rows."""
    found = [(b, h, off & b.episode.outages.can_island) for b, h, off in kept if b.episode.outages is not None]
    return [(b, h, island) for b, h, island in found if island.any()]


def test_every_day_of_the_blackout_village_has_an_outage(random_outages: list[tuple[State, Transition, Any]]) -> None:
    off = np.array([off for _, _, off in random_outages])
    assert off.any(axis=0).all()
    assert not off.all()
    assert sum(island.sum() for _, _, island in rows(random_outages)) > 1000


def test_an_island_draws_nothing_from_the_grid_above(random_outages: list[tuple[State, Transition, Any]]) -> None:
    """One that cannot serve even its losses goes dark: it sheds everything, and its wires take nothing."""
    n_dark = n_running = 0
    for _, happened, island in rows(random_outages):
        assert np.abs(happened.wires.root_kw[island]).max(initial=0.0) < 1e-3
        losses = happened.wires.loss_kw[island] * 0.25
        assert np.abs(happened.delivery.metered_ukwh[island].sum(1) / 1e6 + losses).max(initial=0.0) < 1e-3
        dark = island & (happened.devices.load_kwh.sum(axis=1) <= 1e-9)
        n_dark, n_running = n_dark + int(dark.sum()), n_running + int((island & ~dark).sum())
        assert not happened.delivery.metered_ukwh[dark].any()
        assert not happened.wires.loss_kw[dark].any()
        assert (happened.wires.loss_kw[island & ~dark] > 0).all()
        assert not happened.money.bill.line("losses")[dark].any()
    assert n_dark > 10
    assert n_running > 20


def test_served_shed_and_curtailed_add_up(random_outages: list[tuple[State, Transition, Any]]) -> None:
    core = Core(load_scenario("blackout", hours=6.0, **{"outage.mean_h": 3.0, "outage.lines_per_year": 500.0}), N)
    homes = core.world.slices[0]
    shed, spilt = 0.0, 0.0
    for before, happened, island in rows(random_outages):
        now = (before.episode.start + before.t)[:, None]
        params = before.episode.params[0]
        load_kwh = core.world.series.load_kw[params.home, now] * params.load_scale * 0.25
        pv_kwh = core.world.series.pv_kw_per_kwp[params.roof, now] * params.pv_kwp * 0.25
        assert np.abs(happened.devices.load_kwh[:, homes] + happened.shed_kwh[:, homes] - load_kwh)[island].max() < 1e-9
        assert (happened.devices.pv_kwh[:, homes] <= pv_kwh + 1e-9)[island].all()
        shed += happened.shed_kwh[island].sum()
        spilt += (pv_kwh - happened.devices.pv_kwh[:, homes])[island].sum()
    assert shed > 1.0
    assert spilt > 1.0


def test_critical_load_is_shed_last(random_outages: list[tuple[State, Transition, Any]]) -> None:
    """Where critical load is lost, live homes have nothing else, and every battery gives what it can."""
    seen = 0
    for before, happened, island in rows(random_outages):
        n_homes = 12
        critical_cur = happened.money.shed_cur[:, :n_homes] - 5.0 * happened.shed_kwh[:, :n_homes]
        lost = happened.shed_kwh[:, :n_homes].sum(1)
        load = lost + happened.devices.load_kwh[:, :n_homes].sum(1)
        dark = before.episode.outages.line_begin <= before.t  # type: ignore[union-attr]
        short = island & ~dark & (critical_cur.sum(1) > 1e-3)
        seen += int(short.sum())
        assert (lost[short] > 0.7 * load[short] - 1e-6).all()
        batteries = slice(n_homes, n_homes + 2)
        released = happened.devices.flexible_ukwh[:, batteries] / 1e6 / 0.25
        assert np.abs(released - before.view.low_kw[:, batteries])[short].max(initial=0.0) < 1e-5
    assert seen > 0


def test_every_device_conserves_energy_on_an_island(random_outages: list[tuple[State, Transition, Any]]) -> None:
    for (before, happened, _), (after, _, _) in pairwise(random_outages):
        stored = [
            sum(np.asarray(d.energy_kwh).reshape(N, -1).sum(1) for d in state.devices) for state in (before, after)
        ]
        drawn = np.zeros(N)
        for kind, columns in (("battery", slice(12, 14)), ("ev", slice(14, 20)), ("vpp", slice(20, 21))):
            drawn += (happened.devices.firm_ukwh + happened.devices.flexible_ukwh)[:, columns].sum(1) / 1e6
            assert kind
        drawn += happened.devices.flexible_ukwh[:, :12].sum(1) / 1e6
        assert np.abs(stored[1] - stored[0] - drawn + happened.devices.loss_kwh.sum(1)).max() < 1e-9


def test_money_stays_on_the_island(random_outages: list[tuple[State, Transition, Any]]) -> None:
    for _, happened, island in rows(random_outages):
        assert not happened.money.bill.ucur.sum(axis=2).any()
        n = happened.delivery.metered_ukwh.shape[1]
        for party in ("retailer", "wholesale"):
            column = happened.money.bill.ucur[island][:, :, n + SYSTEM_PARTIES.index(party)].sum(axis=1)
            fixed = happened.money.bill.line("fixed")[island][:, n + SYSTEM_PARTIES.index(party)]
            assert (column == fixed).all(), party
        assert not happened.money.bill.line("imbalance")[island].any()
        assert not happened.money.bill.line("market")[island][:, :n].sum(axis=1).any()
        assert (happened.market.clearing.status[island] == Status.ISLAND).all()


def test_prices_lie_between_zero_and_lost_load() -> None:
    core = Core(load_scenario("blackout", hours=8.0), 60)
    seen = set()
    for happened in play(core, load_policy("zero_intelligence"), range(60), split="train", keep=True).transitions:
        island = happened.market.setting.is_island
        assert island is not None
        price = happened.market.clearing.price_ucur_per_kwh[island, 0]
        assert (price >= 0).all()
        assert (price <= 20_000_000).all()
        seen |= set(price.tolist())
    assert {0, 5_000_000, 20_000_000} <= seen
    assert len(seen) > 10


def test_without_a_grid_forming_unit_all_is_dark() -> None:
    scenario = load_scenario("blackout", hours=6.0, **{"battery.grid_forming": False, "outage.mean_h": 50.0})
    core = Core(scenario, 8)
    played = play(core, load_policy("random"), range(8), split="train", keep=True)
    for before, happened in zip(played.states, played.transitions, strict=True):
        outages = before.episode.outages
        assert outages is not None
        assert not outages.can_island.any()
        off = (before.t >= outages.begin) & (before.t < outages.end)
        assert not happened.delivery.metered_ukwh[off].any()
        assert not happened.money.bill.ucur[off][:, 0].any()
        assert not happened.wires.loss_kw[off].any()  # no transformer is magnetised
        assert not happened.money.bill.line("losses")[off].any()
        assert (happened.shed_kwh[off][:, :12] > 0).all()


def test_a_failed_branch_darkens_what_lies_behind_it() -> None:
    scenario = load_scenario("village", hours=6.0, **{"outage.lines_per_year": 1e5, "outage.mean_h": 2.0})
    core = Core(scenario, 16)
    played = play(core, load_policy("random"), range(16), split="train", keep=True)
    behind, bus = core.world.behind, core.world.meter_bus[:12]
    n_dark = 0
    for before, happened in zip(played.states, played.transitions, strict=True):
        outages = before.episode.outages
        assert outages is not None
        cut = (before.t >= outages.line_begin) & (before.t < outages.line_end)
        dark = (behind[outages.line][:, bus] > 0) & cut[:, None]
        n_dark += int(dark.sum())
        assert not happened.delivery.metered_ukwh[:, :12][dark].any()
        assert (happened.devices.load_kwh[:, :12][~dark] > 0).all()
        assert not happened.money.bill.line("imbalance")[:, :12][dark].any()
    assert n_dark > 0


def test_a_scenario_without_outages_draws_none() -> None:
    assert Core("village").reset(0).episode.outages is None


@pytest.mark.slow
def test_no_policy_beats_the_bound_in_a_blackout() -> None:
    found = evaluate("blackout", ["random", "opportunity_cost", "backup", "optimum"], seeds=4, split="train")
    assert all((result.scored_cur >= found.bound_cur).all() for result in found.results)
    shed_kwh = {result.policy: result.figures["shed_kwh"].sum() for result in found.results}
    assert shed_kwh["opportunity_cost"] > 10, "it does not know of outages"
    assert shed_kwh["optimum"] < 0.1 * shed_kwh["opportunity_cost"]


@pytest.mark.parametrize("mechanism", ["uniform_price", "mcafee", "mid_market_rate"])
def test_a_row_in_a_blackout_is_the_episode_alone(mechanism: str) -> None:
    scenario = load_scenario("blackout", hours=6.0, mechanism=mechanism)
    action = np.random.default_rng(0).uniform(-1, 1, (24, 1, Core(scenario).n_agents, 2))
    both, alone = Core(scenario, 2), Core(scenario, 1)
    two, one = both.reset([4, 7], split="train"), alone.reset([7], split="train")
    for a in action:
        two, happened = both.step(two, np.repeat(a, 2, axis=0))
        one, single = alone.step(one, a)
        assert (happened.money.bill.ucur[1] == single.money.bill.ucur[0]).all()
        assert (happened.delivery.metered_ukwh[1] == single.delivery.metered_ukwh[0]).all()


@pytest.mark.slow
def test_torch_plays_the_same_blackout() -> None:
    torch = pytest.importorskip("torch")
    scenario = load_scenario("blackout", hours=6.0)
    action = np.random.default_rng(0).uniform(-1, 1, (24, 3, Core(scenario).n_agents, 2))
    ours, theirs = Core(scenario, 3), Core(scenario, 3, backend="torch")
    one, two = ours.reset(0, split="train"), theirs.reset(0, split="train")
    for a in action:
        one, happened = ours.step(one, a)
        two, other = theirs.step(two, torch.as_tensor(a))
        assert np.abs(happened.delivery.metered_ukwh - other.delivery.metered_ukwh.numpy()).max() <= 2


# The order of measures.


def view_of(low: list[float], high: list[float]) -> View:
    """Devices with limits and nothing else."""
    zero = np.zeros((1, len(low)))
    fields = dict.fromkeys(View.__slots__, zero) | {"low_kw": np.array([low]), "high_kw": np.array([high])}
    return View(**fields)


def made(
    load: list[float], pv: list[float], wish: list[float], low: list[float], high: list[float], loss: float = 0.0
) -> Any:
    """Balance one community whose load is half critical and whose devices all help."""
    arrays = [np.array([x]) for x in (load, pv, wish)]
    lends = np.ones(len(load), bool)
    return balance(arrays[0], 0.5 * arrays[0], arrays[1], arrays[2], view_of(low, high), lends, np.array([loss]))


def test_what_is_short_is_found_in_order() -> None:
    stops_charging = made([4, 0], [2, 0], [0, 3], [0, 0], [0, 5])
    assert stops_charging.device_kw.tolist() == [[0, 0]]
    assert stops_charging.shed_kw.tolist() == [[2, 0]]
    assert stops_charging.shed_critical_kw.tolist() == [[0, 0]]
    releases = made([4, 0], [2, 0], [0, 3], [0, -1.5], [0, 5])
    assert releases.device_kw.tolist() == [[0, -1.5]]
    assert releases.shed_kw.tolist() == [[0.5, 0]]
    sheds_critical = made([4, 0], [1, 0], [0, 0], [0, 0], [0, 0])
    assert sheds_critical.shed_kw.tolist() == [[3, 0]]
    assert sheds_critical.shed_critical_kw.tolist() == [[1, 0]]


def test_what_is_too_much_is_put_away_in_order() -> None:
    keeps = made([1, 0], [4, 0], [0, -2], [0, -2], [0, 0])
    assert keeps.device_kw.tolist() == [[0, 0]]
    assert keeps.pv_kw.tolist() == [[1, 0]]
    charges = made([1, 0], [4, 0], [0, 0], [0, 0], [0, 2])
    assert charges.device_kw.tolist() == [[0, 2]]
    assert charges.pv_kw.tolist() == [[3, 0]]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_supply_meets_demand_whatever_is_wished(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 5))

    def some(low: float, high: float) -> list[float]:
        return data.draw(st.lists(st.floats(low, high), min_size=n, max_size=n))

    load, pv, low, high = some(0, 5), some(0, 5), some(-3, 0), some(0, 3)
    wish = [a + (b - a) * s for a, b, s in zip(low, high, some(0, 1), strict=True)]
    loss = data.draw(st.floats(0, 0.1))
    found = made(load, pv, wish, low, high, loss)
    short = found.served_kw.sum() + found.device_kw.sum() + loss - found.pv_kw.sum()
    can_serve = sum(pv) - sum(low) >= loss  # an island of losses only has nothing to shed
    assert abs(short) < 1e-9 or (not can_serve and 0 < short <= loss + 1e-9)
    assert (found.device_kw >= np.array(low) - 1e-9).all()
    assert (found.device_kw <= np.array(high) + 1e-9).all()
    assert (found.served_kw >= -1e-12).all()
    assert np.abs(found.served_kw + found.shed_kw - load).max() < 1e-9
    assert (found.shed_critical_kw <= found.shed_kw + 1e-12).all()
    if found.shed_critical_kw.sum() > 1e-9:
        assert found.shed_kw.sum() >= 0.5 * sum(load) - 1e-9
        assert np.abs(found.device_kw - low).max() < 1e-9


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("outage.per_year", -1.0, r"outage.per_year: expected a number in \[0, "),
        ("outage.chance", 1.5, r"outage.chance: expected a number in \[0, 1\]"),
        ("outage.mean_h", 0.0, r"outage.mean_h: expected a number in \(0, "),
        ("outage.critical_share", 2.0, "outage.critical_share"),
        ("outage.critical_cur_per_kwh", 1.0, "lost_load_cur_per_kwh: expected at most .*, 1.0; got 5.0"),
    ],
)
def test_outages_that_make_no_sense_are_refused(field: str, value: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load_scenario("village", **{field: value})


def test_interruptions_come_as_often_as_the_statistics_say() -> None:
    core = Core(load_scenario("street", **{"outage.per_year": 100.0, "outage.mean_h": 1.5}), 2000)
    outages = core.reset(0, split="train").episode.outages
    assert outages is not None
    has = outages.begin < core.n_steps
    assert has.mean() == pytest.approx(1 - np.exp(-100 * 24 / 8766), abs=0.03)
