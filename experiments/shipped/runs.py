"""Runs: several trainings by the recipe of a scenario; the first ships, what lacks of the others is trained."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gridbazaar.agents.policies.learned import folder_of, list_learned
from gridbazaar.agents.policies.trained import MODEL, read_manifest
from gridbazaar.data.tables import read_table
from gridbazaar.experiments.files import to_json
from gridbazaar.experiments.runs import run_of
from gridbazaar.experiments.training.learners import learner
from gridbazaar.experiments.training.release import (
    Recipe,
    Report,
    config_of,
    misfit,
    played_of,
    trained_run,
)
from gridbazaar.experiments.workers import Workers, each

Begin = Callable[[Recipe, int], Report | None]
"""Called with the recipe and the seed of a training; gives its ``report``."""


def seeds_of(recipe: Recipe, n: int) -> list[int]:
    """Give the seeds of ``n`` trainings, that of what ships first."""
    ships = _seed(recipe)
    return [ships, *(seed for seed in range(n) if seed != ships)][:n]


def runs_for(
    recipe: Recipe, n: int, folder: Path, *, workers: Workers | None = None, begin: Begin | None = None
) -> dict[int, Path]:
    """Train what lacks of the runs of a recipe, or go on with what was interrupted.

    Args:
        recipe: how.
        n: how many runs, what ships among them.
        folder: of the others, ``seed_1`` and so on; a run that is complete there is taken as it is.
        workers: who trains, a run each; none: this process.
        begin: called before each training, without workers.

    Returns:
        What each seed plays: the folder of what ships, and the weights of the others that scored best on validation.

    Raises:
        ValueError: what ships came by another recipe, or a run in the folder did.
    """
    refuse_other_recipe(recipe)
    ships, *others = seeds_of(recipe, n)
    parts = [_Part(replace(recipe, fields={**recipe.fields, "seed": s}), run_of(folder, s)) for s in others]
    here = workers is None
    found = [_train(part, _report(part, begin)) for part in parts] if here else each(_train, parts, workers)
    plays = dict(zip(others, map(played_of, found), strict=True))
    return {ships: folder_of(recipe.scenario), **plays}


def refuse_other_recipe(recipe: Recipe) -> None:
    """Refuse what ships for a scenario unless it came by its recipe, in the settings of today.

    Raises:
        ValueError: says what to do.
    """
    name = recipe.scenario
    again = f"gridbazaar release policies --only {name}"
    if name not in list_learned():
        raise ValueError(f"{name}: has a recipe, and nothing ships for it; {again}")
    if (why := misfit(name)) is not None:
        raise ValueError(why)
    held, (table, _) = read_manifest(folder_of(name)), learner(recipe.algo)
    shipped = held["shipped"]
    came = read_table(table, held["train"], name)  # fields that are new since count as usual
    if json.loads(to_json(came)) != json.loads(to_json(config_of(recipe))):
        raise ValueError(f"{name}: what ships came by another recipe; {again}")
    if shipped["command"] != again or shipped["seeds"] != [_seed(recipe)]:
        raise ValueError(f"{name}: what ships came by {shipped['command']} with the seeds {shipped['seeds']}; {again}")


def _seed(recipe: Recipe) -> int:
    return int(recipe.fields.get("seed", 0))


@dataclass(frozen=True, slots=True)
class _Part:
    recipe: Recipe
    folder: Path


def _train(part: _Part, report: Report | None = None) -> Path:
    return trained_run(part.recipe, part.folder, report)


def _report(part: _Part, begin: Begin | None) -> Report | None:
    """Say that a run begins, unless it is complete."""
    if begin is None or (part.folder / MODEL).is_file():
        return None
    return begin(part.recipe, _seed(part.recipe))


def minutes_left(recipes: Mapping[str, Recipe], runs: Mapping[str, int], folder: Path) -> float:
    """Estimate how long the runs that lack take on one core.

    Args:
        recipes: by scenario.
        runs: how many of each, by scenario.
        folder: with a folder of runs for each scenario.
    """
    return sum(
        recipes[name].minutes
        for name, n in runs.items()
        for seed in seeds_of(recipes[name], n)[1:]
        if not (run_of(folder / name, seed) / MODEL).is_file()
    )
