"""What ships trained: it belongs to its scenario, came by its recipe, is small; rebuilding goes on where it ended."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gridbazaar.agents.learned.network import SHAPES
from gridbazaar.agents.policies import learned
from gridbazaar.agents.policies.trained import CONFIG, MODEL, WEIGHTS
from gridbazaar.data.inputs import read_arrays
from gridbazaar.data.tables import read_table
from gridbazaar.envs.scenarios import list_scenarios, load_scenario, scenario_of
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.files import to_json
from gridbazaar.experiments.fingerprint import settings_sha256
from gridbazaar.experiments.training.learners import learner
from gridbazaar.experiments.training.release import Recipe, misfit, read_recipes, release_policies, ship, ships_for
from tests.experiments.cli.runner import invoke

MOST_BYTES = 1_500_000
TINY = {"overrides": {"step_min": 60, "hours": 6.0}, "n_envs": 2, "validate_seeds": 0, "checkpoint_updates": 2}


def test_something_ships_for_every_scenario() -> None:
    assert set(learned.list_learned()) == set(read_recipes()) == set(list_scenarios())


@pytest.mark.parametrize("name", learned.list_learned())
def test_what_ships_belongs_to_its_scenario(name: str) -> None:
    assert misfit(name) is None
    assert ships_for(load_scenario(name))
    held = json.loads((learned.FOLDER / name / CONFIG).read_text())
    assert held["shipped"]["scenario_sha256"] == settings_sha256(scenario_of(held["scenario"]))
    assert held["shipped"]["seeds"] == [held["train"]["seed"]]
    assert held["shipped"]["steps"] == read_arrays(learned.FOLDER / name / MODEL)[0]["steps"]


@pytest.mark.parametrize("name", learned.list_learned())
def test_what_ships_came_by_its_recipe(name: str) -> None:
    pytest.importorskip("torch")
    recipe = read_recipes()[name]
    table, _ = learner(recipe.algo)
    config = read_table(table, {"scenario": name, "algo": recipe.algo, **recipe.fields}, name)
    held = json.loads((learned.FOLDER / name / CONFIG).read_text())
    trained = read_table(table, held["train"], name)  # fields that are new since count as usual
    assert json.loads(to_json(trained)) == json.loads(to_json(config))


def test_what_ships_is_small_and_holds_arrays_of_32_bits() -> None:
    files = [path for path in learned.FOLDER.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {CONFIG, MODEL}
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    for path in (path for path in files if path.name == MODEL):
        assert {x.dtype for x in read_arrays(path)[1].values()} == {np.dtype("float32")}


def of_other_settings(folder: Path) -> Path:
    """What ships for the street, as if it had been trained with another tariff."""
    made = folder / "street"
    made.mkdir()
    for name in (CONFIG, MODEL):
        (made / name).write_bytes((learned.FOLDER / "street" / name).read_bytes())
    held = json.loads((made / CONFIG).read_text())
    held["scenario"]["tariff"] = "flat"
    (made / CONFIG).write_text(json.dumps(held))
    return folder


def test_what_was_trained_in_other_settings_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "FOLDER", of_other_settings(tmp_path))
    why = misfit("street")
    assert why is not None
    assert "gridbazaar release policies --only street" in why
    assert not ships_for(load_scenario("street"))


def test_what_learned_in_another_scenario_belongs_to_the_one_that_it_plays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ageing").mkdir()
    for name in (CONFIG, MODEL):
        (tmp_path / "ageing" / name).write_bytes((learned.FOLDER / "ageing" / name).read_bytes())
    monkeypatch.setattr(learned, "FOLDER", tmp_path)
    held = json.loads((tmp_path / "ageing" / CONFIG).read_text())
    assert held["train"]["scenario"] == "village"
    assert misfit("ageing") is None
    assert held["shipped"]["plays_sha256"] == settings_sha256(load_scenario("ageing"))
    held["shipped"]["plays_sha256"] = "0" * 64
    (tmp_path / "ageing" / CONFIG).write_text(json.dumps(held))
    assert "trained in settings 000000000000" in (misfit("ageing") or "")


def recipe(updates: int = 4) -> dict[str, Recipe]:
    return {"street": Recipe("street", "gradient", 0.1, {**TINY, "updates": updates})}


def test_an_interrupted_release_goes_on_and_a_complete_run_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from gridbazaar.experiments.training.gradient import run as runs

    through = release_policies(tmp_path / "a", tmp_path / "out_a", recipes=recipe())[0]
    right, done = runs._Run._update, [0]

    def fails(self: runs._Run) -> float:
        done[0] += 1
        if done[0] == 4:
            raise KeyboardInterrupt
        return right(self)

    monkeypatch.setattr(runs._Run, "_update", fails)
    with pytest.raises(KeyboardInterrupt):
        release_policies(tmp_path / "b", tmp_path / "out_b", recipes=recipe())
    assert not (tmp_path / "out_b").exists()
    again = release_policies(tmp_path / "b", tmp_path / "out_b", recipes=recipe())[0]
    assert done[0] > 4
    assert (again / MODEL).read_bytes() == (through / MODEL).read_bytes()
    before = done[0]
    release_policies(tmp_path / "b", tmp_path / "out_c", recipes=recipe())
    assert done[0] == before
    with pytest.raises(ValueError, match="a run of another recipe"):
        release_policies(tmp_path / "b", tmp_path / "out_d", recipes=recipe(updates=5))
    assert {name.removeprefix(WEIGHTS) for name in read_arrays(again / MODEL)[1]} == set(SHAPES)


def test_what_learned_from_data_of_others_does_not_ship(tmp_path: Path) -> None:
    held = json.loads((learned.FOLDER / "street" / CONFIG).read_text())
    held["scenario"]["data"]["path"] = "mine.csv"
    (tmp_path / CONFIG).write_text(json.dumps(held))
    with pytest.raises(ValueError, match=r"trained on mine\.csv; expected generated data"):
        ship(tmp_path, tmp_path / "out")


def test_recipes_and_names_that_are_wrong_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipes.toml"
    path.write_text('[street]\nalgo = "magic"\nminutes = 1.0\n')
    with pytest.raises(ValueError, match="street: expected algo"):
        read_recipes(path)
    found = invoke(main, ["release", "policies", "--only", "nowhere", "--runs", str(tmp_path), "--out", str(tmp_path)])
    assert found.exit_code == 2
    assert f"only: expected some of {', '.join(read_recipes())}, got nowhere" in found.stderr
    assert replace(read_recipes()["street"], minutes=1.0).algo == "gradient"
