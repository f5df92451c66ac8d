"""Prosumer: a home with load, perhaps PV, a battery, a heat pump, hot water, an appliance that waits; one meter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.devices.ageing import Ageing
from gridbazaar.agents.devices.batteries import (
    OWN_BATTERY,
    Batteries,
    Fate,
    battery_program,
    draw_fate,
    lone_power,
    moved_of,
    new_batteries,
    view_of,
)
from gridbazaar.agents.devices.failure import Failure, actions_of, features_of
from gridbazaar.agents.devices.home import household
from gridbazaar.agents.devices.home.known import Known, known_homes
from gridbazaar.agents.kind import (
    EAGERNESS,
    POWER,
    Column,
    Columns,
    Draw,
    Features,
    Inverters,
    Kind,
    Meters,
    Moved,
    MustServe,
    Now,
    Series,
    scaled_plan,
)
from gridbazaar.agents.plan import Plan, View
from gridbazaar.agents.program import Program
from gridbazaar.agents.storage import Converter
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bank import Bank
from gridbazaar.data.bounds import (
    Charge,
    CountFromOne,
    NotNegatives,
    Positive,
    PositiveShare,
    Share,
    ShareBelowOne,
    Shares,
)
from gridbazaar.data.own_rows import OwnColumn
from gridbazaar.data.tables import check_table
from gridbazaar.data.units import from_micro, to_micro, to_micro_towards_zero


@dataclass(frozen=True, slots=True)
class Config:
    """Table ``[prosumer]`` of a scenario. Pairs are limits of what an episode draws."""

    count: CountFromOne = 12
    load_scale: NotNegatives = (1.0, 1.0)
    pv_share: Shares = (0.5, 1.0)  # of homes that have PV
    pv_kwp: NotNegatives = (3.0, 9.0)
    inverter_kw_per_kwp: Positive | None = None  # what the inverter gives at most; none: all that the roof does
    curtailable: bool = False  # the home may withhold PV
    battery_share: Shares = (0.3, 0.7)  # of homes that have a battery
    battery_kwh: NotNegatives = (5.0, 10.0)  # usable; resized where the scenario sets a storage share
    duration_h: Positive = 2.0  # usable energy over rated power
    start_frac: Shares = (0.1, 0.5)
    eta_ch: PositiveShare = 0.95
    eta_dis: PositiveShare = 0.95
    loss_per_h: ShareBelowOne = 0.0001
    wear_cur_per_kwh: Charge = 0.04  # per kWh released
    taper_frac: PositiveShare = 1.0  # state of charge above which charging tapers off; 1 is never
    release_taper_frac: ShareBelowOne = 0.0  # state of charge below which releasing tapers off; 0 is never
    reserve_frac: Share = 0.0  # share of the capacity kept for an island
    converter: Converter = field(default_factory=Converter)  # losses that depend on power
    ageing: Ageing = field(default_factory=Ageing)  # what use and time take
    failure: Failure = field(default_factory=Failure)  # failures, maintenance and repair
    follow_meter: bool = False  # the battery absorbs its home's deviation from the forecast
    known: tuple[Known, ...] = ()  # the homes of the data as they are, one after another; none: drawn as above
    heating: household.Heating = field(default_factory=household.Heating)  # heat pump
    water: household.Water = field(default_factory=household.Water)  # hot water
    appliance: household.Appliance = field(default_factory=household.Appliance)  # that can wait

    def __post_init__(self) -> None:
        check_table(self, "prosumer")


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
    devices: household.Drawn = field(default_factory=household.Drawn)


@dataclass(frozen=True, slots=True)
class Device(Batteries):
    """State of homes: the battery and what else they have."""

    inside: household.Inside | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What the plan needs beside the view."""

    home: household.Look | None
    pv_kw: Array | None  # expected, where it may be curtailed
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Wants:
    """What the action asks of all but the battery."""

    battery_kw: Array
    home: household.Wants
    used: Array | None  # share of the PV that is not curtailed


CURTAIL = Column("curtail", "1", -1.0, 1.0, "a > 0: share of the PV that is withheld; else none")


