"""Pictures of an evaluation and of a training run: plain data in, matplotlib figures out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gridbazaar.experiments.evaluation.statistics import Interval
from gridbazaar.experiments.report.drawing import (
    INK,
    KIND_COLOURS,
    LEARNED,
    RULE,
    is_narrow,
    legend_above,
    new_figure,
    policy_colour,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

_LEAST_SCORE = -90.0  # what scores lower is shown by an arrow and its number


@styled
def scores(found: Mapping[str, Interval], ceiling: str = "the bound of perfect foresight") -> Figure:
    """Scores of policies as bars with their 95 % intervals, between idle (0) and the ceiling (100)."""
    ordered = sorted(found.items(), key=lambda item: item[1].mean)
    figure = new_figure(0.75 + 0.34 * len(ordered))
    axes = figure.subplots()
    least = max(min(0.0, min(i.low if math.isfinite(i.low) else i.mean for _, i in ordered)) - 4, _LEAST_SCORE)
    for row, (name, score) in enumerate(ordered):
        colour = policy_colour(name)
        axes.barh(row, score.mean, color=colour, height=0.62, alpha=0.9)
        axes.hlines(row, score.low, score.high, color=INK, linewidth=1.4)
        axes.vlines([score.low, score.high], row - 0.12, row + 0.12, color=INK, linewidth=1.4)
        if score.low < least:
            axes.plot([least + 2], [row], "<", color=INK, markersize=5)
        ends = f"  [{score.low:.1f}, {score.high:.1f}]" if math.isfinite(score.low) else ""
        text = f"{score.mean:.1f}{ends}".replace("-", "\N{MINUS SIGN}")
        axes.annotate(text, (103, row), va="center", fontsize=9)
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.axvline(100, color=INK, linewidth=0.9, linestyle=(0, (2, 2)))
    axes.set_yticks(range(len(ordered)), [name for name, _ in ordered])
    for tick, (name, _) in zip(axes.get_yticklabels(), ordered, strict=True):
        tick.set_fontweight("bold" if policy_colour(name) == LEARNED else "normal")
    axes.set_xlim(least, 100 + (0.75 if is_narrow() else 0.15) * (100 - least) + 12)
    axes.set_xticks([t for t in range(-75, 101, 50 if is_narrow() else 25) if t >= least])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    of, whiskers = f"score: 0 is idle, 100 {ceiling}", "whiskers are 95 % intervals"
    axes.set_xlabel(f"{of}\n{whiskers}" if is_narrow() else f"{of}; {whiskers}")
    return figure


@styled
def savings_by_kind(saved: Mapping[str, Mapping[str, Interval]], currency: str) -> Figure:
    """What each kind saves against idle under each policy: a panel a kind, a row a policy."""
    kinds = list(next(iter(saved.values())))
    rows = -(-len(kinds) // 2) if is_narrow() else 1
    figure = new_figure(0.4 + rows * (0.75 + 0.3 * len(saved)))
    every = list(figure.subplots(rows, -(-len(kinds) // rows), sharey=True, squeeze=False).flat)
    panels = every[: len(kinds)]
    for axes in every[len(kinds) :]:
        axes.set_visible(False)
    for axes, kind in zip(panels, kinds, strict=True):
        for row, (name, by_kind) in enumerate(saved.items()):
            colour, found = policy_colour(name), by_kind[kind]
            axes.hlines(row, found.low, found.high, color=colour, linewidth=2)
            axes.plot([found.mean], [row], "o", color=colour, markersize=6)
        axes.axvline(0, color=INK, linewidth=0.9)
        axes.set_title(kind)
        axes.spines["left"].set_visible(False)
        axes.grid(visible=True, axis="x")
        axes.set_yticks(range(len(saved)), list(saved))
        axes.locator_params(axis="x", nbins=3 if is_narrow() else 4)
        axes.margins(x=0.12)
    panels[0].set_ylim(len(saved) - 0.5, -0.5)
    for axes in panels:
        for tick, name in zip(axes.get_yticklabels(), saved, strict=False):  # only those at the left have labels
            tick.set_fontweight("bold" if policy_colour(name) == LEARNED else "normal")
    figure.supxlabel(f"saved against idle, {currency} per episode; the scales differ", fontsize=9.5)
    return figure


@styled
def savings_by_agent(saved: Mapping[str, Interval], kind_of: Mapping[str, str], currency: str) -> Figure:
    """What each agent saves against idle, from most to least."""
    from matplotlib.lines import Line2D

    ordered = sorted(saved.items(), key=lambda item: -item[1].mean)
    figure = new_figure(3.1)
    axes = figure.subplots()
    for column, (name, found) in enumerate(ordered):
        colour = KIND_COLOURS.get(kind_of[name], INK)
        axes.vlines(column, found.low, found.high, color=colour, linewidth=2 if len(ordered) <= 40 else 1)
        axes.plot([column], [found.mean], "o", color=colour, markersize=6 if len(ordered) <= 40 else 3.5)
    axes.axhline(0, color=INK, linewidth=0.9)
    axes.set_ylabel(f"{currency} per episode")
    axes.spines["bottom"].set_visible(False)
    if len(ordered) <= (16 if is_narrow() else 40):
        axes.set_xticks(
            range(len(ordered)), [name for name, _ in ordered], rotation=60, ha="right", rotation_mode="anchor"
        )
    else:
        axes.set_xticks([])
        axes.set_xlabel(f"{len(ordered)} agents, from most to least")
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.7, len(ordered) - 0.3)
    kinds = list(dict.fromkeys(kind_of.values()))
    keys = [Line2D([], [], color=KIND_COLOURS.get(k, INK), marker="o", linewidth=2, label=k) for k in kinds]
    legend_above(axes, 2, 4, handles=keys)
    return figure


@styled
def learning(curve: Sequence[Mapping[str, float]], rules: Mapping[str, float]) -> Figure:
    """Score on validation episodes over agent-steps and minutes, with the scores of the rules as lines."""
    figure = new_figure(3.7)
    axes = figure.subplots()
    steps = np.array([p["steps"] for p in curve]) / 1e6
    minutes = np.array([p["seconds"] for p in curve]) / 60
    score = np.array([p["score"] for p in curve])
    low, high = min(0.0, float(score.min()), *rules.values()) - 2, max(100.0, float(score.max())) + 2
    labels = spread_apart(rules, 0.058 * (high - low))
    for name, value in rules.items():
        colour = policy_colour(name)
        axes.axhline(value, color=colour, linewidth=1.2, linestyle=(0, (4, 2)))
        axes.annotate(
            f"{name} {value:.0f}".replace("-", "\N{MINUS SIGN}"), (1, labels[name]),
            xycoords=("axes fraction", "data"), xytext=(6, 0), textcoords="offset points", va="center",
            annotation_clip=False, fontsize=9,
            color=INK if colour in (RULE, INK) else colour,
        )  # fmt: skip
    axes.plot(steps, score, "-o", color=LEARNED, linewidth=2.2, markersize=4.5, clip_on=False, zorder=4)
    axes.set_xlim(0, max(float(steps.max()), 1e-9))
    axes.set_ylim(low, high)
    axes.set_xlabel("million agent-steps")
    axes.set_ylabel("score on validation episodes")
    if len(curve) > 1 and (np.diff(minutes) > 0).all() and (np.diff(steps) > 0).all():
        top = axes.secondary_xaxis(
            "top",
            functions=(
                lambda s: np.interp(np.asarray(s, float), steps, minutes),
                lambda m: np.interp(np.asarray(m, float), minutes, steps),
            ),
        )
        top.set_xlabel("minutes of training")
        top.set_xticks(_round_ticks(float(minutes[0]), float(minutes[-1])))
    return figure


def _round_ticks(low: float, high: float) -> list[float]:
    step = next(
        (s for s in (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if (high - low) / s <= 7), 1440
    )
    return [float(t) for t in np.arange(np.ceil(low / step) * step, high + 1e-9, step)]


def spread_apart(at: Mapping[str, float], gap: float) -> dict[str, float]:
    """Move labels apart, groups around their middle, until neighbours are ``gap`` away from each other."""
    placed: dict[str, float] = {}
    groups: list[list[tuple[str, float]]] = []
    for item in sorted(at.items(), key=lambda item: item[1]):
        groups.append([item])
        while len(groups) > 1 and _bottom(groups[-1], gap) < _bottom(groups[-2], gap) + gap * len(groups[-2]):
            groups[-2:] = [groups[-2] + groups[-1]]
    for group in groups:
        for i, (name, _) in enumerate(group):
            placed[name] = _bottom(group, gap) + i * gap
    return placed


def _bottom(group: Sequence[tuple[str, float]], gap: float) -> float:
    return float(np.mean([value for _, value in group])) - gap * (len(group) - 1) / 2
