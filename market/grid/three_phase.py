"""AC power flow of a feeder phase by phase: what single-phase homes do to each other's voltages.

The fixed point is that of the Z-bus method in its radial form (currents summed towards the root, voltage drops summed
away from it), split into real and imaginary parts. Branches are given by positive and zero sequence; cables are
transposed, and the zero sequence includes the return through the neutral and earth (Kron's reduction), so voltages are
those between a phase and the neutral. The transformer is Dyn with an earthed star point: its delta closes the zero
sequence, so that each phase sees its impedance alone.

Inside, a node is a bus and a phase, [n_buses * 3, n] with phases innermost; powers are in kW a phase.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.feeder import Feeder
from gridbazaar.data.trees import each
from gridbazaar.market.grid.balanced import Grid
from gridbazaar.market.grid.distflow import FLOOR_PU
from gridbazaar.market.grid.fixed_point import State, moved
from gridbazaar.market.grid.solve import MOST_ITERATIONS, SOLVE_TOLERANCE_PU, solve_rows, tolerance_of

FIRST_ITERATIONS = 4
N_PHASES = 3
_TURN = np.exp(-2j * np.pi / 3 * np.arange(N_PHASES))  # phase b follows a, c follows b


@dataclass(frozen=True, slots=True)
class ThreePhaseFlow:
    """A solved feeder, phase by phase. Buses without the root; branch *j* feeds bus *j*."""

    voltage_pu: Array  # [n, n_buses, 3] between phase and neutral
    unbalance: Array  # [n, n_buses] negative over positive sequence voltage
    branch_loading: Array  # [n, n_buses, 3] current (transformer: apparent power) over a phase's share of the rating
    branch_kw: Array  # [n, n_buses, 3] into the branch at its root side, > 0 flows away from the root
    branch_kvar: Array  # [n, n_buses, 3]
    loss_kw: Array  # [n] iron losses of the transformer included
    root_kw: Array  # [n] the draws and the losses; < 0 exports
    residual_pu: Array  # [n] the largest move of a voltage in the last iteration
    converged: Array  # [n] bool; where False the other numbers are finite and mean nothing


@dataclass(frozen=True, slots=True)
class Connections:
    """Where metered connections hang: a bus, and one phase or all three."""

    bus: Array  # [n_connections] int
    phase: Array  # [n_connections] 0 for all three in equal parts; 1, 2, 3 for one

    def place(self, x: Array, n_buses: int) -> Array:
        """Bring powers of connections [n, n_connections] to the phases of the buses, [n, n_buses, 3]."""
        xp = namespace(x)
        share = np.zeros((len(self.bus), n_buses, N_PHASES))
        for phase in range(N_PHASES):
            rows = np.arange(len(self.bus))
            part = np.where(self.phase == 0, 1 / N_PHASES, self.phase == phase + 1)
            share[rows, self.bus, phase] = part
        flat = xp.astype(xp.asarray(share.reshape(len(self.bus), -1), x), x.dtype)
        return (x @ flat).reshape(x.shape[0], n_buses, N_PHASES)


@dataclass(frozen=True, slots=True)
class Model:
    """A feeder's constants in one array library; impedances in pu of 1 kVA a phase."""

    feeds: Array  # [n_buses, n_buses] 1 where the branch feeds the bus
    fed_by: Array  # its transpose
    r: Array  # [n_buses, 1, 1] positive sequence
    x: Array  # [n_buses, 1, 1]
    r_mutual: Array  # [n_buses, 1, 1] a third of zero less positive sequence
    x_mutual: Array  # [n_buses, 1, 1]
    head: Array  # [6, 1] voltages of the root: real parts of the phases, imaginary parts
    per_rating: Array  # [n_buses, 1, 1]
    parent: Array  # [n_buses] n_buses for the root
    iron_kw: float  # a phase, of the half of the shunt that stands at bus 0 or at the root
    magnet_kvar: float
    has_transformer: bool


