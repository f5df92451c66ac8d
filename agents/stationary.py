"""What kinds with stationary batteries share: their parameters, how they look and how they move.

One battery an agent is [n_envs, n_kind]; several behind one agent, as in a VPP, are [n_envs, n_kind, n_devices] and are
summed for the view and the meters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gridbazaar.agents.kind import Meters, Moved, Now, Series
from gridbazaar.agents.plan import View
from gridbazaar.agents.storage import Storage, limits_kw, move_kwh
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import from_micro, to_micro_towards_zero


@dataclass(frozen=True, slots=True)
class Batteries:
    """State of the batteries of a kind."""

    energy_kwh: Array  # [n_envs, n_kind(, n_devices)]


def check_battery(where: str, config: Any) -> None:
    """Refuse efficiencies and durations that no battery has; ``config`` is a kind's table."""
    for name in ("eta_ch", "eta_dis"):
        if not 0 < getattr(config, name) <= 1:
            raise ValueError(f"{where}.{name}: expected a number in (0, 1], got {getattr(config, name)}")
    if not 0 <= config.loss_per_h < 1:
        raise ValueError(f"{where}.loss_per_h: expected a number in [0, 1), got {config.loss_per_h}")
    if config.duration_h <= 0:
        raise ValueError(f"{where}.duration_h: expected a positive number of hours, got {config.duration_h}")
    if config.wear_cur_per_kwh < 0:
        raise ValueError(f"{where}.wear_cur_per_kwh: expected 0 or more, got {config.wear_cur_per_kwh}")


def storage_of(capacity_kwh: Array, config: Any) -> Storage:
    """Give the kernel's parameters of batteries of this usable capacity."""
    power_kw = capacity_kwh / config.duration_h
    return Storage(0.0, capacity_kwh, power_kw, power_kw, config.eta_ch, config.eta_dis, config.loss_per_h)


def view_of(firm_kw: Array | None, device: Batteries, storage: Storage, config: Any, now: Now) -> View:
    """Look at batteries beside a must-serve net, if there is any ([n_envs, n_kind])."""
    xp = namespace(device.energy_kwh)
    low_kw, high_kw = limits_kw(device.energy_kwh, storage, now.series.step_h)
    stored_kwh, capacity_kwh = _pooled(device.energy_kwh), _pooled(storage.ceiling_kwh)
    zero, has = xp.zeros_like(stored_kwh), capacity_kwh > 0
    return View(
        firm_kw=zero if firm_kw is None else firm_kw, low_kw=_pooled(low_kw), high_kw=_pooled(high_kw),
        stored_kwh=stored_kwh, room_kwh=capacity_kwh - stored_kwh,
        capacity_kwh=capacity_kwh, power_kw=capacity_kwh / config.duration_h, min_kw=zero,
        eta_ch=zero + config.eta_ch, eta_dis=zero + config.eta_dis,
        wear_cur_per_kwh=zero + config.wear_cur_per_kwh, need_kwh=zero,
        left_h=zero + ((now.series.n_steps - now.t) * now.series.step_h)[:, None],
        is_stationary=has, has_device=has, is_active=has,
    )  # fmt: skip


def moved_of(meters: Meters, device: Batteries, storage: Storage, series: Series) -> Moved:
    """Move the metered energy, once, and quantise it; load and PV beside the batteries are zero."""
    xp = namespace(meters.device_kw)
    drawn_ukwh = to_micro_towards_zero(meters.device_kw * series.step_h).reshape(device.energy_kwh.shape)
    drawn_kwh = from_micro(drawn_ukwh)
    after_kwh, loss_kwh = move_kwh(device.energy_kwh, drawn_kwh / series.step_h, storage, series.step_h)
    flexible_ukwh, loss_kwh = _pooled(drawn_ukwh), _pooled(loss_kwh)
    zero = xp.zeros_like(loss_kwh)
    return Moved(
        device=Batteries(after_kwh),
        firm_ukwh=xp.zeros_like(flexible_ukwh),
        flexible_ukwh=flexible_ukwh,
        load_kwh=zero,
        pv_kwh=zero,
        loss_kwh=loss_kwh,
        released_kwh=_pooled(xp.maximum(-drawn_kwh, 0.0)),
        unserved_kwh=zero,
    )


def _pooled(x: Array) -> Array:
    return namespace(x).sum(x, axis=2) if x.ndim == 3 else x
