"""Books for the market's tests: from plain lists to arrays, and random ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from gridbazaar.market.mechanisms.uniform_price import uniform_price
from gridbazaar.market.orders import Clearing, Orders, Setting
from tests.reference import Book, Outside

BIG = 2**55  # no cap, for rows that share a setting with capped ones


def as_orders(*books: Book) -> Orders:
    """Stack books of one length and the same owners into a batch."""
    return Orders(
        energy_ukwh=np.array([b.energy for b in books], dtype=np.int64),
        limit_ucur_per_kwh=np.array([b.limit for b in books], dtype=np.int64),
        agent=np.array(books[0].agent, dtype=np.int64),
        bus=np.zeros(len(books[0].agent), dtype=np.int64),
        lottery=np.random.default_rng(0).random((len(books), len(books[0].energy))),
    )


def as_setting(*rows: Outside | None) -> Setting:
    """Stack retailers into a batch; all are there or none."""
    present = [row for row in rows if row is not None]
    if not present:
        return Setting()
    assert len(present) == len(rows)
    columns = [
        [row.upper for row in present],
        [row.lower for row in present],
        [BIG if row.import_cap is None else row.import_cap for row in present],
        [BIG if row.export_cap is None else row.export_cap for row in present],
        [row.import_scarcity for row in present],
        [row.export_scarcity for row in present],
    ]
    arrays: list[Any] = [np.array(column, dtype=np.int64) for column in columns]
    return Setting(*arrays)


def clear_one(book: Book, outside: Outside | None = None, **options: Any) -> Clearing:
    """Clear a batch of one with the default mechanism."""
    return uniform_price(as_orders(book), as_setting(outside), **options)


def unit_book(buys: list[tuple[float, float]], sells: list[tuple[float, float]]) -> Book:
    """Make a book of (kWh, price) pairs, each order its own agent."""
    pairs = [(q, p) for q, p in buys] + [(-q, p) for q, p in sells]
    return Book([round(q * 1e6) for q, _ in pairs], [round(p * 1e6) for _, p in pairs], list(range(len(pairs))))


@st.composite
def books(draw: st.DrawFn, unique_agents: bool = True) -> Book:
    """Small prices, so that ties, touching limits and exact cuts are common; quantities from tiny to a fast charger."""
    n = draw(st.integers(1, 9))
    scale = draw(st.sampled_from([1, 7, 1_000_003]))
    energy = [e * scale for e in draw(st.lists(st.integers(-9, 9), min_size=n, max_size=n))]
    price_scale = draw(st.sampled_from([1, 33_333]))
    limit = [p * price_scale for p in draw(st.lists(st.integers(-4, 8), min_size=n, max_size=n))]
    ids = st.lists(st.integers(0, 30), min_size=n, max_size=n, unique=True)
    return Book(energy, limit, draw(ids if unique_agents else st.lists(st.integers(0, 3), min_size=n, max_size=n)))


@st.composite
def retailers(draw: st.DrawFn, book: Book, empty_band: bool = False) -> Outside:
    """A retailer near the book's prices, with caps from 0 to beyond its quantities."""
    price_scale = 33_333 if any(abs(p) > 100 for p in book.limit) else 1
    scale = max([abs(e) for e in book.energy] + [9]) // 9
    low = draw(st.integers(-2, 5))
    width = draw(st.integers(-3, 0) if empty_band else st.integers(1, 5))
    caps = st.one_of(st.none(), st.integers(0, 20).map(lambda cap: cap * scale))
    return Outside(
        upper=(low + width) * price_scale,
        lower=low * price_scale,
        import_cap=draw(caps),
        export_cap=draw(caps),
        import_scarcity=draw(st.integers(0, 4)) * price_scale,
        export_scarcity=draw(st.integers(0, 4)) * price_scale,
    )


@st.composite
def books_with_retailers(draw: st.DrawFn, unique_agents: bool = True) -> tuple[Book, Outside | None]:
    """A book, with a retailer three times in four."""
    book = draw(books(unique_agents))
    return book, draw(st.one_of(st.none(), retailers(book), retailers(book), retailers(book)))
