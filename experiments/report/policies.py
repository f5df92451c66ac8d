"""The sections on all policies and on how the trained one learned."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from gridbazaar.agents.policies import is_learned
from gridbazaar.experiments.evaluation.statistics import Interval
from gridbazaar.experiments.report import result_plots
from gridbazaar.experiments.report.page import count_text, listed, picture, section
from gridbazaar.experiments.report.subject import Subject
from gridbazaar.experiments.report.table import best_first, ceilings, columns, html_cell, html_table, number
from gridbazaar.experiments.report.table import html_number as num

_NO_RULES = ("optimum", "mpc", "idle")
_SHOWN_BELOW = 20.0  # points below idle, and below the learning curve, down to which others are drawn beside it


def all_policies(about: Subject) -> str:
    """Show all policies, best first: scores as a picture, then every figure."""
    evaluation = about.evaluation
    rows, shown = best_first(evaluation), columns(evaluation)
    bold = {i for i, row in enumerate(rows) if is_learned(row["policy"])}
    found = escape(ceilings(evaluation))
    note = (
        f"{_means(len(evaluation.seeds))} Cost: bills of all agents and of who runs the market, wear, discomfort, "
        "upkeep and what was not served, less the worth of what is left in storage. "
    ) + (
        f"There is no bound ({escape(evaluation.no_bound)}): scores are the share of idle's cost that is saved."
        if evaluation.no_bound
        else "The optimum's score is that of its plan played in the market; its bound is 100. Of the replay: share of "
        f"the way from idle to it. {found[:1].upper()}{found[1:]}."
    )
    scored = {about.name(row["policy"]): Interval(**row["score"]) for row in rows}
    rules = [row for row in rows if not is_learned(row["policy"]) and row["policy"] not in _NO_RULES]
    sentence = (
        ""
        if evaluation.no_bound
        else (
            f"The mean bound of the optimum is {num(float(evaluation.bound_cur.mean()), 2)} {escape(about.currency)}."
        )
    )
    if rules:
        best, worst = rules[0], rules[-1]
        sentence = f"Of the rules {_scored(about, best)} is best" + (
            f", {_scored(about, worst)} worst." if len(rules) > 1 else "."
        )
    finite = {name: i for name, i in scored.items() if np.isfinite(i.mean)}
    ceiling = ["costing nothing"] if evaluation.no_bound else []
    alt = "Scores: " + "; ".join(f"{name} {number(i.mean, 1)}" for name, i in scored.items())
    half = len(shown) // 2
    tables = (
        html_table(
            ["policy", *(f"{c.title}<br><small>{escape(c.unit)}</small>" for c in part)],
            [
                [escape(about.name(row["policy"])), *(html_cell(c.interval(row), c.digits) for c in part)]
                for row in rows
            ],
            note if part[-1] is shown[-1] else "",
            bold,
        )
        for part in (shown[:half], shown[half:])
    )
    return section(
        "All policies", picture("scores", lambda: result_plots.scores(finite, *ceiling), alt, sentence), *tables
    )


def _means(n: int) -> str:
    if n == 1:
        return "One episode, so there are no intervals."
    return f"Means of {n} episodes, below them 95 % intervals (bootstrap over episodes)."


def _scored(about: Subject, row: dict[str, Any]) -> str:
    return f"{escape(about.name(row['policy']))} ({num(row['score']['mean'], 1)})"


def learning(about: Subject) -> str:
    """Show how the score rose while training; nothing where no curve is given."""
    if not about.curve:
        return ""
    others = {p: about.evaluation.result(p).score.mean for p in about.names if not is_learned(p)}
    first, last = about.curve[0], about.curve[-1]
    best, worst = max(about.curve, key=lambda p: p["score"]), min(about.curve, key=lambda p: p["score"])
    least = min(0.0, worst["score"]) - _SHOWN_BELOW
    low = [p for p, score in others.items() if score < least]
    start = f"after {count_text(first['steps'])} steps" if first["steps"] else "before training"
    sentence = (
        f"The score on validation episodes goes from {num(first['score'], 1)} {start} to "
        f"{num(last['score'], 1)} after {count_text(last['steps'])}; the best point, {num(best['score'], 1)}, is at "
        f"{count_text(best['steps'])}. Dashed lines are the other policies on this report's episodes: compare roughly"
        + (f"; too low to be drawn: {escape(listed(about.name(p) for p in low))}." if low else ".")
    )
    drawn = {about.name(p): score for p, score in others.items() if score >= least}
    alt = "Learning curve: " + ", ".join(f"{number(p['score'], 0)} at {count_text(p['steps'])}" for p in about.curve)
    return section("Learning", picture("learning", lambda: result_plots.learning(about.curve, drawn), alt, sentence))
