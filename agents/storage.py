"""The storage kernel: every battery, car and tank of the project moves its energy here and nowhere else.

Power is at the AC meter, positive draws. Self-discharge and charging are solved exactly for constant power over the
step, so that one hour of one step equals one hour of twelve: dE/dt = -lam E + eta_ch P or P / eta_dis. Where a
converter stands between, P is its DC side and the meter its AC side; both directions of that map are in closed form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import NotNegative, ShareBelowOne


@dataclass(frozen=True, slots=True)
class Converter:
    """Losses that depend on power: AC = DC + k0 Pr [DC != 0] + k1 |DC| + k2 DC^2 / Pr, with the larger rating as Pr.

    The form of Notton, Lazarov & Stoyanov (2010, Renewable Energy 35); 0.0072, 0 and 0.0345 give 0.96 at full power,
    0.97 at half and 0.93 at a tenth. A release whose loss is as large as its DC power is off, and so is a draw that
    would store less than is lost without load; a draw that the wires cut below that loss is lost.
    """

    k0: ShareBelowOne = 0.0  # loss without load, over the rating
    k1: ShareBelowOne = 0.0  # loss in proportion to power
    k2: NotNegative = 0.0  # loss in proportion to the square of power, over the rating at full power

    def check(self, where: str) -> None:
        """Refuse losses of which the rated power never comes through; ``where`` names the table."""
        if (1 - self.k1) ** 2 < 4 * self.k2 * (1 + self.k0):
            raise ValueError(
                f"{where}: expected losses that let the rated power reach the meter, (1 - k1)^2 >= 4 k2 (1 + k0); "
                f"got k0 {self.k0}, k1 {self.k1}, k2 {self.k2}"
            )

    @property
    def loses(self) -> bool:
        return self.k0 > 0 or self.k1 > 0 or self.k2 > 0


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
    release_taper_frac: float = 0.0  # state of charge below which releasing tapers off; 0 is never
    converter: Converter | None = None  # between meter and store; then eta_ch and eta_dis hold behind it


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
    if storage.taper_frac < 1:
        room_kw = xp.minimum(room_kw, _taper_kw(energy_kwh, storage, step_h))
    if storage.release_taper_frac > 0:
        stored_kw = xp.minimum(stored_kw, _release_taper_kw(energy_kwh, storage, step_h))
    if storage.converter is not None:
        room_kw, stored_kw = _meter_kw(room_kw, stored_kw, storage, storage.converter)
    return -xp.minimum(stored_kw, storage.discharge_kw), xp.minimum(room_kw, storage.charge_kw)


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
    dc_kw = power_kw if storage.converter is None else _dc_kw(power_kw, storage, storage.converter)
    inside_kw = xp.maximum(dc_kw, 0.0) * storage.eta_ch + xp.minimum(dc_kw, 0.0) / storage.eta_dis
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


def best_efficiencies(storage: Storage) -> tuple[Array, Array]:
    """Give meter to store and store to meter at the power where the converter loses least; no power does better."""
    if storage.converter is None:
        return storage.eta_ch, storage.eta_dis
    k0, k1, k2 = storage.converter.k0, storage.converter.k1, storage.converter.k2

    def least_loss(most: float) -> float:
        """The loss over power, k0 / p + k1 + k2 p, is least at p = sqrt(k0 / k2), if p may be that large."""
        p = min(math.sqrt(k0 / k2), most) if k2 > 0 else most
        return (k0 / p if k0 > 0 else 0.0) + k1 + k2 * p

    # At full power the DC side has less than the rating while charging, more while releasing.
    most_in = 2 * (1 - k0) / (1 + k1 + math.sqrt((1 + k1) ** 2 + 4 * k2 * (1 - k0)))
    most_out = 2 * (1 + k0) / (1 - k1 + math.sqrt(max((1 - k1) ** 2 - 4 * k2 * (1 + k0), 0.0)))
    return storage.eta_ch / (1 + least_loss(most_in)), storage.eta_dis * (1 - least_loss(most_out))


def most_loss_kw(storage: Storage) -> Array:
    """Give the most that a converter loses at any power, kW: that of a full release, whose DC side is the largest."""
    rating = storage.discharge_kw if storage.converter is None else _rated_kw(storage.discharge_kw, storage)
    return 0.0 * rating if storage.converter is None else -rating - _dc_kw(-rating, storage, storage.converter)


def _meter_kw(room_kw: Array, stored_kw: Array, storage: Storage, converter: Converter) -> tuple[Array, Array]:
    """What the meter sees of the largest DC draw and of the largest DC release that pays, kW, both >= 0."""
    xp = namespace(room_kw)
    rated_kw = _rated_kw(room_kw, storage)
    k0, k1, k2 = converter.k0, converter.k1, converter.k2
    draw_kw = room_kw * (1 + k1) + k2 * room_kw**2 / rated_kw + k0 * rated_kw
    draw_kw = draw_kw * (room_kw > k0 * rated_kw)
    # More than the rating is never released, and a release grows with its DC power up to there.
    stored_kw = xp.minimum(stored_kw, -_dc_kw(xp.zeros_like(stored_kw) - storage.discharge_kw, storage, converter))
    release_kw = stored_kw * (1 - k1) - k2 * stored_kw**2 / rated_kw - k0 * rated_kw
    return draw_kw, xp.maximum(release_kw, 0.0)


def _dc_kw(power_kw: Array, storage: Storage, converter: Converter) -> Array:
    """DC power behind a power at the meter: the smaller root of the loss equation, without cancellation."""
    xp = namespace(power_kw)
    rated_kw = _rated_kw(power_kw, storage)
    square = converter.k2 / rated_kw
    into_kw = xp.maximum(power_kw - converter.k0 * rated_kw, 0.0)
    slope = 1 + converter.k1
    charge_kw = 2 * into_kw / (slope + xp.sqrt(slope * slope + 4 * square * into_kw))
    out_kw = xp.maximum(-power_kw, 0.0) + converter.k0 * rated_kw * (power_kw < 0)
    slope = 1 - converter.k1
    release_kw = 2 * out_kw / (slope + xp.sqrt(xp.maximum(slope * slope - 4 * square * out_kw, 0.0)))
    return charge_kw - release_kw


def _rated_kw(like: Array, storage: Storage) -> Array:
    """The larger rating; where there is no device, a power that does not divide by zero."""
    xp = namespace(like)
    none = xp.zeros_like(like)
    return xp.maximum(xp.maximum(none + storage.charge_kw, none + storage.discharge_kw), 1e-9)


def _taper_kw(energy_kwh: Array, storage: Storage, step_h: float) -> Array:
    """Mean power into the store, over eta_ch, that a charger at full pilot reaches over the step (two-stage law)."""
    xp = namespace(energy_kwh)
    capacity_kwh = xp.maximum(storage.ceiling_kwh + xp.zeros_like(energy_kwh), 1e-9)
    soc = energy_kwh / capacity_kwh
    full_kw = storage.charge_kw
    if storage.converter is not None:
        full_kw = _dc_kw(xp.zeros_like(energy_kwh) + full_kw, storage, storage.converter)
    rise = full_kw * storage.eta_ch * step_h / capacity_kwh + 0.0 * soc
    after = two_stage_soc(soc, rise, rise, storage.taper_frac)
    return xp.maximum(after - soc, 0.0) * capacity_kwh / (storage.eta_ch * step_h)


def _release_taper_kw(energy_kwh: Array, storage: Storage, step_h: float) -> Array:
    """Mean power out of the store, times eta_dis, at full release: power in proportion to what is left, below a knee.

    The same law as for charging, seen from empty.
    """
    xp = namespace(energy_kwh)
    capacity_kwh = xp.maximum(storage.ceiling_kwh + xp.zeros_like(energy_kwh), 1e-9)
    empty = 1 - energy_kwh / capacity_kwh
    full_kw = storage.discharge_kw
    if storage.converter is not None:
        full_kw = -_dc_kw(xp.zeros_like(energy_kwh) - full_kw, storage, storage.converter)
    fall = full_kw / storage.eta_dis * step_h / capacity_kwh + 0.0 * empty
    after = two_stage_soc(empty, fall, fall, 1 - storage.release_taper_frac)
    return xp.maximum(after - empty, 0.0) * capacity_kwh * storage.eta_dis / step_h


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
