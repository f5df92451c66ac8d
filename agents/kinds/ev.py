"""EV: a charger and the cars that come and go, with energy needed by their departure and power given back (V2G)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.devices.cars.charging import needed_before_kwh
from gridbazaar.agents.devices.cars.site import SHARINGS, fit_needs, fit_wishes
from gridbazaar.agents.devices.cars.visits import (
    Car,
    Visits,
    car_of,
    charged_on_arrival_kw,
    chargers_of,
    draw_visits,
    drive,
    stays_of,
)
from gridbazaar.agents.devices.failure import (
    Condition,
    Failure,
    Luck,
    actions_of,
    asks_for_upkeep,
    draw_luck,
    features_of,
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
    Kind,
    Meters,
    Moved,
    Now,
    scaled_plan,
)
from gridbazaar.agents.plan import Plan, View
from gridbazaar.agents.program import Program
from gridbazaar.agents.storage import Storage, limits_kw, move_kwh
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bank import Bank
from gridbazaar.data.bounds import Charge, Count, NotNegative, OneOf, Positive, PositiveShare, Range, Share, Within
from gridbazaar.data.own_rows import OwnColumn
from gridbazaar.data.tables import check_table
from gridbazaar.data.units import from_micro, to_micro, to_micro_towards_zero

# Meters count micro-kWh; a car that lacks less than a tenth of a watt-hour has what it needs.
_METER_KWH = 1e-4


@dataclass(frozen=True, slots=True)
class Config:
    """Table ``[ev]`` of a scenario. Pairs are limits of what an episode draws."""

    count: Count = 6
    capacity_kwh: Annotated[Range, Within(1.0)] = (50.0, 77.0)
    charge_kw: Positive = 7.4  # of the charger
    onboard_kw: Annotated[Range, Within(0.1)] | None = None  # of the car's own charger; none: as much as charge_kw
    discharge_kw: NotNegative = 7.4  # 0: no V2G
    min_kw: NotNegative = 1.38  # 6 A on one phase; what is wished below it is nothing
    target_frac: PositiveShare = 0.9  # state of charge wanted at departure
    v2g_floor_frac: Share = 0.2  # no release below this state of charge
    keep_arrival: bool = False  # nor below what the car came with
    eta_ch: PositiveShare = 0.92
    eta_dis: PositiveShare = 0.92
    wear_cur_per_kwh: Charge = 0.05  # per kWh released
    taper_frac: PositiveShare = 1.0  # state of charge above which charging tapers; 1 is never
    guarantee: bool = True  # the charger sees to it that the car has what it needs when it said it would leave
    backup: bool = True  # gives power to an island, above v2g_floor_frac
    late_sd_h: NotNegative = 0.0  # spread of the arrival about that of the session
    announced_sd_h: NotNegative = 0.0  # spread of the departure that the driver announces about the one meant
    early_share: Share = 0.0  # of the sessions that end before the announced departure
    early_h: NotNegative = 2.0  # by how much they do at most, all times alike
    short_cur_per_kwh2: Charge = 0.0  # per squared kWh lacking at departure, beside reward.unserved_cur_per_kwh
    trip_floor_frac: Share = 0.1  # a trip that would leave less charges on its way, in public
    public_cur_per_kwh: Charge = 0.55  # for that, per kWh stored
    site_kw: Positive | None = None  # limit of all chargers together, which they keep by themselves; none: no limit
    failure: Failure = field(default_factory=Failure)  # failures, maintenance and repair of the charger
    sharing: Annotated[str, OneOf(*SHARINGS)] = "laxity"  # of site_kw; laxity: who has little time to spare gets more

    def __post_init__(self) -> None:
        check_table(self, "ev")
        if self.v2g_floor_frac > self.target_frac:
            raise ValueError(
                f"ev.v2g_floor_frac: expected at most target_frac, {self.target_frac}; got {self.v2g_floor_frac}"
            )
        if self.min_kw > self.charge_kw:
            raise ValueError(f"ev.min_kw: expected at most charge_kw, {self.charge_kw}; got {self.min_kw}")
        if self.onboard_kw is not None and self.onboard_kw[0] < self.min_kw:
            raise ValueError(f"ev.onboard_kw: expected at least min_kw, {self.min_kw}; got {self.onboard_kw}")
        if self.site_kw is not None and self.backup:
            raise ValueError(
                f"ev.site_kw: expected backup = false beside it, got {self.site_kw} and backup = true; "
                "an island would ask chargers for more than their site carries"
            )


@dataclass(frozen=True, slots=True)
class Params:
    visits: Visits
    config: Config
    luck: Luck | None = None  # of the chargers
    charger: Array | None = None  # [n_envs, n_kind] int64, whose sessions, by the number in the bank

    @property
    def capacity_kwh(self) -> Array:
        """[n_envs, n_kind] of the first car."""
        return self.visits.capacity_kwh[:, :, 0]


@dataclass(frozen=True, slots=True)
class Device:
    energy_kwh: Array  # [n_envs, n_kind] of the car that is plugged in, or comes next
    visit: Array | None  # [n_envs, n_kind] int64, which one that is; None: there is but one
    arrival_kwh: Array | None  # [n_envs, n_kind] what it came with; None: nobody asks
    condition: Condition | None = None  # of the charger; None: it never fails


def actions(config: Config) -> Columns:
    return POWER, EAGERNESS, *actions_of(config.failure)


def features(config: Config) -> tuple[Features, ...]:
    return features_of(config.failure)


LASTING = (
    OwnColumn("car", "series of its sessions, by the number of the charger", of="cars"),
    OwnColumn("car_kwh", "size of its battery", low=1.0),
    OwnColumn("car_kw", "what its own charger takes at most", low=0.1),
)


def lacks(config: Config, said: Mapping[str, Any]) -> str:
    least = said.get("car_kw", config.min_kw)
    return f"car_kw of {least:g} below ev.min_kw, {config.min_kw:g}" if least < config.min_kw else ""


def draw(config: Config, draw: Draw) -> Params:
    luck = draw_luck(config.failure, draw, "ev", (config.count,))
    return Params(draw_visits(config, draw), config, luck, chargers_of(config, draw))


def past_kw(params: Params, bank: Bank, steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """[n_envs, n_kind, n] what cars drew that charged when they came, in steps [n_envs, n] side by side."""
    assert params.charger is not None
    found = np.zeros((*params.charger.shape, steps.shape[1]))
    for env, agent in np.ndindex(*params.charger.shape) if steps.shape[1] else ():
        charge_kw = float(params.visits.charge_kw[env, agent, 0])
        found[env, agent] = charged_on_arrival_kw(
            bank.sessions, int(params.charger[env, agent]), charge_kw, params.config.eta_ch, steps[env], bank.step_h
        )
    return found


def car_storage(config: Config, capacity_kwh: Array, charge_kw: Array) -> Storage:
    """Give the kernel's parameters of cars at their chargers."""
    return Storage(
        floor_kwh=config.v2g_floor_frac * capacity_kwh,
        ceiling_kwh=capacity_kwh,
        charge_kw=charge_kw,
        discharge_kw=config.discharge_kw,
        eta_ch=config.eta_ch,
        eta_dis=config.eta_dis,
        taper_frac=config.taper_frac,
    )


