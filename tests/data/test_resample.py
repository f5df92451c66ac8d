import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gridbazaar.data.resample import resample

Floats = NDArray[np.float64]

STEPS = st.sampled_from([1, 5, 10, 15, 20, 30, 60])
SEEDS = st.integers(0, 2**32)


def two_days(seed: int, step_min: int) -> Floats:
    return np.random.default_rng(seed).integers(0, 2**20, (2, 2880 // step_min)).astype(np.float64)


@given(SEEDS, STEPS, STEPS)
def test_energy_is_conserved(seed: int, from_min: int, to_min: int) -> None:
    series = two_days(seed, from_min)
    other = resample(series, from_min, to_min)
    assert other.shape == (2, 2880 // to_min)
    np.testing.assert_allclose(other.sum(axis=1) * to_min, series.sum(axis=1) * from_min, rtol=1e-12)


@given(SEEDS, st.sampled_from([(15, 60), (30, 60), (15, 30), (5, 20)]))
def test_finer_and_back_is_the_same_series(seed: int, pair: tuple[int, int]) -> None:
    fine, coarse = pair
    series = two_days(seed, coarse)
    assert np.array_equal(resample(resample(series, coarse, fine), fine, coarse), series)


def test_finer_steps_hold_the_power_and_coarser_ones_average_it() -> None:
    hourly = np.array([1.0, 3.0])
    assert resample(hourly, 60, 15).tolist() == [1, 1, 1, 1, 3, 3, 3, 3]
    assert resample(np.array([1.0, 3.0, 0.0, 4.0]), 15, 30).tolist() == [2, 2]
    assert resample(np.array([3.0, 6.0, 9.0]), 10, 15).tolist() == [4, 8]


def test_a_broken_step_is_refused() -> None:
    with pytest.raises(ValueError, match="3 steps of 15 min are no whole number of steps of 60 min"):
        resample(np.zeros(3), 15, 60)
    with pytest.raises(ValueError, match="from_min: expected at least one minute a step, got 0"):
        resample(np.zeros(3), 0, 60)
