"""How a home shares its one flexible order among battery, room and tank."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gridbazaar.agents.devices.home.household import share_kw

POWER = st.floats(0, 5)


def part(total: float, battery: float, warmth: float, low: float = -5.0, high: float = 5.0) -> float:
    return float(share_kw(*(np.array(x) for x in (total, battery, warmth, low, high))))


@given(st.floats(-5, 5), POWER, st.floats(0, 1))
def test_what_was_filled_goes_to_the_order_s_own_side(battery: float, warmth: float, fill: float) -> None:
    wish = battery + warmth
    assume(abs(wish) > 1e-6)
    warm = part(fill * wish, battery, warmth)
    rest = fill * wish - warm
    assert -1e-9 <= warm <= warmth + 1e-9
    if battery >= 0:
        assert warm == pytest.approx(fill * warmth, abs=1e-9)
    elif wish > 0:  # it buys: the battery gives all that it wanted to
        assert rest == pytest.approx(battery, abs=1e-9)
    else:  # it sells: room and tank get all that they wanted
        assert warm == pytest.approx(warmth, abs=1e-9)


def test_a_battery_that_follows_the_meter_takes_the_difference() -> None:
    powers = (np.array(x) for x in (1.0, 0.0, 2.0, -5.0, 5.0))
    assert float(share_kw(*powers, battery_last=True)) == 2.0  # the battery gives the kilowatt that is missing
    powers = (np.array(x) for x in (1.0, 0.0, 2.0, -0.25, 5.0))
    assert float(share_kw(*powers, battery_last=True)) == 1.25


@given(st.floats(-5, 0), POWER, st.floats(-5, 5), POWER, st.floats(0, 1))
def test_no_battery_passes_its_limits(low: float, high: float, battery: float, warmth: float, where: float) -> None:
    battery = min(max(battery, low), high)
    total = low + where * (high + warmth - low)
    warm = part(total, battery, warmth, low, high)
    assert low - 1e-9 <= total - warm <= high + 1e-9 or warm == pytest.approx(warmth, abs=1e-9)
    assert -1e-9 <= warm <= warmth + 1e-9
