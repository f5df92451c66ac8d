"""Rows: what the costs of a scenario come to, with intervals over training seeds and episodes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.experiments.evaluation.runs import pooled
from gridbazaar.experiments.evaluation.statistics import Interval, mean_interval
from gridbazaar.experiments.shipped.asked import MPC
from gridbazaar.experiments.shipped.played import Played

LEARNED = "learned"
"""Label of all runs together."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of the trainings of a scenario."""

    n_runs: int
    cost_cur: float  # mean over runs and episodes
    lowest_cur: float  # of a run
    highest_cur: float
    less_than_rule_cur: Interval  # over runs and episodes, drawn anew by themselves
    less_than_mpc_cur: Interval | None
    better_runs: int  # whose interval over episodes alone, against the rule, is above zero
    saved_cur: Mapping[str, float]  # against idle, of each kind, mean over runs and episodes


@dataclass(frozen=True, slots=True)
class Row:
    """A scenario; costs are means over the episodes."""

    scenario: str
    currency: str
    first: int
    episodes: int
    idle_cur: float
    rule: str  # that costs least
    rule_cur: float
    mpc_cur: float | None
    replay_cur: float | None
    bound_cur: float | None
    learned: Learned | None

    @property
    def is_clear(self) -> bool:
        """Whether what learned costs less than the best rule, clear of zero."""
        return self.learned is not None and self.learned.less_than_rule_cur.low > 0


class Entry(NamedTuple):
    """A scenario of the table: what was played there, and what it comes to."""

    played: Played
    row: Row


def entry_of(played: Played) -> Entry:
    """Count what a scenario comes to, once."""
    return Entry(played, row_of(played))


def read_row(held: Mapping[str, Any]) -> Row:
    """Read a row that was kept as JSON."""
    learned = held["learned"]
    if learned is not None:
        less = {key: read_interval(learned[key]) for key in ("less_than_rule_cur", "less_than_mpc_cur")}
        learned = Learned(**{**learned, **less})
    return Row(**{**held, "learned": learned})


def read_interval(held: Mapping[str, float | None] | None) -> Interval | None:
    """Read an interval that was kept as JSON, which knows no NaN."""
    return None if held is None else Interval(*(math.nan if x is None else x for x in held.values()))


def row_of(played: Played) -> Row:
    """Count what a scenario comes to."""
    cost = {label: np.asarray(values) for label, values in played.cost_cur.items()}
    mean = {label: float(values.mean()) for label, values in cost.items()}
    rule = min(played.rules, key=lambda name: mean[name])
    return Row(
        scenario=played.scenario,
        currency=played.currency,
        first=played.first,
        episodes=played.episodes,
        idle_cur=mean["idle"],
        rule=rule,
        rule_cur=mean[rule],
        mpc_cur=mean.get(MPC),
        replay_cur=_mean(played.replay_cur),
        bound_cur=_mean(played.bound_cur),
        learned=_learned(played, cost, rule) if played.runs else None,
    )


def _learned(played: Played, cost: Mapping[str, NDArray[np.float64]], rule: str) -> Learned:
    of_runs = [float(cost[run].mean()) for run in played.runs]
    saved = [played.saved_cur[run] for run in played.runs]
    return Learned(
        n_runs=len(of_runs),
        cost_cur=float(np.mean(of_runs)),
        lowest_cur=min(of_runs),
        highest_cur=max(of_runs),
        less_than_rule_cur=_less(cost, played.runs, rule),
        less_than_mpc_cur=_less(cost, played.runs, MPC) if MPC in cost else None,
        better_runs=sum(mean_interval(cost[rule] - cost[run]).low > 0 for run in played.runs),
        saved_cur={kind: float(np.mean([s[kind] for s in saved])) for kind in saved[0]},
    )


def _less(cost: Mapping[str, NDArray[np.float64]], runs: tuple[str, ...], than: str) -> Interval:
    """By how much the runs cost less than a policy, paired by episode."""
    some = {label: cost[label] for label in ("idle", than, *runs)}
    found = pooled(some, 0.0 * some["idle"], {LEARNED: runs}, than)
    return next(each.saved_cur for each in found if each.policy == LEARNED)


def _mean(values: list[float] | None) -> float | None:
    return None if values is None else float(np.mean(values))
