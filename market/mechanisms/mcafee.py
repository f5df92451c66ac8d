"""McAfee's double auction: truthful, and efficient unless the best rejected orders leave no common price.

R. P. McAfee, "A dominant strategy double auction", Journal of Economic Theory 56 (1992). Orders of several kWh count as
one trader each, so it is truthful in limits for agents with one order.
"""

from __future__ import annotations

from gridbazaar.data.arrays import namespace
from gridbazaar.market.auction.book import at_prices, close_book, match, open_book, without_last
from gridbazaar.market.auction.price_rules import on_tick
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_ante"
PROMISES = frozenset({"limits", "no_deficit", "truthful", "monotone", "scales"})


def mcafee(orders: Orders, setting: Setting) -> Clearing:
    """Trade at the mean of the first rejected bid and ask where all accepted orders agree, else drop one order a side.

    Let *p* be that mean. Where the last accepted ask <= *p* <= the last accepted bid, all accepted orders trade at *p*.
    Elsewhere the last accepted order of each side sets its side's price and does not trade; the longer side shares
    pro rata, and the market operator keeps the difference of the prices. So it is, too, where a side has no rejected
    order, and where an order is filled in part: its rest is the first rejected one and leaves no room for *p*. (Trading
    at *p* nevertheless would reward a partly filled order for a worse limit.)
    """
    xp = namespace(orders.energy_ukwh)
    book = open_book(orders, setting)
    found = match(book)
    buyers, sellers = found.buyers, found.sellers
    price = (buyers.first_rejected + sellers.first_rejected) // 2
    if setting.tick_ucur_per_kwh is not None:
        price = on_tick(price, sellers.last_accepted, buyers.last_accepted, setting.tick_ucur_per_kwh)
    accepted = [
        xp.sum(energy * side.is_accepted(), axis=1)
        for energy, side in ((book.buy_ukwh, buyers), (book.sell_ukwh, sellers))
    ]
    suits = buyers.has_rejected & sellers.has_rejected & (accepted[0] == accepted[1])
    suits = suits & (sellers.last_accepted <= price) & (price <= buyers.last_accepted)

    fewer = 1 - xp.astype(suits, xp.int64)
    bought, sold = without_last(book, found, fewer)
    return close_book(
        orders,
        setting,
        book,
        at_prices(
            bought, sold, xp.where(suits, price, buyers.last_accepted), xp.where(suits, price, sellers.last_accepted)
        ),
    )
