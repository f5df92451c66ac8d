"""Pay-as-bid: the trades of the call auction, each pair of neighbours at a price of its own.

Efficient in the limits that are given, not truthful: who knows the others' limits shades its own. Who is paired with
whom moves no energy but moves money, so it is an option with a name. Two sorted price curves are laid beside each
other, that of the bids and that of the asks; at each kWh the bid and the ask there make one price (the discriminatory
auction of Chatterjee & Samuelson's k-pricing, pair by pair).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from gridbazaar.data.arrays import Array, muldiv, namespace
from gridbazaar.data.bounds import OneOf, Share
from gridbazaar.data.units import FAR, MICRO
from gridbazaar.market.auction.book import Book, at_own_prices, open_book
from gridbazaar.market.auction.equilibrium import clear_at_uniform_price
from gridbazaar.market.auction.price_rules import on_tick
from gridbazaar.market.auction.rationing import increments
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_ante"
PROMISES = frozenset({"limits", "balanced", "no_deficit", "efficient", "monotone", "scales"})

PAIRINGS = ("assortative", "by_agent")


def pay_as_bid(
    orders: Orders, setting: Setting, *, k: Share = 0.5, pairing: Annotated[str, OneOf(*PAIRINGS)] = "assortative"
) -> Clearing:
    """Trade as the call auction does, each pair at its own price between the buyer's bid and the seller's ask.

    A pair's price is ``ask + k * (bid - ask)``, rounded down to a micro-unit: 1 is the buyer's bid, 0 the seller's ask;
    ``k`` is kept to a millionth.
    No bid counts above, and no ask below, what the retailer would charge or pay (with the rent of a full connection).

    ``pairing`` lays the traded energy of both sides beside each other: "assortative" the highest bid with the lowest
    ask and so on, where orders of one limit share pro rata what their stretch of the curve pays; "by_agent" both sides
    in the order of agents (then columns). Fills, the competitive interval, the quote and the status are those of
    ``uniform_price``. Buyers pay what sellers get to the micro-unit.
    """
    xp = namespace(orders.energy_ukwh)
    best = clear_at_uniform_price(orders, setting)
    book = open_book(orders, _with_rent(setting, best.rent_ucur_per_kwh))
    traded = best.traded_ukwh[:, book.column]
    buy, sell = xp.maximum(traded, 0), xp.maximum(-traded, 0)
    worth = _worth(book, buy, sell, round(k * MICRO), pairing, setting.tick_ucur_per_kwh)
    trade = at_own_prices(buy, sell, worth)
    back = xp.argsort(book.column)
    is_idle = ~(traded != 0).any(1)[:, None]
    return replace(
        best,
        pay_ucur=trade.pay_ucur[:, back],
        price_ucur_per_kwh=xp.where(is_idle, best.price_ucur_per_kwh, trade.price_ucur_per_kwh[:, back]),
        surplus_ucur=xp.sum(trade.pay_ucur, axis=1),
    )


def _with_rent(setting: Setting, rent: Array) -> Setting:
    """Give the retailer's prices as they are where the connection is full."""
    xp = namespace(rent)
    upper, lower = setting.import_ucur_per_kwh, setting.export_ucur_per_kwh
    return Setting(
        None if upper is None else upper + xp.maximum(rent, 0), None if lower is None else lower + xp.minimum(rent, 0)
    )


def _worth(book: Book, buy: Array, sell: Array, share: int, pairing: str, tick: Array | None) -> Array:
    """[n_envs, n_orders] energy times pair price of what each order trades."""
    xp = namespace(buy)
    limit, energy = book.limit_ucur_per_kwh, buy + sell
    # Prices are counted from the lowest limit, so that what is shared is never negative.
    base = xp.min(xp.where(energy > 0, limit, FAR), axis=1, keepdims=True) * (energy > 0).any(1)[:, None]
    column = xp.arange(limit.shape[1], like=limit) + 0 * limit
    bids = _Curve(buy, limit - base, -limit if pairing == "assortative" else column)
    asks = _Curve(sell, limit - base, limit if pairing == "assortative" else column)

    ends = xp.concat([bids.end, asks.end], axis=1)
    order = xp.argsort(ends, axis=1)
    length = increments(xp.take_along_axis(ends, order, axis=1))
    is_bid = xp.astype(order < limit.shape[1], xp.int64)
    bid = bids.price_after(xp.cumsum(is_bid, axis=1) - is_bid)
    ask = asks.price_after(xp.cumsum(1 - is_bid, axis=1) - 1 + is_bid)
    price = ask + (bid - ask) * share // MICRO
    if tick is not None:
        price = on_tick(price + base, ask + base, bid + base, tick[:, None]) - base
    paid = xp.take_along_axis(xp.cumsum(length * price, axis=1), xp.argsort(order, axis=1), axis=1)
    n_orders = limit.shape[1]
    shared = bids.share(paid[:, :n_orders]) + asks.share(paid[:, n_orders:])
    return shared + base * energy


class _Curve:
    """One side's traded energy, laid end to end in the order of ``key`` [n_envs, n_orders]."""

    def __init__(self, energy: Array, price: Array, key: Array) -> None:
        xp = namespace(energy)
        key = xp.where(energy > 0, key, FAR)
        order = xp.stable_argsort(key, axis=1)
        self.back = xp.argsort(order, axis=1)
        self.key = xp.take_along_axis(key, order, axis=1)
        self.price = xp.take_along_axis(price, order, axis=1)  # [n_envs, n_orders]
        self.energy = xp.take_along_axis(energy, order, axis=1)
        self.end = xp.cumsum(self.energy, axis=1)  # [n_envs, n_orders] where each stretch ends

    def price_after(self, n_ended: Array) -> Array:
        """Give the price of the order whose stretch follows ``n_ended`` ended ones."""
        xp = namespace(n_ended)
        return xp.take_along_axis(self.price, xp.minimum(n_ended, self.price.shape[1] - 1), axis=1)

    def share(self, paid: Array) -> Array:
        """Share among orders of one key what their stretches pay together, and go back to the columns of the book.

        Args:
            paid: [n_envs, n_orders] >= 0, what is paid from the start of the curve to each end.
        """
        xp = namespace(paid)
        first, last = self._levels()
        start, paid_before = self.end - self.energy, paid - increments(paid)
        begin, paid_begin = (xp.take_along_axis(x, first, axis=1) for x in (start, paid_before))
        length = xp.maximum(xp.take_along_axis(self.end, last, axis=1) - begin, 1)
        level_paid = xp.take_along_axis(paid, last, axis=1) - paid_begin
        until, before = (muldiv(x - begin, level_paid, length) for x in (self.end, start))
        return xp.take_along_axis(until - before, self.back, axis=1)

    def _levels(self) -> tuple[Array, Array]:
        """Give the places of the first and the last order of the same key, [n_envs, n_orders] each."""
        xp = namespace(self.key)
        n_orders = self.key.shape[1]
        place = xp.arange(n_orders, like=self.key) + 0 * self.key
        changes = xp.astype(self.key[:, 1:] != self.key[:, :-1], xp.int64)
        edge = changes[:, :1] * 0 + 1 if n_orders > 1 else place + 1
        first = xp.cummax(place * xp.concat([edge, changes], axis=1), axis=1)
        flip = n_orders - 1 - xp.arange(n_orders, like=self.key)
        from_end = xp.cummax(place * xp.concat([changes, edge], axis=1)[:, flip], axis=1)
        return first, (n_orders - 1 - from_end)[:, flip]