def actions(config: Config) -> Columns:
    curtail = (CURTAIL,) if config.curtailable else ()
    return POWER, EAGERNESS, *actions_of(config.failure), *household.actions_of(config), *curtail


def features(config: Config) -> tuple[Features, ...]:
    inside = (Features(household.columns_of(config), _read_inside),) if household.any_of(config) else ()
    return *features_of(config.failure), *inside


def _read_inside(view: View, device: Device, params: Params, now: Now) -> list[Array]:
    assert device.inside is not None
    return household.features_of(device.inside, params.devices, params.config, view.more.home, now)


def draw(config: Config, draw: Draw) -> Params:
    n = config.count
    n_homes, n_roofs = draw.bank.load_kw.shape[0], draw.bank.pv_kw_per_kwp.shape[0]
    start_frac, fate = draw.within("prosumer.start_frac", n, config.start_frac), draw_fate(config, draw, "prosumer", n)
    devices = household.draw_devices(config, draw)
    if config.known:
        assert draw.number is not None, "who draws homes as they are says the numbers of the episodes"
        home, kwp, kwh = known_homes(config.known, draw.number, n, (n_homes, n_roofs))
        return Params(home, home, 0 * kwp + 1, kwp, kwh, start_frac, config, fate, devices)
    first = (draw.unit("prosumer.home", 1) * n_homes).astype(np.int64)
    has_pv = draw.unit("prosumer.has_pv", n) < draw.within("prosumer.pv_share", 1, config.pv_share)
    has_battery = draw.unit("prosumer.has_battery", n) < draw.within("prosumer.battery_share", 1, config.battery_share)
    return Params(
        home=draw.kept("load", (first + np.arange(n)) % n_homes),
        roof=draw.kept("roof", np.minimum((draw.unit("prosumer.roof", n) * n_roofs).astype(np.int64), n_roofs - 1)),
        load_scale=draw.kept("load_scale", draw.within("prosumer.load_scale", n, config.load_scale)),
        pv_kwp=draw.kept("pv_kwp", draw.within("prosumer.pv_kwp", n, config.pv_kwp) * has_pv),
        capacity_kwh=draw.within("prosumer.battery_kwh", n, config.battery_kwh) * has_battery,
        start_frac=start_frac,
        config=config,
        fate=fate,
        devices=devices,
    )


LASTING = (
    OwnColumn("load", "series of its load", of="homes"),
    OwnColumn("load_scale", "factor on it"),
    OwnColumn("roof", "series of its PV", of="roofs"),
    OwnColumn("pv_kwp", "size of its PV, 0 without any"),
    *OWN_BATTERY,
    OwnColumn("heat_pump_kw", "electric rating of its heat pump, 0 without one"),
    OwnColumn("hot_water_kwh_per_day", "heat of its tank usually drawn in a day, 0 without a tank"),
    OwnColumn("appliance", "1: it has an appliance that waits, 0: none", high=1.0),
)


def lacks(config: Config, said: Mapping[str, Any]) -> str:
    tables = {"heat_pump_kw": "heating", "hot_water_kwh_per_day": "water", "appliance": "appliance"}
    off = [
        f"{column} where prosumer.{table}.share is 0 (set its upper limit above 0)"
        for column, table in tables.items()
        if said.get(column) and not getattr(config, table).share[1]
    ]
    return off[0] if off else lone_power(config, said)


def start(params: Params) -> Device:
    inside = household.begin(params.devices, params.config) if household.any_of(params.config) else None
    return _device(new_batteries(params), inside)


def _device(batteries: Batteries, inside: household.Inside | None) -> Device:
    return Device(batteries.energy_kwh, batteries.age, batteries.condition, inside)


