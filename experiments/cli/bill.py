"""The command that bills files of meters under tariff designs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gridbazaar.experiments.cli import terminal
from gridbazaar.experiments.cli.options import Columns, Force, Repair, Stamps, Timezone

bill_app = typer.Typer()


@bill_app.command(epilog=terminal.epilog("bill meter.csv --tariff us_ca_sce_tou --tariff us_ca_nbt --out bills.csv"))
def bill(
    meters: Annotated[
        list[Path], typer.Argument(help="Green Button, NEM12 or CSV with time, import_kwh, export_kwh; or folders.")
    ],
    tariff: Annotated[
        list[str],
        typer.Option(
            "--tariff",
            metavar="NAME|FILE",
            help="A name from 'list designs' or 'list tariffs', or a file; repeatable.",
        ),
    ],
    spot: Annotated[Path | None, typer.Option("--spot", help="Wholesale prices, for tariffs that follow them.")] = None,
    labels: Annotated[str, typer.Option("--labels", metavar="A,B,...", help="Of the homes, such as income_low.")] = "",
    timezone: Timezone = None,
    repair: Repair = None,
    stamps: Stamps = None,
    columns: Columns = None,
    keep_bad: Annotated[bool, typer.Option("--keep-bad", help="Bill what no home can have drawn.")] = False,
    part: Annotated[bool, typer.Option("--part", help="Bill a part of a year whose netting has a true-up.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write every line as CSV, or as JSON (.json).")
    ] = None,
    force: Force = False,
) -> None:
    """Bill meters by line, month and year."""
    from gridbazaar.data.loaders.readings import read_options
    from gridbazaar.experiments.bills import bill_files, write_bills
    from gridbazaar.experiments.cli.bills_shown import bill_tables, period, total_table
    from gridbazaar.experiments.files import check_outputs
    from gridbazaar.market.as_design import as_design
    from gridbazaar.market.found import find_tariff
    from gridbazaar.market.tariff import Tariff

    inputs = {f"meter {i + 1}": path for i, path in enumerate(meters)}
    check_outputs({"--out": out}, {**inputs, "--spot": spot}, force=force)
    found_tariffs = [find_tariff(name) for name in tariff]
    designs = [as_design(one) if isinstance(one, Tariff) else one for one in found_tariffs]
    words = tuple(word for text in repair or [] for word in terminal.names(text))
    options = read_options(timezone, words, stamps or "begin", columns or ())
    found = bill_files(
        meters, designs, options, spot=spot, labels=terminal.names(labels) if labels else (), keep_bad=keep_bad,
        is_part=part,
    )  # fmt: skip
    if out is not None:
        write_bills(found, out)
    console = terminal.console()
    for shown in bill_tables(found):
        console.print(shown)
    console.print(f"\n{period(found)}")
    console.print(total_table(found))
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    if out is not None:
        typer.echo(f"written: {out}")
