"""What kinds with stationary batteries share: their parameters, how they look, how they move, age and fail.

One battery an agent is [n_envs, n_kind]; several behind one agent, as in a VPP, are [n_envs, n_kind, n_devices] and are
summed for the view and the meters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

from gridbazaar.agents.devices.ageing import Age, Ageing, aged, wear_cur_per_kwh, wear_of
from gridbazaar.agents.devices.failure import (
    Condition,
    Failure,
    Luck,
    actions_of,
    asks_for_upkeep,
    draw_luck,
    features_of,
    least_upkeep_cur,
    new_condition,
    pass_step,
    works,
)
from gridbazaar.agents.kind import (
    EAGERNESS,
    POWER,
    Columns,
    Draw,
    Features,
    GridForming,
    Meters,
    Moved,
    Now,
)
from gridbazaar.agents.plan import Plan, View
from gridbazaar.agents.program import Program
from gridbazaar.agents.storage import Converter, Storage, best_efficiencies, limits_kw, move_kwh
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import Range
from gridbazaar.data.own_rows import OwnColumn
from gridbazaar.data.units import from_micro, to_micro_towards_zero


class BatteryTable(Protocol):
    """What a kind's table says of its batteries."""

    @property
    def start_frac(self) -> Range: ...
    @property
    def duration_h(self) -> float: ...
    @property
    def eta_ch(self) -> float: ...
    @property
    def eta_dis(self) -> float: ...
    @property
    def loss_per_h(self) -> float: ...
    @property
    def wear_cur_per_kwh(self) -> float: ...
    @property
    def taper_frac(self) -> float: ...
    @property
    def release_taper_frac(self) -> float: ...
    @property
    def reserve_frac(self) -> float: ...
    @property
    def converter(self) -> Converter: ...
    @property
    def ageing(self) -> Ageing: ...
    @property
    def failure(self) -> Failure: ...


class PackTable(BatteryTable, Protocol):
    """Of a kind that is nothing but batteries."""

    @property
    def capacity_kwh(self) -> Range: ...


T = TypeVar("T", bound=PackTable)


class BatteryParams(Protocol):
    """What an episode draws of a kind with batteries."""

    @property
    def capacity_kwh(self) -> Array: ...  # [n_envs, n_kind(, n_devices)] usable, when new
    @property
    def start_frac(self) -> Array: ...  # [n_envs, n_kind(, n_devices)]
    @property
    def config(self) -> BatteryTable: ...
    @property
    def fate(self) -> Fate: ...


@dataclass(frozen=True, slots=True)
class Fate:
    """What an episode draws for batteries beside their size; none of it where the scenario has no use for it."""

    health: Array | None = None  # [n_envs, n_kind(, n_devices)] capacity at the beginning over that when new
    luck: Luck | None = None
    rated_kw: Array | None = None  # [n_envs, n_kind]; none: as the table's ``duration_h`` says


@dataclass(frozen=True, slots=True)
class Packs(Generic[T]):
    """Parameters of a kind that is nothing but batteries."""

    capacity_kwh: Array  # [n_envs, n_kind(, n_devices)] usable, when new
    start_frac: Array  # [n_envs, n_kind(, n_devices)]
    config: T
    fate: Fate = field(default_factory=Fate)


@dataclass(frozen=True, slots=True)
class Batteries:
    """State of the batteries of a kind."""

    energy_kwh: Array  # [n_envs, n_kind(, n_devices)]
    age: Age | None = None  # where they age
    condition: Condition | None = None  # where they can fail


def draw_packs(config: T, draw: Draw, kind: str, *shape: int) -> Packs[T]:
    """Draw the batteries of a kind that is nothing else, ``shape`` n_kind(, n_devices)."""
    n = math.prod(shape)
    return Packs(
        capacity_kwh=draw.within(f"{kind}.capacity_kwh", n, config.capacity_kwh).reshape(-1, *shape),
        start_frac=draw.within(f"{kind}.start_frac", n, config.start_frac).reshape(-1, *shape),
        config=config,
        fate=draw_fate(config, draw, kind, *shape),
    )


