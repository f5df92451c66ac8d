"""Comparisons of charges by the month want whole months: nobody has played the days before a part of one."""

from __future__ import annotations

from typing import Any

import pytest

from gridbazaar.experiments.comparison.asked import ask
from gridbazaar.experiments.evaluation.compare import compare


def test_parts_of_a_billing_month_are_not_compared() -> None:
    more: Any = {"carry": "drawn", "hours": 2.0}
    with pytest.raises(ValueError, match=r"carry: expected whole in a comparison, got drawn: .* compare whole months"):
        compare("street", ["be_flanders"], ["idle"], seeds=1, **more)
    with pytest.raises(ValueError, match="carry: expected whole"):
        ask("street", ["be_flanders"], ["idle"], seeds=1, **more)
