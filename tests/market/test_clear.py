"""``clear`` for people with an order book and no simulation."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridbazaar.market.clear import clear, read_book


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
        ([], [], "empty", 0.0),
        ([(0, 0.3)], [(0, 0.1)], "empty", 0.0),
        ([(2, 0.3)], [(1, 0.1)], "marginal_buyer", 0.3),
        ([(1, 0.3)], [(2, 0.1)], "marginal_seller", 0.1),
        ([(1, 0.3)], [(1, 0.1)], "exact", 0.2),
    ],
)
def test_status_and_quote(
    buys: list[tuple[float, float]], sells: list[tuple[float, float]], status: str, price: float
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
        clear("uniform_price", buys, sells)  # type: ignore[arg-type]
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
    assert frame.price_cur_per_kwh.tolist() == [0.1, 0.1, 0.1]


def test_a_csv_book_is_read(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_text("side,kwh,price,bidder\nbuy,1,0.3,ann\nSell, 2 ,0.1,\n", encoding="utf-8")
    book = read_book(path)
    assert book.buys == [(1.0, 0.3, "ann")]
    assert book.sells == [(2.0, 0.1)]
    assert clear("uniform_price", *book).quantity == 1


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
