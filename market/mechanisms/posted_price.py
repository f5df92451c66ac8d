"""Posted price: a price that no bid moves; who agrees with it trades.

The only deterministic way to trade that is truthful, balanced and never charges beyond a limit (Hagerty & Rogerson,
"Robust trading mechanisms", Journal of Economic Theory 42, 1987). What it gives up is efficiency: as much as the price
misses the market.
"""

from __future__ import annotations

from typing import Annotated

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import OneOf, Price
from gridbazaar.data.units import FAR, MICRO
from gridbazaar.market.auction.book import Book, Trade, at_own_prices, at_prices, close_book, open_book
from gridbazaar.market.auction.ex_post import half_way
from gridbazaar.market.auction.rationing import at_margin, by_lottery, by_share, drawn, increments
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_ante"
PROMISES = frozenset({"limits", "balanced", "no_deficit", "truthful", "monotone", "scales"})
DRAWS = True

POSTED_BY = ("market", "sellers")
RATIONINGS = ("pro_rata", "lottery")


def posted_price(
    orders: Orders, setting: Setting, *, price_cur_per_kwh: Price | None = None,
    posted_by: Annotated[str, OneOf(*POSTED_BY)] = "market", rationing: Annotated[str, OneOf(*RATIONINGS)] = "pro_rata",
) -> Clearing:  # fmt: skip
    """Let those trade who agree with a posted price that no bid of theirs moves.

    The price is ``price_cur_per_kwh``; without one, the middle of the retailer's band; without a retailer, the limit of
    the agent with the lowest number in ``Orders.lottery`` that has an order (its first one), and that agent then does
    not trade with neighbours. The longer side is rationed: "pro_rata" or by "lottery", the lowest number first.

    ``posted_by="sellers"`` is another market: every ask is its own posted price, buyers take the cheapest first and pay
    what it asks. Where there is too little at a price, buyers who agree share what is left of it pro rata, or arrive in
    drawn order; asks at one price always share pro rata. It keeps every promise but "truthful": sellers gain by asking
    more.
    """
    if price_cur_per_kwh is not None and posted_by == "sellers":
        raise ValueError(
            f"posted_price: expected no price_cur_per_kwh where sellers post their own, got {price_cur_per_kwh!r}"
        )
    book = open_book(orders, setting)
    lottery = drawn("posted_price", book.lottery) if rationing == "lottery" else None
    if posted_by == "sellers":
        return close_book(orders, setting, book, _cheapest_first(book, lottery))
    xp = namespace(orders.energy_ukwh)
    buy, sell = book.buy_ukwh, book.sell_ukwh
    if price_cur_per_kwh is not None:
        price = xp.zeros_like(buy[:, 0]) + round(price_cur_per_kwh * MICRO)
    elif setting.import_ucur_per_kwh is not None and setting.export_ucur_per_kwh is not None:
        price = half_way(setting)
    else:
        price, is_other = _drawn_price(book)
        buy, sell = buy * is_other, sell * is_other
    buy, sell = buy * (book.limit_ucur_per_kwh >= price[:, None]), sell * (book.limit_ucur_per_kwh <= price[:, None])
    volume = xp.minimum(xp.sum(buy, axis=1), xp.sum(sell, axis=1))
    if lottery is None:
        bought, sold = by_share(buy, volume), by_share(sell, volume)
    else:
        bought, sold = by_lottery(buy, volume, lottery), by_lottery(sell, volume, lottery)
    return close_book(orders, setting, book, at_prices(bought, sold, price, price))


def _drawn_price(book: Book) -> tuple[Array, Array]:
    """Give the limit of the drawn agent's first order [n_envs], and who is another agent [n_envs, n_orders]."""
    xp = namespace(book.buy_ukwh)
    has_order = book.buy_ukwh + book.sell_ukwh > 0
    number = xp.where(has_order, drawn("posted_price", book.lottery), 2.0)
    first = xp.stable_argsort(number, axis=1)[:, :1]
    return xp.take_along_axis(book.limit_ucur_per_kwh, first, axis=1)[:, 0], book.agent[None, :] != book.agent[first]


def _cheapest_first(book: Book, lottery: Array | None) -> Trade:
    """Sell one ask after the other, cheapest first, to the buyers who agree with it and still want more."""
    xp = namespace(book.buy_ukwh)
    n_orders = book.buy_ukwh.shape[1]
    queue = xp.arange(n_orders, like=book.agent) + 0 * book.buy_ukwh
    queue = queue if lottery is None else xp.stable_argsort(lottery, axis=1)
    wish, limit = (xp.take_along_axis(x, queue, axis=1) for x in (book.buy_ukwh, book.limit_ucur_per_kwh))
    cheapest = xp.stable_argsort(book.limit_ucur_per_kwh, axis=1)
    stock, ask = (xp.take_along_axis(x, cheapest, axis=1) for x in (book.sell_ukwh, book.limit_ucur_per_kwh))
    left, worth, sold = wish, xp.zeros_like(wish), []
    for i in range(n_orders):
        agreed = left * (limit >= ask[:, i : i + 1])
        running = xp.cumsum(agreed, axis=1)
        volume = xp.minimum(running[:, -1], stock[:, i])
        fill = by_share(agreed, volume) if lottery is None else increments(xp.minimum(running, volume[:, None]))
        left, worth = left - fill, worth + fill * ask[:, i : i + 1]
        sold.append(volume)
    bought, worth = (xp.take_along_axis(x, xp.argsort(queue, axis=1), axis=1) for x in (wish - left, worth))
    volumes = xp.stack(sold, axis=1)
    highest = xp.max(xp.where(volumes > 0, ask, -FAR), axis=1, keepdims=True)
    sales = at_margin(book.sell_ukwh, highest - book.limit_ucur_per_kwh, xp.sum(volumes, axis=1))
    return at_own_prices(bought, sales, worth + sales * book.limit_ucur_per_kwh)
