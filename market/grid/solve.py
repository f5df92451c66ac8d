"""What every power flow does around its iteration: check the voltages of the root, settle all rows, keep its type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.market.grid.fixed_point import SETTLE_ROWS, Iteration, State, chunks, rows_last, settle

SOLVE_TOLERANCE_PU = 1e-7
MOST_ITERATIONS = 100  # of a flow of draws that stay as they are; only rows near collapse come close
_HEAD_PU = (0.7, 1.3)  # root voltages outside are taken for mistakes


class Flowing(Iteration, Protocol):
    """The iteration of a power flow."""

    def case(self, draws: list[Array], head: Array | None) -> State:
        """Give what stays as it is for a chunk of rows.

        Args:
            draws: [..., n] what ``solve_rows`` was given, buses first.
            head: [n] voltages of the root; None: the feeder's own.
        """
        ...


def solve_rows(
    flowing: Flowing, draws: Sequence[Array], head_voltage_pu: Array | None, *, first: int, most: int, tolerance: float
) -> list[Array]:
    """Settle every row of a power flow, or flag it; give its fields, rows first.

    Args:
        flowing: what to repeat.
        draws: [n, ...] each, as the grid prepared them.
        head_voltage_pu: [n], of the root in each row; None takes the feeder's own.
        first, most: iterations that every row does, and that no row passes.
        tolerance: what remains is estimated from the last two moves.
    """
    head = prepare_head(head_voltage_pu, draws[0])
    cases = (
        flowing.case(rows_last(rows, *draws), None if head is None else head[rows])
        for rows in chunks(draws[0], SETTLE_ROWS)
    )
    return settle(flowing, cases, first=first, most=most, tolerance=tolerance)


def tolerance_of(tolerance_pu: float, dtype: str) -> float:
    """Give the tolerance that numbers of this type can meet."""
    return max(tolerance_pu, 30 * float(np.finfo(dtype).eps))


def prepare_head(head_voltage_pu: Array | None, like: Array) -> Array | None:
    """Check root voltages [n] and bring them to the type and library of an array of n rows."""
    if head_voltage_pu is None:
        return None
    xp = namespace(like)
    head = xp.astype(xp.asarray(head_voltage_pu, like), like.dtype)
    if tuple(head.shape) != (like.shape[0],):
        raise ValueError(f"head_voltage_pu: expected an array [{like.shape[0]}], one a row, came {tuple(head.shape)}")
    low, high = _HEAD_PU
    is_likely = (head >= low) & (head <= high)
    if not bool(xp.all(is_likely, axis=0)):
        wrong = [row for row, good in enumerate(is_likely.tolist()) if not good]
        listed = ", ".join(map(str, wrong[:20])) + (", ..." if len(wrong) > 20 else "")
        raise ValueError(f"head_voltage_pu: expected {low} to {high} pu, came others in rows {listed}; give pu of the "
                         "root's rated voltage")  # fmt: skip
    return head
