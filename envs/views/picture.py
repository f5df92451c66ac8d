"""A picture of an episode so far: as text, or as an array of pixels. Made for any scenario, without its wires."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbazaar.envs.core import Core
from gridbazaar.envs.state import State, Transition

RENDER_MODES = ("human", "rgb_array", "ansi")


@dataclass(frozen=True, slots=True)
class Frame:
    """One interval of one community, as shown."""

    hour: float
    price_cur_per_kwh: float
    traded_kwh: float
    net_kw: float
    low_pu: float
    high_pu: float
    stored_frac: tuple[float, ...]  # of each kind with agents, after the interval


class Picture:
    """The intervals of one row of a batch since its reset.

    Args:
        core: the core.
        mode: one of ``RENDER_MODES``; none: nothing is kept and nothing drawn.
    """

    def __init__(self, core: Core, mode: str | None) -> None:
        if mode is not None and mode not in RENDER_MODES:
            raise ValueError(f"render_mode: expected one of {', '.join(RENDER_MODES)} or None, got {mode!r}")
        scenario = core.scenario
        self.mode = mode
        self._name, self._currency, self._hours = scenario.name, scenario.currency, scenario.hours
        self._step_h = scenario.step_h
        self._slices = {kind: s for kind, s in scenario.kind_slices.items() if s.stop > s.start}
        self._frames: list[Frame] = []

    def clear(self) -> None:
        self._frames = []

    def add(self, core: Core, happened: Transition, after: State, row: int = 0) -> None:
        """Remember an interval."""
        if self.mode is None:
            return
        view, voltage_pu = after.view, happened.wires.voltage_pu[row]
        stored = [float(view.stored_kwh[row, s].sum()) for s in self._slices.values()]
        room = [float(view.capacity_kwh[row, s].sum()) for s in self._slices.values()]
        self._frames.append(
            Frame(
                hour=float(core.world.hour[after.episode.start[row] + happened.t[row]]),
                price_cur_per_kwh=float(after.price_ucur_per_kwh[row]) / 1e6,
                traded_kwh=float(np.maximum(happened.market.clearing.traded_ukwh[row], 0).sum()) / 1e6,
                net_kw=float(after.net_kw[row]),
                low_pu=float(voltage_pu.min()),
                high_pu=float(voltage_pu.max()),
                stored_frac=tuple(min(s / r, 1.0) if r > 0 else 0.0 for s, r in zip(stored, room, strict=True)),
            )
        )

    def show(self) -> str | NDArray[np.uint8] | None:
        """Give the picture in the chosen mode; ``human`` prints it as text."""
        if self.mode == "human":
            print(self.text())
            return None
        return self.text() if self.mode == "ansi" else self.pixels()

    def text(self) -> str:
        """The last interval as a short table."""
        if not self._frames:
            return f"{self._name}: no interval yet"
        frame = self._frames[-1]
        rows = [
            ("price", f"{frame.price_cur_per_kwh:8.4f} {self._currency}/kWh"),
            ("traded", f"{frame.traded_kwh:8.3f} kWh"),
            ("net", f"{frame.net_kw:8.2f} kW"),
            *((f"{k} stored", f"{100 * f:8.1f} %") for k, f in zip(self._slices, frame.stored_frac, strict=True)),
            ("voltage", f"{frame.low_pu:8.4f} to {frame.high_pu:.4f} pu"),
        ]
        clock = f"{int(frame.hour):02d}:{round(frame.hour % 1 * 60):02d}"
        head = f"{self._name}  {clock}  interval {len(self._frames)} of {round(self._hours / self._step_h)}"
        return "\n".join([head, *(f"  {name:<18}{value}" for name, value in rows)])

    def pixels(self) -> NDArray[np.uint8]:
        """Price, net power and stored energy so far, [height, width, 3]."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.4, 4.8), dpi=75)
        canvas = FigureCanvasAgg(figure)
        hours = np.arange(1, len(self._frames) + 1) * self._step_h
        curves: list[tuple[str, list[tuple[str, list[float]]]]] = [
            (f"{self._currency}/kWh", [("price", [f.price_cur_per_kwh for f in self._frames])]),
            ("kW", [("net", [f.net_kw for f in self._frames])]),
            ("stored", [(k, [f.stored_frac[i] for f in self._frames]) for i, k in enumerate(self._slices)]),
        ]
        for i, (label, lines) in enumerate(curves):
            axes = figure.add_axes((0.12, 0.70 - 0.30 * i, 0.85, 0.25))
            for name, values in lines:
                axes.plot(hours, values, label=name)
            axes.set_xlim(0, self._hours)
            axes.set_ylabel(label)
            if len(lines) > 1:
                axes.set_ylim(0, 1)
                axes.legend(loc="upper right", fontsize=7, ncols=4)
        figure.text(0.12, 0.96, f"{self._name}: hours since the beginning")
        canvas.draw()  # type: ignore[no-untyped-call]
        drawn: NDArray[np.uint8] = np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]
        return drawn
