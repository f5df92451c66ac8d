"""How far each way of forecasting errs, on generated or on measured series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.bank import HISTORY_DAYS, Bank
from gridbazaar.data.forecast.forecast import WAYS, forecast_by
from gridbazaar.data.generator import GeneratorConfig, make_bank
from gridbazaar.data.loaders.load import load_bank

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ForecastCard:
    """Root mean square errors of one way over the mean of the series, after the days that no episode plays."""

    way: str
    horizon: str  # next: of the coming step; outlook: a day ahead
    load: tuple[float, float, float]  # of single homes: mean, least, most
    pv: float  # of the mean roof
    wind: float | None  # where the data have wind


def measure_forecasts(bank: Bank, ways: Sequence[str] = WAYS) -> list[ForecastCard]:
    """Measure forecasts of a bank."""
    cards = []
    for way in ways:
        found = forecast_by(bank, way)
        for horizon in ("next", "outlook"):
            load = _errors(getattr(found, f"load_{horizon}_kw"), bank.load_kw, bank)
            pv = _errors(getattr(found, f"pv_{horizon}_kw_per_kwp"), bank.pv_kw_per_kwp, bank)
            wind: float | None = None
            if bank.wind_m_per_s is not None:
                of_wind = getattr(found, f"wind_{horizon}_m_per_s")
                wind = float(_errors(of_wind[None], bank.wind_m_per_s[None], bank)[0])
            cards.append(
                ForecastCard(
                    way=way,
                    horizon=horizon,
                    load=(float(load.mean()), float(load.min()), float(load.max())),
                    pv=float(pv.mean()),
                    wind=wind,
                )
            )
    return cards


def bank_to_measure(data: Path | None, step_min: int, seed: int) -> Bank:
    """Give the series of a folder or file, or else those of the generator."""
    if data is None:
        return make_bank(GeneratorConfig(master=seed, step_min=step_min, n_cars=1))
    return load_bank(str(data), step_min=step_min, master=seed, n_cars=1)


def card_row(card: ForecastCard) -> tuple[str, ...]:
    """Give a card as text: errors in percent."""
    load = f"{100 * card.load[0]:.0f} ({100 * card.load[1]:.0f} to {100 * card.load[2]:.0f})"
    wind = "" if card.wind is None else f"{100 * card.wind:.0f}"
    return card.way, card.horizon, load, f"{100 * card.pv:.0f}", wind


def _errors(forecast: Floats, truth: Floats, bank: Bank) -> Floats:
    """[n] root mean square error over the mean."""
    past = HISTORY_DAYS * bank.steps_per_day
    error, truth = (forecast - truth)[:, past:], truth[:, past:]
    return np.asarray(np.sqrt((error**2).mean(axis=1)) / truth.mean(axis=1))
