"""The parts of the documentation that the code knows: spaces, scenario fields, tariffs, which room imports which.

``python -m gridbazaar.experiments.docs`` writes them; a test compares the files with what is generated.
"""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from gridbazaar.agents.kind import Column
from gridbazaar.agents.kinds import kinds
from gridbazaar.data.bounds import MOST, MOST_PRICE
from gridbazaar.envs.columns import COMMON, OWN, PUBLISHED, ObserveConfig, block_columns
from gridbazaar.envs.observe import feature_columns
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.experiments.describe import about_kind, entries, is_table, shipped_columns, toml_value
from gridbazaar.experiments.docs.house import read_house
from gridbazaar.experiments.docs.house_drawing import house_svg
from gridbazaar.experiments.docs.tariffs import tariffs_md
from gridbazaar.market.tariff import Tariff, Window

_ROOT = Path(__file__).resolve().parents[2]
"""Of a checkout."""


def spaces_md() -> str:
    """Give docs/spaces.md."""
    columns = feature_columns(load_scenario("village"))
    parts = [f"### {name}\n\n{about_kind(name)}\n\n{_columns_md(shipped_columns(name, 'actions'))}" for name in kinds()]
    actions = "\n".join(parts)
    n = len(COMMON) + len(OWN)
    flags = columns[n:]
    shared, each = block_columns(ObserveConfig(ahead_h=2.0, last=2), n_peaks=1)
    own = "\n".join(
        f"Kind `{name}`:\n\n{_columns_md(found)}" for name in kinds() if (found := shipped_columns(name, "columns"))
    )
    return f"""# Actions and observations

{_GENERATED}

In the village an agent acts with two numbers and sees {len(columns)}, the same columns for every kind: one network can
act for all agents, and a flag says of which kind the agent is. Columns that mean nothing to a kind hold zero there.
Where a scenario turns on more (heat pumps, upkeep, calls), the kinds that have it get further columns: of actions after
the first two, of observations between those of the agent and the flags.
Values beyond the bounds are clipped. Nothing is normalised by running statistics, so an observation means the same in
every run. The order below is the order in the array.

## Actions, by kind

Beyond power and eagerness a kind has the components that the scenario turns on; 0 leaves them to the plain way.

{actions}
## Observation

### Of the community: columns 0 to {len(COMMON) - 1}

{_columns_md(COMMON)}
### Of the agent: columns {len(COMMON)} to {n - 1}

{_columns_md(OWN, len(COMMON))}
### Kind: columns {n} to {len(columns) - 1}

{_columns_md(flags, n)}{
        own
        and f'''
## Observation of some kinds

{own}'''
    }
## What a scenario chooses

The table `[observe]` ([scenarios.md](scenarios.md)) adds blocks after the flags, leaves out what the operator publishes
(`public = false`: {", ".join(f"`{name}`" for name in PUBLISHED)}), or keeps only the columns that it names. With
`ahead_h = 2.0` and `last = 2` the blocks are:

{_columns_md((*shared, *each))}"""


def scenarios_md() -> str:
    """Give docs/scenarios.md."""
    tables = {f.name: get_type_hints(Scenario)[f.name] for f in fields(Scenario)}
    parts = [_fields_md("", Scenario, [n for n, t in tables.items() if is_table(t) or n in ("name", "agents")])]
    parts += [_fields_md(name, table, []) for name, table in tables.items() if is_table(table)]
    parts += [_fields_md(name, kind.Config, [], about_kind(name)) for name, kind in kinds().items()]
    parts += [_fields_md(name, table, []) for name, table in _inner_tables().items()]
    skipped = ["name", "title"]
    parts += [_fields_md("tariff_options", Tariff, skipped), _fields_md("tariff_options.windows", Window, [])]
    shipped = "\n".join(f"| `{name}` | {load_scenario(name).title} |" for name in list_scenarios())
    return f"""# Scenarios

{_GENERATED}

A scenario is one TOML file. Those that come with the package:

| name | what it is |
|---|---|
{shipped}

`gridbazaar show scenario NAME` prints one with all its fields, to be changed and used as a file of your own. Any field
can also be set from outside: `--set tariff=tou --set ev.count=3` on the command line, or
`load_scenario("village", tariff="tou", **{{"ev.count": 3}})`. An unknown field is an error.

Types: a *range* is `[low, high]`, from which every episode draws; one number stands for both. Agents stand in the
order of the kinds' tables; a kind without a table has no agents.

Bounds are those of the number, or of both numbers of a range; a round bracket leaves its edge out. Anything else is an
error that names the field, and so is what is no number. Where nothing is said, or only one edge, numbers go up to
{MOST:g} in amount and prices per kWh up to {MOST_PRICE:g}.

{chr(10).join(parts)}"""


