"""A batch in play: the core's current state and observation, which all views share. No logic of the market."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.kind import Column
from gridbazaar.agents.policy import Observation
from gridbazaar.data.arrays import Array
from gridbazaar.data.chance import SPLITS
from gridbazaar.data.trees import replace_rows
from gridbazaar.envs.core import Core
from gridbazaar.envs.interval.reward import PARTS
from gridbazaar.envs.observe import feature_columns, observe, shared_columns
from gridbazaar.envs.safety import COSTS
from gridbazaar.envs.scenario import WEEK_H, Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import State, Transition
from gridbazaar.envs.views.others import Others, Policies


class ResetNeededError(RuntimeError):
    """An episode has not begun, or is over."""


def make_core(scenario: str | Scenario, n_envs: int, max_cycles: int | None, overrides: Mapping[str, Any]) -> Core:
    """Build a core whose episodes have ``max_cycles`` intervals; none: as long as the scenario says."""
    chosen = load_scenario(scenario, **overrides)
    if max_cycles is not None:
        most = int(WEEK_H / chosen.step_h)
        if not 1 <= max_cycles <= most:
            raise ValueError(
                f"max_cycles: expected 1 to {most} of {chosen.step_min} min each, which a week has; got {max_cycles}"
            )
        chosen = replace(chosen, hours=max_cycles * chosen.step_min / 60)
    return Core(chosen, n_envs)


def feature_bounds(core: Core) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lowest and highest value of each feature, [n_features] each."""
    columns = feature_columns(core.scenario)
    return np.array([c.low for c in columns], np.float32), np.array([c.high for c in columns], np.float32)


class Batch:
    """Episodes in play, one a row.

    Args:
        core: the core.
        split: where episodes come from unless a reset says otherwise.
        seed: number of the first episode; each reset without numbers goes on with the next ones.
        steered: [n_agents] bool, agents whose actions come from outside; none: all.
        others: who acts for the rest.
        forecasts: whether observations look ahead.

    A copy shares the core, which never changes and holds the long series.
    """

    def __init__(
        self,
        core: Core,
        *,
        split: str = "train",
        seed: int = 0,
        steered: NDArray[np.bool_] | None = None,
        others: Policies = None,
        forecasts: bool = False,
    ) -> None:
        self.core = core
        self.split = check_split(split)
        self.next_number = _check_number(seed)
        self.numbers: NDArray[np.int64] = np.zeros(core.n_envs, np.int64)
        mask = np.ones(core.n_agents, bool) if steered is None else steered
        self.columns: NDArray[np.int64] = np.flatnonzero(mask)
        self._others = None if mask.all() else Others(core, mask, others)
        self._forecasts = forecasts or (self._others is not None and self._others.needs_forecasts)
        self._bounds = feature_bounds(core)
        self._state: State | None = None
        self._seen: Observation | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Batch:
        memo[id(self.core)] = self.core
        twin = self.__class__.__new__(self.__class__)
        memo[id(self)] = twin
        twin.__dict__.update({name: deepcopy(value, memo) for name, value in self.__dict__.items()})
        return twin

    @property
    def state(self) -> State:
        if self._state is None:
            raise ResetNeededError("no episode has begun; call reset()")
        return self._state

    @property
    def seen(self) -> Observation:
        """What policies see now; its features lie inside their bounds."""
        if self._seen is None:
            raise ResetNeededError("no episode has begun; call reset()")
        return self._seen

    def features(self) -> NDArray[np.float32]:
        """[n_envs, n_steered, n_features] a copy of what the steered agents see."""
        features: NDArray[np.float32] = self.seen.features[:, self.columns]
        return features

    def reset(
        self,
        numbers: int | Sequence[int] | NDArray[np.int64] | None = None,
        *,
        split: str | None = None,
        rows: NDArray[np.bool_] | None = None,
    ) -> None:
        """Begin episodes.

        Args:
            numbers: of the episodes: one a row that begins, or that of the first; none: the next ones.
            split: none: that of the batch.
            rows: [n_envs] which begin; none: all.
        """
        begins = np.arange(self.core.n_envs) if rows is None else np.flatnonzero(rows)
        chosen = self._choose(numbers, len(begins))
        wanted = self.numbers.copy()
        wanted[begins] = chosen
        fresh = self.core.reset(wanted, split=check_split(split or self.split))
        self._state = fresh if rows is None else replace_rows(self.state, rows, fresh)
        self.numbers, self.next_number = wanted, int(chosen.max()) + 1
        if self._others is not None:
            self._others.start(fresh, wanted, begins)
        self._observe()

    def step(self, action: Array) -> Transition:
        """Play one interval with the actions [n_envs, n_steered, n] of the steered agents.

        Of agents of one kind, *n* may be the number of that kind's components; else it is that of the widest kind.
        """
        if self._others is not None:
            everyone = self._others.act(self.seen)
            everyone[:, self.columns, : action.shape[2]] = action
            action = everyone
        self._state, happened = self.core.step(self.state, action)
        self._observe()
        return happened

    def _choose(self, numbers: int | Sequence[int] | NDArray[np.int64] | None, n: int) -> NDArray[np.int64]:
        if numbers is None:
            numbers = self.next_number
        if isinstance(numbers, Sequence | np.ndarray) and np.ndim(numbers):
            chosen = np.array([_check_number(x) for x in numbers], np.int64)
            if len(chosen) != n:
                raise ValueError(f"seed: expected one number or {n}, got {len(chosen)}")
            return chosen
        return _check_number(numbers) + np.arange(n)

    def _observe(self) -> None:
        self._seen = observe(self.core, self.state, forecasts=self._forecasts)
        np.clip(self._seen.features, *self._bounds, out=self._seen.features)


