"""The feeder as a tree: where its buses stand, what they and their branches carry, who lives where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.feeder import Feeder
from gridbazaar.experiments.report.drawing import ALARM, INK, MUTED, is_narrow, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

_MOST_ACROSS = 9  # ends of branches that stand side by side on a phone, where the tree grows downwards
_SHADES = ("#0b4f9e", "#56a0d8", "#f2efe6", "#f0a13a", "#b3480a")  # of voltages, low to high


def tree_layout(parent: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Place buses: x is the depth below the root (whose depth is 0), y spreads the leaves and centres what feeds them.

    Args:
        parent: [n_buses] as in ``Feeder``, parents first, -1 is the root.

    Returns:
        x and y, [n_buses + 1] each; the last entry is the root.
    """
    n = len(parent)
    children: list[list[int]] = [[] for _ in range(n + 1)]
    x = np.zeros(n + 1)
    for bus, up in enumerate(parent):
        children[up].append(bus)
        x[bus] = x[up] + 1
    y = np.zeros(n + 1)
    waiting, leaves, order = [n], 0, []
    while waiting:
        bus = waiting.pop()
        order.append(bus)
        waiting += reversed(children[bus])
        if not children[bus]:
            y[bus] = leaves
            leaves += 1
    for bus in reversed(order):
        if children[bus]:
            y[bus] = float(np.mean([y[child] for child in children[bus]]))
    return x, y


def nearest_to_a_limit(feeder: Feeder, voltage_pu: Floats) -> int:
    """The bus whose voltage is nearest to a limit, or farthest beyond it."""
    return int(np.argmin(np.minimum(voltage_pu - feeder.v_min_pu, feeder.v_max_pu - voltage_pu)))


@styled
def feeder_state(
    feeder: Feeder, voltage_pu: Floats, loading: Floats, *, marked: tuple[int, str], people: Sequence[str] = ()
) -> Figure:
    """Draw one interval: colour of a bus is its voltage, width of a branch its loading.

    Args:
        feeder: which.
        voltage_pu: [n_buses].
        loading: [n_buses] of the branch that feeds each bus.
        marked: a bus and what is said of it.
        people: [n_buses] who is connected where, shown beside the bus; empty: not shown.
    """
    x, y = tree_layout(feeder.parent)
    down = is_narrow() and y.max() < _MOST_ACROSS
    if down:
        x, y = y, x
    tall = 0.34 if down or people else 0.3
    figure = new_figure(float(np.clip(1.4 + tall * (y.max() + 1), 2.2, 6.5 if down or people else 5.5)))
    axes = figure.subplots()
    _branches(axes, feeder, x, y, loading, down=down)
    _buses(figure, axes, feeder, x, y, voltage_pu)
    bus, words = marked
    axes.annotate(
        words, (x[bus], y[bus]), xytext=(-6, 7), color=ALARM, textcoords="offset points", ha="left", va="bottom",
        zorder=4,
    )  # fmt: skip
    for i, name in enumerate(people):
        below = -7 - 9 * (round(x[i]) % 2)  # neighbours in a row do not meet
        axes.annotate(
            name, (x[i], y[i]), xytext=(6, -1) if down else (0, below), textcoords="offset points", zorder=4,
            ha="left" if down else "center", va="center" if down else "top", fontsize=7.5 if down else 8,
        )  # fmt: skip
    axes.set_xlim(-0.6, x.max() + max(1.0, 0.16 * x.max()))
    axes.set_ylim(y.max() + 0.7, -0.9)
    axes.set_axis_off()
    return figure


def _branches(axes: Axes, feeder: Feeder, x: Floats, y: Floats, loading: Floats, *, down: bool) -> None:
    """Elbows from each bus to what feeds it, and how wide they are."""
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

    elbows = [[(x[p], y[p]), (x[b], y[p]) if down else (x[p], y[b]), (x[b], y[b])] for b, p in enumerate(feeder.parent)]
    colours = [ALARM if over > 1 else MUTED for over in loading]
    axes.add_collection(LineCollection(elbows, linewidths=0.8 + 7 * np.clip(loading, 0, 1.5), colors=colours,
                                       capstyle="round", joinstyle="round", alpha=0.75))  # fmt: skip
    widths = [
        Line2D([], [], color=MUTED, linewidth=0.8 + 7 * f, alpha=0.75, label=f"{100 * f:.0f} %") for f in (0.1, 0.5, 1)
    ]
    axes.legend(handles=widths, title="branch loading", ncols=3, loc="upper left", bbox_to_anchor=(0, 0.0),
                handlelength=1.8, alignment="left", title_fontsize=9)  # fmt: skip


def _buses(figure: Figure, axes: Axes, feeder: Feeder, x: Floats, y: Floats, voltage_pu: Floats) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    span = max(feeder.v_max_pu - 1, 1 - feeder.v_min_pu)
    size = float(np.clip(2400 / feeder.n_buses, 22, 110))
    dots = axes.scatter(
        x[:-1], y[:-1], c=voltage_pu, cmap=LinearSegmentedColormap.from_list("pu", list(_SHADES)), vmin=1 - span,
        vmax=1 + span, s=size, zorder=3, edgecolors=INK, linewidths=0.8,
    )  # fmt: skip
    axes.scatter(x[-1:], y[-1:], marker="s", s=1.3 * size, color=INK, zorder=3)
    axes.annotate("grid above", (x[-1], y[-1]), xytext=(0, 9), textcoords="offset points", ha="center")
    bar = figure.colorbar(dots, ax=axes, pad=0.01, aspect=14, ticks=[feeder.v_min_pu, 1.0, feeder.v_max_pu])
    bar.outline.set_visible(False)
    bar.set_label("bus, pu")
