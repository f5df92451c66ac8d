"""Battery: stand-alone storage of a home or a community, its own balance-responsible party."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gridbazaar.agents.devices.ageing import Ageing
from gridbazaar.agents.devices.batteries import (
    Batteries,
    Fate,
    check_battery,
    draw_fate,
    moved_of,
    new_batteries,
    storage_of,
    view_of,
)
from gridbazaar.agents.devices.failure import Failure, actions_of, columns_of, features_of
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
    Stays,
    check_range,
    scaled_plan,
)
from gridbazaar.agents.plan import Plan, View
from gridbazaar.agents.storage import Converter, Storage
from gridbazaar.data.arrays import Array, namespace

IS_BRP = True
CONNECTIONS = 1
FIRM_IS_CHOSEN = False

_SHARES_OFF = 1e-6  # by how much shares may miss one


@dataclass(frozen=True, slots=True)
class Config:
    """Table ``[battery]`` of a scenario. Pairs are limits of what an episode draws."""

    count: int = 4
    capacity_kwh: Range = (8.0, 20.0)  # usable; resized where the scenario sets a storage share
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
    grid_forming: bool = True  # keeps voltage and frequency where the grid above is away
    shares: Mapping[str, float] = field(default_factory=dict)  # of homes in all batteries of the table, by agent

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"battery.count: expected 0 or more, got {self.count}")
        check_range("battery", "capacity_kwh", self.capacity_kwh, 0.0)
        check_range("battery", "start_frac", self.start_frac, 0.0, 1.0)
        check_battery("battery", self)
        listed = ", ".join(f"{member} {share}" for member, share in self.shares.items())
        if any(not isinstance(s, int | float) or isinstance(s, bool) or not 0 < s <= 1 for s in self.shares.values()):
            raise ValueError(f"battery.shares: expected numbers in (0, 1], got {listed}")
        if self.shares and abs(sum(self.shares.values()) - 1) > _SHARES_OFF:
            total = sum(self.shares.values())
            raise ValueError(f"battery.shares: expected shares that sum to 1, got {listed}, together {total:g}")


@dataclass(frozen=True, slots=True)
class Params:
    capacity_kwh: Array  # [n_envs, n_kind]
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
    return Params(
        capacity_kwh=draw.within("battery.capacity_kwh", config.count, config.capacity_kwh),
        start_frac=draw.within("battery.start_frac", config.count, config.start_frac),
        config=config,
        fate=draw_fate(config, draw, "battery", config.count),
    )


def scale(params: Params, factor: Array) -> Params:
    return replace(params, capacity_kwh=params.capacity_kwh * factor)


def storage(params: Params) -> Storage:
    return storage_of(params)


def start(params: Params) -> Batteries:
    return new_batteries(params)


def view(device: Batteries, params: Params, now: Now) -> View:
    return view_of(None, device, params, now)


def plan(action: Array, view: View) -> Plan:
    return scaled_plan(action, view)


def meters(fill_kw: Array, plan: Plan, view: View, device: Batteries, params: Params, now: Now) -> Meters:
    zero = namespace(fill_kw).zeros_like(fill_kw)
    return Meters(zero, zero, fill_kw)


def move(meters: Meters, plan: Plan, view: View, device: Batteries, params: Params, now: Now) -> Moved:
    return moved_of(meters, plan, device, params, actions, now)


def n_meters(config: Config) -> int:
    return config.count


def outlook_kw(params: Params, series: Series, step: Array) -> tuple[Array, Array] | None:
    return None


def mean_load_kw(params: Params, home_kw: Array) -> Array | None:
    return None


def storage_kwh(params: Params) -> Array:
    return params.capacity_kwh.sum(1)


def rent_cur_per_day(params: Params) -> Array | None:
    return None


def uncovered(params: Params) -> list[str]:
    return []


def stays(params: Params, n_steps: int, step_h: float) -> Stays | None:
    return None
