"""The learner of BenchMARL: its algorithm, losses and collector on our batch of communities, a group for each kind.

BenchMARL makes the parts; the loop over rollouts is ours, so that a run ends, is kept and goes on as all runs do.
"""

from __future__ import annotations

import tempfile
from importlib import import_module
from typing import Any

import torch

from gridbazaar.agents.network import OF_KIND
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.training import checkpoint as checkpoints
from gridbazaar.experiments.training.checkpoint import Arrays, Checkpoint
from gridbazaar.experiments.training.folder import EPISODES_A_SEED
from gridbazaar.experiments.training.marl.community import Community
from gridbazaar.experiments.training.marl.config import MarlConfig

_ACTOR = "module.0.module.0.mlp.params."


class Learner:
    """Plays rollouts of whole episodes and learns from them.

    Args:
        config: how.
        scenario: in which.
        first: number of the first episode among those of the run's seed.
    """

    def __init__(self, config: MarlConfig, scenario: Scenario, first: int) -> None:
        experiment: Any = import_module("benchmarl.experiment")
        algorithms: Any = import_module("benchmarl.algorithms")
        self.config, self.scenario = config, scenario
        algorithm = getattr(algorithms, f"{config.algo.capitalize()}Config")(
            share_param_critic=config.shares_critic, clip_epsilon=config.clip, entropy_coef=config.entropy,
            critic_coef=config.value_weight, loss_critic_type=config.value_loss, lmbda=config.gae_lambda,
            scale_mapping="biased_softplus_1.0", use_tanh_normal=True, minibatch_advantage=False,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as made:  # it writes down, pickled, how it was made
            self.experiment = experiment.Experiment(
                task=Community(scenario, config.seed * EPISODES_A_SEED + first),
                algorithm_config=algorithm,
                model_config=_model(config.width),
                critic_model_config=_model(config.width),
                seed=config.seed,
                config=self._experiment_config(experiment, made),
            )
        self.kinds: tuple[str, ...] = tuple(self.experiment.group_map)
        self.steps_done = 0
        self._batches: Any = None

    def _experiment_config(self, experiment: Any, made: str) -> Any:
        config, found = self.config, experiment.ExperimentConfig.get_from_yaml()
        frames = config.n_envs * self.scenario.n_steps
        found.max_n_iters, found.max_n_frames = -(-config.steps // self.rollout), None
        found.gamma, found.lr, found.clip_grad_val = config.gamma, config.learning_rate, config.most_norm
        found.on_policy_collected_frames_per_batch, found.on_policy_n_envs_per_worker = frames, config.n_envs
        found.on_policy_n_minibatch_iters = config.epochs
        found.on_policy_minibatch_size = max(1, -(-frames // config.minibatches))
        found.evaluation, found.evaluation_episodes, found.loggers, found.create_json = False, 1, [], False
        found.save_folder = made
        return found

    @property
    def rollout(self) -> int:
        """Agent-steps of an episode of all communities."""
        return self.config.n_envs * self.scenario.n_steps * len(self.scenario.agent_names)

    def learn(self) -> None:
        """Play an episode of all communities, and learn from it."""
        if self._batches is None:
            self._batches = iter(self.experiment.collector)
        self._set_rate()
        batch = next(self._batches).detach()
        made = self.experiment
        for kind in self.kinds:
            of_kind = made.algorithm.process_batch(kind, batch.exclude(*made._get_excluded_keys(kind)))
            buffer = made.replay_buffers[kind]
            buffer.empty()  # so that nothing is left over from one rollout to the next
            buffer.extend(of_kind.reshape(-1))
            for _ in range(self.config.epochs * self.n_minibatches):
                made._optimizer_loop(kind)
        made.collector.update_policy_weights_()
        self.steps_done += self.rollout

    @property
    def n_minibatches(self) -> int:
        """Minibatches of an epoch."""
        frames = self.config.n_envs * self.scenario.n_steps
        return -(-frames // max(1, -(-frames // self.config.minibatches)))

    def _set_rate(self) -> None:
        done = min(self.steps_done / self.config.steps, 1.0)
        rate = self.config.learning_rate * (1 - (1 - self.config.last_rate) * done)
        for optimiser in self._optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = rate

    @property
    def _optimisers(self) -> dict[str, Any]:
        return {f"{k}/{name}": x for k in self.kinds for name, x in self.experiment.optimizers[k].items()}

    def acting(self) -> Arrays:
        """Give the weights that play: of each kind those of its mean, by the names of ``agents/network.py``."""
        found: Arrays = {}
        for kind in self.kinds:
            layers = self.experiment.losses[kind].actor_network_params.flatten_keys().items()
            arrays = {name.removeprefix(_ACTOR): x.detach().numpy().copy() for name, x in layers}
            last = str(max(int(name.partition(".")[0]) for name in arrays))
            for name, x in arrays.items():
                number, _, part = name.partition(".")
                if number == last:  # means first, then what becomes of the deviations
                    found[f"{OF_KIND}{kind}/mu.{part}"] = x[: len(x) // 2]
                else:
                    found[f"{OF_KIND}{kind}/latent_pi.{number}.{part}"] = x
        return found

    def state(self) -> dict[str, Any]:
        """Give the fields of a checkpoint that this way to learn fills."""
        moments: Arrays = {}
        rate = 0.0
        for name, optimiser in self._optimisers.items():
            of, rate = checkpoints.moments_of(optimiser)
            moments |= {f"{name}/{n}": x for n, x in of.items()}
        drawn, drawn_more = checkpoints.generators()
        return {
            "episodes": self.steps_done // self.rollout * self.config.n_envs, "weights": self.acting(),
            "learning": {name: x.detach().numpy().copy() for name, x in self._parameters.items()}, "moments": moments,
            "rate": rate, "drawn": drawn, "drawn_more": drawn_more,
        }  # fmt: skip

    @property
    def _parameters(self) -> dict[str, torch.Tensor]:
        """All that an optimiser steps, by the kind and its place."""
        return {
            f"{name}/{i}": x
            for name, optimiser in self._optimisers.items()
            for i, x in enumerate(optimiser.param_groups[0]["params"])
        }

    def put_back(self, last: Checkpoint) -> None:
        """Go on from a checkpoint; the generators come last.

        Raises:
            ValueError: it is of other networks.
        """
        parameters = self._parameters
        if parameters.keys() != last.learning.keys():
            raise ValueError(f"expected weights of {', '.join(self.kinds)}, got {', '.join(last.learning)[:200]}")
        with torch.no_grad():
            for name, x in parameters.items():
                if tuple(x.shape) != last.learning[name].shape:
                    raise ValueError(f"{name}: expected the shape {tuple(x.shape)}, got {last.learning[name].shape}")
                x.copy_(torch.as_tensor(last.learning[name]))
        for name, optimiser in self._optimisers.items():
            checkpoints.put_moments(optimiser, checkpoints.those(last.moments, f"{name}/"), last.rate)
        self.experiment.collector.update_policy_weights_()
        self.steps_done = last.steps
        self._batches = iter(self.experiment.collector)
        checkpoints.put_generators(last)

    def close(self) -> None:
        """End what collects."""
        self.experiment.close()


def _model(width: int) -> Any:
    models: Any = import_module("benchmarl.models")
    linear, tanh = torch.nn.Linear, torch.nn.Tanh
    return models.MlpConfig(num_cells=[width, width], layer_class=linear, activation_class=tanh)
