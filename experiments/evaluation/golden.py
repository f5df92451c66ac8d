"""Records of an evaluation: figures kept in a file, and what has changed since."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gridbazaar.data.inputs import read_json
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import scenario_of
from gridbazaar.experiments.evaluation.result import Evaluation
from gridbazaar.experiments.files import versions

SCHEMA = 2
TOLERANCE = 1e-3
"""What a figure may differ by, and by which share of itself, unless it is said otherwise."""
_MOST_TOLD = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that left its tolerance."""

    policy: str
    figure: str
    expected: float
    came: float
    tolerance: float


def check(evaluation: Evaluation, golden: str | Path, *, tolerance: float | None = None) -> list[Difference]:
    """Compare with recorded figures; give the rows that differ.

    Args:
        evaluation: what was played.
        golden: a record, see ``golden_of``; ``tolerances.default`` serves the figures that have none of their own.
        tolerance: by how much, and by which share of itself, a figure may differ; none: as the record says.

    Raises:
        ValueError: the file is no such record, or one of other settings than those played.
    """
    recorded = read_golden(golden)
    refuse_other_settings(recorded, golden, evaluation.scenario, evaluation.split, evaluation.seeds)
    rows = {row["policy"]: row for row in evaluation.rows()}
    differences = []
    for expected in recorded["policies"]:
        name = expected["policy"]
        for figure, value in expected.items():
            if figure == "policy":
                continue
            allowed = recorded["tolerances"].get(figure, recorded["tolerances"].get("default", {}))
            allowed = allowed if tolerance is None else {"abs": tolerance, "rel": tolerance}
            value = float("nan") if value is None else value  # how JSON says that there is none
            within = allowed.get("abs", 0.0) + allowed.get("rel", 0.0) * abs(value)
            played_it = name in rows and isinstance(rows[name].get(figure), Mapping) and "mean" in rows[name][figure]
            came = float(rows[name][figure]["mean"]) if played_it else float("nan")
            same = abs(came - value) <= within or (played_it and math.isnan(came) and math.isnan(value))
            if not same:
                differences.append(Difference(policy=name, figure=figure, expected=value, came=came, tolerance=within))
    return differences


def unmatched(recorded: Mapping[str, Any], played: Sequence[str]) -> tuple[list[str], list[str]]:
    """Name the policies that are recorded and were not played, and those that were played and are not recorded."""
    names = [row["policy"] for row in recorded["policies"]]
    return [n for n in names if n not in played], [n for n in played if n not in names]


def refuse_other_settings(
    recorded: Mapping[str, Any], golden: str | Path, scenario: Scenario, split: str, seeds: Sequence[int]
) -> None:
    """Refuse to compare with what was recorded of another world or of other episodes.

    Raises:
        ValueError: names what is other; nothing has to be played to see it.
    """
    had = {"scenario": recorded["scenario"], "split": recorded["split"], "seeds": recorded["seeds"]}
    now: dict[str, Any] = {"scenario": scenario.name, "split": split, "seeds": list(seeds)}
    if had["scenario"] == now["scenario"] and "settings" in recorded:
        had |= _flat(_settings_of(recorded, golden))
        now |= _flat(asdict(scenario))
    other = [name for name in {**had, **now} if had.get(name) != now.get(name)]
    if other:
        told = [f"{name} {_short(had.get(name))} (now {_short(now.get(name))})" for name in other[:_MOST_TOLD]]
        more = f" and {len(other) - _MOST_TOLD} more" if len(other) > _MOST_TOLD else ""
        raise ValueError(f"{golden}: other settings: recorded with {', '.join(told)}{more}; play the same")


def other_versions(recorded: Mapping[str, Any]) -> list[str]:
    """Say which versions the record was made with, where they are others than here."""
    here, had = versions(), recorded.get("versions", {})
    return [f"{name} {had[name]} (here {here.get(name)})" for name in had if had[name] != here.get(name)]


def _settings_of(recorded: Mapping[str, Any], golden: str | Path) -> dict[str, Any]:
    """The recorded scenario; fields that are new since then have their defaults."""
    try:
        return asdict(scenario_of(recorded["settings"]))
    except ValueError as error:
        raise ValueError(f"{golden}: other settings: this version knows no such scenario ({error})") from error


