"""The page on mechanisms: its measured parts, written between marks into text that people write.

``gridbazaar measure mechanisms --write docs`` measures, keeps the figures in ``mechanisms.json``, draws the pictures
and fills the marks of ``mechanisms.md``; with ``--names`` the figures of the others stay. A test compares the page with
the figures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gridbazaar.data.inputs import read_text
from gridbazaar.experiments.files import write_bytes, write_json, write_text
from gridbazaar.experiments.measure.mechanisms import DISTRIBUTIONS, Card, CommunityCard, Measured, percent
from gridbazaar.experiments.report.drawing import png
from gridbazaar.market.mechanisms import list_mechanisms, mechanism_promises, mechanism_stage
from gridbazaar.market.orders import PROMISE

FIGURES = "mechanisms.json"
"""What was measured, beside the page."""
_BLOCK = re.compile(r"(<!-- (\w+)(?: (\w+))? -->\n).*?(<!-- end -->)", re.DOTALL)


def write_page(found: Measured, folder: Path) -> list[Path]:
    """Write figures and pictures into the folder of the documentation and fill the marks of its page."""
    from gridbazaar.experiments.docs import mechanism_plots

    page, figures = folder / "mechanisms.md", folder / FIGURES
    if not page.is_file():
        raise FileNotFoundError(f"{page}: expected the page whose marks are to be filled")
    pictures = {
        "mechanisms.png": mechanism_plots.one_book(),
        "mechanism_cards.png": mechanism_plots.cards(_units(found)),
    }
    write_json(figures, asdict(found))
    for name, figure in pictures.items():
        write_bytes(folder / name, png(figure))
    write_text(page, filled(read_text(page), found))
    return [page, figures, *(folder / name for name in pictures)]


def read_figures(path: Path) -> Measured:
    """Read what ``write_page`` kept."""
    kept: dict[str, Any] = json.loads(read_text(path))
    cards = tuple(Card(**card) for card in kept.pop("cards"))
    community = tuple(CommunityCard(**card) for card in kept.pop("community"))
    return Measured(**kept, cards=cards, community=community)


def with_others(found: Measured, kept: Measured) -> Measured:
    """Give what was measured of some rules with what was kept of the others.

    Raises:
        ValueError: they were not measured alike.
    """
    for what, of in (("with", _measured_with), ("at sides of", _sides)):
        if of(found) != of(kept):
            raise ValueError(f"--names: the others were measured {what} {of(kept)}; these {what} {of(found)}")
    names = {card.mechanism for card in found.cards} | {card.mechanism for card in found.community}
    cards = [card for card in kept.cards if card.mechanism not in names]
    community = [card for card in kept.community if card.mechanism not in names]
    order = list(DISTRIBUTIONS)
    return replace(
        found,
        cards=tuple(sorted((*cards, *found.cards), key=lambda c: (order.index(c.distribution), c.mechanism, c.n_side))),
        community=tuple(sorted((*community, *found.community), key=lambda c: (c.mechanism, c.n_side))),
    )


def _measured_with(found: Measured) -> str:
    return f"n_books {found.n_books}, n_probes {found.n_probes}, seed {found.seed}"


def _sides(found: Measured) -> str:
    return ", ".join(map(str, sorted({c.n_side for c in found.cards} | {c.n_side for c in found.community})))


def filled(text: str, found: Measured) -> str:
    """Fill the marks ``<!-- card NAME -->``, ``<!-- cards -->``, ``<!-- sizes -->`` and ``<!-- community -->``."""

    def fill(match: re.Match[str]) -> str:
        begin, what, name, end = match.groups()
        if what == "card":
            body = _card_lines(name, found)
        elif what in ("cards", "sizes"):
            body = _table(found, "unit" if what == "cards" else "sizes")
        elif what == "community":
            body = _community_table(found.community)
        else:
            raise ValueError(f"mark {what!r}: expected card NAME, cards, sizes or community")
        return f"{begin}{body}\n{end}"

    return _BLOCK.sub(fill, text)


def _units(found: Measured) -> list[Card]:
    return [c for c in found.cards if c.distribution == "unit"]


def _card_lines(name: str, found: Measured) -> str:
    promises = mechanism_promises(name)
    kept = [text for word, text in PROMISE.items() if word in promises and not _implied(word, promises)]
    lines = [f"*Promises:* {'; '.join(kept)}."] if kept else ["*Promises:* nothing of the list below."]
    cards = found.of(name)
    if cards:
        sides = ", ".join(str(c.n_side) for c in cards)
        lines.append(
            f"*Measured* with {sides} a side: {_row(cards, 'welfare_share')} % of the possible gain; the operator "
            f"keeps {_row(cards, 'surplus_share')} %; {_row(cards, 'liars_share', 0)} % of traders would gain by "
            f"another limit, in the mean {_row(cards, 'lie_gain_share')} % of a trader's gain."
        )
    for c in found.community:
        if c.mechanism == name and c.n_side == max(x.n_side for x in found.community):
            lines.append(
                f"*Measured* with {c.n_side} members on either side: {percent(c.traded_share)} % of what could be "
                f"traded is; sellers get {percent(c.sellers_share)} % of the gain; {percent(c.worse_share)} % of "
                "members would be better off with the retailer alone."
            )
    return "\n\n".join(lines)


def _implied(word: str, promises: frozenset[str]) -> bool:
    return word == "no_deficit" and "balanced" in promises


def _row(cards: Sequence[Card], field: str, digits: int = 1) -> str:
    return " / ".join(percent(getattr(c, field), digits) for c in cards)


def _table(found: Measured, distribution: str) -> str:
    names = [name for name in list_mechanisms() if mechanism_stage(name) == "ex_ante"]
    with_cards = [(name, found.of(name, distribution)) for name in names]
    sides = " / ".join(str(c.n_side) for c in with_cards[0][1])
    head = ("rule", "gain, %", "operator keeps, %", "would gain by a lie, %", "by how much, %", "price outside, %")
    rows = [
        (
            f"`{name}`", _row(cards, "welfare_share"), _row(cards, "surplus_share"), _row(cards, "liars_share", 0),
            _row(cards, "lie_gain_share"), _row(cards, "outside_share", 0),
        )
        for name, cards in with_cards
    ]  # fmt: skip
    return f"Each cell: {sides} buyers and as many sellers.\n\n" + _markdown(head, rows)


def _community_table(cards: Iterable[CommunityCard]) -> str:
    largest = max(c.n_side for c in cards)
    head = ("rule", "traded, %", "gain to sellers, %", "worse off than alone, %", "operator keeps, %")
    rows = [
        (
            f"`{c.mechanism}`", percent(c.traded_share), percent(c.sellers_share), percent(c.worse_share),
            percent(c.surplus_share),
        )
        for c in cards
        if c.n_side == largest
    ]  # fmt: skip
    return f"With {largest} members on either side.\n\n" + _markdown(head, rows)


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
