"""The PettingZoo view: a batch of one with names in place of columns."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from gymnasium.spaces import Box, Space
from numpy.typing import NDArray
from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.utils.conversions import parallel_to_aec

from gridbazaar.envs.safety import safety_costs
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.views.batch import (
    Batch,
    ResetNeededError,
    add_costs,
    agent_widths,
    check_action,
    feature_bounds,
    infos_of_row,
    make_core,
    nothing_yet,
    results,
    state_names,
    state_places,
)
from gridbazaar.envs.views.picture import RENDER_MODES, Picture
from gridbazaar.envs.views.registration import VERSION, register_all

Vector = NDArray[np.float32]
Infos = dict[str, dict[str, Any]]
Turns: TypeAlias = AECEnv[str, Vector, Vector | None]
Step = tuple[dict[str, Vector], dict[str, float], dict[str, bool], dict[str, bool], Infos]


class MarketParallelEnv(ParallelEnv[str, Vector, Vector]):  # type: ignore[misc]
    """One community whose agents act at once.

    Args:
        scenario: a scenario, its name, or a path to its file.
        split: where episodes come from: train, validation or test.
        seed: number of the first episode; each ``reset()`` without a seed plays the next one, so that a run repeats.
        render_mode: human (prints the text), rgb_array, ansi, or None.
        max_cycles: intervals of an episode, up to a week; none: as the scenario says.
        strict: refuse actions outside [-1, 1] instead of clipping and counting them.
        forecasts: also give ``info["forecasts"]``, prices and expected net load of the day ahead.
        infos: none leaves infos empty.
        costs: also give ``info["costs"]``, the safety costs by name (``safety.COSTS``), and their sum ``info["cost"]``.
        pad_actions: give all agents one action space; components that a kind does not have (``action_masks`` is false
            there) are ignored.
        team_reward: give every agent the mean of all rewards.
        state: ``compact``: what all agents share once, then what each has of its own, named by ``state_names``;
            ``full``: all observations one after the other.
        overrides: fields of the scenario, see ``load_scenario``.

    ``reset(seed=7)`` plays episode 7 of the split, ``options={"split": "validation"}`` for once of another. Episodes
    end by truncation only. An agent without anything to decide (a car that is away) stays, its ``info["active"]`` is
    false and its action changes nothing. It is not called ``action_mask``, because PettingZoo's tools would hand that
    to ``Box.sample``, which refuses it.

    Infos hold ``active``, ``executed`` (the action as played), ``clipped`` (components out of bounds),
    ``reward_parts`` by name, ``bill_cur``, ``net_kwh``, ``traded_kwh`` and ``price_cur_per_kwh`` of the interval (0
    after a reset), and ``seed``, the number of the episode; ``split`` is an attribute.
    """

    def __init__(
        self,
        scenario: str | Scenario = "village",
        *,
        split: str = "train",
        seed: int = 0,
        render_mode: str | None = None,
        max_cycles: int | None = None,
        strict: bool = False,
        forecasts: bool = False,
        infos: bool = True,
        costs: bool = False,
        pad_actions: bool = False,
        team_reward: bool = False,
        state: str = "compact",
        **overrides: Any,
    ) -> None:
        if state not in ("compact", "full"):
            raise ValueError(f"state: expected compact or full, got {state!r}")
        if not infos and (hidden := [name for name, on in (("forecasts", forecasts), ("costs", costs)) if on]):
            raise ValueError(f"infos: {' and '.join(hidden)} would stand in them, and infos=False leaves them empty")
        core = make_core(scenario, 1, max_cycles, overrides)
        self._batch = Batch(core, split=split, seed=seed, forecasts=forecasts)
        self._picture = Picture(core, render_mode)
        self._strict, self._forecasts, self._infos, self._costs = strict, forecasts, infos, costs
        self._team_reward, self.split = team_reward, self._batch.split
        self.metadata: dict[str, Any] = {
            "name": f"gridbazaar_{core.scenario.name}_{VERSION}",
            "render_modes": list(RENDER_MODES),
            "is_parallelizable": True,
            "render_fps": 4,
        }
        self.render_mode = render_mode
        self.max_cycles = core.n_steps
        self.possible_agents = list(core.agents)
        self.agents: list[str] = []
        low, high = feature_bounds(core)
        self.observation_spaces = {a: Box(low, high, dtype=np.float32) for a in self.possible_agents}
        own_widths = agent_widths(core)
        self.action_masks = dict(
            zip(self.possible_agents, np.arange(core.n_actions) < own_widths[:, None], strict=True)
        )
        self._widths = np.full_like(own_widths, core.n_actions) if pad_actions else own_widths
        self._spare = ~np.stack(list(self.action_masks.values())) if pad_actions else None
        widths = zip(self.possible_agents, self._widths.tolist(), strict=True)
        self.action_spaces = {a: Box(-1.0, 1.0, (n,), np.float32) for a, n in widths}
        self._place = state_places(core) if state == "compact" else np.arange(len(low) * core.n_agents)
        self.state_names = state_names(core, self._place)
        n_agents = len(self.possible_agents)
        lowest, highest = (np.tile(x, n_agents)[self._place] for x in (low, high))
        self.state_space = Box(lowest, highest, dtype=np.float32)

    def observation_space(self, agent: str) -> Space[Vector]:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space[Vector]:
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict[str, Vector], Infos]:
        """Begin an episode.

        Args:
            seed: its number in the split; none: the one after the last.
            options: ``split`` for this episode only; other keys are ignored, as PettingZoo's own test demands.
        """
        split = (options or {}).get("split", self._batch.split)
        self._batch.reset(seed, split=split)
        self._picture.clear()
        self.agents = list(self.possible_agents)
        self.split = split
        active = self._batch.seen.mask[0].tolist()
        infos = [nothing_yet(a, self._batch.core.n_actions, costs=self._costs) for a in active]
        return self._observations(), self._named(infos)

    def step(self, actions: dict[str, Vector]) -> Step:
        """Play one interval with an action for each agent in ``agents``."""
        if not self.agents:
            raise ResetNeededError("no episode has begun, or it is over; call reset()")
        action = self._read(actions)[None]
        batch, agents = self._batch, self.agents
        happened = batch.step(action)
        self._picture.add(batch.core, happened, batch.state)
        infos: list[dict[str, Any]] = []
        if self._infos:
            infos = infos_of_row(results(happened, batch.seen, action, batch.columns), 0)
            if self._costs:
                add_costs(infos, safety_costs(batch.core, happened)[0])
        reward = happened.reward[0]
        if self._team_reward:
            reward = np.full_like(reward, reward.mean())
        ends = bool(happened.truncated[0])
        self.agents = [] if ends else list(agents)
        return (
            self._observations(),
            dict(zip(agents, reward.tolist(), strict=True)),
            dict.fromkeys(agents, False),
            dict.fromkeys(agents, ends),
            self._named(infos),
        )

    def state(self) -> Vector:
        """What there is to see, in one row, for centralised critics; ``state_names`` says what each number is."""
        flat: Vector = self._batch.features().reshape(-1)[self._place]
        return flat

    def render(self) -> str | NDArray[np.uint8] | None:
        """Show the episode so far in the ``render_mode``."""
        if self.render_mode is None:
            from gymnasium import logger

            logger.warn("render() does nothing without a render_mode; give one when the environment is made")
            return None
        return self._picture.show()

    def close(self) -> None:
        """Nothing is held open; may be called any number of times."""

    def _observations(self) -> dict[str, Vector]:
        return dict(zip(self.possible_agents, self._batch.features()[0], strict=True))

    def _named(self, infos: list[dict[str, Any]]) -> Infos:
        """By agent, with the number of the episode, and forecasts where they are asked for."""
        if not self._infos:
            return {agent: {} for agent in self.possible_agents}
        number = int(self._batch.numbers[0])
        for info in infos:
            info["seed"] = number
        ahead = self._batch.seen.forecasts
        if self._forecasts and ahead is not None:
            left = int(ahead.inside[0].sum())
            prices = {
                name: getattr(ahead, name)[0, :left]
                for name in ("retail_cur_per_kwh", "export_cur_per_kwh", "local_charge_cur_per_kwh")
            }
            for i, info in enumerate(infos):
                own = {name: values.copy() for name, values in prices.items()}
                info["forecasts"] = {**own, "net_kw": ahead.net_kw[0, i, :left].copy()}
        return dict(zip(self.possible_agents, infos, strict=True))

    def _read(self, actions: dict[str, Vector]) -> NDArray[np.float64]:
        """[n_agents, n_actions] the actions, checked; nothing has happened yet when one is refused."""
        if actions.keys() != set(self.agents):
            missing = [a for a in self.agents if a not in actions]
            unknown = [a for a in actions if a not in self.agents]
            raise ValueError(f"actions: expected one for each agent; missing {missing}, unknown {unknown}")
        rows, n_actions = [actions[a] for a in self.agents], self._batch.core.n_actions
        try:
            if (self._widths < n_actions).any():
                action = _padded(rows, self._widths, n_actions)
            else:
                action = np.array(rows, np.float64)
        except (TypeError, ValueError):
            raise ValueError(self._fault(actions)) from None
        if action.shape != (len(self.agents), n_actions) or not np.isfinite(action).all():
            raise ValueError(self._fault(actions))
        if self._spare is not None:
            action[self._spare] = 0.0
        if self._strict and np.abs(action).max() > 1.0:
            outside = [a for a, row in zip(self.agents, np.abs(action), strict=True) if row.max() > 1.0]
            raise ValueError(f"actions: expected numbers in [-1, 1] (strict=True), got more from {outside}")
        return action

    def _fault(self, actions: dict[str, Any]) -> str:
        """Say which agents' actions are wrong, what came and what is expected."""
        faults, columns = [], self._batch.core.action_columns
        for agent, action in actions.items():
            try:
                space: Any = self.action_spaces[agent]
                width = space.shape[0]
                check_action(action, columns[self._batch.core.scenario.agent_kind(agent)], width)
            except (TypeError, ValueError) as fault:
                faults.append(f"{agent}: {fault}")
        return "; ".join(faults)


