"""The span of a run: the time of its series that training episodes may play, so that no evaluation repeats it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.bank import Bank
from gridbazaar.data.clock import midnight
from gridbazaar.data.inputs import read_json
from gridbazaar.envs.episode.draw import first_days
from gridbazaar.envs.episode.world import bank_of
from gridbazaar.envs.scenario import Scenario

Times = NDArray[np.datetime64]

CONFIG = "config.json"
"""File of a run in which its span stands, as ``span``."""
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Span:
    """When training episodes take place, and in which series."""

    series: str  # the data set and its first day; of generated series also the seed
    start_h: float  # local hour at which episodes begin
    hours: float  # that they last
    periods: tuple[tuple[str, str], ...]  # beginning and end of each stretch, ISO 8601 in UTC (without a zone local)


def span_of(scenario: Scenario) -> Span:
    """Give the span of a run that trains on this scenario."""
    bank = _bank(scenario)
    days = bank.start_days("train", start_h=scenario.start_h, n_steps=scenario.n_steps, months=scenario.data.months)
    begin = bank.calendar.step_of(days, scenario.start_h)
    played = np.zeros(len(bank.hour()) + 1, np.int64)
    np.add.at(played, begin, 1)
    np.add.at(played, begin + scenario.n_steps, -1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (np.cumsum(played) > 0).astype(np.int64), [0]])))
    texts = [str(time) for time in _times(bank, edges)]
    return Span(
        series=_series(bank, scenario),
        start_h=scenario.start_h,
        hours=scenario.hours,
        periods=tuple(zip(texts[::2], texts[1::2], strict=True)),
    )


def read_span(source: str | Path) -> Span | None:
    """Read the span of a run by its folder or one of its files; none where there is none, as in version 0.1.

    Raises:
        ValueError: there is one that cannot be read.
    """
    path = Path(source)
    path = (path.parent if path.is_file() else path) / CONFIG
    if "\0" in str(source) or not path.is_file():
        return None
    held = read_json(path).get("span")
    if held is None:
        return None
    span: Span | None = None
    try:
        span = Span(**held | {"periods": tuple((begin, end) for begin, end in held["periods"])})
        np.array(span.periods, "datetime64[s]")
        refused = not (isinstance(span.series, str) and math.isfinite(span.start_h + span.hours))
    except (TypeError, ValueError, KeyError):
        refused = True
    if refused:
        raise ValueError(f"{path}: span: expected series, start_h, hours and periods, got {str(held)[:80]}")
    return span


def refuse_shared(run: str, span: Span, scenario: Scenario, split: str, seeds: Sequence[int]) -> None:
    """Refuse episodes that share steps with those that a run may have learned from.

    Raises:
        ValueError: names their seeds, and what to do.
    """
    bank = _bank(scenario)
    if span.series != _series(bank, scenario):
        return
    day = first_days(scenario, bank, split, np.asarray(seeds, np.int64))
    start = bank.calendar.step_of(day, scenario.start_h)
    begin, end = _times(bank, start), _times(bank, start + scenario.n_steps)
    trained = np.array(span.periods, "datetime64[s]").reshape(-1, 2)
    overlaps = np.asarray((begin[:, None] < trained[:, 1]) & (end[:, None] > trained[:, 0]))
    shared = [seed for seed, of_seed in zip(seeds, overlaps, strict=True) if of_seed.any()]
    if shared:
        shown = ", ".join(map(str, shared[:_SHOWN])) + (" ..." if len(shared) > _SHOWN else "")
        raise ValueError(
            f"{run}: {len(shared)} of {len(seeds)} {split} episodes share steps with what it was trained on (seeds "
            f"{shown}): it learned from episodes of {span.hours:g} h that begin at {span.start_h:g} h, these last "
            f"{scenario.hours:g} h and begin at {scenario.start_h:g} h; expected start_h={span.start_h:g} as in "
            "training, or seeds of other episodes, or a run trained with this start_h"
        )


def _bank(scenario: Scenario) -> Bank:
    return bank_of(scenario.data, scenario.seed, scenario.step_min)


def _series(bank: Bank, scenario: Scenario) -> str:
    seed = f", seed {scenario.seed}" if scenario.data.path is None else ""
    return f"{bank.name} from {bank.first_day}{seed}"


def _times(bank: Bank, step: NDArray[np.int64]) -> Times:
    """[n] when steps begin, in seconds."""
    times: Times = midnight(bank.first_day, bank.timezone) + step * np.timedelta64(round(bank.step_h * 3600), "s")
    return times
