"""Forecasts from past data only, the same for generated and for measured series.

What the day before knows (*outlook*) uses data at least 24 hours older than the step: at step *t* the outlook of the
steps *t* to *t* plus a day less one step is known. What the step before knows (*next*) uses everything earlier.

Four ways to make them. ``past``, the usual one: habits of the last week, corrected by what was just seen; where there
is no past at all, on the first day, it is zero. ``persistence``: the coming step is like the last one, tomorrow is like
today. ``ar``: a regression of each series on its own past, fitted at every midnight on the four weeks before.
``perfect``: what will be. The first day, which no episode plays, is to ``persistence`` and ``ar`` an ordinary one.

Loads follow the clock that people read: the same hour of the day before is meant, also where the clock was changed in
between. The sun and the wind know no clock, there it is 24 hours earlier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.bank import Bank
from gridbazaar.data.forecast.autoregression import regressed

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WAYS = ("past", "persistence", "ar", "perfect")
"""Ways to make forecasts, by name."""

_DAY_WEIGHTS = (0.22, 0.13, 0.11, 0.11, 0.11, 0.12, 0.20)  # yesterday ... the same weekday a week ago
_ENVELOPE_DAYS = 14
_CLEARNESS_DAYS = 5
_RECENT_H = 1.5  # how far back the sky of now is looked at
_TRUST_KWH = 0.05  # kWh/kWp that the usual sky weighs against the recent one
_PHI_PER_H = 0.55  # how much of a deviation is left an hour later

# An ordinary first day, where nothing was measured yet.
_LOAD_KW = 0.5
_PEAK_KW_PER_KWP = 0.5  # at noon, a sine from 6 to 18 h
_WIND_M_PER_S = 4.0


def add_forecasts(bank: Bank) -> Bank:
    """Give the bank with its forecast series made anew the usual way from its loads, its PV and its wind."""
    per_day, step_h = bank.steps_per_day, bank.step_h
    load_outlook = usual(bank.load_kw, _by_clock(bank))
    pv_outlook, envelope, clearness = _outlook_pv(bank.pv_kw_per_kwp, per_day)
    wind_next, wind_outlook = _wind(bank, _next_wind, _outlook_wind)
    return replace(
        bank,
        load_outlook_kw=load_outlook,
        load_next_kw=next_load(bank.load_kw, load_outlook, step_h),
        pv_outlook_kw_per_kwp=pv_outlook,
        pv_next_kw_per_kwp=_next_pv(bank.pv_kw_per_kwp, envelope, clearness, step_h),
        wind_next_m_per_s=wind_next,
        wind_outlook_m_per_s=wind_outlook,
    )


def forecast_by(bank: Bank, way: str) -> Bank:
    """Give the bank with its forecast series made one of the four ways.

    Args:
        bank: with the usual forecasts, as ``add_forecasts`` gives it.
        way: one of ``WAYS``.
    """
    if way == "past":
        return bank
    if way == "perfect":
        return replace(
            bank,
            load_next_kw=bank.load_kw, load_outlook_kw=bank.load_kw,
            pv_next_kw_per_kwp=bank.pv_kw_per_kwp, pv_outlook_kw_per_kwp=bank.pv_kw_per_kwp,
            wind_next_m_per_s=bank.wind_m_per_s, wind_outlook_m_per_s=bank.wind_m_per_s,
        )  # fmt: skip
    if way not in WAYS:
        raise ValueError(f"forecast: expected one of {', '.join(WAYS)}, got {way!r}")
    makes = {"persistence": (_last, _yesterday), "ar": (_next_by_fit, _outlook_by_fit)}[way]
    per_day, by_clock = bank.steps_per_day, _by_clock(bank)
    load = _Past(_day_of(per_day, "load"), np.where(by_clock[0] >= 0, by_clock[0], by_clock[1]))
    yesterday = _by_time(bank.load_kw.shape[1], per_day)[0]
    sun, wind = _Past(_day_of(per_day, "sun"), yesterday), _Past(_day_of(per_day, "wind"), yesterday)
    loads = [make(bank.load_kw, bank.load_outlook_kw, load, True) for make in makes]
    pvs = [make(bank.pv_kw_per_kwp, bank.pv_outlook_kw_per_kwp, sun, False) for make in makes]
    wind_next, wind_outlook = _wind(
        bank, *(lambda x, day, m=make: m(x, _outlook_wind(x, day), wind, True) for make in makes)
    )
    return replace(
        bank,
        load_next_kw=loads[0], load_outlook_kw=loads[1], pv_next_kw_per_kwp=pvs[0], pv_outlook_kw_per_kwp=pvs[1],
        wind_next_m_per_s=wind_next, wind_outlook_m_per_s=wind_outlook,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Past:
    """What the days before say of a series."""

    ordinary: Floats  # [per_day] a day, for want of any past
    yesterday: Ints  # [n_steps] step that stands for the day before, known 24 hours ahead; -1: none


def _by_clock(bank: Bank) -> list[Ints]:
    """[7] x [n_steps] step of the same local time 1 to 7 days before; -1 where there is none at least 24 hours old."""
    calendar, steps = bank.calendar, np.arange(bank.load_kw.shape[1])
    before = [calendar.same_clock(days) for days in range(1, len(_DAY_WEIGHTS) + 1)]
    return [np.where(steps - step >= bank.steps_per_day, step, -1) for step in before]


def _by_time(n_steps: int, per_day: int) -> list[Ints]:
    """[7] x [n_steps] step 1 to 7 times 24 hours before; -1 where there is none."""
    return [np.maximum(np.arange(n_steps) - days * per_day, -1) for days in range(1, len(_DAY_WEIGHTS) + 1)]


def _day_of(per_day: int, what: str) -> Floats:
    """[per_day] an ordinary day, for want of any past."""
    hour = (np.arange(per_day) + 0.5) * 24 / per_day
    if what == "sun":
        return np.maximum(_PEAK_KW_PER_KWP * np.sin((hour - 6.0) * np.pi / 12.0), 0.0)
    return np.full(per_day, {"load": _LOAD_KW, "wind": _WIND_M_PER_S}[what])


def _last(series: Floats, habit: Floats, past: _Past, is_level: bool) -> Floats:
    """Forecast the coming step: the last value."""
    return np.concatenate([np.full((len(series), 1), past.ordinary[0]), series[:, :-1]], axis=1)


def _yesterday(series: Floats, habit: Floats, past: _Past, is_level: bool) -> Floats:
    """Forecast a day ahead: the same step of the day before."""
    ordinary = past.ordinary[np.arange(series.shape[1]) % len(past.ordinary)]
    return np.where(past.yesterday >= 0, series[:, past.yesterday], ordinary)


def _next_by_fit(series: Floats, habit: Floats, past: _Past, is_level: bool) -> Floats:
    """Forecast the coming step from the last two values, the habit of the step and that of the step before.

    Args:
        series: [n, n_steps].
        habit: [n, n_steps] its usual outlook.
        past: what stands for the days before.
        is_level: whether the fit has a constant; the sun's has none, so that nights stay dark.
    """
    last, day = _last(series, habit, past, is_level), past.ordinary
    known = np.concatenate([np.broadcast_to(day, (len(series), len(day))), habit[:, len(day) :]], axis=1)
    terms = [last, _shifted(last), known, _shifted(known)]
    forecast, first = regressed(series, _with_level(terms, is_level), len(day), 0)
    forecast[:, :first] = last[:, :first]
    return np.maximum(forecast, 0.0)


def _outlook_by_fit(series: Floats, habit: Floats, past: _Past, is_level: bool) -> Floats:
    """Forecast a day ahead from the same step of the day before and the habit of the step."""
    yesterday, per_day = _yesterday(series, habit, past, is_level), len(past.ordinary)
    known = np.concatenate([yesterday[:, :per_day], habit[:, per_day:]], axis=1)
    forecast, first = regressed(series, _with_level([yesterday, known], is_level), per_day, 1)
    forecast[:, :first] = yesterday[:, :first]
    return np.maximum(forecast, 0.0)


def _with_level(terms: list[Floats], is_level: bool) -> list[Floats]:
    return [*terms, np.ones_like(terms[0])] if is_level else terms


def _shifted(series: Floats) -> Floats:
    """[n, n_steps] the value of the step before; the first one twice."""
    return np.concatenate([series[:, :1], series[:, :-1]], axis=1)


def _wind(
    bank: Bank, make_next: Callable[[Floats, Floats], Floats], make_outlook: Callable[[Floats, Floats], Floats]
) -> tuple[Floats | None, Floats | None]:
    """Forecast the bank's one series of wind both ways; none where it has none."""
    if bank.wind_m_per_s is None:
        return None, None
    series, day = bank.wind_m_per_s[None], _day_of(bank.steps_per_day, "wind")
    return make_next(series, day)[0], make_outlook(series, day)[0]


