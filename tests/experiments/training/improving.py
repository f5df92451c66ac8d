"""A little training in ``street``, and what it gains on its own start: what tests of all learners share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gridbazaar.experiments.training.folder import read_curve
from gridbazaar.experiments.training.learners import learner

ROLLOUT = 8 * 6 * 96  # environments, agents, intervals
MARGIN = 1.0
"""Percent of the way from idle to the bound, on validation, that counts as better; chosen runs gain many times that."""


def curve_of(algo: str, seed: int, folder: Path, **little: Any) -> list[float]:
    """Give the scores on validation in the course of a run of 8 communities."""
    table, train = learner(algo)
    config = table(**({"scenario": "street", "seed": seed, "validate_seeds": 4, "n_envs": 8, "algo": algo} | little))
    return [point["score"] for point in read_curve(train(config, folder))]