def draw_fate(config: BatteryTable, draw: Draw, kind: str, *shape: int) -> Fate:
    """Draw what age and failures need for the batteries of a kind, ``shape`` n_kind(, n_devices)."""
    health, ageing = None, config.ageing
    if ageing.health != (1.0, 1.0):
        health = draw.within(f"{kind}.ageing.health", math.prod(shape), ageing.health).reshape(-1, *shape)
    return Fate(health, draw_luck(config.failure, draw, kind, shape))


OWN_BATTERY = (
    OwnColumn("battery_kwh", "usable size of its battery, 0 without one; no share of the community's load resizes it"),
    OwnColumn("battery_kw", "rated power of it, beside battery_kwh"),
)


def lone_power(config: Any, said: Mapping[str, Any]) -> str:
    """Say that a power was given without the size that it is of, or the other way round."""
    kw, kwh = said.get("battery_kw"), said.get("battery_kwh")
    if kw is not None and (kwh is None or bool(kw) != bool(kwh)):
        return f"battery_kw of {kw:g} beside a battery_kwh of {'nothing' if kwh is None else format(kwh, 'g')}"
    return ""


def with_own_sizes(params: Any, draw: Draw) -> Any:
    """Give batteries the sizes that agents have in all episodes."""
    capacity_kwh = draw.kept("battery_kwh", params.capacity_kwh)
    usual_kw = capacity_kwh / params.config.duration_h
    power_kw = draw.kept("battery_kw", usual_kw)
    fate = params.fate if power_kw is usual_kw else replace(params.fate, rated_kw=power_kw)
    return replace(params, capacity_kwh=capacity_kwh, fate=fate)


def rated_kw(params: BatteryParams) -> Array:
    """[n_envs, n_kind(, n_devices)]."""
    own = params.fate.rated_kw
    return params.capacity_kwh / params.config.duration_h if own is None else own


def new_batteries(params: BatteryParams) -> Batteries:
    """Begin an episode: filled by ``start_frac``, aged as drawn, at work."""
    capacity_kwh = _capacity_kwh(params)
    age = Age(capacity_kwh, 0.0 * capacity_kwh) if params.config.ageing.happens else None
    return Batteries(capacity_kwh * params.start_frac, age, new_condition(params.fate.luck))


def storage_of(params: BatteryParams) -> Storage:
    """Give the kernel's parameters of batteries as an episode begins, with the reserve they keep."""
    config, capacity_kwh = params.config, _capacity_kwh(params)
    power_kw = rated_kw(params)
    return Storage(
        floor_kwh=config.reserve_frac * capacity_kwh if config.reserve_frac else 0.0,
        ceiling_kwh=capacity_kwh,
        charge_kw=power_kw,
        discharge_kw=power_kw,
        eta_ch=config.eta_ch,
        eta_dis=config.eta_dis,
        loss_per_h=config.loss_per_h,
        taper_frac=config.taper_frac,
        release_taper_frac=config.release_taper_frac,
        converter=config.converter if config.converter.loses else None,
    )


def _capacity_kwh(params: BatteryParams) -> Array:
    """Usable capacity as an episode begins."""
    return params.capacity_kwh if params.fate.health is None else params.capacity_kwh * params.fate.health


def storage_now(device: Batteries, params: BatteryParams, now: Now) -> Storage:
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


def view_of(firm_kw: Array | None, device: Batteries, params: BatteryParams, now: Now) -> View:
    """Look at batteries beside a must-serve net, if there is any ([n_envs, n_kind])."""
    xp, config, series = namespace(device.energy_kwh), params.config, now.series
    storage = storage_now(device, params, now)
    low_kw, high_kw = battery_limits_kw(device, storage, series.step_h)
    stored_kwh, capacity_kwh = _pooled(device.energy_kwh), _pooled(storage.ceiling_kwh)
    own_kw = params.fate.rated_kw
    power_kw = _pooled(params.capacity_kwh) / config.duration_h if own_kw is None else own_kw
    zero, has = xp.zeros_like(stored_kwh), capacity_kwh > 0
    eta_ch, eta_dis = best_efficiencies(storage)
    return View(
        firm_kw=zero if firm_kw is None else firm_kw, low_kw=_pooled(low_kw), high_kw=_pooled(high_kw),
        stored_kwh=stored_kwh, room_kwh=capacity_kwh - stored_kwh,
        capacity_kwh=capacity_kwh, power_kw=power_kw,
        min_kw=zero if storage.converter is None else zero + storage.converter.k0 * power_kw,
        eta_ch=zero + eta_ch, eta_dis=zero + eta_dis,
        wear_cur_per_kwh=zero + wear_cur_per_kwh(config.ageing, config.wear_cur_per_kwh), need_kwh=zero,
        left_h=zero + now.left_h,
        is_stationary=has, has_device=has, is_active=has,
    )  # fmt: skip


