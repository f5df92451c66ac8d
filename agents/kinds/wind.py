"""Wind: a small turbine whose output may be held back.

It sells what it expects to yield as a firm order at any price of the band. Power above zero holds that share of the
output back, as far as any is expected. What is held back never comes to market: it counts as drawn by the turbine from
its own output, and the deviation from the forecast falls on the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gridbazaar.agents.devices.batteries import Batteries
from gridbazaar.agents.kind import (
    EAGERNESS,
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
from gridbazaar.data.units import to_micro, to_micro_towards_zero

IS_BRP = False
CONNECTIONS = 1
FIRM_IS_CHOSEN = False

_HOLD = Column("power", "1", -1.0, 1.0, "a > 0: share of the output that is held back; a <= 0: none")


@dataclass(frozen=True, slots=True)
class Config:
    """Table ``[wind]`` of a scenario. Pairs are limits of what an episode draws."""

    count: int = 1
    rated_kw: Range = (5.0, 10.0)  # largest output of a turbine
    exposure: Range = (0.85, 1.15)  # factor of its place on the speed of the wind
    cut_in_m_per_s: float = 3.0  # no output below
    rated_m_per_s: float = 12.0  # full output from here; in between it grows with the cube of the speed
    cut_out_m_per_s: float = 25.0  # no output from here
    backup: ClassVar[bool] = False  # has nothing to lend to an island but its output, which is curtailed like PV

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"wind.count: expected 0 or more, got {self.count}")
        check_range("wind", "rated_kw", self.rated_kw, 0.0)
        check_range("wind", "exposure", self.exposure, 0.0)
        if not 0 <= self.cut_in_m_per_s < self.rated_m_per_s < self.cut_out_m_per_s:
            raise ValueError(
                "wind: expected 0 <= cut_in_m_per_s < rated_m_per_s < cut_out_m_per_s, "
                f"got {self.cut_in_m_per_s}, {self.rated_m_per_s}, {self.cut_out_m_per_s}"
            )


@dataclass(frozen=True, slots=True)
class Params:
    rated_kw: Array  # [n_envs, n_kind]
    exposure: Array  # [n_envs, n_kind]
    config: Config


def actions(config: Config) -> tuple[Column, ...]:
    return _HOLD, EAGERNESS


def columns(config: Config) -> tuple[Column, ...]:
    return ()


def features(view: View, device: Batteries, params: Params, now: Now) -> list[Array]:
    return []


def draw(config: Config, draw: Draw) -> Params:
    if draw.bank.wind_m_per_s is None:
        raise ValueError(
            f"wind: data {draw.bank.name!r} have no wind, which a turbine needs; expected wind.count = 0, or a CSV "
            "with a column wind_m_per_s, or generated data"
        )
    return Params(
        rated_kw=draw.within("wind.rated_kw", config.count, config.rated_kw),
        exposure=draw.within("wind.exposure", config.count, config.exposure),
        config=config,
    )


def yield_kw(wind_m_per_s: Array | None, step: Array, params: Params) -> Array:
    """Give the output of the turbines, [n_envs, n_kind], in steps [n_envs] of a series of wind speeds.

    Cubic between cut-in and rated speed, ``(v^3 - v_in^3) / (v_rated^3 - v_in^3)``, constant up to the cut-out.
    """
    assert wind_m_per_s is not None  # no turbine is drawn without wind
    config, speed = params.config, wind_m_per_s[step][:, None] * params.exposure
    xp = namespace(speed)
    least, most = config.cut_in_m_per_s**3, config.rated_m_per_s**3
    share = xp.clip((speed * speed * speed - least) / (most - least), 0.0, 1.0)
    return params.rated_kw * share * (speed < config.cut_out_m_per_s)


def scale(params: Params, factor: Array) -> Params:
    return params


def storage(params: Params) -> Storage:
    none = 0.0 * params.rated_kw
    return Storage(none, none, none, none, 1.0, 1.0)


def start(params: Params) -> Batteries:
    return Batteries(0.0 * params.rated_kw)


def view(device: Batteries, params: Params, now: Now) -> View:
    expected_kw = yield_kw(now.series.wind_next_m_per_s, now.step, params)
    zero = 0.0 * expected_kw
    has = params.rated_kw > 0
    return View(
        firm_kw=-expected_kw, low_kw=zero, high_kw=expected_kw, stored_kwh=zero, room_kwh=zero, capacity_kwh=zero,
        power_kw=params.rated_kw, min_kw=zero, eta_ch=zero + 1.0, eta_dis=zero + 1.0, wear_cur_per_kwh=zero,
        need_kwh=zero, left_h=zero + ((now.series.n_steps - now.t) * now.series.step_h)[:, None],
        is_stationary=zero > 0, has_device=has, is_active=has,
    )  # fmt: skip


def plan(action: Array, view: View) -> Plan:
    return scaled_plan(action, view)


def meters(fill_kw: Array, plan: Plan, view: View, device: Batteries, params: Params, now: Now) -> Meters:
    xp = namespace(fill_kw)
    held = plan.wish_kw / xp.maximum(view.high_kw, 1e-12) * (fill_kw > 0)  # its own output always fills the wish
    pv_kw = yield_kw(now.series.wind_m_per_s, now.step, params) * xp.clip(1.0 - held, 0.0, 1.0)
    zero = xp.zeros_like(pv_kw)
    return Meters(zero, pv_kw, zero)


def move(meters: Meters, plan: Plan, view: View, device: Batteries, params: Params, now: Now) -> Moved:
    xp, step_h = namespace(meters.pv_kw), now.series.step_h
    held_ukwh = to_micro_towards_zero(plan.wish_kw * step_h)
    zero = xp.zeros_like(meters.pv_kw)
    return Moved(
        device=device,
        firm_ukwh=to_micro(-meters.pv_kw * step_h) - held_ukwh,
        flexible_ukwh=held_ukwh,
        load_kwh=zero,
        pv_kwh=meters.pv_kw * step_h,
        loss_kwh=zero,
        released_kwh=zero,
        unserved_kwh=zero,
    )


def n_meters(config: Config) -> int:
    return config.count


def outlook_kw(params: Params, series: Series, step: Array) -> tuple[Array, Array] | None:
    expected_kw = yield_kw(series.wind_outlook_m_per_s, step, params)
    return 0.0 * expected_kw, expected_kw


def mean_load_kw(params: Params, home_kw: Array) -> Array | None:
    return None


def storage_kwh(params: Params) -> Array:
    return 0.0 * params.rated_kw.sum(1)


def rent_cur_per_day(params: Params) -> Array | None:
    return None


def uncovered(params: Params) -> list[str]:
    return []


def stays(params: Params, n_steps: int, step_h: float) -> Stays | None:
    return None
