"""SAC of stable-baselines3 for one kind alone: the batteries learn, rules act for the others.

    python examples/sb3_sac.py [ROW_STEPS]

Needs the extra `train`.
"""

from __future__ import annotations

import sys

from stable_baselines3 import SAC

import gridbazaar as gb

SCENARIO, KIND, OTHERS = "street", "battery", "self_consumption"


def main(steps: int = 40_000) -> None:
    venv = gb.vec_env(SCENARIO, n_envs=8, kind=KIND, others=OTHERS)
    model = SAC("MlpPolicy", venv, learning_starts=1000, gradient_steps=2, gamma=0.995, seed=0, device="cpu")
    model.learn(steps)
    agent = f"{KIND}_0"
    totals = []
    for policy in ("nothing", "sac"):
        env = gb.single_agent_env(SCENARIO, agent, OTHERS, split="validation")
        total = 0.0
        for episode in range(8):
            seen, _ = env.reset(seed=episode)
            ends = False
            while not ends:
                action = model.predict(seen, deterministic=True)[0] if policy == "sac" else 0 * env.action_space.low
                seen, reward, _, ends, _ = env.step(action)
                total += reward
        totals.append(total / 8)
        print(f"{policy:10} return of {agent} {totals[-1]:7.3f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
