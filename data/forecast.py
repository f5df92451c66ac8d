"""Forecasts from past data only, the same for generated and for measured series.

What the day before knows (*outlook*) uses data at least 24 hours older than the step: at step *t* the outlook of the
steps *t* to *t* plus a day less one step is known. What the step before knows (*next*) uses everything earlier.
Where there is no past at all, on the first day, a forecast is zero.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.bank import Bank

Floats = NDArray[np.float64]

_DAY_WEIGHTS = (0.22, 0.13, 0.11, 0.11, 0.11, 0.12, 0.20)  # yesterday ... the same weekday a week ago
_ENVELOPE_DAYS = 14
_CLEARNESS_DAYS = 5
_RECENT_H = 1.5  # how far back the sky of now is looked at
_TRUST_KWH = 0.05  # kWh/kWp that the usual sky weighs against the recent one
_PHI_PER_H = 0.55  # how much of a deviation is left an hour later


def add_forecasts(bank: Bank) -> Bank:
    """Give the bank with its four forecast series made anew from its loads and its PV."""
    per_day, step_h = bank.steps_per_day, bank.step_h
    load_outlook = outlook_load(bank.load_kw, per_day)
    pv_outlook, envelope, clearness = _outlook_pv(bank.pv_kw_per_kwp, per_day)
    return replace(
        bank,
        load_outlook_kw=load_outlook,
        load_next_kw=next_load(bank.load_kw, load_outlook, step_h),
        pv_outlook_kw_per_kwp=pv_outlook,
        pv_next_kw_per_kwp=_next_pv(bank.pv_kw_per_kwp, envelope, clearness, step_h),
    )


def outlook_load(load_kw: Floats, per_day: int) -> Floats:
    """Forecast a load a day ahead: the weighted mean of the same step on the seven days before.

    Args:
        load_kw: [n_homes, n_steps]
        per_day: steps a day.

    Returns:
        [n_homes, n_steps] kW; with fewer than seven days of past the mean of what there is.
    """
    n_steps = load_kw.shape[1]
    total = np.zeros_like(load_kw)
    weight = np.zeros(n_steps)
    for day, share in enumerate(_DAY_WEIGHTS, start=1):
        lag = day * per_day
        if lag < n_steps:
            total[:, lag:] += share * load_kw[:, :-lag]
            weight[lag:] += share
    total /= np.maximum(weight, 1e-9)
    return total


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
