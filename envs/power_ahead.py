"""Charges on power ahead: their months, intervals and prices over steps to come, and the peaks so far."""

from __future__ import annotations

from dataclasses import replace
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
    # Days and months of all rows are those of the scenario.
    first = int(host(start)[0])
    step = start + xp.minimum(state.t, core.n_steps - 1)
    found = []
    for charge, kept in zip(by_month.power, carry.power, strict=True):
        month = charge.month[step]
        of_before = charge.begins_month[step][:, None]
        nkw = xp.maximum(xp.where(of_before, 0, kept.nkw), charge.floor_nkw[month][:, None])
        kw = xp.astype(nkw, xp.float64) / _NANO
        price = 0.0 * kw + xp.asarray(np.array(_prices_of(charge, first, core.n_steps)), nkw)[month][:, None]
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


def _prices_of(charge: PowerCharge, first: int, n_steps: int) -> tuple[float, ...]:
    """[n_months of the bank] what a kW costs over the episode that begins with a step, 0 outside it, before tax."""
    begin, end = (int(host(charge.month)[step]) for step in (first, first + n_steps - 1))
    worth = _worth(_key(host(charge.price)), begin, end, charge.average_months)
    return (*[0.0] * begin, *worth, *[0.0] * (len(charge.price) - end - 1))


def power_ahead(core: Core, state: State, n_steps: int) -> tuple[MonthPeak, ...]:
    """Give each charge on power over each month of the next steps, on the host; after the end nothing counts.

    Rows of a batch play the same days where a tariff is billed by the month.
    """
    by_month, carry = core.world.by_month, state.months
    if by_month is None or carry is None:
        return ()
    first = int(host(state.episode.start)[0])
    t = int(host(state.t)[0])
    steps = first + np.arange(min(t, core.n_steps - 1), min(t + n_steps, core.n_steps))
    found = []
    for i, (charge, kept) in enumerate(zip(by_month.power, carry.power, strict=True)):
        worth = _prices_of(charge, first, core.n_steps)
        for month in np.unique(host(charge.month)[steps]).tolist():
            # Before the first step of a month its peak is that of no interval.
            has_begun = month == int(host(charge.month)[steps[0] - 1]) and t > 0
            here = _month(i, charge, kept, steps, month, worth[month], has_begun)
            found.append(_padded(here, n_steps))
    return tuple(found)


def _padded(peak: MonthPeak, n_steps: int) -> MonthPeak:
    """Go on beyond the end of the episode, where nothing counts."""
    more = ((0, 0), (0, n_steps - peak.counts.shape[1]))
    if not more[1][1]:
        return peak
    interval, unit = (np.pad(x, more, "edge") for x in (peak.interval, peak.unit))
    return replace(peak, counts=np.pad(peak.counts, more), interval=interval, unit=unit)


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
    i: int, charge: PowerCharge, kept: PeakCarry, steps: NDArray[np.int64], month: int, price: float, has_begun: bool
) -> MonthPeak:
    """Give what of a month lies in the steps ahead."""
    counts = (host(charge.counts)[steps] > 0) & (host(charge.month)[steps] == month)
    interval, unit = (
        np.arange(len(steps)) if begins is None else np.cumsum(host(begins)[steps])
        for begins in (charge.begins_interval, charge.begins_unit)
    )
    to_kw = 1.0 / (MICRO * charge.interval_h)
    tax = 1.0 + charge.vat_rate
    top, unit_kw, part = _so_far(charge, kept, int(steps[0]), has_begun)
    least: Any = np.zeros(top.shape[:2]) + host(charge.floor_nkw)[month] / _NANO
    if charge.ratchet_frac:
        past = host(kept.past_nkw)
        past = past if has_begun else np.concatenate([past[..., 1:], host(kept.nkw)[..., None]], axis=2)
        least = np.maximum(least, charge.ratchet_frac * past.max(axis=2) / _NANO)
    shape = (len(top), len(steps))
    interval, unit = (np.broadcast_to(x, shape) for x in (interval, unit))
    return MonthPeak(
        charge=i, counts=np.broadcast_to(counts, shape), interval=interval, unit=unit,
        interval_h=charge.interval_h, n=charge.n,
        top_kw=top * to_kw, unit_kw=unit_kw * to_kw, part_kwh=part / MICRO, least_kw=least,
        cur_per_kw=price * tax, limits_kw=charge.limits_kw, prices=tuple(p * tax for p in charge.prices),
        has_steps=charge.has_steps, ratchet_frac=charge.ratchet_frac, lookback_months=charge.lookback_months,
    )  # fmt: skip


def _so_far(charge: PowerCharge, kept: PeakCarry, step: int, has_begun: bool) -> tuple[Array, Array, Array]:
    """Micro-kWh of the highest units, of the one that runs at a step and of the interval that does."""
    top = host(kept.top_ukwh) * has_begun
    none = 0 * top[..., 0]
    unit, part = none, none
    if charge.begins_unit is not None:
        unit = host(kept.unit_ukwh) * has_begun
        if host(charge.begins_unit)[step]:  # what ran is over
            top = np.sort(np.concatenate([top, unit[..., None]], axis=2), axis=2)[..., 1:]
            unit = none
    if charge.begins_interval is not None and not host(charge.begins_interval)[step]:
        part = host(kept.part_ukwh) * has_begun
    return top, unit, part
