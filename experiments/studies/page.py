"""The pages of studies: figures between marks, in text that people write."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from gridbazaar.experiments.studies.claims import CLAIMS
from gridbazaar.experiments.studies.flexibility import flexibility
from gridbazaar.experiments.studies.places import PLACES, figures

Table = list[list[str]]
STUDIES = (*PLACES, "claims", "flexibility")
_BLOCK = re.compile(r"(<!-- figures (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def study(name: str, weeks: int, tick: Callable[[], None] | None = None) -> dict[str, Table]:
    """Give the tables of a study by name; the first row of each is its head.

    Args:
        name: one of ``STUDIES``.
        weeks: of a year, that stand for it.
        tick: called now and then, for progress.
    """
    if name in PLACES:
        return {name: figures(name, weeks, tick)}
    if name == "flexibility":
        return {name: flexibility(weeks, tick)}
    if name != "claims":
        raise ValueError(f"study: expected one of {', '.join(STUDIES)}, got {name!r}")
    return {claim: table(weeks, tick) for claim, table in CLAIMS.items()}


def filled(text: str, tables: Mapping[str, Table]) -> str:
    """Fill the marks ``<!-- figures NAME -->`` ... ``<!-- end -->`` of a page.

    Raises:
        ValueError: it has other marks than there are tables.
    """
    if (marks := [name for _, name, _ in _BLOCK.findall(text)]) != list(tables):
        raise ValueError(f"the page has the marks {marks}, expected {list(tables)}, as <!-- figures NAME -->")
    return _BLOCK.sub(lambda found: f"{found[1]}{_markdown(tables[found[2]])}\n{found[3]}", text)


def _markdown(table: Sequence[Sequence[str]]) -> str:
    rows = [table[0], ["---"] * len(table[0]), *table[1:]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
