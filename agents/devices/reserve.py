"""What the devices of a VPP hold back for an award, and how what is called is split over them.

All are [n_envs, n_vpps, n_devices] unless said. The room that an award needs is shared over the devices by what each
can sustain until the end of the call; market orders only get what lies beside it. So the whole award can be delivered
in every interval of the call, however its devices are chosen.
"""

from __future__ import annotations

from dataclasses import replace

from gridbazaar.agents.plan import RUNNING, Called
from gridbazaar.agents.storage import Storage, kept_back_kwh, limits_kw, sustained_kw
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.market.flexibility.disaggregation import cheapest_first, proportional, weighted

_LEANING = 3.0  # how far an action of 1 leans towards the fullest devices


def envelope_kw(energy_kwh: Array, storage: Storage, wait_h: Array, hours: Array) -> Array:
    """[n_envs, n_vpps] what a VPP can release for the whole of a call: power, and energy above the floor.

    Args:
        energy_kwh: stored energy now.
        storage: of the devices.
        wait_h, hours: [n_envs] until the call begins, and how long it lasts.
    """
    can_kw = sustained_kw(energy_kwh, storage, wait_h[:, None, None], hours[:, None, None])
    return namespace(energy_kwh).sum(can_kw, axis=2)


def held_kw(energy_kwh: Array, storage: Storage, call: Called) -> Array:
    """Each device's part of the award."""
    wait_h, hours = call.starts_h[:, None, None], call.lasts_h[:, None, None]
    return proportional(call.award_kw, sustained_kw(energy_kwh, storage, wait_h, hours))


def free_limits_kw(energy_kwh: Array, storage: Storage, call: Called, step_h: float) -> tuple[Array, Array]:
    """Give the largest release (<= 0) and draw that the market may have beside the award.

    While a call runs, who holds an award draws nothing: the operator asks for less draw, not for less of more.
    """
    xp = namespace(energy_kwh)
    held = held_kw(energy_kwh, storage, call)
    runs = (call.status == RUNNING)[:, None, None]
    wait_h = xp.maximum(call.starts_h - step_h, 0.0)[:, None, None]
    hours = xp.maximum(call.lasts_h[:, None, None] - step_h * runs, 0.0)
    reserved = replace(storage, floor_kwh=kept_back_kwh(held, storage, wait_h, hours))
    low_kw, _ = limits_kw(energy_kwh, reserved, step_h)
    _, high_kw = limits_kw(energy_kwh, storage, step_h)
    return xp.minimum(low_kw + held * runs, 0.0), high_kw * ~(runs & (call.award_kw > 0)[..., None])


def activated_kw(
    scheduled_kw: Array, called_kw: Array, energy_kwh: Array, storage: Storage, call: Called, step_h: float, *,
    split: str, lean: Array | None = None,
) -> Array:  # fmt: skip
    """Give what each device releases (>= 0) for the call, beside what the market scheduled.

    Args:
        scheduled_kw: <= 0 where there is an award, see ``free_limits_kw``.
        called_kw: [n_envs, n_vpps] >= 0, of each VPP.
        energy_kwh: stored energy now.
        storage: of the devices.
        call: that runs.
        step_h: length of the interval.
        split: proportional to what each can sustain; merit, the fullest first, as a kWh is dearest where few are left;
            or weights.
        lean: [n_envs, n_vpps] in [-1, 1] for weights: 0 is proportional, 1 leans to the fullest, -1 to the emptiest.
    """
    xp = namespace(energy_kwh)
    hours = call.lasts_h[:, None, None] * (call.status == RUNNING)[:, None, None]
    sells_kw = xp.maximum(-scheduled_kw, 0.0)
    room_kw = sustained_kw(energy_kwh, storage, 0.0 * hours, hours, beside_kw=sells_kw, step_h=step_h)
    if split == "proportional":
        return proportional(called_kw, room_kw)
    filled = energy_kwh / xp.maximum(storage.ceiling_kwh, 1e-9)
    if split == "merit":
        return cheapest_first(called_kw, room_kw, -filled)
    assert lean is not None
    mean = xp.sum(filled, axis=2) / filled.shape[2]
    return weighted(called_kw, room_kw, room_kw * xp.exp(_LEANING * lean[..., None] * (filled - mean[..., None])))
