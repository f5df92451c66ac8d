"""Learners: the ways to learn by name; each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

LEARNERS = ("ppo", "gradient", "sac", "ippo", "mappo")


def learner(algo: str, where: str = "--algo") -> tuple[Any, Callable[..., Path]]:
    """Give the configuration of a way to learn, and what runs it.

    Args:
        algo: its name.
        where: what holds the name, for messages.

    Raises:
        ValueError: there is none of this name.
    """
    if algo == "gradient":
        from gridbazaar.experiments.training.gradient.config import GradientConfig
        from gridbazaar.experiments.training.gradient.run import train_gradient

        return GradientConfig, train_gradient
    if algo == "ppo":
        from gridbazaar.experiments.training.train import TrainConfig, train

        return TrainConfig, train
    if algo == "sac":
        from gridbazaar.experiments.training.sac import SacConfig, train_sac

        return SacConfig, train_sac
    if algo in ("ippo", "mappo"):
        from gridbazaar.experiments.training.marl.config import MarlConfig
        from gridbazaar.experiments.training.marl.run import train_marl

        return MarlConfig, train_marl
    raise ValueError(f"{where}: expected one of {', '.join(LEARNERS)}; got {algo!r}")


def default_of(given: Mapping[str, Any], *, allow_code: bool = False) -> str:
    """Name the way to learn where none is asked for.

    Args:
        given: fields of the training, the scenario and its overrides among them.
        allow_code: also load Python files that the scenario names.

    Returns:
        ``gradient`` where the model covers the scenario and all that is given means something to it; else ``ppo``.
        What changes rewards or observations means nothing to it, nor do a number of steps and a limit of time.
    """
    from gridbazaar.envs.scenarios import load_scenario
    from gridbazaar.experiments.training.gradient.config import GradientConfig
    from gridbazaar.experiments.training.gradient.twin import uncovered

    overrides = given.get("overrides") or {}
    of_rewards = [name for name in overrides if str(name).split(".")[0] in ("reward", "observe")]
    if of_rewards or "scenario" not in given or set(given) - {f.name for f in fields(GradientConfig)}:
        return "ppo"
    scenario = load_scenario(given["scenario"], allow_code=allow_code, **overrides)
    return "ppo" if scenario.reward.function or uncovered(scenario) else "gradient"
