"""Bands of money from who pays through the lines of the bill to who receives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gridbazaar.experiments.report.drawing import (
    ALARM,
    EXPORT,
    IMPORT,
    INK,
    KIND_COLOURS,
    LOCAL,
    MUTED,
    PAPER,
    is_narrow,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Sides = Mapping[str, Mapping[str, tuple[float, float]]]

_GAP, _NARROW_GAP = 0.045, 0.085  # between the blocks of a column, as a share of all that is paid
_BAR = 0.02  # width of a block
_COLOURS = {
    "customers with PV": KIND_COLOURS["prosumer"], "customers without PV": IMPORT, "customers without a home": EXPORT,
    "retailer": INK, "wholesale": MUTED, "network_operator": LOCAL, "state": KIND_COLOURS["vpp"],
    "market_operator": KIND_COLOURS["battery"], "flexibility_buyer": KIND_COLOURS["ev"], "escrow": ALARM,
}  # fmt: skip


@styled
def flow_bands(sides: Sides, currency: str) -> Figure:
    """Draw what parties pay (left) for which lines (middle) to whom (right); a block is as high as its amount.

    Args:
        sides: by line and party, what is paid and what is received.
        currency: of the amounts.
    """
    parties = dict.fromkeys(party for of in sides.values() for party in of)
    paid = {p: sum(of.get(p, (0.0, 0.0))[0] for of in sides.values()) for p in parties}
    got = {p: sum(of.get(p, (0.0, 0.0))[1] for of in sides.values()) for p in parties}
    lines = {line: sum(pays for pays, _ in of.values()) for line, of in sides.items()}
    figure = new_figure(1.0 + 0.34 * max(len(lines), len(parties)) + 1.4)
    axes = figure.subplots()
    left, middle, right = (_stacked(part, sum(lines.values())) for part in (paid, lines, got))
    _bands(axes, sides, left, middle, right)
    for x, blocks, amounts in ((0.0, left, paid), (0.5, middle, lines), (1.0, right, got)):
        _blocks(axes, x, blocks, amounts)
    _finish(axes, max(low + amounts for blocks, part in ((left, paid), (middle, lines), (right, got))
                      for low, amounts in [(blocks[name], part[name]) for name in blocks]), currency)  # fmt: skip
    return figure


def _stacked(amounts: Mapping[str, float], total: float) -> dict[str, float]:
    """Where each block begins, from above."""
    at, found = 0.0, {}
    for name, amount in amounts.items():
        if amount > 0:
            found[name] = at
            at += amount + (_NARROW_GAP if is_narrow() else _GAP) * total
    return found


def _bands(axes: Axes, sides: Sides, left: dict[str, float], middle: dict[str, float], right: dict[str, float]) -> None:
    """Each party's band into a line and out of it, in the order of the blocks."""
    from_party, to_party, into, out_of = (dict(blocks) for blocks in (left, right, middle, middle))
    for line, of in sides.items():
        for party, (pays, receives) in of.items():
            colour = _COLOURS.get(party, MUTED)
            if pays > 0:
                _band(axes, _BAR, from_party[party], 0.5, into[line], pays, colour)
                from_party[party] += pays
                into[line] += pays
            if receives > 0:
                _band(axes, 0.5 + _BAR, out_of[line], 1.0, to_party[party], receives, colour)
                out_of[line] += receives
                to_party[party] += receives


def _band(axes: Axes, x0: float, y0: float, x1: float, y1: float, height: float, colour: str) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    half = (x0 + x1) / 2
    points = [(x0, y0), (half, y0), (half, y1), (x1, y1), (x1, y1 + height), (half, y1 + height),
              (half, y0 + height), (x0, y0 + height), (x0, y0)]  # fmt: skip
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    axes.add_patch(PathPatch(Path(points, codes), facecolor=colour, alpha=0.45, linewidth=0))


def _blocks(axes: Axes, x: float, blocks: Mapping[str, float], amounts: Mapping[str, float]) -> None:
    """Blocks of a column with their names and amounts: beside the outer ones, on the middle ones."""
    from matplotlib.patches import Rectangle

    for name, low in blocks.items():
        axes.add_patch(Rectangle((x, low), _BAR, amounts[name], facecolor=_COLOURS.get(name, INK), linewidth=0))
        words = name.replace("_", " ")
        words = words.replace("customers ", "customers\n").replace("network ", "network\n") if is_narrow() else words
        said = f"{words}{chr(10) if is_narrow() and x != 0.5 else ' '}{amounts[name]:,.2f}"
        place, align = {0.0: (-0.01, "right"), 0.5: (0.5 + _BAR / 2, "center"), 1.0: (1.0 + _BAR + 0.01, "left")}[x]
        behind = {"facecolor": PAPER, "alpha": 0.85, "linewidth": 0, "boxstyle": "round,pad=0.15"} if x == 0.5 else None
        axes.text(
            place, low + amounts[name] / 2, said, ha=align, va="center", fontsize=8 if is_narrow() else 9, bbox=behind,
        )  # fmt: skip


def _finish(axes: Axes, height: float, currency: str) -> None:
    beside = 0.42 if is_narrow() else 0.3
    axes.set_xlim(-beside, 1 + _BAR + beside)
    axes.set_ylim(height * 1.02, -0.08 * height)
    for x, words in ((0.0, "pays"), (0.5, f"for, {currency} an episode"), (1.0, "receives")):
        axes.text(x + _BAR / 2, -0.04 * height, words, ha="center", va="bottom", fontweight="bold")
    axes.set_axis_off()
