"""EV: a charger and the car that comes and goes, with energy needed by its departure and power given back (V2G)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
from gridbazaar.agents.storage import Storage, limits_kw, move_kwh
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import from_micro, to_micro, to_micro_towards_zero

IS_BRP = False
CONNECTIONS = 1
FIRM_IS_CHOSEN = True

# Meters count micro-kWh; a car that lacks less than a tenth of a watt-hour has what it needs.
_METER_KWH = 1e-4


@dataclass(frozen=True, slots=True)
class Config:
    """Table ``[ev]`` of a scenario. Pairs are limits of what an episode draws."""

    count: int = 6
    capacity_kwh: Range = (50.0, 77.0)
    charge_kw: float = 7.4
    discharge_kw: float = 7.4  # 0: no V2G
    min_kw: float = 1.38  # 6 A on one phase; what is wished below it is nothing
    target_frac: float = 0.9  # state of charge wanted at departure
    v2g_floor_frac: float = 0.2  # no release below this state of charge
    eta_ch: float = 0.92
    eta_dis: float = 0.92
    wear_cur_per_kwh: float = 0.05  # per kWh released
    taper_frac: float = 1.0  # state of charge above which charging tapers; 1 is never
    guarantee: bool = True  # the charger sees to it that the car has what it needs
    backup: bool = True  # gives power to an island, above v2g_floor_frac

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"ev.count: expected 0 or more, got {self.count}")
        check_range("ev", "capacity_kwh", self.capacity_kwh, 1.0)
        for name in ("eta_ch", "eta_dis", "target_frac", "taper_frac"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"ev.{name}: expected a number in (0, 1], got {getattr(self, name)}")
        if not 0 <= self.v2g_floor_frac <= self.target_frac:
            raise ValueError(f"ev.v2g_floor_frac: expected 0 to target_frac, got {self.v2g_floor_frac}")
        if self.charge_kw <= 0 or self.discharge_kw < 0 or not 0 <= self.min_kw <= self.charge_kw:
            raise ValueError(
                "ev: expected charge_kw > 0, discharge_kw >= 0, 0 <= min_kw <= charge_kw, "
                f"got {self.charge_kw}, {self.discharge_kw}, {self.min_kw}"
            )


@dataclass(frozen=True, slots=True)
class Params:
    capacity_kwh: Array  # [n_envs, n_kind]
    arrive: Array  # [n_envs, n_kind] int64, first step plugged in; n_steps without a session
    depart: Array  # [n_envs, n_kind] int64, first step away again
    arrival_kwh: Array  # [n_envs, n_kind] stored on arrival
    required_kwh: Array  # [n_envs, n_kind] wanted at departure
    config: Config


@dataclass(frozen=True, slots=True)
class Device:
    energy_kwh: Array  # [n_envs, n_kind]


def actions(config: Config) -> tuple[Column, ...]:
    return POWER, EAGERNESS


def columns(config: Config) -> tuple[Column, ...]:
    return ()


def features(view: View, device: Device, params: Params, now: Now) -> list[Array]:
    return []


def draw(config: Config, draw: Draw) -> Params:
    sessions, n = draw.bank.sessions, config.count
    n_cars = sessions.present.shape[0]
    first = (draw.unit("ev.car", 1) * n_cars).astype(np.int64)
    car, day = (first + np.arange(n)) % n_cars, draw.day[:, None]
    capacity_kwh = draw.within("ev.capacity_kwh", n, config.capacity_kwh)
    arrive = np.ceil(sessions.arrive_h[car, day] / draw.step_h - 1e-9).astype(np.int64)
    depart = np.minimum(np.floor(sessions.depart_h[car, day] / draw.step_h + 1e-9).astype(np.int64), draw.n_steps)
    present = sessions.present[car, day] & (depart > arrive)
    arrive, depart = np.where(present, arrive, draw.n_steps), np.where(present, depart, draw.n_steps)
    required_kwh = config.target_frac * capacity_kwh
    # A session is what a charger of this power could have delivered: a longer need is cut to it, one step in reserve.
    reach_kwh = config.charge_kw * config.eta_ch * draw.step_h * np.maximum(depart - arrive - 1, 0)
    need_kwh = np.minimum(np.minimum(sessions.need_kwh[car, day], reach_kwh), 0.95 * required_kwh)
    return Params(capacity_kwh, arrive, depart, required_kwh - np.where(present, need_kwh, 0.0), required_kwh, config)


def scale(params: Params, factor: Array) -> Params:
    return params


def storage(params: Params) -> Storage:
    config = params.config
    return Storage(
        config.v2g_floor_frac * params.capacity_kwh, params.capacity_kwh, config.charge_kw, config.discharge_kw,
        config.eta_ch, config.eta_dis, taper_frac=config.taper_frac,
    )  # fmt: skip


def start(params: Params) -> Device:
    return Device(params.arrival_kwh)


def view(device: Device, params: Params, now: Now) -> View:
    xp = namespace(device.energy_kwh)
    config, step_h = params.config, now.series.step_h
    rows = now.t[:, None]
    plugged = (rows >= params.arrive) & (rows < params.depart)
    low_kw, high_kw = limits_kw(device.energy_kwh, storage(params), step_h)
    need_kwh = params.required_kwh - device.energy_kwh
    later_steps = xp.maximum(params.depart - rows - 1, 0)
    # What must be stored in this step so that full power afterwards still suffices; negative: what may be released.
    now_kwh = need_kwh - later_steps * (config.charge_kw * config.eta_ch * step_h)
    must_kw = xp.zeros_like(need_kwh)
    if config.guarantee:
        must_kw = xp.where(now_kwh > 0, xp.maximum(now_kwh / (config.eta_ch * step_h) + 1e-5, config.min_kw), 0.0)
        must_kw = xp.where(plugged, xp.minimum(must_kw, high_kw), 0.0)
        low_kw = xp.maximum(low_kw, xp.minimum(now_kwh + 1e-5, 0.0) * config.eta_dis / step_h)
        low_kw = xp.where(must_kw > 0, 0.0, low_kw)
    low_kw = xp.where(plugged & (low_kw <= -config.min_kw), low_kw, 0.0)
    high_kw = xp.where(plugged & (high_kw >= config.min_kw), high_kw - must_kw, 0.0)
    zero, floor_kwh = xp.zeros_like(need_kwh), config.v2g_floor_frac * params.capacity_kwh
    return View(
        firm_kw=must_kw, low_kw=low_kw, high_kw=high_kw,
        stored_kwh=xp.where(plugged, xp.maximum(device.energy_kwh - floor_kwh, 0.0), 0.0),
        room_kwh=xp.where(plugged, params.capacity_kwh - device.energy_kwh, 0.0),
        capacity_kwh=params.capacity_kwh * (1 - config.v2g_floor_frac) * (params.arrive < now.series.n_steps),
        power_kw=zero + config.charge_kw, min_kw=zero + config.min_kw,
        eta_ch=zero + config.eta_ch, eta_dis=zero + config.eta_dis,
        wear_cur_per_kwh=zero + config.wear_cur_per_kwh,
        need_kwh=xp.where(plugged, xp.maximum(need_kwh, 0.0), 0.0),
        left_h=xp.where(plugged, (params.depart - rows) * step_h, 0.0),
        is_stationary=xp.zeros_like(plugged), has_device=params.arrive < now.series.n_steps, is_active=plugged,
    )  # fmt: skip


def plan(action: Array, view: View) -> Plan:
    return scaled_plan(action, view)


def meters(fill_kw: Array, plan: Plan, view: View, device: Device, params: Params, now: Now) -> Meters:
    return Meters(view.firm_kw, namespace(fill_kw).zeros_like(fill_kw), fill_kw)


def move(meters: Meters, plan: Plan, view: View, device: Device, params: Params, now: Now) -> Moved:
    xp = namespace(meters.device_kw)
    firm_ukwh = to_micro(meters.fixed_kw * now.series.step_h)
    flexible_ukwh = to_micro_towards_zero(meters.device_kw * now.series.step_h)
    drawn_kwh = from_micro(firm_ukwh + flexible_ukwh)
    after_kwh, loss_kwh = move_kwh(device.energy_kwh, drawn_kwh / now.series.step_h, storage(params), now.series.step_h)
    leaves = (now.t + 1)[:, None] == params.depart
    short_kwh = params.required_kwh - after_kwh
    zero = xp.zeros_like(drawn_kwh)
    return Moved(
        device=Device(after_kwh),
        firm_ukwh=firm_ukwh,
        flexible_ukwh=flexible_ukwh,
        load_kwh=zero,
        pv_kwh=zero,
        loss_kwh=loss_kwh,
        released_kwh=xp.maximum(-drawn_kwh, 0.0),
        unserved_kwh=xp.where(leaves & (view.is_active) & (short_kwh > _METER_KWH), short_kwh, 0.0),
    )


def n_meters(config: Config) -> int:
    return config.count


def outlook_kw(params: Params, series: Series, step: Array) -> tuple[Array, Array] | None:
    return None


def mean_load_kw(params: Params, home_kw: Array) -> Array | None:
    return None


def storage_kwh(params: Params) -> Array:
    return 0.0 * params.capacity_kwh.sum(1)


def rent_cur_per_day(params: Params) -> Array | None:
    return None


def stay(params: Params, n_steps: int) -> tuple[Array, Array, Array] | None:
    return params.arrive, params.depart, params.required_kwh
