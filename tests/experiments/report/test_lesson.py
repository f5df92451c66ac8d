"""What the report says of what was learned: numbers of the day, and who gains."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.play import Played, play
from gridbazaar.experiments.evaluation.result import Evaluation
from gridbazaar.experiments.report.day import Day, day_of
from gridbazaar.experiments.report.lesson import Habit, habit, habits_of, lesson
from gridbazaar.experiments.report.subject import subject_of


@pytest.fixture(scope="module")
def days() -> dict[str, Played]:
    core = Core("street", 1)
    names = {"trained": "self_consumption", "opportunity_cost": "opportunity_cost"}
    return {label: play(core, load_policy(name), [0], keep=True) for label, name in names.items()}


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    """A rule that poses as what was trained."""
    policies = {"opportunity_cost": "opportunity_cost", "trained": "self_consumption"}
    return evaluate("street", policies, seeds=2, replays=False)


def one(day: Day, hours: dict[float, float]) -> np.ndarray:
    """Energy by the hour of the day at which it is moved."""
    kwh = np.zeros(len(day.hour))
    for hour, amount in hours.items():
        kwh[int(np.argmin(np.abs(day.hour - hour)))] = amount
    return kwh


def test_a_habit_is_the_shortest_stretch_that_holds_half(days: dict[str, Played]) -> None:
    day = day_of(days["trained"])
    assert day.step_h == 0.25
    price = np.where(day.hour < 20, 0.1, 0.3)
    found = habit(day, one(day, {13.0: 1.0, 18.0: 2.0, 18.5: 1.0, 22.0: 2.0}), price)
    assert found is not None
    assert (found.kwh, found.begin_h, found.end_h) == (6.0, 18.0, 18.75)
    assert found.cur_per_kwh == pytest.approx((4 * 0.1 + 2 * 0.3) / 6)
    last = habit(day, one(day, {float(day.hour[-1]): 1.0}), price)
    assert last == Habit(1.0, float(day.edges[-2]), float(day.edges[-1]), 0.3)
    assert habit(day, 0.0 * price, price) is None


def test_habits_are_the_energy_and_money_of_the_day(days: dict[str, Played]) -> None:
    played = days["opportunity_cost"]
    found, n = habits_of(day_of(played)), played.tally.core.n_agents
    cars = played.tally.core.scenario.kind_slices["ev"]
    drawn = sum(np.maximum(np.delete(t.devices.flexible_ukwh[0], cars), 0).sum() for t in played.transitions) / 1e6
    charged = sum(
        np.maximum((t.devices.flexible_ukwh + t.devices.firm_ukwh)[0, cars], 0).sum() for t in played.transitions
    )
    assert found.charges is not None
    assert found.cars is not None
    assert found.sells is not None
    assert found.charges.kwh == pytest.approx(drawn)
    assert found.cars.kwh == pytest.approx(charged / 1e6)
    sales = [
        (-t.market.clearing.traded_ukwh[0, i], -t.market.clearing.pay_ucur[0, i])
        for t in played.transitions for i in range(n, 2 * n) if t.market.clearing.traded_ukwh[0, i] < 0
    ]  # fmt: skip
    assert found.sells.kwh == pytest.approx(sum(kwh for kwh, _ in sales) / 1e6)
    assert found.sells.cur_per_kwh == pytest.approx(sum(cur for _, cur in sales) / sum(kwh for kwh, _ in sales))


def test_the_lesson_says_them_in_words(days: dict[str, Played], evaluation: Evaluation) -> None:
    about = subject_of(evaluation, days, ())
    text = unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", lesson(about)))).replace("\N{MINUS SIGN}", "-")
    mine, rule = (habits_of(about.days[p]) for p in ("trained", "opportunity_cost"))
    assert mine.charges is not None
    assert rule.charges is not None
    assert f"puts {mine.charges.kwh:.1f} kWh into storage" in text
    assert f"(opportunity_cost: {rule.charges.cur_per_kwh:.3f}," in text
    saved = evaluation.result("trained").kind_savings_cur["ev"].mean()
    assert f"ev {abs(saved):.2f}" in text
    assert ("gain" in text) or ("nobody gains" in text)


def test_there_is_no_lesson_without_a_learner_or_its_day(days: dict[str, Played], evaluation: Evaluation) -> None:
    rules = replace(evaluation, results=evaluation.results[:2])
    assert lesson(subject_of(rules, {"opportunity_cost": days["opportunity_cost"]}, ())) == ""
    assert lesson(subject_of(evaluation, {"opportunity_cost": days["opportunity_cost"]}, ())) == ""


def test_cars_are_added_up(days: dict[str, Played]) -> None:
    """Two agents that pose as cars, one of them only."""
    day = day_of(days["opportunity_cost"])
    moved = np.zeros(day.moved_kwh.shape)
    moved[:, 0], moved[:, 1] = one(day, {13.0: 1.0}), one(day, {13.0: 2.0, 18.0: -4.0})
    found = habits_of(replace(day, moved_kwh=moved, kind_slices={"ev": slice(0, 2)}))
    assert found.cars is not None
    assert found.cars.kwh == 3.0
    assert found.charges is None
