"""The strongly budget-balanced auction: truthful, and buyers pay exactly what sellers get.

E. Segal-Halevi, A. Hassidim, Y. Aumann, "SBBA: a strongly-budget-balanced double-auction mechanism", Symposium on
Algorithmic Game Theory (2016). Orders of several kWh count as one trader each, so it is truthful in limits for agents
with one order.
"""

from __future__ import annotations

from typing import Annotated

from gridbazaar.data.arrays import namespace
from gridbazaar.data.bounds import OneOf
from gridbazaar.data.units import FAR
from gridbazaar.market.auction.book import at_prices, close_book, match, open_book
from gridbazaar.market.auction.rationing import by_lottery, by_share, drawn
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_ante"
PROMISES = frozenset({"limits", "balanced", "no_deficit", "truthful", "monotone", "scales"})
DRAWS = True


def sbba(
    orders: Orders, setting: Setting, *, rationing: Annotated[str, OneOf("lottery", "pro_rata")] = "lottery"
) -> Clearing:
    """Trade at one price, the lower of the last accepted bid and the first rejected ask; whoever sets it stays out.

    A bid that sets the price leaves less demand than supply, and then sellers are rationed. What is left of an ask that
    is filled in part is the first rejected one: it sets the price and all of it stays out, and then buyers are
    rationed. (Trading at its own limit it would gain by asking for more.) A first rejected whole ask that sets the
    price takes nothing away. ``rationing`` is "lottery" (one after the other, in drawn order) or "pro_rata" (everybody
    the same share, no draw). The price is a limit, so no tick moves it.
    """
    xp = namespace(orders.energy_ukwh)
    book = open_book(orders, setting)
    found = match(book)
    buyers, sellers = found.buyers, found.sellers
    is_cut = xp.sum(book.sell_ukwh * sellers.is_accepted(), axis=1) > found.volume_ukwh
    rejected_ask = xp.where(sellers.has_rejected, sellers.first_rejected, FAR)
    rejected_ask = xp.where(is_cut, sellers.last_accepted, rejected_ask)
    price = xp.minimum(buyers.last_accepted, rejected_ask)
    without_bid = xp.astype(rejected_ask > buyers.last_accepted, xp.int64)
    without_ask = xp.astype(is_cut, xp.int64)

    buy = book.buy_ukwh * buyers.is_accepted(without_bid)
    sell = book.sell_ukwh * sellers.is_accepted(without_ask)
    volume = xp.minimum(xp.sum(buy, axis=1), xp.sum(sell, axis=1))
    if rationing == "pro_rata":
        bought, sold = by_share(buy, volume), by_share(sell, volume)
    else:
        lottery = drawn("sbba", book.lottery)
        bought, sold = by_lottery(buy, volume, lottery), by_lottery(sell, volume, lottery)
    return close_book(orders, setting, book, at_prices(bought, sold, price, price))
