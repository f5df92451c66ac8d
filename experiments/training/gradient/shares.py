"""Shares: what an episode of the twin costs each kind, and multipliers that let no kind be worse off than idle.

The price of participation: minimise the community's cost under the condition that each kind's mean cost is below that
of idle by a margin. Each condition has a multiplier, which rises while it is broken and falls while there is room; the
cost of a kind counts so many times more (the Lagrangian's dual ascent; Arrow, Hurwicz & Uzawa 1958).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gridbazaar.agents.policies import load_policy
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.state import State
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.experiments.training.gradient.market import Fills, Terms, Withheld, cost_of_agents_cur

_MOST = 4.0
"""A multiplier goes no higher: what cannot be had is not paid for without end."""


class Shares:
    """Costs of the agents of a batch of episodes.

    Args:
        core: of NumPy, of the scenario and the number of environments.
        state: as the episodes begin, of NumPy.
    """

    def __init__(self, core: Core, state: State) -> None:
        world, start = core.world, state.episode.start
        connections = torch.as_tensor(world.connections, dtype=torch.float64)
        self._connections = connections / connections.sum()
        self._is_brp = torch.as_tensor(world.is_brp)
        fixed_ucur = (world.fixed_ucur[start + core.n_steps] - world.fixed_ucur[start])[:, None] * world.connections
        due_ucur = fixed_ucur + state.episode.rent_ucur
        self.cost = torch.as_tensor(core.stored_value_cur(state) + due_ucur / MICRO)  # [n_envs, n_agents]

    def add(self, fills: Fills, metered: Tensor, withheld: Withheld | None, terms: Terms) -> None:
        """Count the bills of an interval."""
        self.cost = self.cost + cost_of_agents_cur(fills, metered, withheld, self._is_brp, terms, self._connections)

    def wear(self, cost: Tensor) -> None:
        """Count what no bill holds, [n_envs, n_agents]."""
        self.cost = self.cost + cost

    def of_kinds(self, kind_slices: Mapping[str, slice]) -> Tensor:
        """[n_kinds] mean cost of an episode."""
        return torch.stack([self.cost[:, agents].sum(1).mean() for agents in kind_slices.values()])


class Participation:
    """Multipliers of the conditions that no kind is worse off than idle.

    Args:
        core: of the scenario.
        margin_cur: by which each kind's mean cost of an episode is to be below idle's.
        rate: by which a multiplier rises in an update for each unit of currency that a kind lacks.
        held: multipliers to go on with; none: 0.
    """

    def __init__(self, core: Core, margin_cur: float, rate: float, held: NDArray[np.float64] | None) -> None:
        self.core, self.margin_cur, self.rate = core, margin_cur, rate
        n_kinds = len(core.scenario.kind_slices)
        self.multipliers = np.zeros(n_kinds) if held is None else np.array(held, np.float64)

    def idle_cur(self, seeds: NDArray[np.int64], state: State) -> NDArray[np.float64]:
        """[n_kinds] mean cost of the same episodes under the policy ``idle``, played in the core."""
        cost = play(self.core, load_policy("idle"), seeds, state=state).tally.cost_cur
        return np.array([cost[:, agents].sum(1).mean() for agents in self.core.scenario.kind_slices.values()])

    def weighed(self, shares: Shares, idle_cur: NDArray[np.float64]) -> Tensor:
        """Give what the conditions add to the cost that is to be lowered, and move the multipliers on."""
        lacks = shares.of_kinds(self.core.scenario.kind_slices) - torch.from_numpy(idle_cur) + self.margin_cur
        added = (torch.from_numpy(self.multipliers.copy()) * lacks).sum()
        self.multipliers = np.clip(self.multipliers + self.rate * lacks.detach().numpy(), 0.0, _MOST)
        return added


def refuse_shared_batteries(core: Core, objective: str) -> None:
    """Refuse members' shares in batteries, whose results the twin does not pass on.

    Raises:
        ValueError: there are such shares.
    """
    if core.world.held is not None:
        raise ValueError(f"objective: {objective} does not know battery.shares; leave one of the two out")
