"""The section on what was learned, in words made of numbers: when it charges, at which price it sells, who gains.

Beside it stand the engineered rule, MPC and the optimum on the same day, where their days were kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.policies import is_learned
from gridbazaar.experiments.evaluation.statistics import Interval
from gridbazaar.experiments.report.day import Day
from gridbazaar.experiments.report.page import clock_text, listed, section
from gridbazaar.experiments.report.subject import Subject
from gridbazaar.experiments.report.table import html_number as num
from gridbazaar.experiments.report.table import html_table, part_words

Floats = NDArray[np.float64]

_BESIDE = ("opportunity_cost", "mpc", "optimum")
_LEAST_KWH = 0.05
"""Of a day; what is less is called nothing."""
_LEAST_CUR = 0.005
"""An episode; who gains or loses less does neither."""


@dataclass(frozen=True, slots=True)
class Habit:
    """What is done over a day, when, and at which price."""

    kwh: float
    begin_h: float  # of the shortest stretch that holds half of it, local hours
    end_h: float
    cur_per_kwh: float  # mean, weighted by energy


@dataclass(frozen=True, slots=True)
class Habits:
    """What a policy did on a day; none where it did not."""

    charges: Habit | None  # stationary storage, at the retail price
    releases: Habit | None  # likewise
    cars: Habit | None  # likewise
    sells: Habit | None  # flexible devices to neighbours, at what they got


def habit(day: Day, kwh: Floats, cur_per_kwh: Floats) -> Habit | None:
    """Give when and at which price something was done.

    Args:
        day: on which.
        kwh: [n_steps] >= 0, how much of it.
        cur_per_kwh: [n_steps] at which price.
    """
    total = float(kwh.sum())
    if total < _LEAST_KWH:
        return None
    sums = np.concatenate([[0.0], np.cumsum(kwh)])
    end = np.searchsorted(sums, sums[:-1] + total / 2 - 1e-9)  # of the stretch from each step on that holds half
    length = np.where(end < len(sums), end - np.arange(len(kwh)), len(sums))
    begin = int(np.argmin(length))
    edges = day.edges
    mean = float((kwh * cur_per_kwh).sum() / total)
    return Habit(total, float(edges[begin]), float(edges[min(end[begin], len(kwh))]), mean)


def habits_of(day: Day) -> Habits:
    """Read a day's habits."""
    cars = np.zeros(len(day.agents), bool)
    cars[day.kind_slices.get("ev", slice(0, 0))] = True
    stored = day.moved_kwh[:, ~cars]
    price = np.divide(day.sold_cur, day.sold_kwh, out=np.zeros_like(day.sold_cur), where=day.sold_kwh > 0)
    retail = day.retail_cur_per_kwh
    return Habits(
        charges=habit(day, np.maximum(stored, 0).sum(1), retail),
        releases=habit(day, np.maximum(-stored, 0).sum(1), retail),
        cars=habit(day, np.maximum(day.moved_kwh[:, cars], 0).sum(1), retail),
        sells=habit(day, day.sold_kwh, price),
    )


def lesson(about: Subject) -> str:
    """Say what the policy in the middle learned; nothing where it did not learn or its day was not kept."""
    if not is_learned(about.hero) or about.hero not in about.days:
        return ""
    shown = [p for p in (about.hero, *_BESIDE) if p in about.days]
    found = {policy: habits_of(about.days[policy]) for policy in shown}
    head = ["on the day above", "storage charges", "storage releases", "cars charge", "sold to neighbours"]
    rows = [
        [escape(about.name(p)), *(_cell(about, h) for h in (x.charges, x.releases, x.cars, x.sells))]
        for p, x in found.items()
    ]
    note = (
        "Energy of the day; the shortest stretch of it that holds half; the mean price of a kWh: the retailer's while "
        "storage and cars charge and release, and what neighbours paid for what flexible devices sold."
    )
    return section(
        "What was learned",
        f"<p>{_when(about, found)}</p><p>{_who(about)}</p>",
        html_table(head, rows, note, {0}),
    )


