"""Rainflow counting against its published example, and beside the turning-point rule that a step can follow."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.agents.devices.ageing import life_used
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.rainflow import count_cycles


def table(history: list[float]) -> dict[float, float]:
    cycles = count_cycles(history)
    counted: dict[float, float] = {}
    for depth, count in zip(cycles.depth, cycles.count, strict=True):
        counted[float(depth)] = counted.get(float(depth), 0.0) + float(count)
    return counted


def test_the_published_example_has_its_cycles() -> None:
    """ASTM E1049-85, figure 6: the history A to I and the ranges counted there."""
    history = [-2.0, 1.0, -3.0, 5.0, -1.0, 3.0, -4.0, 4.0, -2.0]
    assert table(history) == {3.0: 0.5, 4.0: 1.5, 6.0: 0.5, 8.0: 1.0, 9.0: 0.5}


def test_a_small_cycle_inside_a_large_one_does_not_cut_it() -> None:
    assert table([0.0, 6.0, 5.0, 10.0, 0.0]) == {1.0: 1.0, 10.0: 1.0}


def test_rests_and_points_on_the_way_change_nothing() -> None:
    assert table([0.0, 0.2, 0.2, 0.5, 1.0, 1.0, 0.3, 0.3]) == table([0.0, 1.0, 0.3])
    assert table([0.4, 0.4]) == table([0.4]) == table([]) == {}


def by_four_points(history: list[int]) -> dict[float, float]:
    """The other way to the same count: take out inner cycles wherever they lie; half cycles are what is left."""
    points = [x for i, x in enumerate(history) if i == 0 or x != history[i - 1]]
    ends = {0, len(points) - 1}
    points = [
        x for i, x in enumerate(points) if i in ends or (x - points[i - 1]) * (points[i + 1] - x) < 0
    ]  # fmt: skip
    counted: dict[float, float] = {}
    i = 0
    while i + 3 < len(points):
        a, b, c, d = points[i : i + 4]
        if abs(c - b) <= min(abs(b - a), abs(d - c)):
            counted[abs(c - b)] = counted.get(abs(c - b), 0.0) + 1.0
            del points[i + 1 : i + 3]
            i = max(i - 2, 0)
        else:
            i += 1
    for a, b in pairwise(points):
        counted[abs(b - a)] = counted.get(abs(b - a), 0.0) + 0.5
    return counted


@given(st.lists(st.integers(0, 20), max_size=60))
@settings(max_examples=200, deadline=None)
def test_another_algorithm_finds_the_same_cycles(history: list[int]) -> None:
    assert table([float(x) for x in history]) == by_four_points(history)


@given(st.lists(st.integers(0, 20), max_size=60))
@settings(max_examples=100, deadline=None)
def test_every_way_up_and_down_is_counted_once(history: list[int]) -> None:
    """Full cycles go over their range twice, half ones once: together they make the whole path."""
    cycles = count_cycles([float(x) for x in history])
    path = float(np.abs(np.diff(history)).sum()) if len(history) > 1 else 0.0
    assert 2 * cycles.full_cycles == pytest.approx(path)


def test_life_is_that_of_the_cycles() -> None:
    assert count_cycles([0.0, 1.0, 0.0]).life == pytest.approx(5.24e-4)
    assert count_cycles([0.0, 0.5]).life == pytest.approx(0.5 * float(life_used(np.array(0.5))))


def test_an_evaluation_reports_cycles_and_the_life_they_use() -> None:
    """One battery that wears by depth: the step's turning points never find more than rainflow does."""
    scenario = load_scenario(
        "street",
        prosumer={"battery_share": 0.0}, vpp={"count": 0}, ev={"count": 0},
        battery={"capacity_kwh": 10.0, "loss_per_h": 0.0, "ageing": {"wear": "depth"}},
    )  # fmt: skip
    evaluation = evaluate(scenario, ["self_consumption", "time_of_use"], seeds=3)
    idle = evaluation.result("idle").figures
    assert (idle["full_cycles"] == 0).all()
    for name in ("self_consumption", "time_of_use"):
        figures = evaluation.result(name).figures
        assert (figures["full_cycles"] > 0.2).all()
        assert (figures["wear_cur"] <= figures["cycle_life"] * 10.0 * 250.0 * (1 + 1e-5)).all()
        assert (figures["wear_cur"] > 0.5 * figures["cycle_life"] * 10.0 * 250.0).all()
