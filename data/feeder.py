"""A feeder as arrays, built from lines in the order of the tree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PHASES = {"abc": 0, "a": 1, "b": 2, "c": 3}
"""How the base load of a bus is connected: to all three phases, or to one."""


@dataclass(frozen=True, slots=True, eq=False)
class Feeder:
    """A radial feeder. Buses stand without the root, parents first; branch *j* feeds bus *j*."""

    name: str
    source: str
    base_kv: float  # line to line, of the side that the lines are on
    buses: tuple[str, ...]  # [n_buses]
    parent: NDArray[np.int64]  # [n_buses] index of the bus that feeds this one, -1 is the root
    r_ohm: NDArray[np.float64]  # [n_buses] of branch j, referred to base_kv; positive sequence
    x_ohm: NDArray[np.float64]  # [n_buses]
    rating_kva: NDArray[np.float64]  # [n_buses] lines: the permitted current at base_kv
    p_kw: NDArray[np.float64]  # [n_buses] base load, positive draws
    q_kvar: NDArray[np.float64]  # [n_buses]
    v_min_pu: float
    v_max_pu: float
    root_voltage_pu: float = 1.0
    has_transformer: bool = False  # branch 0 is the transformer and the only branch at the root
    no_load_loss_kw: float = 0.0  # iron loss of the transformer at 1 pu
    no_load_kvar: float = 0.0  # magnetising power of the transformer at 1 pu
    phases: int = 1  # 1: solved as balanced; 3: solved phase by phase
    r0_ohm: NDArray[np.float64] | None = None  # [n_buses] zero sequence, the return through the neutral included
    x0_ohm: NDArray[np.float64] | None = None  # [n_buses]
    phase: NDArray[np.int64] | None = None  # [n_buses] of the base load, a value of PHASES; None: all three

    @property
    def n_buses(self) -> int:
        return len(self.buses)


@dataclass(frozen=True, slots=True)
class Line:
    """One checked branch, from the end nearer the root."""

    where: str  # for messages, such as "lines.csv row 3"
    from_bus: str
    to_bus: str
    r_ohm: float
    x_ohm: float
    rating_kva: float
    p_kw: float
    q_kvar: float
    r0_ohm: float | None = None
    x0_ohm: float | None = None
    phase: int = 0


@dataclass(frozen=True, slots=True)
class Transformer:
    """The nameplate of the transformer at the root."""

    to_bus: str
    rating_kva: float
    short_circuit_percent: float
    load_loss_kw: float
    no_load_loss_kw: float
    no_load_current_percent: float = 0.0
    p_kw: float = 0.0  # base load at its bus
    q_kvar: float = 0.0

    @property
    def no_load_kvar(self) -> float:
        apparent_kva = self.no_load_current_percent / 100 * self.rating_kva
        return math.sqrt(max(apparent_kva**2 - self.no_load_loss_kw**2, 0.0))


def build(name: str, root_bus: str, transformer: Transformer | None, lines: Sequence[Line], **settings: Any) -> Feeder:
    """Make a feeder of lines that stand parents first; ``settings`` are further fields of it."""
    if transformer is not None:
        first = _transformer_line(transformer, root_bus, settings["base_kv"])
        lines = [first, *lines]
        settings |= {
            "has_transformer": True,
            "no_load_loss_kw": transformer.no_load_loss_kw,
            "no_load_kvar": transformer.no_load_kvar,
        }
    index = {line.to_bus: i for i, line in enumerate(lines)} | {root_bus: -1}

    def column(field: str) -> NDArray[np.float64]:
        return np.array([getattr(line, field) for line in lines], dtype=np.float64)

    if all(line.r0_ohm is not None for line in lines):
        settings |= {"r0_ohm": column("r0_ohm"), "x0_ohm": column("x0_ohm")}
    return Feeder(
        name=name,
        buses=tuple(line.to_bus for line in lines),
        parent=np.array([index[line.from_bus] for line in lines], dtype=np.int64),
        r_ohm=column("r_ohm"),
        x_ohm=column("x_ohm"),
        rating_kva=column("rating_kva"),
        p_kw=column("p_kw"),
        q_kvar=column("q_kvar"),
        phase=np.array([line.phase for line in lines], dtype=np.int64),
        **settings,
    )


def _transformer_line(transformer: Transformer, root_bus: str, base_kv: float) -> Line:
    """The series impedance of the nameplate: u_k and the load loss at rating, referred to the lines' voltage.

    The zero sequence is that of Dyn with an earthed star point: the same impedance, closed by the delta winding.
    """
    base_ohm = base_kv**2 / (transformer.rating_kva / 1000)
    resistance_pu = transformer.load_loss_kw / transformer.rating_kva
    impedance_pu = transformer.short_circuit_percent / 100
    r_ohm = resistance_pu * base_ohm
    x_ohm = math.sqrt(impedance_pu**2 - resistance_pu**2) * base_ohm
    return Line(
        where="the transformer",
        from_bus=root_bus,
        to_bus=transformer.to_bus,
        r_ohm=r_ohm,
        x_ohm=x_ohm,
        rating_kva=transformer.rating_kva,
        p_kw=transformer.p_kw,
        q_kvar=transformer.q_kvar,
        r0_ohm=r_ohm,
        x0_ohm=x_ohm,
    )
