"""PPO of RLlib (its new API): a policy for each kind, or one shared by all.

    python examples/rllib.py [ITERATIONS] [kinds|shared] [SCENARIO]

A shared policy needs one action space for all, which `pad_actions=True` gives. Needs the extra `rllib`, whose Ray pins
an older Gymnasium: give it a virtual environment of its own.
"""

from __future__ import annotations

import sys

from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
from ray.tune.registry import register_env

import gridbazaar as gb


def make(options: dict) -> ParallelPettingZooEnv:
    return ParallelPettingZooEnv(gb.parallel_env(options["scenario"], pad_actions=options["padded"], infos=False))


def kind_of(agent: str, *_, **__) -> str:
    return agent.rpartition("_")[0]


def for_all(agent: str, *_, **__) -> str:
    return "all"


def main(iterations: int = 20, way: str = "shared", scenario: str = "winter") -> None:
    register_env("community", make)
    is_shared = way == "shared"
    kinds = ["all"] if is_shared else sorted({kind_of(a) for a in gb.parallel_env(scenario).possible_agents})
    config = (
        PPOConfig()
        .environment("community", env_config={"scenario": scenario, "padded": is_shared})
        .multi_agent(policies=set(kinds), policy_mapping_fn=for_all if is_shared else kind_of)
        .env_runners(num_env_runners=0, rollout_fragment_length=96)
        .training(train_batch_size_per_learner=384, minibatch_size=128, num_epochs=4, lr=5e-4, gamma=0.995)
        .rl_module(model_config=DefaultModelConfig(fcnet_hiddens=[64, 64], fcnet_activation="tanh"))
        .debugging(seed=0)
    )
    algorithm = config.build_algo()
    try:
        for i in range(iterations):
            found = algorithm.train()
            runners = found["env_runners"]
            learned = ", ".join(f"{kind} {found['learners'][kind]['policy_loss']:.3f}" for kind in kinds)
            print(f"iteration {i + 1}: return of a community {runners['episode_return_mean']:8.2f}, loss of {learned}")
    finally:
        algorithm.stop()


if __name__ == "__main__":
    main(*[int(word) if word.isdecimal() else word for word in sys.argv[1:]])
