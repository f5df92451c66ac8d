"""Which blocks to accept: the most welfare for which uniform prices exist that let no accepted block lose.

Blocks cannot be cut at will, so prices that suit everybody need not exist. The European rule: an order of one interval
gets what its limit asks for, an accepted block never loses, and a block may stay out although it would gain (it is
paradoxically rejected). M. Madani and M. Van Vyve, "Computationally efficient MIP formulation and algorithms for
European day-ahead electricity market auctions", European Journal of Operational Research 242 (2015), turn that into
one mixed-integer program: quantities, prices and everybody's gains together, with welfare equal to the sum of gains.
HiGHS solves it with tolerances, so each answer is checked in whole numbers, and one that fails is ruled out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gridbazaar.data.arrays import Array

_NEGLIGIBLE = 1e-7  # of a share
_SLACK_UCUR = 0.01  # per kWh, so that the solver's tolerance rules out no prices; less than rounding takes


@dataclass(frozen=True, slots=True)
class Levels:
    """Orders of one interval each, added up where interval, side and limit are the same; the retailer's have no end."""

    interval: Array  # [n_levels] int64
    sign: Array  # [n_levels] int64, 1 buys
    limit_ucur_per_kwh: Array  # [n_levels] int64
    energy_ukwh: Array  # [n_levels] int64 > 0
    is_endless: Array  # [n_levels] bool


@dataclass(frozen=True, slots=True)
class Blocks:
    """Block orders."""

    energy_ukwh: Array  # [n_blocks, n_intervals] int64, > 0 buys
    limit_ucur_per_kwh: Array  # [n_blocks] int64
    min_share: Array  # [n_blocks] in (0, 1]


class Accepted(NamedTuple):
    """What became of the blocks, and prices that bear it."""

    share: Array  # [n_blocks]
    energy_ukwh: Array  # [n_blocks, n_intervals] int64
    price_ucur_per_kwh: Array  # [n_intervals] int64
    low_ucur_per_kwh: Array  # [n_intervals] int64, prices that suit the orders of the interval, given the blocks
    high_ucur_per_kwh: Array  # [n_intervals] int64


class _Program(NamedTuple):
    """The orders, in units so large that no number passes one."""

    levels: Levels
    blocks: Blocks
    price_range: tuple[int, int]
    kwh: float  # micro-kWh that count as one
    cur: float  # micro-currency per kWh that count as one

    @property
    def n(self) -> tuple[int, int, int]:
        return len(self.levels.sign), *self.blocks.energy_ukwh.shape


def accept(levels: Levels, blocks: Blocks, price_range: tuple[int, int], k: float) -> Accepted:
    """Choose the blocks, and one price an interval.

    Args:
        levels, blocks: the orders.
        price_range: lowest and highest price that may come out, micro-currency per kWh.
        k: where in an interval of prices the price is put if no block minds.
    """
    sizes = [levels.energy_ukwh, np.abs(blocks.energy_ukwh).ravel(), [1]]
    worth = [levels.limit_ucur_per_kwh, blocks.limit_ucur_per_kwh, price_range, [1]]
    program = _Program(
        levels, blocks, price_range, float(np.concatenate(sizes).max()), float(np.abs(np.concatenate(worth)).max())
    )
    ruled_out: list[Array] = []
    while True:
        is_in = _decide(program, ruled_out)
        share = _shares(program, is_in)
        if share is not None:
            energy = np.rint(share[:, None] * blocks.energy_ukwh).astype(np.int64)
            low, high = _box(program, share, energy)
            price = _prices(program, is_in, share, low, high, k)
            if price is not None:
                return Accepted(
                    share=share,
                    energy_ukwh=energy,
                    price_ucur_per_kwh=price,
                    low_ucur_per_kwh=low,
                    high_ucur_per_kwh=high,
                )
        ruled_out.append(is_in)


class _Columns(NamedTuple):
    """Where the variables of the program stand."""

    fill: Array  # [n_levels]
    gain: Array  # [n_levels] per kWh
    share: Array  # [n_blocks]
    is_in: Array  # [n_blocks] 0 or 1
    block_gain: Array  # [n_blocks]
    price: Array  # [n_intervals]


class _Row(NamedTuple):
    """One constraint: columns, their coefficients, and the range of the sum."""

    column: Any
    value: Any
    low: float
    high: float


