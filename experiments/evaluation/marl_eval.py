"""Results as marl-eval reads them: environment, scenario, way to learn, run; learning curves and what came in the end.

The form is that of "raw data" in github.com/instadeepai/marl-eval (Gorsane et al. 2022, "Towards a Standardised
Performance Evaluation Protocol for Cooperative MARL"). No run of it is needed to write it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gridbazaar.experiments.evaluation.bound import ceiling_cur
from gridbazaar.experiments.evaluation.result import Evaluation

ENVIRONMENT = "gridbazaar"


def to_marl_eval(found: Evaluation, curves: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    """Give an evaluation in that form.

    Args:
        found: of policies, runs of a folder of runs (``train --seeds``) among them.
        curves: learning curves of runs by their labels: steps, seconds and validation score of each point.

    Each run of a folder of runs is a run of the way to learn that the folder is named after; any other policy is the
    only run of its own. ``step_...`` hold the validation score along its training, one number each; who did not learn
    has one step. ``absolute_metrics`` hold, for each episode that was evaluated, the score (its share of the mean way
    from idle to the ceiling, so that the mean is the score) and the cost.
    """
    group_of = {run: label for label, members in found.runs.items() for run in members}
    idle = found.result("idle").scored_cur
    room = float((idle - ceiling_cur(idle, found.bound_cur)).mean())
    ways: dict[str, dict[str, Any]] = {}
    for result in found.results:
        score = 100 * (idle - result.scored_cur) / room
        way = ways.setdefault(group_of.get(result.policy, result.policy), {})
        last = {"score": score.tolist(), "cost_cur": result.scored_cur.tolist()}
        way[f"seed_{len(way)}"] = _curve(curves.get(result.policy), float(np.mean(score))) | {"absolute_metrics": last}
    return {ENVIRONMENT: {found.scenario.name: ways}}


def _curve(points: Sequence[Mapping[str, float]] | None, score: float) -> dict[str, Any]:
    """The steps of a run; one for what has no curve."""
    return {
        f"step_{i}": {"step_count": int(p["steps"]), "elapsed_time": p["seconds"], "score": [p["score"]]}
        for i, p in enumerate(points or [{"steps": 0, "seconds": 0.0, "score": score}])
    }
