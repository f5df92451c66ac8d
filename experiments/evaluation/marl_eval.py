"""Results as marl-eval reads them: environment, scenario, way to learn, run; learning curves and what came in the end.

The form is that of "raw data" in github.com/instadeepai/marl-eval (Gorsane et al. 2022, "Towards a Standardised
Performance Evaluation Protocol for Cooperative MARL"). No run of it is needed to write it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.experiments.evaluation.bound import ceiling_cur
from gridbazaar.experiments.evaluation.result import Evaluation

ENVIRONMENT = "gridbazaar"
METRIC = "score_frac"
"""The only one, as each must be in every step: the share of the way from idle (0) to the ceiling (1)."""

Curves = Mapping[str, Sequence[Mapping[str, float]]]
"""Learning curves of runs by their labels: steps and validation score, percent, of each point."""


def to_marl_eval(found: Evaluation, curves: Curves) -> dict[str, Any]:
    """Give an evaluation in that form.

    Args:
        found: of policies, runs of a folder of runs (``train --seeds``) among them.
        curves: of all runs; empty of one that was not validated.

    Each run of a folder of runs is a run of the way to learn that the folder is named after. The steps of a run hold
    its validation score along its training, one number each; ``absolute_metrics`` that of each episode that was
    evaluated (its share of the mean way from idle to the ceiling, so that the mean is the score). A policy that did
    not learn is the same in every run and step, as marl-eval has as many of all.

    Raises:
        ValueError: as of ``refuse_unequal``.
    """
    labels = [result.policy for result in found.results]
    refuse_unequal(labels, found.runs, curves)
    all_steps = next(iter(_steps(labels, found.runs, curves).values()), [(0,)])
    idle = found.result("idle").scored_cur
    room = float((idle - ceiling_cur(idle, found.bound_cur)).mean())
    frac = {result.policy: (idle - result.scored_cur) / room for result in found.results}
    ways = {
        way: {
            f"seed_{i}": _run(frac[run], steps, curves.get(run))
            for i, (run, steps) in enumerate(zip(cycle(members), all_steps, strict=False))
        }
        for way, members in _ways(labels, found.runs).items()
    }
    return {ENVIRONMENT: {found.scenario.name: ways}}


def refuse_unequal(labels: Sequence[str], runs: Mapping[str, Sequence[str]], curves: Curves) -> None:
    """Refuse what marl-eval cannot put beside each other.

    Args:
        labels: of all policies that play.
        runs: labels of the runs by the label of their folder.
        curves: of all runs.

    Raises:
        ValueError: names are one to it, or runs differ in number or in when they were validated.
    """
    names = list(_ways(labels, runs))
    lower = [name.lower() for name in names]
    if odd := [name for name in names if "," in name or lower.count(name.lower()) > 1]:
        raise ValueError(
            f"marl-eval: expected names without commas that differ in more than case, got {', '.join(odd)}; give "
            "labels, LABEL=POLICY"
        )
    steps = _steps(labels, runs, curves)
    if len({tuple(of_runs) for of_runs in steps.values()}) > 1 or any(len(set(each)) > 1 for each in steps.values()):
        raise ValueError(
            "marl-eval: expected ways to learn with as many runs, all validated after the same agent-steps, as it has "
            f"one axis for all; got {'; '.join(f'{way}: {_told(each)}' for way, each in steps.items())}; evaluate "
            "those apart that differ"
        )


def _ways(labels: Iterable[str], runs: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Labels of the runs of each way to learn, and of each other policy, in their order."""
    group_of = {run: label for label, members in runs.items() for run in members}
    ways: dict[str, list[str]] = {}
    for label in labels:
        ways.setdefault(group_of.get(label, label), []).append(label)
    return ways


def _steps(
    labels: Iterable[str], runs: Mapping[str, Sequence[str]], curves: Curves
) -> dict[str, list[tuple[int, ...]]]:
    """Agent-steps of the points of each run, of each way to learn; policies that did not learn are left out."""
    return {
        way: [tuple(int(point["steps"]) for point in curves.get(run) or [{"steps": 0}]) for run in members]
        for way, members in _ways(labels, runs).items()
        if way in runs or any(run in curves for run in members)
    }


def _told(of_runs: Sequence[tuple[int, ...]]) -> str:
    """Say how many runs of a way to learn there are, and when each was validated."""
    each = dict.fromkeys(f"{len(steps)} times up to {steps[-1]:,}" for steps in of_runs)
    return f"{len(of_runs)} runs, validated {' or '.join(each)}"


def _run(
    frac: NDArray[np.float64], steps: Sequence[int], curve: Sequence[Mapping[str, float]] | None
) -> dict[str, Any]:
    """A run; without a curve it has its mean in every step."""
    scores = [point["score"] / 100 for point in curve] if curve else [float(frac.mean())] * len(steps)
    found: dict[str, Any] = {
        f"step_{i}": {"step_count": count, METRIC: [score]}
        for i, (count, score) in enumerate(zip(steps, scores, strict=True))
    }
    return found | {"absolute_metrics": {METRIC: frac.tolist()}}
