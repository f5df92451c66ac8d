"""Worked bills of a year by a formula: an hourly home whose bills two programs agree on to 1e-6 in every month."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.market.billing.bill import bill
from gridbazaar.market.design import Design
from tests.market.billing.household import (
    CAPACITY,
    FIXED,
    RETAIL,
    SOLD,
    design,
    due,
    formula_rows,
    money,
    months,
)

FLAT = RETAIL | {"cur_per_kwh": 0.30}


def test_case_86_flat_with_feed_in() -> None:
    found = bill(design(FLAT, SOLD | {"cur_per_kwh": 0.08}), formula_rows())
    assert money(found.total_cur[0]) == "875.23"
    assert months(found)[0] == "121.07"


def test_case_87_time_of_use_with_seasons_and_weekends() -> None:
    summer = [6, 7, 8, 9]
    windows: list[dict[str, Any]] = [
        {"months": summer, "days": "weekday", "from_h": 16.0, "to_h": 21.0, "cur_per_kwh": 0.54},
        {"months": summer, "days": "weekend", "from_h": 16.0, "to_h": 21.0, "cur_per_kwh": 0.40},
        {"months": summer, "cur_per_kwh": 0.22},
        {"from_h": 16.0, "to_h": 21.0, "cur_per_kwh": 0.50},
    ]
    found = design(RETAIL | {"cur_per_kwh": 0.21, "windows": windows}, SOLD | {"cur_per_kwh": 0.05})
    assert due(found, formula_rows()) == "1014.68"


def test_case_88_monthly_tiers() -> None:
    tiers = RETAIL | {"tiers_kwh": [200.0, 400.0], "tier_cur_per_kwh": [0.20, 0.30, 0.40]}
    assert due(design(tiers), formula_rows()) == "805.82"


def test_case_89_a_peak_charge() -> None:
    peak = CAPACITY | {"cur_per_kw_month": 12.0, "peak": {"interval_min": 60}}
    assert due(design(FLAT, peak), formula_rows()) == "1183.73"


def test_case_90_a_peak_charge_by_time_of_use() -> None:
    on = [{"days": "weekday", "from_h": 16.0, "to_h": 21.0}]
    off = [{"days": "weekend"}, {"days": "weekday", "from_h": 21.0, "to_h": 16.0}]
    found = design(FLAT, *(
        CAPACITY | {"cur_per_kw_month": price, "peak": {"interval_min": 60, "windows": windows}}
        for price, windows in ((8.0, on), (2.0, off))
    ))  # fmt: skip
    assert due(found, formula_rows()) == "1160.37"


def bank(true_up_month: int) -> Design:
    rule = {"period": "month", "rollover": "kwh", "true_up_month": true_up_month, "true_up_cur_per_kwh": 0.03}
    return design(FLAT, netting=rule)


def test_case_91_net_metering_with_a_true_up_in_december() -> None:
    found = bill(bank(12), formula_rows(2.5))
    assert money(found.total_cur[0]) == "-108.60"
    assert months(found)[11] == "-145.81"


def test_what_is_left_after_the_true_up_is_in_the_carry() -> None:
    """With a true-up in March the kWh banked until December are neither paid nor lost."""
    found = bill(bank(3), formula_rows(2.5))
    assert money(found.total_cur[0]) == "27.76"
    assert found.carry.energy.bank_kwh.sum() > 0.0


def test_case_92_prices_of_every_hour() -> None:
    hour, month = np.arange(8760) % 24, formula_month()
    buy = 0.25 + 0.1 * ((hour >= 16) & (hour < 21)) + 0.001 * (np.arange(8760) % 5)
    sell = np.round(0.02 + 0.001 * hour + 0.0005 * month - 0.05 * ((hour == 12) & (month == 4)), 5)
    tables = {"buy": np.round(buy, 5).tolist(), "sell": sell.tolist()}
    found = design(RETAIL | {"table_cur_per_kwh": "buy"}, SOLD | {"table_cur_per_kwh": "sell"}, tables=tables)
    assert due(found, formula_rows()) == "940.10"


def formula_month() -> np.ndarray[Any, Any]:
    """[8760] months from 0."""
    days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return np.repeat(np.arange(12), 24 * np.array(days))


def test_case_93_a_minimum_a_month() -> None:
    charges = (FLAT, SOLD | {"cur_per_kwh": 0.08}, FIXED | {"cur_per_month": 5.0})
    assert due(design(*charges, minimum={"cur_per_month": 60.0}), formula_rows()) == "1002.73"


def test_a_minimum_a_year_counts_what_months_were_topped_up() -> None:
    charges = (FLAT, SOLD | {"cur_per_kwh": 0.08}, FIXED | {"cur_per_month": 5.0})
    assert due(design(*charges, minimum={"cur_per_year": 1000.0}), formula_rows()) == "1000.00"
    both = design(*charges, minimum={"cur_per_month": 60.0, "cur_per_year": 1100.0})
    assert due(both, formula_rows()) == "1100.00"
