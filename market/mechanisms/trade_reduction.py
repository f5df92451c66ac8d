"""Trade reduction: truthful because the orders that set the prices do not trade.

R. P. McAfee, "A dominant strategy double auction", Journal of Economic Theory 56 (1992), without the attempt at a
common price. Orders of several kWh count as one trader each, so it is truthful in limits for agents with one order.
"""

from __future__ import annotations

from gridbazaar.market.auction.book import at_prices, close_book, match, open_book, without_last
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_ante"
PROMISES = frozenset({"limits", "no_deficit", "truthful", "monotone", "scales"})


def trade_reduction(orders: Orders, setting: Setting) -> Clearing:
    """Let the last accepted order of each side set its side's price and leave it out of the trade.

    The others trade: buyers pay the last accepted bid, sellers get the last accepted ask, the longer side shares pro
    rata, and the market operator keeps the difference of the prices. An order that is filled in part is the last
    accepted one of its side. Both prices are limits, so no tick moves them.
    """
    book = open_book(orders, setting)
    found = match(book)
    bought, sold = without_last(book, found)
    prices = found.buyers.last_accepted, found.sellers.last_accepted
    return close_book(orders, setting, book, at_prices(bought, sold, *prices))
