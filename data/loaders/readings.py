"""Readings: what every layout of meters and prices is turned into, row by row, before it is put on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.loaders.stamps import Stamps
from gridbazaar.data.loaders.tables import name_lines

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Times = NDArray[np.datetime64]

REPAIRS = ("dst", "gaps", "negative", "register", "spikes")
STAMPS = ("begin", "end")


@dataclass(frozen=True, slots=True)
class Options:
    """How files are to be read; the same names in a scenario's ``[data]``, on the command line and in Python."""

    timezone: str | None = None  # whose clock people read; none: that of the layout, else days of 24 hours
    repair: frozenset[str] = frozenset()  # of ``REPAIRS``
    stamps: str = "begin"  # what the times of plain CSV mark of their steps: begin or end
    columns: tuple[tuple[str, str], ...] = ()  # name in the file, name with a unit that is read in its place
    fed_in: bool = False  # energy fed in is read too, for bills; a bank has no use for it
    loader: Any = None  # of a user's own, asked before the layouts: see ``own.py``


def read_options(
    timezone: str | None = None,
    repair: Sequence[str] = (),
    stamps: str = "begin",
    columns: Sequence[str] = (),
    loader: Any = None,
) -> Options:
    """Check options as users give them; ``columns`` are texts ``NAME IN THE FILE=name_with_unit``."""
    unknown = [name for name in repair if name not in REPAIRS]
    if isinstance(repair, str) or unknown:
        raise ValueError(f"repair: expected some of {', '.join(REPAIRS)}, as a list; got {repair!r}")
    if stamps not in STAMPS:
        raise ValueError(f"stamps: expected one of {', '.join(STAMPS)}, got {stamps!r}")
    pairs = []
    for text in columns:
        old, mark, new = text.rpartition("=")
        if not mark or not old.strip() or not new.strip():
            raise ValueError(f"columns: expected NAME IN THE FILE=name_with_unit, got {text!r}")
        pairs.append((old.strip(), new.strip()))
    return Options(timezone, frozenset(repair), stamps, tuple(pairs), loader=loader)


@dataclass(frozen=True, slots=True)
class Column:
    """One series of a file, in the units of a bank but for energies of a step."""

    name: str  # in the file, to name it by
    kind: str  # load, fed_in, pv, spot, retail, carbon, wind, outdoor
    home: str  # empty for what all homes share
    values: Floats  # [n_rows] NaN where there is none
    is_energy: bool = False  # kWh of a step, in place of a mean power


@dataclass(frozen=True, slots=True)
class Readings:
    """Rows with a time each; several files of one meter or market are joined to one."""

    paths: tuple[Path, ...]
    times: Times  # [n_rows] beginnings of steps: UTC, or with ``zone`` or without what a local clock showed
    is_utc: bool
    columns: tuple[Column, ...]
    line: Ints  # [n_rows] of the file
    file: Ints  # [n_rows] index into ``paths``
    zone: str | None = None  # the layout's own: whose clock its market or meters follow
    identity: str = ""  # of what was measured; files with the same are joined. Empty: a file of its own
    lasts_s: Ints | None = None  # [n_rows] how long each row holds, where the layout says it
    ends: bool = False  # the times mark ends of steps
    says_begin: bool = False  # the layout says that they mark beginnings
    row: str = "line"  # what a row is called
    notes: tuple[str, ...] = ()
    hints: tuple[str, ...] = field(default=())  # what may be wrong where it cannot be put on a grid

    @property
    def name(self) -> str:
        return self.paths[0].name + (f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else "")

    def rows(self, index: Ints) -> str:
        """Name rows by line, and by file where there are several."""
        index = index[np.unique(np.stack([self.file[index], self.line[index]]), axis=1, return_index=True)[1]]
        lines = self.line[index]
        if len(self.paths) == 1:
            return name_lines(lines).replace("line", self.row, 1)
        parts = [
            f"{path.name} {name_lines(lines[self.file[index] == i]).replace('line', self.row, 1)}"
            for i, path in enumerate(self.paths)
            if (self.file[index] == i).any()
        ]
        return ", ".join(parts)


def local_or_utc(path: Path, stamps: Stamps, line: Ints, what: str, form: str) -> tuple[Times, bool]:
    """Give times and whether they are UTC; ``ValueError`` names lines without one, or of two sorts.

    Args:
        path, line: of the rows.
        stamps: of the rows.
        what: column that holds them.
        form: which stamps are expected.
    """
    wrong = line[np.isnat(stamps.shown)]
    if len(wrong):
        raise ValueError(f"{path}: {what}: expected {form}; got another in {name_lines(wrong)}")
    if not stamps.has_offset.any():
        return stamps.shown, False
    if not stamps.has_offset.all():
        naive = line[~stamps.has_offset]
        raise ValueError(f"{path}: {what}: some rows have an offset, {name_lines(naive)} have none; write all alike")
    return stamps.utc, True


def usual_step_s(place: Path | str, times: Times) -> int:
    """The most common distance of times in seconds; ``ValueError`` where it is no minutes that divide an hour."""
    unique = np.unique(times)
    if len(unique) < 2:
        raise ValueError(f"{place}: expected at least one whole day of rows, got {len(times)} row(s)")
    values, counts = np.unique(np.diff(unique).astype(np.int64), return_counts=True)
    step_s = int(values[np.argmax(counts)])
    if step_s % 60 or 3600 % step_s:
        raise ValueError(
            f"{place}: time: expected steps of minutes that divide an hour, most rows are {step_s} s apart; "
            "resample the series"
        )
    return step_s


def join(parts: Sequence[Readings]) -> Readings:
    """Give the readings of one meter or market, in several files, as one; in the order of their times."""
    ordered = sorted(parts, key=lambda part: part.times.min())
    first = ordered[0]
    if len(ordered) == 1:
        return first
    return replace(
        first,
        paths=tuple(path for part in ordered for path in part.paths),
        times=np.concatenate([part.times for part in ordered]),
        columns=tuple(
            replace(column, values=np.concatenate([part.columns[i].values for part in ordered]))
            for i, column in enumerate(first.columns)
        ),
        line=np.concatenate([part.line for part in ordered]),
        file=np.repeat(np.arange(len(ordered)), [len(part.times) for part in ordered]),
        lasts_s=None if first.lasts_s is None else np.concatenate([_lasts(part) for part in ordered]),
        notes=tuple(dict.fromkeys(note for part in ordered for note in part.notes)),
    )


def _lasts(part: Readings) -> Ints:
    assert part.lasts_s is not None
    return part.lasts_s