def start(params: Params) -> Device:
    visits, config = params.visits, params.config
    energy_kwh = visits.arrival_kwh[:, :, 0]
    visit = None if visits.n == 1 else 0 * visits.arrive[:, :, 0]
    return Device(energy_kwh, visit, energy_kwh if config.keep_arrival else None, new_condition(params.luck))


def view(device: Device, params: Params, now: Now) -> View:
    """Look at the chargers and the cars plugged in; of a car that is away nothing is seen, nor whether one comes."""
    xp = namespace(device.energy_kwh)
    config, step_h, car = params.config, now.series.step_h, car_of(params.visits, device.visit)
    rows = now.t[:, None]
    plugged = (rows >= car.arrive) & (rows < car.depart)
    usable = plugged if device.condition is None else plugged & works(device.condition)
    low_kw, high_kw = limits_kw(device.energy_kwh, car_storage(config, car.capacity_kwh, car.charge_kw), step_h)
    need_kwh = car.required_kwh - device.energy_kwh
    # Who stays longer than announced may leave any moment.
    later_steps = xp.maximum(car.announced - rows - 1, 0)
    # What must be stored in this step so that full power afterwards still suffices; negative: what may be released.
    now_kwh = _now_kwh(car, need_kwh, device, config, later_steps, step_h)
    must_kw = xp.zeros_like(need_kwh)
    if config.guarantee:
        must_kw = xp.where(now_kwh > 0, xp.maximum(now_kwh / (config.eta_ch * step_h) + 1e-5, config.min_kw), 0.0)
        must_kw = xp.where(usable, xp.minimum(must_kw, high_kw), 0.0)
        low_kw = xp.maximum(low_kw, xp.minimum(now_kwh + 1e-5, 0.0) * config.eta_dis / step_h)
        low_kw = xp.where(must_kw > 0, 0.0, low_kw)
    if device.arrival_kwh is not None:
        above_kwh = xp.maximum(device.energy_kwh - device.arrival_kwh, 0.0)
        low_kw = xp.maximum(low_kw, -above_kwh * config.eta_dis / step_h)
    low_kw = xp.where(usable & (low_kw <= -config.min_kw), low_kw, 0.0)
    high_kw = xp.where(usable & (high_kw >= config.min_kw), high_kw - must_kw, 0.0)
    zero, floor_kwh = xp.zeros_like(need_kwh), config.v2g_floor_frac * car.capacity_kwh
    seen = View(
        firm_kw=must_kw, low_kw=low_kw, high_kw=high_kw,
        stored_kwh=xp.where(plugged, xp.maximum(device.energy_kwh - floor_kwh, 0.0), 0.0),
        room_kwh=xp.where(plugged, car.capacity_kwh - device.energy_kwh, 0.0),
        capacity_kwh=xp.where(plugged, car.capacity_kwh * (1 - config.v2g_floor_frac), 0.0),
        power_kw=xp.where(plugged, car.charge_kw, config.charge_kw), min_kw=zero + config.min_kw,
        eta_ch=zero + config.eta_ch, eta_dis=zero + config.eta_dis,
        wear_cur_per_kwh=zero + config.wear_cur_per_kwh,
        need_kwh=xp.where(plugged, xp.maximum(need_kwh, 0.0), 0.0),
        left_h=xp.where(plugged, xp.maximum(car.announced - rows, 1) * step_h, 0.0),
        is_stationary=xp.zeros_like(plugged), has_device=zero == 0, is_active=plugged,
    )  # fmt: skip
    site_kw = config.site_kw
    if now.site_kw is not None:
        site_kw = now.site_kw if site_kw is None else xp.minimum(now.site_kw, site_kw)
    return seen if site_kw is None else fit_needs(seen, site_kw, config.site_kw, config.sharing)


