"""Learners of the extra ``train`` improve on their own start in ``street``, with each of three seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.training.validation import Validation
from tests.experiments.training.improving import MARGIN, ROLLOUT, curve_of

pytestmark = pytest.mark.slow
pytest.importorskip("stable_baselines3")

LITTLE: dict[str, dict[str, Any]] = {
    "gradient": {"updates": 16, "n_envs": 4, "warm_up": 2, "average": 0.5, "validate_updates": 16},
    "ppo": {"steps": 5 * ROLLOUT, "width": 64, "validate_rollouts": 5},
    "sac": {"steps": 5 * ROLLOUT, "learning_starts": ROLLOUT, "validate_rollouts": 1},
}
"""Of training, a few CPU seconds each."""


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("algo", list(LITTLE))
def test_it_improves_on_its_own_start(algo: str, seed: int, tmp_path: Path) -> None:
    curve = curve_of(algo, seed, tmp_path / "run", **LITTLE[algo])
    start = untrained(seed) if algo == "gradient" else curve.pop(0)
    assert max(curve) > start + MARGIN, (start, curve)


def untrained(seed: int) -> float:
    """Score of the weights that the gradient begins with; its curve begins after the first updates."""
    from gridbazaar.agents.learned.columns import own_names
    from gridbazaar.agents.learned.policy import Policy
    from gridbazaar.experiments.training.gradient.beginning import first_weights

    scenario = load_scenario("street")
    kinds = tuple(scenario.agents)
    weights = {name: x.numpy() for name, x in first_weights(len(own_names(kinds)), seed).items()}
    return Validation(scenario, 4).score(Policy(weights, kinds))
