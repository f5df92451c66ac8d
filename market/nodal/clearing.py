"""Nodal clearing: each environment's book cleared over its wires, with a price for each bus.

Welfare is maximised subject to the feeder, linearised around the AC flow of the last dispatch and corrected in a few
rounds. The price of a bus (a distribution locational marginal price) is what a kWh more would cost there. Where losses
have no price, rows that the wires do not touch keep the uniform price.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.trees import pick_rows, put_rows
from gridbazaar.market.auction.equilibrium import clear_at_uniform_price
from gridbazaar.market.nodal.accounts import (
    AcCheck,
    Dispatch,
    check_on_ac,
    plain_prices,
    post,
    price_parts,
)
from gridbazaar.market.nodal.book import NodalBook, draws_at_buses, write_book, write_problem
from gridbazaar.market.nodal.problem import NodalProblem, NodalSolution
from gridbazaar.market.nodal.reference import solve_by_highs
from gridbazaar.market.nodal.simplex import solve_by_simplex
from gridbazaar.market.nodal.ties import share_ties
from gridbazaar.market.orders import Clearing, NodalPrices, Orders, Setting, Wires


class NodalClearing(NamedTuple):
    """A clearing with its prices and its check."""

    clearing: Clearing
    prices: NodalPrices
    check: AcCheck


def clear_nodal(
    orders: Orders,
    setting: Setting,
    wires: Wires,
    *,
    k: float = 0.5,
    rounds: int = 3,
    overload_cur_per_kwh: float = 2.0,
    exact: bool = False,
) -> NodalClearing:
    """Clear each environment's book over its wires.

    Args:
        orders: the book; ``orders.bus`` counts the feeder's buses, without the root.
        setting: the retailer stands at the root and needs both prices; caps and scarcity hold for what passes the root.
        wires: the feeder and what flows in it beside the orders.
        k: of the uniform price, for the rows that keep it.
        rounds: of linearisation and clearing; the first around the dispatch without wires.
        overload_cur_per_kwh: what a kWh beyond a limit costs where orders cannot keep it (for voltages, at the bus that
            moves them most). Choose it well above the limits of orders; prices go no further for each limit passed.
        exact: solve every row with HiGHS.

    Every order is paid, or pays, the price of its bus: ``pay_ucur`` is that less what the retailer will bill for
    ``outside_ukwh`` at the tariff. So the surplus is all that the wires bring in, the rent of a full connection too,
    and ``rent_ucur_per_kwh`` is 0 in a row with prices per bus. Orders tied at the margin share pro rata as far as the
    wires allow. What rounding leaves is exchanged at the root.

    Raises:
        ValueError: names orders at no bus, a retailer without a price, an option out of its range.
    """
    _check(orders, wires, rounds, overload_cur_per_kwh)
    book = write_book(orders, setting, wires)
    plain = clear_at_uniform_price(_served_first(orders, setting, wires, book), setting, k=k)
    p_kw = draws_at_buses(orders, plain.traded_ukwh + plain.outside_ukwh, wires)
    xp = namespace(p_kw)
    prices = plain_prices(plain, p_kw, wires.step_h)
    rows = xp.zeros_like(p_kw[:, 0]) == 0 if wires.grid.losses else ~wires.grid.allows(p_kw, wires.q_kvar)
    if bool(xp.any(rows, axis=0)):
        some = pick_rows(orders, rows, "agent", "bus")
        retailer = pick_rows(replace(setting, wires=None), rows)
        here = pick_rows(wires, rows, "grid", "step_h", "is_inelastic")
        book = pick_rows(book, rows, "bus")
        found = _dispatch(book, here, p_kw[rows], rounds, overload_cur_per_kwh, exact)
        p_kw[rows] = found.p_kw
        plain = put_rows(plain, rows, post(some, retailer, here, book, found, plain.status[rows]))
        prices = put_rows(prices, rows, price_parts(found, here.step_h))
    return NodalClearing(plain, prices, check_on_ac(wires, p_kw))


def _dispatch(
    book: NodalBook, wires: Wires, p_kw: Array, rounds: int, overload_cur_per_kwh: float, exact: bool
) -> Dispatch:
    """Linearise and clear in turn, from given draws [n, n_buses], then share the ties.

    From the second dispatch on the operating point goes half the way only: a large order at the margin would otherwise
    jump to and fro with the losses that it causes itself.
    """
    found = _round(book, wires, p_kw, overload_cur_per_kwh, exact)
    for done in range(1, rounds):
        p_kw = found.p_kw if done == 1 else 0.5 * (p_kw + found.p_kw)
        by_highs = found.by_highs
        found = _round(book, wires, p_kw, overload_cur_per_kwh, exact)
        found = replace(found, by_highs=found.by_highs | by_highs)
    solution = share_ties(found.problem, found.solution)
    return replace(found, solution=solution, p_kw=book.at_buses(solution.draw_kw))


def _round(book: NodalBook, wires: Wires, p_kw: Array, overload_cur_per_kwh: float, exact: bool) -> Dispatch:
    """Clear once on the feeder as it is around given draws [n, n_buses]."""
    linear = wires.grid.around(p_kw, wires.q_kvar)
    problem = write_problem(book, linear, overload_cur_per_kwh)
    solution, by_highs = _solve(problem, exact)
    return Dispatch(
        problem=problem, linear=linear, solution=solution, p_kw=book.at_buses(solution.draw_kw), by_highs=by_highs
    )


def _solve(problem: NodalProblem, exact: bool) -> tuple[NodalSolution, Array]:
    """Solve a batch; also say which rows [n] HiGHS had to solve."""
    xp = namespace(problem.limit)
    if exact:
        solution = solve_by_highs(problem)
        return solution, solution.solved
    solution = solve_by_simplex(problem)
    failed = ~solution.solved
    if bool(xp.any(failed, axis=0)):
        solution = put_rows(solution, failed, solve_by_highs(pick_rows(problem, failed, "bus", "overload")))
    return solution, failed


def _served_first(orders: Orders, setting: Setting, wires: Wires, book: NodalBook) -> Orders:
    """Let inelastic buys bid as much as energy may cost at the root, for the clearing without wires."""
    xp, limit, most = namespace(orders.energy_ukwh), orders.limit_ucur_per_kwh, book.import_ucur_per_kwh
    if setting.import_scarcity_ucur_per_kwh is not None:
        most = most + setting.import_scarcity_ucur_per_kwh
    is_served = wires.is_inelastic & (orders.energy_ukwh > 0)
    return replace(orders, limit_ucur_per_kwh=xp.where(is_served, xp.maximum(limit, most[:, None]), limit))


def _check(orders: Orders, wires: Wires, rounds: int, overload_cur_per_kwh: float) -> None:
    """Refuse what would come out as a wrong price."""
    n_buses = wires.grid.feeder.n_buses
    stray = [int(i) for i, bus in enumerate(orders.bus.tolist()) if not 0 <= bus < n_buses]
    if stray:
        raise ValueError(f"clear_nodal: expected a bus from 0 to {n_buses - 1} for each order, came others in the "
                         f"columns {', '.join(map(str, stray))} of orders.bus")  # fmt: skip
    shape = (orders.energy_ukwh.shape[0], n_buses)
    for name in ("fixed_kw", "q_kvar"):
        if tuple(getattr(wires, name).shape) != shape:
            raise ValueError(f"clear_nodal: expected wires.{name} of shape {shape}, "
                             f"came {tuple(getattr(wires, name).shape)}")  # fmt: skip
    if rounds < 1 or not overload_cur_per_kwh > 0 or not wires.step_h > 0:
        raise ValueError(f"clear_nodal: expected rounds >= 1, overload_cur_per_kwh > 0 and step_h > 0, came {rounds}, "
                         f"{overload_cur_per_kwh} and {wires.step_h}")  # fmt: skip