def view(device: Device, params: Params, now: Now) -> View:
    rows, config = now.step[:, None], params.config
    load_kw = now.series.load_next_kw[params.home, rows] * params.load_scale
    pv_kw = _pv_kw(now.series.pv_next_kw_per_kwp[params.roof, rows], params)
    seen = view_of(load_kw - pv_kw, device, params, now)
    if device.inside is None and not config.curtailable:
        return seen
    more = Look(None, pv_kw if config.curtailable else None, actions(config))
    if device.inside is None:
        return replace(seen, more=more)
    at_home = household.look(device.inside, params.devices, config, now)
    yes = seen.is_active | True
    return replace(
        seen, firm_kw=seen.firm_kw + at_home.must_kw(seen.firm_kw),
        spare_kwh=at_home.spare_kwh(seen.firm_kw), more=replace(more, home=at_home),
        has_device=yes, is_active=yes,
    )  # fmt: skip


def _pv_kw(per_kwp: Array, params: Params) -> Array:
    most = params.config.inverter_kw_per_kwp
    return (per_kwp if most is None else namespace(per_kwp).minimum(per_kwp, most)) * params.pv_kwp


def plan(action: Array, view: View) -> Plan:
    plan, look = scaled_plan(action, view), view.more
    if look is None:
        return plan
    asked = {column.name: action[..., i] for i, column in enumerate(look.columns)}
    firm_kw, wish_kw, used = plan.firm_kw, plan.wish_kw, None
    wants = household.Wants()
    if look.home is not None:
        wants = household.wants(look.home, asked)
        wish_kw = wish_kw + wants.flexible_kw(wish_kw)
        firm_kw = firm_kw + household.start_kw(look.home, wants, firm_kw)
    if look.pv_kw is not None:
        used = 1.0 - namespace(action).maximum(asked["curtail"], 0.0)
        firm_kw = firm_kw + look.pv_kw * (1.0 - used)
    high_kw = view.high_kw + wants.flexible_kw(wish_kw)
    return replace(plan, firm_kw=firm_kw, wish_kw=wish_kw, high_kw=high_kw, more=Wants(plan.wish_kw, wants, used))


def meters(fill_kw: Array, plan: Plan, view: View, device: Device, params: Params, now: Now) -> Meters:
    xp = namespace(fill_kw)
    fixed_kw, pv_kw = _fixed_kw(plan, view, params, now), _pv_now_kw(plan, params, now)
    if params.config.follow_meter:
        deviation_kw = fixed_kw - pv_kw - plan.firm_kw
        fill_kw = xp.clip(fill_kw - deviation_kw, plan.low_kw, plan.high_kw)
    return Meters(fixed_kw, pv_kw, fill_kw)


def _fixed_kw(plan: Plan, view: View, params: Params, now: Now) -> Array:
    """Must-serve draw as it turns out."""
    load_kw = now.series.load_kw[params.home, now.step[:, None]] * params.load_scale
    if view.more is None or view.more.home is None:
        return load_kw
    look = view.more.home
    return load_kw + look.must_kw(load_kw) + household.start_kw(look, plan.more.home, load_kw)


def _pv_now_kw(plan: Plan, params: Params, now: Now) -> Array:
    pv_kw = _pv_kw(now.series.pv_kw_per_kwp[params.roof, now.step[:, None]], params)
    return pv_kw if plan.more is None or plan.more.used is None else pv_kw * plan.more.used


def move(meters: Meters, plan: Plan, view: View, device: Device, params: Params, now: Now) -> Moved:
    step_h = now.series.step_h
    if device.inside is None:
        moved = moved_of(meters, plan, device, params, actions, now)
        moved = replace(moved, device=_device(moved.device, None), load_kwh=meters.fixed_kw * step_h)
    else:
        moved = _move_all(meters, plan, view, device, params, now)
    return replace(
        moved,
        firm_ukwh=to_micro((meters.fixed_kw - meters.pv_kw) * step_h),
        pv_kwh=meters.pv_kw * step_h,
    )


