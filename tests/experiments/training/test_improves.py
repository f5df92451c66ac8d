"""Learners of the extra ``train`` improve on their own start in ``street``, with each of three seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.training.folder import read_curve
from gridbazaar.experiments.training.learners import learner
from gridbazaar.experiments.training.validation import Validation

pytestmark = pytest.mark.slow
pytest.importorskip("stable_baselines3")

ROLLOUT = 8 * 6 * 96  # environments, agents, intervals
LITTLE: dict[str, dict[str, Any]] = {
    "gradient": {"updates": 16, "n_envs": 4, "warm_up": 2, "average": 0.5, "validate_updates": 16},
    "ppo": {"steps": 6 * ROLLOUT, "width": 64, "validate_rollouts": 3},
    "sac": {"steps": 6 * ROLLOUT, "learning_starts": ROLLOUT, "validate_rollouts": 1},
}
"""Of training, a few CPU seconds each."""


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("algo", list(LITTLE))
def test_it_improves_on_its_own_start(algo: str, seed: int, tmp_path: Path) -> None:
    start, curve = trained(algo, seed, tmp_path / "run")
    assert max(curve) > start + 1.0, (start, curve)


def trained(algo: str, seed: int, folder: Path) -> tuple[float, list[float]]:
    """Give the score on validation before a little training, and those of its course."""
    table, train = learner(algo)
    config = table(
        **({"scenario": "street", "seed": seed, "validate_seeds": 4, "n_envs": 8, "algo": algo} | LITTLE[algo])
    )
    curve = [point["score"] for point in read_curve(train(config, folder))]
    return (untrained(seed), curve) if algo == "gradient" else (curve[0], curve[1:])


def untrained(seed: int) -> float:
    """Score of the weights that the gradient begins with; its curve begins after the first updates."""
    from gridbazaar.agents.learned.columns import own_names
    from gridbazaar.agents.learned.policy import Policy
    from gridbazaar.experiments.training.gradient.beginning import first_weights

    scenario = load_scenario("street")
    kinds = tuple(scenario.agents)
    weights = {name: x.numpy() for name, x in first_weights(len(own_names(kinds)), seed).items()}
    return Validation(scenario, 4).score(Policy(weights, kinds))
