"""Files of a user's own that a run's scenario names: kept beside the run, and used when it is gone on with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gridbazaar.data.own import Reference, reference_of
from gridbazaar.envs.scenario import Scenario

CODE = "code"
"""Folder of a run in which copies lie."""
_SHOWN = 12


def keep_files(scenario: Scenario, folder: Path) -> None:
    """Copy each file that a scenario names into the folder of its run."""

    def copy(reference: Reference) -> Reference:
        kept = folder / CODE / _copy_of(reference)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(reference.read())
        return reference

    _each(asdict(scenario), copy)


def with_kept_files(values: Any, folder: Path) -> Any:
    """Give the fields of a run's scenario with the copies in its folder in place of the files they were made of."""

    def kept(reference: Reference) -> Reference:
        path = folder / CODE / _copy_of(reference)
        return replace(reference, path=str(path.resolve())) if path.is_file() else reference

    return _each(values, kept)


def _copy_of(reference: Reference) -> str:
    return f"{(reference.sha256 or '')[:_SHOWN]}/{Path(reference.path).name}"


def _each(values: Any, change: Callable[[Reference], Reference]) -> Any:
    """Change every pinned file in a tree of tables."""
    if isinstance(values, dict):
        return {key: _each(value, change) for key, value in values.items()}
    reference = reference_of(values) if isinstance(values, str) else None
    return values if reference is None or reference.sha256 is None else str(change(reference))