class ThreePhaseGrid:
    """Power flow of one feeder with a number for each phase, for batches of rows that do not depend on each other."""

    def __init__(self, feeder: Feeder, *, dtype: Any = np.float64) -> None:
        if feeder.r0_ohm is None or feeder.x0_ohm is None:
            raise ValueError(f"feeder '{feeder.name}': expected zero-sequence impedances, came none; add the columns "
                             "r0_ohm_per_km and x0_ohm_per_km to its lines")  # fmt: skip
        self.feeder = feeder
        self.n_buses = feeder.n_buses
        self.shape = (feeder.n_buses, N_PHASES)  # of a row
        self.dtype = np.dtype(dtype).name
        self._numpy_model = _build(feeder, self.dtype)
        self._models: dict[str, Model] = {}

    def solve(
        self,
        p_kw: Array,
        q_kvar: Array,
        *,
        head_voltage_pu: Array | None = None,
        tolerance_pu: float = SOLVE_TOLERANCE_PU,
    ) -> ThreePhaseFlow:
        """Solve every row, or flag it.

        Args:
            p_kw, q_kvar: [n, n_buses, 3] of each phase to neutral, positive draws.
            head_voltage_pu: [n], of the balanced root in each row; None takes the feeder's own.
            tolerance_pu: as in ``Grid.solve``.
        """
        draws = self.prepare(p_kw), self.prepare(q_kvar)
        flowing, tolerance = _Solve(self, self.model(draws[0])), tolerance_of(tolerance_pu, self.dtype)
        fields = solve_rows(
            flowing, draws, head_voltage_pu, first=FIRST_ITERATIONS, most=MOST_ITERATIONS, tolerance=tolerance
        )
        return self.pack(fields)

    def base_load(self) -> tuple[Array, Array]:
        """Give the feeder's own load in kW and kvar, each [1, n_buses, 3], on the phases that its homes have."""
        phase = self.feeder.phase if self.feeder.phase is not None else np.zeros(self.n_buses, np.int64)
        connections = Connections(np.arange(self.n_buses), phase)
        return (
            connections.place(self.feeder.p_kw[None], self.n_buses),
            connections.place(self.feeder.q_kvar[None], self.n_buses),
        )

    def prepare(self, x: Array) -> Array:
        """Check the shape [n, n_buses, 3], bring the array to the grid's type and lay it out as [n, n_buses * 3]."""
        xp = namespace(x)
        if x.ndim != 3 or tuple(x.shape[1:]) != self.shape:
            raise ValueError(f"expected an array [n, {self.n_buses}, 3] for the phases of the buses of "
                             f"'{self.feeder.name}', came {tuple(x.shape)}")  # fmt: skip
        dtype = getattr(xp, self.dtype)
        return (x if x.dtype == dtype else xp.astype(x, dtype)).reshape(x.shape[0], self.n_buses * N_PHASES)

    def model(self, like: Array) -> Model:
        """Give the constants in the library and on the device of an array; copied there once."""
        if namespace(like).name == "numpy":
            return self._numpy_model
        key = str(like.device)
        if key not in self._models:
            self._models[key] = each(self._numpy_model, lambda x: moved(x, like))
        return self._models[key]

    def at_rest(self, model: Model, head: Array | None, like: Array) -> Array:
        """Give the voltages of the root [6, n], for the rows of an array [..., n]."""
        xp = namespace(like)
        if head is None:
            return xp.broadcast_to(model.head, (2 * N_PHASES, like.shape[-1]))
        return model.head * (head / self.feeder.root_voltage_pu)[None]

    def begin(self, model: Model, p_kw: Array, q_kvar: Array, at_rest: Array) -> State:
        """Give the state without any draw."""
        return (at_rest[None] + namespace(p_kw).zeros((self.n_buses, 1, 1), p_kw),)

    def step(self, model: Model, p_kw: Array, q_kvar: Array, at_rest: Array, state: State) -> tuple[State, Array]:
        """Do one iteration; give the new state and its largest move [n] in pu."""
        xp, (voltage,) = namespace(p_kw), state
        new = at_rest[None] - _summed(model.fed_by, _drop(model, _branch_current(model, p_kw, q_kvar, voltage)))
        moved_by = xp.max(_nodes(xp.abs(new - voltage)), axis=0)
        return (new,), moved_by

    def magnitude(self, state: State) -> Array:
        """Give voltages in pu, [n_buses * 3, n], not below the floor."""
        xp = namespace(state[0])
        return xp.sqrt(xp.maximum(_nodes(_squared(state[0])), FLOOR_PU**2))

    def finish(
        self, model: Model, p_kw: Array, q_kvar: Array, at_rest: Array, state: State, residual_pu: Array, settled: Array
    ) -> tuple[Array, ...]:
        """Give the fields of a ThreePhaseFlow, buses first."""
        xp, (voltage,) = namespace(p_kw), state
        current = _branch_current(model, p_kw, q_kvar, voltage)
        drop = _drop(model, current)
        sending = xp.concat((voltage, at_rest[None]), axis=0)[model.parent]
        vr, vi, ir, ii = sending[:, :3], sending[:, 3:], current[:, :3], current[:, 3:]
        squared = _squared(voltage)
        at_root = xp.sum(at_rest * at_rest, axis=0)
        iron_kw = model.iron_kw * (at_root + xp.sum(voltage[0] * _seen_by_core(voltage), axis=0))
        loss_kw = xp.sum(_nodes(drop * current), axis=0) + iron_kw
        loading = xp.sqrt(ir * ir + ii * ii) * model.per_rating
        if model.has_transformer:  # rated by apparent power at its primary, lines by current
            loading[0] = loading[0] * xp.sqrt(at_root / N_PHASES)
        is_sound = xp.min(_nodes(squared), axis=0) > FLOOR_PU**2
        root_kw = xp.sum(p_kw, axis=0) + loss_kw
        return (
            self.magnitude(state), _unbalance(voltage), _nodes(loading), _nodes(vr * ir + vi * ii),
            _nodes(vi * ir - vr * ii), loss_kw, root_kw, residual_pu, settled & is_sound,
        )  # fmt: skip

    def pack(self, fields: list[Array]) -> ThreePhaseFlow:
        """Give the flow of fields that ``finish`` gave, rows first."""
        flow = ThreePhaseFlow(*fields)
        n = flow.loss_kw.shape[0]
        return replace(
            flow,
            voltage_pu=flow.voltage_pu.reshape(n, *self.shape),
            branch_loading=flow.branch_loading.reshape(n, *self.shape),
            branch_kw=flow.branch_kw.reshape(n, *self.shape),
            branch_kvar=flow.branch_kvar.reshape(n, *self.shape),
        )

    def sensitivity(self) -> tuple[Array, Array]:
        """Give by how many pu a kW and a kvar drawn at a node lower each node at no load, each [nodes, nodes]."""
        model = _build(self.feeder, "float64")
        own = (model.r + 1j * model.x)[:, 0, 0]
        mutual = (model.r_mutual + 1j * model.x_mutual)[:, 0, 0]
        paths = [model.fed_by @ np.diag(z) @ model.feeds for z in (own, mutual)]
        turn = np.tile(_TURN, self.n_buses)
        impedance = np.kron(paths[0], np.eye(N_PHASES)) + np.kron(paths[1], np.ones((N_PHASES, N_PHASES)))
        seen = turn.conj()[:, None] * impedance * turn[None]
        return np.real(seen), np.imag(seen)


