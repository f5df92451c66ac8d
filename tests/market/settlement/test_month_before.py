"""The month before an episode: summed up at once, it is what interval after interval would have carried."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from gridbazaar.data.calendar import make_calendar
from gridbazaar.data.trees import mapped
from gridbazaar.market.played import play
from gridbazaar.market.settlement.month_before import month_before
from gridbazaar.market.settlement.peaks import Reading, advance, begin
from tests.market.settlement.test_peaks import DESIGNS, FIRST, ZONE
from tests.quick import only

PARTS_H = np.array([0, 1, 7, 25, 100, 500])  # since the first of a month
"""How much of its month each row has behind it."""


QUICK = [("be_flanders", 60), ("no_bkk", 60), ("au_two_way", 60), ("mean of three intervals", 60)]


@pytest.mark.parametrize(("name", "step_min"), only(lambda case: case in QUICK, product(DESIGNS, (15, 60))))
def test_what_is_summed_up_is_what_would_have_been_carried(name: str, step_min: int) -> None:
    calendar = make_calendar(FIRST, 59, step_min, ZONE)
    charges = play(DESIGNS[name], np.zeros(calendar.n_steps), calendar).by_month
    assert charges is not None
    march = int(np.flatnonzero((charges.power or charges.sums)[0].begins_month)[1])
    passed = PARTS_H * 60 // step_min + np.array([0, 0, 0, 1, 2, 3]) * (step_min < 60)
    rng, n = np.random.default_rng(8), int(passed.max())
    start = march + passed
    steps = start[:, None] - n + np.arange(n)
    net_ukwh = np.rint(rng.normal(0.1, 1.0, (len(start), 2, n)) * 1e6).astype(np.int64)
    found = month_before(charges, net_ukwh, np.maximum(steps, march), steps >= march)
    for env, behind in enumerate(passed.tolist()):
        carry, first = begin(charges, 1, 2, np.zeros(1)), start[env : env + 1]
        for k in range(n - behind, n):
            now = net_ukwh[env : env + 1, :, k]
            carry = advance(charges, carry, Reading(now, 0 * now, now), steps[env, k : k + 1], first)

        def same(x: Any, y: Any, row: int = env) -> Any:
            np.testing.assert_array_equal(x[row : row + 1], y)
            return x

        mapped(found, same, carry)
