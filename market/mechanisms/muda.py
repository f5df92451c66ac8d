"""MUDA: truthful, because each half of the market trades at the price of the other half.

E. Segal-Halevi, A. Hassidim, Y. Aumann, "MUDA: a truthful multi-unit double-auction mechanism", AAAI (2018).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import OneOf
from gridbazaar.data.units import MICRO
from gridbazaar.market.auction.book import Book, Trade, at_prices, close_book, open_book
from gridbazaar.market.auction.equilibrium import clear_at_uniform_price
from gridbazaar.market.auction.ex_post import half_way
from gridbazaar.market.auction.externality import displaced
from gridbazaar.market.auction.rationing import by_lottery, drawn, in_turn
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_ante"
PROMISES = frozenset({"limits", "no_deficit", "truthful", "monotone", "scales"})
DRAWS = True


def muda(
    orders: Orders, setting: Setting, *, rationing: Annotated[str, OneOf("lottery", "vickrey")] = "lottery"
) -> Clearing:
    """Split the agents into two halves by lottery and let each half trade at the other half's price.

    Whoever draws below 1/2 is in the first half; all orders of an agent have one number and stand together. A half's
    price is that of the default mechanism without the retailer: the middle of its competitive interval, or the quote
    where nothing would trade, inside the retailer's band. For an empty half it is the middle of the band; without a
    retailer there is none, and nobody trades.

    ``rationing`` says who of the longer side trades. "lottery": one after the other in drawn order, and buyers pay what
    sellers get. "vickrey": the best limits first, and each pays the market operator, beyond the price, what the others
    it keeps from trading would have gained.

    It needs eight agents or more to make sense: the halves of a smaller book say little about each other.
    """
    xp = namespace(orders.energy_ukwh)
    book = open_book(orders, setting)
    lottery = drawn("muda", book.lottery)
    is_first = lottery < 0.5
    halves = _halves(book, is_first, lottery)
    price, is_open = _prices_of_the_other(halves, orders.bus[book.column], setting)

    # [2 n_envs, ...] from here on: the first halves, then the second ones.
    buy = halves.buy_ukwh * (halves.limit_ucur_per_kwh >= price[:, None]) * is_open[:, None]
    sell = halves.sell_ukwh * (halves.limit_ucur_per_kwh <= price[:, None]) * is_open[:, None]
    volume = xp.minimum(xp.sum(buy, axis=1), xp.sum(sell, axis=1))
    if rationing == "lottery":
        bought, sold = (by_lottery(wish, volume, halves.lottery) for wish in (buy, sell))
        trade = at_prices(bought, sold, price, price)
    else:
        trade = _best_first(halves.limit_ucur_per_kwh, buy, sell, volume, price)

    n_envs = orders.energy_ukwh.shape[0]
    bought, sold, pay, shown = (
        xp.where(is_first, x[:n_envs], x[n_envs:])
        for x in (trade.buy_ukwh, trade.sell_ukwh, trade.pay_ucur, trade.price_ucur_per_kwh)
    )
    return close_book(orders, setting, book, Trade(bought, sold, pay, shown))


def _halves(book: Book, is_first: Array, lottery: Array) -> Book:
    """Stack the books [2 n_envs, n_orders] of both halves; orders of the other half have no energy."""
    stays = namespace(is_first).concat([is_first, ~is_first])
    return replace(
        book,
        buy_ukwh=_twice(book.buy_ukwh) * stays,
        sell_ukwh=_twice(book.sell_ukwh) * stays,
        limit_ucur_per_kwh=_twice(book.limit_ucur_per_kwh),
        lottery=_twice(lottery),
    )


def _prices_of_the_other(halves: Book, bus: Array, setting: Setting) -> tuple[Array, Array]:
    """[2 n_envs] the price at which each half trades, and whether there is one."""
    xp = namespace(halves.buy_ukwh)
    tick, energy = setting.tick_ucur_per_kwh, halves.buy_ukwh - halves.sell_ukwh
    alone = Setting(tick_ucur_per_kwh=None if tick is None else _twice(tick))
    cleared = clear_at_uniform_price(Orders(energy, halves.limit_ucur_per_kwh, halves.agent, bus), alone)
    price, has_orders = cleared.price_ucur_per_kwh[:, 0], (energy != 0).any(1)

    edges = [edge for edge in (setting.export_ucur_per_kwh, setting.import_ucur_per_kwh) if edge is not None]
    if not edges:
        return _swapped(price), _swapped(has_orders)
    lower, upper = edges[0], edges[-1]
    if setting.export_ucur_per_kwh is not None:
        price = xp.maximum(price, _twice(lower))
    if setting.import_ucur_per_kwh is not None:
        price = xp.minimum(price, _twice(upper))
    middle = half_way(replace(setting, export_ucur_per_kwh=lower, import_ucur_per_kwh=upper))
    price = xp.where(has_orders, price, _twice(middle))
    return _swapped(price), xp.zeros_like(price) == 0


def _twice(x: Array) -> Array:
    return namespace(x).concat([x, x])


def _swapped(x: Array) -> Array:
    """Let the halves [2 n_envs] change places."""
    n_envs = x.shape[0] // 2
    return namespace(x).concat([x[n_envs:], x[:n_envs]])


def _best_first(limit: Array, buy: Array, sell: Array, volume: Array, price: Array) -> Trade:
    """Ration by limit; whoever is served pays, above the price, the gain of those it keeps from trading."""
    xp = namespace(limit)
    bought = in_turn(buy, volume, xp.stable_argsort(-limit, axis=1))
    sold = in_turn(sell, volume, xp.stable_argsort(limit, axis=1))
    fees = []
    for wish, fill, sign in ((buy, bought, 1), (sell, sold, -1)):
        rest, at_price = wish - fill, sign * price[:, None]
        uses = xp.concat([rest, volume[:, None]], axis=1)  # the rejected ones, and nobody, at no gain
        values = xp.concat([sign * limit, at_price], axis=1)
        fees.append(displaced(fill, rest, sign * limit, uses, values) - fill * at_price)
    trade = at_prices(bought, sold, price, price)
    a_kwh = (fees[0] - fees[1]) // xp.maximum(bought + sold, 1)
    return trade._replace(
        pay_ucur=trade.pay_ucur + (fees[0] + fees[1]) // MICRO,
        price_ucur_per_kwh=trade.price_ucur_per_kwh + a_kwh,
    )
