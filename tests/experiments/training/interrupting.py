"""Runs that are interrupted, and whether they end as one that ran through, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.data.inputs import META, read_arrays
from gridbazaar.experiments.training.folder import read_curve


class Interrupt:
    """A ``report`` that stops the run after some steps, as ctrl-C would."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self, steps: int, of: int, latest: dict[str, float]) -> None:
        if steps >= self.after:
            raise KeyboardInterrupt


def interrupted(train: Callable[..., Path], config: Any, folder: Path, after: int, **more: Any) -> Path:
    """Train until it was interrupted."""
    with pytest.raises(KeyboardInterrupt):
        train(config, folder, report=Interrupt(after), **more)
    return folder


def assert_same_runs(a: Path, b: Path) -> None:
    """All of the last checkpoint, what plays at the end and at its best, and the curve."""
    for name in ("checkpoint.npz", "model.npz", "best.npz"):
        ours, theirs = (read_arrays(run / name)[1] for run in (a, b))
        assert len(ours) > 5
        assert ours.keys() == theirs.keys()
        assert [n for n in ours if n != META and not np.array_equal(ours[n], theirs[n])] == [], name
    ours, theirs = (read_arrays(run / "checkpoint.npz")[0] for run in (a, b))
    assert ours.get("counts") == theirs.get("counts")
    curves = [[(point["steps"], point["score"]) for point in read_curve(run)] for run in (a, b)]
    assert curves[0] == curves[1]
    assert len(curves[0]) > 1
