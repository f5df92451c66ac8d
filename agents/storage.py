"""The storage kernel: every battery, car and tank of the project moves its energy here and nowhere else.

Power is at the AC meter, positive draws. Self-discharge and charging are solved exactly for constant power over the
step, so that one hour of one step equals one hour of twelve: dE/dt = -lam E + eta_ch P or P / eta_dis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gridbazaar.data.arrays import Array, namespace


@dataclass(frozen=True, slots=True)
class Storage:
    """Parameters of a block of storages; each entry is a number or an array that broadcasts over the block."""

    floor_kwh: Array
    ceiling_kwh: Array
    charge_kw: Array  # >= 0, rating at the meter
    discharge_kw: Array  # >= 0, rating at the meter
    eta_ch: Array  # in (0, 1], meter to store
    eta_dis: Array  # in (0, 1], store to meter
    loss_per_h: float = 0.0  # self-discharge, share of the stored energy lost in an hour, in [0, 1)
    taper_frac: float = 1.0  # state of charge above which charging tapers off (CC/CV); 1 is never


def _decay(storage: Storage, step_h: float) -> tuple[float, float]:
    """Share of the energy kept over a step, and the hours that a constant inflow counts for."""
    if storage.loss_per_h == 0:
        return 1.0, step_h
    rate = -math.log1p(-storage.loss_per_h)
    kept = math.exp(-rate * step_h)
    return kept, (1 - kept) / rate


def limits_kw(energy_kwh: Array, storage: Storage, step_h: float) -> tuple[Array, Array]:
    """Give the largest release (<= 0) and the largest draw (>= 0) that can be held for the whole step.

    Args:
        energy_kwh: stored energy, any shape that the parameters broadcast with.

    A store that self-discharge takes below its floor cannot release, and is not refilled from nowhere.
    """
    xp = namespace(energy_kwh)
    kept, hours = _decay(storage, step_h)
    left = kept * energy_kwh
    room_kw = xp.maximum(storage.ceiling_kwh - left, 0.0) / (storage.eta_ch * hours)
    stored_kw = xp.maximum(left - storage.floor_kwh, 0.0) * storage.eta_dis / hours
    high_kw = xp.minimum(room_kw, storage.charge_kw)
    if storage.taper_frac < 1:
        high_kw = xp.minimum(high_kw, _taper_kw(energy_kwh, storage, step_h))
    return -xp.minimum(stored_kw, storage.discharge_kw), high_kw


def move_kwh(energy_kwh: Array, power_kw: Array, storage: Storage, step_h: float) -> tuple[Array, Array]:
    """Hold a power for one step; give the stored energy after it and the energy lost inside the device.

    Args:
        energy_kwh: stored energy before the step.
        power_kw: at the meter, within ``limits_kw``.

    Returns:
        Stored energy (kWh) and loss (kWh, >= 0); ``after - before == power_kw * step_h - loss``.
    """
    xp = namespace(energy_kwh)
    kept, hours = _decay(storage, step_h)
    inside_kw = xp.maximum(power_kw, 0.0) * storage.eta_ch + xp.minimum(power_kw, 0.0) / storage.eta_dis
    after_kwh = kept * energy_kwh + inside_kw * hours
    return after_kwh, power_kw * step_h - (after_kwh - energy_kwh)


def sustained_kw(
    energy_kwh: Array, storage: Storage, wait_h: Array, hours: Array, *, beside_kw: Array = 0.0, step_h: float = 0.0
) -> Array:  # fmt: skip
    """Give the largest release (>= 0) that can be held for some hours after a wait.

    Args:
        energy_kwh: stored energy now.
        wait_h, hours: broadcast with it.
        beside_kw: what is released beside it in the first ``step_h``; then there is no wait.
    """
    xp = namespace(energy_kwh)
    kept, _ = _decays(storage, wait_h + hours)
    kept_after, _ = _decays(storage, wait_h + hours - step_h)
    _, counted = _decays(storage, hours)
    _, beside_h = _decay(storage, step_h)
    left = kept * energy_kwh - storage.floor_kwh - kept_after * beside_kw * beside_h / storage.eta_dis
    held_kw = xp.maximum(left, 0.0) * storage.eta_dis / xp.maximum(counted, 1e-9)
    return xp.maximum(xp.minimum(held_kw, storage.discharge_kw - beside_kw), 0.0)


def kept_back_kwh(power_kw: Array, storage: Storage, wait_h: Array, hours: Array) -> Array:
    """Give what must be stored so that a release can be held for some hours after a wait; the floor for none."""
    xp = namespace(power_kw)
    kept, _ = _decays(storage, wait_h + hours)
    _, counted = _decays(storage, hours)
    needed = (storage.floor_kwh + power_kw * counted / storage.eta_dis) / kept
    return xp.where(power_kw > 0, needed, storage.floor_kwh + 0.0 * needed)


def _decays(storage: Storage, hours: Array) -> tuple[Array, Array]:
    """What ``_decay`` gives, for many lengths of time."""
    xp = namespace(hours)
    if storage.loss_per_h == 0:
        return 1.0 + 0.0 * hours, hours
    rate = -math.log1p(-storage.loss_per_h)
    kept = xp.exp(-rate * hours)
    return kept, (1 - kept) / rate


def _taper_kw(energy_kwh: Array, storage: Storage, step_h: float) -> Array:
    """Mean power that a charger at full pilot reaches over the step, by the two-stage law."""
    xp = namespace(energy_kwh)
    soc = energy_kwh / storage.ceiling_kwh
    rise = storage.charge_kw * storage.eta_ch * step_h / storage.ceiling_kwh
    after = two_stage_soc(soc, rise + 0.0 * soc, rise + 0.0 * soc, storage.taper_frac)
    return xp.maximum(after - soc, 0.0) * storage.ceiling_kwh / (storage.eta_ch * step_h)


def two_stage_soc(soc: Array, rise: Array, full_rise: Array, taper_frac: float) -> Array:
    """Charge through constant current and then constant voltage; exact for one step of any length.

    Args:
        soc: state of charge before the step.
        rise: state of charge that the pilot would add in the step without taper, <= ``full_rise``.
        full_rise: state of charge that the rated current would add.
        taper_frac: state of charge where the rated current begins to taper.

    After the two-stage battery of ACN-Sim (Lee, Sharma & Low 2021): a lower pilot tapers later.
    """
    xp = namespace(soc)
    knee = taper_frac + (rise - full_rise) / xp.maximum(full_rise, 1e-12) * (taper_frac - 1)
    width = xp.minimum(knee, 1 - 1e-12) - 1
    crossing = 1 + xp.exp(xp.minimum((rise + soc - knee) / width, 0.0)) * width
    tapering = 1 + xp.exp(rise / width) * (soc - 1)
    return xp.where(soc + rise <= knee, soc + rise, xp.where(soc < knee, crossing, tapering))
