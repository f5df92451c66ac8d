"""Offline learning: imitate the optimum from a rollout alone, then play what was learned on other days.

    python examples/offline.py [EPISODES] [FILE]

Without a file it makes one first, as `gridbazaar rollout street --policy optimum --episodes 60 --out FILE` does; FILE
may be any that `gb.read_rollout` reads. Needs torch (extra `train`).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

import gridbazaar as gb
from gridbazaar.experiments.rollout.rollout import plan_rollout
from gridbazaar.experiments.rollout.write import write_rollout

SCENARIO, EPOCHS, BATCH, RATE = "street", 60, 512, 2e-3


class Policy:
    """What was imitated, as `gb.evaluate` plays it."""

    needs_forecasts = needs_foresight = False

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def start(self, community, rng, episode=None):
        return None

    def act(self, observation, memory):
        with torch.no_grad():
            action = self.network(torch.as_tensor(observation.features))
        return action.double().numpy(), memory


def imitate(kept) -> nn.Module:
    """Learn what was done in each transition in which there was something to decide."""
    has_choice = kept.active[:, :-1]
    seen, done = (torch.as_tensor(x[has_choice]) for x in (kept.observations[:, :-1], kept.actions))
    network = nn.Sequential(
        nn.Linear(seen.shape[-1], 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh(), nn.Linear(128, done.shape[-1]),
        nn.Tanh(),
    )  # fmt: skip
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    for epoch in range(EPOCHS):
        optimiser.param_groups[0]["lr"] = RATE * (1 - 0.95 * epoch / EPOCHS)
        losses = []
        for part in torch.randperm(len(seen)).split(BATCH):
            loss = (network(seen[part]) - done[part]).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        if epoch % 20 == 19:
            print(f"epoch {epoch + 1}, error {np.mean(losses):.4f}")
    return network


def main(episodes: int = 60, file: str | None = None) -> None:
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as made:
        plan = plan_rollout(SCENARIO, "optimum", episodes)
        kept = gb.read_rollout(file or write_rollout(plan, Path(made) / "optimum.npz"))
    print(f"{kept.rewards.size:,} transitions of {kept.origin.policy} in {len(kept.episodes)} {kept.origin.split} days")
    policies = {"imitated": Policy(imitate(kept)), "rule": "self_consumption"}
    for result in gb.evaluate(SCENARIO, policies, seeds=8, split="validation").results:
        print(f"{result.policy:10} score {result.score.mean:6.1f}")


if __name__ == "__main__":
    main(*[int(word) if word.isdecimal() else word for word in sys.argv[1:]])
