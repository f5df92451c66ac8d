"""Tariffs of OpenEI: what their fields become, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.billing.bill import bill
from gridbazaar.market.billing.metered import metered
from gridbazaar.market.design import Design
from gridbazaar.market.designs import load_design


def schedule(of: Any) -> list[list[int]]:
    return [[of(month, hour) for hour in range(24)] for month in range(1, 13)]


FLAT = schedule(lambda month, hour: 0)
RATE: dict[str, Any] = {
    "label": "x", "utility": "U", "name": "TOU", "energyratestructure": [[{"rate": 0.2}], [{"rate": 0.3, "adj": 0.05}]],
    "energyweekdayschedule": FLAT, "energyweekendschedule": FLAT, "fixedchargefirstmeter": 10,
}  # fmt: skip
EVENING = schedule(lambda month, hour: int(16 <= hour < 21 and 6 <= month <= 9))


def read(folder: Path, wrapped: bool = True, **fields: Any) -> Design:
    path = folder / "urdb.json"
    rate = {**RATE, **fields}
    path.write_text(json.dumps([rate] if wrapped else rate), encoding="utf-8")
    return load_design(path)


def a_year(step_min: int = 60) -> Any:
    rng = np.random.default_rng(2)
    n = 8760 * 60 // step_min
    return metered("2018-01-01", step_min, rng.gamma(2.0, 0.3, n), rng.gamma(1.0, 0.2, n), timezone="Etc/UTC")


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_period_that_no_hour_has_is_left_out(tmp_path: Path, wrapped: bool) -> None:
    """All hours are of the first period; no unit of the fixed charge means a month; net metering is the default."""
    found = read(tmp_path, wrapped)
    assert found.title == "U: TOU"
    assert found.currency == "USD"
    assert found.year is None
    energy, fixed = found.charges
    assert (energy.cur_per_kwh, energy.windows) == (0.2, ())
    assert fixed.cur_per_month == 10.0
    assert (found.netting.period, found.netting.rollover) == ("month", "kwh")
    assert "no time zone and no holidays" in found.note


def test_equal_neighbours_become_windows(tmp_path: Path) -> None:
    found = read(tmp_path, energyweekdayschedule=EVENING, startdate=1_704_067_200)
    (window,) = found.charges[0].windows
    assert (window.from_h, window.to_h, window.months, window.days) == (16.0, 21.0, (6, 7, 8, 9), "weekday")
    assert window.cur_per_kwh == 0.35
    assert found.year == 2024
    both = read(tmp_path, energyweekdayschedule=EVENING, energyweekendschedule=EVENING)
    assert both.charges[0].windows[0].days == "all"


def test_hours_are_priced_as_the_schedules_say(tmp_path: Path) -> None:
    """Any schedule, hour by hour: the sum of price times import."""
    rng = np.random.default_rng(4)
    weekday, weekend = (rng.integers(0, 3, (12, 24)).tolist() for _ in range(2))
    prices = [0.1, 0.25, 0.4]
    found = read(
        tmp_path, energyweekdayschedule=weekday, energyweekendschedule=weekend, fixedchargefirstmeter=0,
        energyratestructure=[[{"rate": price}] for price in prices], dgrules="Net Billing Instantaneous",
    )  # fmt: skip
    data = a_year()
    drawn = np.maximum(data.import_kwh - data.export_kwh, 0.0)[0]
    days = (data.starts.astype("datetime64[D]").astype(int) + 3) % 7
    months = data.starts.astype("datetime64[M]").astype(int) % 12
    hours = data.starts.astype("datetime64[h]").astype(int) % 24
    by_row = [(weekend if d >= 5 else weekday)[m][h] for d, m, h in zip(days, months, hours, strict=True)]
    wanted = float(np.array(prices)[by_row] @ np.round(drawn, 6))
    assert bill(found, data).total_cur[0] == pytest.approx(wanted, abs=1e-2)


def test_tiers_and_their_units(tmp_path: Path) -> None:
    tiers = [{"rate": 0.2, "max": 10, "unit": "kWh daily"}, {"rate": 0.4, "unit": "kWh daily"}]
    charge = read(tmp_path, energyratestructure=[tiers]).charges[0]
    assert charge.tiers_kwh == (10.0,)
    assert charge.tier_cur_per_kwh == (0.2, 0.4)
    assert charge.tier_scope == "month_per_day"
    with pytest.raises(ValueError, match="expected the unit kWh or kWh daily, got kWh/kW"):
        read(tmp_path, energyratestructure=[[{"rate": 0.2, "unit": "kWh/kW"}]])
    other = [[{"rate": 0.2, "max": 10}, {"rate": 0.3}], [{"rate": 0.2, "max": 20}, {"rate": 0.3}]]
    with pytest.raises(ValueError, match="the same limits"):
        read(tmp_path, energyratestructure=other, energyweekdayschedule=EVENING)


@pytest.mark.parametrize(
    ("rule", "period", "rollover", "flows"),
    [
        ("Net Metering", "month", "kwh", ["import"]),
        ("Net Billing Instantaneous", "interval", "none", ["import", "export"]),
        ("Net Billing Hourly", "hour", "money", ["import", "export"]),
        ("Buy All Sell All", "none", "none", ["load", "pv"]),
    ],
)
def test_rules_of_generation(tmp_path: Path, rule: str, period: str, rollover: str, flows: list[str]) -> None:
    found = read(tmp_path, dgrules=rule, energyratestructure=[[{"rate": 0.2, "sell": 0.05}]], fixedchargefirstmeter=0)
    assert (found.netting.period, found.netting.rollover) == (period, rollover)
    assert [charge.flow for charge in found.charges] == flows
    assert ("not used" in found.note) == (rule == "Net Metering")


def test_charges_on_power(tmp_path: Path) -> None:
    on_peak = schedule(lambda month, hour: int(16 <= hour < 21))
    found = read(
        tmp_path, demandratestructure=[[{"rate": 2.0}], [{"rate": 8.0, "max": 5}, {"rate": 9.0, "adj": 1.0}]],
        demandweekdayschedule=on_peak, demandweekendschedule=FLAT,
        flatdemandstructure=[[{"rate": 3.0}], [{"rate": 4.0}]], flatdemandmonths=[0] * 5 + [1] * 4 + [0] * 3,
        lookbackpercent=0.8, lookbackrange=11, demandwindow=30,
    )  # fmt: skip
    off, on, winter, summer = found.charges[1:5]
    assert off.cur_per_kw_month == 2.0
    assert (on.tiers_kw, on.tier_cur_per_kw_month) == ((5.0,), (8.0, 10.0))
    assert on.peak is not None
    assert [(w.from_h, w.to_h, w.days) for w in on.peak.windows] == [(16.0, 21.0, "weekday")]
    assert (on.peak.interval_min, on.peak.ratchet_frac, on.peak.lookback_months) == (30, 0.8, 11)
    assert winter.peak is not None
    assert summer.peak is not None
    assert (winter.cur_per_kw_month, winter.peak.windows[0].months) == (3.0, (1, 2, 3, 4, 5, 10, 11, 12))
    assert (summer.cur_per_kw_month, summer.peak.windows[0].months) == (4.0, (6, 7, 8, 9))


@pytest.mark.parametrize(("unit", "field"), [("$/day", "cur_per_day"), ("$/year", "cur_per_year")])
def test_units_of_fixed_charges_and_minimums(tmp_path: Path, unit: str, field: str) -> None:
    found = read(tmp_path, fixedchargeunits=unit, mincharge=120.0, minchargeunits="$/year")
    assert getattr(found.charges[-1], field) == 10.0
    assert found.minimum is not None
    assert found.minimum.cur_per_year == 120.0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"fueladjustmentsmonthly": [0.01] * 12}, "fueladjustmentsmonthly: fuel adjustments by the month"),
        ({"coincidentratestructure": [[{"rate": 3.0}]]}, "coincidentratestructure: charges at the system's peak"),
        ({"demandreactivepowercharge": 0.2}, "demandreactivepowercharge: charges on reactive power"),
        ({"flatdemandunit": "kVA"}, "flatdemandunit: expected kW, got 'kVA'"),
        ({"demandunits": "hp"}, "demandunits: expected kW, got 'hp'"),
        ({"dgrules": "Feed-in"}, "dgrules: expected one of Net Metering, Net Billing Instantaneous"),
        ({"energyratestructure": []}, "energyratestructure: expected a list of periods"),
        ({"energyratestructure": [[{"rate": "0.2"}]]}, r"energyratestructure\[0\]\[0\].rate: expected a number"),
        ({"energyratestructure": [[{"rate": True}]]}, r"energyratestructure\[0\]\[0\].rate: expected a number"),
        ({"energyratestructure": [0.2]}, r"energyratestructure\[0\]: expected a list of tiers"),
        ({"energyweekdayschedule": FLAT[:11]}, "energyweekdayschedule: expected 12 months of 24 periods from 0 to 1"),
        ({"energyweekendschedule": [[2] * 24] * 12}, "energyweekendschedule: expected 12 months"),
        ({"fixedchargeunits": "$/week"}, "fixedchargeunits: expected one of"),
        ({"mincharge": 5, "minchargeunits": "$/day"}, "minchargeunits: expected one of"),
        ({"demandratestructure": [[{"rate": 1}]]}, "demandweekdayschedule: expected 12 months"),
        (
            {"flatdemandstructure": [[{"rate": 1}]], "flatdemandmonths": [1] * 12},
            "flatdemandmonths: expected 12 periods",
        ),
        ({"flatdemandstructure": [[{"rate": 1}]], "demandwindow": 7}, "demandwindow: expected one of"),
        ({"flatdemandstructure": [[{"rate": 1}]], "lookbackmonths": [1] + [0] * 11}, "lookbackmonths: expected all"),
        ({"startdate": 1e20}, "startdate: expected seconds since 1970"),
    ],
)
def test_what_a_design_cannot_say_is_refused_by_name(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        read(tmp_path, **fields)
    assert "urdb.json: " in str(caught.value)


def test_a_file_holds_one_tariff(tmp_path: Path) -> None:
    path = tmp_path / "two.json"
    path.write_text(json.dumps({"items": [RATE, RATE]}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected one tariff of URDB, got 2 \('TOU', 'TOU'\); keep one"):
        load_design(path)
    path.write_text("[{", encoding="utf-8")
    with pytest.raises(ValueError, match="expected JSON"):
        load_design(path)
    with pytest.raises(ValueError, match="no such file"):
        load_design(tmp_path / "three.json")


def test_what_counts_nothing_is_no_reason_to_refuse(tmp_path: Path) -> None:
    assert len(read(tmp_path, fueladjustmentsmonthly=[0] * 12, coincidentratestructure=[]).charges) == 2
