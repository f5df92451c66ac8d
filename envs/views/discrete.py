"""Discrete actions: a grid over power and eagerness in place of numbers, for learners that choose one of n."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import NDArray
from pettingzoo.utils.wrappers import BaseParallelWrapper

from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.views.pettingzoo_env import MarketParallelEnv, parallel_env


def choices(n_powers: int, n_eagerness: int) -> NDArray[np.float32]:
    """Give what each choice means, [n_powers * n_eagerness, 2]: power, then eagerness, evenly over [-1, 1].

    An odd number of powers has one that rests; a single eagerness is 0.
    """
    for name, n in (("n_powers", n_powers), ("n_eagerness", n_eagerness)):
        if n < 1:
            raise ValueError(f"{name}: expected at least 1, got {n}")
    grids = [np.linspace(-1.0, 1.0, n) if n > 1 else np.zeros(1) for n in (n_powers, n_eagerness)]
    return np.array(list(product(*grids)), np.float32)


class DiscreteParallelEnv(BaseParallelWrapper):  # type: ignore[misc]
    """A community whose agents choose one of n actions.

    Args:
        env: the community.
        n_powers: steps of power.
        n_eagerness: steps of eagerness; n is their product.

    Further components of an action are 0. ``choices`` [n, 2] says what each number means.
    """

    def __init__(self, env: MarketParallelEnv, n_powers: int = 5, n_eagerness: int = 3) -> None:
        super().__init__(env)
        self.choices = choices(n_powers, n_eagerness)
        self.action_spaces: dict[str, Any] = {agent: Discrete(len(self.choices)) for agent in env.possible_agents}
        spaces: Any = env.action_spaces
        self._widths = {agent: spaces[agent].shape[0] for agent in env.possible_agents}

    def action_space(self, agent: str) -> Discrete:
        space: Discrete = self.action_spaces[agent]
        return space

    def step(self, actions: dict[str, int]) -> Any:
        """Play one interval with the number of a choice for each agent."""
        wrong = [a for a, n in actions.items() if not (a in self.action_spaces and self.action_spaces[a].contains(n))]
        if wrong:
            raise ValueError(f"actions: expected numbers from 0 to {len(self.choices) - 1}, got others from {wrong}")
        played = {}
        for agent, number in actions.items():
            played[agent] = np.zeros(self._widths[agent], np.float32)
            played[agent][:2] = self.choices[int(number)]
        return self.env.step(played)


def discrete_env(
    scenario: str | Scenario = "village", *, n_powers: int = 5, n_eagerness: int = 3, **options: Any
) -> DiscreteParallelEnv:
    """Make a community whose agents choose one of n actions.

    Args:
        scenario, options: as of ``parallel_env``, but for ``pad_actions`` and ``strict``: choices are equal and inside.
        n_powers, n_eagerness: as of ``DiscreteParallelEnv``.
    """
    if idle := [name for name in ("pad_actions", "strict") if options.get(name)]:
        raise ValueError(
            f"{', '.join(idle)}: choices are the same for all agents and never out of bounds; leave it out"
        )
    return DiscreteParallelEnv(parallel_env(scenario, **options), n_powers, n_eagerness)
