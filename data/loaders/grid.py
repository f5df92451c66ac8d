"""Put readings on a grid: whole days of equal steps, with every fault named at once unless it is to be repaired.

- With a zone the axis counts time as it passes: days on which the clock is changed are shorter or longer. Readings that
  do not meet the local midnight (hourly UTC where clocks are half an hour off) are parted into shorter steps.
- ``dst``: files whose days all have 24 hours: what the change set forward leaves out is cut, what the change set back
  shows twice is doubled.
- ``gaps``: missing rows and numbers are interpolated over at most three hours.
- ``negative``, ``register``, ``spikes``: see ``values.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.calendar import make_calendar
from gridbazaar.data.clock import clock_changes, local_day, midnight, to_utc
from gridbazaar.data.loaders.readings import Column, Options, Readings, usual_step_s
from gridbazaar.data.loaders.values import Work, as_power, signed

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Times = NDArray[np.datetime64]

_LONGEST_GAP_H = 3.0
_MOST_HOLES = 20.0  # missing rows over rows; above it a stamp is wrong
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Gridded:
    """Series of whole days from a local midnight on."""

    name: str
    first_day: np.datetime64
    n_days: int
    step_min: int
    columns: tuple[Column, ...]  # mean values over the steps, none missing
    notes: tuple[str, ...]

    @property
    def last_day(self) -> np.datetime64:
        day: np.datetime64 = self.first_day + np.timedelta64(self.n_days - 1, "D")
        return day

    def cut(self, first_day: np.datetime64, n_days: int, timezone: str | None) -> Gridded:
        """Give some of the days."""
        begin, first, end = (
            midnight(day, timezone) for day in (self.first_day, first_day, first_day + np.timedelta64(n_days, "D"))
        )
        low, high = (int((time - begin).astype(np.int64)) // (60 * self.step_min) for time in (first, end))
        columns = tuple(replace(column, values=column.values[low:high]) for column in self.columns)
        return replace(self, first_day=first_day, n_days=n_days, columns=columns)


def put_on_grid(readings: Readings, options: Options, timezone: str | None) -> Gridded:
    """Give the series of readings on a grid of whole local days.

    Raises:
        ValueError: names every fault of the file with its lines or times, and what to do.
    """
    work = Work(readings, options, timezone, [], list(readings.notes))
    times, order, step_s = _times(work)
    columns = [signed(work, _rows_of(column, order), order) for column in readings.columns]
    if readings.lasts_s is not None:
        times, columns, step_s = _evened(work, times, columns, readings.lasts_s[order], step_s)
    grid, is_missing, columns = _regular(work, times, columns, step_s)
    columns = [as_power(work, column, step_s) for column in columns]
    grid, is_missing, columns, step_s = _whole_days(work, grid, is_missing, columns, step_s)
    step_min = step_s // 60
    if timezone is not None and "dst" in options.repair:
        columns, is_missing = _doubled(work, grid, is_missing, columns, step_min)
    filled = tuple(_filled(work, grid, is_missing, columns, step_min))
    work.stop_at_problems()
    first_day = local_day(grid[0], timezone)
    n_days = int((local_day(grid[-1] + np.timedelta64(step_s, "s"), timezone) - first_day).astype(np.int64))
    return Gridded(readings.name, first_day, n_days, step_min, filled, tuple(work.notes))


def _rows_of(column: Column, order: Ints) -> Column:
    return replace(column, values=column.values[order])


def _times(work: Work) -> tuple[Times, Ints, int]:
    """Give beginnings in order of time, UTC where there is a zone; which row each is of; seconds a step."""
    readings = work.readings
    if not len(readings.times):
        raise ValueError(f"{work.place}: expected at least one whole day of rows, got none")
    clock = readings.zone or work.timezone
    if readings.is_utc:
        if work.timezone is None:
            raise ValueError(
                f"{work.place}: its times carry an offset from UTC; name the local zone, such as "
                "timezone=Europe/Berlin, because days and weekdays of people are local"
                + "".join(f"; {text}" for text in readings.hints)
            )
        times, step_s = readings.times, usual_step_s(work.place, readings.times)
        times = times - np.timedelta64(step_s if readings.ends else 0, "s")
    elif clock is None:
        times, step_s = readings.times, usual_step_s(work.place, readings.times)
        times = times - np.timedelta64(step_s if readings.ends else 0, "s")
    else:
        times, step_s = _from_clock(work, clock)
    known = np.flatnonzero(~np.isnat(times))
    order: Ints = known[np.argsort(times[known], kind="stable")]
    if not readings.ends and not readings.says_begin:
        _note_ends(work, times[order], step_s)
    return times[order], order, step_s


def _from_clock(work: Work, clock: str) -> tuple[Times, int]:
    """Turn readings of a clock into UTC."""
    readings, shown = work.readings, work.readings.times
    step_s = usual_step_s(work.place, shown)
    step = np.timedelta64(step_s, "s")
    if not readings.ends:
        found = to_utc(shown, clock)
    else:  # some loggers name the end of the last step before a change by the old clock, some by the new one
        by_old, by_new = to_utc(shown - step, clock), to_utc(shown, clock)
        by_new = by_new._replace(times=by_new.times - step)
        found = max(by_old, by_new, key=lambda one: len(np.unique(one.times[~one.is_left_out])))
    rows = np.flatnonzero(found.is_left_out)
    if len(rows) and "dst" in work.options.repair:
        work.notes.append(f"cut what the clock of {clock} leaves out when it is set forward ({len(rows)} rows)")
    elif len(rows):
        work.problems.append(
            f"time: {readings.rows(rows)} show what the clock of {clock} leaves out when it is set forward; where all "
            "days of the file have 24 hours, repair=dst cuts it and doubles what is shown twice; where its clock is "
            "never changed, name a zone without changes, such as timezone=Etc/GMT-1 for UTC+1"
        )
    times = np.where(found.is_left_out, np.datetime64("NaT", "s"), found.times)
    return times, step_s


def _note_ends(work: Work, times: Times, step_s: int) -> None:
    """Say it where stamps look like ends of steps: from one step after midnight to midnight."""
    if not len(times):
        return
    first, last = (time - midnight(local_day(time, work.timezone), work.timezone) for time in (times[0], times[-1]))
    if first == np.timedelta64(step_s, "s") and not int(last.astype(np.int64)):
        work.notes.append(
            "its first and last time look like ends of steps, and are read as beginnings; stamps=end reads them as ends"
        )


def _evened(
    work: Work, times: Times, columns: list[Column], lasts_s: Ints, step_s: int
) -> tuple[Times, list[Column], int]:
    """Part rows that last longer than others, so that all last as long as the shortest."""
    shortest = int(lasts_s.min())
    if shortest < 60 or (lasts_s % shortest).any():
        raise ValueError(f"{work.place}: expected rows that last whole multiples of the shortest, {shortest} s")
    parts = lasts_s // shortest
    if (parts == 1).all():
        return times, columns, shortest
    row = np.repeat(np.arange(len(times)), parts)
    within = np.arange(len(row)) - np.repeat(np.cumsum(parts) - parts, parts)
    evened = times[row] + (within * shortest).astype("timedelta64[s]")
    return evened, [replace(c, values=c.values[row] / (parts[row] if c.is_energy else 1)) for c in columns], shortest


def _regular(work: Work, times: Times, columns: list[Column], step_s: int) -> tuple[Times, Bools, list[Column]]:
    """Give a grid from the first row to the last, which of its steps have no row, and the columns on it."""
    readings = work.readings
    is_first = np.concatenate([[True], times[1:] != times[:-1]]) if len(times) else np.zeros(0, np.bool_)
    is_same = np.zeros(len(times), np.bool_)
    if len(readings.paths) > 1:  # files that overlap
        same = [(c.values[1:] == c.values[:-1]) | (np.isnan(c.values[1:]) & np.isnan(c.values[:-1])) for c in columns]
        is_same[1:] = ~is_first[1:] & np.logical_and.reduce(same)
    if is_same.any():
        work.notes.append(f"{int(is_same.sum())} rows stand in two files, with the same numbers")
    doubled = np.flatnonzero(~is_first & ~is_same)
    if len(doubled):
        at = _stamp_labels(times[doubled], work.timezone)
        hint = "" if work.timezone else "; where that is a changed clock, name its zone, such as timezone=Europe/Berlin"
        hint += "".join(f"; {text}" for text in readings.hints)
        work.problems.append(f"time: {_rows_at(work, times, doubled)} repeat a time ({at}){hint}")
    unique = times[is_first]
    if len(unique) < 2:
        raise ValueError(f"{work.place}: expected at least one whole day of rows, got {len(unique)} row(s)")
    steps = (unique - unique[0]).astype(np.int64)
    phases, counts = np.unique(steps % step_s, return_counts=True)
    phase = int(phases[np.argmax(counts)])
    off = np.flatnonzero((times - unique[0]).astype(np.int64) % step_s != phase)
    if len(off):
        raise ValueError(
            f"{work.place}: time: expected a row every {step_s // 60} min, {_rows_at(work, times, off, alone=True)} "
            "lie between; resample the series, or give shorter steps"
        )
    n = int(steps[-1]) // step_s + 1
    if n > _MOST_HOLES * len(unique) + 1e4:
        raise ValueError(
            f"{work.place}: time: {len(unique)} rows from {unique[0]} to {unique[-1]} leave out more than "
            f"{_MOST_HOLES:g} for each that is there; correct the first or the last time"
        )
    grid: Times = unique[0] + (np.arange(n) * step_s).astype("timedelta64[s]")
    at_step = steps // step_s
    is_missing = np.ones(n, np.bool_)
    is_missing[at_step] = False
    placed = []
    for column in columns:
        values = np.full(n, np.nan)
        values[at_step] = column.values[is_first]
        placed.append(replace(column, values=values))
    return grid, is_missing, placed


def _rows_at(work: Work, times: Times, places: Ints, alone: bool = False) -> str:
    """Name the rows of the file that have these times; ``alone``: only those at these places."""
    readings = work.readings
    if readings.lasts_s is not None:
        return _stamp_labels(times[places], work.timezone)
    shown, order, _ = _times(Work(readings, work.options, work.timezone, [], []))
    rows = order[places] if alone else order[np.isin(shown, times[places])]
    return readings.rows(np.sort(rows))


def _whole_days(
    work: Work, grid: Times, is_missing: Bools, columns: list[Column], step_s: int
) -> tuple[Times, Bools, list[Column], int]:
    """Cut off days that are not whole; part the steps where midnights lie between them."""
    timezone, step = work.timezone, np.timedelta64(step_s, "s")
    begin, end = grid[0], grid[-1] + step
    if any(column.kind == "load" and np.isnan(column.values[-1]) and not is_missing[-1] for column in columns):
        last_known = [
            int(np.flatnonzero(np.isfinite(c.values))[-1]) + 1 for c in columns if np.isfinite(c.values).any()
        ]
        if "register" in work.options.repair and last_known:
            end = begin + min(last_known) * step  # nothing is known of the step after a register's last reading
    first, last = local_day(begin, timezone), local_day(end, timezone)
    if begin > midnight(first, timezone):
        first = first + np.timedelta64(1, "D")
    if last <= first:
        raise ValueError(f"{work.place}: expected at least one whole day from midnight to midnight, got none")
    low, high = midnight(first, timezone), midnight(last, timezone)
    if begin < low or grid[-1] + step > high:
        work.notes.append("cut off the days that are not whole at the beginning or the end")
    ahead_s = np.zeros(1, np.int64) if timezone is None else clock_changes(low, high, timezone).ahead_s
    part_s = step_s
    for offset in (int((begin - low).astype(np.int64)), *(int(a - ahead_s[0]) for a in ahead_s)):
        part_s = gcd(part_s, abs(offset))
    if part_s % 60 or 3600 % part_s:
        raise ValueError(f"{work.place}: time: expected steps that begin at full minutes, {begin} does not")
    n_parts = step_s // part_s
    if n_parts > 1:
        work.notes.append(
            f"local midnights lie between its rows, so each step of {step_s // 60} min is read as {n_parts} of "
            f"{part_s // 60} min"
        )
    parted: Times = begin + (np.arange(len(grid) * n_parts) * part_s).astype("timedelta64[s]")
    inside = (parted >= low) & (parted < high)
    whole = [replace(c, values=np.repeat(c.values, n_parts)[inside]) for c in columns]
    return parted[inside], np.repeat(is_missing, n_parts)[inside], whole, part_s


def _doubled(
    work: Work, grid: Times, is_missing: Bools, columns: list[Column], step_min: int
) -> tuple[list[Column], Bools]:
    """Let what the clock shows twice come twice where the file has it once."""
    n_days = round(len(grid) * step_min / 1440)
    calendar = make_calendar(local_day(grid[0], work.timezone), n_days, step_min, work.timezone)
    first = calendar.step_of(calendar.day, calendar.hour)
    is_second = is_missing & (first < np.arange(len(grid))) & ~is_missing[first]
    if is_second.any():
        work.notes.append(f"doubled what the clock shows twice when it is set back ({int(is_second.sum())} rows)")
    rows = np.where(is_second, first, np.arange(len(grid)))
    return [replace(c, values=c.values[rows]) for c in columns], is_missing & ~is_second


def _filled(work: Work, grid: Times, is_missing: Bools, columns: Sequence[Column], step_min: int) -> list[Column]:
    """Interpolate what may be repaired; report the rows and the cells that may not."""
    may = "gaps" in work.options.repair
    most = round(_LONGEST_GAP_H * 60 / step_min) if may else 0
    cure = (
        "gaps are interpolated over at most three hours; fill longer ones, or cut the file"
        if may
        else "fill them, or repair=gaps interpolates up to three hours"
    )
    bad_rows = _longer_than(is_missing, most)
    if bad_rows.any():
        hint = "; where its days have 24 hours in spite of a changed clock: repair=dst" if work.timezone else ""
        hint = hint or "; where that is a changed clock, name its zone, such as timezone=Europe/Berlin"
        hint = "" if work.timezone and "dst" in work.options.repair else hint
        hint += "".join(f"; {text}" for text in work.readings.hints)
        work.problems.append(f"time: missing rows {_stamp_labels(grid[bad_rows], work.timezone)}; {cure}{hint}")
    found = []
    for column in columns:
        empty = ~np.isfinite(column.values)
        too_long = _longer_than(empty, most) & ~is_missing
        if too_long.any():
            work.problems.append(f"{column.name}: no number at {_stamp_labels(grid[too_long], work.timezone)}; {cure}")
        elif empty.any() and not empty.all():
            work.notes.append(f"{column.name}: interpolated {int(empty.sum())} steps")
        known = np.flatnonzero(~empty)
        values = np.interp(np.arange(len(grid)), known, column.values[known]) if len(known) else column.values
        if column.kind in ("load", "fed_in", "pv"):
            values = np.maximum(values, 0.0)
        found.append(replace(column, values=values))
    return found


def _stamp_labels(times: Times, timezone: str | None) -> str:
    """Name the first ten times, and how many there are; with a zone they are UTC."""
    shown = ", ".join(str(time)[:16] + ("Z" if timezone else "") for time in times[:_SHOWN])
    return shown + (f" ... ({len(times)} in all)" if len(times) > _SHOWN else "")


def _longer_than(empty: Bools, steps: int) -> Bools:
    """Mark the runs of True that are longer than ``steps``."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], empty, [False]]).astype(np.int8)))
    marked = np.zeros_like(empty)
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        marked[begin:end] = end - begin > steps
    return marked
