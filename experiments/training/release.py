"""Release: the trained policies that come with the package, rebuilt by one command and held to their scenarios.

``recipes.toml`` says how each is trained, on generated data alone. What ships of a run is what plays: weights without
pickle, and its configuration with the hash of the scenario's settings. Where a scenario changes, the hash does, and the
policy has to be trained anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gridbazaar.agents.policies.learned import FOLDER, folder_of, list_learned
from gridbazaar.agents.policies.trained import BEST, CONFIG, MODEL, WEIGHTS, read_manifest, read_weights
from gridbazaar.data.inputs import META, packed_meta, read_arrays, read_toml
from gridbazaar.data.tables import read_table
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario, scenario_of
from gridbazaar.experiments.files import replacing, write_json
from gridbazaar.experiments.fingerprint import settings_sha256
from gridbazaar.experiments.training.folder import algo_of, read_as, read_curve
from gridbazaar.experiments.training.learners import LEARNERS, learner

RECIPES = Path(__file__).with_name("recipes.toml")
_UNTIMED = ("platform", "machine")
_NOT_PLAYED = ("mlp_extractor.value_net.", "value_net.", "log_std")
"""Weights of PPO that only learning needs."""

Report = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the policy of a scenario is trained."""

    scenario: str
    algo: str
    minutes: float  # that it takes on one core
    fields: Mapping[str, Any]  # of the training's configuration; ``scenario`` among them where it learns in another one


def read_recipes(path: Path = RECIPES) -> dict[str, Recipe]:
    """Read how each policy is trained, by scenario.

    Raises:
        ValueError: a table lacks its algorithm or its minutes.
    """
    found = {}
    for name, table in read_toml(path).items():
        algo, minutes = table.pop("algo", None), table.pop("minutes", None)
        if algo not in LEARNERS or not isinstance(minutes, float) or not minutes > 0:
            raise ValueError(
                f"{path}: {name}: expected algo ({' or '.join(LEARNERS)}) and minutes > 0, got {algo}, {minutes}"
            )
        found[name] = Recipe(name, algo, minutes, table)
    return found


def misfit(name: str) -> str | None:
    """Say why what ships for a scenario does not belong to its settings of today; none: it does.

    Overrides that its recipe trains with are none of today's settings. Fields that are new since it was trained count
    as usual.
    """
    held = read_manifest(folder_of(name))
    try:
        trained = settings_sha256(scenario_of(held["scenario"]))
    except ValueError as error:
        return f"{name}: this version knows no such scenario ({error}); gridbazaar release policies --only {name}"
    trained_in, plays = held["train"]["scenario"], held["shipped"].get("plays_sha256")
    now = settings_sha256(load_scenario(trained_in, **held["train"]["overrides"]))
    if trained == now and plays is not None:  # it learned in another scenario
        trained, now = plays, settings_sha256(load_scenario(name))
    if trained == now:
        return None
    return f"{name}: trained in settings {trained[:12]}, it has {now[:12]}; gridbazaar release policies --only {name}"


def ships_for(scenario: Scenario) -> bool:
    """Say whether a trained policy came with the package for a scenario in just these settings."""
    if scenario.name not in list_learned() or misfit(scenario.name) is not None:
        return False
    return settings_sha256(scenario) == settings_sha256(load_scenario(scenario.name))


def release_policies(
    runs: Path,
    out: Path = FOLDER,
    *,
    only: Sequence[str] = (),
    recipes: Mapping[str, Recipe] | None = None,
    begin: Callable[[Recipe], Report | None] | None = None,
) -> list[Path]:
    """Train what ships, or go on where it was interrupted, and put it where it ships from.

    Args:
        runs: folder for the runs, one folder a scenario. A run that is complete is taken as it is.
        out: what ships.
        only: scenarios; none: all that have a recipe.
        recipes: how; none: those of the package.
        begin: called before each training; gives its ``report``.

    Returns:
        The folders that ship.

    Raises:
        ValueError: a scenario has no recipe, or a run in ``runs`` is of another recipe or of other settings.
    """
    known = read_recipes() if recipes is None else recipes
    refuse_unknown(only, known)
    made = []
    for name in only or known:
        report = None if begin is None else begin(known[name])
        made.append(ship(trained_run(known[name], runs / name, report), out / name))
    return made


def refuse_unknown(only: Sequence[str], recipes: Mapping[str, Recipe]) -> None:
    """Refuse scenarios that have no recipe.

    Raises:
        ValueError: names them.
    """
    if unknown := [name for name in only if name not in recipes]:
        raise ValueError(f"only: expected some of {', '.join(recipes)}, got {', '.join(unknown)}")


def config_of(recipe: Recipe) -> Any:
    """Give the training of a recipe, a dataclass of the way to learn."""
    table, _ = learner(recipe.algo)
    return read_table(table, {"scenario": recipe.scenario, "algo": recipe.algo, **recipe.fields}, recipe.scenario)


def trained_run(recipe: Recipe, folder: Path, report: Report | None = None) -> Path:
    """Give the complete run of a recipe; go on with one that was interrupted.

    Raises:
        ValueError: the folder holds a run of another recipe or of other settings.
    """
    table, train = learner(recipe.algo)
    config = config_of(recipe)
    begun = algo_of(folder) is not None
    if begun:
        held = read_as(folder, table) if algo_of(folder) == recipe.algo else None
        now = settings_sha256(load_scenario(config.scenario, **config.overrides))
        if held != config or settings_sha256(scenario_of(read_manifest(folder)["scenario"])) != now:
            raise ValueError(
                f"{folder}: holds a run of another recipe or of other settings; remove it, or name another"
            )
    if not (folder / MODEL).is_file():
        train(config, folder, resume=begun, report=report)
    return folder


def played_of(run: Path) -> Path:
    """Give what plays of a complete run: the weights that scored best on validation, or the last."""
    return run / (BEST if (run / BEST).is_file() else MODEL)


def ship(run: Path, folder: Path) -> Path:
    """Take out of a complete run what ships: the weights that play, and how they came.

    Raises:
        ValueError: it learned from data that others brought.
    """
    held = read_manifest(run)
    scenario = scenario_of(held["scenario"])
    if scenario.data.path is not None or scenario.data.further:
        raise ValueError(f"{run}: trained on {scenario.data.path}; expected generated data, which may be passed on")
    source = played_of(run)
    weights = {n: x for n, x in read_weights(source).items() if not n.startswith(_NOT_PLAYED)}
    curve = {point["steps"]: point["score"] for point in read_curve(run)}
    steps = read_arrays(source)[0]["steps"]
    shipped = {
        "scenario": folder.name,
        "scenario_sha256": settings_sha256(scenario),
        "command": f"gridbazaar release policies --only {folder.name}",
        "steps": steps,
        "seeds": [held["train"]["seed"]],
        "validation_score": curve.get(steps),
    }
    if scenario.name != folder.name:
        shipped["plays_sha256"] = settings_sha256(load_scenario(folder.name))
    kept = {name: value for name, value in held["versions"].items() if name not in _UNTIMED}
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / CONFIG, {"shipped": shipped} | held | {"versions": kept})
    with replacing(folder / MODEL) as partial, partial.open("wb") as file:
        arrays: dict[str, Any] = {META: packed_meta({"schema": 1, "steps": steps})}
        arrays |= {WEIGHTS + n: np.asarray(x, np.float32) for n, x in weights.items()}
        np.savez_compressed(file, **arrays)
    return folder
