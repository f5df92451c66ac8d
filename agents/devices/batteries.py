"""What kinds with stationary batteries share: their parameters, how they look, how they move, age and fail.

One battery an agent is [n_envs, n_kind]; several behind one agent, as in a VPP, are [n_envs, n_kind, n_devices] and are
summed for the view and the meters. A kind's ``Params`` has ``capacity_kwh`` (usable, when new), ``start_frac``,
``fate`` and ``config``; its ``Config`` the fields that ``check_battery`` looks at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from gridbazaar.agents.devices.ageing import Age, aged, wear_cur_per_kwh, wear_of
from gridbazaar.agents.devices.failure import (
    Condition,
    Luck,
    asks_for_upkeep,
    draw_luck,
    new_condition,
    pass_step,
    works,
)
from gridbazaar.agents.kind import Column, Draw, Meters, Moved, Now
from gridbazaar.agents.plan import Plan, View
from gridbazaar.agents.storage import Converter, Storage, best_efficiencies, limits_kw, move_kwh
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import from_micro, to_micro_towards_zero


@dataclass(frozen=True, slots=True)
class Fate:
    """What an episode draws for batteries beside their size; none of it where the scenario has no use for it."""

    health: Array | None = None  # [n_envs, n_kind(, n_devices)] capacity at the beginning over that when new
    luck: Luck | None = None


@dataclass(frozen=True, slots=True)
class Batteries:
    """State of the batteries of a kind."""

    energy_kwh: Array  # [n_envs, n_kind(, n_devices)]
    age: Age | None = None  # where they age
    condition: Condition | None = None  # where they can fail


def check_battery(where: str, config: Any) -> None:
    """Refuse efficiencies and durations that no battery has; ``config`` is a kind's table."""
    for name in ("eta_ch", "eta_dis", "taper_frac"):
        if not 0 < getattr(config, name) <= 1:
            raise ValueError(f"{where}.{name}: expected a number in (0, 1], got {getattr(config, name)}")
    for name in ("loss_per_h", "release_taper_frac"):
        if not 0 <= getattr(config, name) < 1:
            raise ValueError(f"{where}.{name}: expected a number in [0, 1), got {getattr(config, name)}")
    if not 0 <= config.reserve_frac <= 1:
        raise ValueError(f"{where}.reserve_frac: expected a number in [0, 1], got {config.reserve_frac}")
    if config.duration_h <= 0:
        raise ValueError(f"{where}.duration_h: expected a positive number of hours, got {config.duration_h}")
    if config.wear_cur_per_kwh < 0:
        raise ValueError(f"{where}.wear_cur_per_kwh: expected 0 or more, got {config.wear_cur_per_kwh}")
    _check_converter(f"{where}.converter", config.converter)
    config.ageing.check(f"{where}.ageing")
    config.failure.check(f"{where}.failure")


def _check_converter(where: str, converter: Converter) -> None:
    k0, k1, k2 = converter.k0, converter.k1, converter.k2
    for name in ("k0", "k1", "k2"):
        if getattr(converter, name) < 0:
            raise ValueError(f"{where}.{name}: expected 0 or more, got {getattr(converter, name)}")
    if k1 >= 1 or k0 >= 1 or (1 - k1) ** 2 < 4 * k2 * (1 + k0):
        raise ValueError(
            f"{where}: expected losses that let the rated power reach the meter, k0 < 1 and "
            f"(1 - k1)^2 >= 4 k2 (1 + k0); got k0 {k0}, k1 {k1}, k2 {k2}"
        )


def draw_fate(config: Any, draw: Draw, kind: str, *shape: int) -> Fate:
    """Draw what age and failures need for the batteries of a kind, ``shape`` n_kind(, n_devices)."""
    health, ageing = None, config.ageing
    if ageing.health != (1.0, 1.0):
        n = 1
        for size in shape:
            n *= size
        health = draw.within(f"{kind}.ageing.health", n, ageing.health).reshape(-1, *shape)
    return Fate(health, draw_luck(config.failure, draw, kind, shape))


def new_batteries(params: Any) -> Batteries:
    """Begin an episode: filled by ``start_frac``, aged as drawn, at work."""
    capacity_kwh = _capacity_kwh(params)
    age = Age(capacity_kwh, 0.0 * capacity_kwh) if params.config.ageing.happens else None
    return Batteries(capacity_kwh * params.start_frac, age, new_condition(params.fate.luck))


def storage_of(params: Any) -> Storage:
    """Give the kernel's parameters of batteries as an episode begins, with the reserve they keep."""
    config, capacity_kwh = params.config, _capacity_kwh(params)
    power_kw = params.capacity_kwh / config.duration_h
    return Storage(
        config.reserve_frac * capacity_kwh if config.reserve_frac else 0.0,
        capacity_kwh, power_kw, power_kw, config.eta_ch, config.eta_dis, config.loss_per_h,
        config.taper_frac, config.release_taper_frac, config.converter if config.converter.loses else None,
    )  # fmt: skip


def _capacity_kwh(params: Any) -> Array:
    """Usable capacity as an episode begins."""
    return params.capacity_kwh if params.fate.health is None else params.capacity_kwh * params.fate.health


