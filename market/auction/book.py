"""An order book as the smaller mechanisms see it: two sides, limits inside the retailer's band, columns by agent.

A mechanism opens the book, decides what neighbours trade and pay, and closes it; what is left of orders that reach the
tariff then goes to the retailer. So each file of ``market/mechanisms`` holds its own rule and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import FAR, energy_cost_ucur, whole_ucur
from gridbazaar.market.auction.equilibrium import clear_at_uniform_price
from gridbazaar.market.auction.rationing import by_share, increments
from gridbazaar.market.orders import Clearing, Orders, Setting, Status

_REDUCED = int(Status.REDUCED)


@dataclass(frozen=True, slots=True)
class Book:
    """Orders that neighbours may fill. An order stands on one side; on the other its energy is 0."""

    buy_ukwh: Array  # [n_envs, n_orders] int64 >= 0
    sell_ukwh: Array  # [n_envs, n_orders] int64 >= 0
    limit_ucur_per_kwh: Array  # [n_envs, n_orders] int64, never worse than the retailer
    agent: Array  # [n_orders] int64, ascending
    lottery: Array | None  # [n_envs, n_orders]
    column: Array  # [n_orders] where the order stands among the given ones


class Side(NamedTuple):
    """One side of a book, best order first. Ties stand by agent."""

    place: Array  # [n_envs, n_orders] place of each order, 0 is the best; orders of the other side come last
    n_accepted: Array  # [n_envs] int64, orders that the efficient volume touches
    last_accepted: Array  # [n_envs] int64 limit; means nothing where none is accepted
    first_rejected: Array  # [n_envs] int64 limit of the first order that is not touched at all
    has_rejected: Array  # [n_envs] bool

    def is_accepted(self, but_last: Array | int = 0) -> Array:
        """[n_envs, n_orders] bool, touched by the efficient volume; without the last ``but_last`` of them."""
        return self.place < (self.n_accepted - but_last)[:, None]


class Match(NamedTuple):
    """Where the two sides meet."""

    volume_ukwh: Array  # [n_envs] int64, the most that can trade without a loss
    buyers: Side
    sellers: Side


class Trade(NamedTuple):
    """What neighbours trade and pay, in the columns of the book."""

    buy_ukwh: Array  # [n_envs, n_orders] int64 >= 0
    sell_ukwh: Array  # [n_envs, n_orders] int64 >= 0
    pay_ucur: Array  # [n_envs, n_orders] int64, > 0 pays
    price_ucur_per_kwh: Array  # [n_envs, n_orders] int64, shown where anything traded
    pool_ukwh: Array | None = None  # [n_envs] int64, sold from the market's own stock


def open_book(orders: Orders, setting: Setting) -> Book:
    """Sort columns by agent, cut limits to the retailer's band, and let nobody trade where the band is empty."""
    xp = namespace(orders.energy_ukwh)
    n_orders = orders.agent.shape[0]
    column = xp.argsort(orders.agent * n_orders + xp.arange(n_orders, like=orders.agent))
    energy, limit = orders.energy_ukwh[:, column], orders.limit_ucur_per_kwh[:, column]
    upper, lower = setting.import_ucur_per_kwh, setting.export_ucur_per_kwh
    if upper is not None and lower is not None:
        energy = energy * (upper > lower)[:, None]
    if upper is not None:
        limit = xp.where(energy > 0, xp.minimum(limit, upper[:, None]), limit)
    if lower is not None:
        limit = xp.where(energy < 0, xp.maximum(limit, lower[:, None]), limit)
    lottery = None if orders.lottery is None else orders.lottery[:, column]
    return Book(
        buy_ukwh=xp.maximum(energy, 0),
        sell_ukwh=xp.maximum(-energy, 0),
        limit_ucur_per_kwh=limit,
        agent=orders.agent[column],
        lottery=lottery,
        column=column,
    )


