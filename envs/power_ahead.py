"""Charges on power ahead: their months, intervals and prices over steps to come, and the peaks so far."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.peaks import MonthPeak
from gridbazaar.data.arrays import Array, host, namespace
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.state import State
from gridbazaar.market.settlement.peaks import PeakCarry, PowerCharge

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_NANO = 1e9


class PeakSeen(NamedTuple):
    """A charge on power as agents observe it, [n_envs, n_agents]."""

    kw: Array  # billed so far in the month, floor included
    cur_per_kw: Array  # of one more kW over the episode, with tax; of steps what the next one costs more


def peaks_seen(core: Core, state: State) -> tuple[PeakSeen, ...]:
    """Give the charges on power before an interval, in the core's library."""
    by_month, carry = core.world.by_month, state.months
    if by_month is None or carry is None:
        return ()
    xp, start = namespace(state.view.firm_kw), state.episode.start
    step = start + xp.minimum(state.t, core.n_steps - 1)
    found = []
    for charge, kept in zip(by_month.power, carry.power, strict=True):
        month = charge.month[step]
        of_before = charge.begins_month[step][:, None]
        nkw = xp.maximum(xp.where(of_before, 0, kept.nkw), charge.floor_nkw[month][:, None])
        kw = xp.astype(nkw, xp.float64) / _NANO
        price = 0.0 * kw + xp.asarray(_prices_now(charge, host(start), host(step), core.n_steps), nkw)[:, None]
        for i, (low, high) in enumerate(pairwise(charge.prices)):
            if charge.has_steps:
                price = xp.where(kw >= (charge.limits_kw[i - 1] if i else 0.0), high - low, price)
            else:
                price = xp.where(kw >= charge.limits_kw[i], high, low if i == 0 else price)
        if charge.has_steps and charge.prices:
            price = xp.where(kw >= charge.limits_kw[-1], 0.0, price)
        cur_per_kw = price * (1.0 + charge.vat_rate)
        found.append(PeakSeen(*(xp.astype(x, state.view.firm_kw.dtype) for x in (kw, cur_per_kw))))
    return tuple(found)


def _prices_now(charge: PowerCharge, start: Ints, step: Ints, n_steps: int) -> Floats:
    """[n_envs] what a kW of the month of a step costs over each row's episode, before tax."""
    month = host(charge.month)
    spans, of = np.unique(np.stack([month[start], month[start + n_steps - 1]]), axis=1, return_inverse=True)
    prices = np.array([_prices_of(charge, *span) for span in spans.T.tolist()])
    now: Floats = prices[of.ravel(), month[step]]
    return now


def _prices_of(charge: PowerCharge, begin: int, end: int) -> tuple[float, ...]:
    """[n_months of the bank] what a kW costs over an episode from a month to another, 0 beside it, before tax."""
    worth = _worth(_key(host(charge.price)), begin, end, charge.average_months)
    return (*[0.0] * begin, *worth, *[0.0] * (len(charge.price) - end - 1))


def power_ahead(core: Core, state: State, n_steps: int) -> tuple[MonthPeak, ...]:
    """Give each charge on power over each month of the next steps, on the host; after the end nothing counts.

    Rows of a batch may play other months; each counts in its own.
    """
    by_month, carry = core.world.by_month, state.months
    if by_month is None or carry is None:
        return ()
    start, last = host(state.episode.start), core.n_steps - 1
    ahead = np.minimum(host(state.t), last)[:, None] + np.arange(n_steps)
    steps, is_inside = start[:, None] + np.minimum(ahead, last), ahead <= last
    found = []
    for i, (charge, kept) in enumerate(zip(by_month.power, carry.power, strict=True)):
        month = host(charge.month)
        spans, of = np.unique(np.stack([month[start], month[start + last]]), axis=1, return_inverse=True)
        for s, (begin, end) in enumerate(spans.T.tolist()):
            is_row, worth = of.ravel() == s, _prices_of(charge, begin, end)
            here = is_row[:, None] & is_inside
            for m in np.unique(month[steps][here]).tolist():
                found.append(_month(i, charge, kept, steps, here & (month[steps] == m), m, worth[m]))
    return tuple(found)


