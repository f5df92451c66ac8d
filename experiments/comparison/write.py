"""Writes a comparison: CSV always, Parquet too where pyarrow is installed; every table is a file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gridbazaar.experiments.comparison.asked import Asked
from gridbazaar.experiments.comparison.cell import NO_AUTOMATION
from gridbazaar.experiments.comparison.cells_table import cell_table, day_table, duration_table
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
    tables = Tables(
        rows=rows, cells=cell_table(found), groups=group_table(rows, found.asked), subsidies=subsidy_table(found, rows),
        frozen=frozen_table(frozen_checks(found.frozen, found.asked)), duration=duration_table(found),
        days=day_table(found), flows=flow_table(found, rows), average_day=average_day_table(found),
        feeder=feeder_table(found),
    )  # fmt: skip
    return Tables(*(with_rates(table, found.asked) for table in tables)) if found.asked.rates else tables


def with_rates(table: pd.DataFrame, asked: Asked, column: str = "tariff") -> pd.DataFrame:
    """Say in every row at which rate the amounts of its tariff were turned into the currency of the comparison."""
    rate = [asked.rate_of.get(tariff, 1.0) for tariff in table[column]]
    return table.assign(currency=asked.currency, exchange_rate=rate)


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
    quo = asked.status_quo
    notes = {
        "today": f"{asked.today}; without market and automation it is played as {', '.join(quo[:3])}",
        "equal_revenue": (
            "network lines are scaled by one factor a cell until the network operator receives "
            f"{found.allowed_cur / len(asked.seeds):.2f} {asked.currency} an episode"
            if asked.equal_revenue
            else f"off: {asked.why_not_equal}"
        ),
        "carbon": (
            "import less export at the head, at the average intensity of the data, and fuel; by the marginal one, of "
            + (
                "one kWh more, it is not given (--marginal-carbon FILE)"
                if asked.marginal is None
                else f"one kWh more, it is beside that, from {asked.marginal.source}"
            )
        ),
        "first_best": (
            f"not given: {found.best.why_not}"
            if found.best.why_not
            else f"society spends at least {found.best.cost_cur.mean():.2f} {asked.currency} an episode, by the "
            "optimum's program: energy at wholesale and wear, less what is left stored; what wires lose is beside it"
        ),
    }
    if asked.automated:
        n, listed = len(asked.community), ", ".join(f"{share:g}" for share in asked.automated)
        notes["automated"] = (
            f"shares {listed} of {n} customers, drawn once by customer from seed {asked.master}; devices of the others "
            f"follow the plain rule. At 0, shown as {NO_AUTOMATION}, nobody follows a policy: that is no automation"
        )
    if asked.rates:
        listed = ", ".join(f"{rate:g} {asked.currency} for one {currency}" for currency, rate in asked.rates.items())
        names = ", ".join(asked.rate_of)
        notes["exchange_rate"] = f"amounts are in {asked.currency}; those of {names} were turned into it at {listed}"
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
