"""Battery: stand-alone storage of a home or a community, its own balance-responsible party."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gridbazaar.agents.kind import EAGERNESS, POWER, Draw, Meters, Moved, Range, Series, check_range, scaled_plan
from gridbazaar.agents.plan import Plan, View
from gridbazaar.agents.storage import Storage, limits_kw, move_kwh
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import from_micro, to_micro_towards_zero

ACTIONS = (POWER, EAGERNESS)
IS_BRP = True
CONNECTIONS = 1
FIRM_IS_CHOSEN = False


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

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"battery.count: expected 0 or more, got {self.count}")
        check_range("battery", "capacity_kwh", self.capacity_kwh, 0.0)
        check_range("battery", "start_frac", self.start_frac, 0.0, 1.0)
        for name in ("eta_ch", "eta_dis"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"battery.{name}: expected a number in (0, 1], got {getattr(self, name)}")
        if self.duration_h <= 0:
            raise ValueError(f"battery.duration_h: expected a positive number of hours, got {self.duration_h}")


@dataclass(frozen=True, slots=True)
class Params:
    capacity_kwh: Array  # [n_envs, n_kind]
    start_frac: Array  # [n_envs, n_kind]
    config: Config


@dataclass(frozen=True, slots=True)
class Device:
    energy_kwh: Array  # [n_envs, n_kind]


def draw(config: Config, draw: Draw) -> Params:
    return Params(
        capacity_kwh=draw.within("battery.capacity_kwh", config.count, config.capacity_kwh),
        start_frac=draw.within("battery.start_frac", config.count, config.start_frac),
        config=config,
    )


def scale(params: Params, factor: Array) -> Params:
    return replace(params, capacity_kwh=params.capacity_kwh * factor)


def storage(params: Params) -> Storage:
    config = params.config
    power_kw = params.capacity_kwh / config.duration_h
    return Storage(0.0, params.capacity_kwh, power_kw, power_kw, config.eta_ch, config.eta_dis, config.loss_per_h)


def start(params: Params) -> Device:
    return Device(params.capacity_kwh * params.start_frac)


def view(device: Device, params: Params, series: Series, step: Array, t: Array) -> View:
    xp = namespace(device.energy_kwh)
    config = params.config
    low_kw, high_kw = limits_kw(device.energy_kwh, storage(params), series.step_h)
    zero, has = xp.zeros_like(device.energy_kwh), params.capacity_kwh > 0
    return View(
        firm_kw=zero, low_kw=low_kw, high_kw=high_kw,
        stored_kwh=device.energy_kwh, room_kwh=params.capacity_kwh - device.energy_kwh,
        capacity_kwh=params.capacity_kwh, power_kw=params.capacity_kwh / config.duration_h, min_kw=zero,
        eta_ch=zero + config.eta_ch, eta_dis=zero + config.eta_dis,
        wear_cur_per_kwh=zero + config.wear_cur_per_kwh, need_kwh=zero,
        left_h=zero + ((series.n_steps - t) * series.step_h)[:, None],
        is_stationary=has, has_device=has, is_active=has,
    )  # fmt: skip


def plan(action: Array, view: View) -> Plan:
    return scaled_plan(action, view)


def meters(fill_kw: Array, view: View, device: Device, params: Params, series: Series, step: Array) -> Meters:
    zero = namespace(fill_kw).zeros_like(fill_kw)
    return Meters(zero, zero, fill_kw)


def move(meters: Meters, view: View, device: Device, params: Params, series: Series, t: Array) -> Moved:
    xp = namespace(meters.device_kw)
    flexible_ukwh = to_micro_towards_zero(meters.device_kw * series.step_h)
    drawn_kwh = from_micro(flexible_ukwh)
    after_kwh, loss_kwh = move_kwh(device.energy_kwh, drawn_kwh / series.step_h, storage(params), series.step_h)
    zero = xp.zeros_like(drawn_kwh)
    return Moved(
        device=Device(after_kwh),
        firm_ukwh=xp.zeros_like(flexible_ukwh),
        flexible_ukwh=flexible_ukwh,
        load_kwh=zero,
        pv_kwh=zero,
        loss_kwh=loss_kwh,
        released_kwh=xp.maximum(-drawn_kwh, 0.0),
        unserved_kwh=zero,
    )


def n_meters(config: Config) -> int:
    return config.count


def outlook_kw(params: Params, series: Series, step: Array) -> tuple[Array, Array] | None:
    return None


def storage_kwh(params: Params) -> Array:
    return params.capacity_kwh.sum(1)


def rent_cur_per_day(params: Params) -> Array | None:
    return None


def stay(params: Params, n_steps: int) -> tuple[Array, Array, Array] | None:
    return None