def _next_wind(series: Floats, day: Floats) -> Floats:
    """Forecast the wind of the coming step: the last one, which is hard to beat within an hour."""
    return _last(series, series, _Past(day, np.zeros(0, np.int64)), True)


def _outlook_wind(series: Floats, day: Floats) -> Floats:
    """Forecast the wind a day ahead: the cubic mean of the same step in the last week, as power goes with the cube."""
    n_steps = series.shape[1]
    found: Floats = np.cbrt(usual(series**3, _by_time(n_steps, len(day))))
    found[:, : len(day)] = day[:n_steps]
    return found


def usual(series: Floats, before: Sequence[Ints]) -> Floats:
    """Forecast a day ahead: the weighted mean of the same step on the seven days before.

    Args:
        series: [n, n_steps]
        before: [n_steps] each, the step that stands for it on each of those days; -1: none.

    Returns:
        [n, n_steps]; with fewer than seven days known the mean of those.
    """
    total = np.zeros_like(series)
    weight = np.zeros(series.shape[1])
    for step, share in zip(before, _DAY_WEIGHTS, strict=True):
        known = np.flatnonzero(step >= 0)
        for at in _runs(known, step[known]):
            total[:, at] += share * series[:, step[at.start] : step[at.start] + at.stop - at.start]
            weight[at] += share
    total /= np.maximum(weight, 1e-9)
    return total


