"""Wind: a small turbine whose output may be held back.

It sells what it expects to yield as a firm order at any price of the band. Power above zero holds that share of the
output back, as far as any is expected. What is held back never comes to market: it counts as drawn by the turbine from
its own output, and the deviation from the forecast falls on the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridbazaar.agents.kind import (
    EAGERNESS,
    Column,
    Columns,
    Draw,
    Inverters,
    Kind,
    Meters,
    Moved,
    MustServe,
    Nothing,
    Now,
    Series,
    never,
    view_without_storage,
)
from gridbazaar.agents.plan import Plan, View
from gridbazaar.agents.program import Program
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import Count, NotNegative, NotNegatives
from gridbazaar.data.own_rows import OwnColumn
from gridbazaar.data.tables import check_table
from gridbazaar.data.units import to_micro, to_micro_towards_zero

_HOLD = Column("power", "1", -1.0, 1.0, "a > 0: share of the output that is held back; a <= 0: none")


@dataclass(frozen=True, slots=True)
class Config:
    """Table ``[wind]`` of a scenario. Pairs are limits of what an episode draws."""

    count: Count = 1
    rated_kw: NotNegatives = (5.0, 10.0)  # largest output of a turbine
    exposure: NotNegatives = (0.85, 1.15)  # factor of its place on the speed of the wind
    cut_in_m_per_s: NotNegative = 3.0  # no output below
    rated_m_per_s: NotNegative = 12.0  # full output from here; in between it grows with the cube of the speed
    cut_out_m_per_s: NotNegative = 25.0  # no output from here

    def __post_init__(self) -> None:
        check_table(self, "wind")
        if not self.cut_in_m_per_s < self.rated_m_per_s < self.cut_out_m_per_s:
            raise ValueError(
                "wind: expected cut_in_m_per_s < rated_m_per_s < cut_out_m_per_s, "
                f"got {self.cut_in_m_per_s}, {self.rated_m_per_s}, {self.cut_out_m_per_s}"
            )


@dataclass(frozen=True, slots=True)
class Params:
    rated_kw: Array  # [n_envs, n_kind]
    exposure: Array  # [n_envs, n_kind]
    config: Config


def actions(config: Config) -> Columns:
    return _HOLD, EAGERNESS


def draw(config: Config, draw: Draw) -> Params:
    if draw.bank.wind_m_per_s is None:
        raise ValueError(
            f"wind: data {draw.bank.name!r} have no wind, which a turbine needs; expected wind.count = 0, or a CSV "
            "with a column wind_m_per_s, or generated data"
        )
    return Params(
        rated_kw=draw.kept("turbine_kw", draw.within("wind.rated_kw", config.count, config.rated_kw)),
        exposure=draw.kept("exposure", draw.within("wind.exposure", config.count, config.exposure)),
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


def start(params: Params) -> Nothing:
    return Nothing()


def view(device: Nothing, params: Params, now: Now) -> View:
    expected_kw = yield_kw(now.series.wind_next_m_per_s, now.step, params)
    return view_without_storage(
        firm_kw=-expected_kw, low_kw=0.0 * expected_kw, high_kw=expected_kw, power_kw=params.rated_kw, now=now
    )


def meters(fill_kw: Array, plan: Plan, view: View, device: Nothing, params: Params, now: Now) -> Meters:
    xp = namespace(fill_kw)
    held = plan.wish_kw / xp.maximum(view.high_kw, 1e-12) * (fill_kw > 0)  # its own output always fills the wish
    pv_kw = yield_kw(now.series.wind_m_per_s, now.step, params) * xp.clip(1.0 - held, 0.0, 1.0)
    zero = xp.zeros_like(pv_kw)
    return Meters(zero, pv_kw, zero)


def move(meters: Meters, plan: Plan, view: View, device: Nothing, params: Params, now: Now) -> Moved:
    step_h = now.series.step_h
    held_ukwh = to_micro_towards_zero(plan.wish_kw * step_h)
    firm_ukwh = to_micro(-meters.pv_kw * step_h) - held_ukwh
    return Moved(device, firm_ukwh, flexible_ukwh=held_ukwh, pv_kwh=meters.pv_kw * step_h)


def outlook_kw(params: Params, series: Series, step: Array) -> tuple[Array, Array]:
    expected_kw = yield_kw(series.wind_outlook_m_per_s, step, params)
    return 0.0 * expected_kw, expected_kw


def real_kw(params: Params, series: Series, step: Array) -> tuple[Array, Array]:
    available_kw = yield_kw(series.wind_m_per_s, step, params)
    return 0.0 * available_kw, available_kw


def program(params: Params, device: Nothing, n_steps: int, step_h: float) -> Program:
    return Program(holds_back=True)


def rated_kw(params: Params) -> Array:
    return params.rated_kw


def most_kw(config: Config) -> float:
    return config.rated_kw[1]


KIND = Kind(
    Config, draw, start, view, move, program,
    actions=actions, meters=meters, must_serve=MustServe(outlook_kw, real_kw), inverters=Inverters(rated_kw, most_kw),
    lasting=(OwnColumn("turbine_kw", "rated output"), OwnColumn("exposure", "factor on the wind speed", high=10.0)),
    lends=never,  # it has nothing to lend to an island but its output, which is curtailed like PV
)  # fmt: skip
