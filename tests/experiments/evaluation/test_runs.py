"""Intervals over training seeds and episodes: drawn within a way to learn, paired between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.experiments.evaluation.runs import pooled, with_runs
from gridbazaar.experiments.evaluation.statistics import mean_interval, share_interval


def put_together(costs: dict[str, Any], runs: dict[str, tuple[str, ...]], first: str | None = None) -> Any:
    """Pool costs, with a bound of 0."""
    arrays = {name: np.asarray(cost, float) for name, cost in costs.items()}
    return pooled(arrays, np.zeros(len(arrays["idle"])), runs, first)


RNG = np.random.default_rng(0)
DAYS = RNG.normal(10.0, 3.0, 30)
"""What episodes differ by, whoever plays."""


def test_a_policy_of_one_run_has_the_interval_over_episodes() -> None:
    cost = 0.5 * DAYS + RNG.normal(0.0, 0.2, 30)
    found = {p.policy: p for p in put_together({"idle": DAYS, "rule": cost}, {})}
    plain = share_interval(DAYS, cost, 0 * DAYS)
    assert found["rule"].score.mean == pytest.approx(plain.mean)
    assert (found["rule"].score.low, found["rule"].score.high) == pytest.approx((plain.low, plain.high))
    assert found["idle"].saved_cur.mean == pytest.approx((cost - DAYS).mean())
    expected = mean_interval(cost - DAYS)
    assert found["idle"].saved_cur.low == pytest.approx(expected.low)


def test_seeds_that_differ_widen_the_interval_and_days_that_differ_do_not_widen_differences() -> None:
    runs = {f"a/seed_{i}": 0.5 * DAYS + shift for i, shift in enumerate((-1.0, 0.0, 1.0))}
    labels = {"a": tuple(runs)}
    found = {p.policy: p for p in put_together({"idle": DAYS, "rule": 0.5 * DAYS, **runs}, labels, "rule")}
    assert found["a"].n_runs == 3
    assert set(found) == {"idle", "rule", "a"}
    less = found["a"].saved_cur
    assert less.mean == pytest.approx(0.0, abs=1e-12)
    # The mean of three draws of -1, 0 and 1 lies between -1 and 1; days are the same for both, so they add nothing.
    assert (less.low, less.high) == pytest.approx((-1.0, 1.0), abs=0.34)
    wide = found["a"].cost_cur.high - found["a"].cost_cur.low
    narrow = found["rule"].cost_cur.high - found["rule"].cost_cur.low
    assert wide > 1.1 * narrow
    assert narrow > 0.5


def test_equal_runs_count_as_one() -> None:
    runs = {f"a/seed_{i}": 0.5 * DAYS for i in range(3)}
    one, many = (
        put_together({"idle": DAYS, **costs}, labels)[1]
        for costs, labels in (({"a": 0.5 * DAYS}, {}), (runs, {"a": tuple(runs)}))
    )
    for a, b in ((one.score, many.score), (one.cost_cur, many.cost_cur)):
        assert (a.mean, a.low, a.high) == pytest.approx((b.mean, b.low, b.high))


def test_of_a_single_episode_of_a_single_run_there_is_no_interval() -> None:
    found = put_together({"idle": [2.0], "rule": [1.0]}, {})
    assert found[1].score.mean == 50.0
    assert np.isnan([found[1].score.low, found[1].cost_cur.high, found[1].saved_cur.low]).all()


def test_what_is_no_folder_of_runs_stays_as_it_is() -> None:
    sources = {"idle": "idle", "mine": object()}
    assert with_runs(sources) == (sources, {})
