"""Roof: a shared PV plant on a connection of its own, such as that of an apartment building; it cannot be held back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridbazaar.agents.kind import (
    EAGERNESS,
    POWER,
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
from gridbazaar.data.bounds import Count, NotNegatives
from gridbazaar.data.tables import check_table
from gridbazaar.data.units import to_micro


@dataclass(frozen=True, slots=True)
class Config:
    """Table ``[roof]`` of a scenario. Pairs are limits of what an episode draws."""

    count: Count = 1
    pv_kwp: NotNegatives = (20.0, 20.0)

    def __post_init__(self) -> None:
        check_table(self, "roof")


@dataclass(frozen=True, slots=True)
class Params:
    pv_kwp: Array  # [n_envs, n_kind]
    roof: Array  # [n_envs, n_kind] row of the bank
    config: Config


def actions(config: Config) -> Columns:
    return POWER, EAGERNESS


def draw(config: Config, draw: Draw) -> Params:
    n_roofs = draw.bank.pv_kw_per_kwp.shape[0]
    place = (draw.unit("roof.roof", config.count) * n_roofs).astype(np.int64)
    return Params(
        pv_kwp=draw.within("roof.pv_kwp", config.count, config.pv_kwp),
        roof=np.minimum(place, n_roofs - 1),
        config=config,
    )


def start(params: Params) -> Nothing:
    return Nothing()


def view(device: Nothing, params: Params, now: Now) -> View:
    expected_kw = now.series.pv_next_kw_per_kwp[params.roof, now.step[:, None]] * params.pv_kwp
    none = 0.0 * expected_kw
    return view_without_storage(firm_kw=-expected_kw, low_kw=none, high_kw=none, power_kw=params.pv_kwp, now=now)


def meters(fill_kw: Array, plan: Plan, view: View, device: Nothing, params: Params, now: Now) -> Meters:
    pv_kw = now.series.pv_kw_per_kwp[params.roof, now.step[:, None]] * params.pv_kwp
    zero = namespace(pv_kw).zeros_like(pv_kw)
    return Meters(zero, pv_kw, zero)


def move(meters: Meters, plan: Plan, view: View, device: Nothing, params: Params, now: Now) -> Moved:
    made_kwh = meters.pv_kw * now.series.step_h
    firm_ukwh = to_micro(-made_kwh)
    return Moved(device, firm_ukwh, flexible_ukwh=0 * firm_ukwh, pv_kwh=made_kwh)


def outlook_kw(params: Params, series: Series, step: Array) -> tuple[Array, Array]:
    expected_kw = series.pv_outlook_kw_per_kwp[params.roof, step[:, None]] * params.pv_kwp
    return 0.0 * expected_kw, expected_kw


def real_kw(params: Params, series: Series, step: Array) -> tuple[Array, Array]:
    made_kw = series.pv_kw_per_kwp[params.roof, step[:, None]] * params.pv_kwp
    return 0.0 * made_kw, made_kw


def program(params: Params, device: Nothing, n_steps: int, step_h: float) -> Program:
    return Program()


def pv_kwp(params: Params) -> Array:
    return params.pv_kwp


def most_kwp(config: Config) -> float:
    return config.pv_kwp[1]


KIND = Kind(
    Config, draw, start, view, move, program,
    actions=actions, meters=meters, must_serve=MustServe(outlook_kw, real_kw), inverters=Inverters(pv_kwp, most_kwp),
    lends=never,
)  # fmt: skip
