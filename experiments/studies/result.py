"""What a study finds: tables of figures, and sentences that are made from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gridbazaar.experiments.evaluation.statistics import Interval

Table = list[list[str]]
"""Rows of cells; the first is the head."""


@dataclass(frozen=True, slots=True)
class Result:
    """Parts of a page by the names of their marks, in the order in which they stand there."""

    tables: Mapping[str, Table]
    words: Mapping[str, str] = field(default_factory=dict)


def with_ends(found: Interval, digits: int = 2, unit: str = "") -> str:
    """Write a mean and its 95 % interval; of a single value there is none."""
    mean = number(found.mean, digits)
    if found.low != found.low:
        return f"{mean}{unit}"
    return f"{mean}{unit} ({number(found.low, digits)} to {number(found.high, digits)})"


def is_told(found: Interval) -> bool:
    """Whether an interval says that there is anything at all; of a single value nobody can say."""
    return found.low > 0 or found.high < 0


def number(x: float, digits: int = 2) -> str:
    """Write a number; what rounds to nothing has no sign."""
    return f"{round(x, digits) + 0.0:.{digits}f}"
