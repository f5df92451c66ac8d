"""The page of tariff sheets: every design that ships, from its file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gridbazaar.experiments.sheet import SPOT_CUR_PER_KWH, at_hours, charge_rows, facts, plot_design, weeks
from gridbazaar.market.billing.sheet import follows_spot
from gridbazaar.market.design import Design
from gridbazaar.market.designs import list_designs, load_design


def tariffs_md(generated: str, pictures: str = "") -> str:
    """Give docs/tariffs.md.

    Args:
        generated: the line that says that the page is not written by hand.
        pictures: folder beside the page, into which ``write_pictures`` writes; none: no pictures.
    """
    designs = [load_design(name) for name in list_designs()]
    listed = _table(
        ("design", "what it is", "prices of"),
        [(f"[`{d.name}`](#{d.name})", d.title, f"{d.year}, {d.currency}") for d in designs],
    )
    sheets = "\n\n".join(_sheet(design, pictures) for design in designs)
    return f"""# Tariff sheets

{generated}

The {len(designs)} designs that ship: where the numbers come from, what is charged, what a kWh costs. How they make a
bill: [bills.md](bills.md). `gridbazaar show tariff NAME` prints a sheet, with a week of January and one of July;
`--plot week.png` draws it. What follows the wholesale price is shown at {SPOT_CUR_PER_KWH:g} of the currency a kWh.

{listed}

{sheets}
"""


def write_pictures(folder: Path) -> None:
    """Draw a week of January and one of July of every design into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in list_designs():
        plot_design(load_design(name), folder / f"{name}.svg")


def _sheet(design: Design, pictures: str) -> str:
    parts = [f"## {design.name}", f"{design.title}.", _table(("", ""), facts(design))]
    if pictures:
        parts.append(f"![What a kWh costs under {design.name} in two weeks]({pictures}/{design.name}.svg)")
    heads = ("line", "to", "on", f"price before VAT, {design.currency}", "")
    parts.append(_table(heads, charge_rows(design)))
    winter = next(weeks(design))
    spot = f", at a spot price of {SPOT_CUR_PER_KWH:g}" if follows_spot(design) else ""
    columns, rows = at_hours(winter)
    parts += [f"A kWh with VAT in {winter.name}, {design.currency}{spot}:", _table(columns, rows)]
    return "\n\n".join(parts)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
