"""The generated pages of the documentation say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridbazaar.agents.kinds import kinds
from gridbazaar.envs.observe import feature_columns
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.describe import entries
from gridbazaar.experiments.docs.pages import generated
from gridbazaar.market.designs import list_designs, load_design

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.slow
def test_every_generated_page_is_up_to_date() -> None:
    made = generated()
    assert {"spaces.md", "scenarios.md", "architecture.svg"} <= set(made)
    old = [name for name, text in made.items() if (DOCS / name).read_text(encoding="utf-8") != text]
    assert not old, "run python -m gridbazaar.experiments.docs"


@pytest.mark.slow
def test_the_pages_name_every_column_and_every_field() -> None:
    pages = generated()
    for column in feature_columns(load_scenario("village")):
        assert f"| `{column.name}` |" in pages["spaces.md"], column.name
    for name, kind in kinds().items():
        section = pages["scenarios.md"].partition(f"## Table `[{name}]`")[2].partition("\n## ")[0]
        for entry in entries(kind.Config):
            assert f"| `{entry.name}` |" in section, (name, entry.name)


@pytest.mark.slow
def test_columns_are_numbered_as_in_the_array() -> None:
    page = generated()["spaces.md"].partition("## Observation")[2].partition("## Observation of some kinds")[0]
    rows = [line.split(" | ")[:2] for line in page.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert rows == [[f"| {i}", f"`{c.name}`"] for i, c in enumerate(feature_columns(load_scenario("village")))]


@pytest.mark.slow
def test_every_design_has_a_sheet_with_its_source_and_all_its_charges() -> None:
    page = generated()["tariffs.md"]
    for name in list_designs():
        design = load_design(name)
        sheet = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert design.source.replace("|", "\\|") in sheet
        charges = sheet.partition("| line | to | on |")[2].partition("\n\n")[0]
        assert charges.count("\n") == 1 + len(design.charges)
        assert f"(#{name})" in page, "the list of all leads to it"
        if any(charge.spot_factor for charge in design.charges):
            assert "at a spot price of 0.1" in sheet
