"""The measured tables of the page on the grid, written between marks into text that people write.

``gridbazaar measure wires --write docs`` measures and fills the marks of ``grid.md``; a test compares them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from gridbazaar.data.inputs import read_text
from gridbazaar.experiments.files import write_text
from gridbazaar.experiments.measure.wires import HEAD, WireCard, wire_row

_BLOCK = re.compile(r"(<!-- wires (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def write_wires(found: Mapping[str, Sequence[WireCard]], folder: Path) -> Path:
    """Fill the marks ``<!-- wires SCENARIO -->`` of the page in the folder of the documentation."""
    page = folder / "grid.md"
    if not page.is_file():
        raise FileNotFoundError(f"{page}: expected the page whose marks are to be filled")
    text = _BLOCK.sub(lambda m: f"{m[1]}{wires_table(found[m[2]])}\n{m[3]}", read_text(page))
    write_text(page, text)
    return page


def wires_table(cards: Sequence[WireCard]) -> str:
    """Give the cards as a table in Markdown."""
    rows = [HEAD, ("---",) * len(HEAD), *(wire_row(card) for card in cards)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
