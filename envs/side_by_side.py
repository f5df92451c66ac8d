"""Communities that differ in their tariff alone, stepped as one batch: the rows of each stand one after the other.

Its currency may be another one: amounts of the scenario are then meant in each.

Row for row it is the same episode as in a core of its own, bills to the micro-unit. Every core resets its own rows, for
what an episode knows of prices to come is drawn then; here they are only stepped and observed together. Who is
automated may differ too: that is for the policies to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gridbazaar.data.arrays import namespace
from gridbazaar.data.community import Community
from gridbazaar.data.trees import each, mapped
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.state import State
from gridbazaar.market.settlement.standing import one_after_the_other


def side_by_side(cores: Sequence[Core]) -> Core:
    """Give a core that steps the rows of several.

    Args:
        cores: of one scenario but for its tariff and who is automated, each with as many rows as it has.

    Raises:
        ValueError: they differ in more than that, or in tariffs one of which bills by the month.
    """
    first = cores[0]
    plain = [_plain(core.scenario) for core in cores]
    if any(other != plain[0] for other in plain[1:]):
        raise ValueError("cores: expected scenarios that differ in their tariff alone")
    if _is_one_tariff(cores):
        return Core(first.scenario, sum(core.n_envs for core in cores))
    if any(core.world.by_month is not None for core in cores):
        raise ValueError("cores: expected tariffs whose intervals stand alone, one bills by the month; step it apart")
    whole = Core(first.scenario, sum(core.n_envs for core in cores))
    worlds = [core.world for core in cores]
    xp = namespace(first.world.retail_cur_per_kwh)

    def padded(parts: Sequence[Any]) -> Any:
        """One after the other, each with the room of a standing charge, which has a number more than prices."""
        room = first.world.fixed_ucur.shape[0]
        return xp.concat([xp.concat((part, part[:1]), axis=0)[:room] for part in parts], axis=0)

    whole.world = replace(
        first.world,
        rates=each(first.world.rates, lambda *parts: padded(parts), *(world.rates for world in worlds[1:])),
        retail_cur_per_kwh=padded([world.retail_cur_per_kwh for world in worlds]),
        fixed_ucur=padded([world.fixed_ucur for world in worlds]),
        standing=one_after_the_other([world.standing for world in worlds], [world.fixed_ucur for world in worlds]),
    )
    return whole


def joined(cores: Sequence[Core], states: Sequence[State]) -> State:
    """Give the state of all rows, for the core of ``side_by_side``.

    Args:
        cores: as for it.
        states: one of each core.
    """
    first = cores[0].world
    xp, room = namespace(first.retail_cur_per_kwh), first.fixed_ucur.shape[0]
    whole: State = mapped(states[0], lambda *parts: xp.concat(parts, axis=0), *states[1:])
    if _is_one_tariff(cores):
        return whole
    at = np.repeat(np.arange(len(cores)) * room, [core.n_envs for core in cores])
    return replace(whole, episode=replace(whole.episode, prices_from=at))


def _plain(scenario: Scenario) -> Scenario:
    """The scenario without what may differ."""
    community = scenario.community
    if community is not None:
        community = Community(tuple(replace(customer, automated=True) for customer in scenario.customers))
    return replace(scenario, tariff="flat", currency="EUR", tariff_options={}, community=community)


def _is_one_tariff(cores: Sequence[Core]) -> bool:
    first, *others = ((core.scenario.tariff, core.scenario.tariff_options) for core in cores)
    return all(other == first for other in others)


def rows_of(tree: Any, rows: slice, n_envs: int) -> Any:
    """Give the tree with only these rows of what has a row for each of ``n_envs``; all else is shared."""
    return mapped(tree, lambda x: x[rows] if x.ndim and x.shape[0] == n_envs else x)
