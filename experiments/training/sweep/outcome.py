"""What became of the trials of a sweep: a table of them, and the best configuration as a file for ``--train-file``."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gridbazaar.experiments.files import write_text
from gridbazaar.experiments.training.sweep.plan import Sweep

TRIALS, BEST = "trials.csv", "best.toml"
_NOT_OF_FILE = ("scenario", "overrides")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a trial."""

    number: int
    tried: Mapping[str, Any]
    rounds: int = 0  # that it went through
    score: float | None = None  # best on validation, percent; the mean over its seeds; none: it failed
    why: str = ""  # it failed

    def after(self, rounds: int, found: Sequence[float | str]) -> Outcome:
        """Give the outcome after a round, in which its runs got these scores, or why they got none."""
        failed = [x for x in found if isinstance(x, str)]
        if failed:
            return replace(self, rounds=rounds, score=None, why=failed[0])
        return replace(self, rounds=rounds, score=sum(map(float, found)) / len(found))


def best_of(outcomes: Sequence[Outcome]) -> Outcome | None:
    """Give the best trial: of those that went furthest the one with the highest score; none: all failed."""
    good = [outcome for outcome in outcomes if outcome.score is not None]
    return max(good, key=lambda x: (x.rounds, x.score, -x.number), default=None)


def ranked(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Give the trials from the best to those that failed."""
    return sorted(outcomes, key=lambda x: (x.score is None, -x.rounds, -(x.score or 0.0), x.number))


def write_outcomes(folder: Path, sweep: Sweep, train: Mapping[str, Any], outcomes: Sequence[Outcome]) -> None:
    """Write the table of trials and the best configuration."""
    held = io.StringIO()
    rows = csv.writer(held, lineterminator="\n")
    rows.writerow(["trial", "rounds", "score_percent", *sweep.search, "failed"])
    for x in outcomes:
        score = "" if x.score is None else repr(x.score)
        rows.writerow([x.number, x.rounds, score, *(x.tried[name] for name in sweep.search), x.why])
    write_text(folder / TRIALS, held.getvalue())
    best = best_of(outcomes)
    if best is not None:
        fields = {n: v for n, v in train.items() if n not in _NOT_OF_FILE} | dict(best.tried)
        said = f"# Trial {best.number}, {best.score:.2f} % on validation.\n"
        write_text(folder / BEST, said + "".join(f"{name} = {_toml(value)}\n" for name, value in fields.items()))


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value) if isinstance(value, str) else repr(value)
