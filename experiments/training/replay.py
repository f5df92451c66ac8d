"""What we add to stable-baselines3's SAC: rows without a device are left out, and all that a checkpoint needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3 import SAC
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples

from gridbazaar.experiments.training import checkpoint as checkpoints
from gridbazaar.experiments.training.checkpoint import Arrays

_HELD = ("observations", "actions", "rewards", "dones", "owned")
_BUFFER, _POLICY, _ENTROPY = "buffer/", "policy/", "log_ent_coef"


class OwnersReplayBuffer(ReplayBuffer):
    """Draws only transitions of agents that have a device in that episode, for others had nothing to decide."""

    owners: Callable[[], NDArray[np.bool_]] | None = None  # says of each row whether it has one now; none: all have

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owned = np.zeros((self.buffer_size, self.n_envs), bool)
        self._now: NDArray[np.bool_] | None = None
        self._drawn_from: NDArray[np.int64] | None = None

    def add(self, *args: Any, **kwargs: Any) -> None:
        """Keep a transition of each row; the environment may have begun the next episode already."""
        at, now = self.pos, self._now if self._now is not None else self._owners()
        super().add(*args, **kwargs)
        self.owned[at] = now
        self._now, self._drawn_from = self._owners(), None

    def begin(self) -> None:
        """Look who has a device, as episodes begin."""
        self._now = self._owners()

    def _owners(self) -> NDArray[np.bool_]:
        found = np.ones(self.n_envs, bool) if self.owners is None else self.owners()
        return found if found.any() else np.ones(self.n_envs, bool)  # then every row teaches the same: nothing

    def sample(self, batch_size: int, env: Any = None) -> ReplayBufferSamples:
        if self._drawn_from is None:
            places = self.owned.copy() if self.full else self.owned[: self.pos]
            if self.full:
                places[self.pos] = False  # what comes after it was overwritten
            self._drawn_from = np.flatnonzero(places)
        drawn = np.random.randint(0, len(self._drawn_from), batch_size)  # noqa: NPY002 - as stable-baselines3 draws
        at, row = np.divmod(self._drawn_from[drawn], self.n_envs)
        after = self.observations[(at + 1) % self.buffer_size, row]
        held = (
            self.observations[at, row], self.actions[at, row], after, self.dones[at, row, None],
            self.rewards[at, row, None],
        )  # fmt: skip
        return ReplayBufferSamples(*map(self.to_torch, held))

    def held(self) -> Arrays:
        """Give all that it holds, as far as it is filled."""
        n = self.buffer_size if self.full else self.pos
        return {name: getattr(self, name)[:n] for name in _HELD}

    def put_back(self, held: Mapping[str, NDArray[Any]], pos: int, is_full: bool) -> None:
        """Hold what another one held.

        Raises:
            ValueError: that was of another size.
        """
        n = self.buffer_size if is_full else pos
        for name in _HELD:
            place = getattr(self, name)
            if held[name].shape != (n, *place.shape[1:]) or not 0 <= pos < self.buffer_size:
                raise ValueError(f"the replay buffer's {name} have the shape {held[name].shape}")
            place[:n] = held[name]
        self.pos, self.full = pos, is_full


class MarketSAC(SAC):
    """SAC whose learning rate falls linearly to a share of itself with the progress of the run."""

    progress: Callable[[], float] | None = None
    begins_random = True  # whether it begins with random actions, not with those of its actor

    def __init__(self, *args: Any, last_rate: float = 0.05, **kwargs: Any) -> None:
        self.last_rate = last_rate
        of_buffer = {
            "optimize_memory_usage": True,
            "replay_buffer_class": OwnersReplayBuffer,
            "replay_buffer_kwargs": {"handle_timeout_termination": False},
        }
        super().__init__(*args, **(kwargs | of_buffer))

    def _update_learning_rate(self, optimizers: Any) -> None:
        done = self.progress() if self.progress is not None else 1 - self._current_progress_remaining
        rate = self.lr_schedule(1.0) * (1 - (1 - self.last_rate) * done)
        self.logger.record("train/learning_rate", rate)
        for optimiser in optimizers:
            for group in optimiser.param_groups:
                group["lr"] = rate

    def _sample_action(self, learning_starts: int, action_noise: Any = None, n_envs: int = 1) -> Any:
        """Begin with random actions; drawn by the generator that checkpoints keep."""
        if not self.begins_random or self.num_timesteps >= learning_starts:
            return super()._sample_action(0, action_noise, n_envs)
        shape = (n_envs, *(self.action_space.shape or ()))
        drawn = np.random.uniform(-1, 1, shape).astype(np.float32)  # noqa: NPY002 - as stable-baselines3 draws
        return drawn, drawn

    @property
    def _optimisers(self) -> dict[str, Any]:
        found = {"actor": self.actor.optimizer, "critic": self.critic.optimizer, "entropy": self.ent_coef_optimizer}
        return {name: optimiser for name, optimiser in found.items() if optimiser is not None}

    def acting(self) -> Arrays:
        """Give the weights that play: those of the actor's mean."""
        held = self.actor.state_dict()
        return {n: x.numpy().copy() for n, x in held.items() if n.startswith(("latent_pi.", "mu."))}

    def state(self) -> dict[str, Any]:
        """Give the fields of a checkpoint that this way to learn fills."""
        buffer: Any = self.replay_buffer
        moments: Arrays = {}
        rate = 0.0
        for name, optimiser in self._optimisers.items():
            of, rate = checkpoints.moments_of(optimiser)
            moments |= {f"{name}/{n}": x for n, x in of.items()}
        learning = {_POLICY + n: x.numpy().copy() for n, x in self.policy.state_dict().items()}
        learning |= {_BUFFER + n: x for n, x in buffer.held().items()}
        if self.log_ent_coef is not None:
            learning[_ENTROPY] = self.log_ent_coef.detach().numpy().copy()
        drawn, drawn_more = checkpoints.generators()
        counts = {"pos": int(buffer.pos), "is_full": bool(buffer.full), "n_updates": int(self._n_updates)}
        return {
            "weights": self.acting(), "learning": learning, "moments": moments, "rate": rate, "drawn": drawn,
            "drawn_more": drawn_more, "counts": counts,
        }  # fmt: skip

    def put_back(self, checkpoint: checkpoints.Checkpoint) -> None:
        """Go on from a checkpoint; the generators come last."""
        import torch

        held, counts, buffer = checkpoint.learning, checkpoint.counts, self.replay_buffer
        assert isinstance(buffer, OwnersReplayBuffer)
        self.policy.load_state_dict({n: torch.as_tensor(x) for n, x in checkpoints.those(held, _POLICY).items()})
        if self.log_ent_coef is not None:
            with torch.no_grad():
                self.log_ent_coef.copy_(torch.as_tensor(held[_ENTROPY]))
        for name, optimiser in self._optimisers.items():
            of = checkpoints.those(checkpoint.moments, f"{name}/")
            checkpoints.put_moments(optimiser, of, checkpoint.rate)
        buffer.put_back(checkpoints.those(held, _BUFFER), counts["pos"], counts["is_full"])
        self.num_timesteps, self._n_updates = checkpoint.steps, counts["n_updates"]
        checkpoints.put_generators(checkpoint)
