"""The form of entries: every kind has exactly its fields, and a field that is wrong is named with its value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbazaar.market.ledger.books.entries import KINDS, Refused, fault
from gridbazaar.market.ledger.books.replay import Books
from gridbazaar.market.ledger.log.canonical import Entry
from tests.market.ledger import market

TRADE = market.trade(1, "ann", "bob", 1000)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("energy_ukwh", -5),
        ("energy_ukwh", 0),
        ("price_ucur_per_kwh", float("nan")),
        ("price_ucur_per_kwh", float("inf")),
        ("energy_ukwh", 1.5),
        ("energy_ukwh", True),
        ("energy_ukwh", "10"),
        ("energy_ukwh", 2**63),
        ("energy_ukwh", 2**53),
        ("pay_ucur", -(2**53)),
        ("seller", "escrow/ann"),
        ("seller", ""),
        ("status", "perhaps"),
        ("txid", ""),
        ("txid", "a\nb"),
        ("interval", -1),
        ("meter", None),
    ],
)
def test_a_wrong_value_is_named_with_its_field(field: str, value: Any) -> None:
    wrong = fault(TRADE | {field: value})
    assert wrong is not None
    assert wrong.startswith(f"{field} is {value!r}")


def test_a_missing_field_is_named() -> None:
    entry = {name: value for name, value in TRADE.items() if name != "buyer"}
    assert str(fault(entry)).startswith("buyer is missing")


def test_an_unknown_field_is_named() -> None:
    assert str(fault(TRADE | {"tip": 1})).startswith("'tip' is unknown")


@pytest.mark.parametrize("kind", ["gift", None, 3, [], "Trade"])
def test_an_unknown_kind_is_named(kind: Any) -> None:
    assert str(fault(TRADE | {"kind": kind})).startswith(f"kind is {kind!r}")


@pytest.mark.parametrize("value", [None, [], "trade", 7])
def test_what_is_no_object_is_no_entry(value: Any) -> None:
    assert str(fault(value)).startswith("entry is ")


def test_the_entries_of_these_tests_have_no_fault() -> None:
    entries = [*market.opening(), TRADE, market.gate(1), market.reading(1, "ann", -5, 7), market.mint(1, "ann", 7)]
    assert [fault(entry) for entry in entries] == [None] * len(entries)


def test_a_huge_integer_is_said_in_bits() -> None:
    assert "of 100001 bits" in str(fault(TRADE | {"energy_ukwh": 2**100_000}))


def test_the_page_on_entries_names_every_kind_with_its_fields() -> None:
    page = (Path(__file__).resolve().parents[4] / "docs" / "ledger_entries.md").read_text(encoding="utf-8")
    rows = {
        cells[1].strip(" `"): re.findall(r"`(\w+)`", cells[2])
        for cells in (line.split("|") for line in page.splitlines())
        if len(cells) == 5
    }
    assert {kind: rows.get(kind) for kind in KINDS} == {kind: list(fields) for kind, fields in KINDS.items()}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def hostile(draw: st.DrawFn) -> Entry:
    """An entry of a known kind whose fields hold anything."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    return {"kind": kind, "txid": draw(st.text(max_size=4))} | {name: draw(json_values) for name in KINDS[kind]}


@given(hostile())
def test_hostile_fields_are_refused_without_a_traceback(entry: Entry) -> None:
    made = Books()
    before = dict(made.balances)
    with pytest.raises(Refused):
        made.apply(0, entry)
    assert made.balances == before
