"""A dual simplex for a whole batch: exact, and quick because few wires bind.

A nodal problem is small where it matters. Its variables are the draws of the buses (and of the root) and the activities
of the balance and the limits; each stands on a staircase of value against price, and as many equations as there are
activities tie them. The dual simplex with long steps (Fourer 1985, "A simplex algorithm for piecewise-linear
programming I", on the dual) takes the limit that is passed most, moves its price, and runs through as many orders as it
takes to keep it. The first step is the balance: it finds the one price of a book without wires. All rows of a batch
step together, each at its own limit, and leave when none is passed.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.trees import pick_rows
from gridbazaar.market.nodal.problem import NodalProblem, NodalSolution

TOLERANCE = 1e-10  # by which a limit may be passed, of the largest energy in the row
LEAST_PIVOT = 1e-9  # smaller entries of the tableau are noise
ENDLESS = 1e30
_SHARED = ("most_mark", "variable", "by_bus")  # fields of the stairs without a row each


@dataclass(frozen=True, slots=True)
class _Stairs:
    """The staircases of a batch.

    Variables are numbered: buses and the root, the balance, the limits; the last two are *activities*. A variable's
    *mark* rises with its value: the shadow price of an activity, minus the price at a bus. Treads are the orders, then
    an activity's room between its limits. Beyond a limit the mark is the overload price, without end.
    """

    mark: Array  # [n, n_treads]
    length_kw: Array  # [n, n_treads] >= 0
    floor_kw: Array  # [n, n_variables] value with all treads empty: all sales, the balance, the lower limits
    most_mark: Array  # [n_activities] the overload price; endless for the balance
    tolerance_kw: Array  # [n]
    variable: Array  # [n_treads]
    by_bus: Array  # [n_orders, n_columns] 1 where the order stands at the bus


@dataclass(frozen=True, slots=True)
class _State:
    """Where a batch stands; a step changes these arrays in place.

    A basic variable stands on a tread: its mark is fixed, its value follows from the others, which stand on risers.
    """

    tableau: Array  # [n, n_activities, n_columns] basic values = tableau @ other values
    basic: Array  # [n, n_activities] variable of each row
    other: Array  # [n, n_columns] variable of each column
    mark: Array  # [n, n_variables]
    is_full: Array  # [n, n_treads] bool, below the variable's value; never where a basic bus stands
    tread: Array  # [n, n_columns] order on which a basic bus stands; beyond the treads where it never was basic
    beyond: Array  # [n, n_activities] -1 or 1 where a basic activity stands below or above its limits, else 0


def solve_by_simplex(problem: NodalProblem, *, max_steps: int = 200) -> NodalSolution:
    """Solve every row exactly, but for rounding; a row that needs more than ``max_steps`` is flagged.

    Where several dispatches are optimal one of them is given, and where several prices are (a quantity fits a limit
    exactly) one of those.
    """
    xp = namespace(problem.quantity_kw)
    n_columns = problem.weight.shape[1]
    stairs, state = _stairs(problem), _start(problem)
    rows = xp.arange(problem.limit.shape[0], like=problem.bus)
    draw_kw, mark = xp.minimum(problem.quantity_kw, 0.0), xp.zeros_like(state.mark)
    solved = rows < 0
    for _ in range(max_steps + 1):
        value, excess, worst = _excess(stairs, state)
        done = excess == 0
        if bool(xp.any(done, axis=0)):
            ended, left = rows[done], ~done
            draw_kw[ended] += _filled(pick_rows(stairs, done, *_SHARED), pick_rows(state, done), value[done])
            mark[ended] = state.mark[done]
            solved[ended] = True
            rows, excess, worst = rows[left], excess[left], worst[left]
            stairs, state = pick_rows(stairs, left, *_SHARED), pick_rows(state, left)
        if rows.shape[0] == 0:
            break
        _step(stairs, state, excess, worst)
    return NodalSolution(draw_kw, mark[:, n_columns], mark[:, n_columns + 1 :], solved)


def _stairs(problem: NodalProblem) -> _Stairs:
    xp, quantity, bus = namespace(problem.limit), problem.quantity_kw, problem.bus
    n_columns, n_limits = problem.weight.shape[1], problem.low_kw.shape[1]
    activities = xp.arange(n_limits + 1, like=bus)
    by_bus = xp.astype(bus[:, None] == xp.arange(n_columns, like=bus)[None, :], xp.float64)
    length, balance = xp.abs(quantity), problem.balance_kw[:, None]
    return _Stairs(
        mark=xp.concat((-problem.limit, xp.zeros_like(balance), xp.zeros_like(problem.low_kw)), axis=1),
        length_kw=xp.concat((length, xp.zeros_like(balance), problem.high_kw - problem.low_kw), axis=1),
        floor_kw=xp.concat((xp.minimum(quantity, 0.0) @ by_bus, balance, problem.low_kw), axis=1),
        most_mark=xp.where(activities == 0, ENDLESS, xp.zeros((n_limits + 1,), quantity) + problem.overload),
        tolerance_kw=TOLERANCE * (xp.sum(length * (problem.bus < n_columns - 1), axis=1) + xp.abs(balance[:, 0])),
        variable=xp.concat((bus, n_columns + activities), axis=0),
        by_bus=by_bus,
    )


def _start(problem: NodalProblem) -> _State:
    """All prices are zero: who buys at a positive limit draws, who sells at a negative one injects."""
    xp, limit = namespace(problem.limit), problem.limit
    n, n_columns = problem.weight.shape
    n_activities, n_orders = problem.low_kw.shape[1] + 1, limit.shape[1]
    activities = xp.zeros((n, n_activities), limit)
    variables = xp.arange(n_columns + n_activities, like=problem.bus) + xp.zeros((n, 1), problem.bus)
    return _State(
        tableau=xp.concat((problem.weight[:, None, :], problem.slope), axis=1),
        basic=variables[:, n_columns:] + 0,
        other=variables[:, :n_columns] + 0,
        mark=xp.zeros((n, n_columns + n_activities), limit),
        is_full=xp.concat((limit > 0, activities > 0), axis=1),
        tread=variables[:, :n_columns] + (n_orders + n_activities),
        beyond=activities,
    )


def _near_end(stairs: _Stairs, state: _State) -> Array:
    """[n, n_variables] values of all that is full: right on risers, the near end of the tread of a basic bus."""
    xp, n_orders = namespace(state.mark), stairs.by_bus.shape[0]
    full = stairs.length_kw * state.is_full
    return stairs.floor_kw + xp.concat((full[:, :n_orders] @ stairs.by_bus, full[:, n_orders:]), axis=1)


def _excess(stairs: _Stairs, state: _State) -> tuple[Array, Array, Array]:
    """Find what is passed most.

    Gives the values of the basic variables [n, n_activities], by how much the worst of them is above (> 0) or below
    (< 0) its tread [n], and its row in the tableau [n].
    """
    xp, (n_orders, n_columns) = namespace(state.mark), stairs.by_bus.shape
    near = _near_end(stairs, state)
    value = xp.matmul(state.tableau, xp.take_along_axis(near, state.other, 1)[:, :, None])[:, :, 0]
    tread = xp.minimum(state.tread, stairs.mark.shape[1] - 1)
    width = xp.take_along_axis(stairs.length_kw, tread, 1)
    lower = stairs.floor_kw[:, n_columns:]
    upper = lower + stairs.length_kw[:, n_orders:]
    above, below = state.beyond > 0, state.beyond < 0
    low = xp.where(above, upper, xp.where(below, -ENDLESS, lower))
    high = xp.where(below, lower, xp.where(above, ENDLESS, upper))
    low = xp.take_along_axis(xp.concat((near[:, :n_columns], low), axis=1), state.basic, 1)
    high = xp.take_along_axis(xp.concat((near[:, :n_columns] + width, high), axis=1), state.basic, 1)
    excess = xp.maximum(value - high, 0.0) - xp.maximum(low - value, 0.0)
    size = xp.abs(excess)
    size = size * (size > stairs.tolerance_kw[:, None])
    worst = (size + ENDLESS * (size > 0) * (state.basic == n_columns)).argmax(1)
    at = xp.arange(worst.shape[0], like=worst)
    return value, excess[at, worst] * (size[at, worst] > 0), worst


def _step(stairs: _Stairs, state: _State, excess: Array, worst: Array) -> None:
    """Move the price of each row's worst variable until its excess is gone, and exchange it for what stops it."""
    xp, (n_orders, n_columns) = namespace(excess), stairs.by_bus.shape
    n_treads, at = stairs.mark.shape[1], xp.arange(excess.shape[0], like=worst)
    leaving, up = state.basic[at, worst], excess > 0
    activity = xp.maximum(leaving - n_columns, 0)
    returns = (leaving >= n_columns) & (state.beyond[at, activity] != 0)  # from beyond a limit back to it
    tread = xp.where(leaving < n_columns, state.tread[at, xp.minimum(leaving, n_columns - 1)], n_orders + activity)
    state.is_full[at, tread] = up ^ returns
    state.beyond[at, activity] *= leaving < n_columns

    pivot_row = state.tableau[at, worst]
    sign = 2 * xp.astype(up, xp.float64) - 1
    rate = xp.zeros_like(state.mark)
    rate[at[:, None], state.other] = -sign[:, None] * pivot_row
    rate[at, leaving] = sign
    stop, distance, passed = _long_step(stairs, state, rate, xp.abs(excess))
    state.is_full[...] ^= passed
    state.mark[...] += rate * distance[:, None]

    is_beyond = stop >= n_treads
    activity = xp.maximum(stop - xp.where(is_beyond, n_treads, n_orders), 0)
    is_order = stop < n_orders
    tread = xp.minimum(stop, n_treads - 1)
    entering = xp.where(is_order, stairs.variable[tread], n_columns + activity)
    state.is_full[at, tread] &= is_beyond
    column = xp.minimum(entering, n_columns - 1)
    state.tread[at, column] = xp.where(is_order, stop, state.tread[at, column])
    side = 2 * xp.astype(rate[at, entering] > 0, xp.float64) - 1
    state.beyond[at, activity] = xp.where(is_beyond, side, state.beyond[at, activity])
    _exchange(state, at, worst, entering, pivot_row)