@dataclass(frozen=True, slots=True)
class _Solve:
    """The iteration of a solve; given are draws in kW and kvar, and the voltages of the root."""

    grid: ThreePhaseGrid
    feeder: Model

    def case(self, draws: list[Array], head: Array | None) -> State:
        return *draws, self.grid.at_rest(self.feeder, head, draws[0])

    def begin(self, given: State) -> State:
        return self.grid.begin(self.feeder, given[0], given[1], given[2])

    def advance(self, given: State, state: State, n_iterations: int) -> tuple[State, Array]:
        change = None
        for _ in range(n_iterations):
            state, change = self.grid.step(self.feeder, given[0], given[1], given[2], state)
        return state, change

    def finish(self, given: State, state: State, change: Array, settled: Array) -> tuple[Array, ...]:
        return self.grid.finish(self.feeder, given[0], given[1], given[2], state, change, settled)


def make_grid(feeder: Feeder, *, dtype: Any = np.float64) -> Grid | ThreePhaseGrid:
    """Give the power flow that the feeder asks for: balanced, or phase by phase."""
    return ThreePhaseGrid(feeder, dtype=dtype) if feeder.phases == N_PHASES else Grid(feeder, dtype=dtype)


def _branch_current(model: Model, p_kw: Array, q_kvar: Array, voltage: Array) -> Array:
    """Give the currents of the branches [n_buses, 6, n] in kVA a phase at 1 pu, real parts and imaginary parts.

    Below the floor a draw behaves as a constant impedance, which keeps a collapse finite.
    """
    xp = namespace(p_kw)
    vr, vi = voltage[:, :3], voltage[:, 3:]
    p, q = p_kw.reshape(vr.shape), q_kvar.reshape(vr.shape)
    squared = xp.maximum(_squared(voltage), FLOOR_PU**2)
    drawn = xp.concat(((p * vr + q * vi) / squared, (p * vi - q * vr) / squared), axis=1)
    if model.has_transformer:
        seen = _seen_by_core(voltage)
        drawn[0, :3] += model.iron_kw * seen[:3] + model.magnet_kvar * seen[3:]
        drawn[0, 3:] += model.iron_kw * seen[3:] - model.magnet_kvar * seen[:3]
    return _summed(model.feeds, drawn)


