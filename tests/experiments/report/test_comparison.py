"""The page of a comparison: its numbers are those of the tables, it needs no script, and fits phones and desktops."""

from __future__ import annotations

import math
import re
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gridbazaar.experiments.comparison.asked import ask
from gridbazaar.experiments.comparison.cell import EQUAL, Cell
from gridbazaar.experiments.comparison.customer_rows import PLAYED
from gridbazaar.experiments.comparison.study import study
from gridbazaar.experiments.comparison.write import Tables, tables_of, write_tables
from gridbazaar.experiments.report.comparison import render_comparison
from gridbazaar.experiments.report.comparison_words import answer, told
from gridbazaar.experiments.report.traced import Traced
from tests.browser import in_browser, in_print, look, to_pdf
from tests.printed import assert_printed_well, sheets

SMALL: dict[str, Any] = {
    "hours": 6, "step_min": 60, "data.n_homes": 8, "data.n_roofs": 4, "data.n_cars": 4, "data.n_days": 80,
}  # fmt: skip
PICTURES = ("who_pays_whom", "flows", "bills", "distribution", "average_day", "duration", "worst_hour")
CELL_OF = re.compile(r'<span data-cell="(\w+):(\d+):(\w+)" title="([^"]*)">([^<]*)</span>')


@pytest.fixture(scope="module")
def made() -> tuple[Any, Tables, str]:
    found = study(ask("street", ["flat", "de_flat_eeg"], ["self_consumption"], ["uniform_price"], seeds=2, **SMALL))
    tables = tables_of(found)
    return found, tables, render_comparison(found, tables, command="gridbazaar compare street <x>")


def test_a_number_says_its_file_line_and_column() -> None:
    traced = Traced({"cells": pd.DataFrame({"tariff": ["flat", "tou"], "cost_cur": [1234.567, -0.004]})})
    row = traced.row("cells", tariff="flat")
    shown = traced.number("cells", row, "cost_cur")
    assert shown == '<span data-cell="cells:0:cost_cur" title="cells.csv, line 2, cost_cur">1,234.57</span>'
    assert ">+0.00<" in traced.number("cells", traced.row("cells", tariff="tou"), "cost_cur", signed=True)
    assert ">0.004<" in traced.number("cells", 1, "cost_cur", 3, size=True)
    assert "\N{MINUS SIGN}0.004" in traced.number("cells", 1, "cost_cur", 3)
    assert traced.number("cells", traced.row("cells", tariff="spot"), "cost_cur") == "-"
    assert traced.number("cells", 0, "gone_cur") == "-"


@pytest.mark.slow
def test_every_number_names_its_cell(made: tuple[Any, Tables, str], tmp_path: Path) -> None:
    _, tables, page = made
    write_tables(tables, tmp_path)
    lines = {name: (tmp_path / f"{name}.csv").read_text().splitlines() for name in tables._fields}
    spans = CELL_OF.findall(page)
    assert len(spans) > 200
    for table, row, column, title, text in spans:
        frame = tables._asdict()[table]
        value = float(frame.at[int(row), column])
        digits = len(text.partition(".")[2])
        shown = float(text.replace("\N{MINUS SIGN}", "-").replace(",", ""))
        assert math.isclose(abs(shown), abs(value), abs_tol=0.51 * 10.0**-digits), (table, row, column)
        name, line, of = re.fullmatch(r"(\w+\.csv), line (\d+), (\w+)", title).groups()  # type: ignore[union-attr]
        held = lines[name.removesuffix(".csv")][int(line) - 1].split(",")
        there = held[lines[name.removesuffix(".csv")][0].split(",").index(of)]
        assert float(there) == pytest.approx(value, abs=1e-9)


@pytest.mark.slow
def test_the_page_needs_nothing_else(made: tuple[Any, Tables, str]) -> None:
    page = made[2]
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "gridbazaar compare street &lt;x&gt;" in page


