"""Runs of several training seeds in an evaluation: one policy each, and together what a way to learn is worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.experiments.evaluation.statistics import N_RESAMPLES, Interval, interval, resamples
from gridbazaar.experiments.runs import read_runs, run_of


@dataclass(frozen=True, slots=True)
class Pooled:
    """All runs of a way to learn, or a policy that is no run; intervals over training seeds and episodes."""

    policy: str
    n_runs: int
    score: Interval  # of the mean cost over runs, percent
    cost_cur: Interval  # a run and episode
    saved_cur: Interval  # by how much it costs less than the first policy, on the same episodes


def with_runs(sources: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    """Put the runs of a folder of runs in its place.

    Args:
        sources: policies by label.

    Returns:
        The policies, a run labelled ``label/seed_0``; and the labels of the runs by the label of their folder.
    """
    found: dict[str, Any] = {}
    runs: dict[str, tuple[str, ...]] = {}
    for label, source in sources.items():
        held = read_runs(source) if isinstance(source, str | Path) else None
        if held is None:
            found[label] = source
            continue
        each = {f"{label}/seed_{seed}": str(run_of(Path(source), seed)) for seed in held["seeds"]}
        if missing := [place for place in each.values() if not Path(place).is_dir()]:
            raise ValueError(f"{source}: {', '.join(missing)} not begun; gridbazaar train --out {source} --resume")
        found |= each
        runs[label] = tuple(each)
    return found, runs


def pooled(
    scored_cur: Mapping[str, NDArray[np.float64]],
    ceiling_cur: NDArray[np.float64],
    runs: Mapping[str, tuple[str, ...]],
    first: str | None = None,
) -> tuple[Pooled, ...]:
    """Put the runs of each folder together.

    The bootstrap is stratified: the runs of each way to learn are drawn anew by themselves, the episodes once for all
    policies, so that differences stay paired.

    Args:
        scored_cur: [n_seeds] cost of each policy by its label, that of idle among them.
        ceiling_cur: [n_seeds] cost that scores 100.
        runs: labels of the runs by the label of their folder.
        first: whom differences are from; none: the first that is not idle.
    """
    groups, first = _groups(scored_cur, runs), first_of(scored_cur, runs, first)
    n = len(ceiling_cur)
    episodes, idle = _shares(resamples(n), n), scored_cur["idle"]
    costs = {label: np.stack([scored_cur[run] for run in members]) for label, members in groups.items()}
    drawn = {label: _drawn(cost, episodes, i) for i, (label, cost) in enumerate(costs.items())}
    possible, floor = episodes @ (idle - ceiling_cur), episodes @ idle
    room = float((idle - ceiling_cur).mean())
    made = []
    for label, cost in costs.items():
        is_one, mean = cost.size == 1, float(cost.mean())
        score = 100 * (float(idle.mean()) - mean) / room if room > 0 else float("nan")
        scores = 100 * (floor - drawn[label]) / np.maximum(possible, 1e-12)
        less = float(costs[first].mean()) - mean
        made.append(
            Pooled(
                policy=label,
                n_runs=len(cost),
                score=interval(score, scores, is_one or room <= 0),
                cost_cur=interval(mean, drawn[label], is_one),
                saved_cur=interval(less, drawn[first] - drawn[label], is_one and costs[first].size == 1),
            )
        )
    return tuple(made)


def first_of(policies: Iterable[str], runs: Mapping[str, tuple[str, ...]], first: str | None = None) -> str:
    """Name the policy that differences are from."""
    groups = _groups(policies, runs)
    return first if first in groups else next((label for label in groups if label != "idle"), "idle")


def _groups(policies: Iterable[str], runs: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The runs of each way to learn by its label, in the order of the policies; others are one run each."""
    label_of = {run: label for label, members in runs.items() for run in members}
    labels = dict.fromkeys(label_of.get(policy, policy) for policy in policies)
    return {label: runs.get(label, (label,)) for label in labels}


def _shares(rows: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """[n_resamples, n] how large a part of each resample is each of the n."""
    shares = np.zeros((len(rows), n))
    np.add.at(shares, (np.arange(len(rows))[:, None], rows), 1.0 / rows.shape[1])
    return shares


def _drawn(cost: NDArray[np.float64], episodes: NDArray[np.float64], stratum: int) -> NDArray[np.float64]:
    """[n_resamples] mean cost of runs and episodes drawn anew; [n_runs, n_seeds] are there."""
    n = len(cost)
    rng = np.random.default_rng(np.random.SeedSequence([20_240_102, stratum]))
    runs = _shares(rng.integers(0, n, (N_RESAMPLES, n)), n)
    mean: NDArray[np.float64] = np.einsum("br,re,be->b", runs, cost, episodes, optimize=True)
    return mean
