"""Fixed points of many rows at once, and how a batch is laid out for them.

Inside, buses come first and rows last, so that blocks of buses lie together in memory. NumPy works on a few rows at a
time, so that they stay in the cache, and goes on only with the rows that have not settled; on a device shapes stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from gridbazaar.data.arrays import Array, namespace

CHUNK_ROWS = 128  # rows that NumPy works on at a time
SETTLE_ROWS = 256  # the same where only some of the rows go on

State: TypeAlias = tuple[Array, ...]
"""Arrays whose last axis are the rows."""
Advance: TypeAlias = Callable[[State, State, int], tuple[State, Array]]
"""What stays fixed, a state and a number of iterations give the next state and the last one's change [n]."""


def settle(
    advance: Advance, given: State, start: State, *, first: int, most: int, tolerance: float
) -> tuple[State, Array, Array]:
    """Iterate each row until it is as near to its fixed point as asked.

    Args:
        advance: one or more iterations; rows must not depend on each other.
        given, start: arrays [..., n].
        first, most: iterations that every row does, and that no row passes.
        tolerance: of the distance that is left, estimated from the last two changes as of a geometric series.

    Returns:
        The states, the last change of each row [n], and which rows met the tolerance [n] bool.
    """
    state, change = advance(given, start, first)
    if namespace(change).name != "numpy":
        return _settle_masked(advance, given, state, change, range(first, most), tolerance)
    whole, residual, settled = state, change, change < tolerance
    rows = np.flatnonzero(~settled)
    given, state, change = _take(given, rows), _take(state, rows), change[rows]
    for _ in range(first, most):
        if not len(rows):
            break
        before = change
        state, change = advance(given, state, 1)
        is_near = _is_near(change, before, tolerance)
        if not is_near.any():
            continue
        _put(whole, rows, state)
        residual[rows], settled[rows] = change, is_near
        todo = np.flatnonzero(~is_near)
        rows, given, state, change = rows[todo], _take(given, todo), _take(state, todo), change[todo]
    _put(whole, rows, state)
    residual[rows] = change
    return whole, residual, settled


def _settle_masked(
    advance: Advance, given: State, state: State, change: Array, iterations: range, tolerance: float
) -> tuple[State, Array, Array]:
    """The same with fixed shapes: rows that have settled stay as they are."""
    xp, settled = namespace(change), change < tolerance
    for _ in iterations:
        if bool(xp.all(settled, axis=0)):
            break
        new, new_change = advance(given, state, 1)
        is_near = _is_near(new_change, change, tolerance)
        state = tuple(xp.where(settled, old, part) for old, part in zip(state, new, strict=True))
        change = xp.where(settled, change, new_change)
        settled = settled | is_near
    return state, change, settled


def _is_near(change: Array, before: Array, tolerance: float) -> Array:
    """Say where what is left of a geometric series is less than the tolerance, or the last change a tenth of it."""
    xp = namespace(change)
    left = change * xp.maximum(change / xp.maximum(before - change, 1e-30), 1.0)
    return (left < tolerance) | (change < 0.1 * tolerance)  # rounding keeps small changes from shrinking on


def _take(arrays: State, rows: Array) -> State:
    return tuple(x[..., rows] for x in arrays)


def _put(whole: State, rows: Array, part: State) -> None:
    for target, source in zip(whole, part, strict=True):
        target[..., rows] = source


def chunks(x: Array, size: int = CHUNK_ROWS) -> list[slice]:
    """Cut the rows of [n, ...] into what is worked on at a time; at least one, also of an empty batch."""
    n_rows = int(x.shape[0])
    step = size if namespace(x).name == "numpy" else max(n_rows, 1)
    return [slice(start, start + step) for start in range(0, max(n_rows, 1), step)]


def rows_last(rows: slice, *arrays: Array) -> list[Array]:
    """Give some rows of arrays [n, n_buses] as [n_buses, n], laid out anew."""
    return [turned(x[rows]) for x in arrays]


def turned(x: Array) -> Array:
    """Swap the two axes and lay the array out anew."""
    return np.ascontiguousarray(x.T) if namespace(x).name == "numpy" else x.T.contiguous()


def join(parts: Sequence[tuple[Array, ...]]) -> list[Array]:
    """Lay the fields of the chunks one after another and give them rows first."""
    if len(parts) == 1:
        fields = list(parts[0])
    else:
        xp = namespace(parts[0][0])
        fields = [xp.concat(of_chunks, axis=-1) for of_chunks in zip(*parts, strict=True)]
    return [turned(x) if x.ndim == 2 else x for x in fields]


def moved(value: Any, like: Array) -> Any:
    """Bring arrays, also those inside tuples, to the library and device of ``like``."""
    if isinstance(value, tuple):
        return tuple(moved(part, like) for part in value)
    return namespace(like).asarray(value, like) if isinstance(value, np.ndarray) else value
