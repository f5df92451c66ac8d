"""SBBA: worked cases, and an oracle on lists."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from gridbazaar.market.clear.clear import clear
from gridbazaar.market.mechanisms.sbba import sbba
from gridbazaar.market.orders import Orders, Setting
from tests.market.books import as_orders
from tests.market.clear.lists import (
    KWH,
    clear_book,
    largest_gain_from_a_lie,
    one_by_one,
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


def test_t10_one_pair_trades_at_the_last_accepted_bid_and_the_seller_is_drawn() -> None:
    served = set()
    for seed in range(20):
        result = clear("sbba", units(100, 90, 80, 70, 60), units(80, 85, 95, 100, 110), seed=seed)
        assert (result.quantity, result.price, result.surplus, result.status) == (1, 90, 0, "reduced")
        assert result.buy_fills == (1, 0, 0, 0, 0)
        served.add(result.sell_fills)
    assert served == {(1, 0, 0, 0, 0), (0, 1, 0, 0, 0)}


def test_t10_pro_rata_gives_each_seller_half() -> None:
    result = clear("sbba", units(100, 90, 80, 70, 60), units(80, 85, 95, 100, 110), rationing="pro_rata")
    assert (result.quantity, result.price, result.surplus) == (1, 90, 0)
    assert result.sell_fills == (0.5, 0.5, 0, 0, 0)


def test_t4_the_first_rejected_ask_is_no_dearer_than_the_last_bid_so_both_pairs_trade() -> None:
    result = clear("sbba", units(4, 3, 2, 1), units(1, 2, 3))
    assert (result.quantity, result.price, result.surplus) == (2, 3, 0)


def test_t11_one_pair_trades_at_9() -> None:
    result = clear("sbba", units(10, 9, 2), units(1, 8, 20))
    assert (result.quantity, result.price, result.surplus) == (1, 9, 0)
    assert result.buy_fills == (1, 0, 0)


def test_without_a_rejected_ask_the_last_bid_sets_the_price() -> None:
    result = clear("sbba", units(10, 9), units(1, 8))
    assert (result.quantity, result.price) == (1, 9)


def test_an_ask_that_is_filled_in_part_sets_the_price_and_stays_out() -> None:
    result = clear("sbba", [(2, 9), (2, 8)], [(1, 1), (6, 3)], rationing="pro_rata")
    assert (result.quantity, result.price, result.surplus) == (1, 3, 0)
    assert result.buy_fills == (0.5, 0.5)
    assert result.sell_fills == (1, 0)


def oracle(book: Book, lottery: list[float] | None) -> tuple[list[int], list[int]]:
    """Energy and money by order, from the definition."""
    found = walk(book)
    buyers, sellers = found.accepted_buyers, found.accepted_sellers
    if not buyers:
        return [0] * len(book.energy), [0] * len(book.energy)
    bid, last = book.limit[buyers[-1]], sellers[-1]
    if found.sold[last] < -book.energy[last]:
        price, sellers = book.limit[last], sellers[:-1]
    elif len(sellers) < len(found.sellers) and book.limit[found.sellers[len(sellers)]] <= bid:
        price = book.limit[found.sellers[len(sellers)]]
    else:
        price, buyers = bid, buyers[:-1]
    buy, sell = sizes(book, buyers), sizes(book, sellers)
    volume = min(sum(buy), sum(sell))
    if lottery is None:
        bought, sold = pro_rata(book, buy, volume), pro_rata(book, sell, volume)
    else:
        turn = sorted(range(len(lottery)), key=lambda i: lottery[i])
        bought, sold = one_by_one(buy, volume, turn), one_by_one(sell, volume, turn)
    return traded(bought, sold), payments(book, bought, sold, price, price)


@pytest.mark.parametrize("unit_demand", [True, False])
@pytest.mark.parametrize("rationing", ["lottery", "pro_rata"])
def test_the_oracle_agrees(rationing: str, unit_demand: bool) -> None:
    for book in tie_heavy_books(300, unit_demand):
        drawn = as_orders(book).lottery
        assert drawn is not None
        expected = oracle(book, drawn[0].tolist() if rationing == "lottery" else None)
        clearing = clear_book(partial(sbba, rationing=rationing), book)
        assert (row_of(clearing, "traded_ukwh"), row_of(clearing, "pay_ucur")) == expected, book


def test_on_unit_books_at_most_one_pair_is_lost() -> None:
    for book in tie_heavy_books(200, unit_demand=True):
        n_pairs = len(walk(book).accepted_buyers)
        n_traded = sum(e > 0 for e in row_of(clear_book(sbba, book), "traded_ukwh"))
        assert n_traded in (n_pairs, max(n_pairs - 1, 0))


def test_pro_rata_is_truthful_too() -> None:
    assert largest_gain_from_a_lie(partial(sbba, rationing="pro_rata")) <= 4


def test_pro_rata_needs_no_lottery() -> None:
    orders = Orders(np.array([[KWH, KWH, -KWH, -KWH]]), np.array([[9, 8, 1, 2]]), np.arange(4), np.zeros(4, np.int64))
    assert sbba(orders, Setting(), rationing="pro_rata").traded_ukwh.tolist() == [[KWH, 0, -KWH // 2, -KWH // 2]]
    with pytest.raises(ValueError, match="sbba: expected orders with a lottery"):
        sbba(orders, Setting())


def test_an_unknown_rationing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sbba.rationing: expected one of lottery, pro_rata, got 'vickrey'"):
        clear("sbba", units(2), units(1), rationing="vickrey")
