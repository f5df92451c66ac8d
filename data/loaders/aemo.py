"""Read the price and demand files of Australia's market operator, a month and region each.

``REGION,SETTLEMENTDATE,TOTALDEMAND,RRP,PERIODTYPE``: the date ends five minutes (before October 2021 thirty) in
eastern standard time all the year; RRP is in AUD/MWh without GST. Files of one region are joined.
"""

from __future__ import annotations

import numpy as np

from gridbazaar.data.loaders.market_prices import only, price_column
from gridbazaar.data.loaders.readings import Options, Readings, local_or_utc, usual_step_s
from gridbazaar.data.loaders.stamps import read_stamps
from gridbazaar.data.loaders.tables import Rows

ZONE = "Australia/Brisbane"
"""Eastern standard time, all the year."""
_COLUMNS = ("REGION", "SETTLEMENTDATE", "RRP")


def recognises(rows: Rows) -> bool:
    """Whether it has the market's columns."""
    return {"SETTLEMENTDATE", "RRP"} <= set(rows.cells[0])


def read(rows: Rows, options: Options) -> tuple[Readings, ...]:
    """Read the prices of one region."""
    table = rows.from_header(0)
    table.require(_COLUMNS)
    chosen, _ = only(table, "REGION")
    stamps = read_stamps(table.columns["SETTLEMENTDATE"])
    ends, _ = local_or_utc(table.path, stamps, table.line, "SETTLEMENTDATE", "2025/01/15 00:05:00")
    step_s = usual_step_s(table.path, ends)
    column = price_column(table, "RRP", chosen)
    notes = ["its prices are in AUD without GST; the scenario's currency should be too"]
    notes += [f"{name} is not used" for name in ("TOTALDEMAND",) if name in table.columns]
    found = Readings(
        paths=(table.path,), times=ends - np.timedelta64(step_s, "s"), is_utc=False, zone=ZONE, columns=(column,),
        line=table.line, file=np.zeros(len(table), np.int64), identity=f"aemo {table.columns['REGION'][0]}",
        lasts_s=np.full(len(table), step_s), says_begin=True, notes=tuple(notes),
    )  # fmt: skip
    return (found,)
