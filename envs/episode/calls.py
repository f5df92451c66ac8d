"""The calls of an episode: drawn at its reset, or read from a file of OpenADR events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.kind import Draw
from gridbazaar.data.arrays import Array
from gridbazaar.data.chance import between
from gridbazaar.data.clock import zone_of
from gridbazaar.data.protocols.ocpp import composite_kw, read_profiles
from gridbazaar.data.protocols.openadr import SIMPLE_LEVELS, Event, hours_from, read_events
from gridbazaar.data.units import MICRO
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenario_tables import CallConfig
from gridbazaar.envs.state import Calls

_ENDLESS_KW = 1e9
_NEVER = datetime(2000, 1, 2, tzinfo=UTC)  # where no file names a time


def draw_calls(scenario: Scenario, draw: Draw, retail_ucur: Array) -> Calls:
    """Draw the calls of each episode; NumPy arrays.

    Args:
        scenario: what happens how often.
        draw: keys of the episodes.
        retail_ucur: [n_envs, n_steps] retail price with all charges, micro-currency per kWh.

    The hours of a file are those since an episode would begin before its first event, and the same in every episode.
    They are read on the community's local clock, that of the zone of its data; without a zone its clock is UTC.
    """
    config, n_envs = scenario.call, len(draw.keys)
    events = _events_of(config.file) if config.file else ()
    calls = [event for event in events if not event.is_price]
    timezone = draw.bank.timezone
    clock = _clock(scenario.start_h, events[0].signals[0].start if events else _NEVER, timezone)
    if config.file:
        table, level = _read(calls, clock, scenario)
        table, level = (np.repeat(x[None], n_envs, axis=0) for x in (table, level))
    else:
        table, level = _drawn(config, draw)
    gate, begin, end, need, known = (table[..., i] for i in range(5))
    running = np.arange(draw.n_steps + 1)[None, :, None] >= end[:, None, :]
    prices = [event for event in events if event.is_price]
    limit = None
    if config.limits:
        limit = _limit(config.limits, scenario.start_h, scenario.n_steps, scenario.step_h, timezone)
        limit = np.repeat(limit[None], n_envs, axis=0)
    return Calls(
        gate=gate, begin=begin, end=end, need_ukwh=need, known=known,
        at=np.minimum(running.sum(axis=2), table.shape[1] - 1), level_ppm=level,
        extra_ucur_per_kwh=_extra(prices, clock, scenario, retail_ucur) if prices else None,
        limit_kw=limit,
    )  # fmt: skip


def _drawn(config: CallConfig, draw: Draw) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[n_envs, n_calls + 1, 5] and [n_envs, n_steps + 1]; calls never overlap, and offers close after the last one."""
    n_steps, step_h = draw.n_steps, draw.step_h
    day_h = 24.0 * np.arange(draw.n_days).repeat(config.per_day)
    n = len(day_h)
    unit = draw.unit("call", 6 * n).reshape(-1, n, 6)
    begin_h = draw.elapsed_h(day_h + (between(unit[..., 1], *config.start_h) - draw.start_h) % 24)
    begin = np.rint(begin_h / step_h).astype(np.int64)
    begin = np.where(unit[..., 0] < config.chance, begin, n_steps)
    order = np.argsort(begin, axis=1, kind="stable")
    begin, unit = np.take_along_axis(begin, order, 1), np.take_along_axis(unit, order[..., None], 1)
    lasts, notice = (
        np.maximum(np.rint(between(unit[..., i], *limits) / step), 1).astype(np.int64)
        for i, limits, step in ((2, config.duration_h, step_h), (3, config.notice_min, 60 * step_h))
    )
    need = np.rint(between(unit[..., 5], *config.need_kw) * step_h * MICRO).astype(np.int64)
    level = np.rint(between(unit[..., 4], *config.level) * MICRO).astype(np.int64)

    table = np.full((len(begin), n + 1, 5), n_steps, np.int64)
    table[..., 3] = 0
    by_step = np.zeros((len(begin), n_steps + 1), np.int64)
    steps, over = np.arange(n_steps + 1), np.zeros(len(begin), np.int64)
    for i in range(n):
        starts = np.maximum(begin[:, i], over + 1)
        happens = (begin[:, i] < n_steps) & (starts < n_steps)
        ends = np.minimum(starts + lasts[:, i], n_steps)
        gate = np.maximum(starts - notice[:, i], over)
        known = np.maximum(starts - round(config.ahead_h / step_h), 0)
        row = np.stack([gate, starts, ends, need[:, i], np.minimum(known, gate)], axis=1)
        table[:, i] = np.where(happens[:, None], row, table[:, i])
        inside = (steps >= table[:, i, 1:2]) & (steps < table[:, i, 2:3])
        by_step = np.where(inside, level[:, i : i + 1], by_step)
        over = np.where(happens, ends, over)
    return table, by_step


