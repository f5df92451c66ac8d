"""The Gymnasium views: one agent of a community, the others played by policies; single, or many side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from gridbazaar.agents.kind import Column
from gridbazaar.data.arrays import Array
from gridbazaar.envs.core import Core
from gridbazaar.envs.interval.reward import PARTS
from gridbazaar.envs.safety import COSTS, safety_costs
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.views.batch import (
    Batch,
    ResetNeededError,
    add_costs,
    check_action,
    check_actions,
    check_options,
    column_of,
    feature_bounds,
    infos_of_row,
    make_core,
    nothing_yet,
    results,
)
from gridbazaar.envs.views.others import Policies
from gridbazaar.envs.views.picture import Picture
from gridbazaar.envs.views.registration import register_all

Vector = NDArray[np.float32]
Info = dict[str, Any]


class MarketAgentEnv(gymnasium.Env[Vector, Vector]):
    """One agent in a community.

    Args:
        scenario: a scenario, its name, or a path to its file.
        agent: name of the agent.
        others: policies of the rest, one for all or one a kind; who is not named is idle.
        split: where episodes come from: train, validation or test.
        seed: number of the first episode; each ``reset()`` without a seed plays the next one.
        render_mode: rgb_array, ansi, or None.
        max_cycles: intervals of an episode, up to a week; none: as the scenario says.
        costs: also give safety costs in infos, as ``MarketParallelEnv`` does.
        overrides: fields of the scenario, see ``load_scenario``.

    ``reset(seed=7)`` plays episode 7 of the split, ``options={"split": "validation"}`` for once of another. Episodes
    end by truncation only. Actions outside [-1, 1] are clipped. Infos are those of ``MarketParallelEnv``.
    """

    metadata: ClassVar[Info] = {"render_modes": ["rgb_array", "ansi"], "render_fps": 4}  # type: ignore[misc]

    def __init__(
        self,
        scenario: str | Scenario = "village",
        agent: str = "battery_0",
        others: Policies = "idle",
        *,
        split: str = "train",
        seed: int = 0,
        render_mode: str | None = None,
        max_cycles: int | None = None,
        costs: bool = False,
        **overrides: Any,
    ) -> None:
        self._costs, self.split = costs, split
        core = make_core(scenario, 1, max_cycles, overrides)
        self._batch = Batch(core, split=split, seed=seed, steered=_steered(core, agent), others=others)
        self._picture = Picture(core, render_mode)
        self._is_over = True
        self.render_mode = render_mode
        self.observation_space = _observation_space(core)
        self._columns = _action_columns(core, agent)
        self.action_space = _action_space(self._columns)

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Vector, Info]:
        """Begin the episode of this number, or the next one; ``options`` may hold ``split``."""
        super().reset(seed=seed)
        split = check_options(options).get("split", self._batch.split)
        self._batch.reset(seed, split=split)
        self._picture.clear()
        self._is_over = False
        active = bool(self._batch.seen.mask[0, self._batch.columns[0]])
        self.split = split
        info = nothing_yet(active, self._batch.core.n_actions, costs=self._costs)
        return self._batch.features()[0, 0], info | {"seed": int(self._batch.numbers[0])}

    def step(self, action: Vector) -> tuple[Vector, float, bool, bool, Info]:
        if self._is_over:
            raise ResetNeededError("no episode has begun, or it is over; call reset()")
        batch = self._batch
        given = check_action(action, self._columns)[None, None]
        happened = batch.step(given)
        self._picture.add(batch.core, happened, batch.state)
        self._is_over = bool(happened.truncated[0])
        infos = infos_of_row(results(happened, batch.seen, given, batch.columns), 0)
        if self._costs:
            add_costs(infos, safety_costs(batch.core, happened)[0, batch.columns])
        info = infos[0] | {"seed": int(batch.numbers[0])}
        reward = float(happened.reward[0, batch.columns[0]])
        return batch.features()[0, 0], reward, False, self._is_over, info

    def render(self) -> Any:
        """Show the episode so far in the ``render_mode``."""
        return None if self.render_mode is None else self._picture.show()


class MarketVectorEnv(VectorEnv[Vector, Vector, Array]):
    """One agent in each of many communities, over one batched core.

    Args:
        scenario, agent, others, split, max_cycles, overrides: as of ``MarketAgentEnv``.
        n_envs: communities side by side.
        seed: number of the first episode: environment *e* begins with ``seed + e``; a reset without a seed, also the
            automatic one, goes on with the numbers after the largest yet.
        autoreset_mode: ``SAME_STEP`` (default): an episode that ends begins anew within the step, and infos hold
            ``final_obs`` and ``final_info``; ``NEXT_STEP``: the step after the last one
            begins the next episodes, whatever its actions; ``DISABLED``: the caller resets, with
            ``options={"reset_mask": [n_envs] bool}`` only some.
        costs: also give safety costs in infos, [n_envs] by name in ``costs``, and their sum ``cost``.
    """

    def __init__(
        self,
        scenario: str | Scenario = "village",
        n_envs: int = 16,
        *,
        agent: str = "battery_0",
        others: Policies = "idle",
        split: str = "train",
        seed: int = 0,
        max_cycles: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        costs: bool = False,
        **overrides: Any,
    ) -> None:
        mode, self._costs = AutoresetMode(autoreset_mode), costs
        core = make_core(scenario, n_envs, max_cycles, overrides)
        self._batch = Batch(core, split=split, seed=seed, steered=_steered(core, agent), others=others)
        self._mode = mode
        self._is_over, self._ended = np.ones(n_envs, bool), False
        self.num_envs = n_envs
        self.render_mode = None
        self.metadata = {"autoreset_mode": mode, "render_modes": []}
        self.single_observation_space = _observation_space(core)
        self.single_action_space = _action_space(_action_columns(core, agent))
        self.observation_space = batch_space(self.single_observation_space, n_envs)
        self.action_space = batch_space(self.single_action_space, n_envs)

    def reset(self, *, seed: int | Sequence[int] | None = None, options: Info | None = None) -> tuple[Vector, Info]:
        """Begin episodes.

        Args:
            seed: number of the first row's episode, or one a row; none: the next ones.
            options: ``split`` for these episodes only, ``reset_mask`` [n_envs] bool for the rows that begin.
        """
        chosen = check_options(options, ("split", "reset_mask"))
        split, rows = chosen.get("split", self._batch.split), chosen.get("reset_mask")
        self._ended = False
        if rows is not None and self._mode is AutoresetMode.NEXT_STEP:
            raise ValueError("options['reset_mask']: expected none with NEXT_STEP, where all rows begin together")
        if rows is not None:
            rows = self._check_mask(rows)
            if isinstance(seed, Sequence | np.ndarray):
                if len(seed) != self.num_envs:
                    raise ValueError(f"seed: expected one number or {self.num_envs}, got {len(seed)}")
                seed = [s for s, begins in zip(seed, rows, strict=True) if begins]
            elif seed is not None:
                seed = [seed + int(e) for e in np.flatnonzero(rows)]
        return self._begin(seed, split, rows)

    def step(self, actions: Vector) -> tuple[Vector, Array, Array, Array, Info]:
        if self._is_over.any():
            over = np.flatnonzero(self._is_over).tolist()
            raise ResetNeededError(f"rows {over} have not begun or are over; reset them")
        batch = self._batch
        if self._ended:  # NEXT_STEP: what is given for this step is not played
            self._ended = False
            fresh, begun = self._begin(None, batch.split, None)
            none = np.zeros(self.num_envs)
            return fresh, none, none.astype(bool), none.astype(bool), begun
        shape = self.action_space.shape
        assert shape is not None
        given = check_actions(actions, shape, f"a row for each of {self.num_envs} environments")[:, None]
        happened = batch.step(given)
        found = {k: v[:, 0] for k, v in results(happened, batch.seen, given, batch.columns).items()}
        found["reward_parts"] = dict(zip(PARTS, found["reward_parts"].T, strict=True))
        if self._costs:
            broken = safety_costs(batch.core, happened)[:, batch.columns[0]]
            found |= {"costs": dict(zip(COSTS, broken.T, strict=True)), "cost": broken.sum(axis=1)}
        found["seed"] = batch.numbers.copy()
        rewards = happened.reward[:, batch.columns[0]].astype(np.float64)
        ends = happened.truncated.copy()
        seen, infos = batch.features()[:, 0], _with_masks(found, np.ones(self.num_envs, bool))
        if self._mode is AutoresetMode.DISABLED:
            self._is_over = ends.copy()
        elif self._mode is AutoresetMode.NEXT_STEP:
            self._ended = bool(ends.any())  # then all, for episodes are of equal length
        elif ends.any():
            seen, infos = self._restart(seen, found, ends)
        return seen, rewards, np.zeros(self.num_envs, bool), ends, infos

    def _restart(self, seen: Vector, found: Info, ends: NDArray[np.bool_]) -> tuple[Vector, Info]:
        final_obs = np.full(self.num_envs, None, object)
        for e in np.flatnonzero(ends):
            final_obs[e] = seen[e]
        fresh, _ = self._begin(None, self._batch.split, ends)
        infos: Info = {"final_obs": final_obs, "_final_obs": ends.copy()}
        infos |= {"final_info": _with_masks(found, ends), "_final_info": ends.copy()}
        merged = _merged(self._nothing_yet(), found, ends)
        return fresh, infos | _with_masks(merged, np.ones(self.num_envs, bool))

    def _begin(
        self, seed: int | Sequence[int] | None, split: str, rows: NDArray[np.bool_] | None
    ) -> tuple[Vector, Info]:
        batch = self._batch
        batch.reset(seed, split=split, rows=None if rows is None or rows.all() else rows)
        begun = np.ones(self.num_envs, bool) if rows is None else rows.copy()
        self._is_over = self._is_over & ~begun
        return batch.features()[:, 0], _with_masks(self._nothing_yet(), begun)

    def _nothing_yet(self) -> Info:
        """Infos of rows that have begun, [n_envs, ...] each: the keys of a step, with nothing that has happened."""
        batch, n = self._batch, self.num_envs
        one = nothing_yet(True, batch.core.n_actions, costs=self._costs)
        named = {
            key: {name: np.zeros(n) for name in one.pop(key)} for key in ("reward_parts", "costs") if key in one
        }  # fmt: skip
        plain = {name: np.zeros((n, *np.shape(value)), np.asarray(value).dtype) for name, value in one.items()}
        now = {"active": batch.seen.mask[:, batch.columns[0]], "seed": batch.numbers.copy()}
        return plain | named | now

    def _check_mask(self, mask: Any) -> NDArray[np.bool_]:
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,):
            raise ValueError(f"options['reset_mask']: expected a bool array of shape ({self.num_envs},), got {mask!r}")
        if not mask.any():
            raise ValueError("options['reset_mask']: expected at least one row to reset, got none")
        return mask


def single_agent_env(
    scenario: str | Scenario = "village",
    agent: str = "battery_0",
    others: Policies = "idle",
    *,
    split: str = "train",
    seed: int = 0,
    render_mode: str | None = None,
    max_cycles: int | None = None,
    costs: bool = False,
    **overrides: Any,
) -> MarketAgentEnv:
    """Make a Gymnasium environment for one agent; arguments as of ``MarketAgentEnv``."""
    return MarketAgentEnv(
        scenario, agent, others, split=split, seed=seed, render_mode=render_mode, max_cycles=max_cycles, costs=costs,
        **overrides,
    )  # fmt: skip


def vector_env(
    scenario: str | Scenario = "village",
    n_envs: int = 16,
    *,
    agent: str = "battery_0",
    others: Policies = "idle",
    split: str = "train",
    seed: int = 0,
    max_cycles: int | None = None,
    autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
    costs: bool = False,
    **overrides: Any,
) -> MarketVectorEnv:
    """Make a Gymnasium vector environment for one agent; arguments as of ``MarketVectorEnv``."""
    return MarketVectorEnv(
        scenario, n_envs, agent=agent, others=others, split=split, seed=seed, max_cycles=max_cycles,
        autoreset_mode=autoreset_mode, costs=costs, **overrides,
    )  # fmt: skip


def make_vector_env(num_envs: int = 1, **options: Any) -> MarketVectorEnv:
    """``vector_env`` as ``gymnasium.make_vec`` calls it."""
    return vector_env(n_envs=num_envs, **options)


def _steered(core: Core, agent: str) -> NDArray[np.bool_]:
    mask = np.zeros(core.n_agents, bool)
    mask[column_of(core, agent)] = True
    return mask


def _observation_space(core: Core) -> Box[np.float32]:
    low, high = feature_bounds(core)
    return Box(low, high, dtype=np.float32)


def _action_columns(core: Core, agent: str) -> tuple[Column, ...]:
    return core.action_columns[core.scenario.agent_kind(agent)]


def _action_space(columns: tuple[Column, ...]) -> Box[np.float32]:
    return Box(-1.0, 1.0, (len(columns),), np.float32)


def _merged(begun: Info, stepped: Info, ends: NDArray[np.bool_]) -> Info:
    """Infos of rows that have begun where another one ended, of those that go on elsewhere."""
    merged: Info = {}
    for name, value in stepped.items():
        if isinstance(value, dict):
            merged[name] = _merged(begun[name], value, ends)
        else:
            merged[name] = np.where(ends.reshape(-1, *[1] * (value.ndim - 1)), begun[name], value)
    return merged


def _with_masks(found: Info, rows: NDArray[np.bool_]) -> Info:
    """Add to each entry which rows it speaks of, ``_name``; other rows hold zero. Dicts are treated inside too."""
    infos: Info = {}
    for name, value in found.items():
        if isinstance(value, dict):
            infos[name] = _with_masks(value, rows)
        elif value.dtype == object:
            infos[name] = np.where(rows, value, None)
        else:
            infos[name] = np.where(rows.reshape(-1, *[1] * (value.ndim - 1)), value, np.zeros((), value.dtype))
        infos[f"_{name}"] = rows.copy()
    return infos


register_all()
