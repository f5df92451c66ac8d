"""Others: policies that act, in batch, for the agents that a view does not give to its user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policy import Community, Observation, Policy, widened
from gridbazaar.data.arrays import Array, host
from gridbazaar.data.trees import take_rows
from gridbazaar.envs.core import Core
from gridbazaar.envs.foresight import foresight
from gridbazaar.envs.observe import feature_columns
from gridbazaar.envs.state import State

Policies = Any
"""One policy (a name, a path or an object, see ``load_policy``) for all, or one a kind; who is not named is idle."""


def community_of(core: Core, state: State | None = None) -> Community:
    """Give what every policy may know of a core's community.

    Args:
        core: the core.
        state: in which the episodes begin; without it nothing can be drawn by episode.
    """
    actions = {kind: tuple(c.name for c in columns) for kind, columns in core.action_columns.items()}
    scenario = core.scenario
    features = tuple(column.name for column in feature_columns(scenario))
    keys = None if state is None else np.asarray(host(state.episode.key)).view(np.uint64)
    by_hand: list[int] = []
    if scenario.community is not None:
        plain = [customer for customer in scenario.customers if not customer.automated]
        by_hand = [core.agents.index(agent) for customer in plain for agent in customer.agents]
    return Community(
        agents=core.agents,
        kind_slices=scenario.kind_slices,
        step_h=scenario.step_h,
        n_steps=core.n_steps,
        n_actions=core.n_actions,
        actions=actions,
        features=features,
        configs=scenario.agents,
        kinds=dict(zip(scenario.agents, map(scenario.kind, scenario.agents), strict=True)),
        keys=keys,
        scenario=scenario.name,
        lead=() if core.world.customers is None else tuple(map(int, host(core.world.customers.lead))),
        by_hand=tuple(by_hand),
        pays_for_power=core.world.by_month is not None and bool(core.world.by_month.power),
    )


@dataclass(slots=True)
class _Cohort:
    """Rows that began an episode together; their memories stay whole when some of them begin another one."""

    rows: NDArray[np.int64]
    lives: NDArray[np.bool_]  # [len(rows)]
    memories: list[Any]  # one a policy


class Others:
    """The agents that others steer, and the memories of their policies.

    Args:
        core: the core.
        steered: [n_agents] bool, agents of the user.
        policies: who acts for the rest.
    """

    def __init__(self, core: Core, steered: NDArray[np.bool_], policies: Policies = None) -> None:
        self._core = core
        self._seats = _seats(core, steered, policies)
        self._cohorts: list[_Cohort] = []

    @property
    def needs_forecasts(self) -> bool:
        return any(policy.needs_forecasts for policy, _ in self._seats)

    def start(self, state: State, numbers: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        """Begin the episodes of some rows.

        Args:
            state: of all rows.
            numbers: [n_envs] numbers of the episodes; they seed the generators of policies that use one.
            rows: which rows begin.
        """
        for cohort in self._cohorts:
            cohort.lives = cohort.lives & ~np.isin(cohort.rows, rows)
        self._cohorts = [c for c in self._cohorts if c.lives.any()]
        ahead = None
        if any(policy.needs_foresight for policy, _ in self._seats):
            ahead = take_rows(foresight(self._core, state), rows)
        community = community_of(self._core, take_rows(state, rows))
        memories = []
        for i, (policy, _) in enumerate(self._seats):
            entropy = [self._core.scenario.seed, *numbers[rows].tolist()]
            rng = np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(i,)))
            memories.append(policy.start(community, rng, ahead if policy.needs_foresight else None))
        self._cohorts.append(_Cohort(rows, np.ones(len(rows), bool), memories))

    def act(self, seen: Observation) -> Array:
        """Give actions [n_envs, n_agents, n_actions]; zero where the user acts."""
        action = np.zeros((*seen.mask.shape, self._core.n_actions))
        for cohort in self._cohorts:
            whole = len(cohort.rows) == len(action)
            part = seen if whole else take_rows(seen, cohort.rows)
            for i, (policy, columns) in enumerate(self._seats):
                chosen, cohort.memories[i] = policy.act(part, cohort.memories[i])
                chosen = widened(chosen, self._core.n_actions)
                action[np.ix_(cohort.rows[cohort.lives], columns)] = chosen[cohort.lives][:, columns]
        return action


def _seats(core: Core, steered: NDArray[np.bool_], policies: Policies) -> list[tuple[Policy, NDArray[np.int64]]]:
    """Each policy with the columns of its agents; a policy named for several kinds acts once."""
    free = {kind: s.start + np.flatnonzero(~steered[s]) for kind, s in core.scenario.kind_slices.items()}
    free = {kind: columns for kind, columns in free.items() if len(columns)}
    chosen: Mapping[str, Any]
    if policies is None:
        chosen = {}
    elif isinstance(policies, Mapping):
        chosen = policies
        if unknown := [kind for kind in chosen if kind not in free]:
            raise ValueError(f"others: expected kinds that are left, {', '.join(free) or 'none'}; got {unknown}")
    else:
        chosen = dict.fromkeys(free, policies)
    grouped: dict[int | str, tuple[Policy, list[NDArray[np.int64]]]] = {}
    for kind, columns in free.items():
        given = chosen.get(kind, "idle")
        key = given if isinstance(given, str) else id(given)
        if key not in grouped:
            grouped[key] = (load_policy(given), [])
        grouped[key][1].append(columns)
    return [(policy, np.concatenate(columns)) for policy, columns in grouped.values()]