def _long_step(stairs: _Stairs, state: _State, rate: Array, excess: Array) -> tuple[Array, Array, Array]:
    """Run through treads until the excess is gone.

    Gives the tread (or, from ``n_treads`` on, the activity whose overload price) that stops it [n], how far the prices
    move [n], and the treads that become full or empty on the way [n, n_treads].
    """
    xp, (_, n_columns) = namespace(rate), stairs.by_bus.shape
    at = xp.arange(rate.shape[0], like=stairs.variable)
    of_tread, of_activity = rate[:, stairs.variable], rate[:, n_columns:]
    speed = xp.abs(xp.concat((of_tread, of_activity), axis=1))
    ahead = xp.concat(((of_tread < 0) == state.is_full, of_activity == of_activity), axis=1) & (speed > LEAST_PIVOT)
    most = xp.where(of_activity > 0, stairs.most_mark, -stairs.most_mark)
    gap = xp.concat((stairs.mark - state.mark[:, stairs.variable], most - state.mark[:, n_columns:]), axis=1)
    distance = xp.where(ahead, xp.abs(gap) / xp.where(ahead, speed, 1.0), ENDLESS)
    gain = speed * xp.concat((stairs.length_kw, xp.zeros_like(of_activity) + ENDLESS), axis=1)
    order = xp.argsort(distance, axis=1)
    is_passed = xp.cumsum(xp.take_along_axis(gain, order, 1), axis=1) < excess[:, None]
    stop = order[at, xp.sum(xp.astype(is_passed, xp.int64), axis=1)]
    passed = state.is_full & False
    everywhere = xp.concat((passed, of_activity != of_activity), axis=1)
    everywhere[at[:, None], order] = is_passed
    return stop, distance[at, stop], everywhere[:, : passed.shape[1]]


