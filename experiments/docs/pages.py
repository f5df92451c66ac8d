"""The parts of the documentation that the code already knows: spaces and scenario fields, written as Markdown.

``python -m gridbazaar.experiments.docs`` writes them; a test compares the files with what is generated.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from gridbazaar.agents.kind import Column, kinds
from gridbazaar.envs.observe import COMMON, OWN, feature_columns
from gridbazaar.envs.scenario import Scenario, list_scenarios, load_scenario

_UNITS = (
    ("cur_per_kwh_day", "currency/kWh/day"),
    ("cur_per_kwh", "currency/kWh"),
    ("cur_per_day", "currency/day"),
    ("kwh_per_day", "kWh/day"),
    ("cur_per_k2h", "currency/K2/h"),
    ("cur_per_kh", "currency/K/h"),
    ("kw_per_kwp", "kW/kWp"),
    ("kwh_per_k", "kWh/K"),
    ("k_per_kw", "K/kW"),
    ("w_per_k", "W/K"),
    ("litres", "l"),
    ("c", "C"),
    ("hours", "h"),
    ("cur", "currency"),
    ("per_h", "1/h"),
    ("kwh", "kWh"),
    ("kwp", "kWp"),
    ("kw", "kW"),
    ("frac", "share"),
    ("share", "share"),
    ("share_of_load", "share"),
    ("min", "min"),
    ("h", "h"),
    ("c", "C"),
)
_FIELD = re.compile(r"^ {4}(\w+): .*?# (.*)$")
_NOTES = {
    "title": "one line about it",
    "currency": "of all money",
    "step_min": "length of a market interval",
    "mechanism": "how the local market clears; `gridbazaar list mechanisms`",
    "tariff": "what the retailer asks and pays; `gridbazaar list tariffs`",
    "feeder": "the wires; `gridbazaar list feeders`, or a folder of your own",
    "count": "agents of the kind",
    "mechanism_options": "keyword options of the mechanism",
    "tariff_options": "fields of the tariff that are replaced",
    "n_days": "length of the generated series",
    "n_homes": "load series",
    "n_roofs": "PV series",
    "n_cars": "cars",
    "mean_load_kwh_per_day": "of a home",
    "import_over_load": "what the connection carries at the tariff, over the homes' mean load",
    "export_over_load": "the same for export",
    "eta_ch": "charging efficiency",
    "eta_dis": "discharging efficiency",
    "loss_per_h": "share of the stored energy lost in an hour",
    "start_frac": "state of charge at the beginning",
    "capacity_kwh": "usable capacity",
    "charge_kw": "largest charging power",
    "duration_h": "usable energy over rated power",
    "load_scale": "factor on a home's load",
    "pv_kwp": "size of a roof's PV",
}
"""What the dataclasses leave to their names; a comment there comes first."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a configuration."""

    name: str
    type: str
    default: Any
    unit: str
    note: str


def unit_of(name: str) -> str:
    """Read the unit off the end of a name; nothing where there is none."""
    return next((unit for end, unit in _UNITS if name == end or name.endswith(f"_{end}")), "")


def entries(cls: Any) -> list[Entry]:
    """Give the fields of a configuration with what their comments say."""
    hints = get_type_hints(cls)
    lines = (_FIELD.match(line) for line in inspect.getsource(cls).splitlines())
    comments = {m[1]: m[2] for m in lines if m}
    return [
        Entry(f.name, _type(hints[f.name]), _default(f), unit_of(f.name), comments.get(f.name, _NOTES.get(f.name, "")))
        for f in fields(cls)
    ]


def about_kind(name: str) -> str:
    """Give the sentence that says what a kind is."""
    return (inspect.getdoc(kinds()[name]) or "").split("\n\n")[0].replace("\n", " ")