def _decide(program: _Program, ruled_out: list[Array]) -> Array:
    """[n_blocks] bool, which blocks are in: the mixed-integer program."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    n_levels, n_blocks, n_intervals = program.n
    if n_blocks == 0:
        return np.zeros(0, dtype=bool)
    sizes = (n_levels, n_levels, n_blocks, n_blocks, n_blocks, n_intervals)
    columns = _Columns(*np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1]))
    rows = _rows(program, columns, ruled_out)
    at = np.concatenate([np.full(len(row.column), i) for i, row in enumerate(rows)])
    table = (np.concatenate([row.value for row in rows]), (at, np.concatenate([row.column for row in rows])))
    lower, upper = _bounds(program, columns)
    low, high = _ranges(rows)
    found = milp(
        _costs(program, columns),
        integrality=np.isin(np.arange(sum(sizes)), columns.is_in),
        bounds=Bounds(lower, upper),
        constraints=LinearConstraint(coo_array(table, shape=(len(rows), sum(sizes))).tocsc(), low, high),
        options={"mip_rel_gap": 0},
    )
    assert found.x is not None, found.message  # without any block there are always prices
    chosen: Array = found.x[columns.is_in] > 0.5
    return chosen


def _rows(program: _Program, columns: _Columns, ruled_out: list[Array]) -> list[_Row]:
    """Write the constraints, with ``most`` as large as the gain of a block that is out can be."""
    levels, blocks = program.levels, program.blocks
    size, worth = levels.energy_ukwh / program.kwh, levels.sign * levels.limit_ucur_per_kwh / program.cur
    legs, ask = blocks.energy_ukwh / program.kwh, blocks.limit_ucur_per_kwh / program.cur
    lowest, highest = (price / program.cur for price in program.price_range)
    block_worth = ask * legs.sum(axis=1)
    most = np.maximum(legs * (ask[:, None] - lowest), legs * (ask[:, None] - highest)).sum(axis=1)
    most = np.maximum(most, 0)
    fill, gain, share, is_in, block_gain, price = columns

    rows = []
    for t in range(len(price)):  # energy balances
        here = levels.interval == t
        rows.append(_Row(np.r_[fill[here], share], np.r_[levels.sign[here], legs[:, t]], 0, 0))
    for i, t in enumerate(levels.interval):  # an order of one interval gains what price and limit leave it
        rows.append(_Row([gain[i], price[t]], [1, levels.sign[i]], worth[i], np.inf))
    for c, least in enumerate(blocks.min_share):  # shares, and gains of the blocks that are in
        rows.append(_Row([share[c], is_in[c]], [1, -1], -np.inf, 0))
        rows.append(_Row([share[c], is_in[c]], [1, -least], 0, np.inf))
        rows.append(
            _Row(np.r_[block_gain[c], price, is_in[c]], np.r_[1, legs[c], -most[c]], block_worth[c] - most[c], np.inf)
        )
    counted = np.where(levels.is_endless, 0, size)  # welfare is at least the sum of gains, so equal to it
    values = np.r_[worth, block_worth, -counted, -np.ones(len(most))]
    rows.append(_Row(np.r_[fill, share, gain, block_gain], values, 0, np.inf))
    return rows + [_Row(is_in, np.where(out, 1, -1), -np.inf, out.sum() - 1) for out in ruled_out]


def _ranges(rows: list[_Row]) -> tuple[Array, Array]:
    return np.array([row.low for row in rows]), np.array([row.high for row in rows])


def _bounds(program: _Program, columns: _Columns) -> tuple[Array, Array]:
    """Give the range of every variable; the retailer, whose energy has no end, gains nothing."""
    is_endless, size = program.levels.is_endless, program.levels.energy_ukwh / program.kwh
    n = columns.price[-1] + 1
    lower, upper = np.zeros(n), np.full(n, np.inf)
    upper[columns.fill], upper[columns.gain] = np.where(is_endless, np.inf, size), np.where(is_endless, 0, np.inf)
    upper[columns.share] = upper[columns.is_in] = 1
    lower[columns.price], upper[columns.price] = (price / program.cur for price in program.price_range)
    return lower, upper


def _costs(program: _Program, columns: _Columns) -> Array:
    """Welfare to be made small, in small money: HiGHS ends its search within a gap of 1e-6."""
    levels, blocks = program.levels, program.blocks
    cost = np.zeros(columns.price[-1] + 1)
    cost[columns.fill] = -levels.sign * levels.limit_ucur_per_kwh / program.cur
    cost[columns.share] = -blocks.limit_ucur_per_kwh / program.cur * blocks.energy_ukwh.sum(axis=1) / program.kwh
    return 1000 * cost


def _shares(program: _Program, is_in: Array) -> Array | None:
    """[n_blocks] the best shares of the blocks that are in, each at least its minimum; ``None`` if there are none."""
    from scipy.optimize import linprog

    levels, blocks = program.levels, program.blocks
    is_free = is_in & (blocks.min_share < 1)
    if not is_free.any():
        return is_in.astype(float)
    n_levels, _, n_intervals = program.n
    legs = blocks.energy_ukwh / program.kwh
    worth = np.r_[
        levels.sign * levels.limit_ucur_per_kwh / program.cur,
        blocks.limit_ucur_per_kwh / program.cur * legs.sum(axis=1),
    ]
    size = np.where(levels.is_endless, np.inf, levels.energy_ukwh / program.kwh)
    at = levels.interval[None] == np.arange(n_intervals)[:, None]
    found = linprog(
        -worth,
        A_eq=np.hstack([at * levels.sign, legs.T]),
        b_eq=np.zeros(n_intervals),
        bounds=np.column_stack([np.r_[np.zeros(n_levels), is_in * blocks.min_share], np.r_[size, is_in * 1.0]]),
        method="highs",
    )
    if found.status != 0:
        return None
    share = found.x[n_levels:]
    kept: Array = np.where(share > 1 - _NEGLIGIBLE, 1.0, np.where(is_in, np.maximum(share, blocks.min_share), 0.0))
    return kept


def _box(program: _Program, share: Array, energy_ukwh: Array) -> tuple[Array, Array]:
    """[n_intervals] the prices that suit the orders of each interval, given what the blocks take there.

    All units of an interval stand in one list by price; as many lie below the cut as are demanded. Where blocks are
    accepted in part, rounding moves the cut by as many micro-kWh.
    """
    levels = program.levels
    n_intervals = program.n[2]
    box = np.empty((2, n_intervals), dtype=np.int64)
    for t in range(n_intervals):
        here = levels.interval == t
        blur = int(((share % 1 > 0) & (energy_ukwh[:, t] != 0)).sum())
        net = int(energy_ukwh[:, t].sum())
        box[:, t] = _cut(levels, here, net, blur, program.price_range)
    return box[0], box[1]


def _cut(levels: Levels, here: Array, net_ukwh: int, blur_ukwh: int, price_range: tuple[int, int]) -> tuple[int, int]:
    lowest, highest = price_range
    endless = 2 * (abs(net_ukwh) + int(levels.energy_ukwh[here & ~levels.is_endless].sum())) + 1
    energy = np.where(levels.is_endless, endless, levels.energy_ukwh)[here].tolist()
    sign, limit = levels.sign[here].tolist(), levels.limit_ucur_per_kwh[here].tolist()
    target = net_ukwh + sum(e for e, s in zip(energy, sign, strict=True) if s > 0)
    if not -blur_ukwh <= target <= sum(energy) + blur_ukwh:
        return highest + 1, lowest  # the blocks take more than there is
    low, high, running = lowest, highest, 0
    for price, size in sorted(zip(limit, energy, strict=True)):
        if running < target - blur_ukwh:
            low = max(low, price)
        running += size
        if running > target + blur_ukwh:
            high = min(high, price)
            break
    return low, high


def _prices(program: _Program, is_in: Array, share: Array, low: Array, high: Array, k: float) -> Array | None:
    """[n_intervals] int64: the prices nearest to ``low + k (high - low)`` under which no accepted block loses.

    A block that is accepted in part neither gains nor loses. ``None`` where no prices do that.
    """
    from scipy.optimize import linprog

    blocks = program.blocks
    if (low > high).any():
        return None
    wish = low + (high - low) * k
    legs, ask = blocks.energy_ukwh / program.kwh, blocks.limit_ucur_per_kwh
    worth = ask * legs.sum(axis=1)
    slack = _SLACK_UCUR * np.abs(legs).sum(axis=1)
    simple = np.floor(wish).astype(np.int64)
    if (share == is_in).all() and (legs[is_in] @ simple <= worth[is_in]).all():
        return simple
    n = len(low)
    eye, whole, part = np.eye(n), is_in & (share == 1), is_in & (share < 1)
    none = np.zeros((len(legs), n))
    found = linprog(
        np.r_[np.zeros(n), np.ones(n)],
        A_ub=np.vstack(
            [np.hstack([eye, -eye]), np.hstack([-eye, -eye]), np.hstack([legs, none])[whole | part],
             np.hstack([-legs, none])[part]]
        ),
        b_ub=np.r_[wish, -wish, (slack + worth)[whole | part], (slack - worth)[part]],
        bounds=np.column_stack([np.r_[low, np.zeros(n)], np.r_[high, np.full(n, np.inf)]]),
        method="highs",
    )  # fmt: skip
    if found.status != 0:
        return None
    price: Array = np.clip(np.rint(found.x[:n]), low, high).astype(np.int64)
    return price
