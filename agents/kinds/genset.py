"""Genset: an engine with a generator, dispatched by its orders.

It stands still or runs between its least load and its rating, changes over only after its times of running and of
standing, and ramps no faster than it can. While it may not stop, its least output is a firm order at any price of the
band. What a market, the wires or an island take of it may lie between nothing and the least load: the engine then runs
at the least load it can, burns the fuel for it, and turns what nobody took into heat in its own ballast. So the meter
never gives more or less than was filled, and a small fill is dear: whoever dispatches it offers at least that much.
"""

from __future__ import annotations

from dataclasses import dataclass

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
from gridbazaar.agents.storage import Storage
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import from_micro, to_micro, to_micro_towards_zero

IS_BRP = True
CONNECTIONS = 1
FIRM_IS_CHOSEN = True

_SOON_H = 1e-9  # times are counted in hours and compared to this
_WAIT_H = 4.0
_RUNS = Column("engine_runs", "1", 0, 1, "the engine runs")
_WAIT = Column("engine_wait", f"{_WAIT_H:g} h", 0, 1, "time until the engine may stop or start")


@dataclass(frozen=True, slots=True)
class Config:
    """Table ``[genset]`` of a scenario. Pairs are limits of what an episode draws."""

    count: int = 1
    power_kw: Range = (8.0, 15.0)  # rated output
    min_load: float = 0.3  # least output while running, over the rated one
    idle_l_per_kwh: float = 0.08  # fuel of running at no output for an hour, litres per kW rated
    fuel_l_per_kwh: float = 0.25  # fuel of a kWh on top of it
    fuel_cur_per_l: float = 1.2  # price of a litre
    carbon_kg_per_l: float = 2.7  # of burning it
    start_cur: float = 0.5  # cost of a start
    min_up_h: float = 1.0  # runs at least so long
    min_down_h: float = 0.5  # stands at least so long
    ramp_per_h: float | None = None  # largest change in an hour over the rated output; none: any
    grid_forming: bool = True  # keeps voltage and frequency where the grid above is away
    backup: bool = True  # helps an island beyond what its orders filled

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"genset.count: expected 0 or more, got {self.count}")
        check_range("genset", "power_kw", self.power_kw, 0.0)
        if not 0 <= self.min_load < 1:
            raise ValueError(f"genset.min_load: expected a number in [0, 1), got {self.min_load}")
        for name in (
            "idle_l_per_kwh", "fuel_l_per_kwh", "fuel_cur_per_l", "carbon_kg_per_l", "start_cur", "min_up_h",
            "min_down_h",
        ):  # fmt: skip
            if getattr(self, name) < 0:
                raise ValueError(f"genset.{name}: expected 0 or more, got {getattr(self, name)}")
        if self.ramp_per_h is not None and self.ramp_per_h <= 0:
            raise ValueError(f"genset.ramp_per_h: expected a positive number or none, got {self.ramp_per_h}")


@dataclass(frozen=True, slots=True)
class Params:
    power_kw: Array  # [n_envs, n_kind]
    config: Config


@dataclass(frozen=True, slots=True)
class Engines:
    """State of the engines of a kind."""

    energy_kwh: Array  # [n_envs, n_kind] 0: an engine stores nothing
    runs: Array  # [n_envs, n_kind] bool, did so in the last interval
    output_kw: Array  # [n_envs, n_kind] then, 0 or between least load and rating
    since_h: Array  # [n_envs, n_kind] for how long it has been running or standing


@dataclass(frozen=True, slots=True)
class Reach:
    """What the engine can do in the interval, [n_envs, n_kind] kW."""

    stays: Array  # bool, may not stop
    least_kw: Array  # least output if it runs
    most_kw: Array  # largest output; 0 where it may not run


def actions(config: Config) -> tuple[Column, ...]:
    return POWER, EAGERNESS


def columns(config: Config) -> tuple[Column, ...]:
    return _RUNS, _WAIT


def features(view: View, device: Engines, params: Params, now: Now) -> list[Array]:
    xp = namespace(device.output_kw)
    wait_h = _least_h(device, params.config) - device.since_h
    return [xp.astype(device.runs, xp.float64), xp.clip(wait_h / _WAIT_H, 0.0, 1.0)]


def draw(config: Config, draw: Draw) -> Params:
    return Params(draw.within("genset.power_kw", config.count, config.power_kw), config)


def scale(params: Params, factor: Array) -> Params:
    return params


def storage(params: Params) -> Storage:
    none = 0.0 * params.power_kw
    return Storage(none, none, none, none, 1.0, 1.0)


def start(params: Params) -> Engines:
    none = 0.0 * params.power_kw
    return Engines(none, none > 0, none, none + params.config.min_down_h)


def _least_h(device: Engines, config: Config) -> Array:
    """[n_envs, n_kind] for how long it must run, or stand."""
    xp, zero = namespace(device.since_h), 0.0 * device.since_h
    return xp.where(device.runs, zero + config.min_up_h, zero + config.min_down_h)


