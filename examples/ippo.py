"""Independent PPO, all of it in this file: every agent of every community is a row, one network acts for all.

    python examples/ippo.py [AGENT_STEPS]

Needs torch (extra `train`).
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch import nn

import gridbazaar as gb

SCENARIO, N_ENVS, GAMMA, LAMBDA, CLIP, EPOCHS, MINIBATCHES, RATE = "street", 32, 0.995, 0.95, 0.2, 4, 8, 2e-3


class Network(nn.Module):
    """Gives the mean of a normal distribution over actions, and the value of what is seen."""

    def __init__(self, n_features: int, n_actions: int) -> None:
        super().__init__()
        self.actor, self.critic = (
            nn.Sequential(nn.Linear(n_features, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, n))
            for n in (n_actions, 1)
        )
        self.log_std = nn.Parameter(torch.full((n_actions,), -0.5))

    def forward(self, seen: torch.Tensor) -> tuple[torch.distributions.Normal, torch.Tensor]:
        return torch.distributions.Normal(self.actor(seen), self.log_std.exp()), self.critic(seen)[..., 0]


class Policy:
    """The mean of a network's distribution, as `gb.evaluate` plays it."""

    needs_forecasts = needs_foresight = False

    def __init__(self, network: Network) -> None:
        self.network = network

    def start(self, community, rng, episode=None):
        return None

    def act(self, observation, memory):
        with torch.no_grad():
            mean = self.network(torch.as_tensor(observation.features))[0].mean
        return mean.clamp(-1.0, 1.0).double().numpy(), memory


def play(venv, network: Network, seen: np.ndarray) -> tuple[dict[str, torch.Tensor], np.ndarray]:
    """Play one episode everywhere; give what learning needs of it, [n_steps, n_rows, ...] each."""
    kept = {name: [] for name in ("seen", "action", "log_prob", "value", "reward")}
    for _ in range(venv.core.n_steps):
        with torch.no_grad():
            chosen, value = network(torch.as_tensor(seen))
            action = chosen.sample()
        now = {"seen": torch.as_tensor(seen), "action": action, "value": value}
        seen, reward, _, _ = venv.step(action.clamp(-1.0, 1.0).numpy())
        now |= {"log_prob": chosen.log_prob(action).sum(-1), "reward": torch.as_tensor(reward)}
        for name, values in now.items():
            kept[name].append(values)
    return {name: torch.stack(values) for name, values in kept.items()}, seen


def advantages(reward: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Generalised advantages; nothing comes after the end, for what is left in storage is paid for by then."""
    found, following, last = torch.zeros_like(reward), torch.zeros_like(reward[0]), torch.zeros_like(reward[0])
    for t in reversed(range(len(reward))):
        error = reward[t] + GAMMA * following - value[t]
        last = error + GAMMA * LAMBDA * last
        found[t], following = last, value[t]
    return found


def learn(network: Network, optimiser: torch.optim.Optimizer, kept: dict[str, torch.Tensor]) -> None:
    """Go a few times over what was played."""
    gain = advantages(kept["reward"], kept["value"])
    rows = {name: values.flatten(0, 1) for name, values in kept.items()} | {"gain": gain.flatten()}
    rows["return"] = rows["gain"] + rows["value"]
    for _ in range(EPOCHS):
        for part in torch.randperm(len(rows["gain"])).chunk(MINIBATCHES):
            batch = {name: values[part] for name, values in rows.items()}
            chosen, value = network(batch["seen"])
            ratio = (chosen.log_prob(batch["action"]).sum(-1) - batch["log_prob"]).exp()
            gain = (batch["gain"] - batch["gain"].mean()) / (batch["gain"].std() + 1e-8)
            loss = -torch.min(ratio * gain, ratio.clamp(1 - CLIP, 1 + CLIP) * gain).mean()
            loss = loss + 0.5 * (value - batch["return"]).square().mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 0.5)
            optimiser.step()


def main(steps: int = 1_500_000) -> None:
    torch.manual_seed(0)
    venv = gb.vec_env(SCENARIO, n_envs=N_ENVS)
    network = Network(venv.observation_space.shape[0], venv.action_space.shape[0])
    optimiser, seen, done = torch.optim.Adam(network.parameters(), lr=RATE), venv.reset(), 0
    while done < steps:
        optimiser.param_groups[0]["lr"] = RATE * max(0.05, 1 - done / steps)
        kept, seen = play(venv, network, seen)
        learn(network, optimiser, kept)
        done += kept["reward"].numel()
        print(f"{done:9,} agent-steps, return of an episode {kept['reward'].sum(0).mean():7.2f}")
    found = gb.evaluate(SCENARIO, {"ippo": Policy(network), "rule": "self_consumption"}, seeds=8, split="validation")
    for result in found.results:
        print(f"{result.policy:10} score {result.score.mean:6.1f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
