"""Follow: actions that keep devices on a schedule."""

from __future__ import annotations

import numpy as np

from gridbazaar.agents.kind import encode
from gridbazaar.agents.plan import View
from gridbazaar.data.arrays import Array

_LEAST_SHARE = 0.5
"""Of a charger's least power: from there on a smaller one is rounded up to it, below it is put off."""


def follow(power_kw: Array, room_kwh: Array, view: View, step_h: float, is_beside: Array) -> Array:
    """Give actions [n_envs, n_agents, 2], filled at any price, by which devices do what is scheduled.

    Args:
        power_kw: [n_envs, n_agents] scheduled in this interval, > 0 draws.
        room_kwh: [n_envs, n_agents] scheduled to be left in the device after it.
        view: the devices.
        step_h: length of the interval.
        is_beside: [n_envs, n_agents] bool, the schedule is beside what is firm; a car's is all that it draws.
    """
    car_kw = _car_kw(view, power_kw, room_kwh, step_h)
    wish_kw = np.where(is_beside, power_kw, car_kw - view.firm_kw)
    wish_kw = np.clip(wish_kw, view.low_kw, view.high_kw)
    return encode(wish_kw, np.ones_like(wish_kw), view)


def _car_kw(view: View, planned_kw: Array, room_kwh: Array, step_h: float) -> Array:
    """Power with which a car is as full as scheduled after the step, so that it catches up with what it missed.

    One that is ahead of its schedule rests; it does not release what it would have to charge again.
    """
    rise_kwh = view.room_kwh - room_kwh
    wish_kw = np.where(rise_kwh > 0, rise_kwh / view.eta_ch, rise_kwh * view.eta_dis) / step_h
    wish_kw = np.maximum(wish_kw, np.minimum(planned_kw, 0.0))
    return np.where(wish_kw > _LEAST_SHARE * view.min_kw, np.maximum(wish_kw, view.min_kw), wish_kw)
