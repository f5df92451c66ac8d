"""The command that compares tariffs, market rules and policies, and says who wins and who pays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridbazaar.experiments.cli import door, terminal
from gridbazaar.experiments.cli.options import (
    Address,
    AllowCode,
    Columns,
    Data,
    Dates,
    DropBad,
    Engine,
    Force,
    HowMany,
    MasterSeed,
    Policies,
    Repair,
    ScenarioName,
    Seeds,
    Settings,
    Split,
    Stamps,
    Timezone,
    of_files,
    read_overrides,
    read_workers,
)

if TYPE_CHECKING:
    from gridbazaar.experiments.comparison.asked import Asked
    from gridbazaar.experiments.comparison.record import Record
    from gridbazaar.experiments.comparison.study import Study
    from gridbazaar.experiments.comparison.write import Tables

compare_app = typer.Typer()


@compare_app.command(
    epilog=terminal.epilog("compare village --tariffs flat,tou --mechanisms uniform_price,none --out report")
)
def compare(
    scenario: ScenarioName,
    tariffs: Annotated[
        str, typer.Option(metavar="A,B,...", help="Tariffs or TOML files; differences are from the first.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for compare.json and tables as CSV, and Parquet with pyarrow.")],
    mechanisms: Annotated[
        str | None,
        typer.Option(metavar="A,B,...", help="Market rules; none: that of the scenario. The rule none is no market."),
    ] = None,
    policies: Policies = "idle,self_consumption",
    automated: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,...",
            help="Shares of customers, 0 to 1, who are automated, drawn once from the seed; devices of others follow "
            "the plain rule. None: as the community says.",
        ),
    ] = None,
    today: Annotated[str | None, typer.Option(help="The tariff that stands for today's; none: the first.")] = None,
    equal_revenue: Annotated[
        bool | None,
        typer.Option(
            "--equal-revenue/--no-equal-revenue",
            help="Scale network lines until the network operator recovers what it may, dispatch answering; none: "
            "where all tariffs have such lines.",
        ),
    ] = None,
    first_best: Annotated[
        bool,
        typer.Option(
            "--first-best/--no-first-best",
            help="Solve for what the episodes cost society at least, which cells are measured against.",
        ),
    ] = True,
    marginal_carbon: Annotated[
        Path | None,
        typer.Option(
            help="CSV of time and carbon_kg_per_kwh or carbon_g_per_kwh: what one kWh more makes the grid emit. None: "
            "carbon by the average intensity alone.",
        ),
    ] = None,
    allowed_revenue: Annotated[
        float | None,
        typer.Option(help="That revenue, an episode; none: what it receives today, without market and automation."),
    ] = None,
    bill: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Designs under which the meters that came are billed too: list designs. Into bills.csv.",
        ),
    ] = None,
    customers: Annotated[
        Path | None,
        typer.Option(help="CSV of customer,agent and labels such as member, income_cur, tenant; none: each agent."),
    ] = None,
    rate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="USD=0.92",
            help="What one of another currency is in that of the scenario, for designs in it; repeatable.",
        ),
    ] = None,
    part: Annotated[bool, typer.Option("--part", help="Bill a part of a year that is netted as a whole.")] = False,
    report: Annotated[Path | None, typer.Option(help="Also write the comparison as a page, FILE.html.")] = None,
    bills_of: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Customers whose bills the page shows line by line; none: from who gains most to who loses most.",
        ),
    ] = None,
    seeds: Seeds = 20,
    split: Split = "test",
    dates: Dates = None,
    data: Data = None,
    timezone: Timezone = None,
    repair: Repair = None,
    stamps: Stamps = None,
    columns: Columns = None,
    drop_bad: DropBad = None,
    settings: Settings = None,
    seed: MasterSeed = None,
    workers: HowMany = None,
    engine: Engine = None,
    address: Address = None,
    allow_code: AllowCode = False,
    force: Force = False,
) -> None:
    """Compare tariffs, market rules and policies on the same episodes: who pays how much, who wins, who loses."""
    from gridbazaar.experiments.comparison.asked import ask
    from gridbazaar.experiments.comparison.estimate import duration_words, estimate_s
    from gridbazaar.experiments.comparison.record import of_study
    from gridbazaar.experiments.comparison.study import study
    from gridbazaar.experiments.comparison.write import tables_of
    from gridbazaar.experiments.files import check_folder, check_outputs, write_text

    overrides = read_overrides(settings, data, seed, of_files(timezone, repair, stamps, columns, drop_bad), dates)
    by = read_workers(workers, engine, address)
    check_folder(out, force=force)
    check_outputs(
        {"--report": report},
        {"--customers": customers, "--marginal-carbon": marginal_carbon, "the scenario": scenario},
        force=force,
    )
    asked = ask(
        scenario, terminal.names(tariffs), terminal.names(policies), terminal.names(mechanisms) if mechanisms else (),
        today=today, automated=_shares(automated), seeds=seeds, split=split,
        designs=terminal.names(bill) if bill else (), customers=customers, rates=_rates(rate), is_part=part,
        first_best=first_best, marginal_carbon=marginal_carbon,
        equal_revenue=equal_revenue,
        allowed_cur=None if allowed_revenue is None else allowed_revenue * seeds, allow_code=allow_code, **overrides,
    )  # fmt: skip
    shown = _shown(asked, bills_of, report)
    n = len(asked.cells)
    typer.echo(f"{n} cells on {seeds} {split} episodes, about {duration_words(estimate_s(asked, workers or 1))}")
    with terminal.progress() as bar:
        found = study(asked, workers=by, tick=terminal.evaluation_bar(bar))
    tables = tables_of(found)
    record = of_study(found, tables)
    page = None if report is None else _page(found, tables, shown)
    written = _written(record, tables, out, force=force)
    if report is not None and page is not None:
        write_text(report, page)
        written.append(str(report))
    _show(found, tables, record)
    typer.echo(f"written: {', '.join(written)}")
    if not _is_sound(tables):
        typer.echo("money or losses do not add up (see above); please report it", err=True)
        raise typer.Exit(door.BROKEN)


def _shares(given: str | None) -> list[float]:
    """Read shares of automated customers."""
    found = []
    for word in terminal.names(given) if given is not None else ():
        try:
            found.append(float(word))
        except ValueError:
            raise ValueError(f"--automated: expected shares from 0 to 1, such as 0,0.5,1; got {word!r}") from None
    return found


def _rates(given: list[str] | None) -> dict[str, float]:
    """Read exchange rates, each currency once."""
    found: dict[str, float] = {}
    for text in given or ():
        currency, _, amount = text.partition("=")
        try:
            rate = float(amount)
        except ValueError:
            raise ValueError(f"--rate: expected a currency and an amount, such as USD=0.92; got {text!r}") from None
        if currency in found:
            raise ValueError(f"--rate: expected each currency once, got {currency} twice")
        found[currency] = rate
    return found


def _written(record: Record, tables: Tables, out: Path, *, force: bool) -> list[str]:
    """Write everything into the folder, or nothing."""
    from gridbazaar.experiments.comparison.write import write_tables
    from gridbazaar.experiments.files import replacing_folder, write_json, write_text

    with replacing_folder(out, force=force) as folder:
        write_json(folder / "compare.json", record.json)
        names = ["compare.json"]
        for name, frame in record.frames.items():
            write_text(folder / f"{name}.csv", frame.to_csv(index=False))
            names.append(f"{name}.csv")
        names += write_tables(tables, folder)
    return [str(out / name) for name in names]


def _shown(asked: Asked, bills_of: str | None, report: Path | None) -> list[str]:
    """Customers that were asked for by name."""
    if bills_of is None:
        return []
    if report is None:
        raise ValueError("--bills-of: it chooses what the page shows; give --report FILE.html too")
    names, customers = terminal.names(bills_of), asked.customers.agents
    if strange := [name for name in names if name not in customers]:
        raise ValueError(f"--bills-of: expected some of {', '.join(customers)}; got {', '.join(strange)}")
    return names


def _page(found: Study, tables: Tables, shown: Sequence[str]) -> str:
    from gridbazaar.experiments.report.comparison import render_comparison

    return render_comparison(found, tables, command=terminal.command(), shown=shown)


def _show(found: Study, tables: Tables, record: Record) -> None:
    """Print all tables that fit on a screen."""
    from gridbazaar.experiments.cli.compared import bills_table, comparison_table
    from gridbazaar.experiments.cli.studied import study_tables, study_words

    shown = terminal.console()
    for (mechanism, share), one in record.comparisons.items():
        named = f"{mechanism}, {share:.0%} automated" if found.asked.automated else mechanism
        shown.print(comparison_table(one, named))
    for bills in record.drawn.values():
        shown.print(bills_table(bills))
    for table in study_tables(found, tables):
        shown.print(table)
    for line in study_words(found, tables):
        typer.echo(line)


def _is_sound(tables: Tables) -> bool:
    """Whether every row of every cell adds up, and the frozen dispatch only moves money."""
    cells: Any = tables.cells.get("off_balance_ucur")
    frozen = tables.frozen
    off = 0.0 if cells is None else float(cells.fillna(0).abs().max())
    names = ("loss_change_ukwh", "losses_change_ucur", "missing_ucur")
    moved = sum(float(frozen[name].abs().sum()) for name in names if name in frozen)
    return off == 0 and moved == 0
