"""What the code says of itself: a scenario reads back the same, units and meanings are those of the fields."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.experiments.describe import entries, scenario_toml, unit_of


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
