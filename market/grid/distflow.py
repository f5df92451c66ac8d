"""The balanced AC power flow of a radial feeder as a fixed point in real numbers.

The flow is the exact DistFlow of Baran and Wu (1989, eq. 1): with the squared voltage *v*, the squared current *l* and
the sending power *P*, *Q* of every branch, all is linear but ``l = (P^2 + Q^2) / v_parent``. The linear part is solved
once per feeder into dense matrices, so that an iteration is one product of matrices, without complex numbers; it
contracts about as fast as the Z-bus iteration at half its cost. Powers stay in kW: the base power is 1 kVA.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.feeder import Feeder

FLOOR_PU = 0.5  # voltages are not followed below this: the row has collapsed


@dataclass(frozen=True, slots=True)
class Model:
    """A feeder's constants in one array library.

    A *state* is [3 * n_buses + 1, n]: P, Q, v, and v of the root. Constants with a column per root voltage have one
    column where it is the feeder's own, else one a row.
    """

    state_of_p: Array  # [3 * n_buses + 1, n_buses]
    state_of_q: Array  # [3 * n_buses + 1, n_buses]
    state_of_current: Array  # [3 * n_buses + 1, n_buses]
    state_at_rest: Array  # [3 * n_buses + 1, 1 or n]
    row_of_parent: Array  # [n_buses] where v of the parent stands in a state
    most_current: Array  # [n_buses, 1] squared: half the short circuit's, more than any stable flow
    resistance: Array  # [n_buses] pu of 1 kVA
    per_rating: Array  # [n_buses, 1 or n] loading = sqrt(squared current) * per_rating
    rating_squared: Array  # [n_buses, 1 or n] kVA^2 at the sending end and 1 pu
    contribution: Array  # [2 * n_buses, n_buses] of a kW at a bus to the flow of each branch, to v of each bus
    upstream: tuple[Array, ...]  # each [n_buses]: the branch 1, 2, 4, ... steps nearer the root
    groups: tuple[tuple[int, Array | None], ...]  # a branch at the root and the buses that share it, None for all
    iron_kw: float  # of the half of the transformer's shunt at the bus or at the root, at 1 pu
    has_transformer: bool

    @property
    def n_buses(self) -> int:
        return int(self.resistance.shape[0])

    @property
    def root_squared(self) -> Array:
        """Squared voltage of the root, [1 or n]."""
        return self.state_at_rest[-1]


class Solution(NamedTuple):
    """Where an iteration stands."""

    state: Array  # [3 * n_buses + 1, n]
    current: Array  # [n_buses, n] squared, of the state
    before: Array  # [3 * n_buses + 1, n] the state one iteration ago


class Reading(NamedTuple):
    """What a state means at the meters."""

    voltage_pu: Array  # [n_buses, n]
    branch_loading: Array  # [n_buses, n]
    loss_kw: Array  # [n]
    root_kw: Array  # [n]
    is_sound: Array  # [n] bool: no voltage and no current stands at its bound


def at_head(model: Model, head_pu: Array | None) -> Model:
    """Put the root at a voltage of each row, [n]; None leaves the feeder's own."""
    if head_pu is None:
        return model
    xp = namespace(head_pu)
    squared = (head_pu * head_pu)[None] / model.root_squared
    if not model.has_transformer:
        return replace(model, state_at_rest=model.state_at_rest * squared)
    # The transformer is rated by apparent power at the root: its permitted current falls as the voltage rises.
    of_branch = xp.concat((squared, xp.broadcast_to(squared * 0 + 1, (model.n_buses - 1, squared.shape[1]))), axis=0)
    return replace(
        model,
        state_at_rest=model.state_at_rest * squared,
        per_rating=model.per_rating * xp.sqrt(of_branch),
        rating_squared=model.rating_squared / of_branch,
    )


def rest(model: Model, q_kvar: Array) -> Array:
    """Give the state [3 * n_buses + 1, n] that reactive draws alone would leave, without losses."""
    of_q = model.state_of_q @ q_kvar
    of_q += model.state_at_rest
    return of_q


