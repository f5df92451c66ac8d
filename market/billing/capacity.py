"""Charges on power: the peak of a month as it rises, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gridbazaar.market.billing.clock import LocalRows, is_in
from gridbazaar.market.charge import Charge, Peak, step_limits

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

HISTORY = 36
"""Months of peaks that are remembered."""
_KW_DIGITS = 9  # sums of thirds of kWh are held against steps


@dataclass(frozen=True, slots=True, eq=False)
class PeakCarry:
    """What a charge on power remembers between months."""

    peaks_kw: Floats  # [n_customers, HISTORY] billed peaks of past months before any mean, the latest last
    known: int  # months of these that there are
    run_months: int  # months of the running mean's period so far
    run_days: float  # its days, as shares of a year
    run_cur: Floats  # [n_customers] what is billed of it so far


def no_peaks(n_customers: int) -> PeakCarry:
    """Give the carry of customers without a past."""
    return PeakCarry(np.zeros((n_customers, HISTORY)), 0, 0, 0.0, np.zeros(n_customers))


def counted(peak: Peak, rows: LocalRows) -> Bools:
    """[n_rows] whether a row may make the peak."""
    if not peak.windows:
        return np.ones(len(rows.day), np.bool_)
    found: Bools = np.logical_or.reduce([is_in(hours, rows) for hours in peak.windows])
    return found


def running_peak_kw(net_kwh: Floats, peak: Peak, rows: LocalRows, counts: Bools, m: int) -> Floats:
    """[n_customers, rows of the month] the mean of the n highest so far, from 0 at the beginning of the month.

    Args:
        net_kwh: [n_customers, n_rows] imports less exports of rows.
        peak: which power is billed.
        rows: their clock.
        counts: [n_rows] whether rows lie in the hours that count.
        m: month.

    Until there are n days the missing ones count as 0, so that what is due only rises.
    """
    span = slice(rows.edges[m], rows.edges[m + 1])
    kw = _interval_kw(np.maximum(net_kwh[:, span], 0.0) * counts[span], peak, rows, span)
    if peak.n == 1:
        highest_so_far: Floats = np.maximum.accumulate(kw, axis=1)
        return np.round(highest_so_far, _KW_DIGITS)
    day = rows.day[span]
    unit = day if peak.per == "day" else np.floor((day * 24.0 + rows.hour[span]) * 60 / peak.interval_min + 1e-9)
    first = np.concatenate([[0], np.flatnonzero(np.diff(unit)) + 1, [len(unit)]])
    highest = np.zeros((len(kw), peak.n))  # rising
    found = np.empty(kw.shape)
    for low, high in pairwise(first):
        so_far = np.maximum.accumulate(kw[:, low:high], axis=1)
        found[:, low:high] = highest.sum(axis=1)[:, None] + np.maximum(so_far - highest[:, :1], 0.0)
        highest[:, 0] = np.maximum(highest[:, 0], so_far[:, -1])
        highest.sort(axis=1)
    return np.round(found / peak.n, _KW_DIGITS)


def _interval_kw(kwh: Floats, peak: Peak, rows: LocalRows, span: slice) -> Floats:
    """Power over intervals of rows, as it adds up within each; rows that are longer are means themselves."""
    if rows.step_h * 60 >= peak.interval_min:
        return kwh / rows.step_h
    at = np.floor((rows.day[span] * 24.0 + rows.hour[span]) * 60 / peak.interval_min + 1e-9).astype(np.int64)
    total = np.cumsum(kwh, axis=1)
    first = np.concatenate([[0], np.flatnonzero(np.diff(at)) + 1])
    before = np.where(first > 0, total[:, first - 1], 0.0)
    which = np.cumsum(np.concatenate([[0], np.diff(at) != 0]).astype(np.int64))
    found: Floats = (total - before[:, which]) / (peak.interval_min / 60)
    return found


def month_power(
    charge: Charge, peak_kw: Floats, carry: PeakCarry, rows: LocalRows, m: int, is_due: bool
) -> tuple[Floats, PeakCarry]:
    """Give what a month's peak costs, [n_customers, k], and the carry at its end.

    Args:
        charge: on power.
        peak_kw: [n_customers, k] at k times of the month.
        carry: at its beginning.
        rows: the clock.
        m: month.
        is_due: whether the month has an hour in which the peak counts.
    """
    peak = charge.peak or Peak()
    kw = np.maximum(peak_kw, peak.floor_kw if is_due else 0.0)
    past = np.concatenate([carry.peaks_kw[:, 1:], kw[:, -1:]], axis=1)
    if peak.lookback_months:
        before = carry.peaks_kw[:, -peak.lookback_months :].max(axis=1, initial=0.0)
        kw = np.maximum(kw, peak.ratchet_frac * before[:, None])
    if peak.average_months > 1:
        return _averaged(charge, peak, kw, past, carry, rows, m)
    amount = _cost(charge, kw, rows, m)
    return amount, PeakCarry(past, min(carry.known + 1, HISTORY), 0, 0.0, np.zeros(len(kw)))


def _averaged(
    charge: Charge, peak: Peak, kw: Floats, past: Floats, carry: PeakCarry, rows: LocalRows, m: int
) -> tuple[Floats, PeakCarry]:
    """Bill the mean over months: each month brings what is due so far up to the mean so far."""
    run_months, run_days, run_cur = carry.run_months, carry.run_days, carry.run_cur
    if run_months == peak.average_months:  # the next period of the mean
        run_months, run_days, run_cur = 0, 0.0, np.zeros(len(kw))
    n_before = min(carry.known, peak.average_months - 1)
    before = carry.peaks_kw[:, HISTORY - n_before :].sum(axis=1)
    mean_kw = (before[:, None] + kw) / (n_before + 1)
    one = _cost(charge, np.ones((1, 1)), rows, m)[0, 0]
    due = mean_kw * (run_days + one)
    amount = due - run_cur[:, None]
    ended = PeakCarry(past, min(carry.known + 1, HISTORY), run_months + 1, run_days + float(one), due[:, -1])
    return amount, ended


def _cost(charge: Charge, kw: Floats, rows: LocalRows, m: int) -> Floats:
    """What kW cost over a month."""
    days = rows.days_in(m)
    if charge.cur_per_kw_month is not None:
        return kw * charge.cur_per_kw_month
    if charge.cur_per_kw_day is not None:
        return kw * charge.cur_per_kw_day * days
    if charge.cur_per_kw_year is not None:
        return kw * charge.cur_per_kw_year * days / rows.days_in_year(m)
    if charge.steps_kw:
        step = np.searchsorted(np.array(step_limits(charge)), kw, "right")
        prices: Floats = np.array(charge.step_cur_per_month)[step]
        return prices
    return tiered(kw, charge.tiers_kw, charge.tier_cur_per_kw_month)


def tiered(amount: Floats, limits: tuple[float, ...], prices: tuple[float, ...]) -> Floats:
    """Price an amount by cumulative limits, the last tier open; below 0 at the price of the first."""
    edges = (0.0, *limits)
    found = np.minimum(amount, edges[1] if limits else np.inf) * prices[0]
    for low, high, price in zip(edges[1:], (*edges[2:], np.inf), prices[1:], strict=True):
        found = found + np.clip(amount - low, 0.0, high - low) * price
    return found
