"""The wires: AC power flow of a radial feeder for a whole batch, and what is curtailed when a limit is passed.

``Grid`` is the balanced feeder, one number a bus; ``three_phase.ThreePhaseGrid`` has a number for each phase.
``docs/grid.md`` says what is modelled, how exactly, and what is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.feeder import Feeder
from gridbazaar.data.trees import each
from gridbazaar.market.grid import curtailment, distflow
from gridbazaar.market.grid.distflow import Model
from gridbazaar.market.grid.fixed_point import State, chunks, join, moved, rows_last, turned
from gridbazaar.market.grid.solve import MOST_ITERATIONS, SOLVE_TOLERANCE_PU, prepare_head, solve_rows, tolerance_of

Constraint = Literal["none", "curtail"]

FIRST_ITERATIONS = 5  # of every row of a solve; most need no more


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
    keep_injection: Array  # [n_envs, n_buses (or n_connections)] in [0, 1], share of PV and discharge that is allowed
    keep_draw: Array  # [n_envs, n_buses (or n_connections)] in [0, 1], share of flexible draw that is allowed


@dataclass(frozen=True, slots=True)
class PowerFlow:
    """A solved feeder. Buses without the root; branch *j* feeds bus *j*; lines are loaded by their current."""

    voltage_pu: Array  # [n, n_buses]; FLOOR_PU where a row collapsed
    branch_loading: Array  # [n, n_buses] flow over rating, >= 0 in either direction
    branch_kw: Array  # [n, n_buses] into the branch at its root side, > 0 flows away from the root
    branch_kvar: Array  # [n, n_buses]
    loss_kw: Array  # [n] iron losses of the transformer included
    root_kw: Array  # [n] the draws and the losses; < 0 exports
    residual_pu: Array  # [n] the largest move of a voltage in the last iteration
    converged: Array  # [n] bool; where False the other numbers are finite and mean nothing


class Grid:
    """Power flow and limits of one balanced feeder, for batches of rows that do not depend on each other."""

    def __init__(self, feeder: Feeder, *, dtype: Any = np.float64) -> None:
        self.feeder = feeder
        self.n_buses = feeder.n_buses
        self.shape = (feeder.n_buses,)  # of a row
        self.dtype = np.dtype(dtype).name
        self._numpy_model = distflow.build(feeder, self.dtype)
        self._models: dict[str, Model] = {}

    def solve(
        self,
        p_kw: Array,
        q_kvar: Array,
        *,
        head_voltage_pu: Array | None = None,
        tolerance_pu: float = SOLVE_TOLERANCE_PU,
    ) -> PowerFlow:
        """Solve every row, or flag it.

        Args:
            p_kw, q_kvar: [n, n_buses], positive draws.
            head_voltage_pu: [n], of the root in each row; None takes the feeder's own.
            tolerance_pu: how far voltages may be from the solution; what remains is estimated from the last two moves.

        Rows need 5 to 8 iterations, more near collapse; those that have not settled after 100 are not converged.
        """
        draws = self.prepare(p_kw), self.prepare(q_kvar)
        flowing, tolerance = _Solve(self.model(draws[0])), tolerance_of(tolerance_pu, self.dtype)
        fields = solve_rows(
            flowing, draws, head_voltage_pu, first=FIRST_ITERATIONS, most=MOST_ITERATIONS, tolerance=tolerance
        )
        return self.pack(fields)

    def carry(
        self,
        fixed_kw: Array,
        injection_kw: Array,
        draw_kw: Array,
        q_kvar: Array,
        *,
        constraint: Constraint = "none",
        rule: str = "proportional",
        connection_bus: Array | None = None,
        head_voltage_pu: Array | None = None,
    ) -> Flow:
        """Let the wires carry an interval; what they forbid is curtailed in proportion, as ``curtailment`` says.

        Args:
            fixed_kw: [n_envs, n_buses], net of what must be served and is never curtailed; positive draws.
            injection_kw: [n_envs, n_buses] >= 0, PV and discharge, may be curtailed.
            draw_kw: [n_envs, n_buses] >= 0, flexible charging, may be curtailed.
            q_kvar: [n_envs, n_buses], positive draws; stays as it is.
            constraint: "none" reports only; "curtail" cuts what is flexible.
            rule: "proportional" scales alike, "equal_share" leaves all the same power, "last_in" cuts the last first.
            connection_bus: [n_connections], where injection_kw and draw_kw are [n_envs, n_connections] of single
                connections, first connected first; then keep_injection and keep_draw are so, too.
            head_voltage_pu: [n_envs], of the root in each row; None takes the feeder's own.

        The number of iterations is fixed; a row counts as converged when the last one moved no voltage by 1e-4 pu.
        """
        if constraint not in ("none", "curtail"):
            raise ValueError(f"constraint: expected 'none' or 'curtail', came {constraint!r}")
        if rule != "proportional" and rule not in curtailment.RULES:
            raise ValueError(f"rule: expected proportional, {', '.join(curtailment.RULES)}; came {rule!r}")
        fixed_kw, q_kvar = self.prepare(fixed_kw), self.prepare(q_kvar)
        at_bus = None
        if connection_bus is None:
            injection_kw, draw_kw = self.prepare(injection_kw), self.prepare(draw_kw)
        else:
            if rule == "proportional":
                raise ValueError("connection_bus: the rule proportional cuts by bus; give sums by bus without it")
            at_bus = self._at_bus(connection_bus, fixed_kw)
        head = prepare_head(head_voltage_pu, fixed_kw)
        model = self.model(fixed_kw)
        carry_rows = curtailment.report if constraint == "none" else curtailment.limit
        band = curtailment.Band(self.feeder.v_min_pu, self.feeder.v_max_pu, rule, at_bus)
        parts = []
        for rows in chunks(fixed_kw):
            wishes = curtailment.Wishes(*rows_last(rows, fixed_kw, injection_kw, draw_kw, q_kvar))
            parts.append(carry_rows(model, wishes, None if head is None else head[rows], band))
        return Flow(*join(parts))

    def linear_voltage_pu(self, p_kw: Array, q_kvar: Array, *, head_voltage_pu: Array | None = None) -> Array:
        """Estimate voltages [n, n_buses] without losses (LinDistFlow); they come out too high, most at the far end."""
        p_kw, q_kvar = self.prepare(p_kw), self.prepare(q_kvar)
        model = distflow.at_head(self.model(p_kw), prepare_head(head_voltage_pu, p_kw))
        state = distflow.linear_state(model, turned(p_kw), distflow.rest(model, turned(q_kvar)))
        return turned(distflow.voltage_pu(state))

    def _at_bus(self, connection_bus: Array, like: Array) -> Array:
        """Give [n_buses, n_connections] 1 where a connection hangs."""
        xp = namespace(like)
        buses = xp.arange(self.n_buses, like=connection_bus)
        return xp.astype(buses[:, None] == connection_bus[None, :], like.dtype)

    def prepare(self, x: Array) -> Array:
        """Check the shape [n, n_buses] and bring the array to the grid's type."""
        xp = namespace(x)
        if x.ndim != 2 or x.shape[1] != self.n_buses:
            raise ValueError(f"expected an array [n, {self.n_buses}] for the buses of '{self.feeder.name}', came "
                             f"{tuple(x.shape)}")  # fmt: skip
        dtype = getattr(xp, self.dtype)
        return x if x.dtype == dtype else xp.astype(x, dtype)

    def model(self, like: Array) -> Model:
        """Give the constants in the library and on the device of an array; copied there once."""
        if namespace(like).name == "numpy":
            return self._numpy_model
        key = str(like.device)
        if key not in self._models:
            self._models[key] = each(self._numpy_model, lambda x: moved(x, like))
        return self._models[key]

    def at_rest(self, model: Model, head: Array | None, like: Array) -> Array:
        """Give the state without any draw [3 * n_buses + 1, n], for the rows of an array [..., n]."""
        rest = distflow.at_head(model, head).state_at_rest
        return namespace(like).broadcast_to(rest, (rest.shape[0], like.shape[-1]))

    def begin(self, model: Model, p_kw: Array, q_kvar: Array, at_rest: Array) -> State:
        """Give the state and the squared currents without losses."""
        base = self._base(model, p_kw, q_kvar, at_rest)
        return base, distflow.current_of(model, base)

    def step(self, model: Model, p_kw: Array, q_kvar: Array, at_rest: Array, state: State) -> tuple[State, Array]:
        """Do one iteration; give the new state and its largest move [n] in pu."""
        now = distflow.iterate(model, self._base(model, p_kw, q_kvar, at_rest), state[0], state[1], 1)
        return (now.state, now.current), distflow.change(now)

    def magnitude(self, state: State) -> Array:
        """Give voltages in pu, [n_buses, n], not below the floor."""
        return distflow.voltage_pu(state[0])

    def finish(
        self, model: Model, p_kw: Array, q_kvar: Array, at_rest: Array, state: State, residual_pu: Array, settled: Array
    ) -> tuple[Array, ...]:
        """Give the fields of a PowerFlow, buses first."""
        at_head = distflow.at_head(model, namespace(p_kw).sqrt(at_rest[-1]))
        return _fields(at_head, p_kw, state, residual_pu, settled)

    def pack(self, fields: list[Array]) -> PowerFlow:
        """Give the flow of fields that ``finish`` gave, rows first."""
        return PowerFlow(*fields)

    def sensitivity(self) -> tuple[Array, Array]:
        """Give by how many pu a kW and a kvar drawn at a bus lower each bus at no load, each [n_buses, n_buses]."""
        v, model = slice(2 * self.n_buses, 3 * self.n_buses), self._numpy_model
        return -0.5 * model.state_of_p[v], -0.5 * model.state_of_q[v]

    @staticmethod
    def _base(model: Model, p_kw: Array, q_kvar: Array, at_rest: Array) -> Array:
        base = model.state_of_p @ p_kw
        base += model.state_of_q @ q_kvar
        base += at_rest
        return base


