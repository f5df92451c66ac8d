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
    Column,
    Draw,
    Features,
    GridForming,
    Kind,
    Meters,
    Moved,
    Now,
    view_without_storage,
)
from gridbazaar.agents.plan import Plan, View
from gridbazaar.agents.program import Engine, Program
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import Charge, Count, NotNegative, NotNegatives, Positive, ShareBelowOne
from gridbazaar.data.own_rows import OwnColumn
from gridbazaar.data.tables import check_table
from gridbazaar.data.units import from_micro, to_micro, to_micro_towards_zero

_SOON_H = 1e-9  # times are counted in hours and compared to this
_WAIT_H = 4.0
_RUNS = Column("engine_runs", "1", 0, 1, "the engine runs")
_WAIT = Column("engine_wait", f"{_WAIT_H:g} h", 0, 1, "time until the engine may stop or start")


@dataclass(frozen=True, slots=True)
class Config:
    """Table ``[genset]`` of a scenario. Pairs are limits of what an episode draws."""

    count: Count = 1
    power_kw: NotNegatives = (8.0, 15.0)  # rated output
    min_load: ShareBelowOne = 0.3  # least output while running, over the rated one
    idle_l_per_kwh: NotNegative = 0.08  # fuel of running at no output for an hour, litres per kW rated
    fuel_l_per_kwh: NotNegative = 0.25  # fuel of a kWh on top of it
    fuel_cur_per_l: Charge = 1.2  # price of a litre
    carbon_kg_per_l: NotNegative = 2.7  # of burning it
    start_cur: NotNegative = 0.5  # cost of a start
    min_up_h: NotNegative = 1.0  # runs at least so long
    min_down_h: NotNegative = 0.5  # stands at least so long
    ramp_per_h: Positive | None = None  # largest change in an hour over the rated output; none: any
    grid_forming: bool = True  # keeps voltage and frequency where the grid above is away
    backup: bool = True  # helps an island beyond what its orders filled

    def __post_init__(self) -> None:
        check_table(self, "genset")


@dataclass(frozen=True, slots=True)
class Params:
    power_kw: Array  # [n_envs, n_kind]
    config: Config


@dataclass(frozen=True, slots=True)
class Engines:
    """State of the engines of a kind."""

    runs: Array  # [n_envs, n_kind] bool, did so in the last interval
    output_kw: Array  # [n_envs, n_kind] then, 0 or between least load and rating
    since_h: Array  # [n_envs, n_kind] for how long it has been running or standing


@dataclass(frozen=True, slots=True)
class Reach:
    """What the engine can do in the interval, [n_envs, n_kind] kW."""

    stays: Array  # bool, may not stop
    least_kw: Array  # least output if it runs
    most_kw: Array  # largest output; 0 where it may not run


def _read(view: View, device: Engines, params: Params, now: Now) -> list[Array]:
    xp = namespace(device.output_kw)
    wait_h = _least_h(device, params.config) - device.since_h
    return [xp.astype(device.runs, xp.float64), xp.clip(wait_h / _WAIT_H, 0.0, 1.0)]


def features(config: Config) -> tuple[Features, ...]:
    return (Features((_RUNS, _WAIT), _read),)


def draw(config: Config, draw: Draw) -> Params:
    return Params(draw.kept("genset_kw", draw.within("genset.power_kw", config.count, config.power_kw)), config)


def start(params: Params) -> Engines:
    none = 0.0 * params.power_kw
    return Engines(none > 0, none, none + params.config.min_down_h)


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
    can = reach(device, params, now.series.step_h)
    # An island takes what it needs, down to nothing: there the ballast serves, not a firm order.
    firm_kw = can.least_kw * (can.stays if now.is_island is None else can.stays & ~now.is_island[:, None])
    return view_without_storage(
        firm_kw=-firm_kw, low_kw=firm_kw - can.most_kw, high_kw=0.0 * can.most_kw, power_kw=params.power_kw, now=now,
        min_kw=can.least_kw * ~can.stays, wear_cur_per_kwh=full_load_cur_per_kwh(params.config),
        is_active=can.most_kw > 0, more=can,
    )  # fmt: skip


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
    return Moved(
        Engines(runs, output_kw, xp.where(runs == device.runs, device.since_h, 0.0) + step_h),
        firm_ukwh=firm_ukwh,
        flexible_ukwh=sent_ukwh - firm_ukwh,
        loss_kwh=xp.maximum(output_kw * step_h - sent_kwh, 0.0),
        released_kwh=sent_kwh,
        wear_cur=xp.zeros_like(output_kw),
        upkeep_cur=config.fuel_cur_per_l * fuel_l + config.start_cur * (runs & ~device.runs),
        carbon_kg=config.carbon_kg_per_l * fuel_l,
    )


def program(params: Params, device: Engines, n_steps: int, step_h: float) -> Program:
    return Program(engine=Engine(params.power_kw, full_load_cur_per_kwh(params.config)))


def lends(config: Config) -> bool:
    return config.backup


def is_grid_forming(config: Config) -> bool:
    return config.grid_forming


def has_engine(params: Params) -> Array:
    return params.power_kw > 0


def never_fails(device: Engines) -> None:
    return None


KIND = Kind(
    Config, draw, start, view, move, program,
    features=features, meters=meters, grid_forming=GridForming(is_grid_forming, has_engine, never_fails), lends=lends,
    is_brp=True, firm_is_chosen=True, lasting=(OwnColumn("genset_kw", "rated output"),),
)  # fmt: skip
