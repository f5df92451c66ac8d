"""How an evaluation is played: batch after batch in this process, or in parts by workers, with the same result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.dispatch.schedule import Schedule
from gridbazaar.agents.policies import optimum
from gridbazaar.agents.policy import NoBoundError, Policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.state import Transition
from gridbazaar.experiments.evaluation.bound import bound_of
from gridbazaar.experiments.evaluation.parts import (
    PERFECT,
    REPLAY,
    Batch,
    Figures,
    Finish,
    Play,
    Replayed,
    Solve,
    do,
    joined,
    play_batch,
    replay,
)
from gridbazaar.experiments.workers import Workers, each

BOUND = "bound"
"""As ``tick`` calls it."""
NOT_ASKED_FOR = "it was not asked for"
_OPTIMUM = "optimum"
_SOLVED_TOGETHER = 4  # episodes of a part; a program of a district takes minutes

Floats = NDArray[np.float64]
Record = Callable[[str, Core, Transition], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be played of each batch."""

    sources: Mapping[str, Any]  # by label, as ``load_policy`` takes them
    bound: bool
    replays: bool
    keeps_accounts: bool
    allow_code: bool

    @property
    def labels(self) -> list[str]:
        """What takes time, in the order in which it is shown."""
        return [*[BOUND] * self.bound, *self.sources, *[REPLAY, PERFECT] * self.replays]


@dataclass(slots=True)
class Came:
    """What came of all batches, in their order."""

    policies: dict[str, list[Figures]]
    no_bound: str | None
    bound_cur: list[Floats] = field(default_factory=list)
    rounding_cur: list[Floats] = field(default_factory=list)
    replays: dict[str, list[Floats]] = field(default_factory=lambda: {REPLAY: [], PERFECT: []})


class Count:
    """Counts intervals for whoever shows progress."""

    def __init__(self, asked: Asked, batches: Sequence[Batch], tick: Callable[[str, int, int], None] | None) -> None:
        self._tick, self._done = tick, dict.fromkeys(asked.labels, 0)
        self.n_steps, self._n_batches = batches[0].scenario.n_steps, len(batches)

    def __call__(self, label: str, n: int = 1) -> None:
        self._done[label] += n
        if self._tick is not None:
            total = self._n_batches * (1 if label == BOUND else self.n_steps)
            self._tick(label, self._done[label], total)


def play_here(
    asked: Asked, batches: Sequence[Batch], loaded: Mapping[str, Policy], count: Count, record: Record | None
) -> Came:
    """Play one batch after another in this process.

    Args:
        asked: what.
        batches: of which episodes.
        loaded: the policies, by label.
        count: is told of every interval.
        record: called with (label, core, what happened) after every interval, replays aside.
    """
    came = Came({label: [] for label in asked.sources}, None if asked.bound else NOT_ASKED_FOR)
    for batch in batches:
        core, state = batch.begin()
        bound = None
        if asked.bound:
            try:
                bound = bound_of(core, state)
                came.bound_cur.append(bound.cost_cur)
                came.rounding_cur.append(bound.rounding_cur)
            except NoBoundError as error:
                came.no_bound = str(error)
            count(BOUND)
        for label, source in asked.sources.items():
            policy = optimum.Policy(bound.schedule) if source == _OPTIMUM and bound else loaded[label]
            played = play_batch(
                batch, core, policy, keeps_accounts=asked.keeps_accounts, ahead=bound.ahead if bound else None,
                record=partial(record, label, core) if record else None, tick=partial(count, label),
            )  # fmt: skip
            came.policies[label].append(played)
        if asked.replays and came.no_bound is None:
            assert bound is not None
            same = next((label for label, source in asked.sources.items() if source == _OPTIMUM), None)
            played_as = None if same is None else came.policies[same][-1]
            for name, cost in replay(batch, core, bound, played_as, count).items():
                came.replays[name].append(cost)
    return came


def play_by(asked: Asked, batches: Sequence[Batch], workers: Workers, count: Count) -> Came:
    """Let workers play all batches: first the policies and the programs of the bound, then what follows from those."""
    came = Came({label: [] for label in asked.sources}, None if asked.bound else NOT_ASKED_FOR)
    waits = [label for label, source in asked.sources.items() if asked.bound and source == _OPTIMUM]
    now = [label for label in asked.sources if label not in waits]
    solves = [Solve(batch, rows) for batch in batches for rows in _rows(batch)] if asked.bound else []
    plays = [(label, batch) for label in reversed(now) for batch in batches]  # what is slow is often named last
    parts: list[Play | Solve | Finish] = [*solves, *(_play(asked, label, batch) for label, batch in plays)]

    def done(i: int) -> None:
        if i >= len(solves):
            count(plays[i - len(solves)][0], count.n_steps)

    found = each(do, parts, workers, done)
    for (label, _), figures in zip(plays, found[len(solves) :], strict=True):
        came.policies[label].append(cast(Figures, figures))
    if asked.bound:
        solved = [_joined(found[i] for i in _of(solves, batch)) for batch in batches]
        _finish(asked, batches, solved, workers, count, came)
    return came


def _finish(
    asked: Asked, batches: Sequence[Batch], solved: Sequence[Schedule | NoBoundError], workers: Workers, count: Count,
    came: Came,
) -> None:  # fmt: skip
    """Play what needs the schedules; where a batch has none, who plays the optimum is refused as it would be alone."""
    came.no_bound = next((str(s) for s in reversed(solved) if isinstance(s, NoBoundError)), None)
    waits = [label for label, source in asked.sources.items() if source == _OPTIMUM]
    replays = asked.replays and came.no_bound is None
    parts: list[Play | Solve | Finish] = [
        Finish(batch, schedule, bool(waits), replays, asked.keeps_accounts)
        if isinstance(schedule, Schedule)
        else _play(asked, waits[0], batch)
        for batch, schedule in zip(batches, solved, strict=True)
        if waits or isinstance(schedule, Schedule)
    ]

    def done(i: int) -> None:
        for label in [*waits, *[REPLAY, PERFECT] * replays]:
            count(label, count.n_steps)
        count(BOUND)

    for result in each(do, parts, workers, done):
        played = result.optimum if isinstance(result, Replayed) else cast(Figures, result)
        for label in waits:
            came.policies[label].append(cast(Figures, played))
        if isinstance(result, Replayed):
            came.bound_cur.append(result.cost_cur)
            came.rounding_cur.append(result.rounding_cur)
            for name, cost in result.replays.items():
                came.replays[name].append(cost)


def _of(solves: Sequence[Solve], batch: Batch) -> list[int]:
    return [i for i, part in enumerate(solves) if part.batch is batch]


def _joined(found: Iterable[Any]) -> Schedule | NoBoundError:
    parts = list(found)
    return next((part for part in reversed(parts) if isinstance(part, NoBoundError)), None) or joined(parts)


def _rows(batch: Batch) -> list[slice]:
    return [slice(i, i + _SOLVED_TOGETHER) for i in range(0, len(batch.seeds), _SOLVED_TOGETHER)]


def _play(asked: Asked, label: str, batch: Batch) -> Play:
    return Play(batch, asked.sources[label], asked.keeps_accounts, asked.allow_code)