def _seen_by_core(voltage: Array) -> Array:
    """Give what draws iron losses at bus 0, [6, n]: half of the shunt stands there, in the zero sequence all of it."""
    xp, first = namespace(voltage), voltage[0]
    zero_r, zero_i = (xp.sum(part, axis=0)[None] / N_PHASES for part in (first[:3], first[3:]))
    return xp.concat((first[:3] + zero_r, first[3:] + zero_i), axis=0)


def _drop(model: Model, current: Array) -> Array:
    """Give the voltage drop of each branch, [n_buses, 6, n]."""
    xp = namespace(current)
    ir, ii = current[:, :3], current[:, 3:]
    neutral_r, neutral_i = xp.sum(ir, axis=1)[:, None], xp.sum(ii, axis=1)[:, None]
    real = model.r * ir - model.x * ii + (model.r_mutual * neutral_r - model.x_mutual * neutral_i)
    imaginary = model.r * ii + model.x * ir + (model.r_mutual * neutral_i + model.x_mutual * neutral_r)
    return xp.concat((real, imaginary), axis=1)


def _summed(matrix: Array, x: Array) -> Array:
    """Multiply the bus axis of [n_buses, 6, n] by a matrix."""
    return (matrix @ x.reshape(x.shape[0], x.shape[1] * x.shape[2])).reshape(x.shape)


def _nodes(x: Array) -> Array:
    """Lay [n_buses, phases, n] out as [n_buses * phases, n]."""
    return x.reshape(x.shape[0] * x.shape[1], x.shape[2])


def _squared(voltage: Array) -> Array:
    vr, vi = voltage[:, :3], voltage[:, 3:]
    return vr * vr + vi * vi


def _unbalance(voltage: Array) -> Array:
    """Give negative over positive sequence, [n_buses, n]."""
    xp = namespace(voltage)
    (ar, br, cr), (ai, bi, ci) = (tuple(voltage[:, start + k] for k in range(3)) for start in (0, 3))
    half, tilt = 0.5, 0.75**0.5
    common_r, common_i = ar - half * (br + cr), ai - half * (bi + ci)
    cross_r, cross_i = tilt * (bi - ci), tilt * (br - cr)
    positive = (common_r - cross_r) ** 2 + (common_i + cross_i) ** 2
    negative = (common_r + cross_r) ** 2 + (common_i - cross_i) ** 2
    return xp.sqrt(negative / xp.maximum(positive, FLOOR_PU**2))


def _build(feeder: Feeder, dtype: str) -> Model:
    m, parent = feeder.n_buses, feeder.parent
    is_parent = (parent[:, None] == np.arange(m)).astype(float)
    feeds = np.rint(np.linalg.inv(np.eye(m) - is_parent.T))
    per_ohm = N_PHASES / (1000 * feeder.base_kv**2)  # base: 1 kVA a phase, voltage between phase and neutral
    assert feeder.r0_ohm is not None
    assert feeder.x0_ohm is not None
    head = feeder.root_voltage_pu * np.concatenate((np.real(_TURN), np.imag(_TURN)))

    def column(x: Array) -> Array:
        return np.ascontiguousarray(x, dtype=dtype)[:, None, None]

    return Model(
        feeds=np.ascontiguousarray(feeds, dtype=dtype),
        fed_by=np.ascontiguousarray(feeds.T, dtype=dtype),
        r=column(feeder.r_ohm * per_ohm),
        x=column(feeder.x_ohm * per_ohm),
        r_mutual=column((feeder.r0_ohm - feeder.r_ohm) / N_PHASES * per_ohm),
        x_mutual=column((feeder.x0_ohm - feeder.x_ohm) / N_PHASES * per_ohm),
        head=np.ascontiguousarray(head[:, None], dtype=dtype),
        per_rating=column(N_PHASES / feeder.rating_kva),
        parent=np.where(parent < 0, m, parent),
        iron_kw=0.5 * feeder.no_load_loss_kw / N_PHASES,
        magnet_kvar=0.5 * feeder.no_load_kvar / N_PHASES,
        has_transformer=feeder.has_transformer,
    )
