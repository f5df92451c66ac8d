"""What a nodal clearing decides, as a linear program; both solvers take it and give a solution."""

from __future__ import annotations

from dataclasses import dataclass

from gridbazaar.data.arrays import Array, namespace


@dataclass(frozen=True, slots=True)
class NodalProblem:
    """Choose draws ``x`` between 0 and ``quantity_kw`` that maximise ``sum(limit * x)``, for each row of a batch.

    Orders at buses and, at the root, the steps of the retailer. Energy balances at the root:
    ``sum(weight * x) == balance_kw`` with a weight of one at the root and one plus the loss slope elsewhere. Limits
    read ``low_kw <= slope @ (x summed by bus) <= high_kw``; a kW beyond one costs ``overload``, so that there is
    always a solution.
    """

    quantity_kw: Array  # [n, n_orders] > 0 buys, < 0 sells
    limit: Array  # [n, n_orders] float, price of any unit
    bus: Array  # [n_orders] int64; n_buses is the root
    weight: Array  # [n, n_buses + 1]
    balance_kw: Array  # [n]
    slope: Array  # [n, n_limits, n_buses + 1], nothing at the root
    low_kw: Array  # [n, n_limits]
    high_kw: Array  # [n, n_limits] >= low_kw
    overload: float  # price of a kWh beyond a limit, > 0


@dataclass(frozen=True, slots=True)
class NodalSolution:
    """Draws and the prices that support them: an order is filled where its limit is beyond the price at its bus."""

    draw_kw: Array  # [n, n_orders] signed like the quantity
    energy_price: Array  # [n] at the root
    shadow_price: Array  # [n, n_limits] of a kW more room: > 0 at the upper limit, < 0 at the lower one
    solved: Array  # [n] bool; where False the other numbers mean nothing

    def price(self, problem: NodalProblem) -> Array:
        """[n, n_buses + 1] at each bus, the root last."""
        xp = namespace(self.draw_kw)
        by_limit = xp.matmul(self.shadow_price[:, None, :], problem.slope)[:, 0]
        return self.energy_price[:, None] * problem.weight + by_limit
