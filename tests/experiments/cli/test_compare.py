"""The command that compares: what it prints and writes, what it refuses first, its code where money is lost."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.comparison import write
from gridbazaar.experiments.comparison.frozen import frozen_checks
from tests.experiments.cli.runner import invoke

SMALL = (
    "--seeds", "1", "--set", "step_min=60", "--set", "hours=4", "--set", "data.n_homes=8", "--set", "data.n_days=80",
    "--set", "data.n_cars=4", "--set", "data.n_roofs=4",
)  # fmt: skip
FLAT = ("compare", "street", "--tariffs", "flat", "--policies", "idle", *SMALL)


def compared(*words: object) -> Any:
    return invoke(main, [*FLAT, *words])


@pytest.mark.slow
def test_the_page_is_written_beside_the_tables(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = compared("--out", tmp_path / "out", "--report", page)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.rstrip().replace("\n", "").endswith(str(page))
    assert "<script" not in page.read_text(encoding="utf-8")


def test_tables_are_written_and_the_estimate_comes_first(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = compared("--out", out, "--mechanisms", "uniform_price,none")
    assert done.exit_code == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert first.startswith("2 cells on 1 test episodes, about ")
    assert "losses change by 0, and every amount that members save is found with another party" in done.stdout
    names = {path.name for path in out.iterdir()}
    assert {"compare.json", "compare.csv", "accounts.csv", "rows.csv", "cells.csv", "groups.csv", "frozen.csv"} <= names
    rows = list(csv.DictReader((out / "compare.csv").open()))
    assert {row["mechanism"] for row in rows} == {"uniform_price", "none"}
    cells = json.loads((out / "compare.json").read_text())["cells"]
    assert len(cells) == len(list(csv.DictReader((out / "cells.csv").open())))


def test_what_does_not_add_up_ends_with_an_error_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = frozen_checks
    monkeypatch.setattr(write, "frozen_checks", lambda *a: [replace(check, missing_ucur=1) for check in right(*a)])
    done = compared("--out", tmp_path / "out")
    assert done.exit_code == 3
    assert "frozen dispatch: BROKEN" in done.stdout
    assert "money or losses do not add up" in done.stderr


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--mechanisms", "nothing"), "mechanism: expected one of"),
        (("--mechanisms", "none", "--set", "mechanism=vcg"), "mechanism: it is what is compared"),
        (("--today", "tou"), "today: expected one of the tariffs, flat; got 'tou'"),
        (("--allowed-revenue", "-1"), "allowed-revenue: expected an amount above 0"),
        (("--allowed-revenue", "3", "--no-equal-revenue"), "leave out --no-equal-revenue"),
        (("--customers", "nowhere.csv"), "nowhere.csv"),
        (("--automated", "0,half"), "--automated: expected shares from 0 to 1, such as 0,0.5,1; got 'half'"),
        (("--automated", "1.5"), "automated: expected shares of the customers from 0 to 1, got 1.5"),
        (("--rate", "USD"), "--rate: expected a currency and an amount, such as USD=0.92; got 'USD'"),
        (("--rate", "USD=1", "--rate", "USD=2"), "--rate: expected each currency once, got USD twice"),
        (("--rate", "USD=0.9"), "rate: no tariff or design is in USD; leave its rate out"),
        (("--rate", "EUR=0.9"), "rate: amounts are in EUR, one of which is one"),
        (("--rate", "usd=0.9"), "rate: expected three letters such as USD, got 'usd'"),
        (("--rate", "USD=-1"), "rate: expected how many EUR one USD is, above 0; got -1"),
        (("--engine", "ray"), "--engine: it is of --workers"),
        (("--bills-of", "prosumer_0"), "--bills-of: it chooses what the page shows; give --report FILE.html too"),
        (("--report", "x.html", "--bills-of", "ev_0,nobody"), "--bills-of: expected some of prosumer_0, "),
    ],
)
def test_what_cannot_be_compared_is_refused_first(more: tuple[str, ...], why: str, tmp_path: Path) -> None:
    done = compared("--out", tmp_path / "out", *more)
    assert done.exit_code == 2, done.stdout
    assert why in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_page_that_stands_there_is_not_replaced_unasked(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine", encoding="utf-8")
    done = compared("--out", tmp_path / "out", "--report", page)
    assert done.exit_code == 2
    assert page.read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "out").exists()