def match(book: Book) -> Match:
    """Find the efficient volume, the largest of ``min(demand, supply)`` over all prices, and whom it touches."""
    xp = namespace(book.buy_ukwh)
    is_buy = book.buy_ukwh > 0
    order = xp.argsort(2 * book.limit_ucur_per_kwh + is_buy, axis=1)
    buy = xp.take_along_axis(book.buy_ukwh, order, axis=1)
    supply_at = xp.cumsum(xp.take_along_axis(book.sell_ukwh, order, axis=1), axis=1)
    demand_at = xp.sum(buy, axis=1, keepdims=True) - xp.cumsum(buy, axis=1) + buy
    volume = xp.max(xp.minimum(supply_at, demand_at) * (buy > 0), axis=1)
    buyers = _side(book.buy_ukwh, -book.limit_ucur_per_kwh, volume, -1)
    return Match(volume, buyers, _side(book.sell_ukwh, book.limit_ucur_per_kwh, volume, 1))


def _side(energy: Array, key: Array, volume: Array, sign: int) -> Side:
    xp = namespace(energy)
    key = xp.where(energy > 0, key, FAR)
    order = xp.stable_argsort(key, axis=1)
    sorted_key = xp.take_along_axis(key, order, axis=1)
    sorted_energy = xp.take_along_axis(energy, order, axis=1)
    start = xp.cumsum(sorted_energy, axis=1) - sorted_energy
    n_accepted = xp.sum(xp.astype((start < volume[:, None]) & (sorted_energy > 0), xp.int64), axis=1)
    n_orders = key.shape[1]
    last = xp.take_along_axis(sorted_key, xp.maximum(n_accepted - 1, 0)[:, None], axis=1)[:, 0]
    first = xp.take_along_axis(sorted_key, xp.minimum(n_accepted, n_orders - 1)[:, None], axis=1)[:, 0]
    has_rejected = n_accepted < xp.sum(xp.astype(energy > 0, xp.int64), axis=1)
    return Side(
        place=xp.argsort(order, axis=1),
        n_accepted=n_accepted,
        last_accepted=sign * last,
        first_rejected=sign * first,
        has_rejected=has_rejected,
    )


def without_last(book: Book, found: Match, but_last: Array | int = 1) -> tuple[Array, Array]:
    """Give what accepted orders buy and sell, [n_envs, n_orders] each, when the last ones of each side do not trade.

    The longer side shares pro rata. Orders that tie with the last accepted one stand by agent: sharing would let the
    one that sets the price trade by tying with another. ``but_last`` is how many are left out, a number or [n_envs].
    """
    xp = namespace(book.buy_ukwh)
    buy = book.buy_ukwh * found.buyers.is_accepted(but_last)
    sell = book.sell_ukwh * found.sellers.is_accepted(but_last)
    volume = xp.minimum(xp.sum(buy, axis=1), xp.sum(sell, axis=1))
    return by_share(buy, volume), by_share(sell, volume)


def at_prices(buy_ukwh: Array, sell_ukwh: Array, buyer_price: Array, seller_price: Array) -> Trade:
    """Let buyers and sellers pay one price each, [n_envs] int64; both round by running sums, so only a difference of
    the two prices (or of the volumes) leaves a surplus.
    """
    xp = namespace(buy_ukwh)
    owed = energy_cost_ucur(xp.cumsum(buy_ukwh, axis=1), buyer_price[:, None])
    owed = owed - energy_cost_ucur(xp.cumsum(sell_ukwh, axis=1), seller_price[:, None])
    shown = xp.where(sell_ukwh > 0, seller_price[:, None], buyer_price[:, None])
    return Trade(buy_ukwh, sell_ukwh, increments(owed), shown)


