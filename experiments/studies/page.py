"""The pages of studies: figures between marks, in text that people write."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from gridbazaar.experiments.studies.checks import checks
from gridbazaar.experiments.studies.claims import CLAIMS
from gridbazaar.experiments.studies.flexibility import flexibility
from gridbazaar.experiments.studies.learning_words import learning_real
from gridbazaar.experiments.studies.network_words import network_tariffs
from gridbazaar.experiments.studies.places import PLACES, figures
from gridbazaar.experiments.studies.result import Result
from gridbazaar.experiments.studies.transfer import transfer

Study = Callable[[int, Callable[[], None] | None], Result]
"""From how many weeks of a year stand for it, and what is called now and then for progress."""


def _of_place(name: str) -> Study:
    return lambda weeks, tick: Result({name: figures(name, weeks, tick)})


STUDIES: dict[str, Study] = {
    **{name: _of_place(name) for name in PLACES},
    "claims": lambda weeks, tick: Result({claim: table(weeks, tick) for claim, table in CLAIMS.items()}),
    "flexibility": lambda weeks, tick: Result({"flexibility": flexibility(weeks, tick)}),
    "transfer": transfer,
    "network_tariffs": network_tariffs,
    "learning_real": learning_real,
    "checks": lambda weeks, tick: Result({"checks": checks(weeks, tick)}),
}
"""By name: the study behind a page of ``docs/studies``."""
_BLOCK = re.compile(r"(<!-- (figures|words) (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str, found: Result) -> str:
    """Fill the marks ``<!-- figures NAME -->`` and ``<!-- words NAME -->`` ... ``<!-- end -->`` of a page.

    Raises:
        ValueError: it has other marks than there are tables and words.
    """
    parts = {("figures", name): _markdown(table) for name, table in found.tables.items()}
    parts |= {("words", name): said for name, said in found.words.items()}
    marks = [(sort, name) for _, sort, name, _ in _BLOCK.findall(text)]
    if sorted(marks) != sorted(parts):
        got, expected = (", ".join(f"{sort} {name}" for sort, name in sorted(some)) for some in (marks, parts))
        raise ValueError(f"the page has the marks <!-- ... --> {got or 'none'}, expected {expected}")
    return _BLOCK.sub(lambda block: f"{block[1]}{parts[block[2], block[3]]}\n{block[4]}", text)


def _markdown(table: Sequence[Sequence[str]]) -> str:
    rows = [table[0], ["---"] * len(table[0]), *table[1:]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