def column_of(core: Core, agent: str) -> int:
    """The column of an agent by its name."""
    if agent not in core.agents:
        raise ValueError(f"agent: expected one of {', '.join(core.agents)}, got {agent!r}")
    return core.agents.index(agent)


def check_split(split: str) -> str:
    """Give a split back if it is one."""
    if split not in SPLITS:
        raise ValueError(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
    return split


def check_options(options: Mapping[str, Any] | None, names: Sequence[str] = ("split",)) -> Mapping[str, Any]:
    """Give the options of a reset; refuse those that it does not have."""
    if unknown := [name for name in options or {} if name not in names]:
        raise ValueError(f"options: expected some of {', '.join(names)}; got {', '.join(map(repr, unknown))}")
    return options or {}


def check_actions(action: Array, shape: tuple[int, ...], what: str) -> Array:
    """Give actions as float64 of a shape; refuse others and those that are not finite."""
    array = np.asarray(action, np.float64)
    if array.shape != shape:
        raise ValueError(f"action: expected {what}, shape {shape}, got shape {array.shape}")
    if not np.isfinite(array).all():
        bad = sorted({int(i) for i in np.argwhere(~np.isfinite(array))[:, 0]})
        raise ValueError(f"action: expected numbers in [-1, 1], got NaN or infinity at {bad}")
    return array


def check_action(action: Array, columns: Sequence[Column], width: int | None = None) -> Array:
    """Give the action of one agent as float64; refuse what is not a number for each of the columns (or ``width``)."""
    width = len(columns) if width is None else width
    words = {2: "two"}.get(width, str(width))
    spare = f", and {width - len(columns)} to spare" if width > len(columns) else ""
    named = f"{words} numbers in [-1, 1] ({', '.join(c.name for c in columns)}{spare})"
    return check_actions(action, (width,), named)


def agent_widths(core: Core) -> NDArray[np.int64]:
    """[n_agents] how many components the action of each agent has."""
    counts = [core.scenario.agents[kind].count for kind in core.action_columns]
    return np.repeat([len(columns) for columns in core.action_columns.values()], counts)


def results(happened: Transition, seen: Observation, action: Array, columns: NDArray[np.int64]) -> dict[str, Array]:
    """Give what the infos of a step say, by name, for the agents of some columns.

    Args:
        happened: the interval.
        seen: what is seen after it.
        action: [n_envs, n_columns, n_actions] as it was given, before clipping.
        columns: of the agents.

    Returns:
        [n_envs, n_columns] each; ``executed`` [n_envs, n_columns, n_actions], ``reward_parts`` [n_envs, n_columns,
        n_parts].
    """
    n_agents = happened.reward.shape[1]
    traded_ukwh = happened.market.clearing.traded_ukwh
    return {
        "active": seen.mask[:, columns],
        "executed": happened.plan.executed[:, columns],
        "clipped": np.sum(np.abs(action) > 1.0, axis=2),
        "reward_parts": happened.reward_parts[:, columns],
        "bill_cur": np.sum(happened.money.bill.ucur, axis=1)[:, columns] / 1e6,
        "net_kwh": happened.delivery.metered_ukwh[:, columns] / 1e6,
        "traded_kwh": (traded_ukwh[:, columns] + traded_ukwh[:, n_agents + columns]) / 1e6,
        "price_cur_per_kwh": happened.market.clearing.price_ucur_per_kwh[:, n_agents + columns] / 1e6,
    }


def infos_of_row(found: dict[str, Array], row: int) -> list[dict[str, Any]]:
    """Turn ``results`` of one row into a dict an agent, in plain numbers but for ``executed``."""
    executed, parts = found["executed"][row], found["reward_parts"][row].tolist()
    plain = [array[row].tolist() for name, array in found.items() if name not in ("executed", "reward_parts")]
    names = ("executed", "reward_parts", *(name for name in found if name not in ("executed", "reward_parts")))
    named = [dict(zip(PARTS, values)) for values in parts]  # noqa: B905 - strict costs a tenth of a step
    return [dict(zip(names, values)) for values in zip(executed, named, *plain)]  # noqa: B905


def nothing_yet(active: bool, n_actions: int, *, costs: bool = False) -> dict[str, Any]:
    """Give the info of an agent after a reset: the keys of a step, with nothing that has happened."""
    info: dict[str, Any] = {
        "executed": np.zeros(n_actions),
        "reward_parts": dict.fromkeys(PARTS, 0.0),
        "active": active,
        "clipped": 0,
        **dict.fromkeys(("bill_cur", "net_kwh", "traded_kwh", "price_cur_per_kwh"), 0.0),
    }
    if costs:
        add_costs([info], np.zeros((1, len(COSTS))))
    return info


def add_costs(infos: list[dict[str, Any]], costs: Array) -> None:
    """Add the safety costs [n_infos, n_costs] to infos, by name and in all."""
    for info, each in zip(infos, costs.tolist(), strict=True):
        info["costs"], info["cost"] = dict(zip(COSTS, each, strict=True)), sum(each)


def state_places(core: Core) -> NDArray[np.int64]:
    """Give where the numbers of the compact state stand among all observations one after the other.

    First what all agents share, then what each has of its own; which kind an agent is of never changes and is left out.
    """
    names, shared = [c.name for c in feature_columns(core.scenario)], shared_columns(core.scenario)
    flags = {f"is_{kind}" for kind in core.scenario.agents}
    common = np.array([i for i, name in enumerate(names) if name in shared], np.int64)
    own = np.array([i for i, name in enumerate(names) if name not in shared and name not in flags], np.int64)
    places: NDArray[np.int64] = np.concatenate([common, *(own + agent * len(names) for agent in range(core.n_agents))])
    return places


def state_names(core: Core, places: NDArray[np.int64]) -> tuple[str, ...]:
    """Name the numbers of a state: ``column`` of what all agents share, else ``agent.column``."""
    columns = [c.name for c in feature_columns(core.scenario)]
    agents, at = np.divmod(places, len(columns))
    is_common = np.isin(columns, shared_columns(core.scenario))
    is_shared = is_common[at] & (len(places) < len(columns) * core.n_agents)
    return tuple(
        columns[i] if shared else f"{core.agents[agent]}.{columns[i]}"
        for agent, i, shared in zip(agents.tolist(), at.tolist(), is_shared.tolist(), strict=True)
    )


def _check_number(value: Any) -> int:
    try:
        number = index(value)
    except TypeError:
        raise ValueError(f"seed: expected the whole number of an episode, got {value!r}") from None
    if number < 0:
        raise ValueError(f"seed: expected a number >= 0, got {number}")
    return number