def storage_now(device: Batteries, params: Any, now: Now) -> Storage:
    """Give the kernel's parameters of batteries as they are now: faded, and free to use their reserve in an island."""
    storage = aged(storage_of(params), device.age)
    if not params.config.reserve_frac:
        return storage
    floor_kwh = params.config.reserve_frac * storage.ceiling_kwh
    if now.is_island is not None:
        floor_kwh = floor_kwh * ~now.is_island.reshape(-1, *[1] * (floor_kwh.ndim - 1))
    return replace(storage, floor_kwh=floor_kwh)


def battery_limits_kw(device: Batteries, storage: Storage, step_h: float) -> tuple[Array, Array]:
    """Give what each battery can release (<= 0) and draw (>= 0); nothing where it is out of order."""
    low_kw, high_kw = limits_kw(device.energy_kwh, storage, step_h)
    if device.condition is None:
        return low_kw, high_kw
    is_up = works(device.condition)
    return low_kw * is_up, high_kw * is_up


def view_of(firm_kw: Array | None, device: Batteries, params: Any, now: Now) -> View:
    """Look at batteries beside a must-serve net, if there is any ([n_envs, n_kind])."""
    xp, config, series = namespace(device.energy_kwh), params.config, now.series
    storage = storage_now(device, params, now)
    low_kw, high_kw = battery_limits_kw(device, storage, series.step_h)
    stored_kwh, capacity_kwh = _pooled(device.energy_kwh), _pooled(storage.ceiling_kwh)
    rated_kw = _pooled(params.capacity_kwh) / config.duration_h
    zero, has = xp.zeros_like(stored_kwh), capacity_kwh > 0
    eta_ch, eta_dis = best_efficiencies(storage)
    return View(
        firm_kw=zero if firm_kw is None else firm_kw, low_kw=_pooled(low_kw), high_kw=_pooled(high_kw),
        stored_kwh=stored_kwh, room_kwh=capacity_kwh - stored_kwh,
        capacity_kwh=capacity_kwh, power_kw=rated_kw,
        min_kw=zero if storage.converter is None else zero + storage.converter.k0 * rated_kw,
        eta_ch=zero + eta_ch, eta_dis=zero + eta_dis,
        wear_cur_per_kwh=zero + wear_cur_per_kwh(config.ageing, config.wear_cur_per_kwh), need_kwh=zero,
        left_h=zero + ((series.n_steps - now.t) * series.step_h)[:, None],
        is_stationary=has, has_device=has, is_active=has,
    )  # fmt: skip


def moved_of(
    meters: Meters, plan: Plan, device: Batteries, params: Any, actions: Callable[[Any], tuple[Column, ...]], now: Now
) -> Moved:
    """Move the metered energy, once, and quantise it; load and PV beside the batteries are zero.

    Args:
        meters: what the wires allow.
        plan: of the kind.
        device: the batteries before the step.
        params: of the kind.
        actions: of the kind, asked for where something can fail.
        now: the interval.
    """
    xp, step_h = namespace(meters.device_kw), now.series.step_h
    drawn_ukwh = to_micro_towards_zero(meters.device_kw * step_h).reshape(device.energy_kwh.shape)
    drawn_kwh = from_micro(drawn_ukwh)
    storage = storage_now(device, params, now)
    after_kwh, loss_kwh = move_kwh(device.energy_kwh, drawn_kwh / step_h, storage, step_h)
    age, condition, wear_cur, upkeep_cur = device.age, device.condition, None, None
    if age is not None:
        age, wear_cur = wear_of(
            device.energy_kwh, after_kwh, drawn_kwh, age, params.capacity_kwh, params.config.ageing, step_h
        )
        excess_kwh = xp.maximum(after_kwh - age.capacity_kwh, 0.0)  # what the shrunken battery cannot hold
        after_kwh, loss_kwh = after_kwh - excess_kwh, loss_kwh + excess_kwh
    if condition is not None:
        cycles = xp.abs(drawn_kwh) / 2 / xp.maximum(params.capacity_kwh, 1e-9)
        asks = asks_for_upkeep(plan, actions(params.config))
        condition, upkeep_cur = pass_step(
            condition, params.fate.luck, cycles, asks, params.capacity_kwh > 0, now.t, params.config.failure, step_h
        )
    flexible_ukwh, loss_kwh = _pooled(drawn_ukwh), _pooled(loss_kwh)
    zero = xp.zeros_like(loss_kwh)
    return Moved(
        device=Batteries(after_kwh, age, condition),
        firm_ukwh=xp.zeros_like(flexible_ukwh),
        flexible_ukwh=flexible_ukwh,
        load_kwh=zero,
        pv_kwh=zero,
        loss_kwh=loss_kwh,
        released_kwh=_pooled(xp.maximum(-drawn_kwh, 0.0)),
        unserved_kwh=zero,
        wear_cur=None if wear_cur is None else _pooled(wear_cur),
        upkeep_cur=None if upkeep_cur is None else _pooled(upkeep_cur),
    )


def _pooled(x: Array) -> Array:
    return namespace(x).sum(x, axis=2) if x.ndim == 3 else x