def at_own_prices(buy_ukwh: Array, sell_ukwh: Array, worth: Array) -> Trade:
    """Let each order pay what its own trades cost.

    Args:
        buy_ukwh, sell_ukwh: [n_envs, n_orders] energy that trades.
        worth: [n_envs, n_orders] energy times price of these trades, without the sign, in micro-kWh times
            micro-currency per kWh; in each row buyers' and sellers' sum to the same.

    One running sum rounds both sides, so they owe the same to the micro-unit. The price shown is what an order pays on
    average; what everybody pays on average for an order that does not trade.
    """
    xp = namespace(worth)
    bought = worth * (buy_ukwh > 0)
    owed = whole_ucur(xp.cumsum(bought - worth * (sell_ukwh > 0), axis=1))
    volume = xp.maximum(xp.sum(buy_ukwh, axis=1, keepdims=True), 1)
    mean = xp.sum(bought, axis=1, keepdims=True) // volume
    energy = buy_ukwh + sell_ukwh
    shown = xp.where(energy > 0, worth // xp.maximum(energy, 1), mean)
    return Trade(buy_ukwh, sell_ukwh, increments(owed), shown)


def close_book(orders: Orders, setting: Setting, book: Book, trade: Trade) -> Clearing:
    """Send to the retailer what neighbours left of orders that reach the tariff, and put all together.

    Args:
        orders, setting: as given to the mechanism.
        book: opened from them.
        trade: what neighbours trade and pay.

    The competitive interval, the status and the quote where nothing traded are those of the default mechanism;
    ``REDUCED`` where neighbours trade less than there.
    """
    xp = namespace(orders.energy_ukwh)
    back = xp.argsort(book.column)
    traded = (trade.buy_ukwh - trade.sell_ukwh)[:, back]
    outside, rent, over_cap = meet_retailer(orders, _beside_pool(setting, trade.pool_ukwh), traded)
    best = clear_at_uniform_price(orders, setting)
    volume = xp.sum(trade.buy_ukwh, axis=1)
    is_reduced = volume < xp.sum(xp.maximum(best.traded_ukwh, 0), axis=1)
    return Clearing(
        traded_ukwh=traded,
        outside_ukwh=outside,
        pay_ucur=trade.pay_ucur[:, back],
        price_ucur_per_kwh=xp.where(
            (traded != 0).any(1)[:, None], trade.price_ucur_per_kwh[:, back], best.price_ucur_per_kwh
        ),
        low_ucur_per_kwh=best.low_ucur_per_kwh,
        high_ucur_per_kwh=best.high_ucur_per_kwh,
        rent_ucur_per_kwh=rent,
        over_cap_ukwh=over_cap,
        surplus_ucur=xp.sum(trade.pay_ucur, axis=1),
        status=xp.where(is_reduced, _REDUCED, best.status),
        pool_ukwh=trade.pool_ukwh,
    )


def _beside_pool(setting: Setting, pool_ukwh: Array | None) -> Setting:
    """Give the setting with the room on the connection that the energy of the market's own stock leaves."""
    if pool_ukwh is None:
        return setting
    import_cap, export_cap = setting.import_cap_ukwh, setting.export_cap_ukwh
    return replace(
        setting,
        import_cap_ukwh=None if import_cap is None else import_cap - pool_ukwh,
        export_cap_ukwh=None if export_cap is None else export_cap + pool_ukwh,
    )


def meet_retailer(orders: Orders, setting: Setting, traded_ukwh: Array) -> tuple[Array, Array, Array]:
    """Fill from the retailer what is left of orders whose limit reaches the tariff.

    Returns the energy [n_envs, n_orders], signed; the rent [n_envs] of a full connection; and [n_envs] what passes the
    cap. Neighbours' trades do not use the connection, so only these fills count against the caps.
    """
    xp = namespace(traded_ukwh)
    left, limit = orders.energy_ukwh - traded_ukwh, orders.limit_ucur_per_kwh
    upper, lower = setting.import_ucur_per_kwh, setting.export_ucur_per_kwh
    if upper is None and lower is None:
        nothing = xp.zeros_like(traded_ukwh)
        return nothing, nothing[:, 0], nothing[:, 0]
    reaches = xp.zeros_like(left) > 0
    if upper is not None:
        reaches = reaches | ((left > 0) & (limit >= upper[:, None]))
    if lower is not None:
        reaches = reaches | ((left < 0) & (limit <= lower[:, None]))
    if setting.is_island is not None:
        reaches = reaches & ~setting.is_island[:, None]
    filled = clear_at_uniform_price(Orders(left * reaches, limit, orders.agent, orders.bus), setting)
    return filled.traded_ukwh + filled.outside_ukwh, filled.rent_ucur_per_kwh, filled.over_cap_ukwh
