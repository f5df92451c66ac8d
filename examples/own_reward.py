"""A reward and an observation of one's own: cars that shave the community's peak, and know nothing of each other.

    python examples/own_reward.py [GENERATIONS] [SEARCHES]

The reward is a function of what happened in an interval; the observation is chosen by the scenario's table `[observe]`.
What learns is as small: nine weights for all cars, found by the cross-entropy method on `gb.Core`, a batch of episodes
for all candidates at once. Needs no extra.

On the command line, where learners are larger: `gridbazaar train street --set ev.count=4 --set reward.function=peaks.py
--set observe.public=false --out runs/peaks`.
"""

from __future__ import annotations

import sys

import numpy as np

import gridbazaar as gb
from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.observe import observe
from gridbazaar.envs.views.others import community_of

SCENARIO = "street"
SEEN = ("community_last", "community_now", "community_next_4h", "soc", "need", "left", "laxity", "can_draw")
CANDIDATES, KEPT, DAYS = 24, 6, 8
STEADY = 0.35  # share of their power at which all cars charge where the search begins


def peaks(happened):
    """Minus the own share of what the community draws, by its third power, so that peaks count; [n_envs, n_agents]."""
    drawn_kw = 4e-6 * happened.delivery.metered_ukwh  # of a quarter of an hour
    together_kw = np.maximum(drawn_kw.sum(axis=1, keepdims=True), 0.0)
    return -0.001 * drawn_kw * together_kw**3


OPTIONS = {
    "ev.count": 4, "ev.discharge_kw": 0.0, "reward": peaks, "observe": {"public": False, "columns": SEEN},
}  # fmt: skip


class Policy:
    """Cars charge at a power that is linear in what they see, at any price; a rule acts for the others.

    Args:
        weights: [n, 1 + n_features], of n equal parts of a batch; or [1 + n_features], of all of it.
    """

    needs_forecasts = needs_foresight = False

    def __init__(self, weights) -> None:
        self.weights, self.rule = np.atleast_2d(weights), load_policy("self_consumption")

    def start(self, community, rng, episode=None):
        self.cars = community.kind_slices["ev"]
        return self.rule.start(community, rng)

    def act(self, observation, memory):
        action, memory = self.rule.act(observation, memory)
        seen = observation.features[:, self.cars]
        weights = np.repeat(self.weights, len(seen) // len(self.weights), axis=0)
        wished = weights[:, :1] + np.einsum("eaf,ef->ea", seen, weights[:, 1:])
        action[:, self.cars, 0], action[:, self.cars, 1] = np.clip(wished, -1.0, 1.0), 1.0
        return action, memory


def returns(core, weights, first_day: int):
    """[n] the mean return of the community with each candidate's weights [n, ...], all on the same training days."""
    state = core.reset(np.tile(first_day + np.arange(DAYS), len(weights)))
    policy, total = Policy(weights), np.zeros(core.n_envs)
    memory = policy.start(community_of(core, state), np.random.default_rng(0))
    for _ in range(core.n_steps):
        action, memory = policy.act(observe(core, state), memory)
        state, happened = core.step(state, action)
        total += happened.reward.sum(axis=1)
    return total.reshape(len(weights), DAYS).mean(axis=1)


def search(core, generations: int, seed: int):
    """Give the weights in the middle of the best candidates, in the mean of the second half of the generations."""
    rng = np.random.default_rng(seed)
    mean, spread, middles = np.array([STEADY] + [0.0] * len(SEEN)), np.full(1 + len(SEEN), 0.3), []
    for generation in range(generations):
        drawn = mean + spread * rng.normal(size=(CANDIDATES, len(mean)))
        best = drawn[np.argsort(-returns(core, drawn, DAYS * generation))[:KEPT]]
        mean, spread = best.mean(axis=0), best.std(axis=0) + 0.05
        middles.append(mean)
    return np.mean(middles[generations // 2 :], axis=0)


def main(generations: int = 8, searches: int = 3) -> None:
    core = gb.Core(gb.load_scenario(SCENARIO, **OPTIONS), CANDIDATES * DAYS)
    policies = {"rule": "self_consumption", "steady": Policy(np.array([STEADY] + [0.0] * len(SEEN)))}
    policies |= {f"peaks_{seed}": Policy(search(core, generations, seed)) for seed in range(searches)}
    found = gb.evaluate(SCENARIO, policies, seeds=8, split="validation", replays=False, **OPTIONS)
    for result in found.results:
        peak, bought = (result.figures[name].mean() for name in ("peak_import_kw", "import_kwh"))
        print(f"{result.policy:10} peak {peak:6.2f} kW, import {bought:6.1f} kWh, score {result.score.mean:6.1f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
