"""A DQN on the view with discrete actions: one network chooses, for every agent, one of n powers and eagernesses.

    python examples/dqn.py [INTERVALS]

Needs torch (extra `train`).
"""

from __future__ import annotations

import sys
from collections import deque

import numpy as np
import torch
from torch import nn

import gridbazaar as gb

SCENARIO, GAMMA, BATCH, RATE, REFRESH, LATEST = "street", 0.99, 256, 1e-3, 500, 20_000


class Policy:
    """The choice of greatest value, as `gb.evaluate` plays it."""

    needs_forecasts = needs_foresight = False

    def __init__(self, network: nn.Module, choices: np.ndarray) -> None:
        self.network, self.choices = network, choices

    def start(self, community, rng, episode=None):
        return None

    def act(self, observation, memory):
        with torch.no_grad():
            best = self.network(torch.as_tensor(observation.features)).argmax(-1)
        return self.choices[best.numpy()].astype(float), memory


def learn(network: nn.Module, target: nn.Module, optimiser: torch.optim.Optimizer, kept: deque, rng) -> None:
    """One step of double Q-learning on intervals drawn from those kept."""
    drawn = [kept[i] for i in rng.integers(len(kept), size=max(1, BATCH // len(kept[0][1])))]
    seen, action, reward, after, ends = (torch.as_tensor(np.concatenate(x)) for x in zip(*drawn, strict=True))
    with torch.no_grad():
        best = network(after).argmax(-1, keepdim=True)
        worth = reward + GAMMA * target(after).gather(-1, best)[:, 0] * ~ends
    found = network(seen).gather(-1, action[:, None])[:, 0]
    loss = nn.functional.smooth_l1_loss(found, worth)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def main(intervals: int = 40_000) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    env = gb.discrete_env(SCENARIO, n_powers=5, n_eagerness=2, infos=False)
    n_features = env.observation_space(env.possible_agents[0]).shape[0]
    network, target = (
        nn.Sequential(
            nn.Linear(n_features, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, len(env.choices))
        )
        for _ in range(2)
    )
    optimiser, kept = torch.optim.Adam(network.parameters(), lr=RATE), deque(maxlen=LATEST)
    for t in range(intervals):
        if not env.agents:
            given, _ = env.reset()
            seen = np.stack(list(given.values()))
        if t % REFRESH == 0:
            target.load_state_dict(network.state_dict())
        with torch.no_grad():
            chosen = network(torch.as_tensor(seen)).argmax(-1).numpy()
        explores = rng.random(len(chosen)) < max(0.05, 1 - 2 * t / intervals)
        chosen = np.where(explores, rng.integers(len(env.choices), size=len(chosen)), chosen)
        agents = list(env.agents)
        given, rewards, _, cut, _ = env.step({agent: int(n) for agent, n in zip(agents, chosen, strict=True)})
        after = np.stack(list(given.values()))
        earned = np.array([rewards[agent] for agent in agents], np.float32)
        kept.append((seen, chosen, earned, after, np.array([cut[agent] for agent in agents])))
        seen = after
        if t > 200:
            learn(network, target, optimiser, kept, rng)
    policies = {"dqn": Policy(network, env.choices), "rule": "self_consumption"}
    for result in gb.evaluate(SCENARIO, policies, seeds=8, split="validation").results:
        print(f"{result.policy:10} score {result.score.mean:6.1f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
