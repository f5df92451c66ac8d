"""Supply-demand ratio: the more supply a community has for its demand, the nearer its price to the export price.

N. Liu, X. Yu, C. Wang, C. Li, L. Ma, J. Lei, "Energy-sharing model with price-based demand response for microgrids of
peer-to-peer prosumers", IEEE Transactions on Power Systems 32 (2017). Limits play no part.
"""

from __future__ import annotations

from gridbazaar.data.arrays import Array, muldiv, namespace
from gridbazaar.data.bounds import Share
from gridbazaar.data.units import MICRO
from gridbazaar.market.auction.ex_post import clear_community, metered
from gridbazaar.market.auction.price_rules import on_tick
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_post"
PROMISES = frozenset({"balanced", "no_deficit", "monotone", "scales"})


def supply_demand_ratio(orders: Orders, setting: Setting, *, compensation: Share = 0.0) -> Clearing:
    """Price metered energy that stays in the community by the ratio of its supply to its demand.

    With *R* and *F* the retailer's import and export price and *r* = supply / demand, neighbours pay
    ``R F / ((R - F) r + F)``, which falls from *R* (no supply) to *F* (*r* = 1), and *F* beyond. The rest of the longer
    side goes to the retailer, so that with *r* < 1 buyers pay ``r p + (1 - r) R`` on average.

    ``compensation`` in [0, 1], kept to a millionth, is a premium for sellers: *F* + c (*R* - *F*) takes the place of
    *F* while *r* < 1, and neighbours pay *F* + c (*R* - *F*) / *r* beyond. The curve is that of a mean of 1 / price;
    where what stands for *F* is not positive there is none, and neighbours pay that price at any *r* > 0.
    """
    flowed = metered("supply_demand_ratio", orders, setting)
    return clear_community(flowed, setting, _price(orders, setting, round(compensation * MICRO)))


def _price(orders: Orders, setting: Setting, share: int) -> Array:
    """[n_envs] what neighbours pay, rounded down; ``share`` is the compensation in millionths."""
    upper, lower = setting.import_ucur_per_kwh, setting.export_ucur_per_kwh
    assert upper is not None
    assert lower is not None
    xp = namespace(upper)
    demand = xp.sum(xp.maximum(orders.energy_ukwh, 0), axis=1)
    supply = xp.sum(xp.maximum(-orders.energy_ukwh, 0), axis=1)
    premium = xp.maximum(upper - lower, 0) * share // MICRO

    floor = lower + premium
    worth = xp.maximum(floor, 0) * demand
    weight = xp.maximum((upper - floor) * supply + worth, 1)
    scarce = xp.where(floor > 0, muldiv(worth, xp.maximum(upper, 0), weight), floor)
    ample = lower + muldiv(premium, demand, xp.maximum(supply, 1))
    price = xp.where(supply < demand, scarce, ample)
    return price if setting.tick_ucur_per_kwh is None else on_tick(price, lower, upper, setting.tick_ucur_per_kwh)
