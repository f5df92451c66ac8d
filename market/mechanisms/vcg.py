"""The Vickrey-Clarke-Groves auction: truthful and efficient, at a loss for whoever runs the market.

W. Vickrey, "Counterspeculation, auctions, and competitive sealed tenders", Journal of Finance 16 (1961); E. H. Clarke,
"Multipart pricing of public goods", Public Choice 11 (1971); T. Groves, "Incentives in teams", Econometrica 41 (1973).
Truthful for agents with one order.
"""

from __future__ import annotations

from gridbazaar.data.arrays import namespace
from gridbazaar.data.units import MICRO
from gridbazaar.market.auction.book import Trade, close_book, open_book
from gridbazaar.market.auction.equilibrium import clear_at_uniform_price
from gridbazaar.market.auction.externality import displaced
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_ante"
PROMISES = frozenset({"limits", "efficient", "truthful", "monotone", "scales"})


def vcg(orders: Orders, setting: Setting) -> Clearing:
    """Fill the most valuable trades and let everybody pay what their presence costs the others.

    A buyer pays what its energy would be worth elsewhere: to the best rejected bids, or left with the dearest accepted
    asks. A seller gets what its energy would cost elsewhere: from the cheapest rejected asks, or left by the lowest
    accepted bids. Own units are no alternative. So a buyer pays at most the lower end of the competitive interval, a
    seller gets at least the upper end, and the surplus is negative: a deficit that somebody must bear.

    Ties share pro rata. Payments are rounded to a micro-unit in the owner's favour. The price shown is the mean of an
    order's units; where it trades nothing, its side's end of the interval. No tick moves payments.
    """
    xp = namespace(orders.energy_ukwh)
    book = open_book(orders, setting)
    limit = book.limit_ucur_per_kwh
    local = Orders(book.buy_ukwh - book.sell_ukwh, limit, book.agent, orders.bus[book.column])
    best = clear_at_uniform_price(local, Setting())
    bought, sold = xp.maximum(best.traded_ukwh, 0), xp.maximum(-best.traded_ukwh, 0)
    unserved, unsold = book.buy_ukwh - bought, book.sell_ukwh - sold

    owed = displaced(bought, unserved, limit, sold + unserved, limit)
    owed = owed + displaced(sold, unsold, -limit, bought + unsold, -limit)
    quote = xp.where(book.sell_ukwh > 0, best.high_ucur_per_kwh[:, None], best.low_ucur_per_kwh[:, None])
    mean = owed // xp.where(best.traded_ukwh == 0, 1, best.traded_ukwh)
    shown = xp.where(best.traded_ukwh == 0, quote, mean)
    return close_book(orders, setting, book, Trade(bought, sold, owed // MICRO, shown))
