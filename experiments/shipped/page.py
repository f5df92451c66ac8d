"""The table as Markdown, and the pages that have it: the README and the page on learning, between marks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gridbazaar.data.inputs import read_json, read_text
from gridbazaar.experiments.evaluation.statistics import Interval
from gridbazaar.experiments.files import to_json, write_text
from gridbazaar.experiments.shipped.asked import MPC, OPTIMUM, read_asked
from gridbazaar.experiments.shipped.played import Played, of_table, to_table
from gridbazaar.experiments.shipped.rows import Entry, Row, read_row

FIGURES = "learned.json"
"""What the tables are made of, beside the page on learning."""
NO_PROGRAM = "no program"
_BLOCK = re.compile(r"(<!-- learned (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_NUMBERS = re.compile(r"\[\s+(-?[\d.e-]+(?:,\s+-?[\d.e-]+)*)\s+\]")


def write_figures(path: Path, found: Mapping[str, Entry], made: Mapping[str, Any]) -> None:
    """Keep what was played and what it comes to; a list of numbers takes one line.

    Args:
        path: the file.
        found: by scenario.
        made: by which command, versions and machine.
    """
    kept = dict(made) | {
        "rows": {name: entry.row for name, entry in found.items()},
        "played": {name: to_table(entry.played) for name, entry in found.items()},
    }
    text = _NUMBERS.sub(lambda match: f"[{' '.join(match[1].split())}]", to_json(kept))
    write_text(path, text + "\n")


def read_figures(path: Path) -> dict[str, Entry]:
    """Read what ``write_figures`` kept, by scenario."""
    held = read_json(path)
    rows = {name: read_row(row) for name, row in held["rows"].items()}
    return {name: Entry(of_table(name, played), rows[name]) for name, played in held["played"].items()}


def pages_of(docs: Path) -> list[Path]:
    """Name the pages that have a part of the table."""
    return [docs / "learning.md", docs.absolute().parent / "README.md"]


def check_pages(docs: Path) -> None:
    """Refuse a folder without the pages.

    Raises:
        FileNotFoundError: one is not there.
    """
    if missing := [page for page in pages_of(docs) if not page.is_file()]:
        raise FileNotFoundError(f"{missing[0]}: expected the page whose marks are to be filled")


def write_pages(docs: Path, found: Mapping[str, Entry], made: Mapping[str, Any]) -> None:
    """Keep the figures beside the page on learning, those of other scenarios as they are, and fill the marks."""
    path = docs / FIGURES
    others = read_figures(path) if path.is_file() else {}
    all_found = {**others, **found}
    joined = {name: all_found[name] for name in read_asked() if name in all_found}
    write_figures(path, joined, made)
    for page in pages_of(docs):
        write_text(page, filled(read_text(page), joined))


def filled(text: str, found: Mapping[str, Entry]) -> str:
    """Fill the marks ``<!-- learned table -->``, ``<!-- learned exceptions -->`` and ``<!-- learned gains -->``.

    Raises:
        ValueError: there is another mark, or none.
    """
    parts = {"table": table_md(found), "exceptions": exceptions_md(found), "gains": gains_md(found)}
    marks = [what for _, what, _ in _BLOCK.findall(text)]
    if not marks or set(marks) - set(parts):
        raise ValueError(f"expected marks <!-- learned {' | '.join(parts)} -->, got {', '.join(marks) or 'none'}")
    return _BLOCK.sub(lambda match: f"{match[1]}{parts[match[2]]}\n{match[3]}", text)


def table_md(found: Mapping[str, Entry]) -> str:
    """Give the table, a row a scenario."""
    currencies = sorted({entry.row.currency for entry in found.values()})
    head = (
        f"{'/'.join(currencies)} a day", "idle", "best rule", "MPC", "**learned**", "runs", "optimum", "bound",
        "less than the rule", "less than MPC",
    )  # fmt: skip
    return _markdown(head, [_cells(*entry) for entry in found.values()])


def _cells(played: Played, row: Row) -> tuple[str, ...]:
    learned = row.learned
    of_learned = ("none", "", "", "")
    if learned is not None:
        less = learned.less_than_mpc_cur
        span = "" if learned.n_runs == 1 else f" ({_number(learned.lowest_cur)} to {_number(learned.highest_cur)})"
        of_learned = (
            f"**{_number(learned.cost_cur)}**{span}", str(learned.n_runs), _with_ends(learned.less_than_rule_cur),
            "" if less is None else _with_ends(less),
        )  # fmt: skip
    return (
        f"`{row.scenario}`", _number(row.idle_cur), f"{_number(row.rule_cur)} `{row.rule}`", _mpc(played, row),
        *of_learned[:2], _program(played, row.replay_cur), _program(played, row.bound_cur), *of_learned[2:],
    )  # fmt: skip


def _mpc(played: Played, row: Row) -> str:
    """What MPC costs; in part where its program leaves something to a rule."""
    if row.mpc_cur is None:
        return "not played"
    return _number(row.mpc_cur) + " in part" * (played.no_program is not None)


def _program(played: Played, cost_cur: float | None) -> str:
    if cost_cur is not None:
        return _number(cost_cur)
    return "not played" if OPTIMUM in played.skipped else NO_PROGRAM


def exceptions_md(found: Mapping[str, Entry]) -> str:
    """Say where what learned is not clearly better than the best rule, and why; and where there is no program."""
    lines = []
    for name, (played, row) in found.items():
        if not row.is_clear:
            what = "not clearly below the best rule" if played.runs else "nothing ships"
            lines.append(f"- `{name}`: {what}. {played.reason}".rstrip())
    for name, (played, _) in found.items():
        if played.no_program is not None:
            beside = "" if MPC in played.skipped else "; MPC leaves that to a rule"
            lines.append(f"- `{name}`, {NO_PROGRAM}: {played.no_program}{beside}.")
        for policy, why in played.skipped.items():
            lines.append(f"- `{name}`, `{policy}` not played: {why}.")
    return "\n".join(lines)


def gains_md(found: Mapping[str, Entry]) -> str:
    """Give who gains against idle by what learned, and in how many runs it is below the rule, a row a scenario."""
    rows = [entry.row for entry in found.values() if entry.row.learned is not None]
    kinds = list(dict.fromkeys(kind for row in rows if row.learned for kind in row.learned.saved_cur))
    head = ("gains against idle", *(f"`{kind}`" for kind in kinds), "runs clear of the rule")
    cells = []
    for row in rows:
        assert row.learned is not None
        saved = row.learned.saved_cur
        gains = (_number(saved[kind]) if kind in saved else "" for kind in kinds)
        cells.append((f"`{row.scenario}`", *gains, f"{row.learned.better_runs} of {row.learned.n_runs}"))
    return _markdown(head, cells)


def _with_ends(found: Interval) -> str:
    if found.low != found.low:
        return _number(found.mean)
    return f"{_number(found.mean)} [{_number(found.low)}, {_number(found.high)}]"


def _number(x: float) -> str:
    return f"{round(x, 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}")


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
