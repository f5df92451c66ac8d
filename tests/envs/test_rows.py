"""A row of observations, worked out in plain Python from the series, the tariff's table and what the episode drew.

Nothing here reads a view, an outlook or a rate of the core: only the bank, TOML tables, the drawn sizes, the energy in
the devices, and orders and meters of the interval before.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.envs.core import Core
from gridbazaar.envs.episode.outlook import OUTLOOK, outlook_of
from gridbazaar.envs.observe import feature_columns, observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import State, Transition
from gridbazaar.market import tariffs

STEP_H, DAY = 0.25, 96
STORAGE_ETA, CAR_ETA, CAR_FLOOR, CAR_TARGET = 0.95, 0.92, 0.2, 0.9
CAR_LEAST_KW, CAR_GIVES_KW = 1.38, 7.4
LOSS_PER_H = 1e-4
SEEDS = [3, 8]


@dataclass
class Played:
    """The village before interval ``t``, and the interval before it."""

    core: Core
    state: State
    before: Transition | None
    t: int
    env: int

    @property
    def drawn(self) -> dict[str, Any]:
        """What the episode drew, by kind."""
        return dict(zip(self.core.scenario.agents, self.state.episode.params, strict=True))

    @property
    def devices(self) -> dict[str, Any]:
        return dict(zip(self.core.scenario.agents, self.state.devices, strict=True))

    @property
    def start(self) -> int:
        return int(self.state.episode.start[self.env])


@cache
def episode(tariff: str) -> list[tuple[State, Transition | None]]:
    """A day of two villages in which everybody acts at random, and draws more than it gives."""
    core = village(tariff)
    state, rng = core.reset(SEEDS), np.random.default_rng(1)
    found: list[tuple[State, Transition | None]] = [(state, None)]
    for _ in range(core.n_steps):
        state, happened = core.step(state, rng.uniform((-0.6, -1), (1, 1), (2, core.n_agents, 2)))
        found.append((state, happened))
    return found


@cache
def village(tariff: str) -> Core:
    return Core(load_scenario("village", tariff=tariff), 2)


@cache
def table(tariff: str) -> dict[str, Any]:
    return tomllib.loads((Path(tariffs.__file__).parent / f"{tariff}.toml").read_text())


def retail(p: Played, t: int) -> float:
    """Currency per kWh with all charges, from the tariff's own table."""
    of, bank, step = table(p.core.scenario.tariff), p.core.world.bank, p.start + t
    hour = step % DAY * STEP_H
    energy = of["energy_cur_per_kwh"] + of.get("spot_factor", 0.0) * float(bank.spot_cur_per_kwh[step])
    energy += sum(w["add_cur_per_kwh"] for w in of.get("windows", []) if w["from_h"] <= hour < w["to_h"])
    return float(energy + of["network_cur_per_kwh"] + of["tax_cur_per_kwh"])


def expected_kw(p: Played, t: int, *, soon: bool = False) -> float:
    """Load less sun that all homes together expect; ``soon``: one step ahead, else a day ahead."""
    return sum(home_kw(p, i, t, "next" if soon else "outlook") for i in range(p.core.scenario.agents["prosumer"].count))


def home_kw(p: Played, i: int, t: int, what: str) -> float:
    bank, home, step = p.core.world.bank, p.drawn["prosumer"], p.start + t
    load = getattr(bank, f"load_{what}_kw")[int(home.home[p.env, i]), step] * home.load_scale[p.env, i]
    sun = getattr(bank, f"pv_{what}_kw_per_kwp")[int(home.roof[p.env, i]), step] * home.pv_kwp[p.env, i]
    return float(load - sun)


def batteries(p: Played) -> list[tuple[str, float, float, float]]:
    """Agent, capacity, stored energy and power of all stationary storage; a VPP's packs together."""
    found = []
    for kind in ("prosumer", "battery", "vpp"):
        for i in range(p.core.scenario.agents[kind].count):
            capacity = float(np.sum(p.drawn[kind].capacity_kwh[p.env, i]))
            stored = float(np.sum(p.devices[kind].energy_kwh[p.env, i]))
            found.append((f"{kind}_{i}", capacity, stored, capacity / p.core.scenario.agents[kind].duration_h))
    return found


