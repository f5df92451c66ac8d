"""Actions as they come from outside: checked, and brought into their bounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.envs.scenario import Scenario


def inside(action: Array, shape: tuple[int, int, int], scenario: Scenario) -> tuple[Array, Array]:
    """Clip an action to [-1, 1]; give how many entries [n_envs] that changed as well.

    Args:
        action: [n_envs, n_agents, n_actions].
        shape: that it must have.
        scenario: names the agents.

    Raises:
        ValueError: another shape; on NumPy also entries that are no numbers (a device is not asked back).
    """
    xp = namespace(action)
    _check(action, shape, scenario, xp)
    clipped = xp.clip(action, -1.0, 1.0)
    return clipped, xp.sum(xp.astype(clipped != action, xp.int64), axis=(1, 2))


def _check(action: Array, shape: tuple[int, int, int], scenario: Scenario, xp: Any) -> None:
    if tuple(action.shape) != shape:
        raise ValueError(
            f"action: expected shape {shape} (envs, agents, power and eagerness"
            f"{' and what kinds have of their own' if shape[2] > 2 else ''}), got {tuple(action.shape)}"
        )
    if xp.name == "numpy" and not np.isfinite(action).all():
        env, agent = np.argwhere(~np.isfinite(action).all(axis=2))[0]
        came, name = action[env, agent], scenario.agent_names[agent]
        raise ValueError(f"action: expected finite numbers, got {came} for {name} in environment {env}")
