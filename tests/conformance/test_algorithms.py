"""Every algorithm of stable-baselines3 and sb3-contrib learns on our views, and what it saves is played by name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from numpy.typing import NDArray

from gridbazaar.agents.learned.foreign import Columns, write_columns
from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.views.discrete import choices
from gridbazaar.envs.views.gymnasium_env import single_agent_env
from gridbazaar.experiments.cli.main import main
from tests.agents.policies.test_foreign import FEATURES, SCENARIO, played
from tests.experiments.cli.runner import invoke
from tests.stacks import needs

LIBRARIES = {"train": "stable_baselines3", "contrib": "sb3_contrib"}
ON_POLICY: dict[str, Any] = {"n_steps": 4}
BATCHED: dict[str, Any] = {"n_steps": 4, "batch_size": 4, "n_epochs": 1}
OFF_POLICY: dict[str, Any] = {"learning_starts": 6, "buffer_size": 100, "batch_size": 4}
ALGORITHMS: dict[str, dict[str, dict[str, Any]]] = {
    "train": {
        "PPO": BATCHED, "A2C": ON_POLICY, "SAC": OFF_POLICY, "TD3": OFF_POLICY, "DDPG": OFF_POLICY, "DQN": OFF_POLICY,
    },
    "contrib": {
        "TRPO": {"n_steps": 4, "batch_size": 4}, "TQC": OFF_POLICY, "CrossQ": OFF_POLICY, "ARS": {"n_delta": 1},
        "RecurrentPPO": BATCHED, "MaskablePPO": BATCHED, "QRDQN": OFF_POLICY,
    },
}  # fmt: skip
"""By stack, with options that let each learn within a few steps."""
CHOOSE = ("DQN", "MaskablePPO", "QRDQN")
RUNS = [
    pytest.param(name, options, stack, marks=needs(stack), id=name)
    for stack, named in ALGORITHMS.items()
    for name, options in named.items()
]
GRID = choices(3, 2)


def agents_view() -> Any:
    from gridbazaar.envs.views.vec_env import vec_env

    return vec_env(SCENARIO, n_envs=1)


def choosing_view(name: str) -> Any:
    """One agent that chooses one of n actions; a maskable learner may not choose the first."""
    env: Any = gymnasium.wrappers.TransformAction(
        single_agent_env(SCENARIO), lambda n: GRID[n], gymnasium.spaces.Discrete(len(GRID))
    )
    if name == "MaskablePPO":
        wrappers: Any = import_module("sb3_contrib.common.wrappers")
        env = wrappers.ActionMasker(env, lambda _: np.arange(len(GRID)) > 0)
    return env


def weights(model: Any) -> NDArray[Any]:
    return np.concatenate([p.detach().numpy().ravel().copy() for p in model.policy.parameters()])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options", "stack"), RUNS)
def test_an_algorithm_learns_and_its_model_is_played(
    name: str, options: dict[str, Any], stack: str, tmp_path: Path
) -> None:
    policy = {"RecurrentPPO": "MlpLstmPolicy"}.get(name, "MlpPolicy")
    env = choosing_view(name) if name in CHOOSE else agents_view()
    model = getattr(import_module(LIBRARIES[stack]), name)(policy, env, device="cpu", seed=0, **options)
    before = weights(model)
    model.learn(72)
    assert (weights(model) != before).any(), "it has not learned"
    model.save(tmp_path / "model.zip")
    write_columns(
        tmp_path / "model.zip", Columns(FEATURES, tuple(map(tuple, GRID.tolist())) if name in CHOOSE else None)
    )

    rows, actions = played(load_policy(tmp_path, allow_code=True))
    memory, begins = None, np.ones(len(rows[0]), bool)
    for seen, action in zip(rows, actions, strict=True):
        given, memory = model.predict(seen, state=memory, episode_start=begins, deterministic=True)
        expected = GRID[given] if name in CHOOSE else np.clip(given, -1, 1)
        assert np.allclose(action, expected, atol=1e-6)
        begins = np.zeros(len(seen), bool)

    words = ("evaluate", "street", "--set", "hours=1", "--seeds", 1, "--policies", f"net={tmp_path}")
    refused = invoke(main, words)
    assert refused.exit_code == 2
    assert "give --allow-code" in refused.stderr
    found = invoke(main, (*words, "--allow-code"))
    assert found.exit_code == 0, found.stderr
    assert f"net played {tmp_path / 'model.zip'}, a model that others made" in found.stdout


@pytest.mark.parametrize("stack", [pytest.param(stack, marks=needs(stack)) for stack in LIBRARIES])
def test_no_algorithm_is_left_out(stack: str) -> None:
    base: Any = import_module("stable_baselines3.common.base_class").BaseAlgorithm
    held = vars(import_module(LIBRARIES[stack]))
    there = {name for name, value in held.items() if isinstance(value, type) and issubclass(value, base)}
    assert set(ALGORITHMS[stack]) == there
