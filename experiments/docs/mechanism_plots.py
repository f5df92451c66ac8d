"""Pictures of mechanisms: one book cleared by all of them, and their measured cards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.units import MICRO
from gridbazaar.experiments.measure.mechanisms import Card
from gridbazaar.experiments.report.drawing import ALARM, EXPORT, GRID, IMPORT, INK, LOCAL, MUTED, new_figure, styled
from gridbazaar.market.mechanisms import list_mechanisms, load_mechanism, mechanism_stage
from gridbazaar.market.orders import Clearing, Orders, Setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

BUYS = ((1.0, 0.29), (1.5, 0.26), (1.0, 0.23), (1.0, 0.18), (0.8, 0.14), (1.2, 0.11))
SELLS = ((0.8, 0.11), (1.2, 0.13), (1.0, 0.16), (1.0, 0.19), (1.0, 0.24), (0.5, 0.28))
RETAILER = (0.30, 0.10)
"""The book of the picture: (kWh, price), and what the retailer asks and pays."""

_COLUMNS = 4
_SEED = 0


def example() -> tuple[Orders, Setting]:
    """Give the book of the picture."""
    kwh = np.array([q for q, _ in BUYS] + [-q for q, _ in SELLS])
    price = np.array([p for _, p in BUYS + SELLS])
    n = len(price)
    lottery = np.random.default_rng(_SEED).random((1, n))
    energy, limit = (np.rint(x * MICRO).astype(np.int64)[None] for x in (kwh, price))
    orders = Orders(
        energy_ukwh=energy, limit_ucur_per_kwh=limit, agent=np.arange(n), bus=np.zeros(n, np.int64), lottery=lottery
    )
    upper, lower = (np.array([round(p * MICRO)]) for p in RETAILER)
    return orders, Setting(upper, lower)


@styled
def one_book() -> Figure:
    """Demand, supply, and what each mechanism lets trade at which price, a panel each."""
    names = list_mechanisms()
    n_rows = -(-len(names) // _COLUMNS)
    figure = new_figure(0.5 + 1.75 * n_rows)
    panels = figure.subplots(n_rows, _COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    orders, setting = example()
    for i, (axes, name) in enumerate(zip(panels, names, strict=False)):
        axes.tick_params(labelbottom=i + _COLUMNS >= len(names))
        _panel(axes, orders, load_mechanism(name)(orders, setting))
        axes.set_title(name.replace("_", " "), fontsize=8.5)
        if mechanism_stage(name) == "ex_post":
            axes.annotate("prices what was metered", (0.03, 0.17), xycoords="axes fraction", fontsize=7, color=MUTED)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    figure.supxlabel("kWh", fontsize=9)
    figure.supylabel("price per kWh", fontsize=9)
    return figure


def _panel(axes: Axes, orders: Orders, cleared: Clearing) -> None:
    """Draw the curves, and each filled order as a bar at the average price that it paid or got."""
    energy, limit = orders.energy_ukwh[0] / MICRO, orders.limit_ucur_per_kwh[0] / MICRO
    for sign, colour in ((1, IMPORT), (-1, EXPORT)):
        mine = np.flatnonzero(energy * sign > 0)
        best_first = mine[np.argsort(-sign * limit[mine], kind="stable")]
        end = np.append(0.0, np.cumsum(np.abs(energy[best_first])))
        axes.stairs(limit[best_first], end, baseline=None, color=colour, linewidth=1.4)
        traded = np.abs(cleared.traded_ukwh[0, best_first]) / MICRO
        paid = np.abs(cleared.pay_ucur[0, best_first]) / MICRO
        filled = traded > 0
        edges = np.append(0.0, np.cumsum(traded[filled]))
        if filled.any():
            axes.stairs(paid[filled] / traded[filled], edges, baseline=None, color=LOCAL if sign > 0 else ALARM,
                        linewidth=2.2, linestyle="-" if sign > 0 else (0, (2, 1.2)))  # fmt: skip
            axes.axvline(edges[-1], color=INK, linewidth=0.8, linestyle=(0, (3, 2)))
    for price in RETAILER:
        axes.axhline(price, color=GRID, linewidth=1.0, zorder=0)
    volume = np.maximum(cleared.traded_ukwh[0], 0).sum() / MICRO
    axes.annotate(f"{volume:.2f} kWh", (0.97, 0.9), xycoords="axes fraction", ha="right", fontsize=7.5, color=INK)
    axes.tick_params(labelsize=7.5)


@styled
def cards(found: Sequence[Card]) -> Figure:
    """Share of the possible gain, and the share of traders that could gain by another limit, over the market's size."""
    figure = new_figure(0.8 + 0.27 * len({c.mechanism for c in found}))
    gains, lies = figure.subplots(1, 2, sharey=True)
    sides = sorted({c.n_side for c in found})
    last = {c.mechanism: c.welfare_share for c in found if c.n_side == sides[0]}
    names = sorted(last, key=lambda name: last[name])
    sizes = dict(zip(sides, np.linspace(3.5, 9.0, len(sides)), strict=True))
    for card in found:
        row = names.index(card.mechanism)
        for axes, value in ((gains, card.welfare_share), (lies, card.liars_share)):
            axes.plot([100 * value], [row], "o", color=LOCAL, alpha=0.75, markersize=sizes[card.n_side], clip_on=False)
    for axes, title in ((gains, "Share of the possible gain, %"), (lies, "Traders who gain by another limit, %")):
        axes.set_title(title)
        axes.grid(visible=True, axis="x")
        axes.set_ylim(-0.7, len(names) - 0.3)
    gains.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    lies.set_xlim(left=-2)
    figure.supxlabel(f"small to large dots: {', '.join(map(str, sides))} buyers and as many sellers", fontsize=9)
    return figure
