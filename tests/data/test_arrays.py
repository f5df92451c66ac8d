from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gridbazaar.data.arrays import muldiv, namespace, ratio
from gridbazaar.data.units import from_micro, to_micro, to_micro_towards_zero

LARGEST = 2**50  # results below this are exact whatever the divisor


@given(st.integers(0, 2**62), st.integers(0, 2**62), st.integers(1, 2**62 - 1))
@example(7_500_000_000, 7_500_000_000, 7_500_000_000)
@example(7_500_000_000, 7_500_000_000, 7_499_999_999)
@example(7_499_999_999, 7_500_000_000, 50_000)
@example(2**50 - 1, 2**61, 2**61)
def test_muldiv_agrees_with_whole_numbers_of_any_size(a: int, b: int, c: int) -> None:
    if a * b // c >= LARGEST:
        b = (LARGEST - 1) * c // max(a, 1) if a else b
        b = min(b, 2**62)
    result = muldiv(np.array([a], np.int64), np.array([b], np.int64), np.array([c], np.int64))
    assert result.dtype == np.int64
    assert int(result[0]) == a * b // c


@given(st.integers(7_400_000_000, 7_600_000_000), st.integers(7_400_000_000, 7_600_000_000), st.integers(10**6, 10**10))
def test_muldiv_is_exact_where_the_plain_product_overflows(a: int, b: int, c: int) -> None:
    result = muldiv(np.array([a], np.int64), np.array([b], np.int64), np.array([c], np.int64))
    assert int(result[0]) == a * b // c


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_micro_units_come_back_within_half_a_unit(values: list[float]) -> None:
    x = np.array(values)
    assert np.abs(from_micro(to_micro(x)) - x).max() <= 0.51e-6
    towards_zero = to_micro_towards_zero(x)
    assert (np.abs(towards_zero) <= np.abs(x) * 1e6 + 1.1e-3).all()  # a thousandth of a unit lets integers through
    np.testing.assert_array_equal(to_micro_towards_zero(from_micro(towards_zero) / 0.25 * 0.25), towards_zero)


def test_only_arrays_have_a_namespace() -> None:
    wrong: Any = [1.0]
    with pytest.raises(TypeError, match="expected a NumPy array or a torch tensor, got list"):
        namespace(wrong)


@given(st.integers(-(10**11), 10**11), st.integers(-(10**11), 10**11), st.integers(-(10**11), 10**11))
@example(1, 1, 2)
@example(3, 1, 2)
@example(-3, 1, 2)
@example(7, -5, 0)
def test_a_ratio_is_the_nearest_whole_number_with_ties_to_the_even_one(a: int, b: int, c: int) -> None:
    if c and abs(a * b // c) >= LARGEST:
        b = 10**3
    due = round(Fraction(a * b, c)) if c else 0
    if abs(due) < LARGEST:
        assert int(ratio(np.array([a]), np.array([b]), np.array([c]))[0]) == due