def _padded(rows: list[Any], widths: NDArray[np.int64], n_actions: int) -> NDArray[np.float64]:
    """[n_agents, n_actions] actions of several widths; what a kind has no component for is 0.

    Raises:
        ValueError: an action has another length than its kind's.
    """
    given = [np.asarray(row, np.float64) for row in rows]
    if any(row.shape != (width,) for row, width in zip(given, widths, strict=True)):
        raise ValueError("another length than the kind's")
    action = np.zeros((len(rows), n_actions))
    for i, row in enumerate(given):
        action[i, : len(row)] = row
    return action


def parallel_env(
    scenario: str | Scenario = "village",
    *,
    split: str = "train",
    seed: int = 0,
    render_mode: str | None = None,
    max_cycles: int | None = None,
    strict: bool = False,
    forecasts: bool = False,
    infos: bool = True,
    costs: bool = False,
    pad_actions: bool = False,
    team_reward: bool = False,
    state: str = "compact",
    **overrides: Any,
) -> MarketParallelEnv:
    """Make a community whose agents act at once; arguments as of ``MarketParallelEnv``."""
    return MarketParallelEnv(
        scenario, split=split, seed=seed, render_mode=render_mode, max_cycles=max_cycles, strict=strict,
        forecasts=forecasts, infos=infos, costs=costs, pad_actions=pad_actions, team_reward=team_reward, state=state,
        **overrides,
    )  # fmt: skip


def raw_env(scenario: str | Scenario = "village", **options: Any) -> Turns:
    """Make a community whose agents act in turn (AEC); an interval is played when all have."""
    community: Any = MarketParallelEnv(scenario, **options)  # takes None from those who are done, PettingZoo says
    turns: Turns = parallel_to_aec(community)
    return turns


def env(scenario: str | Scenario = "village", **options: Any) -> Turns:
    """Make a community whose agents act in turn (AEC), with the order of calls enforced."""
    return raw_env(scenario, **options)


register_all()
