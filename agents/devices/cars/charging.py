"""Charging in time: how much a car must have now so that full power still suffices, taper included."""

from __future__ import annotations

from gridbazaar.data.arrays import Array, namespace


def needed_before_kwh(
    required_kwh: Array, capacity_kwh: Array, full_kw: Array, left_h: Array, taper_frac: float
) -> Array:
    """Give the stored energy from which full power reaches the required energy in the hours that are left.

    Args:
        required_kwh: wanted at departure.
        capacity_kwh: of the battery.
        full_kw: full power, inside the battery.
        left_h: hours of full power.
        taper_frac: state of charge above which full power tapers; 1 is never.

    Arguments broadcast; the answer may be negative. Exact: the two-stage law of ``agents/storage.py`` turned round.
    Above the knee the room left shrinks exponentially, so a full battery that tapers is never reached: what is wanted
    ends a hundred-thousandth short of it.
    """
    if taper_frac == 1:
        return required_kwh - full_kw * left_h
    xp = namespace(required_kwh)
    width = 1 - taper_frac
    # On the scale of time at full power, in units of state of charge.
    soc = xp.minimum(required_kwh / capacity_kwh, 1 - 1e-5)
    stretched = taper_frac + width * xp.log(width / xp.minimum(1 - soc, width))
    then = xp.where(soc > taper_frac, stretched, soc) - full_kw * left_h / capacity_kwh
    above = 1 - width * xp.exp(-xp.maximum(then - taper_frac, 0.0) / width)
    return capacity_kwh * xp.where(then > taper_frac, above, then)
