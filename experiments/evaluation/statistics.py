"""Bootstrap over seeds: intervals of means, of paired differences and of scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_RESAMPLES = 5000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the 95 % percentile interval of its bootstrap; of a single value there is none, its ends are NaN."""

    mean: float
    low: float
    high: float


def resamples(n: int, n_resamples: int = N_RESAMPLES) -> NDArray[np.int64]:
    """Draw the rows of every resample, [n_resamples, n]; always the same ones."""
    return np.random.default_rng(np.random.SeedSequence(20_240_101)).integers(0, n, (n_resamples, n))


def mean_interval(x: NDArray[np.float64]) -> Interval:
    """Give the mean of [n] values and its 95 % interval."""
    values = np.asarray(x, float)
    return interval(float(values.mean()), values[resamples(len(values))].mean(axis=1), len(values) == 1)


def share_interval(floor: NDArray[np.float64], policy: NDArray[np.float64], goal: NDArray[np.float64]) -> Interval:
    """Give 100 (floor - policy) / (floor - goal), the share of the way, as a ratio of means over [n] seeds."""
    rows = resamples(len(floor))
    gained, possible = np.asarray(floor - policy), np.asarray(floor - goal)
    if not possible.mean() > 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    drawn = 100 * gained[rows].mean(1) / np.maximum(possible[rows].mean(1), 1e-12)
    return interval(float(100 * gained.mean() / possible.mean()), drawn, len(rows[0]) == 1)


def interval(mean: float, drawn: NDArray[np.float64], is_one: bool) -> Interval:
    """Give a mean with the 95 % interval of its bootstrap ``drawn``; of a single value there is none."""
    if is_one:
        return Interval(mean, float("nan"), float("nan"))
    return Interval(mean, *map(float, np.quantile(drawn, [0.025, 0.975])))
