"""The first best of a comparison: what the episodes cost society at least, whoever pays whom.

It is the bound of the same community, on the same days, under a tariff that is the wholesale price: without charges,
market or cap of the connection nothing is left to be paid but resources. No policy, rule or tariff can undercut it;
what the wires lose comes on top of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.policy import NoBoundError
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.comparison.asked import Asked
from gridbazaar.experiments.comparison.cell import NO_MARKET
from gridbazaar.experiments.evaluation.bound import bound_of
from gridbazaar.experiments.evaluation.given import with_tariff, without_table
from gridbazaar.market.tariff import Tariff

Floats = NDArray[np.float64]

WHOLESALE = Tariff(
    name="wholesale", title="The wholesale price, and nothing else", spot_factor=1.0, export_spot_factor=1.0,
    imbalance_cur_per_kwh=0.0,
)  # fmt: skip
_NO_CAP = (1e6, 1e6)  # over the homes' mean load


@dataclass(frozen=True, slots=True)
class Best:
    """Part: the first best of some of the episodes; ``solves`` false gives only what stored energy is worth."""

    asked: Asked
    seeds: tuple[int, ...]
    solves: bool

    @property
    def name(self) -> str:
        """What is shown of it."""
        return "first best"


@dataclass(frozen=True, slots=True)
class FirstBest:
    """What episodes cost society at least, on the scale of ``cells_table.resource_cost_cur``."""

    cost_cur: Floats  # [n_seeds] NaN where it is not known
    rounding_cur: Floats  # [n_seeds] >= 0, by which rounding may let a cost fall below it
    worth_cur_per_kwh: Floats  # [n_seeds] of what is left in storage in the end, at wholesale prices
    why_not: str  # "" where it is known


def first_best(part: Best) -> FirstBest:
    """Solve for the first best; where the optimum's program does not cover a scenario, say what it lacks."""
    core = Core(social_world(part.asked), len(part.seeds))
    state = core.reset(np.asarray(part.seeds, np.int64), split=part.asked.split)
    worth, nothing = np.asarray(state.episode.end_value_cur_per_kwh), np.full(len(part.seeds), np.nan)
    if not part.solves:
        return FirstBest(nothing, nothing, worth, "it was not asked for")
    try:
        bound = bound_of(core, state)
    except NoBoundError as error:
        return FirstBest(nothing, nothing, worth, str(error))
    begun_cur = core.stored_value_cur(state).sum(1)  # the same in all cells, and in none of their costs
    return FirstBest(bound.cost_cur - begun_cur, bound.rounding_cur, worth, "")


def joined(parts: list[FirstBest]) -> FirstBest:
    """Put the episodes together; known only where that of all is."""
    why_not = next((part.why_not for part in parts if part.why_not), "")
    cost, rounding, worth = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("cost_cur", "rounding_cur", "worth_cur_per_kwh")
    )
    return FirstBest(np.full(len(cost), np.nan) if why_not else cost, rounding, worth, why_not)


def social_world(asked: Asked) -> Scenario:
    """Give the world in which everybody pays what energy costs wholesale; wires have no prices in it."""
    changed = without_table(asked.overrides, "mechanism_options") | {"mechanism": NO_MARKET, "mechanism_options": {}}
    own = load_scenario(asked.scenario, allow_code=asked.allow_code, **asked.overrides)
    if own.constraint == "nodal":
        changed |= {"constraint": "curtail"}
    changed |= {"connection.import_over_load": _NO_CAP, "connection.export_over_load": _NO_CAP}
    return load_scenario(asked.scenario, allow_code=asked.allow_code, **with_tariff(changed, WHOLESALE, is_read=True))