@pytest.mark.slow
def test_the_answer_says_who_wins_and_that_two_days_are_few(made: tuple[Any, Tables, str]) -> None:
    found, tables, _ = made
    said = [re.sub(r"<[^>]+>", "", unescape(text)) for text in answer(told(found, Traced(tables._asdict())))]
    assert said[0].startswith("de_flat_eeg in place of flat: All customers together pay ")
    assert "2 days are too few to tell it from chance" in said[0]
    cell = {"basis": PLAYED, "prices": EQUAL} | Cell("de_flat_eeg", "uniform_price", "self_consumption")._asdict()
    groups = tables.groups
    row = groups[[all(r[k] == v for k, v in (cell | {"group": "all"}).items()) for r in groups.to_dict("records")]]
    assert f"Of 12 customers {row['today_winners'].iloc[0]:.0f} pay less" in said[0]
    assert any(text.startswith("With the dispatch frozen the market saves its members") for text in said)
    assert any("0 millionths are found with nobody, and losses change by 0 micro-kWh" in text for text in said)


@in_browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_a_phone_and_a_desktop_show_the_whole_page(
    made: tuple[Any, Tables, str], width: int, tmp_path: Path
) -> None:  # fmt: skip
    seen = look(made[2], tmp_path, width)
    assert seen.scrolls <= width, seen.beyond[:5]
    assert not seen.beyond
    assert not seen.scrolling
    assert not seen.errors
    assert not seen.addresses
    assert len(seen.pictures) == len(PICTURES)
    assert seen.least_text_px >= 8


@in_print
@pytest.mark.slow
def test_printed_pages_are_full_and_cut_nothing(made: tuple[Any, Tables, str], tmp_path: Path) -> None:
    path = tmp_path / "comparison.html"
    path.write_text(made[2], encoding="utf-8")
    found = sheets(to_pdf(path, tmp_path / "comparison.pdf"))
    assert 5 <= len(found) <= 14
    assert_printed_well(found, made[2])


@pytest.mark.slow
def test_every_picture_is_there_with_a_sentence(made: tuple[Any, Tables, str]) -> None:
    found = dict(re.findall(r'<figure id="(\w+)">(.*?)</figure>', made[2], flags=re.DOTALL))
    assert tuple(found) == PICTURES
    for key, content in found.items():
        assert content.count("<svg") == 2, f"{key} is drawn once more for narrow screens"
        assert re.sub(r"<[^>]+>", "", content.split("<figcaption>")[1]).strip().endswith("."), key


@pytest.mark.slow
def test_the_feeder_names_its_fullest_branch_and_who_lives_where(made: tuple[Any, Tables, str]) -> None:
    _, tables, page = made
    cell = {"basis": PLAYED, "prices": EQUAL} | Cell("de_flat_eeg", "uniform_price", "self_consumption")._asdict()
    mine: Any = tables.feeder[[all(r[k] == v for k, v in cell.items()) for r in tables.feeder.to_dict("records")]]
    fullest = mine.loc[mine["loading"].idxmax()]
    section = page.partition("<h2>The feeder at its worst hour</h2>")[2].partition("<h2>")[0]
    assert f"{fullest['bus']} {100 * fullest['loading']:.0f} %" in section
    for names in mine["customers"]:
        assert (names or "nobody") in section


@pytest.mark.slow
def test_chosen_customers_are_shown_and_the_rule_is_said(made: tuple[Any, Tables, str]) -> None:
    found, tables, page = made
    assert "Chosen by rule: of all customers and episodes in the order of what each pays more than under flat" in page
    chosen = render_comparison(found, tables, command="", shown=["prosumer_1", "ev_0"])
    bills = chosen.partition("<h2>Bills by line</h2>")[2].partition("<h2>")[0]
    assert "The customers that were asked for, prosumer_1 and ev_0, in episode 0." in bills
    named = re.findall(r"<th scope='row'>(\w+) \(", bills)
    assert named == ["prosumer_1", "prosumer_1", "ev_0", "ev_0"]


@pytest.mark.slow
def test_seasons_without_days_and_with_few_are_said(made: tuple[Any, Tables, str]) -> None:
    _, tables, page = made
    section = page.partition("<h2>The average day by season</h2>")[2].partition("<h2>")[0]
    words = {"Dec-Feb": "December to February", "Mar-May": "March to May", "Jun-Aug": "June to August",
             "Sep-Nov": "September to November"}  # fmt: skip
    played = set(tables.average_day["season"])
    few, none = (section.partition(said)[2].partition(".")[0] for said in ("Too few days to tell", "No day of"))
    for season, name in words.items():
        assert (name in few) == (season in played)
        assert (name in none) == (season not in played)
