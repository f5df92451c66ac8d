"""The wires: AC power flow of a radial feeder for a whole batch, and what is curtailed when a limit is passed.

The flow is the exact DistFlow of Baran and Wu (1989, eq. 1): with the squared voltage *v*, the squared current *l* and
the sending power *P*, *Q* of every branch, all is linear but ``l = (P^2 + Q^2) / v_parent``. The linear part is solved
once per feeder into dense matrices, so that an iteration is one product of matrices, without complex numbers; it
contracts about as fast as the Z-bus iteration at half its cost. Powers stay in kW: the base power is 1 kVA.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.feeders import Feeder

Constraint = Literal["none", "curtail"]

CHUNK_ROWS = 128  # rows that NumPy works on at a time, so that they stay in the cache
SOLVE_ITERATIONS = 30
SOLVE_TOLERANCE_PU = 1e-9
STEP_TOLERANCE_PU = 1e-4
PASS_ITERATIONS = (2, 2, 3)  # of the flow after each pass of curtailment
SUSPECT_PU = 0.6  # below this, curtailment starts from the linear voltages
FLOOR_PU = 0.5  # voltages are not followed below this: the row has collapsed
_GIVE_BACK = 0.6  # of the slack: losses grow faster than the linearised flow
_LEAST_FACTOR = 0.1  # of one pass but the last, so that a later pass can give back what this one took too much


@dataclass(frozen=True, slots=True)
class Flow:
    """State of the feeder in one interval. Buses without the root; branch *j* feeds bus *j*."""

    voltage_pu: Array  # [n_envs, n_buses]
    branch_loading: (
        Array  # [n_envs, n_buses] apparent flow over rating, >= 0; branch 0 is the transformer if there is one
    )
    loss_kw: Array  # [n_envs] in all branches, iron losses of the transformer included
    root_kw: Array  # [n_envs] drawn from the grid above, losses included; < 0 exports
    converged: Array  # [n_envs] bool
    keep_injection: Array  # [n_envs, n_buses] in [0, 1], share of PV and discharge that the wires allow
    keep_draw: Array  # [n_envs, n_buses] in [0, 1], share of flexible draw that the wires allow


@dataclass(frozen=True, slots=True)
class PowerFlow:
    """A solved feeder. Buses without the root; branch *j* feeds bus *j*; lines are loaded by their current."""

    voltage_pu: Array  # [n, n_buses]; FLOOR_PU where a row collapsed
    branch_loading: Array  # [n, n_buses] flow over rating, >= 0
    branch_kw: Array  # [n, n_buses] into the branch at its root side, > 0 flows away from the root
    branch_kvar: Array  # [n, n_buses]
    loss_kw: Array  # [n] iron losses of the transformer included
    root_kw: Array  # [n] the draws and the losses; < 0 exports
    converged: Array  # [n] bool; where False the other numbers are finite and mean nothing


@dataclass(frozen=True, slots=True)
class _Model:
    """The feeder's constants in one array library.

    Inside, buses come first and rows last, so that blocks of buses lie together in memory. A *state* is
    [3 * n_buses + 1, n]: P, Q, v, and v of the root.
    """

    state_of_p: Array  # [3 * n_buses + 1, n_buses]
    state_of_q: Array  # [3 * n_buses + 1, n_buses]
    state_of_current: Array  # [3 * n_buses + 1, n_buses]
    state_at_rest: Array  # [3 * n_buses + 1, 1]
    row_of_parent: Array  # [n_buses] where v of the parent stands in a state
    most_current: Array  # [n_buses, 1] squared: half the short circuit's, more than any stable flow
    resistance: Array  # [n_buses] pu of 1 kVA
    per_rating: Array  # [n_buses, 1] loading = sqrt(squared current) * per_rating
    rating_squared: Array  # [n_buses, 1] kVA^2 at the sending end and 1 pu
    contribution: Array  # [2 * n_buses, n_buses] of a kW at a bus to the flow of each branch, to v of each bus
    upstream: tuple[Array, ...]  # each [n_buses]: the branch 1, 2, 4, ... steps nearer the root
    groups: tuple[tuple[int, Array | None], ...]  # a branch at the root and the buses that share it, None for all


@dataclass(frozen=True, slots=True)
class _Solution:
    """Where an iteration stands."""

    state: Array  # [3 * n_buses + 1, n]
    current: Array  # [n_buses, n] squared, of the state
    before: Array  # [3 * n_buses + 1, n] the state one iteration ago


class Grid:
    """Power flow and limits of one feeder, for batches of rows that do not depend on each other."""

    def __init__(self, feeder: Feeder, *, n_iterations: int = 5, dtype: Any = np.float64) -> None:
        if n_iterations < 2:
            raise ValueError(f"n_iterations: expected 2 or more, came {n_iterations}")
        self.feeder = feeder
        self.n_buses = feeder.n_buses
        self.n_iterations = n_iterations
        self._dtype = np.dtype(dtype).name
        self._numpy_model = _build_model(feeder, self._dtype)
        self._models: dict[str, _Model] = {}

    def solve(self, p_kw: Array, q_kvar: Array) -> PowerFlow:
        """Solve every row to 1e-9 pu, or flag it.

        Args:
            p_kw, q_kvar: [n, n_buses], positive draws.
        """
        p_kw, q_kvar = self._prepare(p_kw), self._prepare(q_kvar)
        model = self._model(p_kw)
        parts = [self._solve_rows(model, *_by_bus(rows, p_kw, q_kvar)) for rows in _chunks(p_kw)]
        return PowerFlow(*_join(parts))

    def carry(
        self, fixed_kw: Array, injection_kw: Array, draw_kw: Array, q_kvar: Array, *, constraint: Constraint = "none"
    ) -> Flow:
        """Let the wires carry an interval; what they forbid is curtailed in proportion.

        Args:
            fixed_kw: [n_envs, n_buses], net of what must be served and is never curtailed; positive draws.
            injection_kw: [n_envs, n_buses] >= 0, PV and discharge, may be curtailed.
            draw_kw: [n_envs, n_buses] >= 0, flexible charging, may be curtailed.
            q_kvar: [n_envs, n_buses], positive draws; stays as it is.
            constraint: "none" reports only; "curtail" scales what is flexible.

        The rule of "curtail": an overloaded branch scales all flexible draws behind it (import) or all injections
        behind it (export) by one factor; a voltage above (below) the band scales all injections (flexible draws) of
        the buses that share a branch with it by one factor. A bus keeps the least of its factors. The factors come
        from the linearised flow around the solved one and are corrected in three passes, up as well as down. What
        cannot be kept by scaling is left in the loadings and voltages of the flow, which is solved after the last pass.
        Rows within all limits are only reported.
        The number of iterations is fixed; a row counts as converged when the last one moved no voltage by 1e-4 pu.
        """
        if constraint not in ("none", "curtail"):
            raise ValueError(f"constraint: expected 'none' or 'curtail', came {constraint!r}")
        fixed_kw, q_kvar = self._prepare(fixed_kw), self._prepare(q_kvar)
        injection_kw, draw_kw = self._prepare(injection_kw), self._prepare(draw_kw)
        model = self._model(fixed_kw)
        carry_rows = self._report_rows if constraint == "none" else self._limit_rows
        given = (fixed_kw, injection_kw, draw_kw, q_kvar)
        return Flow(*_join([carry_rows(model, *_by_bus(rows, *given)) for rows in _chunks(fixed_kw)]))

    def linear_voltage_pu(self, p_kw: Array, q_kvar: Array) -> Array:
        """Estimate voltages [n, n_buses] without losses (LinDistFlow); they come out too high, most at the far end."""
        p_kw, q_kvar = self._prepare(p_kw), self._prepare(q_kvar)
        model, xp = self._model(p_kw), namespace(p_kw)
        v = slice(2 * self.n_buses, 3 * self.n_buses)
        squared = p_kw @ model.state_of_p[v].T + q_kvar @ model.state_of_q[v].T + model.state_at_rest[v, 0]
        return xp.sqrt(xp.maximum(squared, FLOOR_PU**2))

    def _prepare(self, x: Array) -> Array:
        xp = namespace(x)
        if x.ndim != 2 or x.shape[1] != self.n_buses:
            raise ValueError(f"expected an array [n, {self.n_buses}] for the buses of '{self.feeder.name}', came "
                             f"{tuple(x.shape)}")  # fmt: skip
        dtype = getattr(xp, self._dtype)
        return x if x.dtype == dtype else xp.astype(x, dtype)

    def _model(self, x: Array) -> _Model:
        """Give the constants in the library and on the device of ``x``; copied there once."""
        xp = namespace(x)
        if xp.name == "numpy":
            return self._numpy_model
        key = str(x.device)
        if key not in self._models:
            self._models[key] = _Model(*(_moved(getattr(self._numpy_model, name), x) for name in _Model.__slots__))
        return self._models[key]

    def _solve_rows(self, model: _Model, p_kw: Array, q_kvar: Array) -> tuple[Array, ...]:
        """Give the fields of a PowerFlow, buses first."""
        xp, m = namespace(p_kw), self.n_buses
        tolerance = max(SOLVE_TOLERANCE_PU, 10 * float(np.finfo(self._dtype).eps))
        base = _base(model, p_kw, model.state_of_q @ q_kvar + model.state_at_rest)
        now = _iterate(model, base, base, _current(model, base, m), 1)
        for _ in range(SOLVE_ITERATIONS - 1):
            todo = self._change(now) >= tolerance
            if not bool(xp.any(todo, axis=0)):
                break
            new = _iterate(model, base, now.state, now.current, 1)
            now = _Solution(
                xp.where(todo, new.state, now.state),
                xp.where(todo, new.current, now.current),
                xp.where(todo, new.before, now.before),
            )
        voltage_pu, loading, loss_kw, root_kw, converged = self._read(model, now, p_kw, tolerance)
        return voltage_pu, loading, now.state[:m], now.state[m : 2 * m], loss_kw, root_kw, converged

    def _change(self, now: _Solution) -> Array:
        """Give [n] pu: the largest move of a voltage in the last iteration (half that of the squared one)."""
        xp, v = namespace(now.state), slice(2 * self.n_buses, -1)
        return 0.5 * xp.max(xp.abs(now.state[v] - now.before[v]), axis=0)

    def _read(self, model: _Model, now: _Solution, p_kw: Array, tolerance: float) -> tuple[Array, ...]:
        """Give voltage_pu, branch_loading, loss_kw, root_kw and converged of a solution, buses first."""
        xp = namespace(p_kw)
        squared = now.state[2 * self.n_buses : -1]
        lowest = xp.min(squared, axis=0)
        squared = xp.maximum(squared, FLOOR_PU**2)
        iron_kw = 0.5 * self.feeder.no_load_loss_kw * (self.feeder.root_voltage_pu**2 + squared[0])
        loss_kw = model.resistance @ now.current + iron_kw
        loading = xp.sqrt(now.current) * model.per_rating
        is_bounded = xp.any(now.current >= model.most_current, axis=0)
        converged = (self._change(now) < tolerance) & (lowest > FLOOR_PU**2) & ~is_bounded
        return xp.sqrt(squared), loading, loss_kw, xp.sum(p_kw, axis=0) + loss_kw, converged

    def _report_rows(
        self, model: _Model, fixed: Array, injection: Array, draw: Array, q_kvar: Array
    ) -> tuple[Array, ...]:
        """Give the fields of a Flow, buses first."""
        p_kw = fixed + draw - injection
        base = _base(model, p_kw, model.state_of_q @ q_kvar + model.state_at_rest)
        now = _iterate(model, base, base, _current(model, base, self.n_buses), self.n_iterations)
        nothing = namespace(fixed).zeros_like(fixed)
        return *self._read(model, now, p_kw, STEP_TOLERANCE_PU), nothing + 1, nothing + 1

    def _limit_rows(self, model: _Model, *given: Array) -> tuple[Array, ...]:
        """Give the fields of a Flow, buses first: as reported where no limit is passed, curtailed where one is."""
        reported = self._report_rows(model, *given)
        xp, (voltage_pu, loading) = namespace(given[0]), reported[:2]
        outside = (voltage_pu > self.feeder.v_max_pu) | (voltage_pu < self.feeder.v_min_pu) | (loading > 1)
        passed = xp.any(outside, axis=0)
        if xp.name != "numpy":  # fixed shapes on a device: compute both, take one
            curtailed = self._curtail_rows(model, *given)
            return tuple(xp.where(passed, c, r) for c, r in zip(curtailed, reported, strict=True))
        rows = np.flatnonzero(passed)
        if len(rows):
            curtailed = self._curtail_rows(model, *(np.ascontiguousarray(x[:, rows]) for x in given))
            for whole, part in zip(reported, curtailed, strict=True):
                whole[..., rows] = part
        return reported

    def _curtail_rows(
        self, model: _Model, fixed: Array, injection: Array, draw: Array, q_kvar: Array
    ) -> tuple[Array, ...]:
        """Give the fields of a Flow, buses first."""
        xp, m = namespace(fixed), self.n_buses
        wanted = xp.stack((injection, draw), axis=0)  # [2, n_buses, n]
        base_of_q = model.state_of_q @ q_kvar + model.state_at_rest
        base = _base(model, fixed + draw - injection, base_of_q)
        now = _iterate(model, base, base, _current(model, base, m), max(self.n_iterations - PASS_ITERATIONS[-1], 1))
        now = self._without_collapse(now, base)
        keep, allowed, p_kw = None, wanted, fixed
        for done, n_iterations in enumerate(PASS_ITERATIONS, 1):
            least = 0.0 if done == len(PASS_ITERATIONS) else _LEAST_FACTOR
            factor = self._factor(model, now.state, allowed, least)
            keep = xp.minimum(factor if keep is None else keep * factor, 1.0)
            allowed = wanted * keep
            p_kw = fixed + allowed[1] - allowed[0]
            base = _base(model, p_kw, base_of_q)
            now = _iterate(model, base, now.state, now.current, n_iterations)
        keep = xp.where(wanted > 0, keep, 1.0)
        return *self._read(model, now, p_kw, STEP_TOLERANCE_PU), keep[0], keep[1]

    def _without_collapse(self, now: _Solution, base: Array) -> _Solution:
        """Put rows whose wishes the feeder cannot serve back to the linear state, which still tells what to cut."""
        xp, v = namespace(base), slice(2 * self.n_buses, -1)
        is_sound = xp.min(now.state[v], axis=0) > SUSPECT_PU**2
        return _Solution(xp.where(is_sound, now.state, base), xp.where(is_sound, now.current, 0.0), now.before)

    def _factor(self, model: _Model, state: Array, allowed: Array, least: float) -> Array:
        """Give [2, n_buses, n]: by how much injections and draws must (or may) change to stand at their limits."""
        xp, m = namespace(state), self.n_buses
        p, q, v = state[:m], state[m : 2 * m], state[2 * m : -1]
        limit_kw = xp.sqrt(xp.maximum(model.rating_squared * state[model.row_of_parent] - q * q, 0.0))
        v_max, v_min = self.feeder.v_max_pu**2, self.feeder.v_min_pu**2
        excess = xp.concat((-p - limit_kw, v - v_max, p - limit_kw, v_min - v), axis=0).reshape(2, 2 * m, p.shape[1])
        caused = xp.matmul(model.contribution, allowed)
        caused += 1e-20  # nothing to curtail: the share is huge and acts on nothing
        excess /= caused
        share, of_voltage = excess[:, :m], excess[:, m:]
        for root_branch, members in model.groups:
            worst = xp.max(of_voltage if members is None else of_voltage[:, members], axis=1)
            share[:, root_branch] = xp.maximum(share[:, root_branch], worst)
        for step in model.upstream:
            share = xp.maximum(share, share[:, step])
        return xp.maximum(1 - xp.maximum(share, _GIVE_BACK * share), least)


def _base(model: _Model, p_kw: Array, base_of_q: Array) -> Array:
    """Give the state that draws alone would leave, without losses (LinDistFlow)."""
    base = model.state_of_p @ p_kw
    base += base_of_q
    return base


def _current(model: _Model, state: Array, m: int) -> Array:
    """Give the squared currents [n_buses, n] that belong to a state, bounded so that a collapse stays finite."""
    xp = namespace(state)
    power = state[: 2 * m] * state[: 2 * m]
    current = power[:m]
    current += power[m:]
    current /= xp.maximum(state[model.row_of_parent], FLOOR_PU**2)
    return xp.minimum(current, model.most_current)


def _iterate(model: _Model, base: Array, state: Array, current: Array, n_iterations: int) -> _Solution:
    """Repeat the fixed point from given squared currents; ``base`` is the state that no current would leave."""
    m, before = base.shape[0] // 3, state
    for _ in range(n_iterations):
        before, state = state, model.state_of_current @ current
        state += base
        current = _current(model, state, m)
    return _Solution(state, current, before)


def _moved(value: Any, like: Array) -> Any:
    """Bring arrays, also those inside tuples, to the library and device of ``like``."""
    if isinstance(value, tuple):
        return tuple(_moved(part, like) for part in value)
    return namespace(like).asarray(value, like) if isinstance(value, np.ndarray) else value


def _chunks(x: Array) -> list[slice]:
    n_rows = int(x.shape[0])
    step = CHUNK_ROWS if namespace(x).name == "numpy" else max(n_rows, 1)
    return [slice(start, start + step) for start in range(0, max(n_rows, 1), step)]


def _by_bus(rows: slice, *arrays: Array) -> list[Array]:
    """Give some rows of arrays [n_envs, n_buses] as [n_buses, n], laid out anew."""
    return [_turned(x[rows]) for x in arrays]


def _turned(x: Array) -> Array:
    return np.ascontiguousarray(x.T) if namespace(x).name == "numpy" else x.T.contiguous()


def _join(parts: list[tuple[Array, ...]]) -> list[Array]:
    """Lay the fields of the chunks one after another and give them rows first."""
    if len(parts) == 1:
        fields = list(parts[0])
    else:
        xp = namespace(parts[0][0])
        fields = [xp.concat(chunks, axis=-1) for chunks in zip(*parts, strict=True)]
    return [_turned(x) if x.ndim == 2 else x for x in fields]


def _build_model(feeder: Feeder, dtype: str) -> _Model:
    """Solve the linear part of the DistFlow equations for P, Q and v of every branch and bus."""
    m, identity = feeder.n_buses, np.eye(feeder.n_buses)
    r, x = (ohm / (1000 * feeder.base_kv**2) for ohm in (feeder.r_ohm, feeder.x_ohm))
    is_parent = (feeder.parent[:, None] == np.arange(m)).astype(float)  # [bus, its parent]
    at_root = (feeder.parent < 0) * feeder.root_voltage_pu**2
    iron = np.zeros((m, m))
    iron[0, 0] = 0.5 * feeder.no_load_loss_kw  # half of the shunt; the other half stands at the root
    nothing = np.zeros((m, m))
    balance = np.block(
        [
            [identity - is_parent.T, nothing, -iron],  # P_j - sum of P behind - iron * v_j = p_j + r l_j
            [nothing, identity - is_parent.T, nothing],
            [2 * np.diag(r), 2 * np.diag(x), identity - is_parent],  # v_j - v_parent + 2 (r P + x Q) = |z|^2 l_j
        ]
    )
    given = np.block(
        [
            [identity, nothing, np.diag(r), np.zeros((m, 1))],
            [nothing, identity, np.diag(x), np.zeros((m, 1))],
            [nothing, nothing, np.diag(r**2 + x**2), at_root[:, None]],
        ]
    )
    solved = np.linalg.solve(balance, given)
    state = np.concatenate([solved, np.zeros((1, 3 * m + 1))])
    state[-1, -1] = feeder.root_voltage_pu**2
    downstream = np.linalg.inv(identity - is_parent.T)  # [branch, bus behind it]
    path = [downstream.T @ ohm for ohm in (r, x)]
    rating_squared = feeder.rating_kva**2
    if feeder.has_transformer:  # rated by apparent power at its primary, lines by current
        rating_squared = rating_squared / np.where(np.arange(m) == 0, feeder.root_voltage_pu**2, 1.0)

    def cast(array: Array) -> Array:
        return np.ascontiguousarray(array, dtype=dtype)

    return _Model(
        state_of_p=cast(state[:, :m]),
        state_of_q=cast(state[:, m : 2 * m]),
        state_of_current=cast(state[:, 2 * m : 3 * m]),
        state_at_rest=cast(state[:, 3 * m :]),
        row_of_parent=np.where(feeder.parent < 0, 3 * m, 2 * m + feeder.parent),
        most_current=cast(0.5 * feeder.root_voltage_pu**2 / (path[0] ** 2 + path[1] ** 2))[:, None],
        resistance=cast(r),
        per_rating=cast(rating_squared**-0.5)[:, None],
        rating_squared=cast(rating_squared)[:, None],
        contribution=cast(np.concatenate([np.rint(downstream), -state[2 * m : 3 * m, :m]])),
        upstream=_upstream(feeder.parent),
        groups=_groups(feeder.parent, downstream),
    )


def _upstream(parent: Array) -> tuple[Array, ...]:
    """Give indices [n_buses] of the branch 1, 2, 4, ... steps nearer the root (itself at the root)."""
    step = np.where(parent < 0, np.arange(len(parent)), parent)
    depth = [0]
    for above in parent:
        depth.append(depth[above + 1] + 1)
    steps: list[Array] = []
    while 2 ** len(steps) < max(depth):
        steps.append(step)
        step = step[step]
    return tuple(steps)


def _groups(parent: Array, downstream: Array) -> tuple[tuple[int, Array | None], ...]:
    """Give each branch at the root with the buses behind it, which share it; None are all."""
    roots = np.flatnonzero(parent < 0)
    if len(roots) == 1:
        return ((int(roots[0]), None),)
    return tuple((int(root), np.flatnonzero(downstream[root] > 0.5)) for root in roots)
