"""Bootstrap over seeds: intervals of means, of paired differences and of scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_RESAMPLES = 5000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the 95 % percentile interval of its bootstrap."""

    mean: float
    low: float
    high: float


def resamples(n: int, n_resamples: int = N_RESAMPLES) -> NDArray[np.int64]:
    """Draw the rows of every resample, [n_resamples, n]; always the same ones."""
    return np.random.default_rng(np.random.SeedSequence(20_240_101)).integers(0, n, (n_resamples, n))


def mean_interval(x: NDArray[np.float64]) -> Interval:
    """Give the mean of [n] values and its 95 % interval."""
    means = np.asarray(x, float)[resamples(len(x))].mean(axis=1)
    return Interval(float(np.mean(x)), *map(float, np.quantile(means, [0.025, 0.975])))


def score_interval(idle: NDArray[np.float64], policy: NDArray[np.float64], optimum: NDArray[np.float64]) -> Interval:
    """Give 100 (idle - policy) / (idle - optimum) as a ratio of means over [n] seeds, with its 95 % interval."""
    rows = resamples(len(idle))
    gained, possible = np.asarray(idle - policy), np.asarray(idle - optimum)
    if possible.mean() <= 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    drawn = 100 * gained[rows].mean(1) / np.maximum(possible[rows].mean(1), 1e-12)
    return Interval(float(100 * gained.mean() / possible.mean()), *map(float, np.quantile(drawn, [0.025, 0.975])))
