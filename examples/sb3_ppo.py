"""PPO of stable-baselines3: one policy for all agents, each a row of one VecEnv.

    python examples/sb3_ppo.py [AGENT_STEPS]

Needs the extra `train`.
"""

from __future__ import annotations

import sys

from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

import gridbazaar as gb

SCENARIO = "street"


class Policy:
    """A model's mean action, as `gb.evaluate` plays it; what the model saw was not scaled."""

    needs_forecasts = needs_foresight = False

    def __init__(self, model) -> None:
        self.model = model

    def start(self, community, rng, episode=None):
        return None

    def act(self, observation, memory):
        rows = observation.features.reshape(-1, observation.features.shape[-1])
        action, _ = self.model.predict(rows, deterministic=True)
        return action.reshape(*observation.mask.shape, -1).astype(float), memory


def main(steps: int = 1_000_000) -> None:
    venv = gb.vec_env(SCENARIO, n_envs=16)
    scaled = VecNormalize(venv, norm_obs=False, gamma=0.995)  # rewards alone: observations have fixed scales
    model = PPO(
        "MlpPolicy", scaled, n_steps=venv.core.n_steps, batch_size=1152, n_epochs=4, learning_rate=1e-3, gamma=0.995,
        seed=0, device="cpu",
    )  # fmt: skip
    model.learn(steps)
    found = gb.evaluate(SCENARIO, {"ppo": Policy(model), "rule": "self_consumption"}, seeds=8, split="validation")
    for result in found.results:
        print(f"{result.policy:10} score {result.score.mean:6.1f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
