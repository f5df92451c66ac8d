"""A constrained learner: chargers that save money while cars leave with what they need, but for a limit.

    python examples/constrained.py [ROW_STEPS]

No charger is made to deliver here and no reward says that it should; only the safety cost `not_ready` does, in kWh that
a car lacks as it leaves. PPO takes the price of this cost (a Lagrange multiplier) off the reward: it rises while the
limit is broken and falls while it is not. Needs the extra `train`.
"""

from __future__ import annotations

import sys

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnvWrapper

import gridbazaar as gb
from gridbazaar.envs.safety import COSTS

SCENARIO = "street"
SETTINGS = {"ev.count": 4, "ev.guarantee": False, "reward.unserved_cur_per_kwh": 0.0}
COST, LIMIT, PACE = COSTS.index("not_ready"), 0.5, 0.03  # kWh a car and day; of the price, for each kWh beyond it


class Priced(VecEnvWrapper):
    """Takes the price of a cost off the reward, and moves that price once a day."""

    def __init__(self, venv) -> None:
        super().__init__(venv)
        self.price, self.day_cost = 0.0, 0.0

    def reset(self):
        return self.venv.reset()

    def step_wait(self):
        seen, reward, done, infos = self.venv.step_wait()
        cost = self.venv.last_costs[:, COST]
        reward = reward - self.price * cost
        self.day_cost += cost.mean()
        if done.any():  # then all
            self.price = max(0.0, self.price + PACE * (self.day_cost - LIMIT))
            self.day_cost = 0.0
        return seen, reward.astype(np.float32), done, infos


def make(n_envs: int, split: str = "train"):
    return gb.vec_env(
        SCENARIO, n_envs, kind="ev", others="self_consumption", split=split, costs=True, **SETTINGS
    )  # fmt: skip


def on_validation_days(model, days: int = 16) -> tuple[float, float]:
    """Mean cost and mean return of a car and day."""
    venv = make(days, "validation")
    seen, cost, earned = venv.reset(), 0.0, 0.0
    for _ in range(venv.core.n_steps):
        seen, reward, _, _ = venv.step(model.predict(seen, deterministic=True)[0])
        cost, earned = cost + venv.last_costs[:, COST].mean(), earned + reward.mean()
    return cost, earned


def main(steps: int = 400_000) -> None:
    for name, is_limited in (("free", False), ("limited", True)):
        venv = make(n_envs=16)
        priced = Priced(venv)
        options = {"n_steps": venv.core.n_steps, "batch_size": 768, "n_epochs": 4, "learning_rate": 1e-3}
        model = PPO("MlpPolicy", priced if is_limited else venv, gamma=0.995, seed=0, device="cpu", **options)
        model.learn(steps)
        cost, earned = on_validation_days(model)
        price = f", price {priced.price:.2f} at the end" if is_limited else ""
        print(f"{name:8} lacks {cost:.2f} kWh a car and day (limit {LIMIT}), return {earned:7.3f}{price}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
