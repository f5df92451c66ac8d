"""Runs of the table: what ships is the first, what lacks is trained, what is complete or was played is taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import learned
from gridbazaar.agents.policies.trained import MODEL
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.shipped import played, runs, table
from gridbazaar.experiments.shipped.asked import Asked, read_asked
from gridbazaar.experiments.training.release import Recipe, Report, read_recipes
from tests.experiments.cli.runner import invoke

RECIPE = read_recipes()["street"]


class Trainer:
    """Notes who is trained; a run is what ships, and the second run of all is interrupted."""

    def __init__(self) -> None:
        self.seeds: list[int] = []

    def train(self, recipe: Recipe, folder: Path, report: Report | None = None) -> Path:
        if not (folder / MODEL).is_file():
            seed = recipe.fields["seed"]
            self.seeds.append(seed)
            folder.mkdir(parents=True, exist_ok=True)
            if len(self.seeds) == 2:
                raise KeyboardInterrupt
            (folder / MODEL).write_bytes((learned.FOLDER / recipe.scenario / MODEL).read_bytes())
        return folder


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    pytest.importorskip("torch")
    made = Trainer()
    monkeypatch.setattr(runs, "trained_run", made.train)
    return made


def test_what_lacks_is_trained_and_an_interruption_costs_no_run_that_is_complete(
    trainer: Trainer, tmp_path: Path
) -> None:
    told: list[int] = []
    place = tmp_path / "street"

    def begin(recipe: Recipe, seed: int) -> None:
        told.append(seed)

    with pytest.raises(KeyboardInterrupt):
        runs.runs_for(RECIPE, 4, place, begin=begin)
    assert trainer.seeds == [1, 2]
    assert runs.minutes_left({"street": RECIPE}, {"street": 4}, tmp_path) == 2 * RECIPE.minutes
    found = runs.runs_for(RECIPE, 4, place, begin=begin)
    assert trainer.seeds == [1, 2, 2, 3]
    assert told == [1, 2, 2, 3]
    assert found == {0: learned.folder_of("street"), **{s: place / f"seed_{s}" / MODEL for s in (1, 2, 3)}}
    assert list(runs.runs_for(RECIPE, 3, place)) == [0, 1, 2]
    assert len(trainer.seeds) == 4


def test_what_ships_is_the_first_run_whatever_its_seed() -> None:
    other = replace(RECIPE, fields={**RECIPE.fields, "seed": 2})
    assert runs.seeds_of(RECIPE, 3) == [0, 1, 2]
    assert runs.seeds_of(other, 3) == [2, 0, 1]
    assert runs.seeds_of(other, 1) == [2]


def test_what_ships_has_to_have_come_by_the_recipe(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    for name, recipe in read_recipes().items():
        assert recipe.scenario == name
        runs.refuse_other_recipe(recipe)
    with pytest.raises(ValueError, match=r"street: what ships came by another recipe; gridbazaar release policies"):
        runs.runs_for(replace(RECIPE, fields={**RECIPE.fields, "updates": 7}), 2, tmp_path)
    with pytest.raises(ValueError, match=r"nowhere: has a recipe, and nothing ships for it"):
        runs.refuse_other_recipe(replace(RECIPE, scenario="nowhere"))
    assert list(tmp_path.iterdir()) == []


class Found:
    """What an evaluation found: every policy costs its place in the list."""

    no_bound = "it does not cover this"
    replays = None
    parts = ("ev",)
    bound_cur = np.array([1.0, 2.0])

    def __init__(self, labels: Any) -> None:
        self.results = [_Result(label, i) for i, label in enumerate(["idle", *labels])]


class _Result:
    def __init__(self, policy: str, cost: int) -> None:
        self.policy, self.scored_cur = policy, np.full(2, float(cost))
        self.kind_savings_cur = {"ev": np.full(2, -float(cost))}


def asked(**changed: Any) -> Mapping[str, Asked]:
    return {"street": replace(Asked(rules=("time_of_use",), first=20, episodes=2, runs=2), **changed)}


def test_what_was_played_is_not_played_again_unless_it_would_come_otherwise(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[list[str], bool, list[int]]] = []

    def evaluate(scenario: Any, policies: Any, *, seeds: Any, bound: bool, **others: Any) -> Found:
        calls.append((list(policies), bound, list(seeds)))
        return Found(policies)

    monkeypatch.setattr(played, "evaluate", evaluate)

    def come(recipes: Mapping[str, Recipe], **changed: Any) -> Any:
        return next(table.table_of(tmp_path, asked=asked(**changed), recipes=recipes))

    found = come({"street": RECIPE})
    both = ["learned/seed_0", "learned/seed_1"]
    assert calls == [(["time_of_use"], False, [20, 21]), (["mpc"], False, [20, 21]), (both, True, [20, 21])]
    assert found.runs == tuple(both)
    assert found.cost_cur == {
        "idle": [0, 0], "time_of_use": [1, 1], "mpc": [1, 1], "learned/seed_0": [1, 1], "learned/seed_1": [2, 2]
    }  # fmt: skip
    assert found.saved_cur["learned/seed_1"] == {"ev": -2.0}
    assert (found.no_program, found.bound_cur, found.replay_cur) == ("it does not cover this", None, None)
    assert come({"street": RECIPE}) == found
    assert len(calls) == 3
    alone = come({}, skipped={"mpc": "slow", "optimum": "slow"})
    assert (alone.runs, alone.cost_cur, len(calls)) == ((), {"idle": [0, 0], "time_of_use": [1, 1]}, 3)
    weights = tmp_path / "street" / "seed_1" / MODEL
    weights.write_bytes((learned.FOLDER / "village" / MODEL).read_bytes())
    come({"street": RECIPE})
    assert calls[3:] == [(both, True, [20, 21])]
    come({"street": RECIPE}, episodes=1)
    assert [seeds for _, _, seeds in calls[4:]] == [[20], [20], [20]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[street]\nfirst = 0\nepisodes = 2\n", "rules: expected at least one"),
        ('rules = ["optimum"]\n[street]\nfirst = 0\nepisodes = 2\n', "expected rules that are listed, got 'optimum'"),
        ('rules = ["learned"]\n[street]\nfirst = 0\nepisodes = 2\n', "expected rules that are listed, got 'learned'"),
        ('rules = ["time_of_use", "time_of_use"]\n[street]\nfirst = 0\nepisodes = 2\n', "named twice"),
        ('rules = ["time_of_use"]\n[street]\nepisodes = 2\n', r"street\.first: expected .*, got nothing"),
        ('rules = ["time_of_use"]\n[street]\nfirst = 0\nepisodes = 0\n', "episodes: expected"),
        ('rules = ["time_of_use"]\n[street]\nfirst = 0\nepisodes = 2\nskipped.idle = "x"\n', "some of mpc, optimum"),
        ('rules = ["time_of_use"]\n[nowhere]\nfirst = 0\nepisodes = 2\n', "nowhere: expected one of"),
    ],
)
def test_a_file_that_asks_for_what_there_is_not_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "table.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=said) as refused:
        read_asked(path)
    assert str(path) in str(refused.value)


def test_the_command_refuses_scenarios_and_pages_that_there_are_not(tmp_path: Path) -> None:
    found = invoke(main, ["release", "table", "--only", "nowhere", "--runs", tmp_path])
    assert found.exit_code == 2
    assert "only: expected some of street, village" in found.stderr
    found = invoke(main, ["release", "table", "--only", "street", "--runs", tmp_path, "--write", tmp_path])
    assert found.exit_code != 0
    assert "learning.md: expected the page" in found.stderr
    assert list(tmp_path.iterdir()) == []
