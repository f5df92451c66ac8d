"""Home charging sessions made by chance: when cars come and go, and what they lack.

Calibrated to the private chargers of Trondheim (5347 sessions): .67 sessions and 7.2 kWh a day and user. Kept simple
on purpose: one car a charger, at most one session from each noon to the next, and every session can be served.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.bank import Sessions
from gridbazaar.data.chance import bank_rng

Floats = NDArray[np.float64]

CHARGER_KW = 7.4
CHARGER_EFFICIENCY = 0.9

# Percent of arrivals and departures by local hour, Trondheim private.
_ARRIVE = np.array(
    [
        *(1.4, 0.7, 0.4, 0.3, 0.1, 0.1, 0.3, 1.1, 1.0, 0.7, 1.2, 1.8),
        *(2.5, 3.9, 5.3, 11.7, 15.3, 8.8, 8.6, 10.2, 9.0, 7.1, 5.6, 3.0),
    ]
)
_DEPART = np.array(
    [
        *(0.4, 0.3, 0.1, 0.1, 0.2, 0.2, 6.9, 20.9, 7.2, 5.2, 5.2, 5.7),
        *(4.4, 3.7, 4.0, 4.0, 5.1, 7.6, 6.0, 4.2, 3.3, 3.0, 1.5, 0.9),
    ]
)
_SAME_DAY_SHARE = 0.5  # of the departures after noon belong to cars that came after the same noon
_LAST_ARRIVAL_H = 21  # hours after noon; later ones would be cut by the next noon
_SESSIONS_PER_DAY, _SESSIONS_SD = 0.67, 0.12
_ENERGY_MEDIAN_KWH, _ENERGY_SIGMA, _USER_SIGMA = 10.5, 0.60, 0.24
_LEAST_KWH, _MOST_KWH = 0.5, 45.0


def make_sessions(master: int, n_days: int, n_cars: int, step_h: float) -> Sessions:
    """Make the sessions of cars at home; a car stays the same when more are asked for.

    Each session can be served by a 7.4 kW charger of 90 % within the whole steps of its stay, with at least one step
    to spare. The last noon of the bank begins no session.
    """
    from scipy.special import ndtri

    joint = _stays()
    order = np.cumsum(joint.ravel())
    unit = np.empty((n_cars, 5, n_days))
    often, size = np.empty((2, n_cars, 1))
    for car in range(n_cars):
        rng = bank_rng(master, "car", car)
        often[car] = np.clip(rng.normal(_SESSIONS_PER_DAY, _SESSIONS_SD), 0.2, 0.95)
        size[car] = np.exp(rng.normal(0.0, _USER_SIGMA))
        unit[car] = rng.random((5, n_days))

    present = unit[:, 0] < often
    present[:, -1] = False
    cell = np.minimum(np.searchsorted(order, unit[:, 1] * order[-1], side="right"), order.size - 1)
    arrive_h = cell // 24 + unit[:, 2]
    depart_h = cell % 24 + unit[:, 3]
    # A stay lasts at least three whole steps, and an hour.
    first = np.ceil(arrive_h / step_h)
    depart_h = np.minimum(np.maximum(depart_h, np.maximum((first + 3) * step_h, arrive_h + 1.0)), 24.0)
    whole_steps = np.floor(depart_h / step_h + 1e-9) - first
    most_kwh = CHARGER_KW * CHARGER_EFFICIENCY * step_h * (whole_steps - 1)

    # What is lacking does not depend on the stay, except that a short stay cannot bring much.
    noise = ndtri(np.clip(unit[:, 4], 1e-12, 1 - 1e-12))
    need_kwh = np.clip(size * _ENERGY_MEDIAN_KWH * np.exp(_ENERGY_SIGMA * noise), _LEAST_KWH, _MOST_KWH)
    need_kwh = np.minimum(need_kwh, 0.999 * most_kwh)
    present &= most_kwh > 0
    noon_h = 12.0 + 24.0 * np.arange(n_days)
    return in_order(present, noon_h + arrive_h, noon_h + depart_h, need_kwh, is_same_car=True, end_h=24.0 * n_days)


def in_order(
    present: NDArray[np.bool_], arrive_h: Floats, depart_h: Floats, need_kwh: Floats, *, is_same_car: bool,
    end_h: float, announced_h: Floats | None = None,
) -> Sessions:  # fmt: skip
    """Put the sessions of each charger, [n_chargers, n_slots] in order of time, before its unused slots.

    Cars leave when they announced to, unless that is given. The same car used on the way what it lacks.
    """
    order = np.argsort(~present, axis=1, kind="stable")
    used = np.take_along_axis(present, order, axis=1)

    def packed(values: Floats, unused: float) -> Floats:
        return np.where(used, np.take_along_axis(values, order, axis=1), unused)

    leaves_h, lacks_kwh = packed(depart_h, end_h), packed(need_kwh, 0.0)
    return Sessions(
        present=used,
        arrive_h=packed(arrive_h, end_h),
        depart_h=leaves_h,
        need_kwh=lacks_kwh,
        announced_h=leaves_h if announced_h is None else packed(announced_h, end_h),
        trip_kwh=lacks_kwh * is_same_car,
        is_same_car=used & is_same_car,
    )


def _stays() -> Floats:
    """[24, 24] how likely a car comes in one hour after noon and leaves in another.

    The measured hours of coming are kept and those of leaving met as far as a stay between two noons allows
    (iterative proportional fitting, Deming & Stephan 1940).
    """
    come, leave = np.roll(_ARRIVE, -12), np.roll(_DEPART, -12)
    come = np.where(np.arange(24) < _LAST_ARRIVAL_H, come, 0.0)
    come /= come.sum()
    leave = np.where(np.arange(24) < 12, _SAME_DAY_SHARE, 1.0) * leave
    leave /= leave.sum()
    stay_h = np.arange(24)[None, :] - np.arange(24)[:, None]
    joint = np.where(stay_h >= 1, 1.0, 0.0)
    for _ in range(60):
        joint *= (leave / np.maximum(joint.sum(axis=0), 1e-12))[None, :]
        joint *= (come / np.maximum(joint.sum(axis=1), 1e-12))[:, None]
    return joint
