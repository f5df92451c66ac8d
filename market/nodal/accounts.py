"""The outcome of a nodal clearing: prices and their parts, rents, integers of the market, and the check on AC."""

from __future__ import annotations

from dataclasses import dataclass

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import MICRO
from gridbazaar.market.grid.linear import Linearised
from gridbazaar.market.nodal.book import NodalBook, ukwh_of_kw
from gridbazaar.market.nodal.payments import pay_at_buses
from gridbazaar.market.nodal.problem import NodalProblem, NodalSolution
from gridbazaar.market.orders import Clearing, NodalPrices, Orders, Setting, Wires

HAIR_UCUR = 1e-4  # by which rounding may put a price beside the order that sets it


@dataclass(frozen=True, slots=True)
class AcCheck:
    """The cleared dispatch in the AC power flow: how far it overshoots the feeder's own limits, untightened."""

    overload_frac: Array  # [n_envs] >= 0, worst branch, of its rating
    outside_band_pu: Array  # [n_envs] >= 0, worst bus
    converged: Array  # [n_envs] bool; where False there is no flow


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The last round of a clearing."""

    problem: NodalProblem
    linear: Linearised
    solution: NodalSolution
    p_kw: Array  # [n, n_buses] all draws, fixed ones included
    by_highs: Array  # [n] bool, solved by HiGHS


def price_parts(found: Dispatch, step_h: float) -> NodalPrices:
    """Split prices and rents."""
    xp, n_buses = namespace(found.p_kw), found.p_kw.shape[1]
    linear, solution, p_kw = found.linear, found.solution, found.p_kw
    unit = 1 / MICRO
    energy, shadow = solution.energy_price * unit, solution.shadow_price * unit
    of_limit = shadow[:, :, None] * linear.slope
    rent = xp.matmul(of_limit, p_kw[:, :, None])[:, :, 0] * step_h
    more_loss_kw = xp.sum(linear.loss_slope * p_kw, axis=1)
    loss_kw = linear.loss_kw + more_loss_kw
    return NodalPrices(
        energy_cur_per_kwh=energy,
        loss_cur_per_kwh=energy[:, None] * linear.loss_slope,
        congestion_cur_per_kwh=xp.sum(of_limit[:, :n_buses], axis=1),
        voltage_cur_per_kwh=xp.sum(of_limit[:, n_buses:], axis=1),
        line_rent_cur=xp.sum(rent[:, :n_buses], axis=1),
        voltage_rent_cur=xp.sum(rent[:, n_buses:], axis=1),
        loss_surplus_cur=energy * (more_loss_kw - loss_kw) * step_h,
        loss_kwh=loss_kw * step_h,
        root_kwh=(xp.sum(p_kw, axis=1) + loss_kw) * step_h,
        by_highs=found.by_highs,
    )


def plain_prices(plain: Clearing, p_kw: Array, step_h: float) -> NodalPrices:
    """The parts of prices that no wire and no loss touched."""
    xp = namespace(p_kw)
    nothing, no_buses = xp.zeros_like(p_kw[:, 0]), xp.zeros_like(p_kw)
    return NodalPrices(
        energy_cur_per_kwh=xp.astype(plain.price_ucur_per_kwh[:, 0], xp.float64) / MICRO,
        loss_cur_per_kwh=no_buses,
        congestion_cur_per_kwh=no_buses + 0,
        voltage_cur_per_kwh=no_buses + 0,
        line_rent_cur=nothing,
        voltage_rent_cur=nothing + 0,
        loss_surplus_cur=nothing + 0,
        loss_kwh=nothing + 0,
        root_kwh=xp.sum(p_kw, axis=1) * step_h,
        by_highs=nothing > 0,
    )


def post(orders: Orders, setting: Setting, wires: Wires, book: NodalBook, found: Dispatch, status: Array) -> Clearing:
    """Turn a solution into integers: fills, what neighbours trade, and what each order pays at the price of its bus."""
    xp, energy = namespace(orders.energy_ukwh), orders.energy_ukwh
    n_orders, solution = energy.shape[1], found.solution
    is_served = wires.is_inelastic & (energy > 0)
    filled = ukwh_of_kw(solution.draw_kw[:, :n_orders], wires.step_h)
    filled = xp.where(is_served, energy, xp.clip(filled, xp.minimum(energy, 0), xp.maximum(energy, 0)))
    at_bus = _whole(solution.price(found.problem))
    price, root = at_bus[:, orders.bus], at_bus[:, -1]
    paid = pay_at_buses(filled, price, orders.agent, book.import_ucur_per_kwh, book.export_ucur_per_kwh)
    imported = -ukwh_of_kw(xp.sum(solution.draw_kw[:, n_orders:], axis=1), wires.step_h)
    over = xp.zeros_like(imported)
    if setting.import_cap_ukwh is not None:
        over = over + xp.maximum(imported - setting.import_cap_ukwh, 0)
    if setting.export_cap_ukwh is not None:
        over = over + xp.maximum(-imported - setting.export_cap_ukwh, 0)
    return Clearing(
        traded_ukwh=paid.traded_ukwh,
        outside_ukwh=paid.outside_ukwh,
        pay_ucur=paid.pay_ucur,
        price_ucur_per_kwh=price + book.wedge_ucur_per_kwh[:, None] // 2,
        low_ucur_per_kwh=root,
        high_ucur_per_kwh=root + book.wedge_ucur_per_kwh,
        rent_ucur_per_kwh=xp.zeros_like(root),
        over_cap_ukwh=over,
        surplus_ucur=xp.sum(paid.pay_ucur, axis=1),
        status=status,
    )


def _whole(price_ucur_per_kwh: Array) -> Array:
    """Give prices in whole micro-units, never above what a buyer bid or below what a seller asked."""
    xp = namespace(price_ucur_per_kwh)
    return xp.astype(xp.floor(price_ucur_per_kwh + HAIR_UCUR), xp.int64)


def check_on_ac(wires: Wires, p_kw: Array) -> AcCheck:
    """Solve the AC flow of all draws [n_envs, n_buses] and say what it overshoots."""
    xp, feeder = namespace(p_kw), wires.grid.feeder
    flow = wires.grid.ac.solve(p_kw, wires.q_kvar)
    outside = xp.maximum(flow.voltage_pu - feeder.v_max_pu, feeder.v_min_pu - flow.voltage_pu)
    return AcCheck(
        overload_frac=xp.maximum(xp.max(flow.branch_loading, axis=1) - 1, 0.0),
        outside_band_pu=xp.maximum(xp.max(outside, axis=1), 0.0),
        converged=flow.converged,
    )
