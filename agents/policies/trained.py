"""Trained: a policy that PPO learned, read from the folder of its run. It acts on the mean of its distribution."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gridbazaar.agents.policy import Community, Foresight, Observation
from gridbazaar.data.arrays import Array


def is_run(name: str) -> bool:
    """Whether a folder holds a finished or checkpointed run."""
    folder = Path(name)
    return any((folder / f).is_file() for f in ("model.zip", "checkpoint.zip"))


def load_run(name: str) -> Policy:
    """Read the policy of a run; the model, or its last checkpoint if it was interrupted."""
    from stable_baselines3 import PPO

    folder = Path(name)
    path = folder / ("model.zip" if (folder / "model.zip").is_file() else "checkpoint.zip")
    features = json.loads((folder / "config.json").read_text(encoding="utf-8"))["features"]
    # Runs of version 0.1 name a class for training by a path that has moved; nothing here needs it.
    return Policy(PPO.load(path, device="cpu", custom_objects={"rollout_buffer_class": None}).policy, features)


class Policy:
    """Args: ``network``: a stable-baselines3 policy; ``features``: the columns it was trained on."""

    needs_forecasts = False
    needs_foresight = False

    def __init__(self, network: Any, features: list[str] | None = None) -> None:
        self.network = network
        self.features = features

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        return None

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        import torch

        rows = observation.features.reshape(-1, observation.features.shape[-1])
        if rows.shape[1] != self.network.observation_space.shape[0]:
            raise ValueError(
                f"the run was trained on {self.network.observation_space.shape[0]} features, "
                f"this version has {rows.shape[1]}; train it anew"
            )
        with torch.no_grad():
            mean = self.network.get_distribution(torch.as_tensor(rows)).distribution.mean.numpy()
        action = np.clip(mean, -1.0, 1.0).astype(np.float64)
        return action.reshape(*observation.mask.shape, -1), memory
