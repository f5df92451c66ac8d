"""How pictures look: colours, style, and figures as SVG or PNG.

Colours are those of Okabe and Ito (2008), which colour-blind people can tell apart; a kind or a policy has the same one
everywhere, and whatever has a colour is also labelled. Nothing global is changed: figures are made without pyplot.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

INK, MUTED, GRID, PAPER = "#1b1f24", "#6b7280", "#dde1e6", "#fefefe"
LOCAL, IMPORT, EXPORT, ALARM = "#7b5ea7", "#5b7fa6", "#a9bdd1", "#c1121f"
LEARNED, RULE = "#d55e00", "#93a4b5"
POLICY_COLOURS = {"idle": "#8a8f98", "optimum": INK, "opportunity_cost": "#0072b2"}
KIND_COLOURS = {
    "prosumer": "#e69f00",
    "battery": "#009e73",
    "ev": "#56b4e9",
    "vpp": "#cc79a7",
    "wind": "#0f766e",
    "genset": "#9a5b32",
}
DARK = {
    INK: "#e8eaed", MUTED: "#a3abb5", GRID: "#363c44", PAPER: "#1c2127", LOCAL: "#a98fd6", IMPORT: "#7fa6d1",
    EXPORT: "#4c6076", ALARM: "#ff6b6b", LEARNED: "#f07f2e", RULE: "#7d8c9b", "#8a8f98": "#8f959e",
    "#0072b2": "#4aa3df", "#e69f00": "#f0b429", "#009e73": "#2bc495", "#56b4e9": "#6cc3f2", "#cc79a7": "#de93bd",
}  # fmt: skip
"""What each colour becomes on a dark page."""

_WIDE_IN, _NARROW_IN = 9.0, 4.4
_width_in = ContextVar("width_in", default=_WIDE_IN)
_STYLE = {
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    "text.color": INK, "axes.labelcolor": INK, "xtick.color": MUTED, "ytick.color": MUTED,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK, "axes.edgecolor": MUTED, "grid.color": GRID,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.grid.axis": "y",
    "axes.axisbelow": True, "axes.linewidth": 0.8, "grid.linewidth": 0.8, "font.size": 9.5,
    "axes.titlesize": 10, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.labelsize": 9.5,
    "legend.frameon": False, "legend.fontsize": 9, "lines.linewidth": 1.8, "patch.linewidth": 0.0,
    "xtick.major.size": 3, "ytick.major.size": 0, "svg.fonttype": "none", "svg.hashsalt": "gridbazaar",
    "figure.constrained_layout.h_pad": 0.06, "figure.constrained_layout.hspace": 0.04,
}  # fmt: skip


def policy_colour(name: str) -> str:
    """Give a policy's colour: its own, that of rules, or that of all trained policies."""
    from gridbazaar.agents.policies import is_learned

    return POLICY_COLOURS.get(name, LEARNED if is_learned(name) else RULE)


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in our style, whatever the reader's own settings are, and leave those alone."""

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> Figure:
        from matplotlib import style

        with style.context(["default", _STYLE]):
            return draw(*args, **kwargs)

    return inside


@contextmanager
def narrow() -> Iterator[None]:
    """Draw for the screen of a phone while it lasts."""
    before = _width_in.set(_NARROW_IN)
    try:
        yield
    finally:
        _width_in.reset(before)


def is_narrow() -> bool:
    """Whether pictures are drawn for the screen of a phone."""
    return _width_in.get() == _NARROW_IN


def new_figure(height_in: float) -> Figure:
    """Make a figure of the width that is drawn for, without pyplot and its memory."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_width_in.get(), height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def legend_above(axes: Axes, narrow: int, wide: int, *, left: float | None = None, **more: Any) -> None:
    """Put the legend above the axes, in so many columns on a narrow and on a wide screen.

    Args:
        axes: whose.
        narrow, wide: columns.
        left: where it begins, as a share of the width; none: it ends at the right.
        more: handles, where they are not those of the axes.
    """
    pad = 1.9 if is_narrow() and axes.get_title(loc="left") else 0.2  # above a title that there is no room beside
    place = (1.0, 1.0) if left is None else (0.0 if is_narrow() else left, 1.0)
    axes.legend(
        ncols=narrow if is_narrow() else wide, loc="lower right" if left is None else "lower left",
        bbox_to_anchor=place, borderaxespad=pad, handlelength=1.6, **more,
    )  # fmt: skip


def svg(figure: Figure, name: str = "picture") -> str:
    """Give a figure as an SVG element for a page that defines the colours (``theme``) and the font.

    Args:
        figure: what to show.
        name: distinguishes it from other pictures of the page: what its parts are called begins with it.
    """
    from matplotlib import style

    out = io.StringIO()
    with style.context(["default", _STYLE]):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"| version="1.1"|(?<=<g) id="[^"]*"', "", text)
    text = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*pt"', r"\1", text)
    text = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*pt"', r"\1", text)
    text = re.sub(r"font: ([^;\"]*?px) [^;\"]*", r"font: \1 var(--font)", text)
    text = re.sub(r'(?<= id=")|(?<=url\(#)|(?<=href="#)', f"{name}-", text)
    for colour in DARK:
        text = text.replace(colour, f"var({_variable(colour)})")
    return text


def png(figure: Figure) -> bytes:
    """Give a figure as PNG on paper."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=200, facecolor=PAPER)
    return out.getvalue()


def theme(*, dark: bool) -> str:
    """Give the CSS variables that colour the SVG elements."""
    return "".join(f"{_variable(light)}:{night if dark else light};" for light, night in DARK.items())


def _variable(colour: str) -> str:
    return f"--c-{colour[1:]}"
