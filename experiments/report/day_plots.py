"""Pictures of a day: plain data in, matplotlib figures out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gridbazaar.experiments.report.day import Day
from gridbazaar.experiments.report.drawing import (
    ALARM,
    EXPORT,
    GRID,
    IMPORT,
    INK,
    KIND_COLOURS,
    LEARNED,
    LOCAL,
    MUTED,
    PAPER,
    is_narrow,
    legend_above,
    new_figure,
    policy_colour,
    styled,
)
from gridbazaar.experiments.report.feeder_plot import feeder_state, nearest_to_a_limit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

_NAMED_CARS = 16  # more have no name, and only those that come are shown
_MOST_TICKS = 14


def _clock(axes: Axes, day: Day) -> None:
    """Hours of the day below an axis, midnights marked."""
    most = _MOST_TICKS // 2 if is_narrow() else _MOST_TICKS
    every_h = next(h for h in (3, 6, 12, 24) if (day.edges[-1] - day.edges[0]) / h <= most or h == 24)
    ticks = np.arange(np.ceil(day.edges[0] / every_h) * every_h, day.edges[-1] + 1e-9, every_h)
    axes.set_xticks(ticks, [f"{int(h) % 24:02d}:00" for h in ticks])
    axes.set_xlim(day.edges[0], day.edges[-1])
    _midnights(axes, day)


def _midnights(axes: Axes, day: Day) -> None:
    for hour in np.arange(24, day.edges[-1], 24):
        axes.axvline(hour, color=GRID, linewidth=0.8, zorder=0)


def _caps(axes: Axes, day: Day) -> None:
    """Lines at what the connection carries, where that is anywhere near the power of the day."""
    for cap, sign, word in ((day.import_cap_kw, 1, "import"), (day.export_cap_kw, -1, "export")):
        if cap < 3 * max(float(np.abs(day.root_kw).max()), 1e-9):
            axes.axhline(sign * cap, color=ALARM, linewidth=1.2, linestyle=(0, (5, 3)))
            beyond = -sign if is_narrow() else sign  # no room beside the title on a narrow screen
            axes.annotate(
                f"{word} cap {cap:.0f} kW", (1, sign * cap), xycoords=("axes fraction", "data"), color=ALARM,
                xytext=(0, 3 * beyond), textcoords="offset points", ha="right", va="bottom" if beyond > 0 else "top",
            )  # fmt: skip


@styled
def prices(day: Day, currency: str) -> Figure:
    """Prices, local trade and the flow at the head of the feeder over a day."""
    figure = new_figure(6.6)
    price, local, head = figure.subplots(3, 1, sharex=True, height_ratios=[3, 1.3, 1.9])
    edges = day.edges
    price.fill_between(
        edges, _stair(day.feed_in_cur_per_kwh), _stair(day.upper_cur_per_kwh), step="post", color=LOCAL, alpha=0.12
    )
    price.stairs(day.retail_cur_per_kwh, edges, baseline=None, color=INK, linewidth=1.6, label="retail, all charges")
    price.stairs(day.feed_in_cur_per_kwh, edges, baseline=None, color=MUTED, linewidth=1.6, label="feed-in")
    shown = np.where(day.traded_kwh > 0, day.local_cur_per_kwh, np.nan)
    price.stairs(shown, edges, baseline=None, color=LOCAL, linewidth=2.4, label="local, where neighbours traded")
    price.fill_between([], [], color=LOCAL, alpha=0.12, label="band of local prices")
    price.set_ylabel(f"{currency} per kWh")
    price.set_title("Price")
    legend_above(price, 1, 4, left=0.1)
    price.set_ylim(min(0.0, *price.get_ylim()))
    local.stairs(day.traded_kwh, edges, fill=True, color=LOCAL)
    local.set_ylabel("kWh")
    local.set_title(f"Traded between neighbours, per {60 * day.step_h:.0f} minutes")
    head.stairs(np.maximum(day.root_kw, 0), edges, fill=True, color=IMPORT)
    head.stairs(np.minimum(day.root_kw, 0), edges, fill=True, color=EXPORT)
    head.axhline(0, color=MUTED, linewidth=0.8)
    head.set_ylabel("kW")
    head.set_title("Head of the feeder: import above zero" + ("" if is_narrow() else ", export below"))
    _caps(head, day)
    _clock(head, day)
    for axes in (price, local):
        _midnights(axes, day)
    figure.align_ylabels()
    return figure


def _stair(x: Floats) -> Floats:
    return np.append(x, x[-1])


@styled
def storage(day: Day) -> Figure:
    """What is stored over a day by kind, and how full each car is while it is plugged in."""
    cars = day.kind_slices.get("ev", slice(0, 0))
    n_cars = cars.stop - cars.start
    figure = new_figure(3.0 + (0.7 + min(0.22 * n_cars, 3.0) if n_cars else 0))
    stationary = [k for k, s in day.kind_slices.items() if k != "ev" and day.capacity_kwh[:, s].any()]
    ratios = [3.0, 0.4 + min(0.22 * n_cars, 3.0)] if n_cars else [1.0]
    axes = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios, squeeze=False)[:, 0]
    for kind in stationary:
        columns = day.kind_slices[kind]
        capacity_kwh = day.capacity_kwh[:, columns].sum(1)
        percent = 100 * day.stored_kwh[:, columns].sum(1) / capacity_kwh
        label = f"{kind}, {capacity_kwh[0]:.0f} kWh"
        axes[0].plot(day.hour, percent, color=KIND_COLOURS.get(kind, INK), label=label, linewidth=2.2)
    axes[0].set_ylim(0, 100)
    axes[0].set_ylabel("% of usable energy")
    axes[0].set_title("Stored, by kind")
    if stationary:
        legend_above(axes[0], 2, 4)
    if n_cars:
        _cars(figure, axes[1], day, cars)
    _clock(axes[-1], day)
    return figure


def _cars(figure: Figure, axes: Axes, day: Day, cars: slice) -> None:
    """A row for each car, coloured while it is plugged in by how full it is."""
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("ev", ["#d8ebf7", KIND_COLOURS["ev"], "#0b3c5d"])
    columns, title = np.arange(cars.start, cars.stop), "Cars while plugged in"
    named = len(columns) <= _NAMED_CARS
    if not named:
        came = columns[day.is_plugged[:, columns].any(axis=0)]
        title = f"Cars while plugged in: {len(came)} of {len(columns)} come"
        columns = came[np.argsort(day.is_plugged[:, came].argmax(axis=0), kind="stable")]
    plugged = day.is_plugged[:, columns]
    full = 100 * day.stored_kwh[:, columns] / np.maximum(day.capacity_kwh[:, columns], 1e-9)
    rows = np.arange(len(columns) + 1) - 0.5
    shown = np.ma.masked_where(~plugged, full).T
    mesh = axes.pcolormesh(day.edges, rows, shown, cmap=shades, vmin=0, vmax=100, rasterized=True)
    for row in rows[1:-1]:
        axes.axhline(row, color=PAPER, linewidth=2 if named else 0.6)
    for row in np.flatnonzero(~plugged.any(axis=0)):
        axes.annotate(
            "no car", (day.edges[0], row), xytext=(6, 0), textcoords="offset points", va="center", color=MUTED
        )
    axes.set_yticks(range(len(columns)) if named else [], [day.agents[c] for c in columns] if named else [])
    axes.set_ylim(len(columns) - 0.5, -0.5)
    axes.grid(visible=False)
    axes.set_title(title)
    bar = figure.colorbar(mesh, ax=axes, aspect=8, pad=0.01, ticks=[0, 50, 100])
    bar.outline.set_visible(False)
    bar.set_label("% full")


@styled
def voltages(day: Day) -> Figure:
    """Lowest, median and highest voltage of the feeder's buses over a day, against the band."""
    figure = new_figure(2.6)
    axes = figure.subplots()
    volts, feeder = day.voltage_pu, day.feeder
    low, high = _stair(volts.min(1)), _stair(volts.max(1))
    axes.fill_between(day.edges, low, high, step="post", color=IMPORT, alpha=0.4, label="lowest to highest bus")
    axes.stairs(np.median(volts, axis=1), day.edges, baseline=None, color=IMPORT, linewidth=1.8, label="median bus")
    for limit in (feeder.v_min_pu, feeder.v_max_pu):
        axes.axhline(limit, color=ALARM, linewidth=1.2, linestyle=(0, (5, 3)))
    axes.plot([], [], color=ALARM, linewidth=1.2, linestyle=(0, (5, 3)), label="limits")
    worst = day.worst_step
    at = day.hour[worst] + day.step_h / 2
    below = volts[worst].min() - feeder.v_min_pu <= feeder.v_max_pu - volts[worst].max()
    extreme = float(volts[worst].min() if below else volts[worst].max())
    axes.plot([at], [extreme], "o", color=ALARM, markersize=5)
    axes.annotate(
        f"{extreme:.3f} pu", (at, extreme), xytext=(8, -5 if below else 5), textcoords="offset points", color=ALARM,
        va="top" if below else "bottom", ha="left" if worst < 0.85 * len(day.hour) else "right",
    )  # fmt: skip
    pad = 0.08 * (feeder.v_max_pu - feeder.v_min_pu)
    axes.set_ylim(min(feeder.v_min_pu, volts.min()) - pad, max(feeder.v_max_pu, volts.max()) + pad)
    axes.set_ylabel("voltage, pu")
    legend_above(axes, 2, 3)
    _clock(axes, day)
    return figure


def feeder_tree(day: Day) -> Figure:
    """The feeder in the worst interval, with the bus that is nearest to a limit."""
    volts = day.voltage_pu[day.worst_step]
    worst = nearest_to_a_limit(day.feeder, volts)
    said = f"{day.feeder.buses[worst]} {volts[worst]:.3f} pu"
    return feeder_state(day.feeder, volts, day.branch_loading[day.worst_step], marked=(worst, said))


@styled
def net_power(days: Mapping[str, Day]) -> Figure:
    """Power at the head of the feeder under several policies on the same day, with the cap of the connection."""
    figure = new_figure(3.3)
    axes = figure.subplots()
    for name, day in days.items():
        axes.stairs(
            day.root_kw, day.edges, baseline=None, color=policy_colour(name), label=name,
            linewidth=2.4 if policy_colour(name) == LEARNED else 1.5,
        )  # fmt: skip
    first = next(iter(days.values()))
    axes.axhline(0, color=MUTED, linewidth=0.8)
    _caps(axes, first)
    _clock(axes, first)
    axes.set_ylabel("kW at the head" + ("" if is_narrow() else ", import above zero"))
    legend_above(axes, 2, 4, left=0)
    return figure
