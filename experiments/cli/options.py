"""Options that several commands have, and how the ones that change a scenario are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gridbazaar.experiments.workers import Workers

MOST_SEED = 2**32 - 1
"""Of a seed; generators of other libraries take no larger one."""
ScenarioName = Annotated[str, typer.Argument(help="A name from 'gridbazaar list scenarios', or a .toml file.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a field of the scenario; repeatable.")
]
Data = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="PATH", help="Real data instead of generated: a file or folder; repeatable."),
]
Timezone = Annotated[
    str | None, typer.Option("--timezone", metavar="ZONE", help="Whose clock people read, such as Europe/Berlin.")
]
Repair = Annotated[
    list[str] | None,
    typer.Option("--repair", metavar="A,B,...", help="Of data: dst, gaps, negative, register, spikes; repeatable."),
]
Stamps = Annotated[
    str | None, typer.Option("--stamps", metavar="begin|end", help="What times of plain CSV mark of their steps.")
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--columns", metavar="NAME=name_with_unit", help="Name a column of plain CSV; repeatable."),
]
DropBad = Annotated[
    bool | None, typer.Option("--drop-bad/--keep-bad", help="Leave out homes of data that fail the sanity tests.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace results that exist.")]
Seeds = Annotated[int, typer.Option("--seeds", min=1, max=100_000, help="How many episodes: 0, 1, ...")]
Dates = Annotated[
    str | None,
    typer.Option(
        "--dates", metavar="FIRST,LAST", help="One long episode over these local days: 2024-02-01,2024-02-29."
    ),
]
Split = Annotated[str, typer.Option("--split", help="Episodes: test, validation or train.")]
MasterSeed = Annotated[
    int | None,
    typer.Option(
        "--seed", min=0, max=MOST_SEED, help="Seed of the scenario's data and episodes; none: the scenario's."
    ),
]
AllowCode = Annotated[
    bool,
    typer.Option(
        "--allow-code",
        help="Run Python files that a scenario's TOML file or a run names, and play models that others made with "
        "stable-baselines3 (unpickled, they run whatever code is in them): only where you trust who made them.",
    ),
]
Policies = Annotated[
    str,
    typer.Option(
        "--policies", metavar="A,B,...", help="Names, run folders, files mine.py[:Class], LABEL=any of them; and idle."
    ),
]


HowMany = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, max=4096, metavar="N",
        help="Processes that work at once, of one thread each; what comes is the same however many there are.",
    ),
]  # fmt: skip
Engine = Annotated[
    str | None, typer.Option("--engine", help="Of workers: loky, processes of this machine; or ray, of a cluster.")
]
Address = Annotated[
    str | None, typer.Option("--address", help="Of a cluster of Ray; none: one that is begun on this machine.")
]


def said(context: typer.Context) -> list[str]:
    """Name the parameters that were given on the command line."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]


def read_workers(n: int | None, engine: str | None, address: str | None) -> Workers | None:
    """Give who does the work, none where nobody was asked for."""
    from gridbazaar.experiments.workers import ENGINES, Workers

    if n is None:
        for name, given in (("--engine", engine), ("--address", address)):
            if given is not None:
                raise ValueError(f"{name}: it is of --workers; say how many, such as --workers 2")
        return None
    if engine is not None and engine not in ENGINES:
        raise ValueError(f"--engine: expected one of {', '.join(ENGINES)}; got {engine!r}")
    if address is not None and engine != "ray":
        raise ValueError("--address: it is of --engine ray; leave it out, or ask for that")
    return Workers(n, engine or ENGINES[0], address)


def read_overrides(
    settings: list[str] | None, data: list[str] | None, seed: int | None, files: dict[str, Any] | None = None,
    dates: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Give what ``--set``, ``--data`` and its options (``of_files``), ``--seed`` and ``--dates`` change, by field."""
    from gridbazaar.data.inputs import check_input
    from gridbazaar.envs.scenarios import parse_setting

    for path in data or []:
        check_input(path)
    given = dict(parse_setting(text) for text in settings or [])
    if data:
        given |= {"data.path": data[0]} | ({"data.further": tuple(data[1:])} if data[1:] else {})
    given |= (files or {}) | ({} if seed is None else {"seed": seed})
    return given if dates is None else given | {"dates": tuple(_words(dates))}


def of_files(
    timezone: str | None, repair: list[str] | None, stamps: str | None, columns: list[str] | None, drop_bad: bool | None
) -> dict[str, Any]:
    """Give what the options of data change in a scenario, by field."""
    given = {
        "data.timezone": timezone,
        "data.repair": None if repair is None else tuple(word for text in repair for word in _words(text)),
        "data.stamps": stamps,
        "data.columns": None if columns is None else tuple(columns),
        "data.drop_bad": drop_bad,
    }
    return {name: value for name, value in given.items() if value is not None}


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
