"""Checkpoints: all of a run at one moment in one file, so that steps, curve, weights and optimiser move together.

The file holds arrays and JSON and nothing that has to be unpickled. ``model.npz`` and ``best.npz`` are taken from it.
"""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.learned.foreign import SUFFIXES
from gridbazaar.agents.policies.trained import (
    BEST,
    CHECKPOINT,
    MODEL,
    OLD_BEST,
    OLD_CHECKPOINT,
    OLD_MODEL,
    WEIGHTS,
    file_of_run,
    is_ours,
    read_manifest,
    read_tensors,
    read_weights,
)
from gridbazaar.data.inputs import META, packed_meta, read_arrays, read_json
from gridbazaar.experiments.files import replacing

Arrays = dict[str, NDArray[Any]]
Points = list[dict[str, float]]

_BEST, _LEARNING, _MOMENTS, _DRAWN = "best/", "learning/", "moments/", "generators/"
_OLD_CURVE = "curve.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A run between two rollouts, from which it goes on as if nothing had happened."""

    steps: int  # agent-steps
    episodes: int  # that were begun, so where the next ones begin
    seconds: float
    curve: Points  # steps, seconds and validation score
    weights: Arrays  # of the policy, by name
    moments: Arrays  # of the optimiser, ``number/name``
    rate: float  # that it learned with last
    best: Arrays = field(default_factory=dict)  # the weights that scored best on validation
    learning: Arrays = field(default_factory=dict)  # that the optimiser steps, where ``weights`` are their average
    drawn: Arrays = field(default_factory=dict)  # where the global generators are; empty in a run of version 0.1
    drawn_more: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, Any] = field(default_factory=dict)  # what else a way to learn goes on with, as JSON has it


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Put a checkpoint in the place of the last one, all of it or nothing."""
    meta = {
        "schema": 1, "steps": checkpoint.steps, "episodes": checkpoint.episodes, "seconds": checkpoint.seconds,
        "points": checkpoint.curve, "rate": checkpoint.rate, "generators": dict(checkpoint.drawn_more),
    }  # fmt: skip
    if checkpoint.counts:
        meta["counts"] = dict(checkpoint.counts)
    named = (
        (WEIGHTS, checkpoint.weights), (_BEST, checkpoint.best), (_MOMENTS, checkpoint.moments),
        (_LEARNING, checkpoint.learning), (_DRAWN, checkpoint.drawn),
    )  # fmt: skip
    _write(file_of_run(folder, CHECKPOINT), meta, {start + n: x for start, arrays in named for n, x in arrays.items()})


def write_weights(folder: Path, name: str, weights: Arrays, steps: int) -> None:
    """Write weights that can be played."""
    path = file_of_run(folder, name)
    _write(path, {"schema": 1, "steps": steps}, {WEIGHTS + n: x for n, x in weights.items()})


def _write(path: Path, meta: dict[str, Any], arrays: Arrays) -> None:
    held: dict[str, Any] = {META: packed_meta(meta), **arrays}
    assert all(x.dtype != object for x in held.values())
    with replacing(path) as partial, partial.open("wb") as out:
        np.savez(out, **held)


def read_checkpoint(folder: str | Path) -> Checkpoint | None:
    """Read the last checkpoint of a run; none where it was ended before the first.

    Raises:
        ValueError: it is broken.
    """
    folder = Path(folder)
    if not (folder / CHECKPOINT).is_file():
        return _read_old(folder) if (folder / OLD_CHECKPOINT).is_file() else None
    path = file_of_run(folder, CHECKPOINT)
    meta, arrays = read_arrays(path)
    return _checked(
        path, meta, weights=those(arrays, WEIGHTS), moments=those(arrays, _MOMENTS), best=those(arrays, _BEST),
        learning=those(arrays, _LEARNING), drawn=those(arrays, _DRAWN),
    )  # fmt: skip


def those(arrays: Mapping[str, NDArray[Any]], start: str) -> Arrays:
    """Give the arrays whose names begin so, by the rest of their names."""
    return {name.removeprefix(start): x for name, x in arrays.items() if name.startswith(start)}


def _checked(path: Path, meta: Mapping[str, Any], **arrays: Arrays) -> Checkpoint:
    points = meta.get("points")
    for name in ("steps", "episodes"):
        if type(meta.get(name)) is not int or meta[name] < 0:
            raise ValueError(f"{path}: {name}: expected a whole number, got {str(meta.get(name))[:80]}")
    for name in ("seconds", "rate"):
        if type(meta.get(name)) not in (int, float) or not meta[name] >= 0:
            raise ValueError(f"{path}: {name}: expected a number, got {str(meta.get(name))[:80]}")
    if not isinstance(points, list) or not all(_is_point(point) for point in points):
        raise ValueError(f"{path}: points: expected steps, seconds and score of each, got {str(points)[:80]}")
    more, counts = (meta.get(name, {}) for name in ("generators", "counts"))
    for name, table in (("generators", more), ("counts", counts)):
        if not isinstance(table, dict):
            raise ValueError(f"{path}: {name}: expected a table, got {str(table)[:80]}")
    return Checkpoint(
        steps=meta["steps"], episodes=meta["episodes"], seconds=meta["seconds"], curve=points, rate=meta["rate"],
        drawn_more=more, counts=counts, **arrays,
    )  # fmt: skip


def _is_point(point: Any) -> bool:
    names = ("steps", "seconds", "score")
    return isinstance(point, dict) and all(type(point.get(name)) in (int, float) for name in names)


def _read_old(folder: Path) -> Checkpoint:
    """Of version 0.1: only tensors and its count of steps are read of the zip, and of the curve what goes as far."""
    path = file_of_run(folder, OLD_CHECKPOINT)
    held, optimiser = read_json(file_of_run(folder, _OLD_CURVE)), read_tensors(path, "policy.optimizer.pth")
    try:
        with zipfile.ZipFile(path) as packed:
            steps = json.loads(packed.read("data"))["num_timesteps"]
        moments = {f"{i}/{n}": np.asarray(x) for i, some in optimiser["state"].items() for n, x in some.items()}
        rate = float(optimiser["param_groups"][0]["lr"])
        points = [point for point in held["points"] if point["steps"] <= steps]
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, RecursionError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: expected a checkpoint of version 0.1, {error!r}") from error
    best = file_of_run(folder, OLD_BEST)
    return _checked(
        path, {"episodes": 0, "rate": rate, "steps": steps, "seconds": held.get("seconds"), "points": points},
        weights=read_weights(path), moments=moments, best=read_weights(best) if best.is_file() else {}, drawn={},
    )  # fmt: skip


def about(path: Path) -> str:
    """Say what a model is that was played."""
    ours = path.name in (MODEL, BEST, CHECKPOINT)
    start = read_manifest(path.parent)["train"].get("start", "none") if ours else "none"
    return _about(path) + ("" if start == "none" else f", begun by imitation of {start}")


def _about(path: Path) -> str:
    if path.suffix in SUFFIXES and not is_ours(path):
        return "a model that others made"
    if path.name in (MODEL, OLD_MODEL):
        return "what the run ended with"
    if path.name in (BEST, OLD_BEST):
        return "the best on validation"
    if path.name not in (CHECKPOINT, OLD_CHECKPOINT):
        return "a model that others made"
    found, planned = read_checkpoint(path.parent), read_manifest(path.parent)["train"].get("steps")
    steps = f"{0 if found is None else found.steps:,}" + (f" of {planned}" if planned is not None else "")
    return f"the last checkpoint: the run was interrupted, or still runs, at {steps} agent-steps"


def taken(model: Any) -> tuple[Arrays, Arrays, float]:
    """Take weights, moments and the last rate out of a model of stable-baselines3."""
    weights = {name: x.numpy().copy() for name, x in model.policy.state_dict().items()}
    return weights, *moments_of(model.policy.optimizer)


def moments_of(optimiser: Any) -> tuple[Arrays, float]:
    """Take the moments and the last rate out of an optimiser of torch."""
    held = optimiser.state_dict()
    moments = {f"{i}/{n}": x.numpy().copy() for i, some in held["state"].items() for n, x in some.items()}
    return moments, float(held["param_groups"][0]["lr"])


def put_moments(optimiser: Any, moments: Arrays, rate: float) -> None:
    """Put moments and rate into an optimiser of torch.

    Raises:
        ValueError: they are of other parameters.
    """
    import torch

    held, parameters = optimiser.state_dict(), optimiser.param_groups[0]["params"]
    state: dict[int, dict[str, Any]] = {}
    for name, x in moments.items():
        number, _, of = name.partition("/")
        if x.shape not in ((), tuple(parameters[int(number)].shape)):
            raise ValueError(f"moments of parameter {number} have the shape {x.shape}")
        state.setdefault(int(number), {})[of] = torch.as_tensor(x)
    held["state"] = state
    for group in held["param_groups"]:
        group["lr"] = rate
    optimiser.load_state_dict(held)


def generators() -> tuple[Arrays, dict[str, Any]]:
    """Take the state of the global generators that training draws from."""
    import torch

    version, numbers, gauss = random.getstate()
    name, keys, at, has_gauss, cached = np.random.get_state()  # noqa: NPY002 - as PPO draws
    arrays = {"python": np.array(numbers), "numpy": np.asarray(keys), "torch": torch.get_rng_state().numpy().copy()}
    return arrays, {"version": version, "gauss": gauss, "name": name, "at": at, "has": has_gauss, "cached": cached}


def put_generators(checkpoint: Checkpoint) -> None:
    """Put the global generators where they were; a run of version 0.1 did not keep them."""
    import torch

    if not checkpoint.drawn:
        return
    more, drawn = checkpoint.drawn_more, checkpoint.drawn
    random.setstate((more["version"], tuple(drawn["python"].tolist()), more["gauss"]))
    np.random.set_state(  # noqa: NPY002 - as PPO draws
        (more["name"], drawn["numpy"], more["at"], more["has"], more["cached"])
    )
    torch.set_rng_state(torch.as_tensor(drawn["torch"]))


def put_back(model: Any, checkpoint: Checkpoint, where: Path) -> None:
    """Put a checkpoint into a new model, and the generators where they were.

    Raises:
        ValueError: it is of another network, or its state is none.
    """
    import torch

    try:
        model.policy.load_state_dict({name: torch.as_tensor(x) for name, x in checkpoint.weights.items()})
        put_moments(model.policy.optimizer, checkpoint.moments, checkpoint.rate)
        model.num_timesteps = checkpoint.steps
        put_generators(checkpoint)
    except (ValueError, TypeError, RuntimeError, KeyError, IndexError) as error:
        raise ValueError(f"{where}: cannot go on from this checkpoint, {error}; start the run anew") from error