def linear_state(model: Model, p_kw: Array, rest: Array) -> Array:
    """Give the state that draws alone would leave, without losses (LinDistFlow)."""
    base = model.state_of_p @ p_kw
    base += rest
    return base


def current_of(model: Model, state: Array) -> Array:
    """Give the squared currents [n_buses, n] that belong to a state, bounded so that a collapse stays finite."""
    xp, m = namespace(state), model.n_buses
    power = state[: 2 * m] * state[: 2 * m]
    current = power[:m]
    current += power[m:]
    current /= xp.maximum(state[model.row_of_parent], FLOOR_PU**2)
    return xp.minimum(current, model.most_current)


def begin(model: Model, base: Array, n_iterations: int) -> Solution:
    """Iterate from the state without losses."""
    return iterate(model, base, base, current_of(model, base), n_iterations)


def iterate(model: Model, base: Array, state: Array, current: Array, n_iterations: int) -> Solution:
    """Repeat the fixed point from given squared currents; ``base`` is the state that no current would leave."""
    before = state
    for _ in range(n_iterations):
        before, state = state, model.state_of_current @ current
        state += base
        current = current_of(model, state)
    return Solution(state, current, before)


def change(now: Solution) -> Array:
    """Give [n] pu: the largest move of a voltage in the last iteration (half that of the squared one)."""
    xp, v = namespace(now.state), _voltages(now.state)
    return 0.5 * xp.max(xp.abs(now.state[v] - now.before[v]), axis=0)


def voltage_pu(state: Array) -> Array:
    """Give [n_buses, n], not below the floor."""
    xp = namespace(state)
    return xp.sqrt(xp.maximum(state[_voltages(state)], FLOOR_PU**2))


def read(model: Model, now: Solution, p_kw: Array) -> Reading:
    """Give voltages, loadings and losses of a solution under the draws [n_buses, n]."""
    xp = namespace(p_kw)
    squared = now.state[_voltages(now.state)]
    lowest = xp.min(squared, axis=0)
    squared = xp.maximum(squared, FLOOR_PU**2)
    loss_kw = model.resistance @ now.current + model.iron_kw * (model.root_squared + squared[0])
    loading = xp.sqrt(now.current) * model.per_rating
    is_bounded = xp.any(now.current >= model.most_current, axis=0)
    is_sound = (lowest > FLOOR_PU**2) & ~is_bounded
    return Reading(
        voltage_pu=xp.sqrt(squared),
        branch_loading=loading,
        loss_kw=loss_kw,
        root_kw=xp.sum(p_kw, axis=0) + loss_kw,
        is_sound=is_sound,
    )


def _voltages(state: Array) -> slice:
    m = state.shape[0] // 3
    return slice(2 * m, 3 * m)


def build(feeder: Feeder, dtype: str) -> Model:
    """Solve the linear part of the DistFlow equations for P, Q and v of every branch and bus."""
    m, identity = feeder.n_buses, np.eye(feeder.n_buses)
    r, x = (ohm / (1000 * feeder.base_kv**2) for ohm in (feeder.r_ohm, feeder.x_ohm))
    is_parent = (feeder.parent[:, None] == np.arange(m)).astype(float)  # [bus, its parent]
    at_root = (feeder.parent < 0) * feeder.root_voltage_pu**2
    iron, magnet = np.zeros((m, m)), np.zeros((m, m))
    iron[0, 0] = 0.5 * feeder.no_load_loss_kw  # half of the shunt; the other half stands at the root
    magnet[0, 0] = 0.5 * feeder.no_load_kvar
    nothing = np.zeros((m, m))
    balance = np.block(
        [
            [identity - is_parent.T, nothing, -iron],  # P_j - sum of P behind - iron * v_j = p_j + r l_j
            [nothing, identity - is_parent.T, -magnet],
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

    return Model(
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
        iron_kw=0.5 * feeder.no_load_loss_kw,
        has_transformer=feeder.has_transformer,
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
