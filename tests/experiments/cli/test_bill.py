"""Bills and sheets of tariff designs from the command line: what is printed, what is written, what is refused."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from gridbazaar.data.loaders.meter import read_meters
from gridbazaar.data.loaders.readings import read_options
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.cli.sheet import show_design
from gridbazaar.experiments.describe import design_toml
from gridbazaar.market.designs import list_designs, load_design
from gridbazaar.market.tariffs import load_tariff
from tests.experiments.cli.runner import invoke

HAS_HOLIDAYS = importlib.util.find_spec("holidays") is not None
HOURS = [np.datetime64("2024-12-31T23:00") + np.timedelta64(i, "h") for i in range(31 * 24)]
FLAT = """\
title = "flat"
region = "AT"
year = 2025
currency = "EUR"
tz = "Europe/Vienna"
source = "by hand"
vat = { rate = 0.2 }
charges = [
    { line = "retail", to = "retailer", cur_per_kwh = 0.25 },
    { line = "retail", to = "retailer", flow = "export", cur_per_kwh = 0.10, vat = false },
    { line = "fixed", to = "network_operator", cur_per_month = 5.0, by_label = { low = 2.0 } },
]
"""


def run(*words: object, code: int = 0) -> Any:
    found = invoke(main, words)
    assert found.exit_code == code, f"{found.exit_code}\n{found.stdout}\n{found.stderr}\n{found.exception!r}"
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """January in Vienna: 1 kWh an hour drawn, 2 fed in at noon UTC; and the tariff above."""
    noon = [str(hour).endswith("T12:00") for hour in HOURS]
    rows = [f"{hour}Z,{0.0 if sun else 1.0},{2.0 if sun else 0.0}" for hour, sun in zip(HOURS, noon, strict=True)]
    (tmp_path / "meter.csv").write_text("\n".join(["time,import_kwh,export_kwh", *rows]), encoding="utf-8")
    (tmp_path / "spot.csv").write_text(
        "\n".join(["time,spot_cur_per_mwh", *(f"{hour}Z,100" for hour in HOURS)]), encoding="utf-8"
    )
    (tmp_path / "flat.toml").write_text(FLAT, encoding="utf-8")
    return tmp_path


def test_a_meter_is_billed_by_line_and_month(folder: Path) -> None:
    """31 x 23 x .25 x 1.2 - 31 x 2 x .10 + 5 x 1.2: retail 178.25 - 6.20, fixed 5, tax 35.65 + 1."""
    found = run("bill", folder / "meter.csv", "--tariff", folder / "flat.toml")
    (line,) = [line.split() for line in found.stdout.splitlines() if line.startswith("2025-01 ")]
    assert line == ["2025-01", "172.05", "5.00", "36.65", "213.70"]
    assert "2025-01-01 to 2025-01-31, Europe/Vienna" in found.stdout


def test_a_label_picks_its_amount(folder: Path) -> None:
    found = run("bill", folder / "meter.csv", "--tariff", folder / "flat.toml", "--labels", "tenant,low")
    assert "210.10" in found.stdout


def test_what_is_written_adds_up(folder: Path) -> None:
    out, other = folder / "bills.csv", folder / "bills.json"
    run("bill", folder / "meter.csv", "--tariff", folder / "flat.toml", "--out", out)
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["line"], row["to"]) for row in rows] == [
        ("retail", "retailer"), ("fixed", "network_operator"), ("vat", "state"),
    ]  # fmt: skip
    assert sum(float(row["cur"]) for row in rows) == pytest.approx(213.70)
    run("bill", folder / "meter.csv", "--tariff", folder / "flat.toml", "--out", other)
    held = json.loads(other.read_text(encoding="utf-8"))
    assert held["totals"] == [{"customer": "meter", "design": "flat", "currency": "EUR", "total_cur": 213.70}]
    assert "numpy" in held["versions"]
    assert "exists" in run("bill", folder / "meter.csv", "--tariff", folder / "flat.toml", "--out", out, code=2).stderr


def test_prices_of_a_file_are_used(folder: Path) -> None:
    """31 x 23 x (.10 + .015 + .079 + .0072) x 1.2 - 31 x 2 x .10 + 54 x 31 / 365 x 1.2."""
    found = run("bill", folder / "meter.csv", "--tariff", "at_dynamic", "--spot", folder / "spot.csv")
    assert f"{31 * 23 * 0.2012 * 1.2 - 6.2 + 54 * 31 / 365 * 1.2:.2f}" in found.stdout


def test_a_tariff_of_interval_markets_is_billed_too(folder: Path) -> None:
    """31 x 23 x .30 - 31 x 2 x .08 and what the standing charge is a day."""
    found = run("bill", folder / "meter.csv", "--tariff", "flat", "--timezone", "Europe/Vienna")
    fixed = load_tariff("flat").fixed_cur_per_day
    assert f"{31 * 23 * 0.30 - 31 * 2 * 0.08 + 31 * fixed:.2f}" in found.stdout
    assert "flat, XXX" in found.stdout


def test_homes_of_one_file_are_billed_apart(folder: Path) -> None:
    rows = [f"{hour}Z,1.0,2.0" for hour in HOURS]
    (folder / "two.csv").write_text("\n".join(["time,a_import_kwh,b_import_kwh", *rows]), encoding="utf-8")
    found = run("bill", folder / "two.csv", "--tariff", folder / "flat.toml")
    assert "a under flat, EUR" in found.stdout
    assert f"{744 * 2 * 0.25 * 1.2 + 6:.2f}" in found.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("meter.csv", "--tariff", "nowhere"), "tariff: expected one of flat, spot, tou, at_dynamic"),
        (("none.csv", "--tariff", "flat.toml"), "nothing is there"),
        (("spot.csv", "--tariff", "flat.toml"), "expected what a meter counted, such as import_kwh; found none"),
        (("meter.csv", "--tariff", "at_dynamic"), "follows the spot price; give spot_cur_per_kwh"),
        (("meter.csv", "--tariff", "flat.toml", "--spot", "meter.csv"), "are the same file|expected a spot price"),
        (("meter.csv", "--tariff", "flat.toml", "--timezone", "Mars/Base"), "timezone: expected a name"),
        (("meter.csv", "--tariff", "flat.toml", "--tariff", "flat.toml"), "flat is named twice"),
        (("meter.csv", "--tariff", "flat.toml", "--tariff", "gb_agile"), "the designs have several"),
        (("meter.csv", "--tariff", "nl_saldering"), "is netted over a year; expected 12 months"),
        (("meter.csv", "--tariff", "flat.toml", "--repair", "all"), "repair: expected some of"),
        (("meter.csv", "--tariff", "flat.toml", "--out", "meter.csv"), "are the same file"),
    ],
)
def test_what_cannot_be_billed_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(folder)
    before = sorted(path.name for path in folder.iterdir())
    message = run("bill", *words, code=2).stderr
    assert any(part in message for part in says.split("|")), message
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_gap_and_a_counter_are_no_bill(folder: Path) -> None:
    lines = (folder / "meter.csv").read_text(encoding="utf-8").splitlines()
    (folder / "gap.csv").write_text("\n".join(lines[:100] + lines[101:]), encoding="utf-8")
    assert "missing rows" in run("bill", folder / "gap.csv", "--tariff", folder / "flat.toml", code=2).stderr
    counter = [f"{hour}Z,{5000 + i}" for i, hour in enumerate(HOURS)]
    (folder / "counter.csv").write_text("\n".join(["time,import_kwh", *counter]), encoding="utf-8")
    message = run("bill", folder / "counter.csv", "--tariff", folder / "flat.toml", code=2).stderr
    assert "repair=register takes the differences" in message
    repaired = run("bill", folder / "counter.csv", "--tariff", folder / "flat.toml", "--repair", "register")
    assert "note: " in repaired.stderr


def test_a_part_of_a_year_of_netting_is_billed_when_that_is_asked(folder: Path) -> None:
    found = run("bill", folder / "meter.csv", "--tariff", "nl_saldering", "--part", "--timezone", "Europe/Vienna")
    assert "nl_saldering" in found.stdout


@pytest.mark.parametrize(("stamps", "expected"), [("end", "2.40"), ("begin", "3.68")])
def test_case_57_labels_that_end_the_interval(tmp_path: Path, stamps: str, expected: str) -> None:
    """5 kWh until 16 h, 1 until 17, 21, 22: 5 x .22 + .54 + .54 + .22; read as beginnings, which is wrong, 3.68."""
    drawn = {16: 5.0, 17: 1.0, 21: 1.0, 22: 1.0}
    first = 1 if stamps == "end" else 0
    rows = [f"2025-01-0{1 + h // 24} {h % 24:02d}:00,{drawn.get(h, 0.0)}" for h in range(first, 24 + first)]
    (tmp_path / "meter.csv").write_text("\n".join(["time,import_kwh", *rows]), encoding="utf-8")
    peak = FLAT[: FLAT.index("vat")] + (
        'charges = [{ line = "retail", to = "retailer", cur_per_kwh = 0.22, '
        "windows = [{ from_h = 16, to_h = 21, cur_per_kwh = 0.54 }] }]\n"
    )
    (tmp_path / "peak.toml").write_text(peak, encoding="utf-8")
    found = run("bill", tmp_path / "meter.csv", "--tariff", tmp_path / "peak.toml", "--stamps", stamps)
    assert found.stdout.split()[-1] == expected


def test_green_button_and_nem12_have_both_directions(tmp_path: Path) -> None:
    head = "TYPE,DATE,START TIME,END TIME,IMPORT (kWh),EXPORT (kWh)"
    rows = [f"Electric usage,2025-01-02,{h:02d}:00,{h:02d}:59,0.5,{0.25 * (h == 12)}" for h in range(24)]
    (tmp_path / "gb.csv").write_text("\n".join([head, *rows]), encoding="utf-8")
    found = read_meters([tmp_path / "gb.csv"], read_options(), "America/Chicago")
    assert found.import_kwh.sum() == pytest.approx(12.0)
    assert found.export_kwh[0].tolist() == [0.25 * (h == 12) for h in range(24)]
    assert str(found.starts[0]) == "2025-01-02T06:00:00"
    signed = [f"Electric usage,2025-01-02,{h:02d}:00,{h:02d}:59,{-0.25 if h == 12 else 0.5}" for h in range(24)]
    (tmp_path / "net.csv").write_text(
        "\n".join(["TYPE,DATE,START TIME,END TIME,USAGE (kWh)", *signed]), encoding="utf-8"
    )
    net = read_meters([tmp_path / "net.csv"], read_options(), "America/Chicago")
    assert (net.import_kwh.sum(), net.export_kwh.sum()) == (pytest.approx(11.5), pytest.approx(0.25))
    halves = ",".join(["0.1"] * 48)
    days = [f"300,2025010{d},{halves},A,,,," for d in (1, 2)]
    sold = [f"300,2025010{d},{halves.replace('0.1', '0.3')},A,,,," for d in (1, 2)]
    nem = ["100,NEM12,202501170000,M,R", "200,41,E1B1,1,E1,N1,M1,kWh,30,", *days, "200,41,E1B1,1,B1,N1,M1,kWh,30,"]
    (tmp_path / "nem.csv").write_text("\n".join([*nem, *sold, "900"]), encoding="utf-8")
    both = read_meters([tmp_path / "nem.csv"], read_options(), "Australia/Brisbane")
    assert both.homes == ("41",)
    assert (both.import_kwh.sum(), both.export_kwh.sum()) == (pytest.approx(9.6), pytest.approx(28.8))


@pytest.mark.parametrize("name", list_designs())
def test_a_design_can_be_shown_and_started_from(tmp_path: Path, name: str) -> None:
    path, design = tmp_path / f"{name}.toml", load_design(name)
    path.write_text(design_toml(design), encoding="utf-8")
    assert load_design(path) == design
    shown = Console(file=io.StringIO(), width=160)
    show_design(design if HAS_HOLIDAYS else replace(design, holidays=""), shown)
    text = shown.file.getvalue()  # type: ignore[attr-defined]
    for word in ("source", "charges before VAT", "a week of July", "Mon 18 h"):
        assert word in text, word


def test_a_kwh_is_shown_line_by_line(tmp_path: Path, folder: Path) -> None:
    text = run("show", "tariff", folder / "flat.toml").stdout
    rows = [line.split() for line in text.splitlines()]
    assert ["import", "retail", *["0.3"] * 10] in rows
    assert ["export", "retail", *["0.1"] * 10] in rows
    vienna = run("show", "tariff", "at_rec_vienna").stdout
    assert "of a local kWh: building 0 %, transformer 43 %, feeder 72 %" in vienna
    assert "at a spot price of 0.1 EUR/kWh" in vienna


def test_a_tariff_of_openei_becomes_a_file(tmp_path: Path) -> None:
    flat = [[0] * 24] * 12
    rate = {
        "label": "x", "utility": "U", "name": "TOU", "energyratestructure": [[{"rate": 0.2}], [{"rate": 0.35}]],
        "energyweekdayschedule": flat, "energyweekendschedule": flat, "fixedchargefirstmeter": 10,
    }  # fmt: skip
    (tmp_path / "urdb.json").write_text(json.dumps([rate]), encoding="utf-8")
    text = run("show", "tariff", tmp_path / "urdb.json", "--toml").stdout
    assert "cur_per_kwh = 0.2" in text
    (tmp_path / "urdb.toml").write_text(text, encoding="utf-8")
    assert load_design(tmp_path / "urdb.toml") == load_design(tmp_path / "urdb.json")
    assert design_toml(load_design(tmp_path / "urdb.toml")) == text


@pytest.mark.slow
def test_a_week_is_drawn_to_a_file(tmp_path: Path) -> None:
    run("show", "tariff", "gb_agile", "--plot", tmp_path / "week.png")
    assert (tmp_path / "week.png").read_bytes().startswith(b"\x89PNG")
    assert "exists" in run("show", "tariff", "gb_agile", "--plot", tmp_path / "week.png", code=2).stderr
    assert "ending in .png" in run("show", "tariff", "gb_agile", "--plot", tmp_path / "week.txt", code=2).stderr
    assert "not a kind" in run("show", "kind", "ev", "--plot", tmp_path / "ev.png", code=2).stderr
