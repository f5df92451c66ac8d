"""The study of a sweep: trials as optuna keeps them, trained in rounds, each round by as many workers as there are.

What a trial tries is known before any is trained: a grid in its order, or drawn by the sweep's seed and the trial's
number. Halving trains all trials for a part of their training, lets the best go on, and so forth (Jamieson & Talwalkar
2016, in step, so that nothing depends on who is done first). A trial that goes on does so from its checkpoint.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from gridbazaar.agents.policies.trained import CONFIG, MODEL
from gridbazaar.data.inputs import read_json
from gridbazaar.data.tables import forms, read_table
from gridbazaar.experiments.files import new_folder, write_json
from gridbazaar.experiments.runs import RUNS, run_of
from gridbazaar.experiments.training.folder import read_curve
from gridbazaar.experiments.training.learners import learner
from gridbazaar.experiments.training.seeds import begin_runs
from gridbazaar.experiments.training.sweep.outcome import Outcome, write_outcomes
from gridbazaar.experiments.training.sweep.plan import Range, Sweep
from gridbazaar.experiments.workers import Workers, each

_CLOSE = 1e-9
SWEEP, STUDY = "sweep.json", "study.db"
"""What a sweep is, and what optuna keeps of it."""


def trial_folder(folder: Path, number: int) -> Path:
    """Give the folder of a trial's runs."""
    return folder / f"trial_{number:04d}"


def begin_sweep(folder: Path, sweep: Sweep, train: Mapping[str, Any], *, force: bool = False) -> None:
    """Make the folder of a sweep; ``train`` has the fields that all trials have, algo and scenario among them."""
    import_module("optuna")
    new_folder(folder, force=force)
    write_json(folder / SWEEP, {"schema": 1, "sweep": asdict(sweep), "train": dict(train)})


