"""No local market: everybody deals with the retailer alone; what any other rule is held against."""

from __future__ import annotations

from gridbazaar.data.arrays import namespace
from gridbazaar.market.auction.book import at_prices, close_book, open_book
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_ante"
PROMISES = frozenset({"limits", "balanced", "no_deficit", "truthful", "monotone", "scales"})


def none(orders: Orders, setting: Setting) -> Clearing:
    """Let no neighbours trade; what reaches the tariff is filled by the retailer, within the connection's caps.

    Where there is no retailer nothing is filled. The price shown is the quote of the default auction: what a trade
    would have cost.
    """
    book = open_book(orders, setting)
    nothing = namespace(book.buy_ukwh).zeros_like(book.buy_ukwh)
    return close_book(orders, setting, book, at_prices(nothing, nothing, nothing[:, 0], nothing[:, 0]))
