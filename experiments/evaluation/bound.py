"""The bound of an evaluation: the least that episodes can cost under any policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.dispatch.schedule import Schedule, solve_optimum
from gridbazaar.agents.policy import Foresight
from gridbazaar.data.trees import mapped
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.foresight import foresight
from gridbazaar.envs.state import State
from gridbazaar.market.settlement.peaks import due_ucur

_AMOUNTS_OF_AGENT, _AMOUNTS_OF_OPERATOR, _SOLVER = 11, 3, 1e-6


@dataclass(frozen=True, slots=True)
class Bound:
    """The least that the episodes of a core can cost."""

    cost_cur: NDArray[np.float64]  # [n_envs], on the scale of ``Tally.scored_cur``
    rounding_cur: NDArray[np.float64]  # [n_envs] >= 0, by which rounding may let a cost fall below it
    ahead: Foresight
    schedule: Schedule


def bound_of(core: Core, state: State) -> Bound:
    """Solve for the bound of the episodes that begin with ``state``.

    Raises:
        NoBoundError: the scenario has what the program does not cover.
    """
    ahead = foresight(core, state)
    return _bound(core, state, ahead, solve_optimum(ahead, core.scenario.step_h))


def bound_with(core: Core, state: State, schedule: Schedule) -> Bound:
    """Give the bound where the schedules of the episodes are at hand."""
    return _bound(core, state, foresight(core, state), schedule)


def schedule_of(core: Core, state: State, rows: slice) -> Schedule:
    """Solve for some of the episodes that begin with ``state``; errors as of ``bound_of``."""
    ahead = foresight(core, state)
    each: dict[str, Any] = {f.name: getattr(ahead, f.name) for f in fields(ahead)}
    some: dict[str, Any] = {name: mapped(x, lambda a: a[rows]) for name, x in each.items()}
    return solve_optimum(Foresight(**some), core.scenario.step_h)


def _bound(core: Core, state: State, ahead: Foresight, schedule: Schedule) -> Bound:
    fixed_ucur, start = core.world.fixed_ucur, state.episode.start
    standing_cur = (fixed_ucur[start + core.n_steps] - fixed_ucur[start]) * core.world.connections.sum() / MICRO
    cost_cur = schedule.cost_cur + core.stored_value_cur(state).sum(1) + standing_cur - _due_before_cur(core, state)
    return Bound(cost_cur, rounding_cur(core, ahead, cost_cur), ahead, schedule)


def _due_before_cur(core: Core, state: State) -> NDArray[np.float64] | float:
    """[n_envs] what charges by the month have come to before the episodes, which is not theirs to pay."""
    if core.world.by_month is None or state.months is None:
        return 0.0
    due, customers = due_ucur(core.world.by_month, state.months).sum(axis=2), core.world.customers
    owed: NDArray[np.float64] = (due if customers is None else due * customers.is_lead).sum(axis=1) / MICRO
    return owed


def rounding_cur(core: Core, ahead: Foresight, cost_cur: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give by how much rounding may let a cost fall below the bound, [n_envs].

    In each interval an agent has up to 11 amounts of less than a micro-unit each cut off (energy, network and tax of
    what it trades, of what the retailer fills and of its residual; rent; what the wires withheld), and the operator of
    the market 3 for its stock. The energy of an agent's firm and of its flexible order is rounded to a micro-kWh each,
    at the dearest price of the episode. The solver is true to 1e-7 of its sums.
    """
    dearest = np.maximum(np.abs(ahead.upper_cur_per_kwh), np.abs(ahead.export_cur_per_kwh)) + (
        ahead.local_charge_cur_per_kwh + ahead.scarcity_cur_per_kwh
    )
    amounts = (_AMOUNTS_OF_AGENT * core.n_agents + _AMOUNTS_OF_OPERATOR) * core.n_steps
    energy_cur = 2 * core.n_agents * core.n_steps * dearest.max(axis=1)
    return np.asarray((amounts + energy_cur) / MICRO + _SOLVER * np.maximum(np.abs(cost_cur), 1.0))


def optimum_cost_cur(core: Core, seeds: Sequence[int] | NDArray[np.int64], split: str) -> NDArray[np.float64]:
    """Give the bound of each episode on the scale of ``Tally.scored_cur``, [n_seeds].

    Raises:
        NoBoundError: the scenario has what the program does not cover.
    """
    return bound_of(core, core.reset(np.asarray(seeds, np.int64), split=split)).cost_cur


def ceiling_cur(idle: NDArray[np.float64], bound: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the cost that scores 100: the bound, or where there is none, nothing of what idle costs."""
    return np.where(np.isfinite(bound), bound, idle - np.abs(idle))