def toml_value(value: Any) -> str:
    """Write a value as a scenario file has it; what is absent is ``"none"``."""
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(v) for v in value)}]"
    if is_dataclass(value):
        value = {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{k} = {toml_value(v)}' for k, v in value.items())} }}" if value else "{}"
    if isinstance(value, str):
        import json

        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def scenario_toml(scenario: Scenario) -> str:
    """Write a scenario with all its fields; read back, it is the same scenario."""
    tables: dict[str, Any] = {}
    lines = []
    for f in fields(Scenario):
        value = getattr(scenario, f.name)
        if f.name == "agents":
            tables |= value
        elif hasattr(value, "__dataclass_fields__"):
            tables[f.name] = value
        elif f.name != "name":
            lines.append(f"{f.name} = {toml_value(value)}")
    for name, table in tables.items():
        lines += _table_toml(name, table)
    return "\n".join(lines) + "\n"


def _table_toml(name: str, table: Any) -> list[str]:
    """A table, and the tables inside it after its own fields."""
    values = {f.name: getattr(table, f.name) for f in fields(table)}
    inner = {key: value for key, value in values.items() if is_dataclass(value)}
    lines = ["", f"[{name}]", *(f"{key} = {toml_value(value)}" for key, value in values.items() if key not in inner)]
    return lines + [line for key, value in inner.items() for line in _table_toml(f"{name}.{key}", value)]


def shipped_columns(kind: str, which: str) -> tuple[Column, ...]:
    """Give the columns that a kind has in the scenarios that come with the package; those of all of them first.

    Args:
        kind: its name.
        which: actions, or columns (what it observes beside what all kinds share).
    """
    found: dict[Column, None] = {}
    configs = [scenario.agents[kind] for scenario in map(load_scenario, list_scenarios()) if kind in scenario.agents]
    for config in [kinds()[kind].Config(), *configs]:
        found |= dict.fromkeys(getattr(kinds()[kind], which)(config))
    return tuple(found)


def spaces_md() -> str:
    """Give docs/spaces.md."""
    columns = feature_columns(load_scenario("village"))
    parts = [f"### {name}\n\n{about_kind(name)}\n\n{_columns_md(shipped_columns(name, 'actions'))}" for name in kinds()]
    actions = "\n".join(parts)
    n = len(COMMON) + len(OWN)
    flags = columns[n:]
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
    }"""


def scenarios_md() -> str:
    """Give docs/scenarios.md."""
    tables = {f.name: get_type_hints(Scenario)[f.name] for f in fields(Scenario)}
    parts = [_fields_md("", Scenario, [n for n, t in tables.items() if _is_table(t) or n in ("name", "agents")])]
    parts += [_fields_md(name, table, []) for name, table in tables.items() if _is_table(table)]
    parts += [_fields_md(name, kind.Config, [], about_kind(name)) for name, kind in kinds().items()]
    parts += [_fields_md(name, table, []) for name, table in _inner_tables().items()]
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

{chr(10).join(parts)}"""


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
            if _is_table(hint):
                found.setdefault(hint, []).append(f"{name}.{field}")
    return {"]`, `[".join(names): table for table, names in found.items()}


def _fields_md(table: str, cls: Any, skip: list[str], about: str = "") -> str:
    title = f"Table `[{table}]`" if table else "Top of the file"
    if table and not about:
        about = re.sub(r"^Table ``\[[\w.]+\]``:\s*", "", (inspect.getdoc(cls) or "").splitlines()[0])
        about = about[:1].upper() + about[1:]
    rows = [
        f"| `{e.name}` | {e.type} | {_default_md(e.default)} | {e.unit} | {e.note} |"
        for e in entries(cls)
        if e.name not in skip
    ]
    head = [f"## {title}", "", *([about, ""] if about else [])]
    return "\n".join([*head, "| field | type | default | unit | meaning |", "|---|---|---|---|---|", *rows]) + "\n"


def _default_md(value: Any) -> str:
    """A default as it stands in a cell; a table has a section of its own."""
    return "" if is_dataclass(value) else f"`{toml_value(value)}`"


def _is_table(hint: Any) -> bool:
    return hasattr(hint, "__dataclass_fields__")


def _type(hint: Any) -> str:
    if isinstance(hint, UnionType):
        return " or ".join("none" if a is type(None) else _type(a) for a in get_args(hint))
    if get_origin(hint) is tuple:
        return "range"
    words = {int: "whole number", float: "number", str: "text", bool: "true or false"}
    return words.get(hint, "table")


def _default(f: Any) -> Any:
    if f.default is not MISSING:
        return f.default
    return f.default_factory() if f.default_factory is not MISSING else ""


def main() -> None:
    """Write the files into the docs folder of the checkout."""
    folder = Path(__file__).resolve().parents[2] / "docs"
    if not (folder.parent / "pyproject.toml").is_file():
        sys.exit("the docs are written into a checkout; this is an installed package")
    for name, text in generated().items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "village.png").write_bytes(village_png())


def village_png() -> bytes:
    """Draw the README's picture: prices, trade and import of the village's first test day under the engineered rule."""
    from gridbazaar.agents.policy import load_policy
    from gridbazaar.envs.core import Core
    from gridbazaar.experiments.evaluation.play import play
    from gridbazaar.experiments.report import day_plots, drawing
    from gridbazaar.experiments.report.day import day_of

    core = Core("village")
    day = day_of(play(core, load_policy("opportunity_cost"), [0], split="test", keep=True))
    return drawing.png(day_plots.prices(day, core.scenario.currency))


def generated() -> dict[str, str]:
    """Give the text of every generated page by its file name."""
    return {"spaces.md": spaces_md(), "scenarios.md": scenarios_md()}
