"""Worked bills, by their numbers: spot, the clock, communities and special meters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.market.billing.bill import bill
from gridbazaar.market.billing.sharing import by_unit, matched_kwh, share
from gridbazaar.market.design import Sharing
from tests.market.billing.household import (
    AT,
    FIXED,
    JANUARY,
    NETWORK,
    RETAIL,
    SOLD,
    TAX,
    at,
    day_by_month,
    design,
    due,
    money,
    rows,
)


def quarters(*kwh: float) -> dict[str, float]:
    return {f"2025-01-10T12:{15 * i:02d}": x for i, x in enumerate(kwh)}


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
