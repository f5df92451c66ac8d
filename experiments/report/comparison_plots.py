"""Pictures of a comparison: plain data in, matplotlib figures out; drawn once more for narrow screens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.experiments.report.drawing import (
    ALARM,
    IMPORT,
    INK,
    KIND_COLOURS,
    LOCAL,
    MUTED,
    RULE,
    is_narrow,
    legend_above,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

_COLOURS = (INK, IMPORT, KIND_COLOURS["prosumer"], KIND_COLOURS["battery"], LOCAL, ALARM, KIND_COLOURS["ev"], MUTED)


class SeasonDay(NamedTuple):
    """An average day of a season, by the hours that it has."""

    title: str
    hour: Floats
    load_kw: Floats
    pv_kw: Floats
    today_kw: Floats  # at the head
    middle_kw: Floats


@styled
def average_day(days: Mapping[str, SeasonDay]) -> Figure:
    """Load, PV and power at the head by hour: a panel a season, two columns of them on a narrow screen."""
    columns = min(len(days), 2 if is_narrow() else 4)
    rows = -(-len(days) // columns)
    figure = new_figure(0.9 + (1.9 if len(days) > 1 else 2.4) * rows + 0.5 * is_narrow())
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, day in zip(panels, days.values(), strict=False):
        for values, colour, style, label in (
            (day.load_kw, MUTED, (0, (1, 1.2)), "load of homes"),
            (day.pv_kw, KIND_COLOURS["prosumer"], "-", "PV"),
            (day.today_kw, INK, (0, (4, 1.5)), "at the head, today"),
            (day.middle_kw, LOCAL, "-", "in the middle"),
        ):
            panel.plot(day.hour + 0.5, values, color=colour, linestyle=style, label=label, linewidth=1.8)
        panel.axhline(0, color=MUTED, linewidth=0.8)
        panel.set(xlim=(0, 24), xticks=(0, 6, 12, 18, 24))
        panel.set_title(day.title.replace(" to ", " to\n") if is_narrow() else day.title)
    for panel in panels[len(days) :]:
        panel.set_axis_off()
    for row in range(rows):
        panels[row * columns].set_ylabel("kW")
    figure.supxlabel("hour by the local clock", fontsize=9.5)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2 if is_narrow() else 4)
    return figure


@styled
def flows(received: Mapping[str, Mapping[str, float]], currency: str) -> Figure:
    """What each party receives from customers in a mean episode: a group of bars a party, a bar a cell."""
    cells = list(received)
    parties = list(received[cells[0]])
    figure = new_figure(0.9 + 0.18 * len(parties) * (len(cells) + 1))
    axes = figure.subplots()
    height = 0.8 / len(cells)
    for k, cell in enumerate(cells):
        values = [received[cell][party] for party in parties]
        place = [i + (k - (len(cells) - 1) / 2) * height for i in range(len(parties))]
        axes.barh(place, values, height=height * 0.92, color=(RULE, IMPORT, LOCAL)[k % 3], label=cell)
    axes.set_yticks(range(len(parties)), [party.replace("_", "\n" if is_narrow() else " ") for party in parties])
    axes.invert_yaxis()
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"received, {currency} an episode")
    legend_above(axes, 1, 3)
    return figure


@styled
def bills(lines: Mapping[str, Sequence[float]], names: Sequence[str], currency: str) -> Figure:
    """Bills by line: a bar a customer and cell, what is received to the left of zero."""
    figure = new_figure(1.3 + (0.5 if is_narrow() else 0.25) * len(names) + 0.1 * len(lines) * is_narrow())
    axes = figure.subplots()
    paid, got = np.zeros(len(names)), np.zeros(len(names))
    for k, (line, amounts) in enumerate(lines.items()):
        values = np.asarray(amounts, np.float64)
        left = np.where(values >= 0, paid, got)
        axes.barh(range(len(names)), values, left=left, height=0.66, color=_COLOURS[k % len(_COLOURS)], label=line)
        paid, got = paid + np.maximum(values, 0), got + np.minimum(values, 0)
    shown = [name.replace(" (", "\n(").replace("), ", ")\n") if is_narrow() else name for name in names]
    axes.set_yticks(range(len(names)), shown, fontsize=8 if is_narrow() else 9.5)
    axes.invert_yaxis()
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"{currency} in all")
    legend_above(axes, 3, min(len(lines), 8))
    return figure


@styled
def distribution(changes: Mapping[str, Floats], currency: str) -> Figure:
    """What each customer pays more (right) or less (left): a row a group, a dot a customer and episode."""
    figure = new_figure(0.9 + 0.6 * len(changes))
    axes = figure.subplots()
    for row, (name, values) in enumerate(changes.items()):
        colour = KIND_COLOURS["prosumer"] if name == "with PV" else IMPORT
        order = np.argsort(values)
        spread = np.zeros(len(values))
        spread[order] = 0.24 * np.sin(np.arange(len(values)) * 2.4)
        axes.scatter(values, row + spread, s=22, color=colour, alpha=0.75, linewidth=0)
        axes.vlines(np.median(values), row - 0.34, row + 0.34, color=INK, linewidth=1.8)
    axes.set_yticks(range(len(changes)), list(changes))
    axes.set_ylim(-0.6, len(changes) - 0.4)
    axes.invert_yaxis()
    axes.axvline(0, color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)))
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"pays more than today, {currency} an episode\n(line: median)")
    return figure


@styled
def duration(curves: Mapping[str, Floats]) -> Figure:
    """Power at the head of the feeder, sorted: a line a cell."""
    figure = new_figure(3.2 + (0.2 * len(curves) if is_narrow() else 0.0))
    axes = figure.subplots()
    for k, (name, levels) in enumerate(curves.items()):
        style = (0, ()) if k == 0 else (0, (4, 1.5)) if k == 1 else (0, (1, 1.2))
        colour = (INK, IMPORT, LOCAL, KIND_COLOURS["prosumer"])[k % 4]
        axes.plot(np.linspace(0, 100, len(levels)), levels, color=colour, linestyle=style, label=name)
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.set_xlim(0, 100)
    axes.set_xlabel("share of the time, %")
    axes.set_ylabel("kW (below 0: fed back)")
    legend_above(axes, 1, 2)
    return figure
