"""Huang's double auction: trade reduction in which the longer side gives up the same amount each.

P. Huang, A. Scheller-Wolf, K. Sycara, "Design of a multi-unit double auction e-market", Computational Intelligence 18
(2002). Truthful in limits, not in quantities, for agents with one order.
"""

from __future__ import annotations

from gridbazaar.data.arrays import namespace
from gridbazaar.market.auction.book import at_prices, close_book, match, open_book
from gridbazaar.market.auction.rationing import equally
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_ante"
PROMISES = frozenset({"limits", "no_deficit", "truthful", "monotone", "scales"})


def huang(orders: Orders, setting: Setting) -> Clearing:
    """Leave out the last accepted orders, which set the prices, and cut the longer side by the same amount each.

    Buyers pay the last accepted bid, sellers get the last accepted ask, and the market operator keeps the difference.
    Of the longer side an order smaller than the cut drops out, and the others share its part of the cut. An order that
    is filled in part is the last accepted one of its side. With fewer than eight agents little is left to trade. Both
    prices are limits, so no tick moves them.
    """
    xp = namespace(orders.energy_ukwh)
    book = open_book(orders, setting)
    found = match(book)
    buy, sell = book.buy_ukwh * found.buyers.is_accepted(1), book.sell_ukwh * found.sellers.is_accepted(1)
    volume = xp.minimum(xp.sum(buy, axis=1), xp.sum(sell, axis=1))
    prices = found.buyers.last_accepted, found.sellers.last_accepted
    return close_book(orders, setting, book, at_prices(equally(buy, volume), equally(sell, volume), *prices))
