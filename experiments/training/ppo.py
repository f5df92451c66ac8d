"""What we add to stable-baselines3's PPO: rows without a device are left out, the last rate and the clock count."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn


class OwnersRolloutBuffer(RolloutBuffer):
    """Trains only on rows of agents that had a device in their episode, for others had nothing to decide.

    That a car came is known afterwards. A rollout is an episode.
    """

    minibatches = 8
    capacity: int | None = None  # the column in which a row says what it can store; none: it is not observed

    def get(self, batch_size: int | None = None) -> Generator[RolloutBufferSamples, None, None]:
        assert self.full
        if not self.generator_ready:
            for name in ("observations", "actions", "values", "log_probs", "advantages", "returns"):
                setattr(self, name, self.swap_and_flatten(getattr(self, name)))
            self.generator_ready = True
        owned = np.arange(len(self.observations))
        if self.capacity is not None:
            capacity = self.observations[:, self.capacity].reshape(self.n_envs, self.buffer_size)  # a row's in turn
            owned = np.flatnonzero(np.repeat((capacity > 0).any(axis=1), self.buffer_size))
        if not len(owned):  # then every row teaches the same: nothing
            owned = np.arange(len(self.observations))
        shuffled = np.random.permutation(owned)  # noqa: NPY002 - stable-baselines3 seeds the global generator
        yield from (self._get_samples(part) for part in np.array_split(shuffled, self.minibatches) if len(part))


class MarketPPO(PPO):
    """PPO whose learning rate falls linearly to a share of itself with the progress of the run."""

    progress: Callable[[], float] | None = None

    def __init__(
        self, *args: Any, last_rate: float = 0.05, minibatches: int = 8, capacity: int | None = None, **kwargs: Any
    ) -> None:
        self.last_rate, self.minibatches, self.capacity = last_rate, minibatches, capacity
        super().__init__(*args, **(kwargs | {"rollout_buffer_class": OwnersRolloutBuffer}))

    def _setup_model(self) -> None:
        super()._setup_model()
        assert isinstance(self.rollout_buffer, OwnersRolloutBuffer)
        self.rollout_buffer.minibatches, self.rollout_buffer.capacity = self.minibatches, self.capacity

    def _update_learning_rate(self, optimizers: Any) -> None:
        done = self.progress() if self.progress is not None else 1 - self._current_progress_remaining
        rate = self.lr_schedule(1.0) * (1 - (1 - self.last_rate) * done)
        self.logger.record("train/learning_rate", rate)
        for group in self.policy.optimizer.param_groups:
            group["lr"] = rate

    def collect_rollouts(self, *args: Any, **kwargs: Any) -> bool:
        """End the run when the clock says so, between rollouts."""
        if self.progress is not None and self.progress() >= 1.0:
            return False
        return super().collect_rollouts(*args, **kwargs)


class _WithoutBootstrap(VecEnvWrapper):
    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Leave the episodes as the environment was made with; PPO would begin with the same ones after a resume."""
        return [None] * self.num_envs

    def reset(self) -> Any:
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        observations, rewards, dones, infos = self.venv.step_wait()
        if dones.any():
            infos = [{k: v for k, v in i.items() if k != "TimeLimit.truncated"} for i in infos]
        return observations, rewards, dones, infos


def without_bootstrap(venv: VecEnv) -> VecEnv:
    """Hide that episodes are cut by time: what is left is paid for at the end, nothing comes after."""
    return _WithoutBootstrap(venv)
