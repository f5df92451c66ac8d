"""Reality checks: published results on storage, neighbours, traders, tariffs and cars, and what comes out here.

Those that a page of its own shows stand there; ``docs/studies/checks.md`` says which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.envs.episode.world import bank_of
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.studies.place import Lived, live, place
from gridbazaar.experiments.studies.result import Table
from gridbazaar.market.billing.bill import bill
from gridbazaar.market.billing.metered import metered
from gridbazaar.market.clear.clear import clear
from gridbazaar.market.designs import load_design

Floats = NDArray[np.float64]
Tick = Callable[[], None]

NOBODY: dict[str, Any] = {"mechanism_options": {"bids": [0.0], "asks": [1.0]}}
NO_FEE: dict[str, Any] = {"tariff_options.local_network_cur_per_kwh": 0.0}
KWP = 5.0
BATTERIES = (0.25, 0.5, 1.0, 2.0)
"""kWh of battery a kWp."""
_NO_SUMMER_TIME = "Etc/GMT-11"
MWH = 3.65
"""What a home of the street draws in a year."""


PUBLISHED = {
    "1": "a battery of 0.5 to 1 kWh a kWp raises self-consumption by 13 to 24 points (Luthander and others 2015)",
    "2": "1 kWp and 1 kWh for a MWh a year cover some 54 %; without, some 30 % of the sun is used (Weniger and others)",
    "3": "7 kWh lift what a German home covers itself from 38 to 65 % (Truong and others 2016)",
    "5": "small batteries in real homes add some 6 points of self-consumption (Gupta 2019)",
    "6, all": "all homes with a roof: 18 % of what is left over finds a buyer, bills fall by 7 % (homes of CityLearn)",
    "6, half": "half of them: 73 %, self-consumption from 52 to 87 %, bills fall by 10.9 % (the same)",
    "7": "a market or storage alone take 20 to 30 % off bills, together almost 60 % (Zepter and others 2019, London)",
    "10": "traders without intelligence but with a budget reach close to 100 % of the gains (Gode and Sunder 1993)",
    "15": "a two-way tariff changes a typical solar bill by a few AUD a year (IPART: 3.50)",
    "16": "a car at home takes 0.88 kW while plugged in, and needs some 20 % of that time (Sorensen 2021)",
}
"""By number of the check."""


def checks(weeks: int, tick: Tick | None = None) -> Table:
    """Give one row a check: its number, what was published, and ours."""
    lives, (kw, needed) = _Lives(weeks, tick), plugged()
    ours = storage(lives) | neighbours(lives)
    ours |= {
        "10": f"{100 * zero_intelligence():.0f} %",
        "15": f"{export_charges_aud():+.2f} AUD",
        "16": f"{kw:.2f} kW, {100 * needed:.0f} %",
    }
    return [["check", "published", "ours"], *([number, said, ours[number]] for number, said in PUBLISHED.items())]


@dataclass(frozen=True)
class _Lives:
    """Plays the street of the claims with changes; each is played once."""

    weeks: int
    tick: Tick | None

    def __call__(self, *changes: dict[str, Any], pv_share: float = 1.0, kwp: float = KWP, kwh: float = 0.0) -> Lived:
        made: dict[str, Any] = {"prosumer.pv_share": pv_share, "prosumer.pv_kwp": kwp}
        if kwh:
            made |= {"prosumer.battery_share": 1.0, "prosumer.battery_kwh": kwh}
        for change in changes:
            made |= change
        return live(place("claims", **made), self.weeks, tick=self.tick)


def storage(lives: _Lives) -> dict[str, str]:
    """What a battery adds, at homes that all have a roof and trade with nobody."""
    bare = lives(NOBODY)
    with_battery = {ratio: lives(NOBODY, kwh=ratio * KWP) for ratio in BATTERIES}
    more = {ratio: 100 * (one.own_share - bare.own_share) for ratio, one in with_battery.items()}
    steps = ", ".join(f"{ratio:g} kWh +{points:.0f}" for ratio, points in more.items())
    plain, weniger, seven = lives(NOBODY, kwp=MWH), lives(NOBODY, kwp=MWH, kwh=MWH), lives(NOBODY, kwh=7.0)
    return {
        "1": f"from {_percent(bare.own_share)}: {steps} points",
        "2": f"{_percent(weniger.alone)}; {_percent(plain.own_share)}",
        "3": f"from {_percent(bare.alone)} to {_percent(seven.alone)}",
        "5": f"{BATTERIES[0]:g} kWh a kWp: +{more[BATTERIES[0]]:.0f}",
    }


def neighbours(lives: _Lives) -> dict[str, str]:
    """What neighbours buy of each other, and what is saved by it and by storage; a neighbour's kWh bears no fee."""
    all_alone, all_market = lives(NOBODY), lives(NO_FEE)
    half, half_market = lives(NOBODY, pv_share=0.5), lives(NO_FEE, pv_share=0.5)
    stored, both = lives(NOBODY, pv_share=0.5, kwh=KWP), lives(NO_FEE, pv_share=0.5, kwh=KWP)
    used = f"from {_percent(half.self_consumption)} to {_percent(half_market.self_consumption)}"
    return {
        "6, all": f"{_percent(_matched(all_market))}, {_less(all_market, all_alone)}",
        "6, half": f"{_percent(_matched(half_market))}, {used}, {_less(half_market, half)}",
        "7": f"market {_less(half_market, half)}, storage {_less(stored, half)}, both {_less(both, half)}",
    }


