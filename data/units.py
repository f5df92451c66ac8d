"""Units and the two gates through which power becomes integers of the market.

Inside the project: kW, kWh, hours, the scenario's currency, per unit. The market, bills and the ledger count
micro-kWh (``_ukwh``), micro-units of the currency (``_ucur``) and micro-units per kWh (``_ucur_per_kwh``), int64.
"""

from __future__ import annotations

from gridbazaar.data.arrays import Array, namespace

MICRO = 1_000_000
YEAR_H = 8766.0
"""Hours of a mean year."""

FAR = 2**62
"""Beyond every limit, energy and sort key of the market, and half of what int64 holds."""


def to_micro(x: Array) -> Array:
    """Round kWh, currency or currency per kWh (float) to the nearest micro-unit (int64)."""
    xp = namespace(x)
    return xp.astype(xp.rint(x * MICRO), xp.int64)


def to_micro_towards_zero(x: Array) -> Array:
    """Cut to whole micro-units, so that a limit on ``abs(x)`` still holds afterwards (to 1e-9).

    The thousandth of a micro-unit lets an integer that became a float on the way come back as itself.
    """
    xp = namespace(x)
    whole = xp.floor(xp.abs(x) * MICRO + 1e-3)
    return xp.astype(xp.where(x < 0, -whole, whole), xp.int64)


def from_micro(x: Array) -> Array:
    """Give int64 micro-units as float kWh, currency or currency per kWh."""
    xp = namespace(x)
    return xp.astype(x, xp.float64) / MICRO


def energy_cost_ucur(energy_ukwh: Array, price_ucur_per_kwh: Array) -> Array:
    """Price energy: micro-kWh times micro-currency per kWh, as ``whole_ucur``."""
    return whole_ucur(energy_ukwh * price_ucur_per_kwh)


def whole_ucur(worth: Array) -> Array:
    """Round micro-kWh times micro-currency per kWh, int64, to the nearest micro-currency, ties to the even one.

    So what is paid is what is received with the other sign, and rounding favours neither who pays nor who receives.
    The product stays half a micro-unit of currency, 500,000, below what int64 holds.
    """
    is_odd = worth // MICRO & 1
    return (worth + (MICRO // 2 - 1) + is_odd) // MICRO
