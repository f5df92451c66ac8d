"""Auctions on plain lists, for the oracles of the truthful mechanisms, and small books full of ties."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridbazaar.market.orders import Clearing, Mechanism, Orders, Setting
from tests.market.books import as_orders, as_setting
from tests.reference import Book, Outside, priced, share

KWH = 1_000_000


@dataclass(frozen=True)
class Walk:
    """Best bid with best ask until they no longer agree. Lists of orders by number, best first, ties by agent."""

    buyers: list[int]
    sellers: list[int]
    bought: list[int]  # by order
    sold: list[int]

    @property
    def accepted_buyers(self) -> list[int]:
        return [i for i in self.buyers if self.bought[i]]

    @property
    def accepted_sellers(self) -> list[int]:
        return [i for i in self.sellers if self.sold[i]]


def walk(book: Book) -> Walk:
    """Find the efficient trades by walking down the bids and up the asks."""
    numbers = range(len(book.energy))
    buyers = sorted((i for i in numbers if book.energy[i] > 0), key=lambda i: (-book.limit[i], book.agent[i]))
    sellers = sorted((i for i in numbers if book.energy[i] < 0), key=lambda i: (book.limit[i], book.agent[i]))
    bought, sold = [0] * len(book.energy), [0] * len(book.energy)
    bids, asks = list(buyers), list(sellers)
    while bids and asks and book.limit[bids[0]] >= book.limit[asks[0]]:
        bid, ask = bids[0], asks[0]
        step = min(book.energy[bid] - bought[bid], -book.energy[ask] - sold[ask])
        bought[bid] += step
        sold[ask] += step
        if bought[bid] == book.energy[bid]:
            bids.pop(0)
        if sold[ask] == -book.energy[ask]:
            asks.pop(0)
    return Walk(buyers, sellers, bought, sold)


def welfare(book: Book) -> int:
    """What the efficient trades are worth, in micro-kWh times micro-currency per kWh."""
    found = walk(book)
    return sum((b - s) * p for b, s, p in zip(found.bought, found.sold, book.limit, strict=True))


def sizes(book: Book, orders: list[int]) -> list[int]:
    """The energy of some orders without its sign, by order; the others have none."""
    return [abs(e) if i in orders else 0 for i, e in enumerate(book.energy)]


def pro_rata(book: Book, wish: list[int], volume: int) -> list[int]:
    """The same share for each."""
    return share(wish, book.agent, volume, sum(wish)) if sum(wish) else wish


def one_by_one(wish: list[int], volume: int, order: list[int]) -> list[int]:
    """All that the first wants, then the next."""
    fills = [0] * len(wish)
    for i in order:
        fills[i] = min(wish[i], volume)
        volume -= fills[i]
    return fills


def payments(book: Book, bought: list[int], sold: list[int], buyer_price: int, seller_price: int) -> list[int]:
    """One price a side; remainders of rounding by agent."""
    owed, due = priced(bought, book.agent, buyer_price), priced(sold, book.agent, seller_price)
    return [o - d for o, d in zip(owed, due, strict=True)]


def traded(bought: list[int], sold: list[int]) -> list[int]:
    return [b - s for b, s in zip(bought, sold, strict=True)]


def tie_heavy_books(n_books: int, unit_demand: bool = False, largest: int = 12) -> Iterator[Book]:
    """Up to ``largest`` orders with few prices and few sizes; agents in no order."""
    rng = np.random.default_rng(11)
    for _ in range(n_books):
        n = int(rng.integers(1, largest + 1))
        units = rng.choice([-1, 1], n) if unit_demand else rng.integers(-3, 4, n)
        scale = 1 if unit_demand else int(rng.choice([1, 7, 333_333]))
        limit = rng.integers(-1, 9, n) * int(rng.choice([1, 33_333]))
        yield Book(
            [int(u) * (KWH if unit_demand else scale) for u in units], limit.tolist(), rng.permutation(n).tolist()
        )


def clear_book(mechanism: Mechanism, book: Book, outside: Outside | None = None) -> Clearing:
    """Clear a batch of one."""
    return mechanism(as_orders(book), as_setting(outside))


def row_of(clearing: Clearing, name: str) -> list[int]:
    """The only row of a field."""
    row: list[int] = getattr(clearing, name)[0].tolist()
    return row


def units(*prices: float) -> list[tuple[float, float]]:
    """One kWh at each price."""
    return [(1.0, price) for price in prices]


def largest_gain_from_a_lie(mechanism: Mechanism, n_books: int = 60) -> float:
    """Let every agent of random books try every limit, the others staying as they are; in micro-currency."""
    rng, n_orders, top, best = np.random.default_rng(5), 7, 12, 0.0
    for _ in range(n_books):
        energy = rng.choice([-1, 1], n_orders) * rng.integers(1, 5, n_orders) * KWH
        worth = rng.integers(0, top + 1, n_orders)
        agent, tried = np.divmod(np.arange(n_orders * (top + 1)), top + 1)
        limits = np.repeat(worth[None], len(agent) + 1, axis=0)
        limits[np.arange(len(agent)), agent] = tried
        lottery = np.repeat(rng.random((1, n_orders)), len(limits), axis=0)
        zeros = np.zeros(n_orders, dtype=np.int64)
        orders = Orders(
            np.repeat(energy[None], len(limits), axis=0), limits * 10_000, np.arange(n_orders), zeros, lottery
        )
        clearing = mechanism(orders, Setting())
        gain: Any = worth * 10_000 * clearing.traded_ukwh / KWH - clearing.pay_ucur
        best = max(best, float((gain[np.arange(len(agent)), agent] - gain[-1, agent]).max()))
    return best
