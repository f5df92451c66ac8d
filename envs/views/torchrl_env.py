"""The TorchRL view: a batch of communities as one batched environment, with a group of agents for each kind."""

# pyright: reportMissingImports=false
# TorchRL is not installed where types are checked.

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tensordict import TensorDict, TensorDictBase
from torchrl.data import Binary, Bounded, Composite, Unbounded
from torchrl.envs import EnvBase

from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.views.batch import Batch, check_actions, check_split, feature_bounds, make_core, state_places


class MarketTorchRLEnv(EnvBase):  # type: ignore[misc]  # which has no types
    """A batch of communities, with ``observation``, ``action`` and ``reward`` of each kind, and the ``state`` of all.

    Args:
        scenario: a scenario, its name, or a path to its file.
        n_envs: communities side by side, the batch size.
        split: where episodes come from; test is refused unless ``allow_test``.
        seed: environment *e* plays the episodes ``seed + e``, ``seed + e + n_envs``, and so on.
        has_state: whether ``state`` is there, what all agents share once and what each has of its own.
        is_terminal: episodes end as terminated, as nothing comes after what is left was paid for; else as truncated.
        allow_test: play test episodes, for evaluation.
        device: of the tensors; the market is played on the host.
        overrides: fields of the scenario, see ``load_scenario``.

    The actions of a kind have its own components. All episodes of a batch end together.
    """

    def __init__(
        self,
        scenario: str | Scenario = "village",
        n_envs: int = 16,
        *,
        split: str = "train",
        seed: int = 0,
        has_state: bool = True,
        is_terminal: bool = False,
        allow_test: bool = False,
        device: str | torch.device = "cpu",
        **overrides: Any,
    ) -> None:
        if check_split(split) == "test" and not allow_test:
            raise ValueError("split: training refuses the test split; evaluate on it with allow_test=True")
        core = make_core(scenario, n_envs, None, overrides)
        super().__init__(device=device, batch_size=torch.Size([n_envs]))
        self._batch = Batch(core, split=split, seed=seed)
        self.core, self._is_terminal = core, is_terminal
        self._slices = {kind: s for kind, s in core.scenario.kind_slices.items() if s.stop > s.start}
        self.group_map = {kind: list(core.agents[s]) for kind, s in self._slices.items()}
        self._places: NDArray[np.int64] | None = state_places(core) if has_state else None
        self._make_specs()

    def _make_specs(self) -> None:
        core, n = self.core, self.core.n_envs
        low, high = (torch.from_numpy(x) for x in feature_bounds(core))
        seen, acts, rewards = ({} for _ in range(3))
        for kind, agents in self._slices.items():
            m, width = agents.stop - agents.start, len(core.action_columns[kind])
            shape = (n, m, len(low))
            bounds = {"low": low.expand(shape), "high": high.expand(shape), "dtype": torch.float32}
            of = {"device": self.device}
            seen[kind] = Composite(observation=Bounded(**bounds, shape=shape, **of), shape=(n, m), **of)
            act = Bounded(low=-1.0, high=1.0, shape=(n, m, width), dtype=torch.float32, **of)
            acts[kind] = Composite(action=act, shape=(n, m), **of)
            rewards[kind] = Composite(reward=Unbounded((n, m, 1), dtype=torch.float32, **of), shape=(n, m), **of)
        if self._places is not None:
            seen["state"] = Unbounded((n, len(self._places)), dtype=torch.float32, device=self.device)
        self.observation_spec = Composite(seen, shape=(n,), device=self.device)
        self.action_spec = Composite(acts, shape=(n,), device=self.device)
        self.reward_spec = Composite(rewards, shape=(n,), device=self.device)
        flag = {"shape": (n, 1), "dtype": torch.bool, "device": self.device}
        flags = {name: Binary(n=1, **flag) for name in ("done", "terminated", "truncated")}
        self.done_spec = Composite(flags, shape=(n,), device=self.device)

    def _reset(self, tensordict: TensorDictBase | None = None, **kwargs: Any) -> TensorDictBase:
        """Begin the next episodes: everywhere, or where ``_reset`` says so."""
        rows = None if tensordict is None else tensordict.get("_reset", None)
        if rows is None or rows.all():
            self._batch.reset()
        else:
            self._batch.reset(rows=rows.cpu().numpy().reshape(-1))
        return self._seen(np.zeros(self.core.n_envs, bool))

    def _step(self, tensordict: TensorDictBase) -> TensorDictBase:
        core = self.core
        action = np.zeros((core.n_envs, core.n_agents, core.n_actions))
        for kind, agents in self._slices.items():
            shape = (core.n_envs, agents.stop - agents.start, len(core.action_columns[kind]))
            given = tensordict.get((kind, "action")).detach().cpu().numpy()
            action[:, agents, : shape[2]] = check_actions(given, shape, f"a row for each {kind}")
        happened = self._batch.step(action)
        found = self._seen(np.asarray(happened.truncated))
        reward = torch.from_numpy(happened.reward.astype(np.float32)).to(self.device)
        for kind, agents in self._slices.items():
            found.set((kind, "reward"), reward[:, agents, None])
        return found

    def _set_seed(self, seed: int | None) -> None:
        """Choose the episodes of the next reset: environment *e* plays ``seed + e``."""
        if seed is not None:
            self._batch.next_number = int(seed)

    def _seen(self, ended: NDArray[np.bool_]) -> TensorDict:
        features = torch.from_numpy(self._batch.features()).to(self.device)
        n = self.core.n_envs
        held: dict[str, Any] = {
            kind: TensorDict({"observation": features[:, s]}, batch_size=(n, s.stop - s.start), device=self.device)
            for kind, s in self._slices.items()
        }
        if self._places is not None:
            held["state"] = features.reshape(n, -1)[:, torch.from_numpy(self._places)]
        done = torch.from_numpy(ended)[:, None].to(self.device)
        nothing = torch.zeros_like(done)
        ends = (done, nothing) if self._is_terminal else (nothing, done)
        held |= {"done": done.clone(), "terminated": ends[0].clone(), "truncated": ends[1].clone()}
        return TensorDict(held, batch_size=(n,), device=self.device)
