"""Twelve months under 25 tariffs against SAM's utility rate module; see ``tests/golden/bills``."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.billing.bill import bill
from gridbazaar.market.billing.metered import Metered, metered
from gridbazaar.market.design import Design
from tests.market.billing.household import CAPACITY, FIXED, RETAIL, SOLD, design, formula_home, formula_rows

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "bills" / "pysam.json").read_text(encoding="utf-8"))
SUMMER = [6, 7, 8, 9]
FLAT = RETAIL | {"cur_per_kwh": 0.30}
SELL_8 = SOLD | {"cur_per_kwh": 0.08}
TOU = RETAIL | {
    "cur_per_kwh": 0.21,
    "windows": [
        {"months": SUMMER, "days": "weekday", "from_h": 16.0, "to_h": 21.0, "cur_per_kwh": 0.54},
        {"months": SUMMER, "days": "weekend", "from_h": 16.0, "to_h": 21.0, "cur_per_kwh": 0.40},
        {"months": SUMMER, "cur_per_kwh": 0.22},
        {"from_h": 16.0, "to_h": 21.0, "cur_per_kwh": 0.50},
    ],
}
ON_PEAK: dict[str, Any] = {"days": "weekday", "from_h": 16.0, "to_h": 21.0}
OFF_PEAK: list[dict[str, Any]] = [{"days": "weekend"}, {"days": "weekday", "from_h": 21.0, "to_h": 16.0}]


def peak(price: float, **of: Any) -> dict[str, Any]:
    return CAPACITY | {"cur_per_kw_month": price, "peak": {"interval_min": 60, **of}}


def tiers(limits: list[float], prices: list[float], **more: Any) -> dict[str, Any]:
    return RETAIL | {"tiers_kwh": limits, "tier_cur_per_kwh": prices, **more}


HALF_HOUR_PEAK = CAPACITY | {"cur_per_kw_month": 12.0, "peak": {"interval_min": 30}}
PEAK_TIERS = CAPACITY | {"tiers_kw": [0.8], "tier_cur_per_kw_month": [3.0, 10.0], "peak": {"interval_min": 60}}


def banked(month: int | None = None, cur_per_kwh: float = 0.0, *charges: dict[str, Any], **more: Any) -> Design:
    rule: dict[str, Any] = {"period": "month", "rollover": "kwh"}
    if month is not None:
        rule |= {"true_up_month": month, "true_up_cur_per_kwh": cur_per_kwh}
    return design(*(charges or (FLAT,)), netting=rule, **more)


def hour_tables() -> dict[str, list[float]]:
    hour, row = np.arange(8760) % 24, np.arange(8760)
    month = np.repeat(np.arange(12), 24 * np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]))
    buy = 0.25 + 0.1 * ((hour >= 16) & (hour < 21)) + 0.001 * (row % 5)
    sell = 0.02 + 0.001 * hour + 0.0005 * month - 0.05 * ((hour == 12) & (month == 4))
    return {"buy": np.round(buy, 5).tolist(), "sell": np.round(sell, 5).tolist()}


def by_hour(buy: dict[str, Any], **fields: Any) -> Design:
    return design(buy, SOLD | {"table_cur_per_kwh": "sell"}, tables=hour_tables(), **fields)


def half_hours() -> Metered:
    """Two rows an hour of the same power, with 4 kW at 17:00 of the first day's first half hour."""
    load, sun = (np.repeat(x, 2) for x in formula_home())
    load[2 * 17] = 4.0
    net = (load - sun) / 2
    return metered("2018-01-01", 30, np.maximum(net, 0.0), np.maximum(-net, 0.0), timezone="Etc/UTC")


MONEY = {"period": "month", "rollover": "money", "true_up_month": 12}
FIVE = FIXED | {"cur_per_month": 5.0}
BIG = partial(formula_rows, 2.5)
CASES: dict[str, tuple[Design, Callable[[], Metered]]] = {
    "flat": (design(FLAT, SELL_8), formula_rows),
    "time_of_use": (design(TOU, SOLD | {"cur_per_kwh": 0.05}), formula_rows),
    "tiers": (design(tiers([200.0, 400.0], [0.2, 0.3, 0.4])), formula_rows),
    "daily_tiers": (design(tiers([10.0], [0.2, 0.4], tier_scope="month_per_day")), formula_rows),
    "tiers_in_periods": (
        design(tiers([150.0], [0.2, 0.3], windows=[ON_PEAK | {"tier_cur_per_kwh": [0.4, 0.5]}])),
        formula_rows,
    ),
    "peak": (design(FLAT, peak(12.0)), formula_rows),
    "peak_by_time_of_use": (design(FLAT, peak(8.0, windows=[ON_PEAK]), peak(2.0, windows=OFF_PEAK)), formula_rows),
    "peak_tiers": (
        design(FLAT, PEAK_TIERS),
        formula_rows,
    ),
    "peak_of_half_hours": (design(FLAT, HALF_HOUR_PEAK), half_hours),
    "ratchet": (design(FLAT, peak(12.0, floor_kw=0.9, ratchet_frac=0.8, lookback_months=11)), formula_rows),
    "bank_december": (banked(12, 0.03), BIG),
    "bank_march": (banked(3, 0.03), BIG),
    "bank_september": (banked(9, 0.03), BIG),
    "bank_by_period": (banked(None, 0.0, TOU), BIG),
    "money": (design(TOU, netting=MONEY), formula_rows),
    "money_paid_out": (design(TOU, netting=MONEY | {"true_up_frac": 1.0}), BIG),
    "hourly": (by_hour(RETAIL | {"table_cur_per_kwh": "buy"}), formula_rows),
    "time_of_use_hourly_sell": (by_hour(TOU), formula_rows),
    "carried_then_lost": (by_hour(FLAT, netting={"rollover": "money", "true_up_month": 12}), BIG),
    "carried_then_paid": (by_hour(FLAT, netting={"rollover": "money", "true_up_month": 12, "true_up_frac": 1.0}), BIG),
    "fixed": (design(FLAT, SELL_8, FIXED | {"cur_per_month": 12.5}), formula_rows),
    "minimum_month": (design(FLAT, SELL_8, FIVE, minimum={"cur_per_month": 60.0}), formula_rows),
    "minimum_year": (design(FLAT, SELL_8, FIVE, minimum={"cur_per_year": 1000.0}), formula_rows),
    "bank_with_minimum": (banked(None, 0.0, FLAT, FIVE, minimum={"cur_per_month": 10.0}), BIG),
    "buy_all_sell_all": (
        design(RETAIL | {"flow": "load", "cur_per_kwh": 0.30}, RETAIL | {"flow": "pv", "cur_per_kwh": 0.08},
               netting={"period": "none"}),
        formula_rows,
    ),
}  # fmt: skip


def test_every_case_of_the_other_program_is_held() -> None:
    assert set(GOLDEN["bills"]) == set(CASES)


@pytest.mark.parametrize("name", GOLDEN["bills"])
def test_every_month_is_that_of_the_other_program(name: str) -> None:
    wanted = np.array(GOLDEN["bills"][name])
    under, make = CASES[name]
    found = bill(under, make()).cur[0].sum(axis=1)
    assert np.abs(found - wanted).max() < GOLDEN["tolerance_cur"]
    assert found.sum() == pytest.approx(wanted.sum(), abs=GOLDEN["tolerance_cur"])
