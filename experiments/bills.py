"""Bills of metered files under tariff designs, and the same as records and files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gridbazaar.data.loaders.meter import Meters, read_meters
from gridbazaar.data.loaders.readings import Options
from gridbazaar.experiments.files import versions, write_json, write_text
from gridbazaar.market.billing.bill import Bill, bill
from gridbazaar.market.billing.metered import Metered
from gridbazaar.market.design import Design

COLUMNS = ("customer", "design", "currency", "month", "line", "to", "cur", "vat_cur")


@dataclass(frozen=True, slots=True, eq=False)
class Bills:
    """The homes of metered files under each design."""

    meters: Meters
    bills: tuple[Bill, ...]  # of all homes, one a design

    @property
    def notes(self) -> tuple[str, ...]:
        """What was said of the data and of the designs, once."""
        said = [f"{billed.design.name}: {note}" for billed in self.bills for note in billed.notes]
        said += [
            f"{billed.design.name}: {billed.design.note}" for billed in self.bills if billed.design.note
        ]  # fmt: skip
        said += [
            f"{billed.design.name}: some of its numbers were not read again at their source (check)"
            for billed in self.bills
            if billed.design.check or any(charge.check for charge in billed.design.charges)
        ]
        return (*self.meters.notes, *dict.fromkeys(said))


def bill_files(
    places: Sequence[Path],
    designs: Sequence[Design],
    options: Options,
    *,
    spot: Path | None = None,
    labels: Sequence[str] = (),
    keep_bad: bool = False,
    is_part: bool = False,
) -> Bills:
    """Bill what files of meters hold.

    Args:
        places: files of meters, or folders of them.
        designs: under which; each bills all homes.
        options: how the files are read; without a zone homes live by the clock of the designs.
        spot: a file of wholesale prices, for designs that follow them.
        labels: of all homes, such as ``income_low``.
        keep_bad: bill what no home can have drawn.
        is_part: bill a part of a year of netting.
    """
    if doubled := {design.name for design in designs if [other.name for other in designs].count(design.name) > 1}:
        raise ValueError(f"tariff: {', '.join(sorted(doubled))} is named twice; give each design a name of its own")
    meters = read_meters(
        places, options, _zone(designs) if options.timezone is None else options.timezone, spot, keep_bad
    )
    data = Metered(
        meters.starts, meters.import_kwh, meters.export_kwh, step_min=meters.step_min,
        spot_cur_per_kwh=meters.spot_cur_per_kwh, labels=tuple(tuple(labels) for _ in meters.homes),
        timezone=meters.timezone,
    )  # fmt: skip
    return Bills(meters, tuple(bill(design, data, is_part=is_part) for design in designs))


def _zone(designs: Iterable[Design]) -> str:
    zones = {design.tz: design.name for design in designs}
    if len(zones) > 1:
        found = ", ".join(f"{zone} of {name}" for zone, name in zones.items())
        raise ValueError(f"timezone: expected the zone of the homes, for the designs have several: {found}")
    return next(iter(zones))


def records(found: Bills) -> list[dict[str, Any]]:
    """One record a customer, design, month and line; money has six decimals that add up to the bill."""
    made = []
    for billed in found.bills:
        vat = np.rint(billed.vat_cur * 1e6) / 1e6
        for i, home in enumerate(found.meters.homes):
            for m, (year, month) in enumerate(billed.months):
                for j, entry in enumerate(billed.entries):
                    values = (
                        home, billed.design.name, billed.design.currency, f"{year:04d}-{month:02d}", entry.line,
                        entry.to, int(billed.ucur[i, m, j]) / 1e6, float(vat[i, m, j]),
                    )  # fmt: skip
                    made.append(dict(zip(COLUMNS, values, strict=True)))
    return made


def write_bills(found: Bills, path: Path) -> None:
    """Write records as CSV, or with the name ending in ``.json`` as JSON with versions and totals."""
    if path.suffix.lower() == ".json":
        totals = [
            {
                "customer": home, "design": billed.design.name, "currency": billed.design.currency,
                "total_cur": int(billed.cents[i]) / 100,
            }
            for billed in found.bills
            for i, home in enumerate(found.meters.homes)
        ]  # fmt: skip
        held = {"versions": versions(), "notes": found.notes, "totals": totals, "bills": records(found)}
        write_json(path, held)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in records(found):
        *words, cur, vat_cur = record.values()
        writer.writerow([*words, f"{cur:.6f}", f"{vat_cur:.6f}"])
    write_text(path, text.getvalue())
