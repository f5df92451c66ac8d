"""The page on mechanisms: complete, and what it says is what was measured."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from gridbazaar.experiments.docs.cards import filled, read_figures, with_others, write_page
from gridbazaar.experiments.measure.mechanisms import SIDES, measure, measured
from gridbazaar.market.mechanisms import list_mechanisms, mechanism_stage

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "mechanisms.md").read_text(encoding="utf-8")


def test_every_mechanism_has_a_paragraph_and_a_card() -> None:
    titles = re.findall(r"^### `(\w+)`\n\n[A-Z].{80,}", PAGE, flags=re.MULTILINE)
    assert sorted(titles) == list_mechanisms()
    assert sorted(re.findall(r"<!-- card (\w+) -->", PAGE)) == list_mechanisms()


def test_the_page_says_what_was_measured() -> None:
    assert filled(PAGE, read_figures(DOCS / "mechanisms.json")) == PAGE, (
        "run gridbazaar measure mechanisms --write docs"
    )


def test_the_figures_cover_every_mechanism_at_every_size() -> None:
    kept = read_figures(DOCS / "mechanisms.json")
    assert (kept.n_books, kept.n_probes, kept.seed) == (1000, 300, 0)
    for name in list_mechanisms():
        found = kept.community if mechanism_stage(name) == "ex_post" else kept.of(name)
        assert [c.n_side for c in found if c.mechanism == name] == list(SIDES), name


@pytest.mark.parametrize("name", list_mechanisms())
def test_the_figures_of_the_smallest_market_come_out_again(name: str) -> None:
    kept = read_figures(DOCS / "mechanisms.json")
    cards, community = measure([name], sides=[4], n_books=kept.n_books, n_probes=kept.n_probes, seed=kept.seed)
    assert [c for c in cards if c not in kept.cards] == []
    assert [c for c in community if c not in kept.community] == []


def test_a_rule_that_is_measured_alone_joins_the_others() -> None:
    kept = read_figures(DOCS / "mechanisms.json")
    without = replace(
        kept,
        cards=tuple(c for c in kept.cards if c.mechanism != "mcafee"),
        community=tuple(c for c in kept.community if c.mechanism != "bill_sharing"),
    )
    alone = replace(
        kept,
        cards=tuple(c for c in kept.cards if c.mechanism == "mcafee"),
        community=tuple(c for c in kept.community if c.mechanism == "bill_sharing"),
    )
    assert with_others(alone, without) == kept
    again = tuple(replace(c, welfare_share=0.5) for c in alone.cards)
    assert [c.welfare_share for c in with_others(replace(alone, cards=again), kept).of("mcafee")] == [0.5] * len(SIDES)
    with pytest.raises(ValueError, match=r"measured with n_books 1000, n_probes 300, seed 0; .* n_books 9, n_probes"):
        with_others(replace(alone, n_books=9), kept)
    with pytest.raises(ValueError, match=r"sides of 4, 8, 16, 64; .* 4, 8, 16$"):
        with_others(replace(alone, cards=alone.cards[:3], community=()), kept)


@pytest.mark.slow
def test_a_page_is_written_with_its_pictures(tmp_path: Path) -> None:
    (tmp_path / "mechanisms.md").write_text("# Rules\n\n<!-- cards -->\nold\n<!-- end -->\n", encoding="utf-8")
    found = measured(None, [2, 3], n_books=4, n_probes=2, seed=1)
    written = write_page(found, tmp_path)
    assert {path.name for path in written} == {
        "mechanisms.md", "mechanisms.json", "mechanisms.png", "mechanism_cards.png",
    }  # fmt: skip
    text = (tmp_path / "mechanisms.md").read_text(encoding="utf-8")
    assert "old" not in text
    assert "| `mcafee` |" in text
    assert read_figures(tmp_path / "mechanisms.json") == found


def test_an_unknown_mark_and_a_missing_page_are_refused(tmp_path: Path) -> None:
    found = measured(["mcafee"], [2], n_books=2, n_probes=1, seed=0)
    with pytest.raises(ValueError, match="mark 'table': expected card NAME"):
        filled("<!-- table -->\n<!-- end -->", found)
    with pytest.raises(FileNotFoundError, match=r"mechanisms\.md: expected the page"):
        write_page(found, tmp_path)
