"""Pay-as-bid: the trades of the call auction, each pair of neighbours at a price of its own.

Efficient in the limits that are given, not truthful: who knows the others' limits shades its own. Who is paired with
whom moves no energy but moves money, so it is an option with a name. Two sorted price curves are laid beside each
other, that of the bids and that of the asks; at each kWh the bid and the ask there make one price (the discriminatory
auction of Chatterjee & Samuelson's k-pricing, pair by pair).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import OneOf, Share
from gridbazaar.data.units import MICRO
from gridbazaar.market.auction.book import at_own_prices, open_book
from gridbazaar.market.auction.equilibrium import clear_at_uniform_price
from gridbazaar.market.auction.pairing import PAIRINGS, worth_of_pairs
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_ante"
PROMISES = frozenset({"limits", "balanced", "no_deficit", "efficient", "monotone", "scales"})


def pay_as_bid(
    orders: Orders, setting: Setting, *, k: Share = 0.5, pairing: Annotated[str, OneOf(*PAIRINGS)] = "assortative"
) -> Clearing:
    """Trade as the call auction does, each pair at its own price between the buyer's bid and the seller's ask.

    A pair's price is ``ask + k * (bid - ask)``, rounded down to a micro-unit: 1 is the buyer's bid, 0 the seller's ask;
    ``k`` is kept to a millionth.
    No bid counts above, and no ask below, what the retailer would charge or pay (with the rent of a full connection).

    ``pairing`` lays the traded energy of both sides beside each other: "assortative" the highest bid with the lowest
    ask and so on, where orders of one limit share pro rata what their stretch of the curve pays; "by_agent" both sides
    in the order of agents (then columns). Fills, the competitive interval, the quote and the status are those of
    ``uniform_price``. Buyers pay what sellers get to the micro-unit.
    """
    xp = namespace(orders.energy_ukwh)
    best = clear_at_uniform_price(orders, setting)
    book = open_book(orders, _with_rent(setting, best.rent_ucur_per_kwh))
    traded = best.traded_ukwh[:, book.column]
    buy, sell = xp.maximum(traded, 0), xp.maximum(-traded, 0)
    worth = worth_of_pairs(book, buy, sell, round(k * MICRO), pairing, setting.tick_ucur_per_kwh)
    trade = at_own_prices(buy, sell, worth)
    back = xp.argsort(book.column)
    is_idle = ~(traded != 0).any(1)[:, None]
    return replace(
        best,
        pay_ucur=trade.pay_ucur[:, back],
        price_ucur_per_kwh=xp.where(is_idle, best.price_ucur_per_kwh, trade.price_ucur_per_kwh[:, back]),
        surplus_ucur=xp.sum(trade.pay_ucur, axis=1),
    )


def _with_rent(setting: Setting, rent: Array) -> Setting:
    """Give the retailer's prices as they are where the connection is full."""
    xp = namespace(rent)
    upper, lower = setting.import_ucur_per_kwh, setting.export_ucur_per_kwh
    return Setting(
        None if upper is None else upper + xp.maximum(rent, 0), None if lower is None else lower + xp.minimum(rent, 0)
    )
