"""A call auction on metered energy, with limits that people set before.

So pilots ran their markets (Quartierstrom in Walenstadt, 2019): in a portal each household says the most that it pays
and the least that it takes for local energy, and leaves it so for weeks; every quarter of an hour is cleared on what
the meters say, after it has passed. Nobody forecasts, nobody owes imbalance, and what finds no partner goes to the
retailer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import OneOf, Share
from gridbazaar.data.units import MICRO
from gridbazaar.market.auction.book import at_own_prices, at_prices, close_book, open_book
from gridbazaar.market.auction.equilibrium import clear_at_uniform_price
from gridbazaar.market.auction.ex_post import metered
from gridbazaar.market.auction.pairing import worth_of_pairs
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_post"
PROMISES = frozenset({"balanced", "no_deficit", "monotone", "scales"})

PRICINGS = ("uniform", "pair")


def metered_auction(
    orders: Orders,
    setting: Setting,
    *,
    bids: Sequence[Share] = (0.4, 1.0),
    asks: Sequence[Share] = (0.0, 0.6),
    pricing: Annotated[str, OneOf(*PRICINGS)] = "uniform",
    k: Share = 0.5,
) -> Clearing:
    """Clear what was metered at the limits that each household had set.

    Args:
        orders, setting: metered energy and the retailer.
        bids: the most that buyers pay, as shares of the retailer's band: 0 is the export price, 1 the import price less
            the charges on a local kWh. One for all, two (the lowest and the highest, spread evenly over agents in the
            order of their numbers), or one an agent. All kept to a millionth.
        asks: the least that sellers take, likewise, spread from the last agent to the first, so that who pays
            little does not also ask little.
        pricing: ``uniform`` has one price, ``pair`` one for each bid with the ask it meets, the highest bid with the
            lowest ask and so on.
        k: of the way from the seller's limit to the buyer's (uniform: of the competitive interval).

    Who bids below every ask, or asks above every bid, trades with the retailer alone; so does everybody where the band
    is empty. Limits in ``orders`` play no part.
    """
    xp = namespace(orders.energy_ukwh)
    flowed = metered("metered_auction", orders, setting)
    lower, upper = setting.export_ucur_per_kwh, setting.import_ucur_per_kwh
    assert lower is not None
    assert upper is not None
    rank = _rank(orders.agent)
    bid, ask = _limits("bids", bids, rank), _limits("asks", asks, rank, is_reversed=True)
    width = xp.maximum(upper - lower, 0)[:, None]
    limit = lower[:, None] + width * xp.where(orders.energy_ukwh > 0, bid[None, :], ask[None, :]) // MICRO
    limited = replace(flowed, limit_ucur_per_kwh=limit, energy_ukwh=flowed.energy_ukwh * (width > 0))
    alone = Setting(tick_ucur_per_kwh=setting.tick_ucur_per_kwh)
    best = clear_at_uniform_price(limited, alone, k=k)
    book = open_book(limited, setting)
    traded = best.traded_ukwh[:, book.column]
    buy, sell = xp.maximum(traded, 0), xp.maximum(-traded, 0)
    if pricing == "uniform":
        price = best.price_ucur_per_kwh[:, 0]
        trade = at_prices(buy, sell, price, price)
    else:
        worth = worth_of_pairs(book, buy, sell, round(k * MICRO), "assortative", setting.tick_ucur_per_kwh)
        trade = at_own_prices(buy, sell, worth)
    return close_book(flowed, setting, book, trade)


def _rank(agent: Array) -> Array:
    """[n_orders] how many other agents have a lower number."""
    xp = namespace(agent)
    n_orders = agent.shape[0]
    column = xp.arange(n_orders, like=agent)
    same = agent[:, None] == agent[None, :]
    is_first = xp.min(xp.where(same, column[None, :], n_orders), axis=1) == column
    below = (agent[None, :] < agent[:, None]) & is_first[None, :]
    return xp.sum(xp.astype(below, xp.int64), axis=1)


def _limits(name: str, shares: Sequence[float], rank: Array, *, is_reversed: bool = False) -> Array:
    """[n_orders] int64 millionths of the band."""
    xp = namespace(rank)
    n_agents = int(xp.max(rank, axis=0)) + 1
    if len(shares) not in (1, 2, n_agents):
        raise ValueError(
            f"metered_auction: {name}: expected one share for all, the lowest and the highest, or one for each of the "
            f"{n_agents} agents; got {len(shares)}"
        )
    if len(shares) == n_agents:
        each = np.asarray(shares, np.float64)
    else:
        each = np.linspace(shares[0], shares[-1], n_agents)[:: -1 if is_reversed else 1]
    return xp.asarray(np.rint(each * MICRO).astype(np.int64), like=rank)[rank]
