"""Automated market maker: a pool of energy and money trades what the batch of orders leaves over.

The pool holds *x* kWh and *y* of money and keeps their product (Uniswap's rule, which Adams et al. describe, "Uniswap
v2 core", 2020): *D* kWh of it cost ``y D / (x - D)``, on average ``y / (x - D)`` a kWh. Executed one by one, who comes
first moves the price for the others; here only the net of the batch meets the pool, at one price for all, so no order
of arrival matters. Energy does not keep, so the pool starts anew in each interval; what it sold, the market operator
buys from the retailer. The pool bears that risk: the market operator may gain or lose.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, NamedTuple

from gridbazaar.data.arrays import Array, muldiv, namespace
from gridbazaar.data.bounds import MOST_PRICE, ShareBelowOne, Within
from gridbazaar.data.units import FAR, MICRO
from gridbazaar.market.auction.book import Book, at_prices, close_book, open_book
from gridbazaar.market.auction.equilibrium import clear_at_uniform_price
from gridbazaar.market.auction.ex_post import half_way
from gridbazaar.market.auction.rationing import at_margin
from gridbazaar.market.orders import Clearing, Orders, Setting, Status

STAGE = "ex_ante"
PROMISES = frozenset({"limits", "monotone"})

LARGEST_POOL_KWH = 1e6  # products of the curve stay countable
_PoolSize = Annotated[float, Within(0.0, LARGEST_POOL_KWH, is_open_below=True)]
_FirstPrice = Annotated[float, Within(0.0, MOST_PRICE, is_open_below=True)]

_MARGINAL_BUYER, _MARGINAL_SELLER = int(Status.MARGINAL_BUYER), int(Status.MARGINAL_SELLER)
_MARGINAL_OUTSIDE = int(Status.MARGINAL_OUTSIDE)


def amm(
    orders: Orders, setting: Setting, *, pool_kwh: _PoolSize = 1.0, price_cur_per_kwh: _FirstPrice | None = None,
    fee: ShareBelowOne = 0.0,
) -> Clearing:  # fmt: skip
    """Trade the whole batch at one price, its net with a constant-product pool.

    The price is where net demand meets what the pool sells at it. Orders whose limit is better than it are filled,
    those that have it as limit share pro rata what is left. ``pool_ukwh`` is what the pool sold; what it earns is the
    surplus.

    The pool's energy comes through the connection: it trades no more than the caps allow, and takes their room before
    the retailer does.

    ``pool_kwh`` is the energy in the pool, ``price_cur_per_kwh`` what a first kWh costs: a number, else the middle of
    the retailer's band, else (without a retailer) the price of the default auction. It is cut to the retailer's band,
    and so is every limit; the price never leaves the band. ``fee`` is kept from what a trader brings, money or energy:
    buyers pay ``1 / (1 - fee)`` times the price of the curve, sellers' energy counts ``1 - fee`` times.
    Between the two prices of the first kWh the pool rests and orders meet each other, at the start price or as near as
    their limits allow. Where the start price is not positive there is no pool, only the batch.

    The price is a whole micro-unit per kWh, rounded in the pool's favour; ticks do not apply. ``fee`` is kept to a
    millionth. Limits must stay below four million a kWh.
    """
    xp = namespace(orders.energy_ukwh)
    book = open_book(orders, setting)
    start = _start_price(orders, setting, price_cur_per_kwh)
    total = xp.sum(book.buy_ukwh + book.sell_ukwh, axis=1)
    caps = (setting.import_cap_ukwh, setting.export_cap_ukwh)
    pool = Pool(round(pool_kwh * MICRO), start, MICRO - round(fee * MICRO), *caps)
    price, net = _meet(book, pool, total)

    ahead = book.limit_ucur_per_kwh - price[:, None]
    supply = xp.sum(book.sell_ukwh * (ahead <= 0), axis=1)
    volume = xp.minimum(xp.sum(book.buy_ukwh * (ahead >= 0), axis=1), supply + net)
    buy, sell = at_margin(book.buy_ukwh, ahead, volume), at_margin(book.sell_ukwh, -ahead, volume - net)
    clearing = close_book(orders, setting, book, at_prices(buy, sell, price, price)._replace(pool_ukwh=net))

    status = xp.where(((buy > 0) & (buy < book.buy_ukwh)).any(1), _MARGINAL_BUYER, _MARGINAL_OUTSIDE)
    status = xp.where(((sell > 0) & (sell < book.sell_ukwh)).any(1), _MARGINAL_SELLER, status)
    return replace(
        clearing,
        price_ucur_per_kwh=xp.broadcast_to(price[:, None], orders.energy_ukwh.shape),
        status=xp.where(net != 0, status, clearing.status),
    )


class Pool(NamedTuple):
    """A constant-product pool at the start of an interval."""

    energy_ukwh: int
    price_ucur_per_kwh: Array  # [n_envs] int64, money over energy: the price of the first kWh without a fee
    keep: int  # 1 - fee in millionths
    import_cap_ukwh: Array | None = None  # [n_envs] int64, the most that it sells
    export_cap_ukwh: Array | None = None  # [n_envs] int64, the most that it buys

    def sells(self, price: Array, most: Array) -> Array:
        """Give what the pool sells at a price (< 0 buys), rounded down, so that it trades no unit too cheaply.

        Args:
            price: [n_envs, n_orders] int64.
            most: [n_envs] int64, as much more than the orders as it ever needs to buy.
        """
        xp = namespace(price)
        energy, start, keep = self.energy_ukwh, self.price_ucur_per_kwh[:, None], self.keep
        # Below this price it would buy more than ``most``.
        least = muldiv(start, energy + 0 * start, most[:, None] + energy * MICRO // keep + 1)
        bounded = xp.maximum(xp.maximum(price, least), 1)
        stock = energy + 0 * bounded
        for_sale = energy + _floor_of_minus(stock, start * MICRO + 0 * bounded, bounded * keep)
        bought = energy * MICRO // keep + _floor_of_minus(stock, start + 0 * bounded, bounded)
        net = xp.maximum(for_sale, 0) + xp.minimum(bought, 0)
        net = xp.where(price > 0, net, -most[:, None])
        if self.import_cap_ukwh is not None:
            net = xp.minimum(net, self.import_cap_ukwh[:, None])
        if self.export_cap_ukwh is not None:
            net = xp.maximum(net, -self.export_cap_ukwh[:, None])
        return xp.where(start > 0, net, 0)

    def price_of(self, net: Array) -> Array:
        """Give the average price of a kWh when the pool sells ``net`` [n_envs] (< 0 buys), rounded in its favour."""
        xp = namespace(net)
        energy, start = self.energy_ukwh, xp.maximum(self.price_ucur_per_kwh, 0)
        stock = energy + 0 * net
        left = xp.maximum(energy - xp.maximum(net, 0), 1)
        asked = -_floor_of_minus(stock, start * MICRO, left * self.keep)
        bid = muldiv(stock, start * self.keep, energy * MICRO + xp.maximum(-net, 0) * self.keep)
        price = xp.where(net > 0, asked, bid)
        return xp.where(net == 0, self.price_ucur_per_kwh, price)


def _floor_of_minus(a: Array, b: Array, c: Array) -> Array:
    """Give ``floor(-a * b / c)``, for the arguments of ``muldiv``."""
    xp, down = namespace(b), muldiv(a, b, c)
    return -down - xp.astype(a * b != down * c, xp.int64)


def _start_price(orders: Orders, setting: Setting, price_cur_per_kwh: float | None) -> Array:
    """[n_envs] the price of the first kWh, inside the retailer's band."""
    xp = namespace(orders.energy_ukwh)
    upper, lower = setting.import_ucur_per_kwh, setting.export_ucur_per_kwh
    if price_cur_per_kwh is not None:
        price = xp.zeros_like(orders.energy_ukwh[:, 0]) + round(price_cur_per_kwh * MICRO)
    elif upper is not None and lower is not None:
        price = half_way(setting)
    else:
        price = clear_at_uniform_price(orders, setting).price_ucur_per_kwh[:, 0]
    if lower is not None:
        price = xp.maximum(price, lower if upper is None else xp.minimum(lower, upper))
    if upper is not None:
        price = xp.minimum(price, upper if lower is None else xp.maximum(lower, upper))
    return price