def read_sweep_folder(folder: Path) -> tuple[Sweep, dict[str, Any]] | None:
    """Read what the folder of a sweep is to hold; none: it is none.

    Raises:
        ValueError: it is broken.
    """
    path = folder / SWEEP
    if "\0" in str(folder) or not path.is_file():
        return None
    held = read_json(path)
    try:
        search = {n: Range(**x) if isinstance(x, dict) else x for n, x in held["sweep"]["search"].items()}
        return Sweep(**(held["sweep"] | {"search": search})), dict(held["train"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: expected a sweep, {error}; begin it anew") from error


def run_sweep(
    folder: Path,
    *,
    workers: Workers | None = None,
    allow_code: bool = False,
    tell: Callable[[str, int, int], None] = lambda what, done, of: None,
) -> list[Outcome]:
    """Train what is left of a sweep, and write its table and its best configuration.

    Args:
        folder: that ``begin_sweep`` made.
        workers: who trains, a run each; none: this process. The outcome is the same.
        allow_code: as of the way to learn.
        tell: called with the name of the round, and how many of its runs are done.

    Raises:
        ValueError: no trial could be trained.
    """
    held = read_sweep_folder(folder)
    if held is None:
        raise ValueError(f"expected the folder of a sweep in {folder}, found no {SWEEP}")
    sweep, fixed = held
    with _quiet():
        study = _study(folder)
        tried = _asked(study, sweep, forms(learner(fixed["algo"])[0]))
        outcomes = _train(study, sweep, fixed, tried, folder, workers=workers, allow_code=allow_code, tell=tell)
    write_outcomes(folder, sweep, fixed, outcomes)
    if all(outcome.score is None for outcome in outcomes):
        raise ValueError(f"{folder}: no trial could be trained; the first one: {outcomes[0].why}")
    return outcomes


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what optuna tells of each trial."""
    log = logging.getLogger("optuna")
    level = log.level
    import_module("optuna")
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)


def _study(folder: Path) -> Any:
    optuna: Any = import_module("optuna")
    url: Any = import_module("sqlalchemy.engine").URL
    where = url.create("sqlite", database=str((folder / STUDY).resolve())).render_as_string()
    return optuna.create_study(study_name="sweep", storage=where, direction="maximize", load_if_exists=True)


def _asked(study: Any, sweep: Sweep, held: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Have all trials in the study; give what each tries."""
    optuna: Any = import_module("optuna")
    distributions = {n: _distribution(optuna, x, held[n].type is int) for n, x in sweep.search.items()}
    grid = sweep.grid() if sweep.method == "grid" else []
    known = study.get_trials(deepcopy=False)
    for number in range(sweep.n_trials):
        is_new = number >= len(known)
        if not is_new and known[number].state != optuna.trial.TrialState.WAITING:
            continue
        if grid and is_new:
            study.enqueue_trial(grid[number])
        drawn = np.random.SeedSequence([sweep.seed, number]).generate_state(1)[0]
        study.sampler = optuna.samplers.RandomSampler(seed=int(drawn))  # a trial's draws depend on its number alone
        asked = study.ask(distributions)
        assert asked.number == number
    return [dict(trial.params) for trial in study.get_trials(deepcopy=False)]


def _distribution(optuna: Any, values: Any, is_whole: bool) -> Any:
    kinds = optuna.distributions
    if not isinstance(values, Range):
        return kinds.CategoricalDistribution(values)
    if is_whole:
        return kinds.IntDistribution(int(values.low), int(values.high), log=values.log)
    return kinds.FloatDistribution(float(values.low), float(values.high), log=values.log)


def _train(
    study: Any, sweep: Sweep, fixed: Mapping[str, Any], tried: list[dict[str, Any]], folder: Path, *,
    workers: Workers | None, allow_code: bool, tell: Callable[[str, int, int], None],
) -> list[Outcome]:  # fmt: skip
    """Round after round; give what became of each trial."""
    outcomes = [Outcome(number, params) for number, params in enumerate(tried)]
    alive = list(range(len(tried)))
    for i in alive:
        _begin(trial_folder(folder, i), dict(fixed) | tried[i], sweep.seeds)
    for number, share in enumerate(sweep.shares, start=1):
        parts = [
            _Part(dict(fixed) | tried[i], trial_folder(folder, i), seed, number, share, allow_code)
            for i in alive
            for seed in range(sweep.seeds)
        ]
        done, what = [0], f"round {number} of {len(sweep.shares)}"

        def count(i: int, done: list[int] = done, what: str = what, n: int = len(parts)) -> None:
            done[0] += 1
            tell(what, done[0], n)

        tell(what, 0, len(parts))
        found = each(_train_part, parts, workers, count)
        for place, i in enumerate(alive):
            of_trial = found[place * sweep.seeds : (place + 1) * sweep.seeds]
            outcomes[i] = outcomes[i].after(number, of_trial)
        alive = _kept(study, sweep, outcomes, alive, number)
    return outcomes


def _begin(folder: Path, fields: Mapping[str, Any], n_seeds: int) -> None:
    """Make the folder of a trial's runs, which plays as a policy."""
    if (folder / RUNS).is_file():
        return
    try:
        config = read_table(learner(str(fields["algo"]))[0], fields, "")
    except ValueError:  # which whoever is to train it will say
        return
    begin_runs(folder, config, n_seeds)


def _kept(study: Any, sweep: Sweep, outcomes: list[Outcome], alive: list[int], number: int) -> list[int]:
    """Tell the study what a round brought; give the trials that go on."""
    optuna: Any = import_module("optuna")
    states = optuna.trial.TrialState
    failed = [i for i in alive if outcomes[i].why]
    ranked = sorted((i for i in alive if not outcomes[i].why), key=lambda i: (-(outcomes[i].score or 0.0), i))
    is_last = number == len(sweep.shares)
    goes_on = [] if is_last else sorted(ranked[: math.ceil(len(alive) / sweep.keep)])
    known = study.get_trials(deepcopy=False)
    for i in (i for i in (*ranked, *failed) if known[i].state == states.RUNNING):
        trial = optuna.trial.Trial(study, known[i]._trial_id)
        if i in failed:
            trial.set_user_attr("why", outcomes[i].why)
            study.tell(i, state=states.FAIL)
            continue
        trial.report(outcomes[i].score, number)
        if is_last:
            study.tell(i, outcomes[i].score)
        elif i not in goes_on:
            study.tell(i, state=states.PRUNED)
    return goes_on


@dataclass(frozen=True, slots=True)
class _Part:
    train: Mapping[str, Any]  # fields of the training
    trial: Path
    seed: int  # among those of the trial
    round: int
    share: float
    allow_code: bool


class _Paused(BaseException):
    """A run has as much of its training behind it as a round asks for."""


def _train_part(part: _Part) -> float | str:
    """Train a run until the round ends; give its score, the best on validation until then, or why there is none."""
    table, train = learner(str(part.train["algo"]))
    try:
        first = read_table(table, part.train, "")
    except ValueError as error:  # fields that do not go together
        return str(error)
    config = replace(first, seed=first.seed + part.seed)
    place = run_of(part.trial, config.seed)
    scored = place / f"round_{part.round}.json"
    if scored.is_file():
        found = read_json(scored)["score"]
    else:
        found = _score(part, train, config, place)
        write_json(scored, {"schema": 1, "score": found, "share": part.share})
    return float(found) if isinstance(found, int | float) else str(found)


def _score(part: _Part, train: Any, config: Any, place: Path) -> float | str:
    seen: dict[int, float] = {}

    def report(steps: int, of: int, latest: Mapping[str, float]) -> None:
        if latest.get("steps", 0) > 0 and latest["progress"] <= part.share + _CLOSE:
            seen[int(latest["steps"])] = latest["score"]
        if part.share < 1 and latest["progress"] >= part.share - _CLOSE:
            raise _Paused

    goes_on, is_complete = (place / CONFIG).is_file(), (place / MODEL).is_file()
    try:
        if not is_complete:
            train(config, place, force=not goes_on, resume=goes_on, allow_code=part.allow_code, report=report)
    except _Paused:
        pass
    except (ValueError, FloatingPointError) as error:
        return str(error).splitlines()[0][:300] or type(error).__name__
    last = math.inf if part.share == 1 else max(seen, default=0)
    seen |= {int(point["steps"]): point["score"] for point in read_curve(place) if 0 < point["steps"] <= last}
    if not seen:
        return f"no validation before {part.share:.0%} of the training; validate more often, or ask for fewer rounds"
    best = max(seen.values())
    return best if math.isfinite(best) else "its score is no number"
