"""Carbon of a comparison: at the average intensity of the grid, and apart from it at the marginal one of a file.

The marginal intensity is what one kWh more makes the grid emit. No data set of homes has it, and it is not made up: it
comes from a file that somebody answers for, or is not given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.bank import Bank
from gridbazaar.data.clock import midnight
from gridbazaar.data.inputs import check_input
from gridbazaar.data.loaders.files import read_files
from gridbazaar.data.loaders.readings import Options
from gridbazaar.data.resample import resample
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.comparison.cell import Outcome
from gridbazaar.experiments.evaluation.evaluate import BATCH

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Marginal:
    """What one kWh more makes the grid emit."""

    source: str  # the file
    kg_per_kwh: Floats  # [n_bank_steps] NaN where the file has none


def read_marginal(path: Path, scenario: Scenario, seeds: Sequence[int], split: str) -> Marginal:
    """Read marginal intensities and see that all episodes have them.

    Args:
        path: a CSV with ``time`` and ``carbon_kg_per_kwh`` or ``carbon_g_per_kwh``, read as data of the scenario are.
        scenario: whose days they are of.
        seeds, split: the episodes.

    Raises:
        ValueError: the file holds something else, or not the days of the episodes.
    """
    core = Core(scenario, 1)
    bank, data = core.world.bank, scenario.data
    options = Options(timezone=bank.timezone, repair=frozenset(data.repair), stamps=data.stamps)
    found = read_files([check_input(path)], options)
    others = [name for name in ("spot", "retail", "wind", "outdoor") if getattr(found, name) is not None]
    others += [home.name for home in found.homes]
    if found.carbon is None or others:
        raise ValueError(
            f"{path}: expected marginal intensities alone, a column carbon_kg_per_kwh or carbon_g_per_kwh beside time; "
            f"got {', '.join(others) if others else 'no such column'}"
        )
    kg_per_kwh = _on_axis(resample(*found.carbon, round(bank.step_h * 60)), found.first_day, bank)
    for i in range(0, len(seeds), BATCH):
        numbers = np.asarray(seeds[i : i + BATCH], np.int64)
        start = np.asarray(Core(scenario, len(numbers)).reset(numbers, split=split).episode.start)
        lacks = np.isnan(kg_per_kwh[start[:, None] + np.arange(core.n_steps)]).any(axis=1)
        if lacks.any():
            last = found.first_day + np.timedelta64(found.n_days - 1, "D")
            begun = bank.calendar.day[start[lacks]][0]
            day = bank.first_day.astype("datetime64[D]") + int(begun)
            raise ValueError(
                f"{path}: expected marginal intensities of all episodes, has {found.first_day} to {last}, and episode "
                f"{numbers[lacks][0]} begins on {day}; take a file of these days, or --dates within it"
            )
    return Marginal(path.name, kg_per_kwh)


def _on_axis(values: Floats, first_day: np.datetime64, bank: Bank) -> Floats:
    """Put a series of whole days on the steps of a bank."""
    step = np.timedelta64(round(bank.step_h * 3600), "s")
    late = midnight(first_day, bank.timezone) - midnight(bank.first_day, bank.timezone)
    begin = int(late.astype("timedelta64[s]") / step)
    found = np.full(len(bank.spot_cur_per_kwh), np.nan)
    low, high = max(begin, 0), min(begin + len(values), len(found))
    if high > low:
        found[low:high] = values[low - begin : high - begin]
    return found


def marginal_carbon_kg(one: Outcome, marginal: Marginal) -> Floats:
    """[n_seeds] import less export at the head, at the marginal intensity, and fuel that devices burnt."""
    found = []
    for book, day in zip(one.accounts, one.books, strict=True):
        step = np.asarray(book.first.episode.start)[None, :] + np.arange(book.core.n_steps)[:, None]
        root_kwh = day.wires["root_kw"] * book.core.scenario.step_h
        found.append((root_kwh * marginal.kg_per_kwh[step]).sum(axis=0) + day.emitted_kg)
    return np.concatenate(found)
