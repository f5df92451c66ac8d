"""Worked bills, by their numbers: prices of energy, taxes, time. Each figure is derived by hand in its docstring."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.market.billing.bill import bill
from tests.market.billing.household import (
    FIXED,
    NETWORK,
    RETAIL,
    SOLD,
    TAX,
    at,
    design,
    due,
    money,
    rows,
)

LA = "America/Los_Angeles"


def test_case_1_a_flat_price() -> None:
    """3.7 x .30."""
    day = rows("2025-01-01", "2025-01-01", {"2025-01-01T01:00": 1.2, "2025-01-01T02:00": 0.5, "2025-01-01T03:00": 2.0})
    assert due(design(RETAIL | {"cur_per_kwh": 0.30}), day) == "1.11"


def test_case_2_edges_of_windows_are_half_open() -> None:
    """.22 + .54 + .54 + .22."""
    peak = {"from_h": 16.0, "to_h": 21.0, "cur_per_kwh": 0.54}
    found = design(RETAIL | {"cur_per_kwh": 0.22, "windows": [peak]})
    assert due(found, rows("2025-01-01", "2025-01-01", at("2025-01-01", 15, 16, 20, 21))) == "1.52"


def test_case_3_a_window_over_midnight() -> None:
    """4 x 2 x .15 + 2 x 2 x .30."""
    night = {"from_h": 22.0, "to_h": 6.0, "cur_per_kwh": 0.15}
    found = design(RETAIL | {"cur_per_kwh": 0.30, "windows": [night]})
    assert due(found, rows("2025-01-01", "2025-01-01", at("2025-01-01", 21, 22, 23, 0, 5, 6, kwh=2.0))) == "2.40"


def test_case_5_a_season_over_the_turn_of_the_year() -> None:
    """.10 + .40 + .40 + .40 + .10."""
    season = {"months": [11, 12, 1, 2, 3], "cur_per_kwh": 0.40}
    found = design(RETAIL | {"cur_per_kwh": 0.10, "windows": [season]})
    days = ("2024-10-31", "2024-11-01", "2024-12-31", "2025-03-31", "2025-04-01")
    drawn = {f"{day}T18:00": 1.0 for day in days}
    assert due(found, rows("2024-10-31", "2025-04-01", drawn)) == "1.40"


TD20 = RETAIL | {
    "cur_per_kwh": 0.15,
    "windows": [
        {"days": "weekend", "cur_per_kwh": 0.10},
        {"from_h": 0.0, "to_h": 8.0, "cur_per_kwh": 0.10},
        {"from_h": 10.0, "to_h": 14.0, "cur_per_kwh": 0.25},
        {"from_h": 18.0, "to_h": 22.0, "cur_per_kwh": 0.25},
    ],
}


@pytest.mark.parametrize(("calendar", "expected"), [({"holiday_dates": ["2024-12-06"]}, "0.95"), ({}, "1.30")])
def test_case_6_a_holiday_is_a_sunday(calendar: dict[str, Any], expected: str) -> None:
    """Thursday .25 + .25 + .15, Friday the holiday 3 x .10; without a calendar 1.30, which is wrong."""
    days = at("2024-12-05", 11, 19, 23) | at("2024-12-06", 11, 19, 23)
    found = design(TD20, tz="Europe/Madrid", **calendar)
    assert due(found, rows("2024-12-05", "2024-12-06", days, tz="Europe/Madrid")) == expected


def test_case_6_the_holidays_of_a_country_are_known() -> None:
    pytest.importorskip("holidays")
    days = at("2024-12-05", 11, 19, 23) | at("2024-12-06", 11, 19, 23)
    found = design(TD20, tz="Europe/Madrid", holidays="ES")
    assert due(found, rows("2024-12-05", "2024-12-06", days, tz="Europe/Madrid")) == "0.95"


def test_case_7_nights_and_weekends() -> None:
    """6 x .478 + 9 x .360."""
    day = {"from_h": 6.0, "to_h": 22.0, "days": "weekday", "cur_per_kwh": 0.478}
    found = design(NETWORK | {"cur_per_kwh": 0.360, "windows": [day]}, tz="Europe/Oslo", currency="NOK")
    drawn = {
        f"2024-01-{time}:00": 3.0 for time in ("05T21", "05T22", "06T12", "08T05", "08T06")
    }  # fmt: skip
    assert due(found, rows("2024-01-05", "2024-01-08", drawn, tz="Europe/Oslo")) == "6.11"


TIERS = RETAIL | {"tiers_kwh": [200.0, 400.0], "tier_cur_per_kwh": [0.20, 0.30, 0.40]}


def test_case_8_tiers_of_a_month() -> None:
    """40 + 60 + 20."""
    assert due(design(TIERS), rows("2025-03-01", "2025-03-31", {"2025-03-10T12:00": 450.0})) == "120.00"


@pytest.mark.parametrize(("year", "last", "expected"), [(2024, 29, "66.00"), (2025, 28, "68.00")])
def test_case_9_a_baseline_by_the_day(year: int, last: int, expected: str) -> None:
    """290 x .20 + 20 x .40; 280 x .20 + 30 x .40."""
    tiers = {"tiers_kwh": [10.0], "tier_cur_per_kwh": [0.20, 0.40], "tier_scope": "month_per_day"}
    month = rows(f"{year}-02-01", f"{year}-02-{last}", {f"{year}-02-10T12:00": 310.0})
    assert due(design(RETAIL | tiers), month) == expected


@pytest.mark.parametrize(("split", "expected"), [("pro_rata", "95.00"), ("window", "85.00")])
def test_case_10_tiers_and_time_of_use(split: str, expected: str) -> None:
    """Half of each in the first tier: 20 + 30 + 20 + 25; with limits by period 30 + 15 + 40."""
    peak = {"from_h": 16.0, "to_h": 21.0, "tier_cur_per_kwh": [0.40, 0.50]}
    tiers = {"tiers_kwh": [150.0], "tier_cur_per_kwh": [0.20, 0.30], "windows": [peak], "tier_split": split}
    month = rows("2025-03-01", "2025-03-31", {"2025-03-10T18:00": 100.0, "2025-03-10T12:00": 200.0})
    assert due(design(RETAIL | tiers), month) == expected


def test_case_12_a_german_retail_bill() -> None:
    """33.367 ct x 3500 = 1167.845; x 1.19."""
    parts = (
        (RETAIL, 0.1604),
        (NETWORK, 0.1095),
        (TAX, 0.0205),
        (TAX, 0.0167),
        (TAX, 0.0156),
        (TAX, 0.00277),
        (TAX, 0.0082),
    )
    found = design(
        *(charge | {"cur_per_kwh": price} for charge, price in parts), vat={"rate": 0.19}, tz="Europe/Berlin"
    )
    assert due(found, rows("2025-01-01", "2025-12-31", {"2025-05-05T12:00": 3500.0})) == "1389.74"


def test_case_13_an_austrian_grid_bill() -> None:
    """9.876 ct x 3500 + 73.02 = 418.68; x 1.2."""
    prices = (0.0882, 0.00336, 0.00583, 0.00037, 0.001)
    charges = [NETWORK | {"cur_per_kwh": price} for price in prices]
    found = design(*charges, FIXED | {"cur_per_year": 54.00}, FIXED | {"cur_per_year": 19.02}, vat={"rate": 0.2})
    assert due(found, rows("2026-01-01", "2026-12-31", {"2026-05-05T12:00": 3500.0})) == "502.42"


def test_case_14_a_levy_before_the_tax() -> None:
    """(16.98 x 1.07 + .72) x 1.2 = 22.66632."""
    levy = {"line": "tax", "to": "state", "frac": 0.07, "of_lines": ["retail", "network"]}
    charges = (RETAIL | {"cur_per_kwh": 0.10}, NETWORK | {"cur_per_kwh": 0.0698}, TAX | {"cur_per_kwh": 0.0072}, levy)
    found = design(*charges, vat={"rate": 0.2})
    assert due(found, rows("2025-01-01", "2025-01-01", {"2025-01-01T12:00": 100.0})) == "22.67"


@pytest.mark.parametrize(("seller", "expected", "state"), [("exempt", "1.98", "0.18"), ("registered", "2.28", "0.48")])
def test_case_15_a_seller_with_and_without_tax(seller: str, expected: str, state: str) -> None:
    """1.50 + .40 x 1.2; 1.90 x 1.2: the .30 go to the state, the seller has 1.50 either way."""
    charges = (
        RETAIL | {"cur_per_kwh": 0.20}, NETWORK | {"cur_per_kwh": 0.06, "local": {"feeder": 0.5}},
        TAX | {"cur_per_kwh": 0.01},
    )  # fmt: skip
    found = design(*charges, vat={"rate": 0.2, "local_seller": seller})
    noon = {"2025-01-01T12:00": 10.0}
    local: dict[str, Any] = {"local_kwh": {"feeder": noon}, "local_paid_cur": {"2025-01-01T12:00": 1.50}}
    billed = bill(found, rows("2025-01-01", "2025-01-01", noon, **local))
    assert money(billed.total_cur[0]) == expected
    assert money(billed.received_cur("market_operator")[0, 0]) == "1.50"
    assert money(billed.received_cur("state")[0, 0]) == state


def test_who_sells_pays_no_tax_for_it() -> None:
    found = design(SOLD | {"cur_per_kwh": 0.08}, vat={"rate": 0.2, "local_seller": "registered"})
    noon = {"2025-01-01T12:00": 10.0}
    sold: dict[str, Any] = {"local_sold_kwh": noon, "local_paid_cur": {"2025-01-01T12:00": -1.50}}
    assert due(found, rows("2025-01-01", "2025-01-01", {}, noon, **sold)) == "-1.50"


def test_case_17_no_tax_on_feed_in() -> None:
    """2.75 - .25."""
    found = design(RETAIL | {"cur_per_kwh": 0.25}, SOLD | {"cur_per_kwh": 0.05, "vat": False}, vat={"rate": 0.10})
    day = rows("2025-01-01", "2025-01-01", {"2025-01-01T20:00": 10.0}, {"2025-01-01T12:00": 5.0})
    assert due(found, day) == "2.50"


@pytest.mark.parametrize(("relief", "expected"), [(True, "0.10"), (False, "0.90")])
def test_case_18_no_second_fee_on_stored_energy(relief: bool, expected: str) -> None:
    """1.50 - 1.60 and 2 x .10; without relief 10 x .10."""
    fees = [c | {"cur_per_kwh": p, "relief_reexport": relief} for c, p in ((NETWORK, 0.08), (TAX, 0.02))]
    found = design(RETAIL | {"cur_per_kwh": 0.15}, SOLD | {"cur_per_kwh": 0.20}, *fees)
    back = {"2025-01-01T18:00": 8.0}
    assert due(found, rows("2025-01-01", "2025-01-01", {"2025-01-01T02:00": 10.0}, back, reexport_kwh=back)) == expected


def test_more_that_goes_back_than_was_drawn_relieves_no_more_than_that() -> None:
    fees = NETWORK | {"cur_per_kwh": 0.10, "relief_reexport": True}
    back = {"2025-01-01T18:00": 8.0}
    assert (
        due(design(fees), rows("2025-01-01", "2025-01-01", {"2025-01-01T02:00": 5.0}, back, reexport_kwh=back))
        == "0.00"
    )


@pytest.mark.parametrize(("relief", "expected"), [(True, "0.20"), (False, "0.40")])
def test_case_19_stored_energy_of_two_origins(relief: bool, expected: str) -> None:
    """5 kWh back, 4 of 10 stored from the grid: 2 are relieved of 4."""
    fees = NETWORK | {"cur_per_kwh": 0.10, "relief_reexport": relief, "origin": "pro_rata"}
    noon, night = "2025-01-01T12:00", "2025-01-01T02:00"
    day = rows(
        "2025-01-01", "2025-01-31", {night: 4.0}, {"2025-01-01T18:00": 5.0}, stored_from_grid_kwh={night: 4.0},
        stored_from_pv_kwh={noon: 6.0}, reexport_kwh={"2025-01-01T18:00": 5.0},
    )  # fmt: skip
    assert due(design(fees), day) == expected


@pytest.mark.parametrize(("labels", "expected"), [((), "54.15"), (("income_low", "tenant"), "36.00")])
def test_case_20_the_label_picks_the_fixed_charge(labels: tuple[str, ...], expected: str) -> None:
    fixed = FIXED | {"cur_per_month": 24.15, "by_label": {"income_low": 6.0, "income_mid": 12.0}}
    found = design(RETAIL | {"cur_per_kwh": 0.30}, fixed, tz=LA)
    month = rows("2025-03-01", "2025-03-31", {"2025-03-10T12:00": 100.0}, tz=LA, labels=(labels,))
    assert due(found, month) == expected


def test_case_49_export_at_a_negative_price() -> None:
    """Spot: 2 x .05 is paid. A feed-in tariff that ends below zero: nothing."""
    noon = {"2025-01-01T12:00": 2.0}
    day = rows("2025-01-01", "2025-01-01", {}, noon, spot_cur_per_kwh=np.full(24, -0.05))
    assert due(design(SOLD | {"spot_factor": 1.0}), day) == "0.10"
    assert due(design(SOLD | {"cur_per_kwh": 0.0794, "zero_if_spot_negative": True}), day) == "0.00"


def test_case_50_spot_with_factor_adder_tax_and_cap() -> None:
    """-18.48 + 23.10 + min(128.10, 100) p."""
    agile = RETAIL | {
        "spot_factor": 2.2, "cap_cur_per_kwh": 1.0, "cap_incl_vat": True,
        "windows": [{"from_h": 16.0, "to_h": 19.0, "add_cur_per_kwh": 0.12}],
    }  # fmt: skip
    london = "Europe/London"
    found = design(agile, vat={"rate": 0.05}, tz=london, currency="GBP")
    spot = {"2025-01-01T03:00": -0.08, "2025-01-01T12:00": 0.10, "2025-01-01T17:00": 0.50}
    data = rows("2025-01-01", "2025-01-01", dict.fromkeys(spot, 1.0), tz=london, spot_cur_per_kwh=spot)
    assert due(found, data) == "1.05"
