"""Worked bills, by their numbers: netting, banks, export and minimum bills."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.billing.bill import bill
from tests.market.billing.household import (
    FIXED,
    JANUARY,
    RETAIL,
    SOLD,
    TAX,
    day_by_month,
    design,
    due,
    money,
    months,
    rows,
)


def quarters(*kwh: float) -> dict[str, float]:
    return {f"2025-01-10T12:{15 * i:02d}": x for i, x in enumerate(kwh)}


SYDNEY = "Australia/Sydney"


@pytest.mark.parametrize(("period", "expected"), [("interval", "0.15"), ("hour", "0.00")])
def test_case_32_netting_within_the_hour(period: str, expected: str) -> None:
    """.7 x .30 - .7 x .08; the hour nets to nothing."""
    found = design(RETAIL | {"cur_per_kwh": 0.30}, SOLD | {"cur_per_kwh": 0.08}, netting={"period": period})
    data = rows(*JANUARY, quarters(0.5, 0, 0, 0.2), quarters(0, 0.3, 0.4, 0), step_min=15)
    assert due(found, data) == expected


def test_an_hour_that_the_clock_shows_twice_is_two() -> None:
    """1 kWh drawn at 2 h of summer time, 1 fed in at 2 h of winter time: .30 - .08."""
    data = rows("2025-10-26", "2025-10-26", {}, step_min=15)
    drawn, fed_in = np.zeros((2, 1, data.n_rows))
    drawn[0, 8], fed_in[0, 12] = 1.0, 1.0
    hourly = design(RETAIL | {"cur_per_kwh": 0.30}, SOLD | {"cur_per_kwh": 0.08}, netting={"period": "hour"})
    assert due(hourly, replace(data, import_kwh=drawn, export_kwh=fed_in)) == "0.22"
    fed_in[0] = np.roll(fed_in[0], -1)
    assert due(hourly, replace(data, import_kwh=drawn, export_kwh=fed_in)) == "0.00"


def two_sided(net: list[float], year: int = 2025) -> tuple[dict[str, float], dict[str, float]]:
    return tuple(day_by_month(year, [max(sign * x, 0.0) for x in net]) for sign in (1, -1))  # type: ignore[return-value]


def test_case_33_a_bank_of_kwh() -> None:
    """165.00 in January to March; 1180 banked, 680 used, 500 x .03 paid at the end."""
    net = [300.0, 200, 50, -100, -250, -300, -280, -200, -50, 120, 250, 310]
    bank = {"period": "month", "rollover": "kwh", "true_up_month": 12, "true_up_cur_per_kwh": 0.03}
    billed = bill(
        design(RETAIL | {"cur_per_kwh": 0.30}, netting=bank), rows("2025-01-01", "2025-12-31", *two_sided(net))
    )
    assert months(billed) == ["90.00", "60.00", "15.00", *["0.00"] * 8, "-15.00"]
    assert money(billed.total_cur[0]) == "150.00"


@pytest.mark.parametrize(("month", "expected"), [(9, "333.60"), (3, "165.00")])
def test_a_bank_is_empty_after_its_true_up(month: int, expected: str) -> None:
    """In September 1180 x .03 are paid and October to December cost 680 x .30; in March there was nothing to pay."""
    net = [300.0, 200, 50, -100, -250, -300, -280, -200, -50, 120, 250, 310]
    bank = {"period": "month", "rollover": "kwh", "true_up_month": month, "true_up_cur_per_kwh": 0.03}
    year = rows("2025-01-01", "2025-12-31", *two_sided(net))
    assert due(design(RETAIL | {"cur_per_kwh": 0.30}, netting=bank), year) == expected


TOU = RETAIL | {"cur_per_kwh": 0.20, "windows": [{"from_h": 16.0, "to_h": 21.0, "cur_per_kwh": 0.50}]}


@pytest.mark.parametrize(("rollover", "expected"), [("money", ["0.00", "20.00"]), ("kwh", ["40.00", "30.00"])])
def test_case_35_net_metering_in_money_and_in_kwh(rollover: str, expected: list[str]) -> None:
    """-50 + 40 leaves 10, 30 - 10; a bank of kWh by period asks 40 + 30."""
    drawn = {"2025-01-10T12:00": 200.0, "2025-02-10T12:00": 150.0}
    data = rows("2025-01-01", "2025-02-28", drawn, {"2025-01-10T17:00": 100.0})
    assert months(bill(design(TOU, netting={"period": "month", "rollover": rollover}), data)) == expected


@pytest.mark.parametrize(("nbc", "expected"), [(False, "0.40"), (True, "0.30")])
def test_case_36_charges_that_do_not_net(nbc: bool, expected: str) -> None:
    """(5 - 4) x .275 + 5 x .025; where all nets (5 - 4) x .30."""
    charges = (RETAIL | {"cur_per_kwh": 0.275}, TAX | {"cur_per_kwh": 0.025, "nets": nbc})
    found = design(*charges, netting={"period": "month", "rollover": "money"})
    assert due(found, rows(*JANUARY, {"2025-01-10T12:00": 5.0}, {"2025-01-10T12:00": 4.0})) == expected


def test_case_37_export_by_a_table_of_hours() -> None:
    """1.50 - 2 x .80 - 2 x .90: Labor Day is of the weekend."""
    prices = {(8, 0): 0.80, (8, 1): 0.60, (9, 0): 1.20, (9, 1): 0.90}
    table = [prices.get((m, w), 0.0) for m in range(1, 13) for _ in range(24) for w in (0, 1)]
    los_angeles = "America/Los_Angeles"
    found = design(
        RETAIL | {"cur_per_kwh": 0.50}, SOLD | {"table_cur_per_kwh": "acc"}, tables={"acc": table}, tz=los_angeles,
        holiday_dates=["2025-09-01"],
    )  # fmt: skip
    sold = {"2025-08-29T18:00": 2.0, "2025-09-01T18:00": 2.0}
    data = rows("2025-08-29", "2025-09-01", {"2025-08-29T02:00": 3.0}, sold, tz=los_angeles)
    assert due(found, data) == "-1.90"


def test_case_39_credits_never_pay_the_fixed_charge() -> None:
    """20 - 26 leaves 6; 15 - 9 + 15."""
    found = design(
        RETAIL | {"cur_per_kwh": 0.20}, SOLD | {"cur_per_kwh": 0.10}, FIXED | {"cur_per_month": 15.0},
        netting={"rollover": "money", "credit_pays": ["retail"]},
    )  # fmt: skip
    drawn = {"2025-01-10T20:00": 100.0, "2025-02-10T20:00": 75.0}
    data = rows("2025-01-01", "2025-02-28", drawn, {"2025-01-10T12:00": 260.0, "2025-02-10T12:00": 30.0})
    assert months(bill(found, data)) == ["15.00", "21.00"]


SPAIN: dict[str, Any] = {"netting": {"period": "hour", "cap": "energy_month"}, "tz": "Europe/Madrid"}
SPANISH = (RETAIL | {"cur_per_kwh": 0.15}, SOLD | {"cur_per_kwh": 0.05}, FIXED | {"cur_per_month": 10.0})


def spanish_months() -> Any:
    drawn = {"2025-01-10T20:00": 80.0, "2025-02-10T20:00": 200.0}
    return rows("2025-01-01", "2025-02-28", drawn, {"2025-01-10T12:00": 300.0, "2025-02-10T12:00": 100.0},
                tz="Europe/Madrid")  # fmt: skip


def test_case_40_compensation_is_capped_at_the_energy_of_the_month() -> None:
    """12 - min(12, 15) + 10; 30 - 5 + 10, and no 3.00 are carried."""
    assert months(bill(design(*SPANISH, **SPAIN), spanish_months())) == ["10.00", "35.00"]


def test_case_41_with_electricity_tax_and_vat() -> None:
    """10 x 1.0511269632 x 1.21."""
    levy = {"line": "tax", "to": "state", "frac": 0.0511269632, "of_lines": ["retail", "fixed"]}
    found = design(*SPANISH, levy, **SPAIN, vat={"rate": 0.21})
    assert months(bill(found, spanish_months()))[0] == "12.72"


@pytest.mark.parametrize(
    ("drawn", "fed_in", "fee", "expected"),
    [(3500.0, 3000.0, 0.0, "140.00"), (3000.0, 3500.0, 0.0, "-30.00"), (3000.0, 3500.0, 0.02, "40.00")],
)
def test_case_42_saldering(drawn: float, fed_in: float, fee: float, expected: str) -> None:
    """500 x .28; 500 x .06; 3500 x .02 more."""
    fees = SOLD | {"line": "fixed", "cur_per_kwh": -fee, "nets": False}
    found = design(
        RETAIL | {"cur_per_kwh": 0.28}, SOLD | {"cur_per_kwh": 0.06}, fees, netting={"period": "year"},
        tz="Europe/Amsterdam",
    )  # fmt: skip
    year = rows("2025-01-01", "2025-12-31", {"2025-12-10T12:00": drawn}, {"2025-06-10T12:00": fed_in},
                tz="Europe/Amsterdam")  # fmt: skip
    assert due(found, year) == expected


@pytest.mark.parametrize(("drawn", "fed_in", "expected"), [(3500.0, 3000.0, "377.60"), (3000.0, 3500.0, "137.20")])
def test_a_share_of_what_is_fed_in_is_netted(drawn: float, fed_in: float, expected: str) -> None:
    """64 %: (3500 - 1920) x .28 - (3000 - 1920) x .06; (3000 - 2240) x .28 - (3500 - 2240) x .06."""
    charges = (RETAIL | {"cur_per_kwh": 0.28}, SOLD | {"cur_per_kwh": 0.06})
    year = rows("2025-01-01", "2025-12-31", {"2025-12-10T12:00": drawn}, {"2025-06-10T12:00": fed_in})
    assert due(design(*charges, netting={"period": "year", "share": 0.64}), year) == expected


def test_case_44_after_saldering() -> None:
    """840 - 192.50."""
    found = design(RETAIL | {"cur_per_kwh": 0.28}, SOLD | {"cur_per_kwh": 0.055})
    year = rows("2027-01-01", "2027-12-31", {"2027-12-10T12:00": 3000.0}, {"2027-06-10T12:00": 3500.0})
    assert due(found, year) == "647.50"


def test_case_45_buy_all_sell_all() -> None:
    """10 x .30 - 8 x .08."""
    found = design(
        RETAIL | {"flow": "load", "cur_per_kwh": 0.30}, RETAIL | {"flow": "pv", "cur_per_kwh": 0.08},
        netting={"period": "none"},
    )  # fmt: skip
    noon = "2025-01-10T12:00"
    day = rows("2025-01-10", "2025-01-10", {noon: 2.0}, load_kwh={noon: 10.0}, pv_kwh={noon: 8.0})
    assert due(found, day) == "2.36"


def test_case_46_a_minimum_bill() -> None:
    """5.00 + 12.30 - 9.00 = 8.30, at least 10."""
    charges = (RETAIL | {"cur_per_kwh": 0.30}, SOLD | {"cur_per_kwh": 0.09}, FIXED | {"cur_per_month": 5.0})
    data = rows(*JANUARY, {"2025-01-10T20:00": 41.0}, {"2025-01-10T12:00": 100.0})
    assert due(design(*charges), data) == "8.30"
    assert due(design(*charges, minimum={"cur_per_month": 10.0}), data) == "10.00"


def test_a_minimum_of_the_year_goes_by_the_days_that_are_billed() -> None:
    """July to December are 184 of 365 days of 365."""
    half = rows("2025-07-01", "2025-12-31", {"2025-08-10T12:00": 10.0})
    assert due(design(RETAIL | {"cur_per_kwh": 0.30}, minimum={"cur_per_year": 365.0}), half) == "184.00"


def test_case_48_a_price_of_two_ways() -> None:
    """60 x .0123 - 20 x .0385."""
    two_way = SOLD | {
        "line": "network", "to": "network_operator",
        "windows": [
            {"from_h": 10.0, "to_h": 15.0, "cur_per_kwh": -0.0123, "free_kwh_per_month": 200.0},
            {"from_h": 16.0, "to_h": 21.0, "cur_per_kwh": 0.0385},
        ],
    }  # fmt: skip
    fed_in = {f"2025-01-{day:02d}T12:00": 26.0 for day in range(1, 11)} | {"2025-01-20T17:00": 20.0}
    assert due(design(two_way, tz=SYDNEY), rows(*JANUARY, {}, fed_in, tz=SYDNEY)) == "-0.03"