def _now_kwh(car: Car, need_kwh: Array, device: Device, config: Config, later_steps: Array, step_h: float) -> Array:
    if config.taper_frac == 1:
        return need_kwh - later_steps * (car.charge_kw * config.eta_ch * step_h)
    full_kw = car.charge_kw * config.eta_ch
    least_kwh = needed_before_kwh(car.required_kwh, car.capacity_kwh, full_kw, later_steps * step_h, config.taper_frac)
    return least_kwh - device.energy_kwh


def plan(action: Array, view: View) -> Plan:
    wanted = scaled_plan(action, view)
    return wanted if view.more is None else fit_wishes(wanted, view)


def meters(fill_kw: Array, plan: Plan, view: View, device: Device, params: Params, now: Now) -> Meters:
    return Meters(view.firm_kw, namespace(fill_kw).zeros_like(fill_kw), fill_kw)


def move(meters: Meters, plan: Plan, view: View, device: Device, params: Params, now: Now) -> Moved:
    xp = namespace(meters.device_kw)
    config, step_h, car = params.config, now.series.step_h, car_of(params.visits, device.visit)
    firm_ukwh = to_micro(meters.fixed_kw * step_h)
    flexible_ukwh = to_micro_towards_zero(meters.device_kw * step_h)
    drawn_kwh = from_micro(firm_ukwh + flexible_ukwh)
    battery = car_storage(config, car.capacity_kwh, car.charge_kw)
    after_kwh, loss_kwh = move_kwh(device.energy_kwh, drawn_kwh / step_h, battery, step_h)
    leaves = (now.t + 1)[:, None] == car.depart
    short_kwh = car.required_kwh - after_kwh
    short_kwh = xp.where(leaves & view.is_active & (short_kwh > _METER_KWH), short_kwh, 0.0)
    visit, arrival_kwh, upkeep_cur = device.visit, device.arrival_kwh, None
    if visit is not None:
        after_kwh, visit, goes, public_kwh = drive(
            params.visits, visit, after_kwh, leaves & view.is_active, config.trip_floor_frac
        )
        upkeep_cur = config.public_cur_per_kwh * public_kwh
        arrival_kwh = None if arrival_kwh is None else xp.where(goes, after_kwh, arrival_kwh)
    condition = device.condition
    if condition is not None and params.luck is not None:
        condition, repairs_cur = pass_step(
            condition, params.luck, xp.abs(drawn_kwh) / 2 / car.capacity_kwh,
            asks_for_upkeep(plan, actions(config)), car.capacity_kwh > 0, now.t, config.failure, step_h,
        )  # fmt: skip
        upkeep_cur = repairs_cur if upkeep_cur is None else upkeep_cur + repairs_cur
    return Moved(
        Device(after_kwh, visit, arrival_kwh, condition),
        firm_ukwh=firm_ukwh,
        flexible_ukwh=flexible_ukwh,
        loss_kwh=loss_kwh,
        released_kwh=xp.maximum(-drawn_kwh, 0.0),
        unserved_kwh=short_kwh,
        discomfort_cur=config.short_cur_per_kwh2 * short_kwh**2 if config.short_cur_per_kwh2 else None,
        upkeep_cur=upkeep_cur,
    )


def program(params: Params, device: Device, n_steps: int, step_h: float) -> Program:
    visits, config = params.visits, params.config
    stays = stays_of(visits, config, n_steps, step_h)
    required_kwh = np.maximum(stays.required_kwh - _METER_KWH, 0.0)  # so much may lack unnoticed
    return Program(
        storage=car_storage(config, visits.capacity_kwh[:, :, 0], visits.charge_kw[:, :, 0]),
        stays=replace(stays, required_kwh=required_kwh),
        wear_cur_per_kwh=config.wear_cur_per_kwh,
        uncovered=("ev.failure",) if config.failure.happens else (),
    )


def lends(config: Config) -> bool:
    return config.backup


KIND = Kind(
    Config, draw, start, view, move, program,
    actions=actions, features=features, plan=plan, meters=meters, lends=lends, firm_is_chosen=True,
    lasting=LASTING, lacks=lacks, past_kw=past_kw,
)  # fmt: skip
