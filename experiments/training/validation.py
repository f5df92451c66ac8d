"""Validation: the score of a policy on a few held-out episodes while it learns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policy import NoBoundError, Policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.evaluation.bound import ceiling_cur, optimum_cost_cur
from gridbazaar.experiments.evaluation.metrics import Tally
from gridbazaar.experiments.evaluation.play import play


class Validation:
    """The score of a model on a few validation episodes, as ``evaluate`` counts it."""

    def __init__(self, scenario: Scenario, n_seeds: int) -> None:
        self.core, self.seeds = Core(scenario, n_seeds), np.arange(n_seeds)
        try:
            bound = optimum_cost_cur(self.core, self.seeds, "validation")
        except NoBoundError:
            bound = np.full(n_seeds, np.nan)
        of_idle = play(self.core, load_policy("idle"), self.seeds, split="validation").tally
        idle, self._kinds = of_idle.scored_cur, self._of_kinds(of_idle)
        self.idle, self.ceiling = float(np.mean(idle)), float(np.mean(ceiling_cur(idle, bound)))

    def score(self, policy: Policy) -> float:
        """Give the share of the way from idle to the bound, percent."""
        return self.judge(policy)[0]

    def judge(self, policy: Policy) -> tuple[float, float]:
        """Give the score, and the least that a kind saves against idle in the mean of the episodes, currency."""
        tally = play(self.core, policy, self.seeds, split="validation").tally
        score = 100 * (self.idle - float(np.mean(tally.scored_cur))) / max(self.idle - self.ceiling, 1e-9)
        return score, float((self._kinds - self._of_kinds(tally)).min())

    def _of_kinds(self, tally: Tally) -> NDArray[np.float64]:
        """[n_kinds] mean cost of an episode."""
        return np.array([tally.cost_cur[:, agents].sum(1).mean() for agents in self.core.scenario.kind_slices.values()])
