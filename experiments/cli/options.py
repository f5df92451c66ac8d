"""Options that several commands have, and how the ones that change a scenario are read."""

from __future__ import annotations

from typing import Annotated, Any

import typer

MOST_SEED = 2**32 - 1
"""Of a seed; generators of other libraries take no larger one."""
ScenarioName = Annotated[str, typer.Argument(help="A name from 'gridbazaar list scenarios', or a .toml file.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a field of the scenario; repeatable.")
]
Data = Annotated[str | None, typer.Option("--data", metavar="PATH", help="Real data instead of generated; data.path.")]
Force = Annotated[bool, typer.Option("--force", help="Replace results that exist.")]
Seeds = Annotated[int, typer.Option("--seeds", min=1, max=100_000, help="How many episodes: 0, 1, ...")]
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
        help="Play models that others made with stable-baselines3. They are unpickled, which runs whatever code is in "
        "them: only for files that you trust. Runs of gridbazaar need it not.",
    ),
]
Policies = Annotated[
    str, typer.Option("--policies", metavar="A,B,...", help="Names, run folders, LABEL=FOLDER; idle is always played.")
]


def read_overrides(settings: list[str] | None, data: str | None, seed: int | None) -> dict[str, Any]:
    """Give what ``--set``, ``--data`` and ``--seed`` change in a scenario, by field."""
    from gridbazaar.data.inputs import check_input
    from gridbazaar.envs.scenarios import parse_setting

    if data is not None:
        check_input(data)
    given = dict(parse_setting(text) for text in settings or [])
    return given | ({} if data is None else {"data.path": data}) | ({} if seed is None else {"seed": seed})