def car(p: Played, i: int) -> dict[str, float] | None:
    """The car at a charger, if one is plugged in."""
    visits = p.drawn["ev"].visits
    arrive, depart = int(visits.arrive[p.env, i, 0]), int(visits.depart[p.env, i, 0])
    if not arrive <= p.t < depart:
        return None
    capacity, energy = float(visits.capacity_kwh[p.env, i, 0]), float(p.devices["ev"].energy_kwh[p.env, i])
    return {
        "capacity": capacity, "energy": energy, "need": max(CAR_TARGET * capacity - energy, 0.0),
        "left": depart - p.t, "power": float(visits.charge_kw[p.env, i, 0]),
    }  # fmt: skip


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def common_row(p: Played) -> dict[str, float]:
    """What all agents see."""
    n, scenario, t = p.core.n_steps, p.core.scenario, p.t
    ahead = range(t, n)
    prices, nets = {s: retail(p, s) for s in ahead}, {s: expected_kw(p, s) for s in ahead}
    now = prices[t]
    hour = (p.start + t) % DAY * STEP_H
    of = table(scenario.tariff)
    export = of["export_cur_per_kwh"]
    cap = min(float(p.state.episode.import_cap_kw[p.env]), 5.0 * p.core.n_agents)
    size = sum(b[1] for b in batteries(p))
    deficits = {s: max(nets[s], 0.0) * STEP_H for s in ahead}
    deficit = sum(deficits.values())
    paid = sum(deficits[s] * prices[s] for s in ahead)
    deficit_price = paid / deficit if deficit > 1e-6 else mean(list(prices.values()))
    upper = now - of["local_network_cur_per_kwh"]
    cars = [c for i in range(scenario.agents["ev"].count) if (c := car(p, i))]
    last_price, last_traded, last_kw = last_interval(p, upper)
    row = {
        "hour_sin": math.sin(2 * math.pi * hour / 24), "hour_cos": math.cos(2 * math.pi * hour / 24),
        "remaining": (n - t) / n,
        "retail_price": now / 0.2, "export_price": export / 0.2, "day_price": mean(list(prices.values())) / 0.2,
        "price_rank": sum(x < now for x in prices.values()) / max(len(prices) - 1, 1),
        "highest_price": (max(prices.values()) - now) / 0.2, "lowest_price": (min(prices.values()) - now) / 0.2,
        "deficit_price": (deficit_price - now) / 0.2,
        "deficit_ahead": min(deficit / size, 5.0),
        "surplus_ahead": min(sum(max(-x, 0.0) for x in nets.values()) * STEP_H / size, 5.0),
        "last_price": (last_price - upper) / 0.2, "band": (upper - export) / 0.2, "last_traded": last_traded,
        "community_now": expected_kw(p, t, soon=True) / cap, "community_last": last_kw / cap,
        "connection": cap / (2 * p.core.n_agents),
        "storage_filled": sum(b[2] for b in batteries(p)) / size, "storage_size": size / (2 * p.core.n_agents),
        "cars_need": sum(c["need"] for c in cars) / (2 * p.core.n_agents), "island": 0.0,
    }  # fmt: skip
    for hours in (1, 2, 4, 8, 16):
        block = range(t, min(t + 4 * hours, n))
        row[f"price_next_{hours}h"] = (mean([prices[s] for s in block]) - now) / 0.2
        row[f"community_next_{hours}h"] = mean([nets[s] for s in block]) / cap
    return row


def last_interval(p: Played, upper: float) -> tuple[float, float, float]:
    """Mean price of what was bought from neighbours, their share of all that was bought, and the metered net."""
    if p.before is None:
        return upper, 0.0, 0.0
    clearing, meters = p.before.market.clearing, p.before.delivery.metered_ukwh[p.env]
    traded, outside = clearing.traded_ukwh[p.env].tolist(), clearing.outside_ukwh[p.env].tolist()
    prices = clearing.price_ucur_per_kwh[p.env].tolist()
    local = sum(max(x, 0) for x in traded)
    bought = sum(max(x + y, 0) for x, y in zip(traded, outside, strict=True))
    price = sum(max(x, 0) * y for x, y in zip(traded, prices, strict=True)) / local if local else prices[0]
    return price / 1e6, local / max(bought, 1), sum(meters.tolist()) / 1e6 / STEP_H


