"""Change of step length: the mean where steps get longer, the same power where they get shorter."""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray


def resample(series: NDArray[np.float64], from_min: int, to_min: int) -> NDArray[np.float64]:
    """Change the step length of power (or price) series; energy over the whole is conserved.

    Args:
        series: [..., n_steps] means over steps of ``from_min`` minutes.
        from_min: minutes a step of the series.
        to_min: minutes a step of the result.

    Returns:
        [..., n_steps * from_min / to_min].
    """
    for name, minutes in (("from_min", from_min), ("to_min", to_min)):
        if minutes < 1:
            raise ValueError(f"{name}: expected at least one minute a step, got {minutes}")
    n_steps = series.shape[-1]
    if n_steps * from_min % to_min:
        raise ValueError(
            f"to_min: {n_steps} steps of {from_min} min are no whole number of steps of {to_min} min; "
            "cut the series to whole steps (whole days always do)"
        )
    common = gcd(from_min, to_min)
    held = np.repeat(series, from_min // common, axis=-1) if from_min > common else series
    if to_min == common:
        return held
    parts = held.reshape(*series.shape[:-1], -1, to_min // common)
    averaged: NDArray[np.float64] = parts.mean(axis=-1)
    return averaged
