"""Worked bills, by their numbers: peaks, netting, export, the clock, communities."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.billing.bill import bill, postings
from gridbazaar.market.billing.sharing import by_unit, matched_kwh, share
from gridbazaar.market.design import Sharing
from tests.market.billing.household import (
    AT,
    CAPACITY,
    FIXED,
    NETWORK,
    RETAIL,
    SOLD,
    TAX,
    at,
    day_by_month,
    design,
    due,
    money,
    months,
    rows,
)

JANUARY = ("2025-01-01", "2025-01-31")


def quarters(*kwh: float) -> dict[str, float]:
    return {f"2025-01-10T12:{15 * i:02d}": x for i, x in enumerate(kwh)}


def test_case_21_the_highest_quarter_hour() -> None:
    """1.6 kWh in a quarter hour are 6.4 kW x 12; the mean of the hour, 4.1 kW, would be 49.20."""
    peak = CAPACITY | {"cur_per_kw_month": 12.0, "peak": {"interval_min": 15}}
    month = rows(*JANUARY, quarters(0.9, 1.6, 1.2, 0.4), step_min=15)
    assert due(design(peak), month) == "76.80"
    hourly = CAPACITY | {"cur_per_kw_month": 12.0, "peak": {"interval_min": 60}}
    assert due(design(hourly), month) == "49.20"


def test_case_22_the_peak_is_that_of_the_meter() -> None:
    """Load 5, 1, 2 less sun 3, 6, 0: 2 kW x 10."""
    month = rows(*JANUARY, {"2025-01-10T10:00": 2.0, "2025-01-10T12:00": 2.0}, {"2025-01-10T11:00": 5.0})
    assert due(design(CAPACITY | {"cur_per_kw_month": 10.0, "peak": {"interval_min": 60}}), month) == "20.00"


def test_case_22_a_register_of_each_direction_is_one_meter() -> None:
    month = rows(*JANUARY, {"2025-01-10T10:00": 5.0}, {"2025-01-10T10:00": 3.0})
    assert due(design(CAPACITY | {"cur_per_kw_month": 10.0, "peak": {"interval_min": 60}}), month) == "20.00"


NORWAY = CAPACITY | {
    "steps_kw": [2.0, 5.0, 10.0, 15.0, 20.0], "step_cur_per_month": [145.0, 240.0, 400.0, 570.0, 735.0, 900.0],
}  # fmt: skip
DAYS = {
    "2025-01-06T08:00": 5.6, "2025-01-06T09:00": 5.5, "2025-01-07T08:00": 5.0, "2025-01-08T08:00": 2.0,
    "2025-01-09T08:00": 4.1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("peak", "expected"),
    [({"n": 3}, "240.00"), ({"n": 3, "per": "interval"}, "400.00"), ({"n": 1}, "400.00")],
    ids=["23", "23 of any day, another design", "25"],
)
def test_cases_23_and_25_the_mean_of_the_highest_days(peak: dict[str, Any], expected: str) -> None:
    """(5.6 + 5.0 + 4.1) / 3 = 4.9 kW; (5.6 + 5.5 + 5.0) / 3 = 5.37; 5.6."""
    found = design(NORWAY | {"peak": {"interval_min": 60, **peak}})
    assert due(found, rows(*JANUARY, DAYS)) == expected


def test_a_leading_zero_of_steps_may_stand() -> None:
    with_zero = NORWAY | {"steps_kw": [0.0, *NORWAY["steps_kw"]], "peak": {"n": 3, "interval_min": 60}}
    assert due(design(with_zero), rows(*JANUARY, DAYS)) == "240.00"


def test_charges_may_have_rates_of_their_own() -> None:
    """100 x .10 x 1.2 + 100 x .05 x 1.1."""
    found = design(RETAIL | {"cur_per_kwh": 0.10}, NETWORK | {"cur_per_kwh": 0.05, "vat_rate": 0.1}, vat={"rate": 0.2})
    assert due(found, rows(*JANUARY, {"2025-01-10T12:00": 100.0})) == "17.50"


def test_a_step_begins_at_its_limit() -> None:
    """(6.0 + 5.0 + 4.0) / 3 = 5 kW is of the step from 5 to 10."""
    days = {"2025-01-06T08:00": 6.0, "2025-01-07T08:00": 5.0, "2025-01-08T08:00": 4.0}
    assert due(design(NORWAY | {"peak": {"n": 3, "interval_min": 60}}), rows(*JANUARY, days)) == "400.00"


SYDNEY = "Australia/Sydney"
WINDOWED = CAPACITY | {
    "cur_per_kw_day": 0.3298,
    "peak": {"interval_min": 30, "windows": [{"months": [11, 12, 1, 2, 3, 6, 7, 8], "from_h": 15.0, "to_h": 21.0}]},
}


@pytest.mark.parametrize(("month", "expected"), [("01", "38.85"), ("10", "0.00")])
def test_case_26_a_peak_in_a_window_by_the_day(month: str, expected: str) -> None:
    """3.8 kW x .3298 x 31; October is no month of the window."""
    day = f"2025-{month}-15"
    drawn = {f"{day}T14:30": 3.0, f"{day}T15:00": 1.4, f"{day}T20:30": 1.9, f"{day}T21:00": 2.5}
    found = design(WINDOWED, tz=SYDNEY, currency="AUD")
    data = rows(f"2025-{month}-01", f"2025-{month}-31", drawn, step_min=30, tz=SYDNEY)
    assert due(found, data) == expected


PEAKS = (1.8, 2.1, 2.6, 3.0, 4.2, 2.4, 2.2, 2.0, 3.6, 4.0, 5.0, 4.4)
FLANDERS = CAPACITY | {
    "cur_per_kw_year": 40.40, "peak": {"interval_min": 15, "floor_kw": 2.5, "average_months": 12},
}  # fmt: skip
BRUSSELS = "Europe/Brussels"


@pytest.mark.parametrize(("vat", "expected"), [(0.0, "132.31"), (0.06, "140.25")])
def test_case_27_the_floor_is_of_the_month_not_of_the_mean(vat: float, expected: str) -> None:
    """Floored months sum to 39.3, mean 3.275 kW x 40.40; a floor on the mean would give 125.58."""
    year = rows("2025-01-01", "2025-12-31", day_by_month(2025, [kw / 4 for kw in PEAKS]), step_min=15, tz=BRUSSELS)
    assert due(design(FLANDERS, tz=BRUSSELS, vat={"rate": vat}), year) == expected


def test_case_85_a_published_year_of_peaks() -> None:
    """May to April: floored sum 53.472, mean 4.456 kW x 40.40 = 180.02."""
    kw = (0.632, 4.600, 0.0, 1.028, 3.444, 4.164, 4.564, 6.000, 9.200, 5.000, 4.120, 4.880)
    times = [f"2022-{m:02d}-10T12:00" for m in range(5, 13)] + [f"2023-{m:02d}-10T12:00" for m in range(1, 5)]
    drawn = {time: x / 4 for time, x in zip(times, kw, strict=True)}
    year = rows("2022-05-01", "2023-04-30", drawn, step_min=15, tz=BRUSSELS)
    billed = bill(design(FLANDERS, tz=BRUSSELS), year)
    assert billed.total_cur[0] / 40.40 == pytest.approx(4.456, abs=5e-7)
    assert money(billed.total_cur[0]) == "180.02"


@pytest.mark.parametrize(("floor_kw", "steps"), [(0.0, [20.0, 15.0, 0.0, 15.0]), (2.5, [25.0, 10.0, 0.0, 15.0])])
def test_case_29_a_peak_costs_as_it_rises(floor_kw: float, steps: list[float]) -> None:
    """2.0, 3.5, 3.0, 5.0 kW at 10; the floor falls on the first row of the month."""
    peak = CAPACITY | {"cur_per_kw_month": 10.0, "peak": {"interval_min": 60, "floor_kw": floor_kw}}
    month = rows(*JANUARY, dict(zip(at("2025-01-01", 0, 1, 2, 3), (2.0, 3.5, 3.0, 5.0), strict=True)))
    posted = postings(design(peak), month)[0].sum(axis=1)
    assert (posted[:4] / 1e6).tolist() == steps
    assert not posted[4:].any()
    assert posted.sum() == 50_000_000


def test_case_30_a_ratchet() -> None:
    """8 + 6.4 + 6.4 kW x 10."""
    ratchet = CAPACITY | {
        "cur_per_kw_month": 10.0, "peak": {"interval_min": 60, "ratchet_frac": 0.8, "lookback_months": 11},
    }  # fmt: skip
    data = rows("2025-01-01", "2025-03-31", day_by_month(2025, [8.0, 5.0, 3.0]))
    assert due(design(ratchet), data) == "208.00"


def test_case_31_tiers_of_power_and_power_by_time_of_use() -> None:
    """1.2 kW: .8 x 3 + .4 x 10; 3 x 8 + 5 x 2."""
    tiers = CAPACITY | {"tiers_kw": [0.8], "tier_cur_per_kw_month": [3.0, 10.0], "peak": {"interval_min": 60}}
    assert due(design(tiers), rows(*JANUARY, {"2025-01-10T12:00": 1.2})) == "6.40"
    on = [{"days": "weekday", "from_h": 16.0, "to_h": 21.0}]
    off = [{"days": "weekend"}, {"from_h": 21.0, "to_h": 16.0, "days": "weekday"}]
    found = design(*(
        CAPACITY | {"cur_per_kw_month": price, "peak": {"interval_min": 60, "windows": windows}}
        for price, windows in ((8.0, on), (2.0, off))
    ))  # fmt: skip
    assert due(found, rows(*JANUARY, {"2025-01-10T18:00": 3.0, "2025-01-10T12:00": 5.0})) == "34.00"


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


def test_case_51_spot_with_fees_in_a_negative_hour() -> None:
    """(-1.88 + 20.12) x 1.2 x 10 ct; the tax of a negative sum is negative."""
    charges = (RETAIL | {"spot_factor": 1.0, "cur_per_kwh": 0.015}, NETWORK | {"cur_per_kwh": 0.079},
               TAX | {"cur_per_kwh": 0.0072})  # fmt: skip
    found = design(*charges, vat={"rate": 0.2})
    spot = {"2025-01-01T12:00": -0.12, "2025-01-01T18:00": 0.10}
    assert due(found, rows("2025-01-01", "2025-01-01", dict.fromkeys(spot, 10.0), spot_cur_per_kwh=spot)) == "2.19"
    negative = rows("2025-01-01", "2025-01-01", {"2025-01-01T12:00": 10.0}, spot_cur_per_kwh=spot)
    assert due(found, negative) == "-0.23"


@pytest.mark.parametrize(("average", "expected"), [("interval", "1.00"), ("month", "0.80"), ("month_profile", "0.60")])
def test_case_52_hourly_spot_or_a_monthly_mean(average: str, expected: str) -> None:
    """.10 + 3 x .30; 4 x .20; 4 x .15."""
    month = {f"2025-01-{d:02d}T{h:02d}:00": 0.10 if h < 12 else 0.30 for d in range(1, 32) for h in range(24)}
    profile = {time: 3.0 if price == 0.10 else 1.0 for time, price in month.items()}
    drawn = {"2025-01-10T02:00": 1.0, "2025-01-10T18:00": 3.0}
    data = rows(*JANUARY, drawn, spot_cur_per_kwh=month, profile=profile)
    assert due(design(RETAIL | {"spot_factor": 1.0, "spot_average": average}), data) == expected


def test_case_53_quarters_against_hourly_means() -> None:
    """.004 + .012 + .030 + .080; 1 kWh x .10."""
    found = design(RETAIL | {"spot_factor": 1.0})
    spot = quarters(0.040, 0.060, 0.100, 0.200)
    data = rows("2025-01-10", "2025-01-10", quarters(0.1, 0.2, 0.3, 0.4), step_min=15, spot_cur_per_kwh=spot)
    assert due(found, data) == "0.13"
    hourly = rows("2025-01-10", "2025-01-10", {"2025-01-10T12:00": 1.0}, spot_cur_per_kwh={"2025-01-10T12:00": 0.1})
    assert due(found, hourly) == "0.10"


NIGHT = RETAIL | {"cur_per_kwh": 0.30, "windows": [{"from_h": 0.0, "to_h": 6.0, "cur_per_kwh": 0.15}]}


@pytest.mark.parametrize(
    ("day", "flat", "night"), [("2025-10-26", "7.50", "6.45"), ("2025-03-30", "6.90", "6.15")], ids=["54", "55"]
)
def test_cases_54_and_55_days_of_25_and_23_hours(day: str, flat: str, night: str) -> None:
    """25 x .30 and 7 x .15 + 18 x .30; 23 x .30 and 5 x .15 + 18 x .30."""
    data = rows(day, day, {})
    data = rows(day, day, {}, load_kwh=np.ones(data.n_rows))
    hours = RETAIL | {"flow": "load"}
    assert due(design(hours | {"cur_per_kwh": 0.30}), data) == flat
    assert due(design(NIGHT | {"flow": "load"}), data) == night


def test_case_59_a_change_of_prices_within_a_bill() -> None:
    """16 x 8 x .30 + 15 x 8 x .32."""
    charges = (RETAIL | {"cur_per_kwh": 0.30, "to_day": "2024-12-31"},
               RETAIL | {"cur_per_kwh": 0.32, "from_day": "2025-01-01"})  # fmt: skip
    drawn = {f"2024-12-{d}T12:00": 8.0 for d in range(16, 32)} | {f"2025-01-{d:02d}T12:00": 8.0 for d in range(1, 16)}
    assert due(design(*charges), rows("2024-12-16", "2025-01-15", drawn)) == "76.80"


@pytest.mark.parametrize(
    ("amount", "span", "expected"),
    [
        ({"cur_per_year": 54.0}, ("2025-01-01", "2025-03-31"), "13.32"),
        ({"cur_per_year": 54.0}, ("2024-01-01", "2024-03-30"), "13.28"),
        ({"cur_per_month": 12.50}, ("2025-02-01", "2025-02-10"), "4.46"),
    ],
)
def test_case_60_fixed_charges_by_days(amount: dict[str, float], span: tuple[str, str], expected: str) -> None:
    """54 x 90 / 365; 54 x 90 / 366; 12.50 x 10 / 28."""
    assert due(design(FIXED | amount), rows(*span, {})) == expected


def test_case_61_the_month_is_the_local_one() -> None:
    """The hour of 2024-12-31T23:00Z is of January in Vienna: 3 x .32."""
    months_apart = [{"months": [12], "cur_per_kwh": 0.30}, {"months": [1], "cur_per_kwh": 0.32}]
    found = design(RETAIL | {"windows": months_apart})
    data = rows("2024-12-31", "2025-01-01", {"2025-01-01T00:00": 3.0})
    hour = int(np.argmax(data.import_kwh[0]))
    assert str(data.starts[hour]) == "2024-12-31T23:00:00"
    assert due(found, data) == "0.96"


VIENNA = (
    RETAIL | {"cur_per_kwh": 0.18},
    NETWORK | {"cur_per_kwh": 0.0698, "local": {"building": 0.0, "transformer": 0.43, "feeder": 0.72}},
    NETWORK | {"cur_per_kwh": 0.0045},
    TAX | {"cur_per_kwh": 0.0072, "local": {"building": 0.0, "transformer": 0.0, "feeder": 0.0}},
)


@pytest.mark.parametrize(
    ("seller", "shared", "expected"),
    [("exempt", 10.0, "7.89"), ("registered", 10.0, "8.13"), ("exempt", 0.0, "9.41")],
)
def test_case_63_an_austrian_energy_community(seller: str, shared: float, expected: str) -> None:
    """1.20 + .34514 x 1.2 and 5.23 x 1.2; all from the retailer 30 x .2615 x 1.2."""
    noon = "2026-05-01T12:00"
    local: dict[str, Any] = {"local_kwh": {"transformer": {noon: shared}}, "local_paid_cur": {noon: 0.12 * shared}}
    day = rows("2026-05-01", "2026-05-01", {noon: 30.0}, **local)
    assert due(design(*VIENNA, vat={"rate": 0.2, "local_seller": seller}), day) == expected


@pytest.mark.parametrize(
    ("key", "bills", "fed_in"),
    [
        ("static", ["0.25", "0.50", "1.55"], 1.0), ("dynamic", ["0.28", "0.55", "1.38"], 0.0),
        ("static_repeated", ["0.25", "0.50", "1.45"], 0.0), ("hybrid", ["0.25", "0.50", "1.45"], 0.0),
    ],
    ids=["65 static", "65 dynamic", "66", "the rest by what is drawn"],
)  # fmt: skip
def test_cases_65_and_66_keys_of_a_building(key: str, bills: list[str], fed_in: float) -> None:
    """6 kWh for loads of 1, 2, 5: 1 + 2 + 2; .75 + 1.5 + 3.75; 1 + 2 + 3. Local .25, else .35."""
    drawn = np.array([[1.0], [2.0], [5.0]])
    shared = share(Sharing(key=key), drawn, np.array([6.0]), np.full(3, 1 / 3))
    assert shared.fed_in_kwh[0] == pytest.approx(fed_in, abs=1e-12)
    found = design(RETAIL | {"cur_per_kwh": 0.35})
    for i, expected in enumerate(bills):
        noon, used = "2025-01-01T12:00", float(shared.used_kwh[i, 0])
        local: dict[str, Any] = {"local_kwh": {"building": {noon: used}}, "local_paid_cur": {noon: 0.25 * used}}
        assert due(found, rows("2025-01-01", "2025-01-01", {noon: drawn[i, 0]}, **local)) == expected


def test_case_67_a_cap_by_another_supply() -> None:
    """900 is above .9 x 995."""
    found = design(
        RETAIL | {"cur_per_kwh": 0.32}, FIXED | {"cur_per_year": 100.0},
        maximum={"frac": 0.9, "cur_per_kwh": 0.35, "cur_per_year": 120.0},
    )  # fmt: skip
    assert due(found, rows("2025-01-01", "2025-12-31", {"2025-06-10T12:00": 2500.0})) == "895.50"


@pytest.mark.parametrize(("add", "expected"), [(0.0, "-0.58"), (0.010, "-0.63")], ids=["68", "69"])
def test_cases_68_and_69_the_premium_of_a_community(add: float, expected: str) -> None:
    """Hour by hour 3, 2 and 0 kWh are shared, 5 in all (7 by the month): 3 x .120 + 2 x .110, and 5 x .010 more."""
    shared = matched_kwh(np.array([[5.0, 2.0, 0.0]]), np.array([[3.0, 4.0, 6.0]]))
    assert shared.tolist() == [3.0, 2.0, 0.0]
    hours = at("2025-01-01", 12, 13, 14)
    cer = {"base": 0.080, "slope_to": 0.180, "cap": 0.120, "add": add}
    found = design(RETAIL | {"cur_per_kwh": 0.0}, premium={"cer": cer}, tz="Europe/Rome")
    day = rows(
        "2025-01-01", "2025-01-01", {}, tz="Europe/Rome",
        shared_kwh=dict(zip(hours, shared.tolist(), strict=True)),
        spot_cur_per_kwh=dict(zip(hours, (0.100, 0.150, 0.060), strict=True)),
    )  # fmt: skip
    assert due(found, day) == expected


def test_shared_energy_is_matched_by_the_hour_not_by_the_month() -> None:
    quarter = np.array([[1.0, 0.0, 0.0, 0.0]]), np.array([[0.0, 0.0, 0.0, 1.0]])
    assert matched_kwh(*quarter).sum() == 0.0
    assert matched_kwh(*(by_unit(x, 15, 60) for x in quarter)).tolist() == [1.0]


def test_case_70_the_share_of_a_charge_by_distance() -> None:
    """0 + .0344 + .08."""
    grid = NETWORK | {"cur_per_kwh": 0.08, "local": {"building": 0.0, "transformer": 0.43, "other": 1.0}}
    noon = "2025-01-01T12:00"
    local = {name: {noon: 1.0} for name in ("building", "transformer", "other")}
    assert due(design(grid), rows("2025-01-01", "2025-01-01", {noon: 3.0}, local_kwh=local)) == "0.11"


def test_case_71_a_local_trade_moves_money_and_makes_none() -> None:
    """10 kWh at .19: the buyer saves .09, the seller gains .11, operator .06, state .06 and retailer .08 lose."""
    found = design(
        RETAIL | {"cur_per_kwh": 0.16}, SOLD | {"cur_per_kwh": 0.08},
        NETWORK | {"cur_per_kwh": 0.08, "local": {"feeder": 0.25}},
        TAX | {"cur_per_kwh": 0.06, "local": {"feeder": 0.0}},
    )  # fmt: skip
    noon = {"2025-01-01T12:00": 10.0}
    day = ("2025-01-01", "2025-01-01")
    buyer = (
        bill(found, rows(*day, noon)),
        bill(found, rows(*day, noon, local_kwh={"feeder": noon}, local_paid_cur={"2025-01-01T12:00": 1.90})),
    )
    seller = (
        bill(found, rows(*day, {}, noon)),
        bill(found, rows(*day, {}, noon, local_sold_kwh=noon, local_paid_cur={"2025-01-01T12:00": -1.90})),
    )
    change = {"buyer": buyer[1].total_cur[0] - buyer[0].total_cur[0]}
    change["seller"] = seller[1].total_cur[0] - seller[0].total_cur[0]
    for party in ("network_operator", "state", "retailer"):
        change[party] = sum(
            float((before.received_cur(party) - after.received_cur(party)).sum()) for before, after in (buyer, seller)
        )
    expected = ["-0.90", "-1.10", "0.60", "0.60", "0.80"]
    assert [money(x) for x in change.values()] == expected
    assert sum(change.values()) == pytest.approx(0.0, abs=1e-9)


MODULE_1 = NETWORK | {"cur_per_kwh": 0.0936, "lump_kwh": 3750.0, "lump_frac": 0.2, "lump_cur_per_year": 80 / 1.19}


@pytest.mark.parametrize(
    ("kwh", "vat", "expected"), [(3500.0, 0.0, "190.17"), (3500.0, 0.19, "226.31"), (1000.0, 0.19, "0.00")]
)
def test_case_72_module_1_takes_a_lump_sum_off(kwh: float, vat: float, expected: str) -> None:
    """327.60 - 137.43; x 1.19; 93.60 is less than the lump sum."""
    found = design(MODULE_1, tz="Europe/Berlin", vat={"rate": vat})
    drawn = day_by_month(2025, [kwh / 12] * 12)
    assert due(found, rows("2025-01-01", "2025-12-31", drawn, tz="Europe/Berlin")) == expected


def test_case_73_module_2_has_a_meter_of_its_own() -> None:
    """4000 x .03744 and 3500 x .0936."""
    found = design(
        NETWORK | {"cur_per_kwh": 0.0936, "meter": "main"},
        NETWORK | {"line": "capacity", "cur_per_kwh": 0.03744, "meter": "controllable"}, tz="Europe/Berlin",
    )  # fmt: skip
    noon = "2025-01-10T12:00"
    data = rows("2025-01-10", "2025-01-10", {noon: 3500.0}, controllable_kwh={noon: 4000.0}, tz="Europe/Berlin")
    billed = bill(found, data)
    assert money(billed.line_cur("capacity")[0, 0]) == "149.76"
    assert money(billed.line_cur("network")[0, 0]) == "327.60"


@pytest.mark.parametrize(
    ("drawn", "fed_in", "price", "expected"), [(0.0, 2000.0, -0.05, "100.00"), (1000.0, 0.0, 0.20, "200.00")]
)
def test_case_76_one_price_for_both_directions(drawn: float, fed_in: float, price: float, expected: str) -> None:
    """2 MWh too many at -50 a MWh are paid for, as 1 MWh too few at 200 is."""
    found = design(RETAIL | {"spot_factor": 1.0}, SOLD | {"spot_factor": 1.0})
    noon = "2025-01-10T12:00"
    data = rows("2025-01-10", "2025-01-10", {noon: drawn}, {noon: fed_in}, spot_cur_per_kwh={noon: price})
    assert due(found, data) == expected


def test_case_83_a_battery_gains_under_net_billing_and_loses_under_net_metering() -> None:
    """5 kWh of noon for 4.5 in the evening: 5 x .30 - 4.5 x .30; 5 x .05 - 4.5 x .30."""
    noon, evening = "2025-01-10T12:00", "2025-01-10T19:00"
    before, after = rows(*JANUARY, {evening: 10.0}, {noon: 10.0}), rows(*JANUARY, {evening: 5.5}, {noon: 5.0})
    flat = RETAIL | {"cur_per_kwh": 0.30}
    metering = design(flat, netting={"period": "month", "rollover": "money"})
    billing = design(flat, SOLD | {"cur_per_kwh": 0.05})
    assert metering.tz == AT
    for found, expected in ((metering, "0.15"), (billing, "-1.10")):
        change = bill(found, after).total_cur[0] - bill(found, before).total_cur[0]
        assert money(change) == expected
