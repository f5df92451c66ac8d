"""Trained: a policy that PPO learned, read from the folder of its run. It acts on the mean of its distribution."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gridbazaar.agents.policy import Community, Foresight, Observation
from gridbazaar.data.arrays import Array

MODEL, CHECKPOINT, BEST = "model.zip", "checkpoint.zip", "best.zip"
"""What a run ended with, what it goes on from, and what scored best on validation."""
CONFIG = "config.json"


def model_of(name: str) -> Path | None:
    """Give the file that a run plays; none: it is no run.

    Args:
        name: the folder of a run, which plays what it ended with, or where it was interrupted its last checkpoint; or
            one of its files, such as ``runs/a/best.zip``.
    """
    path = Path(name)
    if path.name in (MODEL, CHECKPOINT, BEST) and path.is_file():
        return path
    return next((path / f for f in (MODEL, CHECKPOINT) if (path / f).is_file()), None)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run was trained on, by name."""

    features: tuple[str, ...]
    actions: Mapping[str, tuple[str, ...]] | None  # components by kind; None: an older run, which kept their number
    n_actions: int

    def check(self, community: Community) -> None:
        """Refuse a community that sees or does other things than those the run was trained on.

        Raises:
            ValueError: names what differs.
        """
        found = _differences("features", self.features, community.features)
        if self.actions is None:
            if self.n_actions != community.n_actions:
                found.append(f"actions: trained on {self.n_actions}, here are {community.n_actions}")
        else:
            for kind in [k for k in self.actions if k in community.actions]:  # features tell of the other kinds
                found += _differences(f"actions of {kind}", self.actions[kind], community.actions[kind])
        if found:
            raise ValueError("the run was trained on other columns; train it anew\n  " + "\n  ".join(found))


def _differences(what: str, trained: Sequence[str], here: Sequence[str]) -> list[str]:
    if list(trained) == list(here):
        return []
    lacks, new = [x for x in trained if x not in here], [x for x in here if x not in trained]
    if not lacks and not new:
        return [f"{what}: the same in another order, trained on {', '.join(trained)}; here are {', '.join(here)}"]
    only = (f"only trained on {', '.join(lacks)}" if lacks else "", f"only here {', '.join(new)}" if new else "")
    return [f"{what}: {'; '.join(part for part in only if part)}"]


def load_run(name: str) -> Policy:
    """Read the policy of a run, see ``model_of``."""
    from stable_baselines3 import PPO

    path = model_of(name)
    if path is None:
        raise ValueError(f"policy: expected a run, found neither {MODEL} nor {CHECKPOINT} in {name}")
    held = json.loads((path.parent / CONFIG).read_text(encoding="utf-8"))
    # Runs of version 0.1 name a class for training by a path that has moved; nothing here needs it.
    network: Any = PPO.load(path, device="cpu", custom_objects={"rollout_buffer_class": None}).policy
    actions = held.get("actions")
    named = None if actions is None else {kind: tuple(names) for kind, names in actions.items()}
    return Policy(network, Trained(tuple(held["features"]), named, network.action_space.shape[0]))


class Policy:
    """Args: ``network``: a stable-baselines3 policy; ``trained``: what it was trained on; none: what it plays."""

    needs_forecasts = False
    needs_foresight = False

    def __init__(self, network: Any, trained: Trained | None = None) -> None:
        self.network = network
        self.trained = trained

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        if self.trained is not None:
            self.trained.check(community)

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        import torch

        rows = observation.features.reshape(-1, observation.features.shape[-1])
        with torch.no_grad():
            mean = self.network.get_distribution(torch.as_tensor(rows)).distribution.mean.numpy()
        action = np.clip(mean, -1.0, 1.0).astype(np.float64)
        return action.reshape(*observation.mask.shape, -1), memory
