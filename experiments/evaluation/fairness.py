"""What a regulator asks of bills: who wins, who is burdened, whether revenue is the same, who pays for whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WORSE_CUR = 0.005
"""Who pays more by more than half a cent is worse off."""
MOST_ROUNDS = 8
_SETTLED = 1e-6  # of the allowed revenue
_MOST_MEMBERS = 16  # whose groups are all tried


def weighted_year(bills_cur: Floats, weights: Sequence[float], whole: float) -> Floats:
    """Sum bills of sample periods, [..., n_periods], by their weights to a year.

    Args:
        bills_cur: of each period, drawn up by itself, so that peaks and tiers are its own.
        weights: of each, in days or months.
        whole: what they sum to, such as 12 months.
    """
    if len(weights) != np.shape(bills_cur)[-1] or abs(sum(weights) - whole) > 1e-9 * whole:
        raise ValueError(f"weights: expected {np.shape(bills_cur)[-1]} that sum to {whole:g}, got {list(weights)}")
    total: Floats = np.asarray(bills_cur) @ np.asarray(weights, np.float64)
    return total


class Revenue(NamedTuple):
    """What a network operator collects under some scale of its prices."""

    fixed_cur: float  # that the scale does not touch
    scaled_cur: float


@dataclass(frozen=True, slots=True)
class EqualRevenue:
    """The factor on network prices that brings the allowed revenue, and how it was found."""

    scale: float
    revenue_cur: float
    is_settled: bool  # false: customers' answers do not let the factor come to rest
    path: tuple[float, ...]  # factors tried, the first is 1


def equal_revenue(
    collect: Callable[[float], Revenue], allowed_cur: float, most_rounds: int = MOST_ROUNDS, settled: float = _SETTLED
) -> EqualRevenue:
    """Scale network prices until they bring what is allowed.

    Args:
        collect: what comes in at a factor, after customers have answered it.
        allowed_cur: revenue.
        most_rounds: after which what was found stands as it is.
        settled: share of what is allowed by which the revenue may miss it.
    """
    path = [1.0]
    revenue = collect(1.0)
    for _ in range(most_rounds):
        wanted = next_scale(path[-1], revenue, allowed_cur, settled)
        if wanted is None:
            break
        path.append(wanted)
        revenue = collect(wanted)
    is_settled = is_met(revenue, allowed_cur, settled)
    return EqualRevenue(path[-1], revenue.fixed_cur + revenue.scaled_cur, is_settled, tuple(path))


def next_scale(scale: float, revenue: Revenue, allowed_cur: float, settled: float = _SETTLED) -> float | None:
    """Give the factor to try after ``scale`` brought ``revenue``; none where it is met, or no factor can bring it."""
    if revenue.scaled_cur <= 0 or is_met(revenue, allowed_cur, settled):
        return None
    wanted = scale * (allowed_cur - revenue.fixed_cur) / revenue.scaled_cur
    return wanted if wanted > 0 else None


def is_met(revenue: Revenue, allowed_cur: float, settled: float = _SETTLED) -> bool:
    """Whether what comes in is what is allowed, but for a share of it."""
    return abs(revenue.fixed_cur + revenue.scaled_cur - allowed_cur) <= settled * abs(allowed_cur)


@dataclass(frozen=True, slots=True)
class Subsidy:
    """Faulhaber's test (1975): no group pays less than it adds to the cost, or more than it would cost alone."""

    incremental_cur: Mapping[str, float]  # of each member
    stand_alone_cur: Mapping[str, float]
    outside: tuple[tuple[str, ...], ...]  # groups whose bills lie outside of their interval


def cross_subsidy(
    members: Sequence[str], cost: Callable[[frozenset[str]], float], bills_cur: Mapping[str, float]
) -> Subsidy:
    """Test whether members, and groups of them, pay between incremental and stand-alone cost.

    Args:
        members: up to 16, or groups of customers taken as one.
        cost: of serving some of them alone.
        bills_cur: of each; they should sum to the cost of all.
    """
    if not 2 <= len(members) <= _MOST_MEMBERS or len(set(members)) < len(members):
        raise ValueError(f"members: expected 2 to {_MOST_MEMBERS} different names, got {len(members)}")
    whole = frozenset(members)
    total = cost(whole)
    outside = []
    for group in _groups(members):
        alone, without, paid = cost(frozenset(group)), cost(whole - set(group)), sum(bills_cur[m] for m in group)
        if not total - without - WORSE_CUR <= paid <= alone + WORSE_CUR:
            outside.append(group)
    return Subsidy(
        {m: total - cost(whole - {m}) for m in members}, {m: cost(frozenset({m})) for m in members}, tuple(outside)
    )


def _groups(members: Sequence[str]) -> Iterable[tuple[str, ...]]:
    return (group for size in range(1, len(members)) for group in combinations(members, size))


@dataclass(frozen=True, slots=True)
class Change:
    """Bills under a design beside those of a counterfactual."""

    change_cur: Floats  # [n_customers] > 0 pays more
    losers: int
    winners: int
    mean_loss_cur: float  # over losers alone; 0 where there are none
    mean_gain_cur: float


def change_of(bills_cur: Floats, before_cur: Floats) -> Change:
    """Say who pays more and by how much, [n_customers] each."""
    change: Floats = np.asarray(bills_cur, np.float64) - np.asarray(before_cur, np.float64)
    loses, wins = change > WORSE_CUR, change < -WORSE_CUR
    return Change(
        change, int(loses.sum()), int(wins.sum()), float(change[loses].mean()) if loses.any() else 0.0,
        float(-change[wins].mean()) if wins.any() else 0.0,
    )  # fmt: skip


def burden_frac(bills_cur: Floats, income_cur: Floats) -> Floats:
    """[n_customers] yearly bill over yearly income; negative where the bill is."""
    income = np.asarray(income_cur, np.float64)
    if not (income > 0).all():
        raise ValueError(f"income: expected amounts above 0, got {income[~(income > 0)][:3].tolist()}")
    found: Floats = np.asarray(bills_cur, np.float64) / income
    return found
