"""Several runs that differ in their seed alone, in one folder: what one run says about a way to learn is chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gridbazaar.agents.policies.trained import CONFIG, MODEL
from gridbazaar.experiments.files import new_folder, write_json
from gridbazaar.experiments.runs import RUNS, read_runs, run_of
from gridbazaar.experiments.training.folder import read_as
from gridbazaar.experiments.training.learners import learner
from gridbazaar.experiments.workers import Workers, each

MOST = 2**32


def begin_runs(folder: Path, config: Any, n: int, *, force: bool = False) -> None:
    """Make the folder of ``n`` runs whose seeds follow each other, the first being that of ``config``.

    Raises:
        ValueError: there are no such seeds.
    """
    if n < 1 or config.seed + n > MOST:
        raise ValueError(f"seeds: expected at least one, none of them above {MOST - 1}; got {n} from {config.seed} on")
    new_folder(folder, force=force)
    write_runs(folder, config, range(config.seed, config.seed + n))


def write_runs(folder: Path, config: Any, seeds: Any) -> None:
    """Say of a folder which runs it holds."""
    write_json(folder / RUNS, {"schema": 1, "seeds": list(seeds), "train": asdict(config)})


def more_runs(folder: Path, config: Any, n: int) -> None:
    """Let a folder of runs have ``n`` of them.

    Raises:
        ValueError: it has more.
    """
    held = read_runs(folder)
    assert held is not None
    seeds = held["seeds"]
    if n < len(seeds):
        raise ValueError(f"seeds: {folder} has {len(seeds)} runs, not {n}; leave --seeds out, or give at least as many")
    first = max(seeds) + 1
    write_runs(folder, config, [*seeds, *range(first, first + n - len(seeds))])


def train_runs(
    algo: str,
    config: Any,
    folder: Path,
    *,
    allow_code: bool = False,
    workers: Workers | None = None,
    report: Callable[[int], Callable[[int, int, dict[str, float]], None] | None] = lambda seed: None,
    done: Callable[[int], None] = lambda seed: None,
) -> list[Path]:
    """Train what is left of a folder of runs, one after the other, or at once by workers.

    Args:
        algo: the way to learn, see ``learners``.
        config: of all runs; each has its own seed in place of that one's.
        folder: that ``begin_runs`` made. What is complete there is left alone, what was interrupted goes on.
        allow_code: as of the way to learn.
        workers: who trains, a run each, all of them where this folder is; none: this process. A run whose worker died
            goes on from its last checkpoint.
        report: gives the ``report`` of the run with a seed, without workers.
        done: called with the seed of a run that is complete, with workers.

    Returns:
        The folders of the runs. Each is, bit for bit, what a run of its own with that seed gives.
    """
    held = read_runs(folder)
    if held is None:
        raise ValueError(f"expected a folder of runs in {folder}, found no {RUNS}")
    left = [seed for seed in held["seeds"] if not (run_of(folder, seed) / MODEL).is_file()]
    parts = [_Part(algo, config, run_of(folder, seed), seed, allow_code) for seed in left]
    if workers is None:
        for part in parts:
            _train(part, report(part.seed))
    else:
        each(_train, parts, workers, lambda i: done(left[i]))
    return [run_of(folder, seed) for seed in held["seeds"]]


@dataclass(frozen=True, slots=True)
class _Part:
    algo: str
    config: Any
    place: Path
    seed: int
    allow_code: bool


def _train(part: _Part, report: Callable[[int, int, dict[str, float]], None] | None = None) -> None:
    """Train one run, or go on with it."""
    goes_on = (part.place / CONFIG).is_file()
    config = read_as(part.place, type(part.config)) if goes_on else replace(part.config, seed=part.seed)
    _, run = learner(part.algo)
    run(config, part.place, force=not goes_on, resume=goes_on, allow_code=part.allow_code, report=report)
