import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbazaar.data.chance import bank_rng, between, episode_keys, integers, uniform

SEEDS = st.integers(0, 2**31)


@given(SEEDS, st.integers(1, 20), st.integers(0, 20))
def test_more_draws_shift_nobody(master: int, n: int, more: int) -> None:
    keys = episode_keys(master, "train", np.arange(3))
    assert np.array_equal(uniform(keys, "load", n), uniform(keys, "load", n + more)[:, :n])


@given(SEEDS, st.integers(0, 10_000), st.integers(1, 5))
def test_a_row_of_a_batch_is_the_episode_alone(master: int, episode: int, others: int) -> None:
    batch = uniform(episode_keys(master, "test", np.arange(episode, episode + 1 + others)), "ev", 7)
    alone = uniform(episode_keys(master, "test", np.array([episode])), "ev", 7)
    assert np.array_equal(batch[:1], alone)


def test_splits_streams_and_masters_give_other_numbers() -> None:
    drawn = [
        uniform(episode_keys(master, split, np.arange(50)), stream, 20).ravel()
        for master, split, stream in [
            (0, "train", "a"),
            (0, "validation", "a"),
            (0, "test", "a"),
            (1, "train", "a"),
            (0, "train", "b"),
        ]
    ]
    correlation = np.asarray(np.corrcoef(drawn))[np.triu_indices(len(drawn), 1)]
    assert np.abs(correlation).max() < 0.12


def test_draws_are_even_between_nought_and_one() -> None:
    drawn = uniform(episode_keys(5, "train", np.arange(400)), "even", 250)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    share = np.bincount((drawn.ravel() * 20).astype(int), minlength=20) / drawn.size
    assert np.abs(share - 0.05).max() < 0.003
    for one, other in ((drawn[:, :-1], drawn[:, 1:]), (drawn[:-1], drawn[1:])):
        assert abs(np.asarray(np.corrcoef(one.ravel(), other.ravel()))[0, 1]) < 0.01


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match=r"split: expected one of train, validation, test, got 'exam'"):
        episode_keys(0, "exam", np.arange(1))


def test_a_banked_series_has_its_own_stream() -> None:
    first = bank_rng(3, "load", 0).random(5)
    assert np.array_equal(first, bank_rng(3, "load", 0).random(5))
    for other in (bank_rng(4, "load", 0), bank_rng(3, "pv", 0), bank_rng(3, "load", 1)):
        assert not np.array_equal(first, other.random(5))


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1), st.integers(1, 1000))
def test_numbers_stay_in_their_range(units: list[float], n: int) -> None:
    unit = np.array(units)
    whole = integers(unit, n)
    assert whole.min() >= 0
    assert whole.max() < n
    assert between(unit, -2.0, 3.0).min() >= -2.0
    assert between(unit, -2.0, 3.0).max() <= 3.0