_FIELDS_HEAD = "| field | type | default | unit | bounds | meaning |\n|---|---|---|---|---|---|"
_GENERATED = "<!-- Generated from the code by `python -m gridbazaar.experiments.docs`; do not edit. -->"


def _columns_md(columns: tuple[Column, ...], first: int = 0) -> str:
    rows = [
        f"| {first + i} | `{c.name}` | {c.unit if c.unit != '1' else ''} | {c.low:g} to {c.high:g} | {c.doc} |"
        for i, c in enumerate(columns)
    ]
    return "\n".join(["| column | name | unit | bounds | meaning |", "|---|---|---|---|---|", *rows]) + "\n"


def _inner_tables() -> dict[str, Any]:
    """The tables inside the kinds' tables, by the names under which a scenario has them."""
    found: dict[Any, list[str]] = {}
    for name, kind in kinds().items():
        for field, hint in get_type_hints(kind.Config).items():
            if is_table(hint):
                found.setdefault(hint, []).append(f"{name}.{field}")
    return {"]`, `[".join(names): table for table, names in found.items()}


def _fields_md(table: str, cls: Any, skip: list[str], about: str = "") -> str:
    title = f"Table `[{table}]`" if table else "Top of the file"
    if table and not about:
        about = re.sub(r"^Table ``\[[\w.]+\]``:\s*", "", (inspect.getdoc(cls) or "").splitlines()[0])
        about = about[:1].upper() + about[1:]
    rows = [
        f"| `{e.name}` | {e.type} | {_default_md(e.default)} | {e.unit} | {e.bounds} | {e.note} |"
        for e in entries(cls)
        if e.name not in skip
    ]
    head = [f"## {title}", "", *([about, ""] if about else [])]
    return "\n".join([*head, _FIELDS_HEAD, *rows]) + "\n"


def _default_md(value: Any) -> str:
    """A default as it stands in a cell; a table has a section of its own, and what must be given has none."""
    return "" if value is MISSING or is_dataclass(value) else f"`{toml_value(value)}`"


def main() -> None:
    """Write the files into the docs folder of the checkout."""
    folder = _ROOT / "docs"
    if not (_ROOT / "pyproject.toml").is_file():
        sys.exit("the docs are written into a checkout; this is an installed package")
    for name, text in generated().items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "village.png").write_bytes(village_png())


def village_png() -> bytes:
    """Draw the README's picture: prices, trade and import of the village's first test day under the engineered rule."""
    from gridbazaar.agents.policies import load_policy
    from gridbazaar.envs.core import Core
    from gridbazaar.experiments.evaluation.play import play
    from gridbazaar.experiments.report import day_plots, drawing
    from gridbazaar.experiments.report.day import day_of

    core = Core("village")
    day = day_of(play(core, load_policy("opportunity_cost"), [0], split="test", keep=True))
    return drawing.png(day_plots.prices(day, core.scenario.currency))


def generated() -> dict[str, str]:
    """Give the text of every generated file by its name."""
    return {
        "spaces.md": spaces_md(),
        "scenarios.md": scenarios_md(),
        "tariffs.md": tariffs_md(_GENERATED),
        "architecture.svg": house_svg(read_house(_ROOT)),
    }