def own_row(p: Played, agent: str) -> dict[str, float]:
    """What one agent sees of itself."""
    kind, i = agent.rpartition("_")[0], int(agent.rpartition("_")[2])
    firm = home_kw(p, i, p.t, "next") if kind == "prosumer" else 0.0
    seen = charger_row(p, i) if kind == "ev" else battery_row(p, agent)
    kinds = {f"is_{k}": float(k == kind) for k in p.core.scenario.agents}
    return {"firm": firm / 5.0} | seen | kinds


def battery_row(p: Played, agent: str) -> dict[str, float]:
    _, capacity, stored, power = next(b for b in batteries(p) if b[0] == agent)
    if capacity == 0:
        return dict.fromkeys(OWN, 0.0) | {"left": (p.core.n_steps - p.t) * STEP_H / 24}
    prices = [retail(p, s) for s in range(p.t, p.core.n_steps)]
    kind, _, i = agent.rpartition("_")
    packs = np.ravel(p.drawn[kind].capacity_kwh[p.env, int(i)]), np.ravel(p.devices[kind].energy_kwh[p.env, int(i)])
    kept, hours = (1 - LOSS_PER_H) ** STEP_H, STEP_H * (1 - LOSS_PER_H * STEP_H / 2)  # what comes early leaks too
    duration_h = capacity / power
    draws = [min(c / duration_h, (c - kept * e) / STORAGE_ETA / hours) for c, e in zip(*packs, strict=True)]
    releases = [min(c / duration_h, kept * e * STORAGE_ETA / hours) for c, e in zip(*packs, strict=True)]
    limits = {"can_draw": sum(draws) / 5, "can_release": sum(releases) / 5}
    return limits | {
        "active": 1.0, "soc": stored / capacity, "capacity": capacity / 20,
        "capacity_share": capacity / sum(b[1] for b in batteries(p)), "need": 0.0,
        "left": (p.core.n_steps - p.t) * STEP_H / 24, "laxity": 0.0, "to_spare": 0.0,
        "window_price": (mean(prices) - prices[0]) / 0.2,
        "window_rank": sum(x < prices[0] for x in prices) / len(prices),
    }  # fmt: skip


def charger_row(p: Played, i: int) -> dict[str, float]:
    there = car(p, i)
    if there is None:
        return dict.fromkeys(OWN, 0.0)
    usable, left = there["capacity"] * (1 - CAR_FLOOR), int(there["left"])
    prices = [retail(p, s) for s in range(p.t, p.t + left)]
    cheaper = sum(x < prices[0] for x in prices)
    fill_h = there["need"] / CAR_ETA / there["power"]
    needs = there["need"] > 0
    # Energy that must be stored now so that full power afterwards still suffices; < 0: that may be given away.
    now_kwh = (CAR_TARGET * there["capacity"] - there["energy"]) - (left - 1) * there["power"] * CAR_ETA * STEP_H
    room_kw = min(there["power"], (there["capacity"] - there["energy"]) / CAR_ETA / STEP_H)
    must_kw = min(max(now_kwh / CAR_ETA / STEP_H + 1e-5, CAR_LEAST_KW), room_kw) if now_kwh > 0 else 0.0
    above_kwh = there["energy"] - CAR_FLOOR * there["capacity"]
    give_kw = min(max(min(above_kwh, -now_kwh) * CAR_ETA / STEP_H, 0.0), CAR_GIVES_KW)
    return {
        "firm": must_kw / 5,
        "can_draw": (room_kw - must_kw) / 5 if room_kw >= CAR_LEAST_KW else 0.0,
        "can_release": give_kw / 5 if give_kw >= CAR_LEAST_KW and must_kw == 0 else 0.0,
        "active": 1.0, "soc": max(there["energy"] - CAR_FLOOR * there["capacity"], 0.0) / usable,
        "capacity": usable / 20, "capacity_share": 0.0,
        "need": there["need"] / 20, "left": left * STEP_H / 24,
        "laxity": max(left * STEP_H - fill_h, 0.0) / 8 if needs else 0.0,
        "to_spare": (cheaper * STEP_H - fill_h) / 4 if needs else 0.0,
        "window_price": (mean(prices) - prices[0]) / 0.2, "window_rank": cheaper / left,
    }  # fmt: skip