def _cell(about: Subject, found: Habit | None) -> str:
    if found is None:
        return "nothing"
    stretch = f"{clock_text(found.begin_h)} to {clock_text(found.end_h)}"
    return (
        f"{num(found.kwh, 1)} kWh<br><small>half {stretch}</small><br>"
        f"<small>{num(found.cur_per_kwh, 3)} {escape(about.currency)}</small>"
    )


def _when(about: Subject, found: dict[str, Habits]) -> str:
    mine, code, who = found[about.hero], escape(about.currency), escape(about.name(about.hero))
    parts = []
    if mine.charges is not None:
        parts.append(
            f"{who} puts {num(mine.charges.kwh, 1)} kWh into storage, half of it between "
            f"{clock_text(mine.charges.begin_h)} and {clock_text(mine.charges.end_h)}, when a kWh costs "
            f"{num(mine.charges.cur_per_kwh, 3)} {code} on average{_beside(about, found, 'charges')}."
        )
    if mine.releases is not None:
        parts.append(
            f"{who if mine.charges is None else 'It'} takes {num(mine.releases.kwh, 1)} kWh out of storage, half "
            f"between {clock_text(mine.releases.begin_h)} and {clock_text(mine.releases.end_h)}, at "
            f"{num(mine.releases.cur_per_kwh, 3)}{_beside(about, found, 'releases')}."
        )
    if mine.cars is not None:
        parts.append(
            f"Cars charge mostly between {clock_text(mine.cars.begin_h)} and {clock_text(mine.cars.end_h)}, at "
            f"{num(mine.cars.cur_per_kwh, 3)}{_beside(about, found, 'cars')}."
        )
    if mine.sells is not None:
        parts.append(
            f"Its storage sells {num(mine.sells.kwh, 1)} kWh to neighbours at {num(mine.sells.cur_per_kwh, 3)} "
            f"{code} on average{_beside(about, found, 'sells')}."
        )
    return " ".join(parts) or f"{who} moves nothing on that day."


def _beside(about: Subject, found: dict[str, Habits], what: str) -> str:
    """How the others did the same, in brackets."""
    others: dict[str, Habit | None] = {p: getattr(x, what) for p, x in found.items() if p != about.hero}
    told = [
        f"{escape(about.name(p))}: {num(h.cur_per_kwh, 3)}" + (
            "" if what == "sells" else f", {clock_text(h.begin_h)} to {clock_text(h.end_h)}"
        )
        for p, h in others.items()
        if h is not None
    ]  # fmt: skip
    return f" ({'; '.join(told)})" if told else ""


def _who(about: Subject) -> str:
    """Who gains and who loses against idle, in the mean of all episodes, beside the same under the others."""
    evaluation = about.evaluation
    rows = {row["policy"]: row["kinds"] for row in evaluation.rows()}
    mine = {part: Interval(**of["savings_cur"]) for part, of in rows[about.hero].items()}
    gain = [p for p, i in sorted(mine.items(), key=lambda item: -item[1].mean) if i.mean >= _LEAST_CUR]
    lose = [p for p, i in sorted(mine.items(), key=lambda item: item[1].mean) if i.mean <= -_LEAST_CUR]
    n, code = len(evaluation.seeds), escape(about.currency)

    def told(parts: list[str], sign: int) -> str:
        return listed(f"{escape(part_words(p))} {num(sign * mine[p].mean, 2)}" for p in parts)

    text = f"Over {n} episode{'s' * (n > 1)}, against idle, " + (
        f"{told(gain, 1)} {code} gain" if gain else "none gains"
    )
    text += f"; {told(lose, -1)} lose" if lose else "; nobody loses"
    for other in (p for p in _BESIDE if p in rows):
        saved = listed(f"{escape(part_words(p))} {num(rows[other][p]['savings_cur']['mean'], 2)}" for p in mine)
        text += f"; under {escape(about.name(other))} it is {saved}"
    return f"{text}."
