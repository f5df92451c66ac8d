"""The reference: HiGHS, one linear program a row. Host only; for evaluation, tests and rows that went wrong."""

from __future__ import annotations

import numpy as np

from gridbazaar.data.arrays import Array, host, namespace
from gridbazaar.market.nodal.problem import NodalProblem, NodalSolution


def solve_by_highs(problem: NodalProblem) -> NodalSolution:
    """Solve every row with HiGHS's simplex; prices are its row duals.

    Raises:
        RuntimeError: names the rows that HiGHS gave up, with its message.
    """
    xp = namespace(problem.quantity_kw)
    quantity, limit, weight, balance, slope, low, high = (
        host(x)
        for x in (
            problem.quantity_kw,
            problem.limit,
            problem.weight,
            problem.balance_kw,
            problem.slope,
            problem.low_kw,
            problem.high_kw,
        )
    )
    bus = host(problem.bus)
    draw, energy, shadow, faults = np.zeros_like(quantity), np.zeros(len(quantity)), np.zeros_like(low), []
    for row in range(len(quantity)):
        solved = _solve_row(
            quantity[row],
            limit[row],
            weight[row][bus],
            balance[row],
            slope[row][:, bus],
            low[row],
            high[row],
            problem.overload,
        )
        if isinstance(solved, str):
            faults.append(f"row {row}: {solved}")
        else:
            draw[row], energy[row], shadow[row] = solved
    if faults:
        raise RuntimeError(
            "nodal clearing: expected a solution from HiGHS for every row, came\n  " + "\n  ".join(faults)
        )
    is_solved = np.ones(len(quantity), dtype=bool)
    return NodalSolution(*(xp.asarray(x, problem.quantity_kw) for x in (draw, energy, shadow, is_solved)))


def _solve_row(
    quantity: Array, limit: Array, weight: Array, balance: float, slope: Array, low: Array, high: Array, overload: float
) -> tuple[Array, float, Array] | str:
    """Give draws, energy price and shadow prices of one row, or HiGHS's message."""
    from scipy.optimize import linprog

    n_limits, unit = len(low), max(float(np.abs(limit).max(initial=0.0)), overload)
    beyond, nothing = -np.eye(n_limits), np.zeros((n_limits, n_limits))
    result = linprog(
        np.concatenate([-limit, np.full(2 * n_limits, overload)]) / unit,
        A_ub=np.block([[slope, beyond, nothing], [-slope, nothing, beyond]]),
        b_ub=np.concatenate([high, -low]),
        A_eq=np.concatenate([weight, np.zeros(2 * n_limits)])[None],
        b_eq=[balance],
        bounds=np.concatenate(
            [
                np.stack([np.minimum(quantity, 0), np.maximum(quantity, 0)], axis=1),
                np.tile([0, np.inf], (2 * n_limits, 1)),
            ]
        ),
        method="highs-ds",
    )
    if result.status != 0:
        return str(result.message)
    at_high, at_low = result.ineqlin.marginals[:n_limits], result.ineqlin.marginals[n_limits:]
    return result.x[: len(quantity)], -unit * float(result.eqlin.marginals[0]), unit * (at_low - at_high)