OWN = (
    "active", "soc", "capacity", "capacity_share", "can_draw", "can_release", "need", "left", "laxity", "window_price",
    "window_rank", "to_spare",
)  # fmt: skip
AT = [0, 37]
"""Noon, when no car is there, and a quarter past nine in the evening."""


@pytest.mark.parametrize("t", AT)
@pytest.mark.parametrize("tariff", ["spot", "tou"])
@pytest.mark.parametrize("env", [0, 1])
def test_every_feature_of_every_agent_is_what_plain_arithmetic_says(tariff: str, t: int, env: int) -> None:
    core, (state, before) = village(tariff), episode(tariff)[t]
    p = Played(core, state, before, t, env)
    names = [c.name for c in feature_columns(core.scenario)]
    features, everyone = observe(core, state).features[env], common_row(p)
    compared = set()
    for a, agent in enumerate(core.agents):
        expected = everyone | own_row(p, agent)
        for name, value in expected.items():
            found = float(features[a, names.index(name)])
            # Prices are rounded to a millionth of the currency, features to float32.
            assert found == pytest.approx(value, abs=2e-5, rel=1e-5), (agent, name)
        compared |= set(expected)
    assert compared == set(names)


def test_the_intervals_compared_have_something_to_compare() -> None:
    """Trades, cars that need energy, stores that are neither full nor empty, and prices that differ."""
    for tariff in ("spot", "tou"):
        state, before = episode(tariff)[AT[1]]
        assert before is not None
        for env in range(2):
            p = Played(village(tariff), state, before, AT[1], env)
            row = common_row(p)
            assert 0 < row["last_traded"] < 1
            assert row["cars_need"] > 0
            assert 0 < row["price_rank"] < 1
            assert row["deficit_price"] != row["day_price"] - row["retail_price"]
            assert 0.1 < row["storage_filled"] < 0.95
            assert row["last_price"] != 0
            chargers = [car(p, i) for i in range(6)]
            assert any(chargers)
            assert not all(chargers)
            assert row["remaining"] == pytest.approx(59 / 96)
    first, last = (observe(village("spot"), episode("spot")[t][0]).features[0, 0, 2] for t in (0, 95))
    assert (first, last) == (1.0, pytest.approx(1 / 96))


def quartile(values: list[float]) -> float:
    """The first, linear between neighbours."""
    ordered, at = sorted(values), 0.25 * (len(values) - 1)
    low = math.floor(at)
    return ordered[low] + (at - low) * (ordered[low + 1] - ordered[low])


def test_what_is_left_is_worth_the_feed_in_or_a_cheap_price_of_the_last_day() -> None:
    core = Core(load_scenario("village"), 12)
    states = core.reset(0)
    sorts = set()
    for env in range(12):
        p = Played(core, states, None, 0, env)
        last = [expected_kw(p, s) for s in range(96 - 16, 96)]
        surplus = mean(last) < 0
        worth = 0.06 if surplus else 0.95 * quartile([retail(p, s) for s in range(96)])
        assert float(states.episode.end_value_cur_per_kwh[env]) == pytest.approx(worth, abs=1e-6)
        sorts.add(surplus)
    assert sorts == {True, False}


