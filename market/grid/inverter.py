"""Inverters that answer the voltage: reactive power by a volt-var curve, less active power by a volt-watt curve.

The answer and the power flow are iterated together. The answer is damped, since steep curves on a weak feeder swing:
with the loop gain *rho* (the largest eigenvalue of sensitivities times slopes, all inverters on their slope), a step
of ``g`` settles if ``g < 2 / (1 + rho)``; taken is ``min(0.5, 0.9 * 2 / (1 + rho))``, once per feeder and inverters.
A row that swings all the same takes smaller steps: with watt priority a full inverter's room for reactive power
has no bounded slope.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Protocol

import numpy as np

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.feeder import Feeder
from gridbazaar.market.grid.balanced import PowerFlow
from gridbazaar.market.grid.fixed_point import State
from gridbazaar.market.grid.solve import solve_rows, tolerance_of
from gridbazaar.market.grid.three_phase import ThreePhaseFlow

Priority = Literal["var", "watt"]

FIRST_ITERATIONS = 8
MOST_ITERATIONS = 400
TOLERANCE = 1e-6
_CALM = 0.98  # a row whose distance does not shrink to this share of it swings, and takes shorter steps for a while
_LESS, _MORE = 0.8, 1.05
_LEAST_STEP = 0.03
_NO_SWING = 1e9


@dataclass(frozen=True, slots=True)
class Curve:
    """A piecewise linear function of the voltage in pu, level outside its points."""

    points: tuple[tuple[float, float], ...]  # (voltage_pu, share of the rating), voltages rising

    def __post_init__(self) -> None:
        for (low_pu, low), (high_pu, high) in pairwise(self.points):
            if high_pu < low_pu or (high_pu == low_pu and high != low):
                raise ValueError(f"curve: expected rising voltages without jumps, came {self.points}")
        if not self.points:
            raise ValueError("curve: expected at least one point, came none")

    @property
    def steepest(self) -> float:
        """Give the largest slope, in shares of the rating a pu; always >= 0."""
        sloped = [(a, b) for a, b in pairwise(self.points) if b[0] > a[0]]
        return max((abs(b[1] - a[1]) / (b[0] - a[0]) for a, b in sloped), default=0.0)

    def at(self, voltage_pu: Array) -> Array:
        """Give the shares of the rating that belong to voltages of any shape."""
        xp = namespace(voltage_pu)
        share = xp.zeros_like(voltage_pu) + self.points[0][1]
        for (low_pu, low), (high_pu, high) in pairwise(self.points):
            if high != low:
                share = share + (high - low) * xp.clip((voltage_pu - low_pu) / (high_pu - low_pu), 0.0, 1.0)
        return share


@dataclass(frozen=True, slots=True)
class Response:
    """How inverters answer: what they inject as reactive, and may inject as active power, at a voltage."""

    volt_var: Curve  # > 0 raises the voltage
    volt_watt: Curve


IEEE_1547_A = Response(
    Curve(((0.90, 0.25), (1.00, 0.0), (1.10, -0.25))),
    Curve(((1.06, 1.0), (1.10, 0.2))),
)
"""IEEE 1547-2018, defaults of category A (tables 8 and 10)."""
IEEE_1547_B = Response(
    Curve(((0.92, 0.44), (0.98, 0.0), (1.02, 0.0), (1.08, -0.44))),
    Curve(((1.06, 1.0), (1.10, 0.2))),
)
"""IEEE 1547-2018, defaults of category B (tables 8 and 10)."""
VDE_AR_N_4105 = Response(
    Curve(((0.93, 0.436), (0.97, 0.0), (1.03, 0.0), (1.07, -0.436))),
    Curve(((1.10, 1.0), (1.12, 0.0))),
)
"""VDE-AR-N 4105:2018, Q(U) with cos phi 0.90. It has no P(U); the one here is ours, after Austria's TOR Erzeuger."""
EN_50549 = VDE_AR_N_4105
"""EN 50549-1 leaves the values to the network operator; without others, those of VDE-AR-N 4105."""
RESPONSES = {
    "ieee_1547_a": IEEE_1547_A, "ieee_1547_b": IEEE_1547_B, "vde_ar_n_4105": VDE_AR_N_4105, "en_50549": EN_50549,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Inverters:
    """What stands at the buses of a feeder."""

    rating_kva: Array  # [n_buses], or [n_buses, 3] of the phases; apparent power of all inverters there, 0 for none
    response: Response = IEEE_1547_B
    priority: Priority = "var"  # what the rating keeps where both do not fit

    def __post_init__(self) -> None:
        if self.priority not in ("var", "watt"):
            raise ValueError(f"priority: expected 'var' or 'watt', came {self.priority!r}")
        rating = np.asarray(self.rating_kva)
        if not (np.isfinite(rating).all() and (rating >= 0).all()):
            wrong = np.argwhere(~(np.isfinite(rating) & (rating >= 0))).tolist()
            raise ValueError(f"rating_kva: expected finite numbers >= 0, came others at {wrong}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the inverters do, and the flow that comes of it. Arrays are [n, n_buses] or [n, n_buses, 3]."""

    injection_kw: Array  # >= 0
    curtailed_kw: Array  # >= 0, available but not injected
    q_kvar: Array  # of the inverters, positive draws
    flow: PowerFlow | ThreePhaseFlow  # of loads and inverters; its residual counts the inverters' last step as well


class SteppedGrid(Protocol):
    """What ``Grid`` and ``ThreePhaseGrid`` have in common: one iteration at a time, buses (and phases) first."""

    feeder: Feeder
    dtype: str

    @property
    def shape(self) -> tuple[int, ...]: ...
    def prepare(self, x: Array) -> Array: ...
    def model(self, like: Array) -> Any: ...
    def at_rest(self, model: Any, head: Array | None, like: Array) -> Array: ...
    def begin(self, model: Any, p_kw: Array, q_kvar: Array, at_rest: Array) -> State: ...
    def step(self, model: Any, p_kw: Array, q_kvar: Array, at_rest: Array, state: State) -> tuple[State, Array]: ...
    def magnitude(self, state: State) -> Array: ...
    def finish(
        self, model: Any, p_kw: Array, q_kvar: Array, at_rest: Array, state: State, residual_pu: Array, settled: Array
    ) -> tuple[Array, ...]: ...
    def pack(self, fields: list[Array]) -> PowerFlow | ThreePhaseFlow: ...
    def sensitivity(self) -> tuple[Array, Array]: ...


class InverterGrid:
    """A feeder with inverters that answer its voltages."""

    def __init__(self, grid: SteppedGrid, inverters: Inverters) -> None:
        rating = np.asarray(inverters.rating_kva, dtype=grid.dtype)
        if rating.shape != grid.shape:
            raise ValueError(f"rating_kva: expected an array {list(grid.shape)} for '{grid.feeder.name}', came "
                             f"{list(rating.shape)}")  # fmt: skip
        self.grid = grid
        self.inverters = inverters
        self._rating = rating.reshape(-1, 1)
        self.gain = loop_gain(grid, inverters)
        self.damping = min(0.5, 0.9 * 2 / (1 + self.gain))

    def solve(
        self,
        p_kw: Array,
        q_kvar: Array,
        available_kw: Array,
        *,
        rating_kva: Array | None = None,
        head_voltage_pu: Array | None = None,
        tolerance: float = TOLERANCE,
    ) -> Answer:
        """Find the state in which voltages and inverters agree, or flag the row.

        Args:
            p_kw, q_kvar: [n, n_buses] or [n, n_buses, 3], loads without the inverters, positive draws.
            available_kw: of the same shape, >= 0, what the sun offers.
            rating_kva: of the same shape, where rows have inverters of their own; none above those of the grid, which
                the damping is made for. None takes the grid's.
            head_voltage_pu: [n], of the root in each row; None takes the feeder's own.
            tolerance: of voltages in pu and of the inverters' powers as shares of their ratings.
        """
        grid, shape = self.grid, tuple(p_kw.shape)
        given = [grid.prepare(x) for x in (p_kw, q_kvar, available_kw)]
        given.append(self._ratings(given[0], rating_kva))
        flowing = _Answering(grid, grid.model(given[0]), self.inverters, self.damping)
        tolerance = tolerance_of(tolerance, grid.dtype)
        fields = solve_rows(
            flowing, given, head_voltage_pu, first=FIRST_ITERATIONS, most=MOST_ITERATIONS, tolerance=tolerance
        )
        injection_kw, curtailed_kw, q_inverters = (x.reshape(shape) for x in fields[:3])
        return Answer(injection_kw, curtailed_kw, q_inverters, grid.pack(fields[3:]))

    def _ratings(self, like: Array, rating_kva: Array | None) -> Array:
        """Give the rating of each row, [n, nodes]."""
        xp = namespace(like)
        most = xp.asarray(self._rating.T, like)
        if rating_kva is None:
            return most + 0 * like
        rating = self.grid.prepare(rating_kva)
        if bool(xp.any(xp.any((rating < 0) | (rating > most * (1 + 1e-9)), axis=1), axis=0)):
            raise ValueError(
                "rating_kva: expected numbers from 0 to the grid's own ratings, which the damping is made for, came "
                f"{float(xp.min(xp.min(rating, axis=1), axis=0)):g} or one above them; make the grid with the largest"
            )
        return rating


@dataclass(frozen=True, slots=True)
class _Answering:
    """The iteration of inverters and wires: given are loads, what the sun offers, and the wires at rest."""

    grid: SteppedGrid
    feeder: Any  # the grid's model
    inverters: Inverters
    damping: float

    def case(self, draws: list[Array], head: Array | None) -> State:
        return *draws, self.grid.at_rest(self.feeder, head, draws[0])

    def begin(self, given: State) -> State:
        p_kw, q_kvar, available, rating, at_rest = given
        xp = namespace(p_kw)
        injection, q_in = xp.minimum(available, rating), xp.zeros_like(p_kw)
        step, swing = xp.zeros_like(p_kw[0]) + self.damping, xp.zeros_like(p_kw[0]) + _NO_SWING
        return injection, q_in, step, swing, *self.grid.begin(self.feeder, p_kw - injection, q_kvar, at_rest)

    def advance(self, given: State, state: State, n_iterations: int) -> tuple[State, Array]:
        p_kw, q_kvar, available, rating, at_rest = given
        xp, change = namespace(p_kw), None
        (injection, q_in, step, swing), wires = state[:4], state[4:]
        per_rating = 1 / xp.maximum(rating, 1e-9)
        for _ in range(n_iterations):
            kw, kvar = self._wanted(self.grid.magnitude(wires), available, rating)
            gap = xp.max(xp.maximum(xp.abs(kw - injection), xp.abs(kvar - q_in)) * per_rating, axis=0)
            shorter, longer = xp.maximum(_LESS * step, _LEAST_STEP), xp.minimum(_MORE * step, self.damping)
            step = xp.where(gap > _CALM * swing, shorter, longer)
            swing = gap
            injection = injection + step * (kw - injection)
            q_in = q_in + step * (kvar - q_in)
            wires, moved_by = self.grid.step(self.feeder, p_kw - injection, q_kvar - q_in, at_rest, wires)
            change = xp.maximum(moved_by, gap)
        return (injection, q_in, step, swing, *wires), change

    def finish(self, given: State, state: State, change: Array, settled: Array) -> tuple[Array, ...]:
        p_kw, q_kvar, available, _, at_rest = given
        injection, q_in = state[:2]
        p_kw, q_kvar = p_kw - injection, q_kvar - q_in
        fields = self.grid.finish(self.feeder, p_kw, q_kvar, at_rest, state[4:], change, settled)
        return injection, available - injection, -q_in, *fields

    def _wanted(self, voltage_pu: Array, available: Array, rating: Array) -> tuple[Array, Array]:
        """Give what the curves ask for at these voltages, in kW and kvar injected, within the rating."""
        xp, response = namespace(voltage_pu), self.inverters.response
        kw = xp.minimum(available, rating * response.volt_watt.at(voltage_pu))
        kvar = rating * response.volt_var.at(voltage_pu)
        if self.inverters.priority == "var":
            return xp.minimum(kw, _rest_of(rating, kvar)), kvar
        room = _rest_of(rating, kw)
        return kw, xp.clip(kvar, -room, room)


def _rest_of(rating: Array, used: Array) -> Array:
    xp = namespace(used)
    return xp.sqrt(xp.maximum(rating * rating - used * used, 0.0))


def loop_gain(grid: SteppedGrid, inverters: Inverters) -> float:
    """Give the worst loop gain: every inverter on the steepest part of both of its curves."""
    of_kw, of_kvar = grid.sensitivity()
    rating, response = np.asarray(inverters.rating_kva, float).reshape(-1), inverters.response
    both = of_kw * (response.volt_watt.steepest * rating) + of_kvar * (response.volt_var.steepest * rating)
    return float(np.abs(np.linalg.eigvals(both)).max())


def reactive_draw_kvar(draw_kw: Array, power_factor: Array | float) -> Array:
    """Give the reactive power that heat pumps, cars and the like draw at a fixed power factor.

    Args:
        draw_kw: of any shape; positive draws.
        power_factor: in (0, 1], of the same shape or one for all; below 1 they draw reactive power, whatever the sign
            of the active power.
    """
    factor = np.asarray(power_factor, dtype=float)
    if not ((factor > 0) & (factor <= 1)).all():
        raise ValueError(f"power_factor: expected numbers above 0 and up to 1, came {factor.min()} to {factor.max()}")
    xp = namespace(draw_kw)
    per_kw = xp.astype(xp.asarray(np.sqrt(1 / factor**2 - 1), draw_kw), draw_kw.dtype)
    return xp.abs(draw_kw) * per_kw
