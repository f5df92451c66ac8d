"""Ties: orders of one side with one limit, at the margin of one price, share what is left for them."""

from __future__ import annotations

from dataclasses import replace

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.trees import pick_rows
from gridbazaar.market.nodal.problem import NodalProblem, NodalSolution

TOLERANCE = 1e-10  # of the largest price
ALIKE = 1e-12  # squared difference of slopes that is rounding; of the energy at stake


def share_ties(problem: NodalProblem, solution: NodalSolution) -> NodalSolution:
    """Fill tied orders pro rata to their quantity: at one bus always, at several where no wire tells them apart.

    Where an even share among buses would pass a limit that the dispatch keeps, the row goes from the dispatch towards
    it as far as the limits allow. Prices stay as they are; the welfare too.
    """
    xp, quantity = namespace(problem.limit), problem.quantity_kw
    root = problem.weight.shape[1] - 1
    price = solution.price(problem)
    near = TOLERANCE * (xp.max(xp.abs(price), axis=1, keepdims=True) + problem.overload)
    tied = (xp.abs(problem.limit - price[:, problem.bus]) <= near) & (quantity != 0) & (problem.bus < root)
    rows = xp.sum(xp.astype(tied, xp.int64), axis=1) > 1
    if not bool(xp.any(rows, axis=0)):
        return solution
    some, tied, shadow = pick_rows(problem, rows, "bus", "overload"), tied[rows], solution.shadow_price[rows]
    same = (xp.abs(some.limit[:, :, None] - some.limit[:, None, :]) <= near[rows][:, :, None]) & tied[:, None, :]
    same = same & ((some.quantity_kw > 0)[:, :, None] == (some.quantity_kw > 0)[:, None, :]) & tied[:, :, None]
    alike = _alike(some, shadow)[:, problem.bus][:, :, problem.bus]
    draw_kw = solution.draw_kw + 0
    draw_kw[rows] += _towards_even(some, draw_kw[rows], tied, same & alike)
    draw_kw[rows] += _to_even(some, draw_kw[rows], tied, same & (problem.bus[:, None] == problem.bus[None, :]))
    return replace(solution, draw_kw=draw_kw)


def _alike(problem: NodalProblem, shadow_price: Array) -> Array:
    """[n, n_buses + 1, n_buses + 1] whether a kW moved between two buses leaves the balance and all tight limits."""
    xp = namespace(problem.limit)
    counts = xp.concat((problem.weight[:, None, :], problem.slope * (shadow_price != 0)[:, :, None]), axis=1)
    product = xp.matmul(counts.swapaxes(1, 2), counts)
    index = xp.arange(product.shape[1], like=problem.bus)
    square = product[:, index, index]
    return square[:, :, None] + square[:, None, :] - 2 * product <= ALIKE


def _to_even(problem: NodalProblem, draw: Array, tied: Array, same: Array) -> Array:
    """[n, n_orders] kW by which draws change when each group, of [n, n_orders, n_orders], shares evenly."""
    xp, quantity = namespace(draw), problem.quantity_kw
    group = xp.astype(same, xp.float64)
    filled = xp.matmul(group, draw[:, :, None])[:, :, 0]
    offered = xp.matmul(group, quantity[:, :, None])[:, :, 0]
    return xp.where(tied, quantity * filled / xp.where(tied, offered, 1.0) - draw, 0.0)


def _towards_even(problem: NodalProblem, draw: Array, tied: Array, same: Array) -> Array:
    """The same, as far as the limits with room allow."""
    xp = namespace(draw)
    change = _to_even(problem, draw, tied, same)
    columns = xp.arange(problem.weight.shape[1], like=problem.bus)
    by_bus = xp.astype(problem.bus[:, None] == columns[None, :], xp.float64)
    activity = xp.matmul(problem.slope, (draw @ by_bus)[:, :, None])[:, :, 0]
    rate = xp.matmul(problem.slope, (change @ by_bus)[:, :, None])[:, :, 0]
    room = xp.where(rate > 0, problem.high_kw - activity, activity - problem.low_kw)
    counts = xp.abs(rate) > ALIKE * xp.sum(xp.abs(problem.quantity_kw) * tied, axis=1, keepdims=True)
    share = xp.where(counts, xp.maximum(room, 0.0) / xp.where(counts, xp.abs(rate), 1.0), 1.0)
    return change * xp.minimum(xp.min(share, axis=1), 1.0)[:, None]
