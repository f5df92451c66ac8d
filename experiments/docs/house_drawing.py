"""The house as a picture: layers above each other, in each its rooms from those on top (left) to the ground (right).

An arrow goes from a room to what it imports. Arrows that follow from others are left out: where a imports b and b
imports c, none goes from a to c. Which other layers a room imports is said by small squares in their colours. A red
arrow closes a circle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from statistics import fmean
from textwrap import shorten

from gridbazaar.experiments.docs.house import LAYERS, Room
from gridbazaar.experiments.report.drawing import ALARM, INK, MUTED, PAPER

COLOURS: dict[str, str] = dict(zip(LAYERS, ("#56b4e9", "#009e73", "#e69f00", "#cc79a7", "#d55e00"), strict=True))
ABOUT = {
    "data": "what the world is", "market": "what may be traded", "agents": "who wants what",
    "envs": "the market interval", "experiments": "what we claim",
}  # fmt: skip
_LEGEND = (
    "Arrows: what a room imports of its layer, without what follows from other arrows. Squares: the layers below that "
    "it imports. Numbers: files."
)
_OF_CIRCLES = " Red arrows close a circle."
_WIDTH, _EDGE, _LEFT, _BETWEEN = 1200.0, 10.0, 150.0, 28.0  # of the page, beside all, of the rooms, of two layers
_LETTER, _LINE, _FOOT, _PAD, _APART = 7.3, 16.0, 26.0, 14.0, 14.0  # of a box, and between boxes
_SQUARE, _PORT, _SWEEPS, _PROMISE = 7.0, 9.0, 16, 100


@dataclass(eq=False, slots=True)
class _Item:
    """A room in its column, or the place where an arrow passes one."""

    room: Room | None
    width: float
    height: float
    x: float = 0.0  # of the left edge
    y: float = 0.0  # of the middle
    to: list[_Item] = field(default_factory=list)
    by: list[_Item] = field(default_factory=list)


def house_svg(rooms: Sequence[Room]) -> str:
    """Draw the house; the same rooms give the same text."""
    parts: list[str] = []
    y = _EDGE
    for layer in reversed(LAYERS):
        drawn, height = _layer(layer, rooms, y)
        parts += drawn
        y += height + _BETWEEN
        if layer != LAYERS[0]:
            down = f"M{_LEFT / 2:g} {y - _BETWEEN:g}V{y - 1:g}"
            parts.append(f'<path d="{down}" stroke="{INK}" stroke-width="2" marker-end="url(#layer)"/>')
    foot = y - _BETWEEN + 24
    height = foot + 14
    legend = _LEGEND + _OF_CIRCLES * any("url(#circle)" in part for part in parts)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height:g}" width="{_WIDTH:g}" '
        f'height="{height:g}" fill="{INK}" font-size="13" '
        'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">',
        "<title>The rooms of GridBazaar and what they import</title>", "<defs>", *_heads(), "</defs>",
        f'<rect width="{_WIDTH:g}" height="{height:g}" fill="{PAPER}"/>', *parts,
        f'<text x="24" y="{foot:g}" font-size="12" fill="{MUTED}">{legend}</text>', "</svg>", "",
    ])  # fmt: skip


def _heads() -> list[str]:
    return [
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="{size}" markerHeight="{size}" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.5L8 4L0 7.5z" fill="{colour}"/></marker>'
        for name, colour, size in (("room", MUTED, 8), ("layer", INK, 12), ("circle", ALARM, 8))
    ]


def _layer(layer: str, rooms: Sequence[Room], top: float) -> tuple[list[str], float]:
    """The box of a layer with its rooms and arrows, and its height."""
    items = {i: _item(room) for i, room in enumerate(rooms) if room.layer == layer}
    columns: list[list[_Item]] = [[] for _ in range(1 + max(rooms[i].storey for i in items))]
    for i, item in items.items():
        columns[rooms[i].storey].append(item)
    circles = []
    for i, item in items.items():
        for other in sorted(_direct(i, rooms)):
            if rooms[other].storey < rooms[i].storey:
                _connect(item, items[other], columns[rooms[other].storey + 1 : rooms[i].storey])
            else:
                circles.append((item, items[other]))
    height = max(_APART * (len(c) - 1) + sum(item.height for item in c) for c in columns) + 2 * _PAD
    _arrange(columns, top + _PAD, top + height - _PAD)
    widths = [max(item.width for item in column) for column in columns]
    apart = (_WIDTH - _EDGE - _LEFT - sum(widths)) / len(columns)
    right = _WIDTH - _EDGE
    for column, widest in zip(columns, widths, strict=True):
        middle = right - (widest + apart) / 2
        right -= widest + apart
        for item in column:
            item.width = item.width if item.room else widest
            item.x = round(middle - item.width / 2, 1)
    arrows = [_arrow(a, b) for c in columns for a in c for b in a.to] + [_circle(a, b) for a, b in circles]
    n_files = sum(rooms[i].n_files for i in items)
    box = [
        f'<rect x="{_EDGE:g}" y="{top:g}" width="{_WIDTH - 2 * _EDGE:g}" height="{height:g}" rx="10" '
        f'fill="{COLOURS[layer]}" fill-opacity="0.09" stroke="{COLOURS[layer]}" stroke-opacity="0.7"/>',
        f'<text x="24" y="{top + 27:g}" font-size="16" font-weight="700">{layer}</text>',
        f'<text x="24" y="{top + 45:g}" font-size="12" fill="{MUTED}">{ABOUT[layer]}</text>',
        f'<text x="24" y="{top + 61:g}" font-size="12" fill="{MUTED}">{n_files} files</text>',
    ]
    return [*box, *arrows, *(_box(item, item.room, rooms) for c in columns for item in c if item.room)], height


def _item(room: Room) -> _Item:
    widest = max(_LETTER * max(map(len, room.names)), 24 + (_SQUARE + 3) * len(room.layers))
    return _Item(room, widest + 18, _LINE * len(room.names) + _FOOT)


def _direct(i: int, rooms: Sequence[Room]) -> set[int]:
    """What a room imports and does not reach by way of another one."""

    def lower(n: int) -> set[int]:
        return {other for other in rooms[n].below if rooms[other].storey < rooms[n].storey}

    def reached(n: int) -> set[int]:
        return lower(n) | {far for other in lower(n) for far in reached(other)}

    return set(rooms[i].below) - {far for other in lower(i) for far in reached(other)}


def _connect(one: _Item, other: _Item, between: Sequence[list[_Item]]) -> None:
    """Join two rooms, through a place in each column between them."""
    places = [_Item(None, 0.0, 4.0) for _ in between]
    for place, column in zip(places, between, strict=True):
        column.append(place)
    for a, b in pairwise([one, *reversed(places), other]):
        a.to.append(b)
        b.by.append(a)


def _arrange(columns: list[list[_Item]], top: float, bottom: float) -> None:
    """Place all items at a height near to what they are joined to, and none over another."""
    for column in columns:
        _place(column, [top + (bottom - top) * (i + 0.5) / len(column) for i in range(len(column))], top, bottom)
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 else columns[::-1]:
            joined = [(item.to if sweep % 2 else item.by) or item.to or item.by or [item] for item in column]
            wish = {item: fmean(other.y for other in others) for item, others in zip(column, joined, strict=True)}
            column.sort(key=lambda item: (wish[item], item.y))
            _place(column, [wish[item] for item in column], top, bottom)


def _place(column: list[_Item], wishes: Sequence[float], top: float, bottom: float) -> None:
    """Put items in their order as near to their wishes as fits; groups that push each other share the way."""
    offsets, groups = [0.0], list[list[float]]()
    for a, b in pairwise(column):
        offsets.append(offsets[-1] + (a.height + b.height) / 2 + _APART)
    for wish, offset in zip(wishes, offsets, strict=True):
        groups.append([wish - offset])
        while len(groups) > 1 and fmean(groups[-2]) > fmean(groups[-1]):
            groups[-2:] = [groups[-2] + groups[-1]]
    least, most = top + column[0].height / 2, bottom - column[-1].height / 2 - offsets[-1]
    starts = [fmean(group) for group in groups for _ in group]
    for item, start, offset in zip(column, starts, offsets, strict=True):
        item.y = round(max(min(start, most), least) + offset, 1)


def _arrow(a: _Item, b: _Item) -> str:
    """An arrow to the right, or a piece of one that passes a column on its way."""
    x1, y1, x2, y2 = a.x + a.width, _port(a, b, a.to), b.x, _port(b, a, b.by)
    bend = (x2 - x1) / 2
    path = f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    end = ' marker-end="url(#room)"' if b.room else ""
    path += "" if b.room else f"H{b.x + b.width:.1f}"
    return f'<path d="{path}" fill="none" stroke="{MUTED}" stroke-width="1.2"{end}/>'


def _circle(a: _Item, b: _Item) -> str:
    """An arrow back to a room that stands no lower."""
    x1, y1, x2, y2 = a.x, a.y + _PORT, b.x + b.width, b.y + _PORT
    path = f"M{x1:.1f} {y1:.1f}C{x1 - 20:.1f} {y1 + 6:.1f} {x2 + 20:.1f} {y2 + 6:.1f} {x2:.1f} {y2:.1f}"
    return f'<path d="{path}" fill="none" stroke="{ALARM}" stroke-width="1.6" marker-end="url(#circle)"/>'


def _port(item: _Item, other: _Item, joined: Sequence[_Item]) -> float:
    """Where along the edge of a box the arrow from or to another one is."""
    at = sorted(joined, key=lambda one: one.y).index(other)
    return item.y + min(_PORT, item.height / (len(joined) + 1)) * (at - (len(joined) - 1) / 2)


def _box(item: _Item, room: Room, rooms: Sequence[Room]) -> str:
    top = item.y - item.height / 2
    imported = [*(name for i in sorted(room.below) for name in rooms[i].names), *room.layers]
    said = [f"{n}: {shorten(p, _PROMISE, placeholder=' ...')}" for n, p in zip(room.names, room.promises, strict=True)]
    about = "\n".join([*said, f"imports {', '.join(imported) or 'nothing of ours'}"])
    foot = top + item.height - 10
    return "\n".join([
        f"<g><title>{escape(about)}</title>",
        f'<rect x="{item.x:.1f}" y="{top:.1f}" width="{item.width:.1f}" height="{item.height:.1f}" rx="5" '
        f'fill="{PAPER}" stroke="{COLOURS[room.layer]}"/>',
        *(
            f'<text x="{item.x + 9:.1f}" y="{top + 18 + i * _LINE:.1f}">{escape(name)}</text>'
            for i, name in enumerate(room.names)
        ),
        f'<text x="{item.x + 9:.1f}" y="{foot:.1f}" font-size="11" fill="{MUTED}">{room.n_files}</text>',
        *(
            f'<rect x="{item.x + 31 + i * (_SQUARE + 3):.1f}" y="{foot - _SQUARE - 0.5:.1f}" width="{_SQUARE:g}" '
            f'height="{_SQUARE:g}" fill="{COLOURS[layer]}"/>'
            for i, layer in enumerate(room.layers)
        ),
        "</g>",
    ])  # fmt: skip
