"""Worked bills, by their numbers: peaks and charges on power."""

from __future__ import annotations

from typing import Any

import pytest

from gridbazaar.market.billing.bill import bill, postings
from tests.market.billing.household import (
    CAPACITY,
    JANUARY,
    NETWORK,
    RETAIL,
    at,
    day_by_month,
    design,
    due,
    money,
    rows,
)


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
