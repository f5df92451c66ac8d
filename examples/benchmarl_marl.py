"""TorchRL and BenchMARL: a community as their environment, and IPPO, MAPPO and MASAC on it, a group for each kind.

    python examples/benchmarl_marl.py [ITERATIONS] [ippo|mappo|masac] [SCENARIO]

Needs the extra `marl`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import benchmarl.algorithms as algorithms
from benchmarl.environments.pettingzoo.common import PettingZooClass
from benchmarl.experiment import Experiment, ExperimentConfig
from benchmarl.models import MlpConfig
from torchrl.envs.libs.pettingzoo import PettingZooWrapper
from torchrl.envs.utils import check_env_specs

import gridbazaar as gb


def community(scenario: str, seed: int | None = None, device: str = "cpu") -> PettingZooWrapper:
    """Make an environment of TorchRL; infos hold words and tables, which its specs do not know, so they stay empty."""
    return PettingZooWrapper(gb.parallel_env(scenario, infos=False), return_state=True, seed=seed, device=device)


class Community(PettingZooClass):
    """A task of BenchMARL."""

    def get_env_fun(self, num_envs, continuous_actions, seed, device):
        return lambda: community(self.config["scenario"], seed, device)

    def supports_continuous_actions(self) -> bool:
        return True

    def has_state(self) -> bool:
        return True

    def has_render(self, env) -> bool:
        return False


def main(iterations: int = 20, algorithm: str = "mappo", scenario: str = "street") -> None:
    check_env_specs(community(scenario))
    days = gb.parallel_env(scenario).max_cycles
    config = ExperimentConfig.get_from_yaml()
    config.max_n_iters, config.loggers, config.create_json, config.evaluation = iterations, [], False, False
    config.gamma, config.lr, config.max_n_frames = 0.995, 3e-4, None
    config.on_policy_collected_frames_per_batch = config.off_policy_collected_frames_per_batch = 4 * days
    config.on_policy_n_envs_per_worker = config.off_policy_n_envs_per_worker = 1
    config.on_policy_n_minibatch_iters, config.on_policy_minibatch_size = 4, 96
    config.off_policy_n_optimizer_steps, config.off_policy_train_batch_size = 20, 96
    with tempfile.TemporaryDirectory() as made:
        config.save_folder = Path(made)
        experiment = Experiment(
            task=Community(name="COMMUNITY", config={"scenario": scenario, "max_cycles": days}),
            algorithm_config=getattr(algorithms, f"{algorithm.capitalize()}Config").get_from_yaml(),
            model_config=MlpConfig.get_from_yaml(),
            critic_model_config=MlpConfig.get_from_yaml(), seed=0, config=config,
        )  # fmt: skip
        experiment.run()
        print(
            f"{algorithm} on {scenario}: {experiment.total_frames:,} intervals, mean return of an agent and day "
            f"{experiment.mean_return:.3f}"
        )


if __name__ == "__main__":
    main(*[int(word) if word.isdecimal() else word for word in sys.argv[1:]])
