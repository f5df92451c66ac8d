"""Linear forecasts of a series from its own past, fitted anew every 24 hours on the weeks before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WINDOW_DAYS = 28
"""Days that a fit looks back on, or as many as there are."""
LEAST_DAYS = 3
"""Days without which there is no fit."""
_RIDGE = 1e-3  # of the mean diagonal of the normal equations, so that a calm week has a solution too


def regressed(series: Floats, regressors: Sequence[Floats], per_day: int, delay_days: int) -> tuple[Floats, int]:
    """Forecast each step by least squares of the series on its regressors.

    Args:
        series: [n, n_steps] what is forecast.
        regressors: [n, n_steps] each, at each step what is known when the step is forecast; the first day's values
            are not fitted.
        per_day: steps of 24 hours, from the first step on; such a stretch is a day here.
        delay_days: whole days between the last value known and the beginning of the day that is forecast.

    Returns:
        [n, n_steps] forecasts, zero before the first day that has a fit, and the first step that has one.

    The coefficients of a day come from the ``WINDOW_DAYS`` days that end ``delay_days`` before it.
    """
    n, n_steps = series.shape
    n_days, n_terms = -(-n_steps // per_day), len(regressors)
    forecast = np.zeros_like(series)
    first_day = 1 + LEAST_DAYS + delay_days
    for row in range(n):  # one series at a time, so that a year of minutes fits into memory
        terms = np.stack([x[row] for x in regressors], axis=1)
        whole = n_steps // per_day
        by_day = terms[: whole * per_day].reshape(whole, per_day, n_terms)
        target = series[row, : whole * per_day].reshape(whole, per_day)
        gram = np.einsum("dsi,dsj->dij", by_day, by_day)
        cross = np.einsum("dsi,ds->di", by_day, target)
        gram[0], cross[0] = 0.0, 0.0
        until = np.arange(n_days) - delay_days  # first day that is not in the fit
        gram, cross = _window(gram, until), _window(cross, until)
        scale = np.trace(gram, axis1=1, axis2=2) / n_terms
        gram += (_RIDGE * scale + 1e-9)[:, None, None] * np.eye(n_terms)
        weights = np.linalg.solve(gram, cross[:, :, None])[:, :, 0]
        forecast[row] = (terms * np.repeat(weights, per_day, axis=0)[:n_steps]).sum(axis=1)
    first_step = min(first_day * per_day, n_steps)
    forecast[:, :first_step] = 0.0
    return forecast, first_step


def _window(daily: Floats, until: NDArray[np.int64]) -> Floats:
    """[n_days, ...] sums over the window of days before ``until``."""
    sums = np.concatenate([np.zeros((1, *daily.shape[1:])), np.cumsum(daily, axis=0)])
    end = np.clip(until, 0, len(daily))
    summed: Floats = sums[end] - sums[np.maximum(end - WINDOW_DAYS, 0)]
    return summed
