"""Peaks in the program: what a month's highest power costs, as variables that no interval's draw exceeds.

A price per kW, means of the n highest, tiers that rise and ratchets are convex, so the program stays linear; steps are
whole numbers, or where a plan leaves them out their convex hull. Tiers and steps that fall have no bound.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.dispatch.rows import Rows
from gridbazaar.agents.peaks import MonthPeak
from gridbazaar.agents.policy import NoBoundError
from gridbazaar.data.arrays import Array

_LEAST_KW = 1e-3


def add_peaks(
    program: Rows, peaks: tuple[MonthPeak, ...], e: int, draw: Array, most_kw: NDArray[np.float64], step_h: float
) -> None:
    """Charge what meters draw for its peaks.

    Args:
        program: what the draws are variables of.
        peaks: charges on power, a month each, in the order of time for each charge.
        e: environment.
        draw: [n_agents, n_steps] variables, kW.
        most_kw: [n_agents] that a meter may draw at most.
        step_h: length of a step.
    """
    before: dict[int, list[Array]] = {}
    for peak in peaks:
        if not any(x[e].any() for x in (peak.counts, peak.least_kw, peak.top_kw, peak.unit_kw)):
            continue
        kw = program.columns(np.zeros(len(draw)), peak.least_kw[e], np.inf)
        highest = _highest(program, peak, e, draw, step_h)
        if peak.n == 1:
            _at_least(program, [(kw, 1.0), (highest[:, 0], -1.0)], np.zeros(len(draw)))
        else:
            _mean(program, peak, e, kw, highest)
        billed = kw
        earlier = before.setdefault(peak.charge, [])
        if peak.ratchet_frac:
            billed = program.columns(np.zeros(len(draw)), 0.0, np.inf)
            _at_least(program, [(billed, 1.0), (kw, -1.0)], np.zeros(len(draw)))
            for past in earlier[-peak.lookback_months :]:
                _at_least(program, [(billed, 1.0), (past, -peak.ratchet_frac)], np.zeros(len(draw)))
        earlier.append(kw)
        beyond_kw = 0.0 if peak.beyond_kw is None else peak.beyond_kw[e].max(axis=1)
        _price(program, peak, billed, np.maximum(np.maximum(most_kw + beyond_kw, peak.mean_kw[e]), _LEAST_KW))


def _at_least(program: Rows, terms: list[tuple[Array, float]], rhs: Array) -> None:
    """Add rows ``sum >= rhs``."""
    spare = program.columns(np.zeros(np.shape(rhs)), 0.0, np.inf)
    program.equal([*((index, np.float64(x)) for index, x in terms), (spare, np.float64(-1.0))], rhs)


def _highest(program: Rows, peak: MonthPeak, e: int, draw: Array, step_h: float) -> NDArray[np.int64]:
    """Add the highest power of each unit ahead, [n_agents, n_units]; of one peak that of all, and of what was."""
    steps, interval, unit_of = np.flatnonzero(peak.counts[e]), peak.interval[e], peak.unit[e]
    if not len(steps):
        return program.columns(np.zeros((len(draw), 1)), peak.top_kw[e][:, :1], np.inf)
    intervals, which = np.unique(interval[steps], return_inverse=True)
    first = steps[np.searchsorted(which, np.arange(len(intervals)))]
    units, unit = np.unique(unit_of[first], return_inverse=True)
    if peak.n == 1:
        units, unit = units[:1], 0 * unit
        low = peak.top_kw[e][:, :1]
    else:
        low = np.zeros((len(draw), len(units)))
        low[:, unit_of[0] == units] = peak.unit_kw[e][:, None]
    highest = program.columns(np.zeros(low.shape), low, np.inf)
    began_kw = np.zeros((len(draw), len(intervals)))
    began_kw[:, intervals == interval[0]] = peak.part_kwh[e][:, None] / peak.interval_h
    if peak.beyond_kw is not None:
        began_kw = began_kw + peak.beyond_kw[e][:, first]
    terms: list[tuple[Array, Array]] = [(highest[:, unit], 1.0)]
    within = np.arange(len(steps)) - np.searchsorted(which, which)
    for k in range(int(within.max()) + 1):
        chosen = within == k
        index = np.broadcast_to(draw[:, :1], (len(draw), len(intervals))).copy()
        share = np.zeros(len(intervals))
        index[:, which[chosen]] = draw[:, steps[chosen]]
        share[which[chosen]] = step_h / peak.interval_h
        terms.append((index, -share + np.zeros(index.shape)))
    spare = program.columns(np.zeros(began_kw.shape), 0.0, np.inf)
    program.equal([*terms, (spare, -1.0)], began_kw)
    return highest


def _mean(program: Rows, peak: MonthPeak, e: int, kw: Array, highest: Array) -> None:
    """Hold kW to the mean of the n highest, by what each has above a level (Ogryczak & Tamir 2003)."""
    none = np.zeros(len(kw))
    level = program.columns(none, 0.0, np.inf)
    above = program.columns(np.zeros(highest.shape), 0.0, np.inf)
    _at_least(program, [(above, 1.0), (level[:, None], 1.0), (highest, -1.0)], np.zeros(highest.shape))
    past_kw = peak.top_kw[e]
    over = program.columns(np.zeros(past_kw.shape), 0.0, np.inf)
    _at_least(program, [(over, 1.0), (level[:, None], 1.0)], past_kw)
    share = -1.0 / peak.n
    parts = [(column, share) for column in (*above.T, *over.T)]
    _at_least(program, [(kw, 1.0), (level, -1.0), *parts], none)


def _price(program: Rows, peak: MonthPeak, kw: Array, most_kw: Array) -> None:
    """Add what kW cost."""
    one = np.ones(len(kw))
    if not peak.prices:
        total = program.columns(one * peak.cur_per_kw, 0.0, np.inf)
        program.equal([(total, 1.0), (kw, -1.0)], 0.0 * one)
        return
    prices = np.array(peak.prices)
    falls = (np.diff(prices) < 0).any()
    if falls and program.is_exact:
        what = "steps" if peak.has_steps else "tiers"
        raise NoBoundError(f"the optimum's program does not cover {what} of a charge on power that fall")
    widths = np.diff(np.array([*peak.limits_kw, np.inf]))
    if not peak.has_steps:
        sizes = np.array([peak.limits_kw[0], *widths])
        prices = np.maximum.accumulate(prices)
        parts = [program.columns(one * price, 0.0, size) for price, size in zip(prices, sizes, strict=True)]
        program.equal([(kw, 1.0), *((part, -1.0) for part in parts)], 0.0 * one)
        return
    rises = np.maximum(np.diff(prices), 0.0)
    switches = [program.columns(one * rise, 0.0, 1.0, is_whole=program.is_exact) for rise in rises]
    program.columns(one * prices[0], 1.0, 1.0)
    reach = [np.minimum(width, most_kw) for width in widths]
    # Up to the first limit for nothing more; each switch opens the width of its step, the one before it first. The
    # limit itself, of the next step, counts as of this one: it is closer than the solver's tolerance.
    spare = program.columns(0.0 * one, 0.0, np.inf)
    opened = [(switch, -size) for switch, size in zip(switches, reach, strict=True)]
    program.equal([(kw, 1.0), *opened, (spare, 1.0)], one * peak.limits_kw[0])
    for low, high in pairwise(switches):
        _at_least(program, [(low, 1.0), (high, -1.0)], 0.0 * one)
