"""A mechanism, a tariff and a kind of one's own, in one file and without touching the package.

    python examples/own_market.py [EPISODES]

The same things as files go on every command: `--set mechanism=rule.py --set tariff=mine.toml
--set kinds.cooler=cooler.py`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

import gridbazaar as gb
from gridbazaar.agents.kind import Kind, Moved, view_without_storage
from gridbazaar.agents.program import Program
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import MICRO, from_micro, to_micro, to_micro_towards_zero
from gridbazaar.market.auction.book import at_prices, close_book, open_book
from gridbazaar.market.auction.rationing import by_share
from gridbazaar.market.mechanisms.uniform_price import uniform_price
from gridbazaar.market.tariff import Window

# --- a mechanism: neighbours trade at a fixed share of the retailer's band, the longer side pro rata


def sellers_share(orders, setting, *, share: float = 0.75):
    """Trade at `export + share * (import - export)`, whatever anybody bids; who does not agree does not trade."""
    if setting.import_ucur_per_kwh is None or setting.export_ucur_per_kwh is None:  # an island
        return uniform_price(orders, setting)
    book = open_book(orders, setting)
    xp = namespace(book.buy_ukwh)
    low, high = setting.export_ucur_per_kwh, setting.import_ucur_per_kwh  # [n_envs]
    price = low + (high - low) * round(share * MICRO) // MICRO
    buy = book.buy_ukwh * (book.limit_ucur_per_kwh >= price[:, None])
    sell = book.sell_ukwh * (book.limit_ucur_per_kwh <= price[:, None])
    volume = xp.minimum(xp.sum(buy, axis=1), xp.sum(sell, axis=1))
    return close_book(orders, setting, book, at_prices(by_share(buy, volume), by_share(sell, volume), price, price))


sellers_share.STAGE = "ex_ante"
sellers_share.PROMISES = frozenset({"limits", "balanced", "no_deficit"})

# --- a tariff: dear evenings, and neighbours pay less for the wires

EVENINGS = gb.Tariff(
    "evenings", "dear evenings", energy_cur_per_kwh=0.12, network_cur_per_kwh=0.08, local_network_cur_per_kwh=0.02,
    export_cur_per_kwh=0.06, windows=(Window(17.0, 21.0, 0.15),),
)  # fmt: skip

# --- a kind: a cooler that needs a fifth of its power, and of the rest draws as much as its agent says


@dataclass(frozen=True, slots=True)
class Config:
    """Table `[cooler]` of a scenario."""

    count: int = 1
    power_kw: float = 2.0


@dataclass(frozen=True, slots=True)
class Coolers:
    ran_kwh: Array  # [n_envs, n_kind]


def draw(config, draw):
    return np.full((len(draw.keys), config.count), config.power_kw)


def start(power_kw):
    return Coolers(0.0 * power_kw)


def view(device, power_kw, now):
    return view_without_storage(
        firm_kw=0.2 * power_kw, low_kw=0.0 * power_kw, high_kw=0.8 * power_kw, power_kw=power_kw, now=now
    )  # fmt: skip


def move(meters, plan, view, device, power_kw, now):
    step_h = now.series.step_h
    firm_ukwh, chosen_ukwh = to_micro(meters.fixed_kw * step_h), to_micro_towards_zero(meters.device_kw * step_h)
    drawn_kwh = from_micro(firm_ukwh + chosen_ukwh)
    return Moved(Coolers(device.ran_kwh + drawn_kwh), firm_ukwh, chosen_ukwh, load_kwh=drawn_kwh)


def program(power_kw, device, n_steps, step_h):
    return Program(uncovered=("coolers",))  # what cold is worth is nobody's cost here, so there is no bound


COOLER = Kind(Config, draw, start, view, move, program)


def main(episodes: int = 10) -> None:
    gb.check_mechanism(sellers_share)  # by the same functions that hold what ships to its contract
    gb.check_kind(COOLER, name="cooler")
    sold = gb.clear(sellers_share, buys=[(1.0, 0.30)], sells=[(2.0, 0.05)], import_price=0.30, export_price=0.10)
    print(f"a neighbour's kWh costs {sold.price:.3f}")
    own = {"tariff": EVENINGS, "kinds": {"cooler": COOLER}, "cooler": {"count": 2}}
    for name, rule in (("uniform_price", "uniform_price"), ("own", sellers_share)):
        found = gb.evaluate("village", ["self_consumption"], seeds=episodes, mechanism=rule, replays=False, **own)
        kinds = found.result("self_consumption").kind_cost_cur
        print(f"{name:14}" + "".join(f" {kind} {cost.mean():7.2f}" for kind, cost in kinds.items()))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
