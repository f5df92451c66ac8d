"""RecurrentPPO of sb3-contrib: a policy with a memory, one for all agents; each agent has a memory of its own.

    python examples/sb3_recurrent_ppo.py [AGENT_STEPS]

Needs the extra `contrib`.
"""

from __future__ import annotations

import sys

import numpy as np
from sb3_contrib import RecurrentPPO

import gridbazaar as gb

SCENARIO = "street"


class Policy:
    """A model with a memory, as `gb.evaluate` plays it: what `act` gives back is handed to it in the next interval."""

    needs_forecasts = needs_foresight = False

    def __init__(self, model) -> None:
        self.model = model

    def start(self, community, rng, episode=None):
        return None  # the model then begins with an empty one

    def act(self, observation, memory):
        rows = observation.features.reshape(-1, observation.features.shape[-1])
        begins = np.full(len(rows), memory is None)
        action, memory = self.model.predict(rows, state=memory, episode_start=begins, deterministic=True)
        return action.reshape(*observation.mask.shape, -1).astype(float), memory


def main(steps: int = 500_000) -> None:
    venv = gb.vec_env(SCENARIO, n_envs=8)
    model = RecurrentPPO(
        "MlpLstmPolicy", venv, n_steps=venv.core.n_steps, batch_size=1152, n_epochs=4, learning_rate=1e-3, gamma=0.995,
        policy_kwargs={"lstm_hidden_size": 32}, seed=0, device="cpu",
    )  # fmt: skip
    model.learn(steps)
    found = gb.evaluate(SCENARIO, {"recurrent": Policy(model), "rule": "self_consumption"}, seeds=8, split="validation")
    for result in found.results:
        print(f"{result.policy:10} score {result.score.mean:6.1f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
