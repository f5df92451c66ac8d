"""Episodes of days under charges by the month: they begin with a month so far and pay what they add to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.data.community import Community, Customer
from gridbazaar.data.units import to_micro
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.bound import bound_of, schedule_of
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.market.billing.bill import bill
from gridbazaar.market.billing.metered import metered
from gridbazaar.market.designs import load_design
from tests.quick import only

SMALL: dict[str, Any] = {"data.n_homes": 8, "data.n_roofs": 4, "data.n_cars": 4, "data.n_days": 121, "step_min": 60}
FAMILY = Community((Customer("family", ("prosumer_1", "battery_0", "ev_0")),))
SEEDS = [0, 1, 2, 3, 7]


def core_of(name: str, n: int, **more: Any) -> Core:
    design = replace(load_design(name), holidays="")
    given = {"tariff": design, "currency": design.currency, "carry": "drawn", "community": FAMILY}
    return Core(load_scenario("street", **SMALL | given | more), n)


def on_arrival_kwh(core: Core, env: int, state: Any, first: int, start: int) -> list[float]:
    """What the car of a row drew that charges at full power whenever it is there and lacks something, by the minute."""
    params, step_h = state.episode.params[2], core.scenario.step_h
    sessions, charger = core.world.bank.sessions, int(params.charger[env, 0])
    kw = float(params.visits.charge_kw[env, 0, 0])
    found = []
    for step in range(first, start):
        begin_h, end_h, drawn = step * step_h, (step + 1) * step_h, 0.0
        for slot in np.flatnonzero(sessions.present[charger]):
            come, leave = sessions.arrive_h[charger, slot], sessions.depart_h[charger, slot]
            full = min(leave, come + sessions.need_kwh[charger, slot] / (kw * params.config.eta_ch))
            drawn += kw * max(0.0, min(end_h, full) - max(begin_h, come))
        found.append(drawn)
    return found


def past_ukwh(core: Core, env: int, state: Any, first: int) -> Any:
    """[n_agents, n] what meters counted from the first of the month on, from the data alone."""
    start, bank, step_h = int(state.episode.start[env]), core.world.bank, core.scenario.step_h
    homes = state.episode.params[0]
    net = np.zeros((core.n_agents, start - first))
    for i in range(3):
        load = bank.load_kw[homes.home[env, i], first:start] * homes.load_scale[env, i]
        net[i] = (load - bank.pv_kw_per_kwp[homes.roof[env, i], first:start] * homes.pv_kwp[env, i]) * step_h
    net[core.agents.index("ev_0")] = on_arrival_kwh(core, env, state, first, start)
    return to_micro(net)


TURN = ("2024-02-27", "2024-03-02")


@pytest.mark.parametrize(
    ("name", "dates"),
    only(
        [("be_flanders", ())],
        [("be_flanders", ()), ("no_bkk", ()), ("au_two_way", ()), ("be_flanders", TURN), ("no_bkk", TURN)],
    ),
)
def test_an_episode_pays_the_bill_of_the_month_with_it_less_that_of_the_days_before(name: str, dates: Any) -> None:
    """The bill of the same meters, those of a family as one; what comes after the episode draws nothing."""
    core = core_of(name, len(SEEDS), mechanism="mid_market_rate", dates=dates)
    state, first_state = core.reset(SEEDS), core.reset(SEEDS)
    rng, meters = np.random.default_rng(2), []
    posted: Any = 0
    for _ in range(core.n_steps):
        state, happened = core.step(state, rng.uniform(-1, 1, (len(SEEDS), core.n_agents, core.n_actions)))
        meters.append(happened.delivery.metered_ukwh)
        posted = posted + happened.money.bill.line("capacity")[:, : core.n_agents]
    owners = [[core.agents.index(agent) for agent in customer.agents] for customer in core.scenario.customers]
    assert core.world.by_month is not None
    begins = np.flatnonzero(core.world.by_month.power[0].begins_month)
    paid = 0
    for env, start in enumerate(first_state.episode.start.tolist()):
        first = int(begins[begins <= start].max())
        end = int(min([*begins[begins > start + core.n_steps - 1], core.world.bank.load_kw.shape[1]]))
        before = past_ukwh(core, env, first_state, first)
        mine = np.array(meters)[:, env].T
        rest = np.zeros((core.n_agents, end - start - core.n_steps), np.int64)
        whole = np.concatenate([before, mine, rest], axis=1)
        alone = np.concatenate([before, 0 * mine, rest], axis=1)
        last_begin = int(begins[begins <= start + core.n_steps - 1].max())
        if last_begin != first:  # the new month is the episode's own, whatever is drawn in it
            alone = alone[:, : last_begin - first]
        due = [of_meters(core, first, np.stack([x[own].sum(axis=0) for own in owners])) for x in (whole, alone)]
        ours = posted[env, [own[0] for own in owners]]
        assert ours.tolist() == (due[0] - due[1]).tolist()
        assert not np.delete(posted[env], [own[0] for own in owners]).any()
        paid += int(ours.sum())
    assert paid > 1_000_000


def of_meters(core: Core, first: int, ukwh: Any) -> Any:
    """[n_customers] the line for power of whole months, in micro-units."""
    design: Any = core.scenario.tariff
    step_min, bank = core.scenario.step_min, core.world.bank
    begin = bank.first_day.astype("datetime64[s]") + np.timedelta64(first * step_min, "m")
    kwh = ukwh / 1e6
    data = metered(
        begin,
        step_min,
        np.maximum(kwh, 0),
        np.maximum(-kwh, 0),
        timezone="UTC",
        spot_cur_per_kwh=np.zeros(kwh.shape[1]),
    )
    found = bill(replace(design, charges=tuple(c for c in design.charges if c.sort == "power")), data)
    place = [entry.line for entry in found.entries].index("capacity")
    return found.ucur[:, :, place].sum(axis=1)


def test_a_row_begins_with_the_same_month_whatever_is_played_beside_it() -> None:
    many, alone = core_of("be_flanders", len(SEEDS)), core_of("be_flanders", 1)
    state, one = many.reset(SEEDS), alone.reset([2])
    assert state.months is not None
    assert one.months is not None
    assert len(set(state.episode.start.tolist())) == len(SEEDS)
    np.testing.assert_array_equal(state.months.power[0].nkw[2:3], one.months.power[0].nkw)
    seen = observe(many, state, forecasts=True)
    so_far_kw = state.months.power[0].nkw / 1e9
    assert seen.features[..., -2] * 5.0 == pytest.approx(so_far_kw, rel=1e-6)
    assert seen.forecasts is not None
    mean_kw = sum(peak.mean_kw * (peak.counts[:, :1]) for peak in seen.forecasts.peaks)
    assert mean_kw == pytest.approx(so_far_kw, rel=1e-8)
    assert (so_far_kw > 3.0).any()


def test_no_policy_costs_less_than_the_bound_of_episodes_within_months() -> None:
    core = core_of("be_flanders", len(SEEDS))
    state = core.reset(SEEDS, split="validation")
    bound = bound_of(core, state)
    for name in ("idle", "random", "peak_shaving"):
        played = play(core, load_policy(name), SEEDS, split="validation", state=state)
        assert (played.tally.scored_cur >= bound.cost_cur - bound.rounding_cur).all(), name
    part = schedule_of(core, state, slice(1, 3))
    assert part.cost_cur == pytest.approx(bound.schedule.cost_cur[1:3], abs=1e-9)


def test_where_nothing_can_be_moved_the_bound_is_what_is_paid() -> None:
    """A rule that clears what flowed, homes without devices: what the month came to before is nobody's cost."""
    bare = {"battery.count": 0, "ev.count": 0, "vpp.count": 0, "prosumer.battery_share": 0.0, "community": None}
    core = core_of("be_flanders", len(SEEDS), mechanism="mid_market_rate", **bare)
    state = core.reset(SEEDS)
    bound = bound_of(core, state)
    played = play(core, load_policy("idle"), SEEDS, split="train", state=state)
    assert played.tally.scored_cur == pytest.approx(bound.cost_cur, abs=1e-3)


@pytest.mark.slow
def test_torch_begins_with_the_same_month() -> None:
    pytest.importorskip("torch")
    numpy_core = core_of("no_bkk", 2)
    other = Core(numpy_core.scenario, 2, backend="torch", dtype="float32")
    one, two = numpy_core.reset([4, 5]).months, other.reset([4, 5]).months
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one.power[0].nkw, two.power[0].nkw.numpy())
    np.testing.assert_array_equal(one.power[0].due_cur, two.power[0].due_cur.numpy())


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"tariff": "flat"}, "carry drawn: expected a tariff that bills power or free kWh by the month, got flat"),
        (
            {"dates": ("2024-02-01", "2024-02-29")},
            "carry drawn: the days from 2024-02-01 to 2024-02-29 are whole months",
        ),
        ({"carry": "some"}, "carry: expected .*whole, drawn"),
        ({"carry": "whole"}, "begin with the month so far that the data say"),
    ],
)
def test_a_month_so_far_that_has_no_use_is_refused(more: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        load_scenario("street", **SMALL | {"tariff": "be_flanders", "carry": "drawn"} | more)
