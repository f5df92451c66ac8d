"""Splits of an award over devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbazaar.market.flexibility.disaggregation import cheapest_first, proportional, weighted

SPLITS: list[Callable[[Any, Any, Any], Any]] = [lambda a, h, k: proportional(a, h), cheapest_first, weighted]
rooms = st.lists(st.floats(0.0, 50.0, allow_subnormal=False), min_size=1, max_size=8)


def of(x: Any) -> np.ndarray:
    return np.asarray(x, float)


def test_headroom_shares() -> None:
    assert proportional(of([6.0]), of([[2.0, 4.0, 6.0]])).tolist() == [[1.0, 2.0, 3.0]]


def test_the_cheapest_device_goes_first() -> None:
    assert cheapest_first(of([5.0]), of([[2.0, 4.0, 6.0]]), of([[3.0, 1.0, 2.0]])).tolist() == [[0.0, 4.0, 1.0]]


def test_what_a_full_device_leaves_goes_to_the_others_by_their_weights() -> None:
    """73 over wishes 80, 10, 30 with weights 5, 3, 2: the integer case of the water filling in kilowatts."""
    found = weighted(of([73.0]), of([[80.0, 10.0, 30.0]]), of([[5.0, 3.0, 2.0]]))
    np.testing.assert_allclose(found, [[45.0, 10.0, 18.0]])


def test_who_has_no_weight_gives_when_the_others_are_used_up() -> None:
    found = weighted(of([[1.0, 5.0]]), of([[[2.0, 4.0]] * 2]), of([[[1.0, 0.0]] * 2]))
    np.testing.assert_allclose(found, [[[1.0, 0.0], [2.0, 3.0]]], atol=1e-6)


@pytest.mark.parametrize("split", SPLITS)
@given(rooms, st.floats(0.0, 300.0), st.integers(0, 2**32 - 1))
def test_a_split_gives_the_award_or_all_there_is_and_never_more_than_a_device_has(
    split: Any, room: list[float], award: float, seed: int
) -> None:
    headroom = of([room])
    key = np.random.default_rng(seed).choice([0.0, 0.5, 1.0, 3.0], headroom.shape)
    found = split(of([award]), headroom, key)
    assert found.sum() == pytest.approx(min(award, headroom.sum()), rel=1e-9, abs=1e-9)
    assert (found >= 0).all()
    assert (found <= headroom + 1e-12).all()


def test_batches_and_torch_split_as_single_rows_do() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    award, headroom = rng.uniform(0, 20, (40, 3)), rng.uniform(0, 6, (40, 3, 5)) * rng.integers(0, 2, (40, 3, 5))
    key = rng.choice([0.0, 1.0, 2.0], headroom.shape)
    for split in SPLITS:
        whole = split(award, headroom, key)
        for row in np.ndindex(40, 3):
            np.testing.assert_array_equal(whole[row], split(award[row][None], headroom[row][None], key[row][None])[0])
        other = split(*(torch.as_tensor(x) for x in (award, headroom, key)))
        np.testing.assert_allclose(other.numpy(), whole, atol=1e-12)
