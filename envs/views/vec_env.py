"""The stable-baselines3 view: every agent of every environment is a row of one VecEnv."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv

from gridbazaar.agents.policy import Policy
from gridbazaar.data.arrays import Array
from gridbazaar.envs.core import Core
from gridbazaar.envs.interval.reward import PARTS
from gridbazaar.envs.safety import COSTS, safety_costs
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.views.batch import (
    Batch,
    add_costs,
    check_actions,
    check_options,
    check_split,
    feature_bounds,
    make_core,
)
from gridbazaar.envs.views.others import Policies

Indices = int | Iterable[int] | None


class MarketVecEnv(VecEnv):
    """A batch of communities; row ``e * n_rows_per_env + i`` is agent *i* of environment *e*.

    Args:
        scenario: a scenario, its name, or a path to its file.
        n_envs: communities side by side.
        kind: rows for agents of this kind alone; none: for all agents.
        others: policies of the rest, one for all or one a kind; who is not named is idle.
        split: where episodes come from; test is refused unless ``allow_test``.
        seed: environment *e* plays the episodes ``seed + e``, ``seed + e + n_envs``, and so on.
        max_cycles: intervals of an episode, up to a day; none: as the scenario says.
        allow_test: play test episodes, for evaluation.
        costs: infos of every step also hold ``costs``, the safety costs by name (``safety.COSTS``), and their sum
            ``cost``; ``last_costs`` has them as an array. Of the last step ``episode_costs`` are those of the episode.
        overrides: fields of the scenario, see ``load_scenario``.

    All rows end together by truncation and begin the next episodes within the same step. ``infos`` are then a dict a
    row with ``terminal_observation``, ``TimeLimit.truncated``, ``episode`` (return, length, seconds), ``agent``,
    ``kind`` and ``reward_parts`` (by name, of the whole episode); otherwise, without ``costs``, the same list of empty
    dicts. Actions outside [-1, 1] are clipped.
    """

    def __init__(
        self,
        scenario: str | Scenario = "village",
        n_envs: int = 16,
        *,
        kind: str | None = None,
        others: Policies = None,
        split: str = "train",
        seed: int = 0,
        max_cycles: int | None = None,
        allow_test: bool = False,
        costs: bool = False,
        **overrides: Any,
    ) -> None:
        self._allow_test, self._costs = allow_test, costs
        self._check_split(split)
        core = make_core(scenario, n_envs, max_cycles, overrides)
        steered = _steered(core, kind, others)
        self._batch = Batch(core, split=split, seed=seed, steered=steered, others=others)
        self.core, self.n_envs, self.kind = core, n_envs, kind
        self.n_rows_per_env = len(self._batch.columns)
        self.row_agents = [core.agents[i] for i in self._batch.columns] * n_envs
        self.render_mode: str | None = None
        self.spec = None
        low, high = feature_bounds(core)
        n_rows = n_envs * self.n_rows_per_env
        super().__init__(n_rows, Box(low, high, dtype=np.float32), Box(-1.0, 1.0, (core.n_actions,), np.float32))
        self._no_infos: list[dict[str, Any]] = [{} for _ in range(n_rows)]
        self._first: int | None = None
        self._actions: Array = None
        self._returns, self._parts = np.zeros(n_rows), np.zeros((n_rows, len(PARTS)))
        self.last_costs: NDArray[np.float64] = np.zeros((n_rows, len(COSTS)))  # of the last interval, if asked for
        self._cost_sums = np.zeros_like(self.last_costs)
        self._started_s = time.perf_counter()

    def reset(self) -> NDArray[np.float32]:
        """Begin episodes everywhere: those of ``seed()`` if it was called, else the next ones."""
        split = self._reset_split()
        self._batch.reset(self._first, split=split)
        self._first = None
        self._reset_seeds()
        self._reset_options()
        self._begin()
        return self._observations()

    def step_async(self, actions: NDArray[Any]) -> None:
        shape = (self.num_envs, self.core.n_actions)
        checked = check_actions(actions, shape, f"a row for each of {self.num_envs} agents")
        self._actions = checked.reshape(self.n_envs, self.n_rows_per_env, -1)

    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        happened = self._batch.step(self._actions)
        rewards = happened.reward[:, self._batch.columns].reshape(-1)
        self._returns += rewards
        self._parts += happened.reward_parts[:, self._batch.columns].reshape(self._parts.shape)
        dones = np.repeat(happened.truncated, self.n_rows_per_env)
        infos = self._no_infos
        if self._costs:
            self.last_costs = safety_costs(self.core, happened)[:, self._batch.columns].reshape(self.last_costs.shape)
            self._cost_sums = self._cost_sums + self.last_costs
            infos = [{} for _ in infos]
        if dones.any():  # then all, for episodes are of equal length
            infos = self._last_infos()
            self._batch.reset()
            self._begin()
        if self._costs:
            add_costs(infos, self.last_costs)
        return self._observations(), rewards.astype(np.float32), dones, infos

    def active_rows(self) -> NDArray[np.bool_]:
        """[num_envs] whether the row's agent has a device in its present episode."""
        has_device: NDArray[np.bool_] = self._batch.state.view.has_device[:, self._batch.columns]
        return has_device.reshape(-1)

    def seed(self, seed: int | None = None) -> Sequence[int]:
        """Choose the episodes of the next reset: environment *e* plays ``seed + e``; none: some that nobody chose."""
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        if seed < 0:
            raise ValueError(f"seed: expected a number >= 0, got {seed}")
        self._first = int(seed)
        seeds = [self._first + e for e in range(self.n_envs) for _ in range(self.n_rows_per_env)]
        self._seeds = list(seeds)
        return seeds

    def close(self) -> None:
        """Nothing is held open."""

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """Give an attribute, the same for each row."""
        return [getattr(self, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Set an attribute of all rows; they share it."""
        if set(self._get_indices(indices)) != set(range(self.num_envs)):
            raise ValueError(f"set_attr({attr_name!r}): rows share their attributes; leave indices out")
        setattr(self, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Indices = None, **kwargs: Any) -> list[Any]:
        """Call a method once; give its answer for each row."""
        answer = getattr(self, method_name)(*args, **kwargs)
        return [answer] * len(list(self._get_indices(indices)))

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Indices = None) -> list[bool]:
        """Nothing is wrapped, but episodes are reported as ``Monitor`` reports them, so the answer to that is yes."""
        return [issubclass(wrapper_class, Monitor)] * len(list(self._get_indices(indices)))

    def _observations(self) -> NDArray[np.float32]:
        return self._batch.features().reshape(self.num_envs, -1)

    def _begin(self) -> None:
        self._cost_sums = np.zeros_like(self._cost_sums)
        self._returns, self._parts = np.zeros(self.num_envs), np.zeros((self.num_envs, len(PARTS)))
        self._started_s = time.perf_counter()
        numbers = np.repeat(self._batch.numbers, self.n_rows_per_env).tolist()
        self.reset_infos = [
            {"agent": agent, "seed": number} for agent, number in zip(self.row_agents, numbers, strict=True)
        ]

    def _last_infos(self) -> list[dict[str, Any]]:
        took_s, n_steps = round(time.perf_counter() - self._started_s, 6), self.core.n_steps
        rows = zip(self._observations(), self._returns.tolist(), self.row_agents, self._parts.tolist(), strict=True)
        kind_of = self.core.scenario.agent_kind
        infos: list[dict[str, Any]] = [
            {
                "terminal_observation": seen,
                "TimeLimit.truncated": True,
                "episode": {"r": total, "l": n_steps, "t": took_s},
                "agent": agent,
                "kind": kind_of(agent),
                "reward_parts": dict(zip(PARTS, parts, strict=True)),
            }
            for seen, total, agent, parts in rows
        ]
        if self._costs:
            for info, sums in zip(infos, self._cost_sums.tolist(), strict=True):
                info["episode_costs"] = dict(zip(COSTS, sums, strict=True))
        return infos

    def _reset_split(self) -> str:
        splits = {check_options(options).get("split", self._batch.split) for options in self._options}
        if len(splits) != 1:
            raise ValueError(f"options: expected one split for all rows, got {', '.join(sorted(splits))}")
        return self._check_split(splits.pop())

    def _check_split(self, split: str) -> str:
        if check_split(split) == "test" and not self._allow_test:
            raise ValueError("split: training refuses the test split; evaluate on it with allow_test=True")
        return split


def vec_env(
    scenario: str | Scenario = "village",
    n_envs: int = 16,
    *,
    kind: str | None = None,
    others: str | Policy | Mapping[str, str | Policy] | None = None,
    split: str = "train",
    seed: int = 0,
    max_cycles: int | None = None,
    allow_test: bool = False,
    costs: bool = False,
    **overrides: Any,
) -> MarketVecEnv:
    """Make a VecEnv with a row an agent; arguments as of ``MarketVecEnv``."""
    return MarketVecEnv(
        scenario, n_envs, kind=kind, others=others, split=split, seed=seed, max_cycles=max_cycles,
        allow_test=allow_test, costs=costs, **overrides,
    )  # fmt: skip


def _steered(core: Core, kind: str | None, others: Policies) -> NDArray[np.bool_] | None:
    """[n_agents] the agents with rows; none: all."""
    if kind is None:
        if others is not None:
            raise ValueError("others: all agents have rows; say which kind alone should have them, kind=...")
        return None
    there = {name: s for name, s in core.scenario.kind_slices.items() if s.stop > s.start}
    if kind not in there:
        raise ValueError(f"kind: expected one of {', '.join(there)}, got {kind!r}")
    mask = np.zeros(core.n_agents, bool)
    mask[there[kind]] = True
    return mask