def _move_all(meters: Meters, plan: Plan, view: View, device: Device, params: Params, now: Now) -> Moved:
    """Share the flexible power between the battery and the rest of the home, and move it."""
    xp, step_h, wants, inside = namespace(meters.fixed_kw), now.series.step_h, plan.more, device.inside
    assert inside is not None
    warmth_kw = wants.home.flexible_kw(plan.wish_kw)
    heat_kw = household.share_kw(
        meters.device_kw, wants.battery_kw, warmth_kw, view.low_kw, view.high_kw,
        battery_last=params.config.follow_meter,
    )  # fmt: skip
    moved = moved_of(replace(meters, device_kw=meters.device_kw - heat_kw), plan, device, params, actions, now)
    flexible_ukwh = to_micro_towards_zero(meters.device_kw * step_h)
    heat_kwh = xp.maximum(from_micro(flexible_ukwh - moved.flexible_ukwh), 0.0)
    asked_kw = _fixed_kw(plan, view, params, now)
    served = xp.clip(meters.fixed_kw / xp.where(asked_kw > 0, asked_kw, 1.0), 0.0, 1.0)
    served = xp.where(asked_kw > 0, served, 1.0)
    inside, discomfort_cur = household.run(
        inside, params.devices, params.config, view.more.home, wants.home, served, heat_kwh / step_h, now
    )
    return replace(
        moved,
        device=_device(moved.device, inside),
        flexible_ukwh=flexible_ukwh,
        load_kwh=meters.fixed_kw * step_h + from_micro(flexible_ukwh - moved.flexible_ukwh),
        discomfort_cur=discomfort_cur,
    )


def outlook_kw(params: Params, series: Series, step: Array) -> tuple[Array, Array]:
    rows = step[:, None]
    load_kw = _with_usual_kw(series.load_outlook_kw[params.home, rows] * params.load_scale, params, series, step)
    return load_kw, _pv_kw(series.pv_outlook_kw_per_kwp[params.roof, rows], params)


def real_kw(params: Params, series: Series, step: Array) -> tuple[Array, Array]:
    rows = step[:, None]
    load_kw = _with_usual_kw(series.load_kw[params.home, rows] * params.load_scale, params, series, step)
    return load_kw, _pv_kw(series.pv_kw_per_kwp[params.roof, rows], params)


def _with_usual_kw(load_kw: Array, params: Params, series: Series, step: Array) -> Array:
    """Add what room and tank are expected to draw, whatever the home does about it."""
    if not household.any_of(params.config):
        return load_kw
    more_kw = household.usual_kw(params.devices, params.config, series, step)
    return load_kw if more_kw is None else load_kw + more_kw


def mean_load_kw(params: Params, home_kw: Array) -> Array:
    return (home_kw[params.home] * params.load_scale).sum(1)


def past_net_kw(params: Params, bank: Bank, env: int, at: NDArray[np.int64]) -> NDArray[np.float64]:
    """Load less PV as metered, without heat pumps and what else homes have."""
    each = (slice(None), *(None for _ in at.shape))
    load_kw = bank.load_kw[params.home[env]][:, at] * params.load_scale[env][each]
    net_kw: NDArray[np.float64] = load_kw - bank.pv_kw_per_kwp[params.roof[env]][:, at] * params.pv_kwp[env][each]
    return net_kw


def program(params: Params, device: Device, n_steps: int, step_h: float) -> Program:
    config = params.config
    shares = {
        "heat pumps": config.heating.share,
        "hot-water tanks": config.water.share,
        "appliances that wait": config.appliance.share,
    }
    missing = [name for name, share in shares.items() if share[1] > 0] + ["PV that is withheld"] * config.curtailable
    follows = config.follow_meter & (params.capacity_kwh > 0)
    return replace(battery_program(params, device, n_steps, step_h, follows), uncovered=tuple(missing))


def pv_kwp(params: Params) -> Array:
    return params.pv_kwp


def most_kwp(config: Config) -> float:
    return config.pv_kwp[1]


KIND = Kind(
    Config, draw, start, view, move, program,
    actions=actions, features=features, plan=plan, meters=meters, is_stationary=True, is_home=True,
    must_serve=MustServe(outlook_kw, real_kw, mean_load_kw, past_net_kw), inverters=Inverters(pv_kwp, most_kwp),
    lasting=LASTING, lacks=lacks,
)  # fmt: skip
