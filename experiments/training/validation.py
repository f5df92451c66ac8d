"""Validation: the score of a policy on a few held-out episodes while it learns."""

from __future__ import annotations

import numpy as np

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policy import NoBoundError, Policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.evaluation.bound import ceiling_cur, optimum_cost_cur
from gridbazaar.experiments.evaluation.play import play


class Validation:
    """The score of a model on a few validation episodes, as ``evaluate`` counts it."""

    def __init__(self, scenario: Scenario, n_seeds: int) -> None:
        self.core, self.seeds = Core(scenario, n_seeds), np.arange(n_seeds)
        try:
            bound = optimum_cost_cur(self.core, self.seeds, "validation")
        except NoBoundError:
            bound = np.full(n_seeds, np.nan)
        idle = play(self.core, load_policy("idle"), self.seeds, split="validation").tally.scored_cur
        self.idle, self.ceiling = float(np.mean(idle)), float(np.mean(ceiling_cur(idle, bound)))

    def score(self, policy: Policy) -> float:
        """Give the share of the way from idle to the bound, percent."""
        played = play(self.core, policy, self.seeds, split="validation")
        return 100 * (self.idle - float(np.mean(played.tally.scored_cur))) / max(self.idle - self.ceiling, 1e-9)
