"""What cars that only charge ask for, and who of them is served."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.dispatch.laxity import serve_by_laxity
from gridbazaar.agents.learned import cars
from gridbazaar.agents.plan import View

STEP_H, ETA, LEAST_KW, HIGH_KW = 0.25, 0.92, 4.14, 11.0


def view_of(need_kwh: list[float], left_h: list[float] | None = None) -> View:
    """Cars side by side, [1, n_cars], at chargers of 11 kW that give at least 4.14 kW."""
    need = np.array([need_kwh])
    zero, yes = 0.0 * need, need == need
    return View(
        firm_kw=zero, low_kw=zero, high_kw=zero + HIGH_KW, stored_kwh=zero, room_kwh=zero + 30, capacity_kwh=zero + 50,
        power_kw=zero + HIGH_KW, min_kw=zero + LEAST_KW, eta_ch=zero + ETA, eta_dis=zero + ETA,
        wear_cur_per_kwh=zero, need_kwh=need, left_h=zero + 8 if left_h is None else np.array([left_h]),
        is_stationary=~yes, has_device=yes, is_active=yes,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("number", "need_kwh", "kw"),
    [
        (1.0, 20.0, HIGH_KW),  # all that is feasible
        (0.0, 20.0, HIGH_KW / 2),  # half of it
        (1.0, 1.5, 1.5 / (ETA * STEP_H)),  # what is needed
        (1.0, 0.3, LEAST_KW),  # the least where less than that is needed
        (1.0, 0.0, 0.0),  # nothing where nothing is
        (-1.0, 20.0, 0.0),
        (2 * 0.55 * LEAST_KW / HIGH_KW - 1, 20.0, LEAST_KW),  # nearer to the least power than to nothing
        (2 * 0.45 * LEAST_KW / HIGH_KW - 1, 20.0, 0.0),
    ],
)
def test_a_car_asks_for_a_share_of_what_it_can_use(number: float, need_kwh: float, kw: float) -> None:
    asked = cars.ask(np.array([[number]]), view_of([need_kwh]), STEP_H)
    assert asked.kw[0, 0] == pytest.approx(kw, abs=1e-5)


def test_who_has_the_least_time_to_spare_is_served_first_until_the_room_is_used_up() -> None:
    """20 kW for three that want 8: 8 h to spare of 10, 2 of 4, 5 of 7, each less the two hours of charging."""
    view = view_of([2 * HIGH_KW * ETA] * 3, [10.0, 4.0, 7.0])
    given = serve_by_laxity(np.full((1, 3), 8.0), np.array([20.0]), view)
    np.testing.assert_allclose(given, [[4.0, 8.0, 8.0]])
    np.testing.assert_allclose(serve_by_laxity(np.full((1, 3), 6.0), np.array([20.0]), view), [[6.0] * 3])


def test_it_is_the_same_in_torch_and_its_derivative_gives_room_to_who_waits() -> None:
    torch = pytest.importorskip("torch")
    view = view_of([2 * HIGH_KW * ETA] * 3, [10.0, 4.0, 7.0])
    there: Any = replace(
        view,
        **{name: torch.from_numpy(getattr(view, name)) for name in View.__slots__ if getattr(view, name) is not None},
    )
    numbers = np.array([[0.6, 0.5, 0.4]])
    for one, other in zip(
        cars.ask(numbers, view, STEP_H), cars.ask(torch.from_numpy(numbers), there, STEP_H), strict=True
    ):
        np.testing.assert_array_equal(one, np.asarray(other))
    wish = torch.full((1, 3), 8.0, dtype=torch.float64, requires_grad=True)
    given = serve_by_laxity(wish, torch.tensor([20.0], dtype=torch.float64), there)
    given[0, 0].backward()
    np.testing.assert_array_equal(wish.grad, [[0.0, -1.0, -1.0]])
