"""Files of meters and markets: a year of each, what it must come to, what is refused, how they are put together."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridbazaar.data.loaders.files import read_files
from gridbazaar.data.loaders.load import read
from gridbazaar.data.loaders.readings import read_options
from gridbazaar.data.resample import resample
from tests.data import exports
from tests.quick import only


def shown(first: str, n_days: int, step_min: int, zone: str) -> pd.DatetimeIndex:
    return exports.times(zone, first, n_days, step_min)


@pytest.mark.parametrize("name", exports.METERS)
def test_a_year_of_a_meter_is_what_was_drawn(tmp_path: Path, name: str) -> None:
    make, zone, _ = exports.METERS[name]
    data = read_files([make(tmp_path / name)], read_options(zone))
    (home,) = data.homes
    assert (str(data.first_day), data.n_days, data.timezone) == ("2024-01-01", 366, zone)
    step_min = 30 if name == "nem12.csv" else 60
    np.testing.assert_allclose(home.load_kw, exports.load_kw(shown("2024-01-01", 366, step_min, zone)), atol=0.011)
    hours = np.bincount(data.calendar(60).day)
    expected = {23: 1, 24: 364, 25: 1} if "Los_Angeles" in zone else {24: 366}
    assert dict(zip(*np.unique(hours, return_counts=True), strict=True)) == expected


@pytest.mark.parametrize("name", only(list(exports.PRICES)[:2], exports.PRICES))
def test_a_year_of_prices_is_what_was_paid(tmp_path: Path, name: str) -> None:
    make, zone = exports.PRICES[name]
    data = read_files([make(tmp_path / name)], read_options())
    assert (str(data.first_day), data.n_days, data.timezone) == ("2024-01-01", 366, zone)
    assert data.spot is not None
    spot, step_min = data.spot
    assert step_min == (5 if name == "aemo" else 60)
    expected = exports.price_per_mwh(shown("2024-01-01", 366, step_min, zone)) / 1000
    np.testing.assert_allclose(spot, expected, atol=1e-9)
    hours = np.bincount(data.calendar(60).day)
    assert sorted(set(hours.tolist())) == ([24] if name == "aemo" else [23, 24, 25])


def test_meters_and_prices_are_cut_to_their_common_days(tmp_path: Path) -> None:
    meter = exports.nem12(tmp_path / "meter.csv", "2024-01-20", 20)
    prices = exports.aemo(tmp_path / "prices", "2024-01-25", 30)
    for places in ([meter, prices], [meter, *sorted(prices.iterdir())]):
        loaded = read(places, step_min=30, n_cars=2)
        bank = loaded.bank
        assert (str(bank.first_day), bank.n_days, bank.timezone) == ("2024-01-25", 15, "Australia/Brisbane")
        utc = exports.times("Australia/Brisbane", "2024-01-25", 15, 30)
        np.testing.assert_allclose(bank.load_kw[0], exports.load_kw(utc), atol=0.011)
        five = exports.price_per_mwh(exports.times("Australia/Brisbane", "2024-01-25", 15, 5)) / 1000
        np.testing.assert_allclose(bank.spot_cur_per_kwh, resample(five, 5, 30), atol=1e-9)
        assert loaded.report.used == ("4100000000",)
        notes = "\n".join(loaded.report.notes)
        for said in ("cut to the 15 days that all files have", "B1 (kWh) are not used", "TOTALDEMAND is not used",
                     "in AUD without GST"):  # fmt: skip
            assert said in notes


def test_prices_alone_bring_generated_homes(tmp_path: Path) -> None:
    loaded = read(exports.smard(tmp_path / "smard.csv", "2024-03-25", 10), step_min=60, n_homes=3, n_cars=2)
    assert loaded.bank.load_kw.shape == (3, 239)
    assert any("no load in the data: 3 homes are generated" in note for note in loaded.report.notes)
    assert any("Deutschland/Luxemburg is read, not Belgien" in note for note in loaded.report.notes)


def test_months_of_one_account_are_one_home(tmp_path: Path) -> None:
    for month, n_days in (("03", 31), ("02", 29)):
        exports.green_button_csv(tmp_path / f"usage_{month}.csv", first=f"2024-{month}-01", n_days=n_days)
    data = read_files([tmp_path], read_options("America/Los_Angeles"))
    (home,) = data.homes
    assert (home.name, data.n_days, len(home.load_kw)) == ("usage_02", 60, 60 * 24 - 1)
    exports.green_button_csv(
        tmp_path / "usage_04.csv", first="2024-03-20", n_days=20
    )  # overlaps, with the same numbers
    assert read_files([tmp_path], read_options("America/Los_Angeles")).n_days == 68


def test_files_of_several_zones_need_the_one_of_the_community(tmp_path: Path) -> None:
    places = [exports.entsoe(tmp_path / "at.csv", n_days=5), exports.nem12(tmp_path / "nem.csv", n_days=5)]
    with pytest.raises(ValueError, match=r"several: Europe/Brussels of at.csv, Australia/Brisbane of nem.csv"):
        read_files(places, read_options())
    assert read_files(places, read_options("Europe/Vienna")).n_days == 4


ENTSOE = """"MTU (CET/CEST)","Area","Sequence","Day-ahead Price (EUR/MWh)"
"26/10/2025 00:00:00 - 26/10/2025 01:00:00","BZN|AT","Without Sequence","90.00"
"26/10/2025 01:00:00 (CEST) - 26/10/2025 02:00:00 (CEST)","BZN|AT","Without Sequence","80.00"
"26/10/2025 02:00:00 (CEST) - 26/10/2025 02:00:00 (CET)","BZN|AT","Without Sequence","70.00"
"26/10/2025 02:00:00 (CET) - 26/10/2025 02:15:00 (CET)","BZN|AT","Without Sequence","-5.50"
"26/10/2025 02:15:00 (CET) - 26/10/2025 03:00:00 (CET)","BZN|AT","Without Sequence","{last}"
"""


def test_hours_and_quarters_may_follow_one_another_over_a_change(tmp_path: Path) -> None:
    rows = "".join(
        f'"26/10/2025 {h:02}:00:00 - {"26" if h < 23 else "27"}/10/2025 {(h + 1) % 24:02}:00:00","BZN|AT",'
        f'"Without Sequence","{h}"\n'
        for h in range(3, 24)
    )
    path = tmp_path / "prices.csv"
    path.write_text(ENTSOE.format(last="10") + rows)
    data = read_files([path], read_options())
    assert data.spot is not None
    spot, step_min = data.spot
    assert (len(spot), step_min) == (100, 15)
    assert (1000 * spot[:16]).round(6).tolist() == [90] * 4 + [80] * 4 + [70] * 4 + [-5.5] + [10] * 3
    path.write_text(ENTSOE.format(last="n/e") + rows)
    with pytest.raises(ValueError, match=r"no number at 2025-10-26T01:15Z.*repair=gaps"):
        read_files([path], read_options())
    assert read_files([path], read_options(repair=("gaps",))).n_days == 1


FAULTS = [
    (exports.green_button_csv, ",0.", ",x.", r"USAGE \(kWh\): expected numbers, got other text in lines 7, 8"),
    (exports.green_button_csv, "2024-01-01,05:00", "2024-01-01,25:00", "got another in line 12"),
    (exports.green_button_csv, "USAGE (kWh)", "USAGE (therms)", "expected one unit of KWH, WH, MWH"),
    (exports.green_button_csv, "Electric usage", "Natural gas usage", "expected rows of electric usage"),
    (exports.green_button_xml, "<uom>72", "<uom>169", r"flowDirection 1\), found 1 blocks of uom 169"),
    (exports.green_button_xml, "</feed>", "", "expected XML: mismatched tag"),
    (exports.green_button_xml, "<feed", "<!DOCTYPE a><feed", "without a DOCTYPE"),
    (exports.green_button_xml, "<value>", "<value>x", "value: expected a whole number, got 'x"),
    (exports.green_button_xml, "<uom>72</uom>", "", "uom: expected a whole number, got ''"),
    (exports.nem12, "NEM12", "NEM13", r"line 1: expected NEM12 \(intervals\), got NEM13"),
    (exports.nem12, "\n900", "", "expected record 900 at the end; the file was cut off"),
    (exports.nem12, "20240102", "20240101", "line 4: expected each day once for 4100000000 E1"),
    (exports.nem12, "20240102", "20240231", "line 4: expected a date such as 20240131"),
    (exports.nem12, ",kWh,30,", ",kWh,7,", "line 2: expected an interval of 1, 5, 15, 30 or 60 minutes"),
    (exports.nem12, ",kWh,30,", ",kVArh,30,", r"expected a register E\*, drawn by the customer"),
    (exports.entsoe, "01/01/2024 03:00:00 -", "01/13/2024 03:00:00 -", "got another in line 5"),
    (exports.entsoe, "CET/CEST)\",\"Area", "PST/PDT)\",\"Area", "expected one of CET, EET"),
    (exports.entsoe, "Day-ahead Price (EUR/MWh)", "Price", r"expected one column Day-ahead Price"),
    (exports.smard, "01.01.2024 05:00;", "01.01.2024 5 Uhr;", "Datum von: expected 31.01.2024 13:45, got another"),
    (exports.smard, "[€/MWh]", "[MWh]", r"expected a column of prices \[€/MWh\]"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "old", "new", "message"), FAULTS)
def test_what_is_wrong_in_a_layout_is_named(tmp_path: Path, make, old: str, new: str, message: str) -> None:  # type: ignore[no-untyped-def]
    path = make(tmp_path / ("meter.xml" if make is exports.green_button_xml else "meter.csv"), n_days=4)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=message) as refused:
        read_files([path], read_options("Europe/Berlin"))
    assert str(path) in str(refused.value)


def test_readings_of_utc_name_the_zone_that_they_lack(tmp_path: Path) -> None:
    path = exports.green_button_xml(tmp_path / "meter.xml", n_days=4)
    with pytest.raises(ValueError, match=r"name the local zone, such as timezone=Europe/Berlin.*-8 h from UTC"):
        read_files([path], read_options())


def test_usage_may_be_written_as_american_clocks_do(tmp_path: Path) -> None:
    """Twelve-hour clocks, a column of units, what was fed in beside what was drawn, and gas."""
    rows = [
        f"Electric usage,1/{8 + h // 24}/2024,{h % 12 or 12}:00 {'AM' if h % 24 < 12 else 'PM'},{1000 + h},{h},Wh"
        for h in ((i // 12 % 2 * 12 + i % 12) + i // 24 * 24 for i in range(48))
    ]
    rows.append("Natural gas usage,1/8/2024,12:00 AM,5,0,Wh")
    head = "TYPE,DATE,START TIME,IMPORT (Wh),EXPORT (Wh),UNITS"
    (tmp_path / "usage.csv").write_text("\n".join(["Name,TEST", head, *rows]))
    data = read_files([tmp_path / "usage.csv"], read_options("America/Chicago"))
    np.testing.assert_allclose(data.homes[0].load_kw, 1 + np.arange(48) / 1000)
    said = "\n".join(data.notes)
    assert "EXPORT (1128 in all) is not used" in said
    assert "1 rows that are no electric usage are not used" in said


def test_the_quality_of_nem12_says_what_is_no_reading(tmp_path: Path) -> None:
    path = exports.nem12(tmp_path / "meter.csv", n_days=3)
    lines = path.read_text().splitlines()
    lines[3] = lines[3].replace(",A,,,", ",V,,,")
    lines.insert(4, "400,5,6,N,,")
    lines.insert(5, "400,7,48,A,,")
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"E1: no number at 2024-01-01T16:00Z, 2024-01-01T16:30Z"):
        read_files([path], read_options())
    assert read_files([path], read_options(repair=("gaps",))).n_days == 3


def test_older_exports_have_no_marks_and_an_empty_row_in_spring(tmp_path: Path) -> None:
    stamps = [f"{d:02}.03.2024 {h:02}:00" for d in (30, 31) for h in range(24)] + ["01.04.2024 00:00"]
    rows = [f'"{a} - {b}","{"" if " 02:00" in a and "31.03" in a else i}","EUR"'
            for i, (a, b) in enumerate(pairwise(stamps))]  # fmt: skip
    path = tmp_path / "old.csv"
    path.write_text("\n".join(['"MTU (CET/CEST)","Day-ahead Price [EUR/MWh]","Currency"', *rows]))
    data = read_files([path], read_options())
    assert data.spot is not None
    np.testing.assert_allclose(1000 * data.spot[0], np.delete(np.arange(48), 26))
    autumn = [f"27.10.2024 {h:02}:00" for h in (0, 1, 2, 2, *range(3, 24))]
    ends = [f"27.10.2024 {h:02}:00" for h in (1, 2, 3, 3, *range(4, 24))] + ["28.10.2024 00:00"]
    rows = [f'"{a} - {b}","{i}","EUR"' for i, (a, b) in enumerate(zip(autumn, ends, strict=True))]
    path.write_text("\n".join(['"MTU (CET/CEST)","Day-ahead Price [EUR/MWh]","Currency"', *rows]))
    data = read_files([path], read_options())
    assert data.spot is not None
    np.testing.assert_allclose(1000 * data.spot[0], np.arange(25))


def test_smard_writes_english_and_older_tables_too(tmp_path: Path) -> None:
    path = tmp_path / "smard.csv"
    months = [f"Jan 8, 2024 {h % 12 or 12}:00 {'AM' if h < 12 else 'PM'};" for h in range(24)]
    rows = [
        f"{a}{b}{1000 + i}.50"
        for i, (a, b) in enumerate(zip(months, [*months[1:], "Jan 9, 2024 12:00 AM;"], strict=True))
    ]
    path.write_text("\n".join(["Start date;End date;Germany/Luxembourg [€/MWh] Original resolutions", *rows]))
    english = read_files([path], read_options())
    rows = [f"08.01.2024;{h:02}:00;{(h + 1) % 24:02}:00;{1}.{h:03},50" for h in range(24)]
    path.write_text("\n".join(["Datum;Anfang;Ende;Deutschland/Luxemburg [€/MWh]", *rows]))
    older = read_files([path], read_options())
    for data in (english, older):
        assert data.spot is not None
        np.testing.assert_allclose(1000 * data.spot[0], 1000.5 + np.arange(24))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"marketprice": "80"}, r"data\[1\].marketprice: expected a number, got '80'"),
        ({"marketprice": True}, "marketprice: expected a number"),
        ({"unit": "GBP/MWh"}, "unit: expected Eur/MWh, got 'GBP/MWh'"),
        ({"start_timestamp": "2024-01-01"}, "start_timestamp: expected thousandths of whole seconds since 1970"),
        ({"end_timestamp": 0}, "end_timestamp: expected a time after the beginning"),
    ],
)
def test_what_is_wrong_in_prices_of_an_interface_is_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = exports.awattar(tmp_path / "prices.json", "2024-01-01", 2)
    held = json.loads(path.read_text(encoding="utf-8"))
    held["data"][1] |= change
    path.write_text(json.dumps(held), encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        read_files([path], read_options())


@pytest.mark.parametrize("text", ["[]", "{}", '{"data": []}', '{"data": [3]}', "{", '{"data": 3}'])
def test_other_json_is_no_price(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"x.json: (expected|data)"):
        read_files([tmp_path / "x.json"], read_options())
