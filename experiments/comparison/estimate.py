"""How long a comparison will take, from the first intervals of each policy."""

from __future__ import annotations

import time
from contextlib import suppress

import numpy as np

from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.experiments.comparison.asked import Asked
from gridbazaar.experiments.comparison.cell import NO_AUTOMATION
from gridbazaar.experiments.comparison.parts import tariff_groups
from gridbazaar.experiments.evaluation.evaluate import BATCH
from gridbazaar.experiments.evaluation.play import play

_TRIED, _WARM = 12, 4  # intervals that are played, and of them those that are not counted
_ROUNDS = 1.5  # of equal revenue, in the mean of what is usual
_TOGETHER = 0.25  # of the time of one, for each tariff and policy beside it, its own thinking apart


class _EnoughError(Exception):
    """Ends a play that has been timed."""


def estimate_s(asked: Asked, workers: int = 1) -> float:
    """Seconds that playing takes, about: the first intervals of each policy, times what is played of them.

    Args:
        asked: what is to be played.
        workers: who play at once.
    """
    tariff, mechanism, *_ = asked.status_quo
    scenario = asked.world(tariff, mechanism)
    numbers = np.asarray(asked.seeds[:BATCH], np.int64)
    core = Core(scenario, len(numbers))
    n_batches = -(-len(asked.seeds) // BATCH)
    sources = asked.played_policies
    alone_s = {name: _interval_s(asked, core, source, numbers) for name, source in sources.items()}
    step_s = alone_s[NO_AUTOMATION]
    block_s = sum(max(alone_s[play.policy] - step_s, 0.0) + _TOGETHER * step_s for play in asked.plays)
    groups = [group for rule in asked.played_mechanisms for group in tariff_groups(asked, rule)]
    interval_s = sum(step_s + block_s * len(group) for group in groups)
    rounds = 1.0 + _ROUNDS * asked.equal_revenue
    return interval_s * core.n_steps * n_batches * rounds / min(workers, len(groups))


def _interval_s(asked: Asked, core: Core, source: object, numbers: np.ndarray) -> float:
    """Seconds of an interval of one policy."""
    at: list[float] = []

    def tick() -> None:
        at.append(time.perf_counter())
        if len(at) == _TRIED:
            raise _EnoughError

    with suppress(_EnoughError):
        play(core, load_policy(source, allow_code=asked.allow_code), numbers, split=asked.split, tick=tick)
    counted = at[_WARM - 1 :] if len(at) > _WARM else at
    return (counted[-1] - counted[0]) / max(len(counted) - 1, 1)


def duration_words(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