@dataclass(frozen=True, slots=True)
class _Solve:
    """The iteration of a solve: the state without losses is given, so that a step is one product of matrices."""

    feeder: Model

    def case(self, draws: list[Array], head: Array | None) -> State:
        """Give the state that draws alone would leave, the draws, and the voltages of the root where they vary."""
        (p, q), model = draws, self.feeder
        if head is None:
            return distflow.linear_state(model, p, distflow.rest(model, q)), p
        return distflow.linear_state(model, p, distflow.rest(distflow.at_head(model, head), q)), p, head

    def begin(self, given: State) -> State:
        return given[0], distflow.current_of(self.feeder, given[0])

    def advance(self, given: State, state: State, n_iterations: int) -> tuple[State, Array]:
        now = distflow.iterate(self.feeder, given[0], state[0], state[1], n_iterations)
        return (now.state, now.current), distflow.change(now)

    def finish(self, given: State, state: State, change: Array, settled: Array) -> tuple[Array, ...]:
        _, p_kw, *head = given
        model = distflow.at_head(self.feeder, head[0] if head else None)
        return _fields(model, p_kw, state, change, settled)


def _fields(model: Model, p_kw: Array, state: State, residual_pu: Array, settled: Array) -> tuple[Array, ...]:
    """Give the fields of a PowerFlow, buses first."""
    (now, current), m = state, model.n_buses
    reading = distflow.read(model, distflow.Solution(now, current, now), p_kw)
    return (
        reading.voltage_pu, reading.branch_loading, now[:m], now[m : 2 * m], reading.loss_kw, reading.root_kw,
        residual_pu, settled & reading.is_sound,
    )  # fmt: skip
