"""The demonstration: train a policy briefly, measure it against rules and the optimum, write a report."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.play import play_episode
from gridbazaar.experiments.evaluation.result import Evaluation
from gridbazaar.experiments.files import new_folder, write_json, write_text
from gridbazaar.experiments.training.folder import algo_of, read_curve
from gridbazaar.experiments.training.learners import learner

TRAINED = "trained"
"""Name of the trained policy in results and pictures."""
BASELINES = (
    "idle",
    "self_consumption",
    "time_of_use",
    "price_threshold",
    "opportunity_cost",
    "mpc",
    "random",
    "zero_intelligence",
    "optimum",
)
_DRAWN = ("idle", "opportunity_cost", "mpc", TRAINED, "optimum")
UPDATES = 180
"""Of a training by gradient where nothing else is said: about three minutes on a core of its own."""
_PPO_MINUTES, _NO_STEP_LIMIT = 5.0, 1_000_000_000


@dataclass(frozen=True, slots=True)
class Demo:
    """What a demonstration left behind."""

    folder: Path
    report: Path
    evaluation: Evaluation
    steps: int  # trained agent-steps


def run_demo(
    out: str | Path = "runs/demo",
    *,
    scenario: str = "village",
    data: str | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    seeds: int = 20,
    seed: int = 0,
    force: bool = False,
    settings: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    report_training: Callable[[int, int, dict[str, float]], None] | None = None,
    tick: Callable[[str, int, int], None] | None = None,
    command: str = "gridbazaar demo",
) -> Demo:
    """Train a policy, evaluate it on held-out days beside the baselines, and write run, results and report.

    It learns by gradient through the model where that covers the scenario, else by PPO.

    Args:
        out: folder; it must not exist, or ``force`` must be given.
        scenario: its name, with ``settings`` and ``data`` (a path to real data) as overrides.
        minutes: worth of training; PPO ends by the clock, for the gradient it is turned into updates before it begins.
            None: 180 updates, or 5 minutes of PPO.
        steps: of the training, agent-steps; PPO ends with whichever comes first.
        seeds: test episodes; training never sees them.
        seed: of the training.
        training: further fields of ``GradientConfig``, or of ``TrainConfig``.
        report_training, tick: as in ``train`` and ``evaluate``.
        command: written into the report.
    """
    if not (minutes is None or 0 < minutes < math.inf) or seeds < 1:
        raise ValueError(f"expected minutes > 0 and at least one seed, got {minutes} and {seeds}")
    for module in ("torch", "stable_baselines3", "tensorboard"):  # what is missing leaves nothing behind
        import_module(module)
    overrides: dict[str, Any] = dict(settings or {}) | ({"data.path": data} if data is not None else {})
    Core(load_scenario(scenario, **overrides))  # a mistake leaves an earlier demonstration alone
    more = {"scenario": scenario, "overrides": overrides, "seed": seed, **(training or {})}
    config, train = learning(more, minutes, steps)
    folder = new_folder(Path(out), force=force)
    run = train(config, folder / "run", report=report_training)
    policies = [*BASELINES[:-1], f"{TRAINED}={run}", BASELINES[-1]]
    evaluation = evaluate(scenario, policies, seeds=seeds, split="test", tick=tick, **overrides)
    write_json(folder / "results.json", evaluation.to_json())
    write_text(folder / "results.csv", evaluation.to_frame().to_csv(index=False))
    report = _report(folder, evaluation, run, command)
    return Demo(folder, report, evaluation, int(read_curve(run)[-1]["steps"]) if read_curve(run) else 0)


def learning(more: dict[str, Any], minutes: float | None, steps: int | None) -> tuple[Any, Callable[..., Path]]:
    """How it learns, and what runs it."""
    from gridbazaar.experiments.training.gradient.config import GradientConfig
    from gridbazaar.experiments.training.gradient.run import agent_steps_of, seconds_of_update
    from gridbazaar.experiments.training.gradient.twin import uncovered

    if uncovered(load_scenario(more["scenario"], **more["overrides"])):
        config, train = learner("ppo")
        most = _PPO_MINUTES if minutes is None else minutes
        return config(steps=steps or _NO_STEP_LIMIT, max_minutes=most, **more), train
    config, train = learner("gradient")
    asked: GradientConfig = config(**more)
    updates = UPDATES
    if steps is not None:
        updates = max(1, round(steps / agent_steps_of(asked)))
    elif minutes is not None:
        updates = max(1, round(60 * minutes / seconds_of_update(asked)))
    return replace(asked, updates=updates), train


def _report(folder: Path, evaluation: Evaluation, run: Path, command: str) -> Path:
    from gridbazaar.experiments.measure.speed import machine
    from gridbazaar.experiments.report.report import render

    here, how = machine(), " by gradient through the model" if algo_of(run) == "gradient" else ""
    title = f"A policy learns{how} to trade in the {evaluation.scenario.name}"
    drawn = {name: str(run) if name == TRAINED else name for name in _DRAWN}
    days = play_episode(evaluation.scenario, drawn, evaluation.seeds[0], split=evaluation.split)
    where = f"{here['processor']}, {here['cores']} cores"
    path = folder / "report.html"
    write_text(path, render(evaluation, days, read_curve(run), title=title, command=command, machine=where))
    return path
