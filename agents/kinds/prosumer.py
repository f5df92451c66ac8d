"""Prosumer: a home with load, perhaps PV, perhaps a battery behind its meter."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from gridbazaar.agents.ageing import Ageing
from gridbazaar.agents.failure import Failure, actions_of, columns_of, features_of
from gridbazaar.agents.kind import (
    EAGERNESS,
    POWER,
    Column,
    Draw,
    Meters,
    Moved,
    Now,
    Range,
    Series,
    check_range,
    scaled_plan,
)
from gridbazaar.agents.plan import Plan, View
from gridbazaar.agents.stationary import (
    Batteries,
    Fate,
    check_battery,
    draw_fate,
    moved_of,
    new_batteries,
    storage_of,
    view_of,
)
from gridbazaar.agents.storage import Converter, Storage
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import to_micro

IS_BRP = False
CONNECTIONS = 1
FIRM_IS_CHOSEN = False


@dataclass(frozen=True, slots=True)
class Config:
    """Table ``[prosumer]`` of a scenario. Pairs are limits of what an episode draws."""

    count: int = 12
    load_scale: Range = (1.0, 1.0)
    pv_share: Range = (0.5, 1.0)  # of homes that have PV
    pv_kwp: Range = (3.0, 9.0)
    battery_share: Range = (0.3, 0.7)  # of homes that have a battery
    battery_kwh: Range = (5.0, 10.0)  # usable; resized where the scenario sets a storage share
    duration_h: float = 2.0  # usable energy over rated power
    start_frac: Range = (0.1, 0.5)
    eta_ch: float = 0.95
    eta_dis: float = 0.95
    loss_per_h: float = 0.0001
    wear_cur_per_kwh: float = 0.04  # per kWh released
    taper_frac: float = 1.0  # state of charge above which charging tapers off; 1 is never
    release_taper_frac: float = 0.0  # state of charge below which releasing tapers off; 0 is never
    reserve_frac: float = 0.0  # share of the capacity kept for an island
    converter: Converter = field(default_factory=Converter)  # losses that depend on power
    ageing: Ageing = field(default_factory=Ageing)  # what use and time take
    failure: Failure = field(default_factory=Failure)  # failures, maintenance and repair
    follow_meter: bool = False  # the battery absorbs its home's deviation from the forecast

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"prosumer.count: expected at least 1, got {self.count}")
        check_range("prosumer", "load_scale", self.load_scale, 0.0)
        check_range("prosumer", "pv_share", self.pv_share, 0.0, 1.0)
        check_range("prosumer", "pv_kwp", self.pv_kwp, 0.0)
        check_range("prosumer", "battery_share", self.battery_share, 0.0, 1.0)
        check_range("prosumer", "battery_kwh", self.battery_kwh, 0.0)
        check_range("prosumer", "start_frac", self.start_frac, 0.0, 1.0)
        check_battery("prosumer", self)


@dataclass(frozen=True, slots=True)
class Params:
    home: Array  # [n_envs, n_kind] int64, row of the bank's loads
    roof: Array  # [n_envs, n_kind] int64, row of the bank's PV
    load_scale: Array  # [n_envs, n_kind]
    pv_kwp: Array  # [n_envs, n_kind], 0 without PV
    capacity_kwh: Array  # [n_envs, n_kind], 0 without a battery
    start_frac: Array  # [n_envs, n_kind]
    config: Config
    fate: Fate = field(default_factory=Fate)


def actions(config: Config) -> tuple[Column, ...]:
    return POWER, EAGERNESS, *actions_of(config.failure)


def columns(config: Config) -> tuple[Column, ...]:
    return columns_of(config.failure)


def features(view: View, device: Batteries, params: Params, now: Now) -> list[Array]:
    return features_of(device.condition)


def draw(config: Config, draw: Draw) -> Params:
    n = config.count
    n_homes, n_roofs = draw.bank.load_kw.shape[0], draw.bank.pv_kw_per_kwp.shape[0]
    first = (draw.unit("prosumer.home", 1) * n_homes).astype(np.int64)
    has_pv = draw.unit("prosumer.has_pv", n) < draw.within("prosumer.pv_share", 1, config.pv_share)
    has_battery = draw.unit("prosumer.has_battery", n) < draw.within("prosumer.battery_share", 1, config.battery_share)
    return Params(
        home=(first + np.arange(n)) % n_homes,
        roof=np.minimum((draw.unit("prosumer.roof", n) * n_roofs).astype(np.int64), n_roofs - 1),
        load_scale=draw.within("prosumer.load_scale", n, config.load_scale),
        pv_kwp=draw.within("prosumer.pv_kwp", n, config.pv_kwp) * has_pv,
        capacity_kwh=draw.within("prosumer.battery_kwh", n, config.battery_kwh) * has_battery,
        start_frac=draw.within("prosumer.start_frac", n, config.start_frac),
        config=config,
        fate=draw_fate(config, draw, "prosumer", n),
    )


def scale(params: Params, factor: Array) -> Params:
    return replace(params, capacity_kwh=params.capacity_kwh * factor)


def storage(params: Params) -> Storage:
    return storage_of(params)


def start(params: Params) -> Batteries:
    return new_batteries(params)


def view(device: Batteries, params: Params, now: Now) -> View:
    rows = now.step[:, None]
    load_kw = now.series.load_next_kw[params.home, rows] * params.load_scale
    firm_kw = load_kw - now.series.pv_next_kw_per_kwp[params.roof, rows] * params.pv_kwp
    return view_of(firm_kw, device, params, now)


def plan(action: Array, view: View) -> Plan:
    return scaled_plan(action, view)


def meters(fill_kw: Array, plan: Plan, view: View, device: Batteries, params: Params, now: Now) -> Meters:
    xp = namespace(fill_kw)
    rows = now.step[:, None]
    load_kw = now.series.load_kw[params.home, rows] * params.load_scale
    pv_kw = now.series.pv_kw_per_kwp[params.roof, rows] * params.pv_kwp
    if params.config.follow_meter:
        deviation_kw = load_kw - pv_kw - view.firm_kw
        fill_kw = xp.clip(fill_kw - deviation_kw, view.low_kw, view.high_kw)
    return Meters(load_kw, pv_kw, fill_kw)


def move(meters: Meters, plan: Plan, view: View, device: Batteries, params: Params, now: Now) -> Moved:
    return replace(
        moved_of(meters, plan, device, params, actions(params.config), now),
        firm_ukwh=to_micro((meters.fixed_kw - meters.pv_kw) * now.series.step_h),
        load_kwh=meters.fixed_kw * now.series.step_h,
        pv_kwh=meters.pv_kw * now.series.step_h,
    )


def n_meters(config: Config) -> int:
    return config.count


def outlook_kw(params: Params, series: Series, step: Array) -> tuple[Array, Array] | None:
    rows = step[:, None]
    load_kw = series.load_outlook_kw[params.home, rows] * params.load_scale
    return load_kw, series.pv_outlook_kw_per_kwp[params.roof, rows] * params.pv_kwp


def mean_load_kw(params: Params, home_kw: Array) -> Array | None:
    return (home_kw[params.home] * params.load_scale).sum(1)


def storage_kwh(params: Params) -> Array:
    return params.capacity_kwh.sum(1)


def rent_cur_per_day(params: Params) -> Array | None:
    return None


def stay(params: Params, n_steps: int) -> tuple[Array, Array, Array] | None:
    return None
