"""Cheapest first: how much of each offer meets one need."""

from __future__ import annotations

from typing import NamedTuple

from gridbazaar.data.arrays import Array, muldiv, namespace
from gridbazaar.data.units import FAR


class Taken(NamedTuple):
    """What is taken of the offers, and where it ends."""

    energy_ukwh: Array  # [n_envs, n_offers] int64 >= 0
    last_key: Array  # [n_envs] of the last offers that are taken; means nothing where there is too little
    is_enough: Array  # [n_envs] bool


def take_in_merit(energy_ukwh: Array, relief_ukwh: Array, key: Array, need_ukwh: Array) -> Taken:
    """Take offers by rising key until their relief meets the need; those with the last key share pro rata.

    Args:
        energy_ukwh: [n_envs, n_offers] int64 >= 0.
        relief_ukwh: [n_envs, n_offers] int64, what taking all of an offer does; nothing is taken where it is <= 0.
        key: [n_envs, n_offers], the smallest is the best.
        need_ukwh: [n_envs] int64 >= 0.

    Shares are rounded up, each for itself: the need is met, nobody's place in the list matters, and at most a micro-kWh
    an offer is taken too much.
    """
    xp = namespace(energy_ukwh)
    is_useful, need = relief_ukwh > 0, need_ukwh[:, None]
    relief = relief_ukwh * is_useful
    key = xp.where(is_useful, key, FAR)
    order = xp.stable_argsort(key, axis=1)
    running = xp.cumsum(xp.take_along_axis(relief, order, axis=1), axis=1)
    last = xp.minimum(xp.sum(xp.astype(running < need, xp.int64), axis=1, keepdims=True), key.shape[1] - 1)
    last_key = xp.take_along_axis(xp.take_along_axis(key, order, axis=1), last, axis=1)

    is_before, is_last = key < last_key, key == last_key
    cohort = xp.sum(relief * is_last, axis=1, keepdims=True)
    rest = xp.clip(need - xp.sum(relief * is_before, axis=1, keepdims=True), 0, cohort)
    left_out = muldiv(energy_ukwh, cohort - rest + 0 * energy_ukwh, xp.maximum(cohort, 1) + 0 * energy_ukwh)
    taken = xp.where(is_before, energy_ukwh, (energy_ukwh - left_out) * is_last) * is_useful
    return Taken(taken, last_key[:, 0], running[:, -1] >= need_ukwh)
