"""The generated pages of the documentation say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridbazaar.agents.kinds import kinds
from gridbazaar.envs.observe import feature_columns
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.experiments.docs.pages import entries, generated, scenario_toml, unit_of

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.parametrize("name", generated())
def test_a_generated_page_is_up_to_date(name: str) -> None:
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == generated()[name], "run python -m gridbazaar.experiments.docs.pages"


def test_the_pages_name_every_column_and_every_field() -> None:
    pages = generated()
    for column in feature_columns(load_scenario("village")):
        assert f"| `{column.name}` |" in pages["spaces.md"], column.name
    for name, kind in kinds().items():
        section = pages["scenarios.md"].partition(f"## Table `[{name}]`")[2].partition("\n## ")[0]
        for entry in entries(kind.Config):
            assert f"| `{entry.name}` |" in section, (name, entry.name)


def test_columns_are_numbered_as_in_the_array() -> None:
    page = generated()["spaces.md"].partition("## Observation")[2].partition("## Observation of some kinds")[0]
    rows = [line.split(" | ")[:2] for line in page.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert rows == [[f"| {i}", f"`{c.name}`"] for i, c in enumerate(feature_columns(load_scenario("village")))]


@pytest.mark.parametrize("name", list_scenarios())
def test_a_scenario_written_as_toml_reads_back_the_same(name: str, tmp_path: Path) -> None:
    scenario = load_scenario(name, seed=7, reward={"whose": "mix"})
    path = tmp_path / f"{name}.toml"
    path.write_text(scenario_toml(scenario), encoding="utf-8")
    assert load_scenario(str(path)) == scenario


def test_units_are_read_off_names() -> None:
    read = {name: unit_of(name) for name in ("charge_kw", "capacity_kwh", "loss_per_h", "start_frac", "count")}
    assert read == {
        "charge_kw": "kW", "capacity_kwh": "kWh", "loss_per_h": "1/h", "start_frac": "share", "count": "",
    }  # fmt: skip
    assert unit_of("scarcity_cur_per_kwh") == "currency/kWh"


def test_what_a_comment_says_is_the_meaning() -> None:
    notes = {e.name: e.note for e in entries(Scenario)}
    assert notes["seed"] == "of the banks and of all episodes"
