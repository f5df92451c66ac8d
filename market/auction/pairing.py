"""Pairs of bids and asks: two price curves laid beside each other, each kWh at a price between the bid and the ask
there (the discriminatory auction of Chatterjee & Samuelson's k-pricing, pair by pair)."""

from __future__ import annotations

from gridbazaar.data.arrays import Array, muldiv, namespace
from gridbazaar.data.units import FAR, MICRO
from gridbazaar.market.auction.book import Book
from gridbazaar.market.auction.price_rules import on_tick
from gridbazaar.market.auction.rationing import increments

PAIRINGS = ("assortative", "by_agent")


def worth_of_pairs(book: Book, buy: Array, sell: Array, share: int, pairing: str, tick: Array | None) -> Array:
    """[n_envs, n_orders] energy times pair price of what each order trades.

    Args:
        book: with the limits that count.
        buy, sell: [n_envs, n_orders] >= 0, what trades; both sides sum to the same.
        share: of the way from the ask to the bid, in millionths.
        pairing: one of ``PAIRINGS``.
        tick: [n_envs] that pair prices are multiples of, or None.
    """
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
