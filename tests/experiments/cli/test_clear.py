"""Clearing a book of orders from the command line."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from gridbazaar.market.clear.result import Result
from tests.experiments.cli.calling import call, refused


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.csv"
    path.write_text("side,kwh,price,bidder\nbuy,1.0,0.30,ann\nsell,2.0,0.10,bob\n")
    return path


def test_a_book_is_cleared(book: Path) -> None:
    text = call("clear", "uniform_price", book).stdout
    assert "1 kWh" in text
    assert "ann" in text
    result = json.loads(call("clear", "uniform_price", book, "--json").stdout)
    assert result["quantity"] == 1.0
    assert result["price"] == pytest.approx(0.1)  # the seller is filled in part and sets it
    assert result["sell_fills"] == [1.0]


def test_an_option_of_the_mechanism_moves_the_price(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_text("side,kwh,price\nbuy,1,0.30\nsell,1,0.10\n")
    prices = [
        json.loads(call("clear", "uniform_price", path, "--set", f"k={k}", "--json").stdout)["price"] for k in (0, 1)
    ]
    assert prices == pytest.approx([0.1, 0.3])


def test_a_book_is_cleared_beside_a_retailer(book: Path) -> None:
    prices = ("--import-price", 0.3, "--export-price", 0.1)
    text = call("clear", "mid_market_rate", book, *prices).stdout
    assert "by the retailer" in text
    result = json.loads(call("clear", "mid_market_rate", book, *prices, "--json").stdout)
    assert result["sell_fills"] == [2.0]
    assert result["sell_outside"] == [1.0]
    assert result["sell_prices"] == [0.15]
    assert set(result) == {field.name for field in fields(Result)}
    assert "import_price" in refused("clear", "mid_market_rate", book)


def test_terms_of_a_book_reach_the_clearing(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_text("side,kwh,price,bidder\nbuy,1,0.30,ann\nsell,1,0.15,ann\n")
    assert json.loads(call("clear", "uniform_price", path, "--json").stdout)["netted"] == 1.0
    allowed = call("clear", "uniform_price", path, "--self-trade", "allow", "--tick", 0.05, "--json").stdout
    assert json.loads(allowed)["price"] == 0.2
    assert "buys[0]" in refused("clear", "uniform_price", path, "--price-cap", 0.2)
    assert "sells[0]" in refused("clear", "uniform_price", path, "--price-floor", 0.2)
    path.write_text("side,kwh,price,arrival\nbuy,1,0.30,1\n")
    assert "arrival" in refused("clear", "uniform_price", path)


def test_a_book_without_energy_has_no_price(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_text("side,kwh,price\n")
    assert "none per kWh" in call("clear", "uniform_price", path).stdout
    assert json.loads(call("clear", "uniform_price", path, "--json").stdout)["price"] is None


def test_faults_of_a_book_are_said(book: Path, tmp_path: Path) -> None:
    assert "nowhere.csv" in refused("clear", "uniform_price", tmp_path / "nowhere.csv")
    assert "expected one of: k" in refused("clear", "uniform_price", book, "--set", "z=1")
    assert "uniform_price" in refused("clear", "lottery", book)
    (tmp_path / "bad.csv").write_text("side,kwh,price\nbuy,1,dear\nhold,1,1\n")
    message = call("clear", "uniform_price", tmp_path / "bad.csv", code=2).stderr
    assert "line 2" in message
    assert "line 3" in message
