"""Rollouts in files: NumPy's (.npz), Parquet, or a dataset of Minari; the same arrays come back from each.

A file of NumPy needs nothing more and is read as a whole. Parquet is written a few episodes at a time and read by
tables of all kinds; Minari's datasets by libraries for learning from what others did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from gridbazaar.data.inputs import META, MOST_BYTES, check_input, packed_meta, read_arrays
from gridbazaar.experiments.files import check_file, check_folder, replacing, replacing_folder
from gridbazaar.experiments.rollout.rollout import ARRAYS, Plan, Rollout, joined, origin_of, played

FORMATS = ("npz", "parquet", "minari")
_ENDS = {".npz": "npz", ".parquet": "parquet"}
_NEEDS = {"npz": (), "parquet": ("pyarrow",), "minari": ("minari", "h5py")}


def format_of(path: str | Path, given: str | None = None) -> str:
    """Give the format of a rollout's file: the one that is named, or that of the file's name.

    Raises:
        ValueError: there is no such format, or the name says none.
    """
    if given is not None and given not in FORMATS:
        raise ValueError(f"--format: expected one of {', '.join(FORMATS)}, got {given!r}")
    found = given or _ENDS.get(Path(path).suffix)
    if found is None:
        raise ValueError(f"{path}: expected a name that ends in {' or '.join(_ENDS)}, or --format minari for a folder")
    return found


def check_destination(path: Path, form: str, *, force: bool = False) -> None:
    """Refuse a place that could not be written in the end, and a format whose library is not installed."""
    for module in _NEEDS[form]:
        import_module(module)
    if form == "minari":
        check_folder(path, force=force)
    else:
        check_file(path, force=force)


def write_rollout(
    plan: Plan, path: str | Path, form: str | None = None, *, force: bool = False,
    tick: Callable[[], None] | None = None,
) -> Path:  # fmt: skip
    """Play a plan and write what came; after an error nothing of it is left.

    Args:
        plan: see ``plan_rollout``.
        path: of the file, or of the folder of Minari's dataset.
        form: one of ``FORMATS``; none: as the file's name says.
        force: replace what is there.
        tick: called after every interval, for progress.
    """
    path, form = Path(path), format_of(path, form)
    check_destination(path, form, force=force)
    if form == "npz" and plan.n_bytes > MOST_BYTES:
        raise ValueError(
            f"{len(plan.numbers)} episodes take {plan.n_bytes:,} bytes, a file of NumPy may have {MOST_BYTES:,}; write "
            "fewer, or Parquet"
        )
    parts = played(plan, tick)
    if form == "minari":
        with replacing_folder(path, force=force) as partial:
            _of("minari").write(parts, partial)
        return path
    with replacing(path) as partial:
        if form == "npz":
            write_npz(parts, partial)
        else:
            _of("parquet").write(parts, partial)
    return path


def write_npz(parts: Iterable[Rollout], path: Path) -> None:
    """Write a file of NumPy."""
    whole = joined(list(parts))
    held: dict[str, Any] = {META: packed_meta({"rollout": whole.origin.to_json()}), **whole.arrays()}
    with path.open("wb") as out:
        np.savez_compressed(out, **held)


def read_rollout(path: str | Path) -> Rollout:
    """Read a rollout from its file, or from the folder of Minari's dataset.

    Raises:
        ValueError: it is none, or a part of it is missing.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder; expected a rollout")
    found = _of("minari").read(path) if path.is_dir() else _read_file(path)
    _check(found, path)
    return found


def _read_file(path: Path) -> Rollout:
    check_input(path)
    with path.open("rb") as file:
        begins = file.read(4)
    if begins == b"PAR1":
        parquet: Rollout = _of("parquet").read(path)
        return parquet
    meta, arrays = read_arrays(path)
    if missing := sorted(set(ARRAYS) ^ set(arrays)):
        raise ValueError(f"{path}: expected a rollout; missing or unknown: {', '.join(missing)}")
    try:
        return Rollout(origin_of(str(meta.get("rollout"))), **arrays)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _check(found: Rollout, path: Path) -> None:
    """Refuse arrays that do not belong together."""
    o, shape = found.origin, found.rewards.shape
    if len(shape) != 3 or found.episodes.shape != shape[:1] or shape[2] != len(o.agents):
        raise ValueError(f"{path}: rewards: expected [n_episodes, n_steps, n_agents], got {list(shape)}")
    seen = (shape[0], shape[1] + 1, shape[2])
    width = max(map(len, o.actions.values()))
    for name, array in found.arrays().items():
        expected: tuple[int, ...] = {
            "episodes": shape[:1], "observations": (*seen, len(o.features)), "active": seen,
            "actions": (*shape, width), "executed": (*shape, width), "costs": (*shape, len(o.costs)),
            "reward_parts": (*shape, len(o.parts)),
        }.get(name, shape)  # fmt: skip
        if array.shape != expected:
            raise ValueError(f"{path}: {name}: expected the shape {list(expected)}, got {list(array.shape)}")


def _of(form: str) -> Any:
    return import_module({
        "parquet": "gridbazaar.experiments.rollout.parquet", "minari": "gridbazaar.experiments.rollout.minari_folder",
    }[form])  # fmt: skip
