"""VCG: worked cases, and payments against the welfare of the market without each agent."""

from __future__ import annotations

import pytest

from gridbazaar.market.clear.clear import clear
from gridbazaar.market.mechanisms.vcg import vcg
from tests.market.clear.lists import KWH, clear_book, row_of, tie_heavy_books, units, walk, welfare
from tests.reference import Book


def test_t10_buyers_pay_85_sellers_get_90_and_10_are_missing() -> None:
    result = clear("vcg", units(100, 90, 80, 70, 60), units(80, 85, 95, 100, 110))
    assert result.quantity == 2
    assert result.buy_prices[:2] == (85, 85)
    assert result.sell_prices[:2] == (90, 90)
    assert result.surplus == -10
    assert (result.price_low, result.price_high, result.status) == (85, 90, "exact")


def test_t4_buyers_pay_2_sellers_get_3() -> None:
    result = clear("vcg", units(4, 3, 2, 1), units(1, 2, 3))
    assert (result.quantity, result.buy_prices[:2], result.sell_prices[:2]) == (2, (2, 2), (3, 3))
    assert result.surplus == -2


def test_t11_buyers_pay_8_sellers_get_9() -> None:
    result = clear("vcg", units(10, 9, 2), units(1, 8, 20))
    assert (result.quantity, result.buy_prices[:2], result.sell_prices[:2]) == (2, (8, 8), (9, 9))
    assert result.surplus == -2


def test_a_large_buyer_pays_for_each_unit_what_it_displaces() -> None:
    # Of three units one would go to the rejected bid of 6, and two would stay with the asks of 3 and 2.
    result = clear("vcg", [(3, 9), (1, 6)], units(1, 2, 3))
    assert result.buy_fills == (3, 0)
    assert result.buy_prices[0] == pytest.approx((6 + 3 + 2) / 3)
    assert result.surplus == pytest.approx((6 + 3 + 2) - (9 + 9 + 9))


def test_the_rest_of_an_own_order_is_no_alternative() -> None:
    # The buyer is filled in part: without it the units would stay with the sellers at 1 and 2.
    result = clear("vcg", [(5, 9)], units(1, 2))
    assert result.buy_fills == (2,)
    assert result.buy_prices[0] == pytest.approx(1.5)
    assert result.sell_prices == (9, 9)


def test_unfilled_orders_see_the_price_of_their_side() -> None:
    result = clear("vcg", units(100, 90, 80), units(80, 85, 95))
    assert (result.buy_prices[2], result.sell_prices[2]) == (85, 90)


def without(book: Book, order: int) -> Book:
    """The market without one order."""
    return Book([0 if i == order else e for i, e in enumerate(book.energy)], book.limit, book.agent)


@pytest.mark.parametrize("unit_demand", [True, False])
def test_everybody_pays_what_the_others_lose_by_its_presence(unit_demand: bool) -> None:
    for book in tie_heavy_books(300, unit_demand):
        clearing = clear_book(vcg, book)
        energy, pay = row_of(clearing, "traded_ukwh"), row_of(clearing, "pay_ucur")
        total = sum(e * p for e, p in zip(energy, book.limit, strict=True))
        assert total == welfare(book)
        for i, own in enumerate(energy):
            owed = welfare(without(book, i)) - (total - own * book.limit[i])
            assert pay[i] == owed // KWH, book


def test_fills_are_efficient_and_only_ties_differ_from_the_walk() -> None:
    for book in tie_heavy_books(100):
        energy = row_of(clear_book(vcg, book), "traded_ukwh")
        assert sum(max(e, 0) for e in energy) == sum(walk(book).bought)


def test_the_market_never_earns() -> None:
    for book in tie_heavy_books(200):
        assert sum(row_of(clear_book(vcg, book), "pay_ucur")) <= 0


def test_payments_are_exact_up_to_the_limit_of_what_can_be_counted() -> None:
    energy, price = 2**38, 2**21
    book = Book([energy, 2 * energy, -energy, -energy], [price, price - 3, price // 2 + 1, 7], [3, 1, 2, 0])
    clearing = clear_book(vcg, book)
    total = sum(e * p for e, p in zip(row_of(clearing, "traded_ukwh"), book.limit, strict=True))
    assert total == welfare(book)
    for i, own in enumerate(row_of(clearing, "traded_ukwh")):
        assert row_of(clearing, "pay_ucur")[i] == (welfare(without(book, i)) - (total - own * book.limit[i])) // KWH