def test_each_home_has_a_load_and_a_roof_of_its_own() -> None:
    core, found = village("spot"), episode("spot")
    bank, homes = core.world.bank, core.scenario.kind_slices["prosumer"]
    for env in range(2):
        drawn = Played(core, found[0][0], None, 0, env).drawn["prosumer"]
        assert len({int(h) for h in drawn.home[env]}) == homes.stop - homes.start
        assert len(set(bank.load_kw[drawn.home[env], 40].tolist())) == homes.stop - homes.start
    n_sunny = 0
    for t in (0, 37, 70):
        happened = found[t + 1][1]
        assert happened is not None
        for env in range(2):
            p = Played(core, found[t][0], found[t][1], t, env)
            drawn, step = p.drawn["prosumer"], p.start + t
            for i in range(homes.stop - homes.start):
                load = float(bank.load_kw[int(drawn.home[env, i]), step] * drawn.load_scale[env, i])
                sun = float(bank.pv_kw_per_kwp[int(drawn.roof[env, i]), step] * drawn.pv_kwp[env, i])
                assert float(happened.devices.load_kwh[env, i]) == pytest.approx(load * STEP_H, abs=1e-9)
                assert float(happened.devices.pv_kwh[env, i]) == pytest.approx(sun * STEP_H, abs=1e-9)
                n_sunny += sun > 0
    assert n_sunny > 10


def test_a_car_is_plugged_in_from_its_arrival_to_its_departure_and_moves_no_energy_before_and_after() -> None:
    core, found = village("spot"), episode("spot")
    cars = core.scenario.kind_slices["ev"]
    n_there = n_away = n_moved = 0
    for t, (state, before) in enumerate(found[:-1]):
        happened = found[t + 1][1]
        assert happened is not None
        for env in range(2):
            p = Played(core, state, before, t, env)
            for i in range(cars.stop - cars.start):
                there = car(p, i) is not None
                moved = int(happened.delivery.metered_ukwh[env, cars.start + i])
                assert bool(state.view.is_active[env, cars.start + i]) == there
                assert there or moved == 0
                n_there, n_away, n_moved = n_there + there, n_away + (not there), n_moved + (moved != 0)
    assert min(n_there, n_away, n_moved) > 50


def test_cars_come_and_leave_when_the_bank_says() -> None:
    """The first whole step after arrival to the last whole step before departure, from the hours of the sessions."""
    core, state = village("spot"), episode("spot")[0][0]
    sessions = core.world.bank.sessions
    n_cars = 0
    for env in range(2):
        p = Played(core, state, None, 0, env)
        begin_h = p.start * STEP_H
        possible = set()
        for charger, slot in np.argwhere(sessions.present).tolist():
            come, leave = float(sessions.arrive_h[charger, slot]), float(sessions.depart_h[charger, slot])
            if come < begin_h + 24 and leave > begin_h:
                arrive = max(math.ceil((come - begin_h) / STEP_H - 1e-9), 0)
                possible.add((arrive, min(math.floor((leave - begin_h) / STEP_H + 1e-9), 96)))
        visits = p.drawn["ev"].visits
        for i in range(6):
            arrive, depart = int(visits.arrive[env, i, 0]), int(visits.depart[env, i, 0])
            if arrive < 96:
                assert (arrive, depart) in possible
                n_cars += 1
    assert n_cars > 4


def test_without_deficits_ahead_their_price_is_the_mean_and_storage_is_worth_what_is_left() -> None:
    scenario = load_scenario("village", hours=1.0)
    prices, nets = np.array([[0.1, 0.4, 0.2, 0.3]]), np.array([[1.0, 3.0, -1.0, -2.0]])
    rows = outlook_of(prices, nets, np.array([2.0]), np.array([0.05]), scenario)
    price, worth = (rows[0, :, OUTLOOK.index(name)] for name in ("deficit_price", "worth"))
    # 0.25 kWh at 0.10 and 0.75 kWh at 0.40, for half of which there is storage; then 0.75 kWh; then none.
    np.testing.assert_allclose(price, [0.325, 0.4, 0.25, 0.3, 0.3])
    np.testing.assert_allclose(worth, [0.5 * 0.325 + 0.5 * 0.05, 0.375 * 0.4 + 0.625 * 0.05, 0.05, 0.05, 0.05])
