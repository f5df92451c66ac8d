"""How long a comparison will take, from the first intervals of each policy."""

from __future__ import annotations

import time
from contextlib import suppress

import numpy as np

from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.experiments.comparison.asked import Asked
from gridbazaar.experiments.evaluation.evaluate import BATCH
from gridbazaar.experiments.evaluation.play import play

_TRIED, _WARM = 12, 4  # intervals that are played, and of them those that are not counted
_ROUNDS = 1.5  # of equal revenue, in the mean of what is usual
_TOGETHER = 0.25  # of the time of one tariff, for each further one beside it


class _EnoughError(Exception):
    """Ends a play that has been timed."""


def estimate_s(asked: Asked) -> float:
    """Seconds that playing takes, about: the first intervals of each policy, times all cells and rounds."""
    tariff, mechanism, *_ = asked.status_quo
    scenario = asked.world(tariff, mechanism)
    numbers = np.asarray(asked.seeds[:BATCH], np.int64)
    core = Core(scenario, len(numbers))
    n_batches = -(-len(asked.seeds) // BATCH)
    n_worlds = len(asked.played_mechanisms) * (1.0 + _TOGETHER * (len(asked.tariffs) - 1))
    rounds = 1.0 + _ROUNDS * asked.equal_revenue
    sources = asked.played_policies
    per_policy = {name: _interval_s(asked, core, source, numbers) for name, source in sources.items()}
    per_interval = sum(per_policy[play.policy] for play in asked.plays)
    return per_interval * core.n_steps * n_batches * n_worlds * rounds


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
