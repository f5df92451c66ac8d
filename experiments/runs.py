"""A folder of runs that differ in the seed of their training alone: who is in it, in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gridbazaar.data.inputs import read_json

RUNS = "runs.json"
"""File of such a folder: the seeds, and how each run learns."""


def run_of(folder: Path, seed: int) -> Path:
    """Give the folder of one run in a folder of runs."""
    return folder / f"seed_{seed}"


def read_runs(folder: str | Path) -> dict[str, Any] | None:
    """Read what a folder of runs holds: ``seeds``, and ``train``, the fields of how they learn; none: it is none.

    Raises:
        ValueError: there is such a file, and it is broken.
    """
    path = Path(folder) / RUNS
    if "\0" in str(folder) or not path.is_file():
        return None
    held = read_json(path)
    seeds = held.get("seeds")
    if not isinstance(seeds, list) or not seeds or not all(type(s) is int and s >= 0 for s in seeds):
        raise ValueError(f"{path}: seeds: expected numbers, got {str(seeds)[:80]}")
    if len(set(seeds)) < len(seeds) or not isinstance(held.get("train"), dict):
        raise ValueError(f"{path}: expected different seeds, and a table train; train the runs anew")
    return held
