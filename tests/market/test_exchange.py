"""Designs in another currency: every amount of money times the rate, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.data.bounds import MOST_PRICE
from gridbazaar.market.billing.bill import bill
from gridbazaar.market.billing.metered import metered
from gridbazaar.market.charge import Charge, Window
from gridbazaar.market.design import Cer, Design, Maximum, Minimum, Netting, Premium
from gridbazaar.market.designs import list_designs, load_design
from gridbazaar.market.exchange import in_currency

RATE = 0.5  # of which floats have no rounding
_OF_CER = ("base", "slope_to", "cap", "add")


def amounts(held: Any, where: str, *, is_money: bool = False) -> Iterator[tuple[str, Any, bool]]:
    """Every value below a design with its place, and whether it is an amount of money by the name of its field."""
    if is_dataclass(held):
        for each in fields(held):
            of_cer = isinstance(held, Cer) and each.name in _OF_CER
            money = of_cer or "cur_per" in each.name or each.name in ("by_label", "tables")
            money = money and each.name != "table_cur_per_kwh"
            yield from amounts(getattr(held, each.name), f"{where}.{each.name}", is_money=money)
    elif isinstance(held, Mapping):
        for name, value in held.items():
            yield from amounts(value, f"{where}.{name}", is_money=is_money)
    elif isinstance(held, tuple):
        for i, value in enumerate(held):
            yield from amounts(value, f"{where}[{i}]", is_money=is_money)
    else:
        yield where, held, is_money and isinstance(held, int | float)


WHOLE = Design(
    name="whole", title="", region="", year=None, currency="GBP", tz="Etc/UTC", source="",
    charges=(
        Charge(line="retail", to="retailer", cur_per_kwh=0.2, cap_cur_per_kwh=0.4, floor_cur_per_kwh=-0.1,
               spot_factor=1.2, lump_cur_per_year=20.0,
               windows=(Window(1.0, 2.0, cur_per_kwh=0.3), Window(3.0, 4.0, add_cur_per_kwh=0.1))),
        Charge(line="tax", to="state", nets=False, tiers_kwh=(100.0,), tier_cur_per_kwh=(0.1, 0.2),
               windows=(Window(5.0, 6.0, tier_cur_per_kwh=(0.3, 0.4)),)),
        Charge(line="capacity", to="network_operator", cur_per_kw_month=3.0),
        Charge(line="capacity", to="network_operator", cur_per_kw_year=30.0),
        Charge(line="capacity", to="network_operator", cur_per_kw_day=0.3),
        Charge(line="capacity", to="network_operator", tiers_kw=(2.0,), tier_cur_per_kw_month=(1.0, 2.0)),
        Charge(line="capacity", to="network_operator", steps_kw=(2.0,), step_cur_per_month=(10.0, 20.0)),
        Charge(line="fixed", to="retailer", cur_per_day=0.1),
        Charge(line="fixed", to="retailer", cur_per_month=3.0),
        Charge(line="fixed", to="retailer", cur_per_year=36.0, by_label={"low": 12.0}),
        Charge(line="tax", to="state", frac=0.1, of_lines=("retail",)),
    ),
    netting=Netting(period="year", rollover="money", true_up_month=12, true_up_cur_per_kwh=0.05),
    minimum=Minimum(cur_per_month=5.0, cur_per_year=60.0), maximum=Maximum(0.9, 0.3, 40.0),
    premium=Premium(cur_per_kwh=0.1, cer=Cer(0.08, 0.18, 0.12, 0.01)),
)  # fmt: skip


@pytest.mark.parametrize("name", [*list_designs(), "whole"])
def test_all_amounts_of_money_are_exchanged_and_nothing_else(name: str) -> None:
    design = WHOLE if name == "whole" else load_design(name)
    here = in_currency(design, "XXX", RATE)
    assert here.currency == "XXX"
    assert f"at 0.5 for one {design.currency}" in here.note
    same = replace(here, currency=design.currency, note=design.note)
    for (where, before, is_money), (_, after, _) in zip(amounts(design, name), amounts(same, name), strict=True):
        wanted = before * RATE if is_money and before != MOST_PRICE else before
        assert after == wanted, where


def test_a_bill_in_another_currency_is_the_bill_times_the_rate() -> None:
    """Of a price that follows the spot price, with that price in the other currency."""
    drawn = np.array([[0.5, 1.5, 2.0, 0.0] * 24])
    spot = np.linspace(-0.1, 0.3, 96)

    def total_cur(design: Design, spot_cur_per_kwh: Any) -> float:
        found = bill(
            design, metered(np.datetime64("2025-01-01"), 15, drawn, 0 * drawn, spot_cur_per_kwh=spot_cur_per_kwh)
        )
        return float(found.total_cur.sum())

    design = load_design("gb_agile")
    whole = total_cur(design, spot)
    assert whole > 1.0
    assert total_cur(in_currency(design, "EUR", 1.17), 1.17 * spot) == pytest.approx(1.17 * whole, rel=1e-6)
