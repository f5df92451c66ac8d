"""A reward and an observation of one's own: agents that shave the community's peak, and know nothing of each other.

    python examples/own_reward.py [AGENT_STEPS]

The reward is a function of what happened in an interval; the observation is chosen by the scenario's table `[observe]`.
On the command line: `gridbazaar train street --set reward.function=peaks.py --set observe.public=false
--set observe.ahead_h=6 --out runs/peaks`. Needs the extra `train`.
"""

from __future__ import annotations

import sys

from stable_baselines3 import PPO

import gridbazaar as gb

SCENARIO = "street"
OBSERVE = {"public": False, "ahead_h": 6.0, "ahead_step_h": 1.0, "last": 4}


def peaks(happened):
    """Minus the own share of the community's squared net power, and what is lacking; [n_envs, n_agents]."""
    drawn_kw = 4e-6 * happened.delivery.metered_ukwh  # of a quarter of an hour
    together_kw = drawn_kw.sum(axis=1, keepdims=True)
    return -0.01 * drawn_kw * together_kw - 0.3 * happened.devices.unserved_kwh


class Policy:
    """A model's mean action, as `gb.evaluate` plays it."""

    needs_forecasts = needs_foresight = False

    def __init__(self, model) -> None:
        self.model = model

    def start(self, community, rng, episode=None):
        assert "own_ahead_5" in community.features
        assert "storage_filled" not in community.features
        return None

    def act(self, observation, memory):
        rows = observation.features.reshape(-1, observation.features.shape[-1])
        action, _ = self.model.predict(rows, deterministic=True)
        return action.reshape(*observation.mask.shape, -1).astype(float), memory


def main(steps: int = 500_000) -> None:
    options = {"reward": peaks, "observe": OBSERVE}
    venv = gb.vec_env(SCENARIO, n_envs=16, **options)
    model = PPO(
        "MlpPolicy", venv, n_steps=venv.core.n_steps, batch_size=1152, n_epochs=4, learning_rate=1e-3, gamma=0.98,
        seed=0, device="cpu",
    )  # fmt: skip
    model.learn(steps)
    policies = {"peaks": Policy(model), "rule": "self_consumption"}
    found = gb.evaluate(SCENARIO, policies, seeds=8, split="validation", replays=False, **options)
    for result in found.results:
        peak, bought = (result.figures[name].mean() for name in ("peak_import_kw", "import_kwh"))
        print(f"{result.policy:10} peak {peak:6.2f} kW, import {bought:6.1f} kWh, score {result.score.mean:6.1f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
