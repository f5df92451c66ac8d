"""MUDA: worked cases, and an oracle on lists."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.clear.clear import clear
from gridbazaar.market.mechanisms.muda import muda
from gridbazaar.market.orders import Clearing, Orders, Setting
from tests.market.books import as_orders, as_setting, unit_book
from tests.market.clear.lists import (
    KWH,
    clear_book,
    largest_gain_from_a_lie,
    one_by_one,
    payments,
    row_of,
    sizes,
    tie_heavy_books,
    traded,
    units,
)
from tests.reference import Book, Outside, clear_by_hand


def clear_halves(
    buys: list[tuple[float, float]], sells: list[tuple[float, float]], first: set[int], setting: Setting | None = None,
    **options: Any,
) -> Clearing:  # fmt: skip
    """Clear a book whose orders with a number in ``first`` draw the first half; lower numbers draw lower."""
    orders = as_orders(unit_book(buys, sells))
    n = len(buys) + len(sells)
    lottery = np.array([[i / (2 * n) + (0 if i in first else 0.5) for i in range(n)]])
    return muda(replace(orders, lottery=lottery), setting or Setting(), **options)


def kwh(clearing: Clearing) -> list[float]:
    return [e / KWH for e in row_of(clearing, "traded_ukwh")]


def prices(clearing: Clearing) -> list[float]:
    return [p / KWH for p in row_of(clearing, "price_ucur_per_kwh")]


def test_t4_both_halves_trade_one_unit_at_3_and_2() -> None:
    # First half: bids 4, 2, ask 2, interval [2, 4]. Second half: bids 3, 1, asks 1, 3, interval [1, 3].
    clearing = clear_halves(units(4, 3, 2, 1), units(1, 2, 3), first={0, 2, 5})
    assert kwh(clearing) == [1, 1, 0, 0, -1, -1, 0]
    assert [prices(clearing)[i] for i in (0, 5)] == [2, 2]
    assert [prices(clearing)[i] for i in (1, 4)] == [3, 3]
    assert clearing.surplus_ucur.tolist() == [0]
    assert clearing.status.tolist() == [0]


def test_t10_each_half_trades_one_pair_at_the_price_of_the_other() -> None:
    # First half: bids 100, 80, 60, asks 85, 100, interval [85, 100]. Second: bids 90, 70, asks 80, 95, 110: [80, 90].
    buys, sells = units(100, 90, 80, 70, 60), units(80, 85, 95, 100, 110)
    clearing = clear_halves(buys, sells, first={0, 2, 4, 6, 8})
    # The first half trades at 85. The second would trade at 92.5, which no bid reaches.
    assert kwh(clearing) == [1, 0, 0, 0, 0, 0, -1, 0, 0, 0]
    assert prices(clearing)[0] == 85
    assert prices(clearing)[1] == 92.5


def test_t11_a_half_can_miss_a_trade() -> None:
    # First half: bid 10, ask 1, interval [1, 10]. Second half: bids 9, 2, asks 8, 20, interval [8, 9].
    clearing = clear_halves(units(10, 9, 2), units(1, 8, 20), first={0, 3})
    assert kwh(clearing) == [1, 0, 0, -1, 0, 0]
    assert prices(clearing)[0] == 8.5
    assert prices(clearing)[1] == 5.5


def test_the_longer_side_is_served_by_lottery() -> None:
    # The second half quotes 5; in the first, three buyers compete for one unit.
    buys, sells = [(1.0, 6.0), (1.0, 9.0), (1.0, 7.0), (1.0, 6.0)], [(1.0, 1.0), (1.0, 4.0)]
    clearing = clear_halves(buys, sells, first={0, 1, 2, 4})
    assert kwh(clearing)[:5] == [1, 0, 0, 0, -1]
    assert prices(clearing)[0] == 5
    assert clearing.surplus_ucur.tolist() == [0]


def test_with_vickrey_fees_the_best_limit_is_served_and_pays_what_the_next_would_gain() -> None:
    buys, sells = [(1.0, 6.0), (1.0, 9.0), (1.0, 7.0), (1.0, 6.0)], [(1.0, 1.0), (1.0, 4.0)]
    clearing = clear_halves(buys, sells, first={0, 1, 2, 4}, rationing="vickrey")
    assert kwh(clearing)[:5] == [0, 1, 0, 0, -1]
    assert row_of(clearing, "pay_ucur")[1] == 7 * KWH
    assert row_of(clearing, "pay_ucur")[4] == -5 * KWH
    assert prices(clearing)[1] == 7
    assert clearing.surplus_ucur.tolist() == [2 * KWH]


def test_with_vickrey_fees_the_cheapest_seller_is_served_and_gets_what_the_next_asks() -> None:
    buys, sells = [(1.0, 9.0), (1.0, 6.0)], [(2.0, 1.0), (1.0, 2.0), (1.0, 4.0)]
    clearing = clear_halves(buys, sells, first={0, 2, 3}, rationing="vickrey")
    # One unit of the first seller, at the 2 of the next and not at 5; its own rest is no alternative.
    assert kwh(clearing) == [1, 0, -1, 0, 0]
    assert row_of(clearing, "pay_ucur") == [5 * KWH, 0, -2 * KWH, 0, 0]
    assert prices(clearing)[2] == 2


def test_without_a_retailer_an_empty_half_leaves_everybody_without_a_price() -> None:
    clearing = clear_halves(units(9, 8), units(1, 2), first=set())
    assert kwh(clearing) == [0, 0, 0, 0]
    assert clearing.price_ucur_per_kwh.tolist() == [[5 * KWH] * 4]


@pytest.mark.parametrize(("upper", "lower", "price"), [(8, 2, 5), (8, None, 8), (None, 2, 2)])
def test_an_empty_half_lends_the_middle_of_the_retailers_band(upper: int | None, lower: int | None, price: int) -> None:
    edges = [None if edge is None else np.array([edge * KWH]) for edge in (upper, lower)]
    setting = Setting(edges[0], edges[1])
    clearing = clear_halves(units(9, 8), units(1, 2), first=set(), setting=setting)
    assert kwh(clearing) == [1, 1, -1, -1]
    assert prices(clearing) == [price] * 4
    assert clearing.outside_ukwh.tolist() == [[0] * 4]


def test_the_quote_of_a_one_sided_half_stays_within_the_band() -> None:
    setting = as_setting(Outside(8 * KWH, 2 * KWH))
    # A micro-unit above the highest bid would be dearer than the retailer, one below the lowest ask too cheap.
    buyers_only = clear_halves(units(9, 9), units(3), first={0}, setting=setting)
    assert kwh(buyers_only) == [0, 1, -1]
    assert prices(buyers_only)[1] == 8
    sellers_only = clear_halves(units(7), units(1, 1), first={1}, setting=setting)
    assert kwh(sellers_only) == [1, 0, -1]
    assert prices(sellers_only)[0] == 2


def test_prices_are_on_the_tick() -> None:
    setting = Setting(tick_ucur_per_kwh=np.array([KWH]))
    clearing = clear_halves(units(10, 9, 2), units(1, 8, 20), first={0, 3}, setting=setting)
    assert prices(clearing)[0] == 8


def test_orders_of_one_agent_stand_in_one_half() -> None:
    draw = [0.2, 0.2, 0.7, 0.7]
    orders = Orders(
        np.array([[KWH, KWH, -KWH, -KWH]]), np.array([[9, 8, 1, 2]]) * KWH, np.array([0, 0, 1, 1]),
        np.zeros(4, dtype=np.int64), np.array([draw]),
    )  # fmt: skip
    # One half is all buyers and quotes 9, the other all sellers and quotes 1: nobody has a partner.
    assert not muda(orders, Setting()).traded_ukwh.any()


def best(gains: list[tuple[int, int]], volume: int) -> int:
    """What ``volume`` units bring at most, from (gain a unit, units)."""
    worth = 0
    for gain, quantity in sorted(gains, reverse=True):
        worth += gain * min(quantity, volume)
        volume -= min(quantity, volume)
    return worth


def fees(book: Book, wish: list[int], fill: list[int], price: int, sign: int) -> list[int]:
    """What the others of the longer side would gain more without each order."""
    gains = [(sign * (p - price), w) for p, w in zip(book.limit, wish, strict=True)]
    volume, total = sum(fill), sum(sign * (p - price) * f for p, f in zip(book.limit, fill, strict=True))
    return [
        (best(gains[:i] + gains[i + 1 :], volume) - (total - gains[i][0] * fill[i])) // KWH if fill[i] else 0
        for i in range(len(wish))
    ]


def oracle(book: Book, lottery: list[float], rationing: str) -> tuple[list[int], list[int]]:
    """Energy and money by order, from the definition."""
    n = len(book.energy)
    halves = [[i for i in range(n) if (lottery[i] < 0.5) == is_first] for is_first in (True, False)]
    energy, pay = [0] * n, [0] * n
    for here, there in (halves, halves[::-1]):
        other = Book([e if i in there else 0 for i, e in enumerate(book.energy)], book.limit, book.agent)
        if not any(other.energy):
            continue
        price = clear_by_hand(other).price
        buyers = [i for i in here if book.energy[i] > 0 and book.limit[i] >= price]
        sellers = [i for i in here if book.energy[i] < 0 and book.limit[i] <= price]
        buy, sell = sizes(book, buyers), sizes(book, sellers)
        volume = min(sum(buy), sum(sell))
        fills, charged = [], [0] * n
        for wish, sign in ((buy, 1), (sell, -1)):
            by_limit = sorted(range(n), key=lambda i, s=sign: (-s * book.limit[i], book.agent[i]))  # type: ignore[misc]
            turn = by_limit if rationing == "vickrey" else sorted(range(n), key=lambda i: lottery[i])
            fills.append(one_by_one(wish, volume, turn))
            if rationing == "vickrey":
                extra = fees(book, wish, fills[-1], price, sign)
                charged = [c + x for c, x in zip(charged, extra, strict=True)]
        money = payments(book, fills[0], fills[1], price, price)
        energy = [e + x for e, x in zip(energy, traded(*fills), strict=True)]
        pay = [p + m + c for p, m, c in zip(pay, money, charged, strict=True)]
    return energy, pay


@pytest.mark.parametrize("unit_demand", [True, False])
@pytest.mark.parametrize("rationing", ["lottery", "vickrey"])
def test_the_oracle_agrees(rationing: str, unit_demand: bool) -> None:
    for book in tie_heavy_books(250, unit_demand, largest=16):
        drawn = as_orders(book).lottery
        assert drawn is not None
        clearing = clear_book(partial(muda, rationing=rationing), book)
        expected = oracle(book, drawn[0].tolist(), rationing)
        assert (row_of(clearing, "traded_ukwh"), row_of(clearing, "pay_ucur")) == expected, book


def test_the_lottery_leaves_no_surplus_and_fees_no_deficit() -> None:
    for book in tie_heavy_books(150, largest=16):
        assert sum(row_of(clear_book(muda, book), "pay_ucur")) == 0
        assert sum(row_of(clear_book(partial(muda, rationing="vickrey"), book), "pay_ucur")) >= 0


def test_vickrey_fees_are_truthful_too() -> None:
    assert largest_gain_from_a_lie(partial(muda, rationing="vickrey")) <= 4


def test_an_unknown_rationing_and_a_missing_lottery_are_refused() -> None:
    with pytest.raises(ValueError, match=r"muda.rationing: expected one of lottery, vickrey, got 'pro_rata'"):
        clear("muda", units(2), units(1), rationing="pro_rata")
    orders = Orders(np.array([[KWH, -KWH]]), np.array([[9, 1]]), np.arange(2), np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="muda: expected orders with a lottery"):
        muda(orders, Setting())