def _exchange(state: _State, at: Array, row: Array, entering: Array, pivot_row: Array) -> None:
    """Let the entering variable take the row; one that stops itself stays where it is."""
    xp, tableau = namespace(state.mark), state.tableau
    leaving = state.basic[at, row]
    moves = entering != leaving
    column = xp.astype(state.other == entering[:, None], xp.int64).argmax(1)
    pivot = xp.where(moves, pivot_row[at, column], 1.0)
    new_row = -pivot_row / pivot[:, None]
    new_row[at, column] = 1 / pivot
    factor = tableau[at, :, column] * moves[:, None]
    factor[at, row] = 0.0
    tableau[at, :, column] = tableau[at, :, column] - factor
    tableau[...] += factor[:, :, None] * new_row[:, None, :]
    tableau[at, row] = xp.where(moves[:, None], new_row, pivot_row)
    state.basic[at, row] = entering
    state.other[at, column] = xp.where(moves, leaving, state.other[at, column])


def _filled(stairs: _Stairs, state: _State, value: Array) -> Array:
    """[n, n_orders] kW of each order's tread that lie below the value of its bus."""
    xp, (n_orders, n_columns) = namespace(value), stairs.by_bus.shape
    at = xp.arange(value.shape[0], like=stairs.variable)[:, None]
    part = xp.zeros_like(state.mark)
    part[at, state.basic] = value - xp.take_along_axis(_near_end(stairs, state), state.basic, 1)
    filled = xp.concat((stairs.length_kw * state.is_full, xp.zeros((value.shape[0], n_columns), value)), axis=1)
    filled[at, state.tread] += part[:, :n_columns]
    return filled[:, :n_orders]
