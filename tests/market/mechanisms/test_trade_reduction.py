"""Trade reduction: worked cases, and an oracle on lists."""

from __future__ import annotations

import pytest

from gridbazaar.market.clear.clear import clear
from gridbazaar.market.mechanisms.trade_reduction import trade_reduction
from tests.market.clear.lists import (
    clear_book,
    payments,
    pro_rata,
    row_of,
    sizes,
    tie_heavy_books,
    traded,
    units,
    walk,
)
from tests.reference import Book


@pytest.mark.parametrize(
    ("buys", "sells", "quantity", "buyer_price", "seller_price", "surplus"),
    [
        pytest.param((4, 3, 2, 1), (1, 2, 3), 1, 3, 2, 1, id="T4"),
        pytest.param((100, 90, 80, 70, 60), (80, 85, 95, 100, 110), 1, 90, 85, 5, id="T10"),
        pytest.param((10, 9, 2), (1, 8, 20), 1, 9, 8, 1, id="T11"),
    ],
)
def test_worked_cases(
    buys: tuple[float, ...], sells: tuple[float, ...], quantity: float, buyer_price: float, seller_price: float,
    surplus: float,
) -> None:  # fmt: skip
    result = clear("trade_reduction", units(*buys), units(*sells))
    assert result.quantity == quantity
    assert result.buy_prices[0] == buyer_price
    assert result.sell_prices[0] == seller_price
    assert result.surplus == surplus
    assert result.status == "reduced"
    assert result.buy_fills[0] == result.sell_fills[0] == 1


def test_one_pair_sets_the_prices_and_nobody_trades() -> None:
    result = clear("trade_reduction", units(10), units(1))
    assert (result.quantity, result.status, result.price) == (0, "reduced", 5.5)


def test_the_longer_side_shares_pro_rata() -> None:
    result = clear("trade_reduction", [(2, 9), (2, 8), (3, 7)], [(1, 1), (6, 2)])
    assert result.buy_fills == (0.5, 0.5, 0)
    assert result.sell_fills == (1, 0)
    assert result.surplus == 7 - 2


def oracle(book: Book) -> tuple[list[int], list[int]]:
    """Energy and money by order, from the definition."""
    found = walk(book)
    buyers, sellers = found.accepted_buyers, found.accepted_sellers
    if not buyers:
        return [0] * len(book.energy), [0] * len(book.energy)
    buy, sell = sizes(book, buyers[:-1]), sizes(book, sellers[:-1])
    volume = min(sum(buy), sum(sell))
    bought, sold = pro_rata(book, buy, volume), pro_rata(book, sell, volume)
    return traded(bought, sold), payments(book, bought, sold, book.limit[buyers[-1]], book.limit[sellers[-1]])


@pytest.mark.parametrize("unit_demand", [True, False])
def test_the_oracle_agrees(unit_demand: bool) -> None:
    for book in tie_heavy_books(300, unit_demand):
        clearing = clear_book(trade_reduction, book)
        assert (row_of(clearing, "traded_ukwh"), row_of(clearing, "pay_ucur")) == oracle(book), book


def test_on_unit_books_all_pairs_but_the_last_trade() -> None:
    for book in tie_heavy_books(200, unit_demand=True):
        n_pairs = len(walk(book).accepted_buyers)
        assert sum(e > 0 for e in row_of(clear_book(trade_reduction, book), "traded_ukwh")) == max(n_pairs - 1, 0)
