"""What the wires do to a scenario: how near their limits come, what they withhold, and what that costs each policy.

The same episodes are played under every way of treating the wires; the page of the documentation holds the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policy import NoBoundError
from gridbazaar.data.feeder import Feeder
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import Transition
from gridbazaar.experiments.evaluation.metrics import Tally
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.experiments.evaluation.statistics import Interval, mean_interval

Floats = NDArray[np.float64]

NEAR = 0.8
"""The share of a limit above which an interval counts as near it."""
PART_CUR_PER_KWH = 0.01
"""By how much prices of buses must differ to count as different."""
MEASURED = {
    "village": (("curtail",), ("idle", "opportunity_cost", "optimum")),
    "weak_feeder": (("none", "curtail", "nodal"), ("idle", "opportunity_cost", "optimum")),
}
"""What the documentation shows: the treatments of the wires and the policies, by scenario."""
HEAD = (
    "constraint", "policy", "near a limit", "beyond", "lowest pu", "highest pu", "loading", "withheld kWh/day",
    "of all energy", "prices part", "cars pay/day", "the wires cost/day",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WireCard:
    """One policy under one treatment of the wires."""

    constraint: str
    policy: str
    near_share: float  # of the episodes, those with an interval above ``NEAR`` of a limit
    beyond_share: float  # of the episodes, those with an interval beyond a limit
    lowest_pu: float
    highest_pu: float
    loading: float  # the largest of a branch
    withheld_kwh: float  # a day, draw and injection
    withheld_share: float  # of all energy at the meters and what was withheld
    parted_share: float  # of the intervals, those in which prices of buses differ
    cars_cur: float  # a day, what cars cost their owners
    extra_cur: Interval | None  # a day, scored cost above that without limits; none: that is what it is


def used_share(feeder: Feeder, voltage_pu: Floats, loading: Floats) -> Floats:
    """Give the largest share of a limit that is used, [n]: of a rating, or of the band on either side of 1 pu.

    Args:
        feeder: its band.
        voltage_pu, loading: [n, n_buses].
    """
    below = (1 - voltage_pu.min(1)) / (1 - feeder.v_min_pu)
    above = (voltage_pu.max(1) - 1) / (feeder.v_max_pu - 1)
    return np.asarray(np.maximum(loading.max(1), np.maximum(below, above)))


def measure_wires(
    name: str, constraints: Sequence[str], policies: Sequence[str], *, seeds: int = 40,
    tick: Callable[[str], None] | None = None,
) -> list[WireCard]:  # fmt: skip
    """Play the first validation episodes of a scenario under several treatments of its wires.

    Args:
        name: of the scenario.
        constraints: none, curtail or nodal; the uniform price clears where nodal does not.
        policies: names of policies; the optimum is left out where its program does not cover the treatment.
        seeds: how many episodes.
        tick: called with what is played next.
    """
    cards = []
    for policy in policies:
        unlimited: Tally | None = None
        for constraint in dict.fromkeys(("none", *constraints)):
            if tick is not None:
                tick(f"{name}, {constraint}, {policy}")
            core = Core(treated(name, constraint), seeds)
            played = _Watch(core)
            try:
                tally = play(core, load_policy(policy), range(seeds), split="validation", record=played.add).tally
            except NoBoundError:  # then there is no plan to play
                continue
            unlimited = tally if unlimited is None else unlimited
            if constraint in constraints:
                cards.append(played.card(constraint, policy, tally, unlimited))
    return sorted(cards, key=lambda card: constraints.index(card.constraint))


def treated(name: str, constraint: str) -> Scenario:
    """Give the scenario with its wires treated in a way; prices per bus need their own mechanism."""
    mechanism = "nodal" if constraint == "nodal" else "uniform_price"
    return load_scenario(name, constraint=constraint, mechanism=mechanism)


class _Watch:
    """What the wires did in the intervals seen so far."""

    def __init__(self, core: Core) -> None:
        self.core, n = core, core.n_envs
        self.used, self.withheld_kwh, self.metered_kwh = np.zeros(n), np.zeros(n), np.zeros(n)
        self.parted = 0.0

    def add(self, happened: Transition) -> None:
        wires, delivery = happened.wires, happened.delivery
        used = used_share(self.core.world.grid.feeder, wires.voltage_pu, wires.branch_loading)
        self.used = np.maximum(self.used, used)
        self.withheld_kwh += np.abs(delivery.curtailed_ukwh).sum(1) / MICRO
        self.metered_kwh += np.abs(delivery.metered_ukwh).sum(1) / MICRO
        apart = np.ptp(happened.market.clearing.price_ucur_per_kwh, axis=1) / MICRO > PART_CUR_PER_KWH
        self.parted += float(apart.mean()) / self.core.n_steps

    def card(self, constraint: str, policy: str, tally: Tally, unlimited: Tally) -> WireCard:
        withheld, sums = float(self.withheld_kwh.sum()), tally.sums
        extra = None if tally is unlimited else mean_interval(tally.scored_cur - unlimited.scored_cur)
        return WireCard(
            constraint=constraint,
            policy=policy,
            near_share=float((self.used > NEAR).mean()),
            beyond_share=float((self.used > 1.002).mean()),
            lowest_pu=float(sums["min_voltage_pu"].min()),
            highest_pu=float(sums["max_voltage_pu"].max()),
            loading=float(sums["max_loading"].max()),
            withheld_kwh=withheld / self.core.n_envs,
            withheld_share=withheld / (withheld + float(self.metered_kwh.sum())),
            parted_share=self.parted,
            cars_cur=float(tally.kind_cost_cur()["ev"].mean()),
            extra_cur=extra,
        )


def wire_row(card: WireCard) -> tuple[str, ...]:
    """Give the cells of a card under ``HEAD``."""
    extra = card.extra_cur
    return (
        card.constraint,
        card.policy,
        f"{100 * card.near_share:.0f} %",
        f"{100 * card.beyond_share:.0f} %",
        f"{card.lowest_pu:.3f}",
        f"{card.highest_pu:.3f}",
        f"{100 * card.loading:.0f} %",
        f"{card.withheld_kwh:.2f}",
        f"{100 * card.withheld_share:.2f} %",
        f"{100 * card.parted_share:.0f} %",
        f"{card.cars_cur:.2f}",
        "0" if extra is None else f"{extra.mean:.2f} [{extra.low:.2f}, {extra.high:.2f}]",
    )