def _read(calls: list[Event], clock: _Clock, scenario: Scenario) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[n_calls + 1, 5] and [n_steps + 1] of the events of a file."""
    config, n_steps, step_h = scenario.call, scenario.n_steps, scenario.step_h
    n_notice = max(round(config.notice_min[0] / 60 / step_h), 1)
    table = np.full((len(calls) + 1, 5), n_steps, np.int64)
    table[:, 3] = 0
    level = np.zeros(n_steps + 1, np.int64)
    over = 0
    for i, event in enumerate(calls):
        kw = max(abs(signal.value) for signal in event.signals)
        is_level = event.signals[0].payload == "SIMPLE"
        for signal in event.signals:
            share = signal.value / SIMPLE_LEVELS if is_level else abs(signal.value) / max(kw, 1e-9)
            level[_steps(event, signal.start, signal.end, clock, scenario)] = round(share * MICRO)
        whole = _steps(event, event.signals[0].start, event.signals[-1].end, clock, scenario)
        begin, end = int(whole.start), int(whole.stop)
        if not over < begin < end:
            raise ValueError(
                f"{config.file}: event {event.name} runs from step {begin} to {end}, expected at least an interval of "
                f"{scenario.step_min} min, and one after step {over}, where the event before ends or the episode begins"
            )
        gate, known = max(begin - n_notice, over), max(begin - round(config.ahead_h / step_h), 0)
        need = config.need_kw[1] if is_level else kw
        table[i] = gate, begin, end, round(need * step_h * MICRO), min(known, gate)
        over = end
    return table, level


def _steps(event: Event, start: datetime, end: datetime, clock: _Clock, scenario: Scenario) -> slice:
    """Steps of an episode between two times, which are rounded to whole ones."""
    begin_h = clock.hours(start)
    end_h = begin_h + hours_from(end, start)
    first, last = (round(hours / scenario.step_h) for hours in (begin_h, end_h))
    if last > scenario.n_steps:
        raise ValueError(
            f"{scenario.call.file}: event {event.name} ends {end_h:g} h after the beginning "
            f"of the episode that holds the first event, expected at most its {scenario.hours:g} h"
        )
    return slice(first, last)


def _extra(prices: list[Event], clock: _Clock, scenario: Scenario, retail_ucur: Array) -> NDArray[np.int64]:
    """[n_envs, n_steps + 1] what price events add to the retail price, so that it is theirs."""
    extra = np.zeros((len(retail_ucur), scenario.n_steps + 1), np.int64)
    for event in prices:
        for signal in event.signals:
            steps = _steps(event, signal.start, signal.end, clock, scenario)
            extra[:, steps] = round(signal.value * MICRO) - retail_ucur[:, steps]
    return extra


@lru_cache(maxsize=8)
def _events_of(path: str) -> tuple[Event, ...]:
    return read_events(path)


class _Clock(NamedTuple):
    """The local clock of a community, read from the beginning of an episode on."""

    zone: tzinfo
    origin: datetime  # what it shows when the episode begins

    def hours(self, time: datetime) -> float:
        """Hours that it has gone on from the beginning of the episode to a time."""
        return hours_from(time.astimezone(self.zone).replace(tzinfo=None), self.origin)


def _clock(start_h: float, first: datetime, timezone: str | None) -> _Clock:
    """The clock of the episode that begins, when it shows ``start_h``, last before a time or at it."""
    zone = UTC if timezone is None else zone_of(timezone)
    shown = first.astimezone(zone).replace(tzinfo=None)
    origin = shown.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(hours=start_h)
    return _Clock(zone, origin if origin <= shown else origin - timedelta(days=1))


@lru_cache(maxsize=8)
def _limit(path: str, start_h: float, n_steps: int, step_h: float, timezone: str | None) -> NDArray[np.float64]:
    """[n_steps + 1] composite schedule of the episode that begins last before the first time that profiles name."""
    profiles = read_profiles(path)
    starts = [p.start for p in profiles if p.start is not None]
    clock = _clock(start_h, min(starts) if starts else _NEVER, timezone)
    origin = clock.origin.replace(tzinfo=clock.zone).astimezone(UTC)
    return np.minimum(composite_kw(profiles, origin, n_steps + 1, step_h), _ENDLESS_KW)
