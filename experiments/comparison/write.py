"""Writes a comparison: CSV always, Parquet too where pyarrow is installed; every table is a file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gridbazaar.experiments.comparison.cells_table import NO_MARGINAL, cell_table, day_table, duration_table
from gridbazaar.experiments.comparison.customer_rows import customer_rows
from gridbazaar.experiments.comparison.feeder_tables import average_day_table, feeder_table
from gridbazaar.experiments.comparison.flow_table import flow_table
from gridbazaar.experiments.comparison.frozen import FrozenCheck, frozen_checks
from gridbazaar.experiments.comparison.groups import group_table
from gridbazaar.experiments.comparison.study import Study
from gridbazaar.experiments.comparison.subsidy_table import subsidy_table
from gridbazaar.experiments.files import write_bytes, write_text

if TYPE_CHECKING:
    import pandas as pd


class Tables(NamedTuple):
    """All tables of a comparison; their names are those of the files."""

    rows: pd.DataFrame
    cells: pd.DataFrame
    groups: pd.DataFrame
    subsidies: pd.DataFrame
    frozen: pd.DataFrame
    duration: pd.DataFrame
    days: pd.DataFrame
    flows: pd.DataFrame
    average_day: pd.DataFrame
    feeder: pd.DataFrame


def tables_of(found: Study) -> Tables:
    """Make all tables of a comparison."""
    rows = customer_rows(found)
    return Tables(
        rows=rows, cells=cell_table(found), groups=group_table(rows, found.asked), subsidies=subsidy_table(found, rows),
        frozen=frozen_table(frozen_checks(found.frozen, found.asked)), duration=duration_table(found),
        days=day_table(found), flows=flow_table(found, rows), average_day=average_day_table(found),
        feeder=feeder_table(found),
    )  # fmt: skip


def frozen_table(checks: list[FrozenCheck]) -> pd.DataFrame:
    """One row a cell of the frozen dispatch: what members save by the market, and with whom it is found."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for check in checks:
        row: dict[str, Any] = {**check.cell._asdict(), "members_save_cur": check.members_cur}
        row |= {f"{party.replace('-', '_')}_loses_cur": amount for party, amount in check.others_cur.items()}
        row |= {
            "loss_change_ukwh": check.loss_change_ukwh, "losses_change_ucur": check.losses_change_ucur,
            "missing_ucur": check.missing_ucur, "network_factor": check.factor,
            "outsiders_more_cur": check.outsiders_more_cur, "members_keep_cur": check.members_keep_cur,
        }  # fmt: skip
        rows.append(row)
    return pd.DataFrame(rows).fillna(0.0) if rows else pd.DataFrame(columns=["tariff", "mechanism", "policy"])


def notes_of(found: Study) -> dict[str, str]:
    """What a reader must know of the tables, by what it is about."""
    asked = found.asked
    notes = {
        "today": f"{asked.today}; without market and automation it is played as {', '.join(asked.status_quo)}",
        "equal_revenue": (
            "network lines are scaled by one factor a cell until the network operator receives "
            f"{found.allowed_cur / len(asked.seeds):.2f} {asked.currency} an episode"
            if asked.equal_revenue
            else f"off: {asked.why_not_equal}"
        ),
        "carbon": NO_MARGINAL,
        "first_best": "not computed here; gridbazaar evaluate holds policies to the bound",
    }
    if asked.why_no_market_off:
        notes["no_market"] = f"not played: {asked.why_no_market_off}"
    notes |= {f"frozen {rule}": f"not settled on frozen meters: {why}" for rule, why in found.not_frozen.items()}
    if asked.designs:
        named = ", ".join(design.name for design in asked.designs)
        notes["billed"] = f"{named}: billed on the dispatch that came under {asked.today}; nobody answered"
    if asked.customers.has_members:
        notes["members"] = "who is no member buys and sells with the retailer alone, in play and on frozen meters"
    return notes


def write_tables(tables: Tables, folder: Path) -> list[str]:
    """Write all tables into a folder that is there; the names of the files."""
    written = []
    for name, table in _named(tables).items():
        write_text(folder / f"{name}.csv", table.to_csv(index=False))
        written.append(f"{name}.csv")
        if find_spec("pyarrow") is not None:
            write_bytes(folder / f"{name}.parquet", table.to_parquet(index=False))
            written.append(f"{name}.parquet")
    return written


def _named(tables: Tables) -> Mapping[str, pd.DataFrame]:
    return tables._asdict()
