"""Fixed points of many rows at once, and how a batch is laid out for them.

Inside, buses come first and rows last, so that blocks of buses lie together in memory. NumPy works on a few rows at a
time, so that they stay in the cache, and goes on only with the rows that have not settled; on a device shapes stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

from gridbazaar.data.arrays import Array, namespace

CHUNK_ROWS = 128  # rows that NumPy works on at a time
SETTLE_ROWS = 256  # the same where only some of the rows go on

State: TypeAlias = tuple[Array, ...]
"""Arrays whose last axis are the rows."""


class Iteration(Protocol):
    """A fixed point of many rows that do not depend on each other; ``given`` stays as it is."""

    def begin(self, given: State) -> State:
        """Give the state to start from."""
        ...

    def advance(self, given: State, state: State, n_iterations: int) -> tuple[State, Array]:
        """Give the state some iterations later, and how far the last one moved each row, [n]."""
        ...

    def finish(self, given: State, state: State, change: Array, settled: Array) -> tuple[Array, ...]:
        """Give the results, [..., n], with the last change of each row and which rows have settled."""
        ...


def settle(iteration: Iteration, cases: Iterable[State], *, first: int, most: int, tolerance: float) -> list[Array]:
    """Iterate each row until it is as near to its fixed point as asked.

    Args:
        iteration: what to repeat.
        cases: what is given for each chunk of rows, in their order.
        first, most: iterations that every row does, and that no row passes.
        tolerance: of the distance that is left, estimated from the last two changes as of a geometric series.

    Returns:
        The results of all rows, rows first.
    """
    parts, left, n_rows = [], [], 0
    for given in cases:
        state, change = iteration.advance(given, iteration.begin(given), first)
        settled = change < tolerance
        if namespace(change).name != "numpy":
            state, change, settled = _settle_masked(iteration, given, state, change, range(first, most), tolerance)
        else:
            rows = np.flatnonzero(~settled)
            left.append((n_rows + rows, change[rows], _take(given, rows), _take(state, rows)))
            n_rows += len(change)
        parts.append(iteration.finish(given, state, change, settled))
    results = join(parts)
    if any(len(part[0]) for part in left):
        _settle_rest(iteration, left, results, range(first, most), tolerance)
    return results


_Left: TypeAlias = tuple[Array, Array, State, State]
"""Rows that have not settled: their numbers, last change, what is given, and state."""


def _settle_rest(
    iteration: Iteration, left: list[_Left], results: list[Array], iterations: range, tolerance: float
) -> None:
    """Go on with what is left of all chunks together, and put it into the results."""
    numbers, changes, of_given, of_state = zip(*left, strict=True)
    number, change = np.concatenate(numbers), np.concatenate(changes)
    given, state = _side_by_side(of_given), _side_by_side(of_state)
    for some in chunks(number, SETTLE_ROWS):
        part_given, part_state, part_change = _take(given, some), _take(state, some), change[some]
        settled = np.zeros(len(part_change), bool)
        now, rows, of_rows = part_state, np.arange(len(settled)), part_given
        for _ in iterations:
            before = part_change[rows]
            now, part_change[rows] = iteration.advance(of_rows, now, 1)
            near = _is_near(part_change[rows], before, tolerance)
            if not near.any():
                continue
            settled[rows[near]] = True
            _put(part_state, rows, now)
            todo = np.flatnonzero(~near)
            rows, of_rows, now = rows[todo], _take(of_rows, todo), _take(now, todo)
            if not len(rows):
                break
        _put(part_state, rows, now)
        for whole, part in zip(results, iteration.finish(part_given, part_state, part_change, settled), strict=True):
            whole[number[some]] = part.T


def _settle_masked(
    iteration: Iteration, given: State, state: State, change: Array, iterations: range, tolerance: float
) -> tuple[State, Array, Array]:
    """The same with fixed shapes: rows that have settled stay as they are."""
    xp, settled = namespace(change), change < tolerance
    for _ in iterations:
        if bool(xp.all(settled, axis=0)):
            break
        new, new_change = iteration.advance(given, state, 1)
        near = _is_near(new_change, change, tolerance)
        state = tuple(xp.where(settled, old, part) for old, part in zip(state, new, strict=True))
        change = xp.where(settled, change, new_change)
        settled = settled | near
    return state, change, settled


def _is_near(change: Array, before: Array, tolerance: float) -> Array:
    """Say where what is left of a geometric series is less than the tolerance, or the last change a tenth of it."""
    xp = namespace(change)
    left = change * xp.maximum(change / xp.maximum(before - change, 1e-30), 1.0)
    return (left < tolerance) | (change < 0.1 * tolerance)  # rounding keeps small changes from shrinking on


def _side_by_side(parts: tuple[State, ...]) -> State:
    return tuple(np.concatenate(arrays, axis=-1) for arrays in zip(*parts, strict=True))


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
    return [_joined(of_chunks) for of_chunks in zip(*parts, strict=True)]


def _joined(of_chunks: tuple[Array, ...]) -> Array:
    first = of_chunks[0]
    if len(of_chunks) == 1:
        return turned(first) if first.ndim == 2 else first
    n_rows = sum(part.shape[-1] for part in of_chunks)
    whole, end = np.empty((n_rows, *first.shape[:-1]), first.dtype), 0
    for part in of_chunks:
        start, end = end, end + part.shape[-1]
        whole[start:end] = part.T
    return whole


def moved(value: Any, like: Array) -> Any:
    """Bring arrays, also those inside tuples, to the library and device of ``like``."""
    if isinstance(value, tuple):
        return tuple(moved(part, like) for part in value)
    return namespace(like).asarray(value, like) if isinstance(value, np.ndarray) else value
