"""Learning on real homes: trained on CityLearn's or on generated ones, played on weeks of CityLearn's never trained on.

Weeks of the data are training, validation or test, as everywhere (``Bank.start_days``). A run is trained by gradient on
training weeks, and what it keeps is the best on validation weeks of the homes that it was trained on: who learned on
generated homes has seen none of CityLearn's. The best rule is the one that costs least on CityLearn's validation weeks.
The test weeks are played once. ``learning_words`` makes tables and sentences of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.policies.trained import BEST
from gridbazaar.envs.episode.draw import first_days
from gridbazaar.envs.episode.world import bank_of
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.result import Evaluation
from gridbazaar.experiments.evaluation.runs import pooled
from gridbazaar.experiments.evaluation.statistics import Interval, interval, mean_interval, resamples
from gridbazaar.experiments.studies.real_homes import World, Worlds, check_datasets, make_worlds
from gridbazaar.experiments.training.learners import learner
from gridbazaar.experiments.training.seeds import begin_runs, train_runs

Floats = NDArray[np.float64]
Tick = Callable[[], None]

DATASETS = "GRIDBAZAAR_DATASETS"
"""Variable of the environment that names the folder of data sets."""
REAL, GENERATED = "CityLearn's homes", "generated homes"
"""What is learned on."""
MPC = "mpc"
RULES = (
    "self_consumption", "time_of_use", "price_threshold", "opportunity_cost", "charge_cheapest", "charge_late",
    "least_laxity",
)  # fmt: skip
"""Rules that apply; the others are one of these where there is no heat, engine, failure, outage, call or peak."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is trained and played."""

    n_seeds: int = 3  # of training
    updates: int = 120  # of a run
    validate_updates: int = 20  # between two validations
    validate_days: int = 32  # in a validation of a run
    rule_days: int = 64  # by which the best rule is chosen
    n_envs: int = 32  # episodes an update


@dataclass(frozen=True, slots=True)
class Found:
    """What was played on the test weeks, and by what the rule was chosen."""

    worlds: Worlds
    size: Size
    rules_cur: Mapping[str, float]  # cost a day on validation weeks, idle among them
    rule: str  # the best of them
    played: Evaluation  # idle, the rule, MPC and every run
    runs: Mapping[str, tuple[str, ...]]  # labels of the runs by what they learned on
    week: NDArray[np.int64]  # [n_days] to which a day that was played belongs

    def cost_cur(self, who: str) -> Floats:
        """[n_runs, n_days] that a policy, or each run of those that learned, cost."""
        return np.stack([self.played.result(label).scored_cur for label in self.runs.get(who, (who,))])

    def less(self, who: str, than: str, kind: str | None = None) -> Interval:
        """Give what ``who`` costs less than ``than`` a day; interval over runs and days.

        Args:
            who: a policy, or what runs learned on.
            than: likewise.
            kind: of agents; none: the community.
        """
        cost = {
            r.policy: r.scored_cur if kind is None else r.kind_cost_cur[kind] for r in self.played.results
        }  # fmt: skip
        found = pooled(cost, cost["idle"], self.runs, than)
        return next(one.saved_cur for one in found if one.policy == who)

    def less_in_each(self, who: str, than: str) -> list[Interval]:
        """Give the same of each run alone; intervals over days."""
        (other,) = self.cost_cur(than)
        return [mean_interval(other - cost) for cost in self.cost_cur(who)]

    def less_by_weeks(self, who: str, than: str) -> Interval:
        """Give the same, whole weeks drawn anew in place of days, since days of a week are alike."""
        saved = (self.cost_cur(than) - self.cost_cur(who)).mean(axis=0)
        return weekly_interval(saved, self.week)


def datasets_of(environment: Mapping[str, str]) -> Path:
    """Give the folder of data sets.

    Raises:
        ValueError: nothing names one.
        FileNotFoundError: it does not hold what is needed.
    """
    folder = environment.get(DATASETS)
    if not folder:
        raise ValueError(
            f"learning_real: expected {DATASETS} to name a folder with real homes and prices, it is not set; they are "
            "no part of this package, see docs/studies/learning_real.md"
        )
    check_datasets(Path(folder))
    return Path(folder)


def learn(datasets: Path, folder: Path, n_days: int, size: Size | None = None, tick: Tick | None = None) -> Found:
    """Train on both sorts of homes, choose on validation weeks, and play the test weeks.

    Args:
        datasets: folder of data sets.
        folder: that takes data and runs; runs that are there already are gone on with.
        n_days: of the test weeks that are played.
        size: how much is trained; none: as the page says.
        tick: called now and then, for progress.
    """
    size, tick = size or Size(), tick or (lambda: None)
    worlds = make_worlds(datasets, folder)
    policies: dict[str, str] = {}
    runs: dict[str, tuple[str, ...]] = {}
    for on, name, world in ((REAL, "real", worlds.real), (GENERATED, "generated", worlds.generated)):
        places = train(world, folder / name, size, tick)
        runs[on] = tuple(f"{name}/{place.name}" for place in places)
        policies |= {label: str(place / BEST) for label, place in zip(runs[on], places, strict=True)}
    scenario = worlds.real.load()
    rules_cur = on_validation(scenario, size.rule_days, tick)
    rule = min(RULES, key=lambda name: rules_cur[name])
    played = evaluate(
        scenario, {rule: rule, MPC: MPC} | policies, seeds=n_days, tick=lambda what, done, total: tick()
    )  # fmt: skip
    return Found(worlds, size, rules_cur, rule, played, runs, weeks_of(scenario, n_days))


def train(world: World, folder: Path, size: Size, tick: Tick) -> list[Path]:
    """Train the runs of a world, or go on with them; give their folders."""
    make, _ = learner("gradient")
    config = make(
        scenario=world.scenario, overrides=world.overrides, updates=size.updates, n_envs=size.n_envs,
        validate_updates=size.validate_updates, validate_seeds=size.validate_days,
    )  # fmt: skip
    if not folder.is_dir():
        begin_runs(folder, config, size.n_seeds)
    return train_runs("gradient", config, folder, report=lambda seed: lambda done, total, latest: tick())


def on_validation(scenario: Scenario, n_days: int, tick: Tick) -> dict[str, float]:
    """Give what idle and each rule cost a day of the validation weeks."""
    found = evaluate(
        scenario, list(RULES), seeds=n_days, split="validation", bound=False,
        tick=lambda what, done, total: tick(),
    )  # fmt: skip
    return {r.policy: float(r.scored_cur.mean()) for r in found.results}


def weeks_of(scenario: Scenario, n_days: int) -> NDArray[np.int64]:
    """[n_days] number of the week of the data in which each day of the test weeks begins, Monday to Monday."""
    bank = bank_of(scenario.data, scenario.seed, scenario.step_min)
    day = first_days(scenario, bank, "test", np.arange(n_days))
    since_monday = bank.calendar.weekday_of(np.zeros(1, np.int64))
    week: NDArray[np.int64] = (day + since_monday) // 7
    return week


def weekly_interval(saved: Floats, week: NDArray[np.int64]) -> Interval:
    """Give the mean of [n_days] values, and its interval where whole weeks are drawn anew."""
    _, of = np.unique(week, return_inverse=True)
    total, days = np.bincount(of, saved), np.bincount(of)
    rows = resamples(len(days))
    drawn = total[rows].sum(axis=1) / days[rows].sum(axis=1)
    return interval(float(saved.mean()), drawn, len(days) == 1)


def study_folder() -> Path:
    """Give the folder of data sets that the environment names; errors as of ``datasets_of``."""
    return datasets_of(os.environ)
