"""What history baselines pay: by hand where every day is the same, and in the right order on homes."""

from __future__ import annotations

import numpy as np
import pytest

from gridbazaar.experiments.studies.flexibility import _Paid, flexibility
from gridbazaar.market.flexibility.baselines import RULES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("rule", RULES)
def test_where_all_days_are_alike_only_gaming_is_paid_for_nothing(rule: str) -> None:
    """Load 1: given 0.3; the day's adjustment is capped at 1.2, so that 1.2 - 0.7 is paid; history raised by 0.2."""
    days, events, window = np.ones((3, 14, 24)), np.array([11, 13]), slice(18, 20)
    plain = _Paid(days, events, window, 1.0, rule, False).cells()
    assert plain == ["0 %", "1.00", "1.00", "1.00", "0 %", "1.67"]
    adjusted = _Paid(days, events, window, 1.0, rule, True).cells()
    assert adjusted == ["0 %", "1.00", "1.00", "1.67", "20 %", "1.67"]


def test_homes_that_do_nothing_are_paid_and_many_together_less() -> None:
    head, *rows = flexibility(1)
    assert len(head) == len(rows[0])
    found = np.array([[float(cell.removesuffix(" %")) for cell in row[1:]] for row in rows])
    assert (found[:, 0] > 10).all(), "chance alone is paid"
    assert (found[:, 2] < found[:, 1]).all(), "chance of many evens out"
    adjusted = np.array(["adjusted" in row[0] for row in rows])
    assert (found[adjusted, 3] > found[adjusted, 1]).all()
    assert (found[~adjusted, 3] == found[~adjusted, 1]).all()
    assert (found[:, 5] > found[:, 1]).all()