def _meet(book: Book, pool: Pool, total: Array) -> tuple[Array, Array]:
    """Find the price at which net demand is what the pool sells, and that energy, [n_envs] each.

    Net demand falls from limit to limit and the pool's curve rises, so they meet either on a limit, whose orders are
    then filled in part, or between two limits, where net demand is constant and the curve has one price for it. Where
    they agree over an interval (the pool rests) the price is as near as possible to the start.
    """
    xp = namespace(total)
    order = xp.argsort(book.limit_ucur_per_kwh, axis=1)
    limit, buy, sell = (
        xp.take_along_axis(x, order, axis=1) for x in (book.limit_ucur_per_kwh, book.buy_ukwh, book.sell_ukwh)
    )
    # Net demand just below each limit and just above it; within ties the order of columns does not matter for the cut.
    above = xp.sum(buy, axis=1, keepdims=True) - xp.cumsum(buy + sell, axis=1)
    below = above + buy + sell
    sold = pool.sells(limit, total + 1)
    ends = (limit, below, above, sold)
    low, net = _cut(pool, ends, above > sold)
    high, _ = _cut(pool, ends, above >= sold)
    return xp.minimum(xp.maximum(pool.price_ucur_per_kwh, low), high), net


def _cut(pool: Pool, ends: tuple[Array, Array, Array, Array], is_below: Array) -> tuple[Array, Array]:
    """Give price and net demand [n_envs] at the first limit that ``is_below`` [n_envs, n_orders] does not hold for."""
    limit, below, above, sold = ends
    xp = namespace(limit)
    n_orders = limit.shape[1]
    n_below = xp.sum(xp.astype(is_below, xp.int64), axis=1)[:, None]
    at, before = xp.minimum(n_below, n_orders - 1), xp.maximum(n_below - 1, 0)
    is_last = (n_below == n_orders)[:, 0]

    def pick(x: Array, index: Array) -> Array:
        return xp.take_along_axis(x, index, axis=1)[:, 0]

    between = xp.where(is_last, pick(above, at), pick(below, at))
    floor = xp.where(n_below[:, 0] == 0, -FAR, pick(limit, before))
    roof = xp.where(is_last, FAR, pick(limit, at))
    is_on_limit = ~is_last & (between > pick(sold, at))
    inside = xp.minimum(xp.maximum(pool.price_of(between), floor), roof)
    return xp.where(is_on_limit, roof, inside), xp.where(is_on_limit, pick(sold, at), between)
