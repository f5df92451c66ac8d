"""The command of studies: places rebuilt from published figures, claims and questions put to the test."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gridbazaar.experiments.cli import terminal
from gridbazaar.experiments.cli.tabled import table

study_app = typer.Typer()


@study_app.command(epilog=terminal.epilog("study quartierstrom"))
def study(
    name: Annotated[
        str,
        typer.Argument(
            help="quartierstrom, brooklyn, apartments, claims, flexibility, transfer, network_tariffs, learning_real "
            "or checks."
        ),
    ],
    weeks: Annotated[int, typer.Option(min=1, max=64, help="Weeks of a year that stand for it.")] = 16,
    write: Annotated[
        Path | None, typer.Option(metavar="DOCS", help="Fill the figures of the study's page, DOCS/studies/NAME.md.")
    ] = None,
) -> None:
    """Measure a place beside what was published of it, what articles claim, or what a question comes to."""
    from gridbazaar.data.inputs import read_text
    from gridbazaar.experiments.files import write_text
    from gridbazaar.experiments.studies.page import STUDIES, filled

    if name not in STUDIES:
        raise ValueError(f"study: expected one of {', '.join(STUDIES)}, got {name!r}")
    page = None if write is None else write / "studies" / f"{name}.md"
    if page is not None and not page.is_file():
        raise FileNotFoundError(f"{page}: expected the page whose figures are to be filled")
    with terminal.progress() as bar:
        task = bar.add_task(name, total=None)
        found = STUDIES[name](weeks, lambda: bar.advance(task))
    for title, (head, *rows) in found.tables.items():
        terminal.console().print(table(title, head, rows))
    for said in found.words.values():
        typer.echo(f"\n{said}")
    if page is not None:
        write_text(page, filled(read_text(page), found))
        typer.echo(f"written: {page}")
