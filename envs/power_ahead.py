"""Charges on power ahead: their months, intervals and prices over steps to come, and the peaks so far."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.peaks import MonthPeak
from gridbazaar.data.arrays import Array, host
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.state import State
from gridbazaar.market.settlement.peaks import PeakCarry, PowerCharge

Floats = NDArray[np.float64]
_NANO = 1e9


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
        months = host(charge.month)[[first, first + core.n_steps - 1]]
        worth = _worth(_key(host(charge.price)), int(months[0]), int(months[1]), charge.average_months)
        for month in np.unique(host(charge.month)[steps]).tolist():
            # Before the first step of a month its peak is that of no interval.
            has_begun = month == int(host(charge.month)[steps[0] - 1]) and t > 0
            here = _month(i, charge, kept, steps, month, worth[month - int(months[0])], has_begun)
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
    counts, interval, unit = (np.broadcast_to(x, (len(top), len(steps))) for x in (counts, interval, unit))
    return MonthPeak(
        charge=i, counts=counts, interval=interval, unit=unit, interval_h=charge.interval_h, n=charge.n,
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