def _key(prices: Floats) -> tuple[float, ...]:
    return tuple(prices.tolist())


@lru_cache(maxsize=64)
def _worth(prices: tuple[float, ...], first: int, last: int, average_months: int) -> tuple[float, ...]:
    """What a kW of each month of an episode costs, before tax: its part of the mean with which each period ends."""
    months = list(range(first, last + 1))
    if average_months == 1:
        return tuple(prices[month] for month in months)
    found = [0.0] * len(months)
    for begin in range(0, len(months), average_months):
        end = min(begin + average_months, len(months))
        n_before = min(end - 1, average_months - 1)
        for k in range(end - 1 - n_before, end):
            found[k] += sum(prices[month] for month in months[begin:end]) / (n_before + 1)
    return tuple(found)


def _month(
    i: int, charge: PowerCharge, kept: PeakCarry, steps: Ints, is_in: NDArray[np.bool_], month: int, price: float
) -> MonthPeak:
    """Give what of a month lies in the steps ahead; in rows without any there is nothing of it."""
    has_any: Any = is_in.any(axis=1)
    # Before the first step of a month its peak is that of no interval.
    has_begun: NDArray[np.bool_] = np.logical_and(is_in[:, 0], ~host(charge.begins_month)[steps[:, 0]])
    counts = (host(charge.counts)[steps] > 0) & is_in
    interval, unit = (
        np.broadcast_to(np.arange(steps.shape[1]), steps.shape)
        if begins is None
        else np.cumsum(host(begins)[steps], axis=1)
        for begins in (charge.begins_interval, charge.begins_unit)
    )
    to_kw = 1.0 / (MICRO * charge.interval_h)
    tax = 1.0 + charge.vat_rate
    top, unit_kw, part = _so_far(charge, kept, steps[:, 0], has_begun)
    least: Any = np.zeros(top.shape[:2]) + host(charge.floor_nkw)[month] / _NANO
    if charge.ratchet_frac:
        past = host(kept.past_nkw)
        shifted = np.concatenate([past[..., 1:], host(kept.nkw)[..., None]], axis=2)
        past = np.where(has_begun[:, None, None], past, shifted)
        least = np.maximum(least, charge.ratchet_frac * past.max(axis=2) / _NANO)
    return MonthPeak(
        charge=i, counts=counts, interval=interval, unit=unit,
        interval_h=charge.interval_h, n=charge.n,
        top_kw=top * to_kw, unit_kw=unit_kw * to_kw, part_kwh=part / MICRO, least_kw=least * has_any[:, None],
        cur_per_kw=price * tax, limits_kw=charge.limits_kw, prices=tuple(p * tax for p in charge.prices),
        has_steps=charge.has_steps, ratchet_frac=charge.ratchet_frac, lookback_months=charge.lookback_months,
    )  # fmt: skip


def _so_far(charge: PowerCharge, kept: PeakCarry, step: Ints, has_begun: NDArray[np.bool_]) -> tuple[Array, ...]:
    """Micro-kWh of the highest units, of the one that runs at a step [n_envs] and of the interval that does."""
    top = host(kept.top_ukwh) * has_begun[:, None, None]
    none = 0 * top[..., 0]
    unit, part = none, none
    if charge.begins_unit is not None:
        unit = host(kept.unit_ukwh) * has_begun[:, None]
        is_over = host(charge.begins_unit)[step][:, None]
        with_it = np.sort(np.concatenate([top, unit[..., None]], axis=2), axis=2)[..., 1:]
        top, unit = np.where(is_over[..., None], with_it, top), np.where(is_over, 0, unit)
    if charge.begins_interval is not None:
        runs_on = np.logical_and(has_begun, ~host(charge.begins_interval)[step])
        part = host(kept.part_ukwh) * runs_on[:, None]
    return top, unit, part