def _runs(steps: Ints, before: Ints) -> list[slice]:
    """Cut rising steps where they, or those that stand for them, do not follow one another."""
    if not len(steps):
        return []
    cuts = np.flatnonzero((np.diff(steps) != 1) | (np.diff(before) != 1)) + 1
    return [slice(int(part[0]), int(part[-1]) + 1) for part in np.split(steps, cuts)]


def next_load(load_kw: Floats, outlook_kw: Floats, step_h: float) -> Floats:
    """Forecast the load of the coming step: the outlook, corrected by a part of its last error, at least zero."""
    kept = _PHI_PER_H ** min(step_h, 1.0)
    forecast = outlook_kw.copy()
    forecast[:, 1:] += kept * (load_kw[:, :-1] - outlook_kw[:, :-1])
    return np.maximum(forecast, 0.0, out=forecast)


def _outlook_pv(pv: Floats, per_day: int) -> tuple[Floats, Floats, Floats]:
    """Forecast PV a day ahead.

    Returns:
        Outlook, clear-sky envelope (the highest of the same step on the 14 days before) and usual clearness, each
        [n_roofs, n_steps].
    """
    n_steps = pv.shape[1]
    envelope = np.zeros_like(pv)
    for day in range(1, _ENVELOPE_DAYS + 1):
        lag = day * per_day
        if lag < n_steps:
            np.maximum(envelope[:, lag:], pv[:, :-lag], out=envelope[:, lag:])
    window = _CLEARNESS_DAYS * per_day
    got, possible = _trailing_sum(pv, window, per_day), _trailing_sum(envelope, window, per_day)
    known = possible > 1e-6
    clearness = np.where(known, np.minimum(got / np.where(known, possible, 1.0), 1.0), 1.0)
    return envelope * clearness, envelope, clearness


def _next_pv(pv: Floats, envelope: Floats, clearness: Floats, step_h: float) -> Floats:
    """Forecast the PV of the coming step: the envelope times the clearness of the last hours."""
    window = max(1, round(_RECENT_H / step_h))
    trust = _TRUST_KWH / step_h
    got, possible = _trailing_sum(pv, window, 1), _trailing_sum(envelope, window, 1)
    recent = (got + trust * clearness) / (possible + trust)
    return envelope * np.clip(recent, 0.0, 1.3)


def _trailing_sum(series: Floats, window: int, delay: int) -> Floats:
    """Sum over the ``window`` steps that end ``delay`` steps before each: [..., n_steps]."""
    n_steps = series.shape[1]
    sums = np.zeros((series.shape[0], n_steps + 1))
    np.cumsum(series, axis=1, out=sums[:, 1:])
    end = np.maximum(np.arange(n_steps) - delay + 1, 0)
    start = np.maximum(end - window, 0)
    trailing: Floats = np.maximum(sums[:, end] - sums[:, start], 0.0)
    return trailing
