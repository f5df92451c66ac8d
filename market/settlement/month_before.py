"""Charges by the month at a step within one, from what meters counted before: as if carried interval by interval.

What accumulates (highest units, the unit and the interval that run, energy by window) is summed up at once, on the
host; what is due for it follows from the last of these intervals, which ``peaks.advance`` carries.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.trees import replace_rows
from gridbazaar.market.settlement.peaks import (
    MonthCarry,
    MonthCharges,
    PeakCarry,
    PowerCharge,
    Reading,
    SumCarry,
    SumCharge,
    advance,
    begin,
)

Ints = NDArray[np.int64]


def month_before(charges: MonthCharges, net_ukwh: Ints, steps: Ints, is_past: NDArray[np.bool_]) -> MonthCarry:
    """Give what accounts carry after some steps of a month, all of it drawn from the retailer or sent to it.

    Args:
        charges: of the tariff, on the host.
        net_ukwh: [n_envs, n_accounts, n] at the meter.
        steps: [n_envs, n] of the bank, side by side, the last ones of each row within the month of the last.
        is_past: [n_envs, n] whether a step lies in that month; the others count for nothing.
    """
    n_envs, n_accounts, n = net_ukwh.shape
    nothing = begin(charges, n_envs, n_accounts, net_ukwh)
    if not n:
        return nothing
    before, last = is_past[:, :-1], is_past[:, -1]
    counted = net_ukwh[:, :, :-1] * before[:, None]
    power = tuple(
        _accumulated(charge, kept, counted, steps[:, :-1])
        for charge, kept in zip(charges.power, nothing.power, strict=True)
    )
    sums = tuple(
        _summed(charge, kept, counted, steps[:, :-1]) for charge, kept in zip(charges.sums, nothing.sums, strict=True)
    )
    now = net_ukwh[:, :, -1]
    carry = advance(charges, MonthCarry(power, sums), Reading(now, 0 * now, now), steps[:, -1], steps[:, -1])
    found: MonthCarry = replace_rows(nothing, last, carry)
    return found


def _accumulated(charge: PowerCharge, nothing: PeakCarry, net_ukwh: Ints, steps: Ints) -> PeakCarry:
    energy = np.maximum(net_ukwh, 0) * charge.counts[steps][:, None]
    if not energy.shape[2]:
        return nothing
    part = None
    if charge.begins_interval is not None:
        energy = _since(energy, charge.begins_interval[steps])
        part = energy[:, :, -1]
    if charge.begins_unit is None:
        return replace(nothing, top_ukwh=energy.max(axis=2, keepdims=True), part_ukwh=part)
    top, unit = np.zeros_like(nothing.top_ukwh), np.zeros_like(energy[:, :, 0])
    for env, begins in enumerate(charge.begins_unit[steps]):
        first = np.union1d([0], np.flatnonzero(begins))
        highest = np.maximum.reduceat(energy[env], first, axis=1)
        unit[env] = highest[:, -1]
        over = np.sort(highest[:, :-1], axis=1)[:, -charge.n :]
        top[env, :, charge.n - over.shape[1] :] = over
    return replace(nothing, top_ukwh=top, unit_ukwh=unit, part_ukwh=part)


def _since(energy: Ints, begins: NDArray[np.bool_]) -> Ints:
    """Sum energy [n_envs, n_accounts, n] from the last step that begins something, [n_envs, n]."""
    total = np.cumsum(energy, axis=2)
    first = np.maximum.accumulate(np.where(begins, np.arange(begins.shape[1]), 0), axis=1)
    return total - np.take_along_axis(total - energy, np.broadcast_to(first[:, None], total.shape), 2)


def _summed(charge: SumCharge, nothing: SumCarry, net_ukwh: Ints, steps: Ints) -> SumCarry:
    own = np.maximum(-net_ukwh if charge.is_export else net_ukwh, 0) * charge.counts[steps][:, None]
    places = charge.window[steps][..., None] == np.arange(len(charge.prices))
    return replace(nothing, ukwh=np.einsum("ean,enw->eaw", own, places.astype(np.int64)))
