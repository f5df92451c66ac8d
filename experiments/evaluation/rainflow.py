"""Rainflow: the cycles in a history of the state of charge, for evaluation; a step cannot know them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.devices.ageing import life_used


@dataclass(frozen=True, slots=True)
class Cycles:
    """Cycles of a history."""

    depth: NDArray[np.float64]  # [n] range between the two ends
    count: NDArray[np.float64]  # [n] 1 for a full cycle, 0.5 for a half one

    @property
    def full_cycles(self) -> float:
        """Equivalent full cycles: how many of depth 1 move as much energy."""
        return float(self.depth @ self.count)

    @property
    def life(self) -> float:
        """Share of a battery's life that they use, after ``agents/devices/ageing.py``."""
        return float(life_used(self.depth) @ self.count)


def count_cycles(history: Iterable[float]) -> Cycles:
    """Count the cycles of a history by the rainflow rule of ASTM E1049-85, section 5.4.4.

    Args:
        history: values in the order of time.

    A range that is at least as large as the one before it closes that one: as a full cycle, or as half of one where
    it begins at the first point, which then is given up. What is never closed counts as half cycles.
    """
    points: list[float] = []
    found: list[tuple[float, float]] = []
    for value in _turning_points(history):
        points.append(value)
        while len(points) >= 3:
            last, before = abs(points[-1] - points[-2]), abs(points[-2] - points[-3])
            if last < before:
                break
            if len(points) == 3:
                found.append((before, 0.5))
                points.pop(0)
            else:
                found.append((before, 1.0))
                del points[-3:-1]
    found += [(abs(b - a), 0.5) for a, b in pairwise(points)]
    table = np.array(found, np.float64).reshape(-1, 2)
    return Cycles(table[:, 0], table[:, 1])


def _turning_points(history: Iterable[float]) -> list[float]:
    """The first and last value and every one where the direction changes."""
    points: list[float] = []
    for value in history:
        if points and value == points[-1]:
            continue
        if len(points) >= 2 and (value > points[-1]) == (points[-1] > points[-2]):
            points[-1] = float(value)
        else:
            points.append(float(value))
    return points
