"""Series that remember: what is drawn now keeps some of what was before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def with_memory(drawn: Floats, phi: float) -> Floats:
    """Give a first-order autoregression of unit variance from independent normal numbers.

    Args:
        drawn: [n_steps] of unit variance.
        phi: correlation from one step to the next, in [0, 1).
    """
    from scipy.signal import lfilter

    scaled = drawn * np.sqrt(1 - phi**2)
    scaled[0] = drawn[0]
    series: Floats = np.asarray(lfilter([1.0], [1.0, -phi], scaled))
    return series