def _matched(lived: Lived) -> float:
    """Of what homes with a roof do not use, what neighbours buy."""
    return lived.sold_share / (1.0 - lived.own_share)


def _less(now: Lived, before: Lived) -> str:
    return f"{100 * (now.bills_cur - before.bills_cur) / abs(before.bills_cur):+.1f} %"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def zero_intelligence(n_traders: int = 12, n_rounds: int = 100, n_markets: int = 20, seed: int = 0) -> float:
    """Share of the possible gains that random traders reach in a continuous double auction, in the mean.

    Each of as many buyers as sellers has one kWh to trade. In each round who still has it names a random price that is
    no loss, in random order; whoever is matched leaves.
    """
    rng = np.random.default_rng(seed)
    reached = []
    for _ in range(n_markets):
        worth, cost = rng.random((2, n_traders))
        gap = np.sort(worth)[::-1] - np.sort(cost)
        buys, sells, gained = np.ones(n_traders, np.bool_), np.ones(n_traders, np.bool_), 0.0
        for _ in range(n_rounds):
            if not buys.any() or not sells.any():
                break
            bought, sold = _round(worth[buys], cost[sells], rng)
            gained += worth[buys][bought].sum() - cost[sells][sold].sum()
            buys[buys], sells[sells] = ~bought, ~sold
        reached.append(gained / gap[gap > 0].sum())
    return float(np.mean(reached))


def _round(worth: Floats, cost: Floats, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Let buyers and sellers name prices once; who of them traded."""
    bids, asks = worth * rng.random(len(worth)), cost + (1.0 - cost) * rng.random(len(cost))
    came = rng.permutation(len(bids) + len(asks)).astype(float)
    buys, sells = ([(1.0, price) for price in prices.tolist()] for prices in (bids, asks))
    arrival = (came[: len(bids)].tolist(), came[len(bids) :].tolist())
    found = clear("continuous_double_auction", buys=buys, sells=sells, arrival=arrival)
    return np.array(found.buy_fills) > 0.5, np.array(found.sell_fills) > 0.5


def export_charges_aud() -> float:
    """What the export charges and rewards of Sydney's two-way tariff change of a year's bill of a solar home."""
    scenario = place("claims", **{"data.n_days": 366})
    bank = bank_of(scenario.data, scenario.seed, scenario.step_min)
    net_kwh = (bank.load_kw[0] - KWP * bank.pv_kw_per_kwp[0]) * bank.step_h
    rows = metered(
        "2023-12-31T13:00", scenario.step_min, np.maximum(net_kwh, 0.0), np.maximum(-net_kwh, 0.0),
        timezone=_NO_SUMMER_TIME, spot_cur_per_kwh=bank.spot_cur_per_kwh,
    )  # fmt: skip
    two_way = replace(load_design("au_two_way"), tz=_NO_SUMMER_TIME)
    without = tuple(charge for charge in two_way.charges if (charge.line, charge.flow) != ("network", "export"))
    return float(bill(two_way, rows).total_cur.sum() - bill(replace(two_way, charges=without), rows).total_cur.sum())


def plugged() -> tuple[float, float]:
    """Mean power that generated cars at home take while plugged in, kW, and the share of that time that they need."""
    scenario = load_scenario("village")
    found, ev = bank_of(scenario.data, scenario.seed, scenario.step_min).sessions, scenario.agents["ev"]
    drawn_kwh = (found.need_kwh / ev.eta_ch)[found.present].sum()
    stays_h = (found.depart_h - found.arrive_h)[found.present]
    needs_h = np.minimum((found.need_kwh / (ev.eta_ch * ev.charge_kw))[found.present], stays_h)
    return float(drawn_kwh / stays_h.sum()), float(needs_h.sum() / stays_h.sum())