def reach(device: Engines, params: Params, step_h: float) -> Reach:
    """Say between which outputs the engine may choose."""
    config, power_kw, xp = params.config, params.power_kw, namespace(device.output_kw)
    runs, least_kw = device.runs, config.min_load * power_kw
    ramp_kw = power_kw if config.ramp_per_h is None else config.ramp_per_h * step_h * power_kw
    jump_kw = xp.maximum(least_kw, ramp_kw)  # starting and stopping take it from standstill to least load, or further
    rested = device.since_h >= _least_h(device, config) - _SOON_H
    may_run = runs | rested
    stays = runs & (~rested | (device.output_kw > jump_kw + _SOON_H))
    most_kw = xp.minimum(xp.where(runs, device.output_kw + ramp_kw, jump_kw), power_kw) * may_run
    least_kw = xp.where(runs, xp.maximum(device.output_kw - ramp_kw, least_kw), least_kw) * may_run
    return Reach(stays, least_kw, most_kw)


def full_load_cur_per_kwh(config: Config) -> float:
    """Fuel of a kWh at the rated output, currency."""
    return config.fuel_cur_per_l * (config.idle_l_per_kwh + config.fuel_l_per_kwh)


def view(device: Engines, params: Params, now: Now) -> View:
    can, xp = reach(device, params, now.series.step_h), namespace(device.output_kw)
    zero = xp.zeros_like(can.most_kw)
    # An island takes what it needs, down to nothing: there the ballast serves, not a firm order.
    firm_kw = can.least_kw * (can.stays if now.is_island is None else can.stays & ~now.is_island[:, None])
    return View(
        firm_kw=-firm_kw, low_kw=firm_kw - can.most_kw, high_kw=zero, stored_kwh=zero, room_kwh=zero,
        capacity_kwh=zero, power_kw=params.power_kw, min_kw=can.least_kw * ~can.stays, eta_ch=zero + 1.0,
        eta_dis=zero + 1.0, wear_cur_per_kwh=zero + full_load_cur_per_kwh(params.config), need_kwh=zero,
        left_h=zero + ((now.series.n_steps - now.t) * now.series.step_h)[:, None],
        is_stationary=zero > 0, has_device=params.power_kw > 0, is_active=can.most_kw > 0, more=can,
    )  # fmt: skip


def plan(action: Array, view: View) -> Plan:
    return scaled_plan(action, view)


def meters(fill_kw: Array, plan: Plan, view: View, device: Engines, params: Params, now: Now) -> Meters:
    zero = namespace(fill_kw).zeros_like(fill_kw)
    return Meters(zero, zero, view.firm_kw + fill_kw)


def move(meters: Meters, plan: Plan, view: View, device: Engines, params: Params, now: Now) -> Moved:
    xp, config, step_h = namespace(meters.device_kw), params.config, now.series.step_h
    can: Reach = view.more
    sent_ukwh = to_micro_towards_zero(meters.device_kw * step_h)
    firm_ukwh = xp.maximum(sent_ukwh, to_micro(view.firm_kw * step_h))
    sent_kwh = -from_micro(sent_ukwh)
    runs = (sent_ukwh < 0) | can.stays
    output_kw = xp.minimum(xp.maximum(sent_kwh / step_h, can.least_kw), can.most_kw) * runs
    fuel_l = (config.idle_l_per_kwh * params.power_kw * runs + config.fuel_l_per_kwh * output_kw) * step_h
    zero = xp.zeros_like(output_kw)
    return Moved(
        device=Engines(device.energy_kwh, runs, output_kw, xp.where(runs == device.runs, device.since_h, 0.0) + step_h),
        firm_ukwh=firm_ukwh,
        flexible_ukwh=sent_ukwh - firm_ukwh,
        load_kwh=zero,
        pv_kwh=zero,
        loss_kwh=xp.maximum(output_kw * step_h - sent_kwh, 0.0),
        released_kwh=sent_kwh,
        unserved_kwh=zero,
        wear_cur=zero,
        upkeep_cur=config.fuel_cur_per_l * fuel_l + config.start_cur * (runs & ~device.runs),
        carbon_kg=config.carbon_kg_per_l * fuel_l,
    )


def n_meters(config: Config) -> int:
    return config.count


def outlook_kw(params: Params, series: Series, step: Array) -> tuple[Array, Array] | None:
    return None


def mean_load_kw(params: Params, home_kw: Array) -> Array | None:
    return None


def storage_kwh(params: Params) -> Array:
    return 0.0 * params.power_kw.sum(1)


def rent_cur_per_day(params: Params) -> Array | None:
    return None


def uncovered(params: Params) -> list[str]:
    return []


def stays(params: Params, n_steps: int, step_h: float) -> Stays | None:
    return None
