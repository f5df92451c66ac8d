"""VPP: an aggregator that trades enrolled home batteries spread over the feeder as one.

Each enrolled battery has one controller, the VPP; it is sub-metered, leaves its owner's net and is traded by the VPP as
balance-responsible party, which pays the owner a rent. Power is shared in proportion to each device's headroom.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

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
    battery_limits_kw,
    check_battery,
    draw_fate,
    moved_of,
    new_batteries,
    storage_now,
    storage_of,
    view_of,
)
from gridbazaar.agents.storage import Converter, Storage
from gridbazaar.data.arrays import Array, namespace

IS_BRP = True
CONNECTIONS = 0
FIRM_IS_CHOSEN = False


@dataclass(frozen=True, slots=True)
class Config:
    """Table ``[vpp]`` of a scenario. Pairs are limits of what an episode draws."""

    count: int = 2
    devices: int = 10  # enrolled batteries a VPP
    capacity_kwh: Range = (3.0, 6.0)  # usable, each; resized where the scenario sets a storage share
    duration_h: float = 2.0
    start_frac: Range = (0.1, 0.5)
    eta_ch: float = 0.95
    eta_dis: float = 0.95
    loss_per_h: float = 0.0001
    wear_cur_per_kwh: float = 0.04  # per kWh released
    taper_frac: float = 1.0  # state of charge above which charging tapers off; 1 is never
    release_taper_frac: float = 0.0  # state of charge below which releasing tapers off; 0 is never
    reserve_frac: float = 0.0  # share of the capacity kept for an island, of each device; the guarantee to its owner
    converter: Converter = field(default_factory=Converter)  # losses that depend on power
    ageing: Ageing = field(default_factory=Ageing)  # what use and time take
    failure: Failure = field(default_factory=Failure)  # failures, maintenance and repair
    rent_cur_per_kwh_day: float = 0.02  # paid to the owner for each enrolled kWh and day

    def __post_init__(self) -> None:
        if self.count < 0 or self.devices < 1:
            raise ValueError(f"vpp: expected count >= 0 and devices >= 1, got {self.count} and {self.devices}")
        check_range("vpp", "capacity_kwh", self.capacity_kwh, 0.0)
        check_range("vpp", "start_frac", self.start_frac, 0.0, 1.0)
        check_battery("vpp", self)


@dataclass(frozen=True, slots=True)
class Params:
    capacity_kwh: Array  # [n_envs, n_kind, n_devices]
    start_frac: Array  # [n_envs, n_kind, n_devices]
    config: Config
    fate: Fate = field(default_factory=Fate)


def actions(config: Config) -> tuple[Column, ...]:
    return POWER, EAGERNESS, *actions_of(config.failure)


def columns(config: Config) -> tuple[Column, ...]:
    return columns_of(config.failure)


def features(view: View, device: Batteries, params: Params, now: Now) -> list[Array]:
    return features_of(device.condition)


def draw(config: Config, draw: Draw) -> Params:
    n, shape = config.count * config.devices, (-1, config.count, config.devices)
    return Params(
        capacity_kwh=draw.within("vpp.capacity_kwh", n, config.capacity_kwh).reshape(shape),
        start_frac=draw.within("vpp.start_frac", n, config.start_frac).reshape(shape),
        config=config,
        fate=draw_fate(config, draw, "vpp", config.count, config.devices),
    )


def scale(params: Params, factor: Array) -> Params:
    return replace(params, capacity_kwh=params.capacity_kwh * factor[..., None])


def storage(params: Params) -> Storage:
    return storage_of(params)


def start(params: Params) -> Batteries:
    return new_batteries(params)


def view(device: Batteries, params: Params, now: Now) -> View:
    return view_of(None, device, params, now)


def plan(action: Array, view: View) -> Plan:
    return scaled_plan(action, view)


def meters(fill_kw: Array, plan: Plan, view: View, device: Batteries, params: Params, now: Now) -> Meters:
    """Share the filled power over the devices in proportion to headroom; no device passes its own limit."""
    xp = namespace(fill_kw)
    low_kw, high_kw = battery_limits_kw(device, storage_now(device, params, now), now.series.step_h)
    draw_share = xp.maximum(fill_kw, 0.0) / xp.maximum(view.high_kw, 1e-12)
    release_share = xp.minimum(fill_kw, 0.0) / xp.minimum(view.low_kw, -1e-12)
    device_kw = (draw_share[..., None] * high_kw + release_share[..., None] * low_kw).reshape(fill_kw.shape[0], -1)
    zero = xp.zeros_like(device_kw)
    return Meters(zero, zero, device_kw)


def move(meters: Meters, plan: Plan, view: View, device: Batteries, params: Params, now: Now) -> Moved:
    return moved_of(meters, plan, device, params, actions(params.config), now)


def n_meters(config: Config) -> int:
    return config.count * config.devices


def outlook_kw(params: Params, series: Series, step: Array) -> tuple[Array, Array] | None:
    return None


def mean_load_kw(params: Params, home_kw: Array) -> Array | None:
    return None


def storage_kwh(params: Params) -> Array:
    return params.capacity_kwh.sum(2).sum(1)


def rent_cur_per_day(params: Params) -> Array | None:
    rent = params.capacity_kwh * params.config.rent_cur_per_kwh_day
    return rent.reshape(rent.shape[0], -1)


def stay(params: Params, n_steps: int) -> tuple[Array, Array, Array] | None:
    return None
