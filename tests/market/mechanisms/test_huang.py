"""Huang's auction: worked cases, and an oracle on lists."""

from __future__ import annotations

from fractions import Fraction

import pytest

from gridbazaar.market.clear.clear import clear
from gridbazaar.market.mechanisms.huang import huang
from gridbazaar.market.mechanisms.trade_reduction import trade_reduction
from tests.market.clear.lists import clear_book, payments, row_of, sizes, tie_heavy_books, units, walk


@pytest.mark.parametrize(
    ("buys", "sells", "buyer_price", "seller_price"),
    [
        pytest.param((4, 3, 2, 1), (1, 2, 3), 3, 2, id="T4"),
        pytest.param((100, 90, 80, 70, 60), (80, 85, 95, 100, 110), 90, 85, id="T10"),
        pytest.param((10, 9, 2), (1, 8, 20), 9, 8, id="T11"),
    ],
)
def test_worked_cases(
    buys: tuple[float, ...], sells: tuple[float, ...], buyer_price: float, seller_price: float
) -> None:
    result = clear("huang", units(*buys), units(*sells))
    assert result.quantity == result.buy_fills[0] == result.sell_fills[0] == 1
    assert (result.buy_prices[0], result.sell_prices[0]) == (buyer_price, seller_price)
    assert result.surplus == buyer_price - seller_price
    assert result.status == "reduced"


def test_the_longer_side_gives_up_the_same_amount_each() -> None:
    # Without the last of each side 1 + 4 + 6 are wanted and 7 offered: 4 too many. A cut of 4/3 is more than the
    # smallest wish, so it drops out and the others give up 1.5 each.
    result = clear("huang", [(1, 9), (4, 8), (6, 7), (3, 6)], [(7, 1), (5, 2)])
    assert result.buy_fills == (0, 2.5, 4.5, 0)
    assert result.sell_fills == (7, 0)
    assert result.surplus == pytest.approx(7 * (6 - 2))


@pytest.mark.parametrize("unit_demand", [True, False])
def test_the_oracle_agrees(unit_demand: bool) -> None:
    for book in tie_heavy_books(300, unit_demand):
        clearing = clear_book(huang, book)
        energy, pay = row_of(clearing, "traded_ukwh"), row_of(clearing, "pay_ucur")
        found = walk(book)
        buyers, sellers = found.accepted_buyers, found.accepted_sellers
        if not buyers:
            assert not any(energy)
            continue
        buy, sell = sizes(book, buyers[:-1]), sizes(book, sellers[:-1])
        volume = min(sum(buy), sum(sell))
        for wish, sign in ((buy, 1), (sell, -1)):
            side = [max(sign * e, 0) for e in energy]
            assert sum(side) == volume
            assert all(abs(fill - x) < 1 for fill, x in zip(side, reduced(wish, volume), strict=True)), book
        bought, sold = [max(e, 0) for e in energy], [max(-e, 0) for e in energy]
        assert pay == payments(book, bought, sold, book.limit[buyers[-1]], book.limit[sellers[-1]])


def reduced(wish: list[int], volume: int) -> list[Fraction]:
    """Take the excess in equal parts, sending home whoever cannot give up its part."""
    cuts = [Fraction(0)] * len(wish)
    while True:
        left = [i for i, w in enumerate(wish) if w > cuts[i]]
        excess = sum((wish[i] - cuts[i] for i in left), Fraction(-volume))
        if excess == 0:
            return [w - cut for w, cut in zip(wish, cuts, strict=True)]
        step = min(excess / len(left), min(wish[i] - cuts[i] for i in left))
        for i in left:
            cuts[i] += step


def test_on_unit_books_it_is_trade_reduction() -> None:
    for book in tie_heavy_books(200, unit_demand=True):
        one, two = clear_book(huang, book), clear_book(trade_reduction, book)
        assert row_of(one, "traded_ukwh") == row_of(two, "traded_ukwh")
        assert row_of(one, "pay_ucur") == row_of(two, "pay_ucur")
