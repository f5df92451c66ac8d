"""The table of all scenarios: trains what lacks, plays what was not played, and gives what came of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from gridbazaar.experiments.shipped.asked import Asked, read_asked
from gridbazaar.experiments.shipped.played import Played, Tick, play_all
from gridbazaar.experiments.shipped.runs import Begin, runs_for
from gridbazaar.experiments.training.release import Recipe, read_recipes
from gridbazaar.experiments.workers import Workers


def table_of(
    folder: Path,
    *,
    only: Sequence[str] = (),
    asked: Mapping[str, Asked] | None = None,
    recipes: Mapping[str, Recipe] | None = None,
    workers: Workers | None = None,
    begin: Begin | None = None,
    tick: Callable[[str], Tick | None] = lambda name: None,
) -> Iterator[Played]:
    """Give one scenario after the other, as it is done.

    Args:
        folder: of the runs and of what was played, a folder a scenario; what is complete there is taken as it is.
        only: scenarios; none: all that are asked for.
        asked, recipes: what is played, and how it is trained; none: those of the package.
        workers: who trains and plays; none: this process.
        begin: called before each training, without workers; gives its ``report``.
        tick: gives what is called with (policy, intervals done, intervals in all) in a scenario.

    Raises:
        ValueError: nothing is asked for of a scenario, or what ships or a run there came by another recipe.
    """
    wanted = read_asked() if asked is None else asked
    known = read_recipes() if recipes is None else recipes
    for name in chosen(wanted, only):
        runs = {}
        if name in known:
            runs = runs_for(known[name], wanted[name].runs, folder / name, workers=workers, begin=begin)
        yield play_all(name, wanted[name], runs, folder / name / "played", workers=workers, tick=tick(name))


def chosen(asked: Mapping[str, Asked], only: Sequence[str]) -> list[str]:
    """Give the scenarios of a table.

    Raises:
        ValueError: nothing is asked for of one.
    """
    if unknown := [name for name in only if name not in asked]:
        raise ValueError(f"only: expected some of {', '.join(asked)}, got {', '.join(unknown)}")
    return [name for name in asked if not only or name in only]
