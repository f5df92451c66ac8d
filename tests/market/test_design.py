"""The contract of a tariff design: what a file may say, and how what it may not say is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gridbazaar.data.toml_lines import line_of
from gridbazaar.market.design import Design
from gridbazaar.market.designs import load_design
from gridbazaar.market.price_table import read_price_table

HEAD = """\
title = "A town's tariff"
region = "AT"
year = 2025
currency = "EUR"
tz = "Europe/Vienna"
source = "price sheet"
"""
CHARGES = """\
charges = [
  { line = "retail", to = "retailer", flow = "import", cur_per_kwh = 0.21, windows = [
    { from_h = 16, to_h = 21, cur_per_kwh = 0.5 },
    { days = "weekend", cur_per_kwh = 0.4 } ] },
  # a comment { with } brackets
  { line = "fixed", to = "network_operator", cur_per_month = 24.15 },
]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_design_is_read_with_its_fields(tmp_path: Path) -> None:
    found = load_design(written(tmp_path, HEAD + CHARGES))
    assert isinstance(found, Design)
    assert (found.name, found.currency, found.year) == ("mine", "EUR", 2025)
    assert [charge.sort for charge in found.charges] == ["energy", "time"]
    assert found.charges[0].windows[1].days == "weekend"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("from_h = 16", "from_hour = 16", "line 9: unknown field design mine.charges[0].windows[0].from_hour; allowed"),
        ("to_h = 21", "to_h = 25", "line 9: design mine.charges[0].windows[0].to_h: expected a number in [0, 24]"),
        ("to_h = 21", "to_h = 16", "line 9: design mine.charges[0].windows[0].to_h: expected another hour than from_h"),
        ("to_h = 21", "to_h = nan", "line 9: design mine.charges[0].windows[0].to_h: expected a number"),
        ("to_h = 21", 'to_h = "21"', "line 9: design mine.charges[0].windows[0].to_h: expected a number"),
        ('"weekend"', '"sunday"', "line 10: design mine.charges[0].windows[1].days: expected one of all, weekday"),
        ("cur_per_month", "cur_per_moon", "line 12: unknown field design mine.charges[1].cur_per_moon"),
        ("24.15", "24.15, cur_per_day = 0.1", "line 12: design mine.charges[1]: expected one of cur_per_day, cur_per"),
        ("24.15", "24.15, spot_factor = 1.0", "line 12: design mine.charges[1]: spot_factor does not go with a charge"),
        ('to = "network_operator"', 'to = "grid"', "line 12: design mine.charges[1].to: expected one of retailer"),
        (
            "year = 2025",
            'year = "2025"',
            "line 3: design mine.year: expected a whole number in [1900, 2100], or none, got '2025'",
        ),
        ("year = 2025", "", "design mine.year: expected a whole number in [1900, 2100], or none, got nothing"),
        ('"EUR"', '"euro"', "line 4: design mine.currency: expected three letters such as EUR"),
        ('"Europe/Vienna"', '"Vienna"', "timezone: expected a name such as 'Europe/Berlin'"),
        ("0.21", "inf", "line 8: design mine.charges[0].cur_per_kwh: expected a number in [-10000, 10000], got inf"),
    ],
)
def test_a_fault_is_named_with_file_line_and_what_is_allowed(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = HEAD + CHARGES
    assert text.count(old) == 1
    path = written(tmp_path, text.replace(old, new))
    with pytest.raises(ValueError, match=r"expected|unknown|does not") as caught:
        load_design(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


RETAIL: dict[str, Any] = {"line": "retail", "to": "retailer"}
POWER: dict[str, Any] = {"line": "capacity", "to": "network_operator"}


@pytest.mark.parametrize(
    ("charge", "fields", "words"),
    [
        (RETAIL | {"tiers_kwh": [200, 100], "tier_cur_per_kwh": [0.1, 0.2, 0.3]}, {}, "expected limits that rise"),
        (RETAIL | {"tiers_kwh": [200], "tier_cur_per_kwh": [0.1]}, {}, "1 limits need 2 prices"),
        (RETAIL | {"tier_cur_per_kwh": [0.1]}, {}, "0 limits need 1 prices|expected the limits"),
        (RETAIL | {"tiers_kwh": [200], "tier_cur_per_kwh": [0.1, 0.2], "spot_factor": 1.0}, {}, "tiers stand alone"),
        (
            RETAIL | {"windows": [{"from_h": 1}]},
            {},
            "expected one of cur_per_kwh, add_cur_per_kwh and tier_cur_per_kwh",
        ),
        (RETAIL | {"windows": [{"months": [1, 1], "cur_per_kwh": 1}]}, {}, "expected each month once"),
        (
            RETAIL | {"windows": [{"months": [13], "cur_per_kwh": 1}]},
            {},
            r"months\[0\]: expected a whole number in \[1",
        ),
        (RETAIL | {"cap_cur_per_kwh": 0.1, "floor_cur_per_kwh": 0.2}, {}, "expected at most the cap 0.1"),
        (RETAIL | {"local": {"near": 0.1}}, {}, "local: expected some of building, transformer, feeder, other"),
        (RETAIL | {"local": {"feeder": 1.1}}, {}, r"local.feeder: expected a number in \[0, 1\]"),
        (RETAIL | {"table_cur_per_kwh": "acc"}, {}, "no table is called 'acc'"),
        (RETAIL | {"from_day": "2025-02-30"}, {}, "from_day: expected a day such as 2025-01-31"),
        (RETAIL | {"from_day": "2025-02-03", "to_day": "2025-02-01"}, {}, "to_day: expected a day from 2025-02-03 on"),
        (RETAIL | {"frac": 0.05, "of_lines": ["retail"]}, {}, "a levy on its own line"),
        (POWER | {"cur_per_kw_month": 1, "cur_per_kw_day": 1}, {}, "expected one of cur_per_kw_month"),
        (POWER | {"peak": {"n": 1}}, {}, "expected one of cur_per_kw_month"),
        (
            POWER | {"cur_per_kw_month": 1, "peak": {"ratchet_frac": 0.5}},
            {},
            "both of ratchet_frac and lookback_months",
        ),
        (
            POWER | {"steps_kw": [2], "step_cur_per_month": [1, 2], "peak": {"average_months": 2}},
            {},
            "goes with cur_per_",
        ),
        (POWER | {"cur_per_kw_month": -1}, {}, r"expected a number in \[0, 10000\], or none, got -1"),
        (RETAIL | {"spot_factor": 1}, {"netting": {"period": "month", "rollover": "kwh"}}, "needs prices by the hour"),
        (RETAIL, {"netting": {"period": "hour", "rollover": "kwh"}}, "a bank of kWh needs month"),
        (RETAIL, {"netting": {"rollover": "money", "cap": "energy_month"}}, "what is above the cap is lost"),
        (RETAIL, {"netting": {"share": 0.5}}, "expected 1 but for hour, month or year"),
        (RETAIL, {"netting": {"period": "month", "true_up_cur_per_kwh": 0.1}}, "a true-up pays for what was rolled"),
        (RETAIL, {"netting": {"period": "week"}}, "expected one of interval, hour, month, year, none"),
        (RETAIL | {"flow": "export"}, {"netting": {"period": "month", "rollover": "money"}}, "needs nets = false"),
        (RETAIL, {"tables": {"acc": [0.1, 0.2]}}, "expected 576 or 8760 prices, got 2"),
        (RETAIL, {"holiday_dates": ["6 January"]}, "holiday_dates: expected days such as"),
        (RETAIL, {"vat": {"rate": 20}}, r"vat.rate: expected a number in \[0, 1\]"),
        (RETAIL, {"premium": {"cur_per_kwh": -1}}, "premium.cur_per_kwh: expected a number in"),
    ],
)
def test_rules_that_contradict_each_other_are_refused(charge: Any, fields: Any, words: str) -> None:
    head = {"title": "", "region": "", "year": 2025, "currency": "EUR", "tz": "Europe/Vienna", "source": ""}
    with pytest.raises(ValueError, match=words):
        load_design({**head, "charges": [charge], **fields})


def test_what_is_no_design_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, 'title = "flat"\nenergy_cur_per_kwh = 0.2\n')
    with pytest.raises(ValueError, match="expected a tariff design with charges, got title, energy_cur_per_kwh"):
        load_design(path)
    with pytest.raises(ValueError, match="no such file"):
        load_design(tmp_path / "other.toml")
    with pytest.raises(ValueError, match=r"mine.toml: expected TOML"):
        load_design(written(tmp_path, "title = "))


def test_a_table_of_prices_lies_beside_its_design(tmp_path: Path) -> None:
    table = [f"{m},{h},{d},{m + h / 100 + (d == 'weekend') / 1000}" for m in range(1, 13) for h in range(24)
             for d in ("weekday", "weekend")]  # fmt: skip
    head = "month,hour,day_type,cur_per_kwh"
    (tmp_path / "acc.csv").write_text("\n".join([head, *reversed(table)]), encoding="utf-8")
    text = HEAD + 'charges = [{ line = "retail", to = "retailer", flow = "export", table_cur_per_kwh = "acc.csv" }]\n'
    found = load_design(written(tmp_path, text))
    assert found.tables["acc.csv"][((8 - 1) * 24 + 18) * 2 + 1] == 8.181
    (tmp_path / "acc.csv").write_text("\n".join([head, *table[1:], table[5]]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"acc.csv: expected 576 prices, .* 1 are missing, lines 6, 577 are doubled"):
        load_design(tmp_path / "mine.toml")
    (tmp_path / "acc.csv").unlink()
    with pytest.raises(ValueError, match=r"expected the file acc.csv beside the design, nothing is there"):
        load_design(tmp_path / "mine.toml")


def test_a_table_may_have_every_hour_of_a_year(tmp_path: Path) -> None:
    path = tmp_path / "year.csv"
    path.write_text("hour_of_year,cur_per_kwh\n" + "".join(f"{h},{h / 1e4}\n" for h in range(8760)), encoding="utf-8")
    assert read_price_table(path)[8759] == 0.8759
    path.write_text("hour_of_year,cur_per_kwh\n0,0.1\n8760,0.2\n", encoding="utf-8")
    with pytest.raises(ValueError, match="hour_of_year: expected 0 to 8759, got another in line 3"):
        read_price_table(path)


def test_lines_of_tables_and_of_lists_are_found() -> None:
    text = (
        'a = 1\n[netting]\nperiod = "interval"\nshare = 2\n[[charges]]\nline = "x"\n[[charges]]\nline = "y"\nto = "z"\n'
    )
    assert line_of(text, "design x.netting.share: expected") == 4
    assert line_of(text, "design x.charges[1].to: expected") == 9
    assert line_of(text, "design x.charges[0].line: expected") == 6
    assert line_of(text, "design x.charges[1].peak: expected") == 7
    assert line_of(text, "nothing of it") is None