def view_alone(device: Batteries, params: BatteryParams, now: Now) -> View:
    """Look at batteries beside which there is nothing."""
    return view_of(None, device, params, now)


def battery_actions(config: BatteryTable) -> Columns:
    """Power and eagerness, and upkeep where devices can fail."""
    return POWER, EAGERNESS, *actions_of(config.failure)


def battery_features(config: BatteryTable) -> tuple[Features, ...]:
    """The condition of the devices, where they can fail."""
    return features_of(config.failure)


def move_alone(meters: Meters, plan: Plan, view: View, device: Batteries, params: BatteryParams, now: Now) -> Moved:
    """Move batteries whose agents have no further actions."""
    return moved_of(meters, plan, device, params, battery_actions, now)


def moved_of(
    meters: Meters, plan: Plan, device: Batteries, params: BatteryParams, actions: Callable[[Any], Columns], now: Now
) -> Moved:
    """Move the metered energy, once, and quantise it.

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
        assert params.fate.luck is not None
        condition, upkeep_cur = pass_step(
            condition, params.fate.luck, cycles, asks, params.capacity_kwh > 0, now.t, params.config.failure, step_h
        )
    flexible_ukwh = _pooled(drawn_ukwh)
    return Moved(
        device=Batteries(after_kwh, age, condition),
        firm_ukwh=xp.zeros_like(flexible_ukwh),
        flexible_ukwh=flexible_ukwh,
        loss_kwh=_pooled(loss_kwh),
        released_kwh=_pooled(xp.maximum(-drawn_kwh, 0.0)),
        wear_cur=None if wear_cur is None else _pooled(wear_cur),
        upkeep_cur=None if upkeep_cur is None else _pooled(upkeep_cur),
    )


def battery_program(
    params: BatteryParams, device: Batteries, n_steps: int, step_h: float, follows_meter: Array | bool = False
) -> Program:
    """Say what batteries can do at best, so that the optimum is a bound in every option.

    They lose as little as their converter ever does, keep their capacity and are always at work. Where wear goes by
    depth, nothing wears off, since the smallest cycles hardly do. What a battery that fades can no longer hold is lost:
    never more than it can charge.
    """
    config, luck = params.config, params.fate.luck
    fades = config.ageing.fades or config.ageing.calendar_per_year > 0
    return Program(
        storage=storage_of(params),
        stored_kwh=device.energy_kwh,
        is_reserve=config.reserve_frac > 0,
        wear_cur_per_kwh=config.wear_cur_per_kwh if config.ageing.wear == "throughput" else 0.0,
        fades_kw=rated_kw(params) * fades,
        follows_meter=follows_meter,
        upkeep_cur=None if luck is None else least_upkeep_cur(luck, params.capacity_kwh > 0, config.failure, step_h),
    )


def _is_grid_forming(config: Any) -> bool:
    wanted: bool = config.grid_forming
    return wanted


def _has(params: BatteryParams) -> Array:
    return params.capacity_kwh > 0


def _works(device: Batteries) -> Array | None:
    return None if device.condition is None else works(device.condition)


FORMS_GRID: GridForming[Any, Any, Batteries] = GridForming(_is_grid_forming, _has, _works)
"""Of kinds whose table has a field ``grid_forming``."""


def _pooled(x: Array) -> Array:
    return namespace(x).sum(x, axis=2) if x.ndim == 3 else x
