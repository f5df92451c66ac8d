"""History baselines: the worked case of ten days, and what gaming may gain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbazaar.market.flexibility.baselines import RULES, adjusted_baseline, history_baseline

TEN_DAYS = np.array([4.0, 4.2, 3.8, 4.4, 4.1, 3.9, 4.3, 4.0, 3.7, 4.6])


def history(days: np.ndarray = TEN_DAYS, n_steps: int = 24) -> np.ndarray:
    return np.repeat(days[:, None], n_steps, axis=1)


@pytest.mark.parametrize(
    ("rule", "kw"), [("10_of_10", 4.10), ("high_5_of_10", 4.32), ("high_4_of_5", 4.20), ("mid_4_of_6", 4.075)]
)
def test_ten_days_of_4_kw_give_the_baselines_worked_out_by_hand(rule: str, kw: float) -> None:
    np.testing.assert_allclose(history_baseline(history(), rule), kw, rtol=1e-12)


def test_a_day_that_begins_higher_lifts_its_baseline_and_the_event_is_measured_from_there() -> None:
    usual, today = history_baseline(history()), np.full(24, 4.9)
    adjusted = adjusted_baseline(usual, today, 18, step_h=1.0)
    np.testing.assert_allclose(adjusted / usual, 1.19512, atol=5e-6)
    assert adjusted[18] == pytest.approx(4.90)
    assert adjusted[18] - 2.5 == pytest.approx(2.40)


def test_only_the_three_hours_before_the_last_one_adjust() -> None:
    today = np.full(24, 4.1)
    today[[12, 13, 17, 18]] = 99.0  # hours -6, -5, -1 and the event itself
    assert adjusted_baseline(history_baseline(history()), today, 18, step_h=1.0)[18] == pytest.approx(4.1)
    today[14] = 4.1 * 1.3  # a tenth more in three hours
    assert adjusted_baseline(history_baseline(history()), today, 18, step_h=1.0)[18] == pytest.approx(4.51)


@given(st.floats(0.0, 1000.0), st.sampled_from([0.1, 0.2, 0.4]))
def test_drawing_more_before_an_event_lifts_the_baseline_by_the_cap_at_most(extra_kw: float, cap: float) -> None:
    usual = history_baseline(history())
    honest = adjusted_baseline(usual, np.full(24, 4.1), 18, step_h=1.0, cap=cap)
    gamed = adjusted_baseline(usual, np.full(24, 4.1 + extra_kw), 18, step_h=1.0, cap=cap)
    assert (gamed <= (1 + cap) * honest + 1e-12).all()
    assert (gamed >= honest).all()


def test_days_are_ranked_by_the_hours_of_the_event_and_rows_stand_alone() -> None:
    rng = np.random.default_rng(0)
    days = rng.uniform(0, 5, (3, 2, 12, 8))
    window = slice(5, 7)
    for rule, (n, first, last) in RULES.items():
        found = history_baseline(days, rule, window)
        for row in np.ndindex(3, 2):
            recent = days[row][-n:]
            order = sorted(range(n), key=lambda d: recent[d, window].sum())[first:last]
            np.testing.assert_allclose(found[row], recent[order].mean(axis=0))


def test_a_baseline_of_nothing_stays_nothing() -> None:
    assert adjusted_baseline(np.zeros(24), np.full(24, 3.0), 18, step_h=1.0).tolist() == [0.0] * 24


def test_too_few_days_and_unknown_rules_are_refused() -> None:
    with pytest.raises(ValueError, match=r"10_of_10 expects at least 10 days, got 9"):
        history_baseline(history()[:9])
    with pytest.raises(ValueError, match=r"expected rule to be one of 10_of_10, .*got 'best'"):
        history_baseline(history(), "best")
    with pytest.raises(ValueError, match=r"at least 4 h before step 3"):
        adjusted_baseline(np.ones(24), np.ones(24), 3, step_h=1.0)


def test_torch_gives_the_same() -> None:
    torch = pytest.importorskip("torch")
    days = np.random.default_rng(1).uniform(0, 5, (3, 2, 12, 24))
    for rule in RULES:
        ours = history_baseline(days, rule)
        theirs = history_baseline(torch.as_tensor(days), rule)
        np.testing.assert_allclose(theirs.numpy(), ours)
    adjusted = adjusted_baseline(theirs, torch.as_tensor(days[..., 0, :]), 18, step_h=1.0)
    np.testing.assert_allclose(adjusted.numpy(), adjusted_baseline(ours, days[..., 0, :], 18, step_h=1.0))
