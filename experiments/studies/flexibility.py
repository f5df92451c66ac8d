"""How much paid flexibility is real: history baselines against homes that answer, that do nothing, and that game.

Loads are those of homes of a generated year; every working day has an event, and its baseline comes from working days
before it by the rules of ``market/flexibility/baselines.py``. What was really given is known here, and only here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gridbazaar.envs.episode.world import bank_of
from gridbazaar.experiments.studies.place import place
from gridbazaar.market.flexibility.baselines import RULES, adjusted_baseline, history_baseline

Floats = NDArray[np.float64]
Table = list[list[str]]
BEGIN_H, END_H = 18, 20
GIVEN = 0.3
"""Share of its load in the event that an honest home really gives."""
INFLATED = 0.5
"""Share by which a gaming home raises its load in the hours that the same-day adjustment looks at."""
RAISED = 0.2
"""Share by which a gaming home raises its load in the hours of the event on all days before, of which none has one."""
_HISTORY = max(rule.n_days for rule in RULES.values())


def flexibility(weeks: int, tick: Callable[[], None] | None = None) -> Table:
    """Give, for each rule, what is paid over what was given.

    Args:
        weeks: of the year, of which each working day has an event.
        tick: called after each rule, for progress.
    """
    days, step_h = _working_days()
    n_events = min(5 * weeks, days.shape[1] - _HISTORY)
    events = np.linspace(_HISTORY, days.shape[1] - 1, n_events).round().astype(np.int64)
    window = slice(round(BEGIN_H / step_h), round(END_H / step_h))
    rows = []
    for rule in RULES:
        for is_adjusted in (False, True):
            paid = _Paid(days, events, window, step_h, rule, is_adjusted)
            rows.append([f"{rule}{', adjusted' * is_adjusted}", *paid.cells()])
            if tick is not None:
                tick()
    head = [
        "baseline", "nobody answers: paid, of the load", "honest: paid over given", "of 64 homes together",
        "gaming on the day: paid over given", "gaming on the day, giving nothing: paid, of the load",
        "gaming on days before: paid over given",
    ]  # fmt: skip
    return [head, *rows]


class _Paid:
    """What one rule pays to homes [n_homes] over events.

    Args:
        days: [n_homes, n_days, n_steps] kW, working days.
        events: days that have one.
        window: its steps.
        step_h: length of a step.
        rule: of the baseline.
        is_adjusted: whether the day itself scales it.
    """

    def __init__(
        self, days: Floats, events: NDArray[np.int64], window: slice, step_h: float, rule: str, is_adjusted: bool
    ) -> None:
        self._days, self._events, self._window = days, events, window
        self._step_h, self._rule, self._is_adjusted = step_h, rule, is_adjusted

    def cells(self) -> list[str]:
        """Give the figures of a row, as the head of the table names them."""
        window = self._window
        load = sum(float(self._days[:, day, window].sum()) for day in self._events)
        together = _Paid(self._days.sum(0, keepdims=True), self._events, window, self._step_h, self._rule,
                         self._is_adjusted)  # fmt: skip
        given = GIVEN * load
        return [
            f"{100 * self._of(0.0, 0.0) / load:.0f} %",
            f"{self._of(GIVEN, 0.0) / given:.2f}",
            f"{together._of(GIVEN, 0.0) / given:.2f}",
            f"{self._of(GIVEN, INFLATED) / given:.2f}",
            f"{100 * self._of(0.0, INFLATED) / load:.0f} %",
            f"{self._of(GIVEN, 0.0, RAISED) / given:.2f}",
        ]

    def _of(self, given: float, inflated: float, raised: float = 0.0) -> float:
        """kW steps that are paid where homes give a share of their load and had raised it before."""
        return sum(self._of_event(int(day), given, inflated, raised) for day in self._events)

    def _of_event(self, day: int, given: float, inflated: float, raised: float) -> float:
        window, history = self._window, self._days[:, day - _HISTORY : day].copy()
        history[:, :, window] *= 1.0 + raised
        baseline = history_baseline(history, self._rule, window)
        metered = self._days[:, day].copy()
        metered[:, : window.start] *= 1.0 + inflated
        metered[:, window] *= 1.0 - given
        if self._is_adjusted:
            baseline = adjusted_baseline(baseline, metered, window.start, step_h=self._step_h)
        return float(np.maximum(baseline[:, window] - metered[:, window], 0.0).sum())


def _working_days() -> tuple[Floats, float]:
    """[n_homes, n_days, n_steps] kW of working days, and the length of a step."""
    scenario = place("claims")
    bank = bank_of(scenario.data, scenario.seed, scenario.step_min)
    per_day = bank.steps_per_day
    weekday = bank.calendar.weekday_of(np.arange(bank.n_days))
    days = bank.load_kw.reshape(bank.load_kw.shape[0], -1, per_day)
    return days[:, weekday < 5], bank.step_h
