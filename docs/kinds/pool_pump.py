"""Pool pump: a load that must run some hours of every day, whenever that is cheapest.

A kind to start from: copy it to ``agents/kinds/``, and a scenario may have a table ``[pool_pump]``. What the pump still
has to run is what a car still needs before it leaves, so rules that charge cars steer it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from gridbazaar.agents.kind import Draw, Kind, Meters, Moved, Now
from gridbazaar.agents.plan import Plan, View
from gridbazaar.agents.program import Program, Stays
from gridbazaar.agents.storage import Storage
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import Count, NotNegatives, Within
from gridbazaar.data.own_rows import OwnColumn
from gridbazaar.data.tables import check_table
from gridbazaar.data.units import from_micro, to_micro, to_micro_towards_zero

_METER_KWH = 1e-4  # meters count micro-kWh; a pump that lacks less than a tenth of a watt-hour has run its hours


@dataclass(frozen=True, slots=True)
class Config:
    """Table ``[pool_pump]`` of a scenario. Pairs are limits of what an episode draws."""

    count: Count = 1
    power_kw: NotNegatives = (0.8, 1.5)
    hours_per_day: Annotated[float, Within(0.0, 24.0)] = 4.0  # at full power, in each 24 hours; of a part, that part

    def __post_init__(self) -> None:
        check_table(self, "pool_pump")


@dataclass(frozen=True, slots=True)
class Params:
    power_kw: Array  # [n_envs, n_kind]
    config: Config


@dataclass(frozen=True, slots=True)
class Pumps:
    ran_kwh: Array  # [n_envs, n_kind] since the day began


def draw(config: Config, draw: Draw) -> Params:
    return Params(draw.kept("pool_pump_kw", draw.within("pool_pump.power_kw", config.count, config.power_kw)), config)


def start(params: Params) -> Pumps:
    return Pumps(0.0 * params.power_kw)


def day_of(t: Array, n_steps: int, step_h: float) -> tuple[Array, Array]:
    """Give the first step after the day of steps ``t``, and the share of a whole day that it has."""
    per_day = round(24 / step_h)
    end = namespace(t).minimum((t // per_day + 1) * per_day, n_steps + 0 * t)
    return end, (end - t // per_day * per_day) / per_day


def view(device: Pumps, params: Params, now: Now) -> View:
    xp, step_h = namespace(device.ran_kwh), now.series.step_h
    end, share = day_of(now.t, now.series.n_steps, step_h)
    day_kwh = params.power_kw * params.config.hours_per_day * share[:, None]
    need_kwh = xp.maximum(day_kwh - device.ran_kwh, 0.0)
    left_steps, zero = (end - now.t)[:, None], xp.zeros_like(need_kwh)
    # What later steps cannot make up for is served at any price.
    must_kwh = need_kwh - (left_steps - 1) * params.power_kw * step_h
    must_kw = xp.where(must_kwh > 0, xp.minimum(must_kwh / step_h, params.power_kw), 0.0)
    high_kw = xp.minimum(params.power_kw, need_kwh / step_h) - must_kw
    has = params.power_kw > 0
    return View(
        firm_kw=must_kw, low_kw=zero, high_kw=high_kw, stored_kwh=zero, room_kwh=need_kwh, capacity_kwh=day_kwh,
        power_kw=params.power_kw, min_kw=zero, eta_ch=zero + 1.0, eta_dis=zero + 1.0, wear_cur_per_kwh=zero,
        need_kwh=need_kwh, left_h=zero + left_steps * step_h, is_stationary=zero > 0, has_device=has,
        is_active=has & (need_kwh > 0),
    )  # fmt: skip


def meters(fill_kw: Array, plan: Plan, view: View, device: Pumps, params: Params, now: Now) -> Meters:
    return Meters(view.firm_kw, namespace(fill_kw).zeros_like(fill_kw), fill_kw)


def move(meters: Meters, plan: Plan, view: View, device: Pumps, params: Params, now: Now) -> Moved:
    xp, step_h = namespace(meters.device_kw), now.series.step_h
    firm_ukwh, flexible_ukwh = to_micro(meters.fixed_kw * step_h), to_micro_towards_zero(meters.device_kw * step_h)
    drawn_kwh = from_micro(firm_ukwh + flexible_ukwh)
    end, _ = day_of(now.t, now.series.n_steps, step_h)
    is_over = (now.t + 1 == end)[:, None]
    lacks_kwh = view.need_kwh - drawn_kwh
    short_kwh = xp.where(is_over & (lacks_kwh > _METER_KWH), lacks_kwh, 0.0)
    ran = Pumps((device.ran_kwh + drawn_kwh) * ~is_over)
    return Moved(ran, firm_ukwh, flexible_ukwh, load_kwh=drawn_kwh, unserved_kwh=short_kwh)


def program(params: Params, device: Pumps, n_steps: int, step_h: float) -> Program:
    """A store that fills over the day, must be full when it ends, and is empty when the next one begins."""
    t = np.arange(n_steps)
    end, share = day_of(t, n_steps, step_h)
    shape = (*params.power_kw.shape, n_steps)
    day_kwh = params.power_kw[..., None] * params.config.hours_per_day * share
    none, is_first = np.zeros(shape), t % round(24 / step_h) == 0
    stays = Stays(
        is_plugged=day_kwh > 0, charge_kw=none + params.power_kw[..., None], floor_kwh=none, ceiling_kwh=day_kwh,
        is_kept=np.broadcast_to(~is_first, shape), brings_kwh=none, unfilled=none,
        required_kwh=np.maximum(day_kwh - _METER_KWH, 0.0) * (t + 1 == end),
    )  # fmt: skip
    return Program(
        storage=Storage(0.0, day_kwh[..., 0], params.power_kw, 0.0, 1.0, 1.0), stored_kwh=device.ran_kwh, stays=stays
    )


LASTING = (OwnColumn("pool_pump_kw", "rated power, 0 without a pump"),)
KIND = Kind(Config, draw, start, view, move, program, meters=meters, firm_is_chosen=True, lasting=LASTING)
