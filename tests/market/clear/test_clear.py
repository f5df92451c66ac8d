"""``clear`` for people with an order book and no simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.clear.clear import clear, draw_lottery
from gridbazaar.market.clear.csv_book import read_book
from gridbazaar.market.clear.order_list import order_list


def unit(*prices: float) -> list[tuple[float, float]]:
    """One unit at each price."""
    return [(1.0, price) for price in prices]


BOOKS_AND_ANSWERS = [
    # T1 and T2: PyMarket's data sets; T4: its market test.
    ("T1", [(1, 3), (2, 4), (5, 1)], [(4, 2), (1, 1), (5, 6)], 3, (2, 2), 2),
    ("T2", unit(6.7, 6.6, 6.5, 6.4, 6.3, 6), [(1, 1), (1, 2), (2, 3), (2, 4), (1, 6.1)], 6, (4, 6), 5),
    ("T4", unit(4, 3, 2, 1), unit(1, 2, 3), 2, (2, 3), 2.5),
    # T6: gsy-e's pay-as-clear.
    ("T6 1..7", unit(*range(1, 8)), unit(*range(1, 8)), 4, (4, 4), 4),
    ("T6 8..14", unit(*range(8, 15)), unit(*range(8, 15)), 4, (11, 11), 11),
    ("T6 interval", unit(*range(1, 8)), unit(2, 3, 3, 5, 6, 7, 8), 3, (4, 5), 4.5),
    ("T6 asks tie", unit(1, 2, 3, 4, 10, 10, 10), unit(*[10] * 7), 3, (10, 10), 10),
    ("T6 bids tie", unit(*[5] * 7), unit(1, 2, 5, 5, 5, 6, 7), 5, (5, 5), 5),
    ("T6 floats", unit(1.1, 2.2, 3.3), unit(1.1, 2.2, 3.3), 2, (2.2, 2.2), 2.2),
    ("T6 unsolved 1", unit(7, 5, 5, 2, 2, 2, 2), unit(2, 3, 6, 7, 7, 7, 7), 2, (5, 5), 5),
    ("T6 unsolved 2", unit(6, 6, 6, 6, 2, 2, 2), unit(2, 2, 4, 4, 4, 4, 6), 4, (4, 4), 4),
    ("T10", unit(100, 90, 80, 70, 60), unit(80, 85, 95, 100, 110), 2, (85, 90), 87.5),
    ("T32 as a call", [(7, 0.22), (3, 0.15)], [(5, 0.20), (5, 0.18), (4, 0.15)], 7, (0.18, 0.18), 0.18),
]


@pytest.mark.parametrize(
    ("buys", "sells", "quantity", "interval", "price"),
    [case[1:] for case in BOOKS_AND_ANSWERS],
    ids=[case[0] for case in BOOKS_AND_ANSWERS],
)
def test_worked_cases_come_out(
    buys: list[tuple[float, float]],
    sells: list[tuple[float, float]],
    quantity: float,
    interval: tuple[float, float],
    price: float,
) -> None:
    result = clear("uniform_price", buys, sells)
    assert result.quantity == quantity
    assert (result.price_low, result.price_high) == interval
    assert result.price == price
    assert sum(result.buy_fills) == pytest.approx(quantity, abs=1e-9)
    assert sum(result.sell_fills) == pytest.approx(quantity, abs=1e-9)


def test_k_moves_the_price_through_the_interval() -> None:
    prices = [clear("uniform_price", unit(*range(1, 8)), unit(2, 3, 3, 5, 6, 7, 8), k=k).price for k in (0, 0.5, 1)]
    assert prices == [4, 4.5, 5]


@pytest.mark.parametrize(
    ("buys", "sells", "status", "price"),
    [
        ([(1, 0.1)], [(1, 0.3)], "no_cross", 0.2),
        ([(1, 0.1), (1, 0.2)], [], "buyers_only", 0.200001),
        ([], [(1, 0.1), (1, 0.2)], "sellers_only", 0.099999),
        ([], [], "empty", None),
        ([(0, 0.3)], [(0, 0.1)], "empty", None),
        ([(2, 0.3)], [(1, 0.1)], "marginal_buyer", 0.3),
        ([(1, 0.3)], [(2, 0.1)], "marginal_seller", 0.1),
        ([(1, 0.3)], [(1, 0.1)], "exact", 0.2),
    ],
)
def test_status_and_quote(
    buys: list[tuple[float, float]], sells: list[tuple[float, float]], status: str, price: float | None
) -> None:
    result = clear("uniform_price", buys, sells)
    assert (result.status, result.price) == (status, price)


def test_fills_and_prices_keep_the_callers_order() -> None:
    result = clear("uniform_price", buys=[(1, 0.1), (1, 0.4), (2, 0.3)], sells=[(9, 0.5), (2, 0.2)])
    assert result.buy_fills == (0, 1, 1)
    assert result.sell_fills == (0, 2)
    assert result.buy_prices == (0.3, 0.3, 0.3)
    assert result.sell_prices == (0.3, 0.3)
    assert result.surplus == 0


def test_a_named_bidder_gets_the_same_wherever_it_stands() -> None:
    buys = [(0.000001, 0.3, "ann"), (0.000001, 0.3, "bob"), (0.000001, 0.3, "cy")]
    sells = [(0.000002, 0.1)]
    one, two = clear("uniform_price", buys, sells), clear("uniform_price", buys[::-1], sells)
    assert one.buy_fills == two.buy_fills[::-1]
    assert sum(one.buy_fills) == 0.000002


def test_all_faulty_orders_are_named_at_once() -> None:
    buys = [(-1, 0.3), (1, 0.2), (float("nan"), 0.2), (1,), ("1", 0.2)]
    sells = [(1, float("inf")), "12", (1, 2, 3, 4), 5, (True, 1), (1, 0.1, [])]
    with pytest.raises(ValueError, match="clear: expected") as caught:
        clear("uniform_price", buys, sells)
    text = str(caught.value)
    named = [f"buys[{i}]" for i in (0, 2, 3, 4)] + [f"sells[{i}]" for i in range(6)]
    assert [name for name in named if name not in text] == []
    assert "buys[1]" not in text


def test_a_book_too_large_to_count_is_refused() -> None:
    with pytest.raises(ValueError, match="larger units"):
        clear("uniform_price", buys=[(1e9, 1e6)])


def test_the_repr_tells_the_outcome() -> None:
    text = repr(clear("uniform_price", buys=[(1.0, 0.30)], sells=[(2.0, 0.10)]))
    assert text == ("Result(marginal_seller: 1 kWh at 0.1, interval [0.1, 0.1], surplus 0; filled: buys 1  sells 1)")


def test_the_frame_has_a_row_an_order() -> None:
    frame = clear("uniform_price", buys=[(1.0, 0.30)], sells=[(2.0, 0.10), (1.0, 0.4)]).to_frame()
    assert frame.side.tolist() == ["buy", "sell", "sell"]
    assert frame.filled_kwh.tolist() == [1, 1, 0]
    assert frame.outside_kwh.tolist() == [0, 0, 0]
    assert frame.price_cur_per_kwh.tolist() == [0.1, 0.1, 0.1]


def test_without_energy_and_retailer_there_is_no_price() -> None:
    result = clear("uniform_price", buys=[(0, 0.3)])
    assert (result.price, result.price_low, result.price_high, result.buy_prices) == (None, None, None, (None,))
    assert result.to_frame().price_cur_per_kwh.isna().all()
    assert repr(result) == "Result(empty: 0 kWh at none, interval [none, none], surplus 0; filled: buys 0  sells -)"


def test_a_retailer_quotes_an_empty_book() -> None:
    assert clear("uniform_price", import_price=0.3, export_price=0.1).price == 0.2
    assert clear("uniform_price", import_price=0.3).price == 0.3


T4, T10, T11 = (
    (unit(4, 3, 2, 1), unit(1, 2, 3)),
    (unit(100, 90, 80, 70, 60), unit(80, 85, 95, 100, 110)),
    (unit(10, 9, 2), unit(1, 8, 20)),
)


@pytest.mark.parametrize(
    ("mechanism", "book", "quantity", "buyers_pay", "sellers_get", "surplus"),
    [
        ("mcafee", T10, 2, 87.5, 87.5, 0),
        ("mcafee", T11, 1, 9, 8, 1),
        ("trade_reduction", T10, 1, 90, 85, 5),
        ("trade_reduction", T11, 1, 9, 8, 1),
        ("vcg", T10, 2, 85, 90, -10),
        ("sbba", T10, 1, 90, 90, 0),
        ("huang", T4, 1, 3, 2, 1),
    ],
)
def test_worked_cases_of_the_truthful_auctions(
    mechanism: str, book: Any, quantity: float, buyers_pay: float, sellers_get: float, surplus: float
) -> None:
    result = clear(mechanism, *book)
    assert (result.quantity, result.price, result.surplus) == (quantity, buyers_pay, surplus)
    for fills, prices, price in (
        (result.buy_fills, result.buy_prices, buyers_pay),
        (result.sell_fills, result.sell_prices, sellers_get),
    ):
        assert {p for fill, p in zip(fills, prices, strict=True) if fill} == {price}


def test_orders_that_arrive_in_turn_trade_at_the_resting_price() -> None:
    """T32: 5 at .18 and 2 at .20, then 3 at .15; asks of 1 and 3 are left."""
    buys, sells = [(7, 0.22), (3, 0.15)], [(5, 0.20), (5, 0.18), (4, 0.15)]
    result = clear("continuous_double_auction", buys, sells, arrival=([3, 5], [1, 2, 4]))
    assert (result.buy_fills, result.sell_fills) == ((7, 3), (2, 5, 3))
    assert result.sell_prices == (0.2, 0.18, 0.15)
    assert result.buy_prices[0] == pytest.approx((5 * 0.18 + 2 * 0.20) / 7, abs=1e-6)


# The retailer.


def test_fills_count_the_retailer_and_prices_are_averages() -> None:
    """T17: mid-market rate with R = .30 and F = .10."""
    for given, taken, buy, sell in ((6, 10, 0.24, 0.20), (10, 6, 0.20, 0.16), (4, 4, 0.20, 0.20)):
        buys, sells = [(taken, 9.0)], [(given, 9.0)]
        result = clear("mid_market_rate", buys, sells, import_price=0.30, export_price=0.10)
        assert (result.quantity, result.price) == (min(given, taken), 0.2)
        assert (result.buy_fills, result.sell_fills) == ((taken,), (given,))
        assert (result.buy_outside, result.sell_outside) == ((max(taken - given, 0),), (max(given - taken, 0),))
        assert (result.buy_prices, result.sell_prices) == ((buy,), (sell,))


def test_a_community_rule_asks_for_the_retailers_prices() -> None:
    with pytest.raises(ValueError, match="pass import_price= and export_price="):
        clear("mid_market_rate", [(1, 0.3)], [(1, 0.1)], import_price=0.3)


def test_an_order_below_the_tariff_waits_for_neighbours() -> None:
    result = clear("uniform_price", [(2, 0.30), (1, 0.20)], [(1, 0.1)], import_price=0.3, export_price=0.05)
    assert (result.buy_fills, result.buy_outside) == ((2, 0), (1, 0))
    assert result.buy_prices == (0.3, 0.3)
    assert result.status == "marginal_outside"


# Tick, cap and floor.


def test_prices_fall_on_ticks() -> None:
    assert clear("uniform_price", [(1, 0.30)], [(1, 0.15)]).price == 0.225
    assert clear("uniform_price", [(1, 0.30)], [(1, 0.15)], tick=0.05).price == 0.2
    assert clear("uniform_price", [(1, 0.30)], tick=0.05).price == 0.35


def test_quotes_stay_between_floor_and_cap() -> None:
    assert clear("uniform_price", [(1, 0.4)], price_cap=0.4).price == 0.4
    assert clear("uniform_price", [(1, 0.4)], price_cap=0.4).buy_prices == (0.4,)
    assert clear("uniform_price", [], [(1, 0.0)], price_floor=0.0).price == 0.0


def test_limits_off_the_tick_or_beyond_cap_and_floor_are_all_named() -> None:
    with pytest.raises(ValueError, match="clear: expected") as caught:
        clear("uniform_price", [(1, 0.3), (1, 0.31), (1, 0.6)], [(1, -0.1)], tick=0.1, price_cap=0.5, price_floor=0)
    text = str(caught.value)
    assert "buys[1] = (1, 0.31): price 0.31 is no multiple of tick, 0.1" in text
    assert "buys[2] = (1, 0.6): price 0.6 is above price_cap, 0.5" in text
    assert "sells[0] = (1, -0.1): price -0.1 is below price_floor, 0" in text
    assert "buys[0]" not in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"import_price": float("nan")}, "import_price is nan"),
        ({"export_price": "dear"}, "export_price is 'dear', no number"),
        ({"tick": 0}, "tick is 0, expected a positive multiple"),
        ({"tick": 1.5e-6}, "expected a positive multiple of a millionth"),
        ({"price_cap": 0.1, "price_floor": 0.2}, "price_cap is 0.1, below price_floor, 0.2"),
        ({"self_trade": "forbid"}, "self_trade is 'forbid', expected one of net, allow"),
        ({"kk": 1}, "unknown option 'kk'"),
        ({"arrival": ([1], [2])}, "takes all orders at once"),
        ({"arrival": ([1], [])}, "expected \\(times of the 1 buys, times of the 1 sells\\)"),
        ({"arrival": ([1], [float("inf")])}, "arrival of sells\\[0\\] is inf"),
        ({"fees": {"Grid": 0.1}}, "expected both"),
    ],
)
def test_faulty_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        clear("uniform_price", [(1, 0.3)], [(1, 0.1)], **options)


def test_faults_of_options_and_orders_come_together() -> None:
    with pytest.raises(ValueError, match=r"(?s)mechanism: expected one of.*self_trade is.*buys\[0\]"):
        clear("uniform", [(-1, 0.3)], self_trade="x")


# Chance and order.


def test_a_bidder_draws_one_number_wherever_its_orders_stand() -> None:
    buys, sells = [(1, 0.3, "ann"), (1, 0.2, "bob"), (2, 0.2, "ann")], [(1, 0.1, "ann"), (1, 0.15)]
    book, moved = order_list(buys, sells), order_list(buys[::-1], sells[::-1])
    numbers = book.listed(draw_lottery(book, 7, None))
    assert numbers[0] == numbers[2] == numbers[3]
    assert len(set(numbers)) == 3
    assert moved.listed(draw_lottery(moved, 7, None)) == numbers[2::-1] + numbers[:2:-1]
    assert book.listed(draw_lottery(book, 8, None)) != numbers


def test_times_of_arrival_rank_the_orders() -> None:
    book = order_list([(7, 0.22), (3, 0.15)], [(5, 0.20), (5, 0.18), (4, 0.15)])
    assert book.listed(draw_lottery(book, 0, ([3, 5], [1, 2, 4]))) == [0.4, 0.8, 0.0, 0.2, 0.6]
    tied = {tuple(book.listed(draw_lottery(book, seed, ([0, 0], [0, 0, 0])))) for seed in range(20)}
    assert len(tied) > 5


def test_the_order_of_the_rows_plays_no_part() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        names = ("ann", "bob", None)
        sides = [
            [(int(rng.integers(9)) / 1e6, int(rng.integers(1, 5)) / 10, names[rng.integers(3)]) for _ in range(8)]
            for _ in range(2)
        ]
        moved = [[side[i] for i in rng.permutation(8)] for side in sides]
        one, two = clear("uniform_price", *sides), clear("uniform_price", *moved)
        assert (one.price, one.quantity, one.status, one.netted) == (two.price, two.quantity, two.status, two.netted)
        for old, new, first, second in zip(
            sides, moved, (one.buy_fills, one.sell_fills), (two.buy_fills, two.sell_fills), strict=True
        ):
            assert sorted(zip(map(str, old), first, strict=True)) == sorted(zip(map(str, new), second, strict=True))


def test_a_csv_book_is_read(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_text("side,kwh,price,bidder\nbuy,1,0.3,ann\nSell, 2 ,0.1,\n", encoding="utf-8")
    book = read_book(path)
    assert book.buys == [(1.0, 0.3, "ann")]
    assert book.sells == [(2.0, 0.1)]
    assert book.arrival is None
    assert clear("uniform_price", book.buys, book.sells).quantity == 1


def test_times_of_arrival_are_read_from_a_csv(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_text("side,kwh,price,arrival\nsell,1,0.3,2\nbuy,1,0.1,3.5\nsell,1,0.3,1\n")
    assert read_book(path).arrival == ([3.5], [2.0, 1.0])
    path.write_text("side,kwh,price,arrival\nsell,1,0.3,late\nbuy,1,0.1,\n")
    with pytest.raises(ValueError, match=r"line 2: arrival is 'late', no number\n  line 3: arrival is ''"):
        read_book(path)


def test_all_faulty_rows_of_a_csv_are_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_text("side,kwh,price\nbuy,1,0.3\nbid,1,1\nsell,-1,1\nsell,x,1\nbuy,1\nbuy,1,2,3\nsell,nan,1\n")
    with pytest.raises(ValueError, match=r"book\.csv") as caught:
        read_book(path)
    text = str(caught.value)
    assert [line for line in range(3, 9) if f"line {line}:" not in text] == []
    assert "line 2:" not in text


@pytest.mark.parametrize("header", ["kwh,price", "side,kwh,price,colour", ""])
def test_a_csv_with_other_columns_is_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "book.csv"
    path.write_text(header + "\n" if header else "")
    with pytest.raises(ValueError, match="side,kwh,price"):
        read_book(path)
