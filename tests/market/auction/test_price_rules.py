"""Every price rule by hand, on books whose last accepted and first rejected limits all differ.

Books are kWh at a currency per kWh. LAO, LAB: last accepted offer and bid; FRO, FRB: first rejected ones.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

import gridbazaar as gb
from gridbazaar.market.auction.price_rules import RULES
from gridbazaar.market.clear.result import Result

Side = list[tuple[float, float]]


class Book(NamedTuple):
    """A book and what buyers pay and sellers get in it, by rule; k is 1/4."""

    buys: Side
    sells: Side
    quantity: float  # kWh that neighbours trade
    due: dict[str, tuple[float, float]]
    terms: dict[str, Any]


def same(**price: float) -> dict[str, tuple[float, float]]:
    return {rule: (x, x) for rule, x in price.items()}


BOOKS = {
    # 5 kWh trade, no order is cut: LAO 0.10, LAB 0.30, FRO 0.24, FRB 0.12
    "nobody is cut": Book(
        [(5, 0.30), (3, 0.12)], [(5, 0.10), (3, 0.24)], 5,
        same(ce_k=0.15, lao_lab_k=0.15, lao=0.10, fro=0.24, lab=0.30, frb=0.12, first_price=0.10, second_price=0.24,
             split_difference=0.20) | {"dual": (0.30, 0.10)}, {},
    ),
    # 6 kWh trade, 2 of 4 kWh at 0.20 are bought: LAO 0.10, LAB and FRB 0.20, FRO 0.25
    "a buyer is cut": Book(
        [(4, 0.30), (4, 0.20)], [(6, 0.10), (5, 0.25)], 6,
        same(ce_k=0.20, lao_lab_k=0.125, lao=0.10, fro=0.20, lab=0.20, frb=0.20, first_price=0.20, second_price=0.20,
             split_difference=0.15) | {"dual": (0.20, 0.10)}, {},
    ),
    # 6 kWh trade, 2 of 4 kWh at 0.20 are sold: LAO and FRO 0.20, LAB 0.30, FRB 0.08
    "a seller is cut": Book(
        [(6, 0.30), (5, 0.08)], [(4, 0.10), (4, 0.20)], 6,
        same(ce_k=0.20, lao_lab_k=0.225, lao=0.20, fro=0.20, lab=0.30, frb=0.20, first_price=0.20, second_price=0.20,
             split_difference=0.25) | {"dual": (0.30, 0.20)}, {},
    ),
    # 2 kWh trade, 3 kWh go to the retailer, who would take more: LAO 0.02, LAB and FRB 0.08, FRO the retailer's 0.30
    "the retailer's bid is cut": Book(
        [(2, 0.25)], [(5, 0.02)], 2,
        same(ce_k=0.08, lao_lab_k=0.035, lao=0.02, fro=0.08, lab=0.08, frb=0.08, first_price=0.08, second_price=0.08,
             split_difference=0.05) | {"dual": (0.08, 0.02)}, {"import_price": 0.30, "export_price": 0.08},
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", BOOKS)
def test_buyers_pay_and_sellers_get_what_a_hand_works_out(name: str, rule: str) -> None:
    book = BOOKS[name]
    found = gb.clear("uniform_price", buys=book.buys, sells=book.sells, price_rule=rule, k=0.25, **book.terms)
    buyers_pay, sellers_get = book.due[rule]
    assert isinstance(found, Result)
    assert found.price == pytest.approx(buyers_pay, abs=1e-9)
    assert found.surplus == pytest.approx(found.quantity * (buyers_pay - sellers_get), abs=1e-9)
    assert found.quantity == book.quantity
