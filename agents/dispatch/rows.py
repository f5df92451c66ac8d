"""Rows and columns of a linear program, with whole numbers where two things exclude each other (HiGHS)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.policy import NoBoundError
from gridbazaar.data.arrays import Array

SOLVE_S = 60.0
"""Time for the whole numbers of an environment; after it the dual bound stands, which is lower."""
GAP = 1e-3
"""Of the cost, by which the dual bound may stay below the schedule's: the last thousandth takes fifty times as long."""


class Rows:
    """One program, linear but for switches, collected as sparse triplets.

    Args:
        is_exact: False leaves the switches out: what excludes each other may then be planned at once.
    """

    def __init__(self, *, is_exact: bool = True) -> None:
        self.is_exact = is_exact
        self.is_whole: list[NDArray[np.bool_]] = []
        self.cost: list[NDArray[np.float64]] = []
        self.low: list[NDArray[np.float64]] = []
        self.high: list[NDArray[np.float64]] = []
        self.n = 0
        self._eq: list[tuple[Any, Any, Any]] = []
        self._eq_rhs: list[NDArray[np.float64]] = []
        self.n_eq = 0

    def columns(self, cost: Array, low: Array, high: Array, *, is_whole: bool = False) -> NDArray[np.int64]:
        """Add variables of one shape; give their indices."""
        cost, low, high = np.broadcast_arrays(cost, low, high)
        self.cost.append(cost.ravel().astype(float))
        self.low.append(low.ravel().astype(float))
        self.high.append(high.ravel().astype(float))
        self.is_whole.append(np.full(cost.size, is_whole))
        index = self.n + np.arange(cost.size).reshape(cost.shape)
        self.n += cost.size
        return index

    def either(self, one: Array, most_one: Array, other: Array, most_other: Array) -> None:
        """Let one of two variables be zero, by a switch for each pair, if there are switches; arrays [n]."""
        if len(one) and self.is_exact:
            switch = self.columns(np.zeros(len(one)), 0.0, 1.0, is_whole=True)
            spare, rest = (self.columns(np.zeros(len(one)), 0.0, np.inf) for _ in range(2))
            self.equal([(one, 1.0), (spare, 1.0), (switch, -most_one)], np.zeros(len(one)))
            self.equal([(other, 1.0), (rest, 1.0), (switch, most_other)], most_other)

    def equal(self, terms: list[tuple[Array, Array]], rhs: Array) -> None:
        """Add rows ``sum(coefficient * variable) == rhs``; terms broadcast to the rows' shape, or to one more axis."""
        rhs = np.asarray(rhs, float)
        rows = self.n_eq + np.arange(rhs.size).reshape(rhs.shape)
        for index, coefficient in terms:
            row = rows if index.ndim == rhs.ndim else rows[None]
            row, index, coefficient = np.broadcast_arrays(row, index, coefficient)
            self._eq.append((row.ravel(), index.ravel(), coefficient.ravel()))
        self._eq_rhs.append(rhs.ravel())
        self.n_eq += rhs.size

    def solve(self) -> tuple[NDArray[np.float64], float]:
        """Give a schedule and a cost that none undercuts.

        Raises:
            NoBoundError: there was no time to find either.
        """
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        row, column, value = (np.concatenate([t[i] for t in self._eq]) for i in range(3))
        matrix, rhs = csr_array((value, (row, column)), shape=(self.n_eq, self.n)), np.concatenate(self._eq_rhs)
        is_whole = np.concatenate(self.is_whole)
        low: Any = np.concatenate(self.low)  # SciPy takes arrays here, whatever its signature says
        high: Any = np.concatenate(self.high)
        sides: Any = rhs
        limits: dict[str, Any] = {"time_limit": SOLVE_S, "mip_rel_gap": GAP} if is_whole.any() else {}

        def run(**options: Any) -> Any:
            return milp(
                np.concatenate(self.cost), integrality=is_whole, bounds=Bounds(low, high),
                constraints=LinearConstraint(matrix, sides, sides), options=limits | options,
            )  # fmt: skip

        found = run()
        if found.status not in (0, _TIME_IS_UP):  # what presolving leaves can be too far from it in scale
            found = run(presolve=False)
        if found.status == _TIME_IS_UP and (found.x is None or found.mip_dual_bound is None):
            raise NoBoundError(f"the optimum's program was not solved within {SOLVE_S:g} s")
        if found.status not in (0, _TIME_IS_UP):
            raise RuntimeError(f"the optimum was not found: {found.message}")
        return found.x, float(found.mip_dual_bound if is_whole.any() else found.fun)


_TIME_IS_UP = 1
"""Status of SciPy's ``milp`` at the limit of time or iterations."""
