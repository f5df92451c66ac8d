"""Books at the edge: empty, one-sided, without a common price, tiny, huge, and beside odd retailers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.market.mechanisms import load_mechanism
from gridbazaar.market.orders import Clearing, Mechanism, Orders, Setting, Status
from tests.market.books import as_setting, unit_book
from tests.market.clear.lists import KWH, clear_book, row_of, units
from tests.reference import Book, Outside

RULES = [
    *map(load_mechanism, ("mcafee", "trade_reduction", "sbba", "vcg", "muda", "huang")),
    load_mechanism("sbba", rationing="pro_rata"),
    load_mechanism("muda", rationing="vickrey"),
]
every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.func.__name__} {rule.keywords}")


def seen(clearing: Clearing) -> tuple[Status, list[float], list[float]]:
    """The status, what neighbours traded and the prices shown."""
    energy = [e / KWH for e in row_of(clearing, "traded_ukwh")]
    return Status(int(clearing.status[0])), energy, [p / KWH for p in row_of(clearing, "price_ucur_per_kwh")]


@every_rule
@pytest.mark.parametrize(
    ("buys", "sells", "status", "quote"),
    [
        pytest.param([], [(0, 3)], Status.EMPTY, 0, id="no energy"),
        pytest.param(units(5, 4), [], Status.BUYERS_ONLY, 5.000001, id="buyers only"),
        pytest.param([], units(5, 4), Status.SELLERS_ONLY, 3.999999, id="sellers only"),
        pytest.param(units(3), units(5), Status.NO_CROSS, 4, id="no common price"),
        pytest.param(units(5), [], Status.BUYERS_ONLY, 5.000001, id="one order"),
    ],
)
def test_books_without_a_trade_have_a_status_and_a_quote(
    rule: Mechanism, buys: Any, sells: Any, status: Status, quote: float
) -> None:
    clearing = clear_book(rule, unit_book(buys, sells))
    n = len(buys) + len(sells)
    assert seen(clearing) == (status, [0] * n, [quote] * n)
    assert row_of(clearing, "pay_ucur") == [0] * n


@every_rule
def test_an_order_without_energy_changes_nothing(rule: Mechanism) -> None:
    lottery = np.random.default_rng(1).random((1, 12))
    energy, limit = np.tile([KWH, 0, -KWH], 4)[None], np.array([[9, 99, 1, 8, -99, 2, 7, 0, 3, 6, 50, 4]]) * KWH
    zeros = np.zeros(12, dtype=np.int64)
    keep = energy[0] != 0
    one = rule(Orders(energy, limit, np.arange(12), zeros, lottery), Setting())
    two = rule(Orders(energy[:, keep], limit[:, keep], np.arange(12)[keep], zeros[keep], lottery[:, keep]), Setting())
    assert one.traded_ukwh[:, keep].tolist() == two.traded_ukwh.tolist()
    assert one.pay_ucur[:, keep].tolist() == two.pay_ucur.tolist()
    assert not one.traded_ukwh[:, ~keep].any()


@every_rule
def test_huge_books_stay_within_the_integers(rule: Mechanism) -> None:
    energy, price = 2**37, 2**21
    limit = [price - 3 * i for i in range(4)] + [7 + i for i in range(4)]
    clearing = clear_book(rule, Book([energy] * 4 + [-energy] * 4, limit, list(range(8))))
    bought = row_of(clearing, "traded_ukwh")
    assert sum(bought) == 0
    for e, pay, p in zip(bought, row_of(clearing, "pay_ucur"), limit, strict=True):
        assert 0 <= e * (1 if p > price // 2 else -1) <= energy
        assert pay * KWH <= e * p + KWH
    assert clearing.surplus_ucur.tolist() == [sum(row_of(clearing, "pay_ucur"))]


@every_rule
def test_neighbours_do_not_trade_in_an_empty_band(rule: Mechanism) -> None:
    clearing = clear_book(rule, unit_book(units(9, 8, 7), units(1, 2, 3)), Outside(5 * KWH, 5 * KWH))
    assert seen(clearing)[1] == [0] * 6
    assert row_of(clearing, "outside_ukwh") == [KWH] * 3 + [-KWH] * 3
    assert row_of(clearing, "pay_ucur") == [0] * 6


@every_rule
def test_orders_that_do_not_trade_but_reach_the_tariff_meet_the_retailer(rule: Mechanism) -> None:
    book = unit_book([*units(9, 8, 7), (1, 3)], [*units(1, 2, 3), (1, 7)])
    clearing = clear_book(rule, book, Outside(6 * KWH, 4 * KWH))
    filled = [t + o for t, o in zip(row_of(clearing, "traded_ukwh"), row_of(clearing, "outside_ukwh"), strict=True)]
    assert filled == [KWH] * 3 + [0] + [-KWH] * 3 + [0]
    for e, pay in zip(row_of(clearing, "traded_ukwh"), row_of(clearing, "pay_ucur"), strict=True):
        assert pay <= (6 if e > 0 else 4) * e + 1, "never worse than the retailer"


@every_rule
@pytest.mark.parametrize("edge", ["import", "export"])
def test_a_retailer_may_only_sell_or_only_buy(rule: Mechanism, edge: str) -> None:
    both = as_setting(Outside(6 * KWH, 4 * KWH))
    setting = Setting(**{f"{edge}_ucur_per_kwh": getattr(both, f"{edge}_ucur_per_kwh")})
    book = unit_book([*units(9, 8, 7)], [*units(1, 2, 3)])
    orders = Orders(
        np.array([book.energy]), np.array([book.limit]), np.arange(6), np.zeros(6, dtype=np.int64),
        np.random.default_rng(2).random((1, 6)),
    )  # fmt: skip
    clearing = rule(orders, setting)
    filled = clearing.filled_ukwh[0].tolist()
    assert (filled[:3] if edge == "import" else filled[3:]) == [KWH * (1 if edge == "import" else -1)] * 3
    assert sum(row_of(clearing, "traded_ukwh")) == 0