def _flat(table: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in table.items():
        at = f"{where}.{name}" if where else name
        found |= _flat(value, at) if isinstance(value, Mapping) and value else {at.removeprefix("agents."): value}
    return found


def _short(value: Any) -> str:
    return f"{len(value)} from {value[0]}" if isinstance(value, list) and len(value) > 3 else str(value)


def read_golden(path: str | Path) -> dict[str, Any]:
    """Read a record for ``check``.

    Raises:
        ValueError: it lacks a part, has nothing to compare, or holds what no record does.
    """
    recorded = read_json(path)
    if missing := [k for k in ("scenario", "split", "seeds", "tolerances", "policies") if k not in recorded]:
        raise ValueError(f"{path}: no {', '.join(missing)}; expected a file of gridbazaar evaluate ... --record FILE")
    if (schema := recorded.get("schema", 1)) not in (1, SCHEMA):
        raise ValueError(f"{path}: schema: expected 1 or {SCHEMA}, got {schema!r}; record it anew")
    seeds, tolerances, rows = recorded["seeds"], recorded["tolerances"], recorded["policies"]
    for name in ("scenario", "split"):
        _expect(isinstance(recorded[name], str), path, name, "a name", recorded[name])
    _expect(isinstance(seeds, list) and seeds and all(type(s) is int for s in seeds), path, "seeds", "numbers", seeds)
    for name in ("settings", "versions"):
        _expect(isinstance(recorded.get(name, {}), dict), path, name, "a table", recorded.get(name))
    _expect(isinstance(tolerances, dict), path, "tolerances", "a table", tolerances)
    for figure, allowed in tolerances.items():
        fits = isinstance(allowed, dict) and set(allowed) <= {"abs", "rel"}
        fits = fits and all(_is_number(x) and x >= 0 for x in allowed.values())
        _expect(fits, path, f"tolerances.{figure}", "abs and rel, numbers of at least 0", allowed)
    _expect(isinstance(rows, list) and all(isinstance(row, dict) for row in rows), path, "policies", "tables", rows)
    for i, row in enumerate(rows):
        _expect(isinstance(row.get("policy"), str), path, f"policies[{i}].policy", "a name", row.get("policy"))
        for figure, value in row.items():
            fits = figure == "policy" or value is None or _is_number(value)
            _expect(fits, path, f"policies[{i}].{figure}", "a number or null", value)
    names = [row["policy"] for row in rows]
    _expect(len(set(names)) == len(names), path, "policies", "each policy once", names)
    if not any(set(row) - {"policy"} for row in rows):
        raise ValueError(f"{path}: no figure to compare with; record it with gridbazaar evaluate ... --record FILE")
    return recorded


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _expect(is_so: object, path: str | Path, where: str, expected: str, came: Any) -> None:
    if not is_so:
        raise ValueError(f"{path}: {where}: expected {expected}, got {str(came)[:200]}")


def golden_of(
    evaluation: Evaluation,
    figures: Sequence[str] = ("score", "cost_cur", "import_kwh"),
    *,
    tolerance: float = TOLERANCE,
    command: str | None = None,
) -> dict[str, Any]:
    """Record figures for ``check``, with all that the numbers hang on.

    Args:
        evaluation: what was played.
        figures: which of them.
        tolerance: by how much, and by which share of itself, each may differ.
        command: that made the record, to be shown.

    Returns:
        ``{"scenario": name, "settings": every field, "split": split, "seeds": [...], "versions": {...}, "tolerances":
        {figure: {"abs": a, "rel": r}}, "policies": [{"policy": name, figure: mean}]}``.
    """
    rows = [
        {"policy": row["policy"]} | {figure: row[figure]["mean"] for figure in figures} for row in evaluation.rows()
    ]
    return {
        "schema": SCHEMA,
        "command": command,
        "scenario": evaluation.scenario.name,
        "settings": asdict(evaluation.scenario),
        "split": evaluation.split,
        "seeds": list(evaluation.seeds),
        "versions": versions(),
        "tolerances": {figure: {"abs": tolerance, "rel": tolerance} for figure in figures},
        "policies": rows,
    }
