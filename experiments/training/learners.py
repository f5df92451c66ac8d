"""Learners: the ways to learn by name; each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
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
        from gridbazaar.experiments.training.gradient.run import GradientConfig, train_gradient

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
