"""What flowed in a community, and what its members pay for it on average."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridbazaar.market.orders import Clearing, Setting
from tests.reference import Book

KWH = 1_000_000
R, F = 300_000, 100_000


def community(fed_kwh: Sequence[float], drawn_kwh: Sequence[float], limit_cur: float = 0.0) -> Book:
    """A book of what members fed in, then of what others drew; each is an agent."""
    energy = [-round(kwh * KWH) for kwh in fed_kwh] + [round(kwh * KWH) for kwh in drawn_kwh]
    return Book(energy, [round(limit_cur * KWH)] * len(energy), list(range(len(energy))))


def retailer(n_envs: int = 1, upper: int = R, lower: int = F) -> Setting:
    """A retailer without limits of the connection."""
    return Setting(np.full(n_envs, upper), np.full(n_envs, lower))


def band(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """[n_envs] the retailer's import and export price."""
    assert setting.import_ucur_per_kwh is not None
    assert setting.export_ucur_per_kwh is not None
    return setting.import_ucur_per_kwh, setting.export_ucur_per_kwh


def bills_ucur(clearing: Clearing, setting: Setting) -> np.ndarray:
    """[n_envs, n_orders] what every order costs, with what the retailer takes or gives for the rest."""
    (upper, lower), outside = band(setting), clearing.outside_ukwh
    tariff = np.where(outside > 0, upper[:, None], lower[:, None])
    bills: np.ndarray = clearing.pay_ucur + outside * tariff / KWH
    return bills


def average_prices(clearing: Clearing, setting: Setting) -> tuple[float, float]:
    """What a kWh earns sellers and costs buyers in the first row, per kWh; NaN where there are none."""
    bill, flowed = bills_ucur(clearing, setting)[0], clearing.filled_ukwh[0]
    with np.errstate(invalid="ignore"):
        sell, buy = (
            float(bill[side].sum() * KWH / np.float64(flowed[side].sum())) for side in (flowed < 0, flowed > 0)
        )
    return sell, buy
