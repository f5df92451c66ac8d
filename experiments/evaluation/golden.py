"""Records of an evaluation: figures kept in a file, and what has changed since."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridbazaar.experiments.evaluation.evaluate import Evaluation


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that left its tolerance."""

    policy: str
    figure: str
    expected: float
    came: float
    tolerance: float


def check(evaluation: Evaluation, golden: str | Path) -> list[Difference]:
    """Compare with recorded figures; give the rows that differ.

    A golden file holds ``{"scenario": name, "split": split, "seeds": [...], "tolerances": {figure: {"abs": a,
    "rel": r}}, "policies": [{"policy": name, figure: mean}]}``; ``tolerances.default`` serves the figures that have
    none of their own.

    Raises:
        ValueError: the file is no such record, or one of other episodes than those played.
    """
    recorded = read_golden(golden)
    played = {"scenario": evaluation.scenario.name, "split": evaluation.split, "seeds": list(evaluation.seeds)}
    if other := [name for name, value in played.items() if recorded[name] != value]:
        had = ", ".join(f"{name} {_short(recorded[name])} (now {_short(played[name])})" for name in other)
        raise ValueError(f"{golden}: recorded with {had}; play the same")
    rows = {row["policy"]: row for row in evaluation.rows()}
    differences = []
    for expected in recorded["policies"]:
        name = expected["policy"]
        for figure, value in expected.items():
            if figure == "policy":
                continue
            allowed = recorded["tolerances"].get(figure, recorded["tolerances"].get("default", {}))
            value = float("nan") if value is None else value  # how JSON says that there is none
            tolerance = allowed.get("abs", 0.0) + allowed.get("rel", 0.0) * abs(value)
            played_it = name in rows and figure in rows[name]
            came = float(rows[name][figure]["mean"]) if played_it else float("nan")
            same = abs(came - value) <= tolerance or (played_it and math.isnan(came) and math.isnan(value))
            if not same:
                differences.append(
                    Difference(policy=name, figure=figure, expected=value, came=came, tolerance=tolerance)
                )
    return differences


def _short(value: Any) -> str:
    return f"{len(value)} from {value[0]}" if isinstance(value, list) and len(value) > 3 else str(value)


def read_golden(path: str | Path) -> dict[str, Any]:
    """Read a record for ``check``; one that lacks a part or has nothing to compare is an error."""
    recorded: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    if missing := [k for k in ("scenario", "split", "seeds", "tolerances", "policies") if k not in recorded]:
        raise ValueError(f"{path}: no {', '.join(missing)}; expected a file of gridbazaar evaluate ... --record FILE")
    if not any(set(row) - {"policy"} for row in recorded["policies"]):
        raise ValueError(f"{path}: no figure to compare with; record it with gridbazaar evaluate ... --record FILE")
    return recorded


def golden_of(evaluation: Evaluation, figures: Sequence[str] = ("score", "cost_cur", "import_kwh")) -> dict[str, Any]:
    """Record figures for ``check``; regenerate with ``gridbazaar evaluate ... --record FILE``."""
    rows = [
        {"policy": row["policy"]} | {figure: row[figure]["mean"] for figure in figures} for row in evaluation.rows()
    ]
    return {
        "scenario": evaluation.scenario.name,
        "split": evaluation.split,
        "seeds": list(evaluation.seeds),
        "tolerances": {"default": {"abs": 1e-3, "rel": 1e-3}},
        "policies": rows,
    }
