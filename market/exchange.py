"""Amounts of money in tariffs: all of them times a factor, and designs in another currency at a stated rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from gridbazaar.data.bounds import MOST_PRICE
from gridbazaar.market.charge import Charge, Window
from gridbazaar.market.design import Cer, Design, Maximum, Minimum, Netting, Premium

Held = TypeVar("Held", Charge, Window, Netting, Minimum, Maximum, Premium, Cer)

PRICES = (
    "cur_per_kwh", "cap_cur_per_kwh", "floor_cur_per_kwh", "tier_cur_per_kwh", "lump_cur_per_year",
    "cur_per_kw_month", "cur_per_kw_year", "cur_per_kw_day", "tier_cur_per_kw_month", "step_cur_per_month",
)  # fmt: skip
"""Amounts of a charge on energy or power; what follows the spot price has a factor of its own beside them."""
OF_TIME = ("cur_per_day", "cur_per_month", "cur_per_year", "by_label")
OF_WINDOWS = ("cur_per_kwh", "add_cur_per_kwh", "tier_cur_per_kwh")
_OF_CER = ("base", "slope_to", "cap", "add")


def in_currency(design: Design, currency: str, rate: float) -> Design:
    """Give a design in another currency.

    Args:
        design: as it is written. A price that follows the spot price does so as before: that is the market's where the
            design is played, in its currency.
        currency: three letters.
        rate: of one unit of the design's currency in that one.
    """
    charges = tuple(
        times(
            replace(charge, windows=tuple(times(window, OF_WINDOWS, rate) for window in charge.windows)),
            (*PRICES, *OF_TIME), rate,
        )
        for charge in design.charges
    )  # fmt: skip
    premium = design.premium
    if premium is not None:
        premium = times(premium, ("cur_per_kwh",), rate)
        premium = replace(premium, cer=None if premium.cer is None else times(premium.cer, _OF_CER, rate))
    minimum, maximum = design.minimum, design.maximum
    return replace(
        design, currency=currency, charges=charges, premium=premium,
        netting=times(design.netting, ("true_up_cur_per_kwh",), rate),
        minimum=None if minimum is None else times(minimum, ("cur_per_month", "cur_per_year"), rate),
        maximum=None if maximum is None else times(maximum, ("cur_per_kwh", "cur_per_year"), rate),
        tables={name: tuple(price * rate for price in prices) for name, prices in design.tables.items()},
        note=f"{design.note} Amounts in {currency}, at {rate:g} for one {design.currency}.".strip(),
    )  # fmt: skip


def charge_times(charge: Charge, factor: float) -> Charge:
    """Give a charge on energy or power times a factor, what follows the spot price too.

    Raises:
        ValueError: it is read from a table of prices, which others may share.
    """
    if charge.table_cur_per_kwh and factor != 1.0:
        raise ValueError(
            f"table_cur_per_kwh: a {charge.line} line read from the table {charge.table_cur_per_kwh} has no factor"
        )
    windows = tuple(times(window, OF_WINDOWS, factor) for window in charge.windows)
    return times(replace(charge, windows=windows), (*PRICES, "spot_factor"), factor)


def times(held: Held, names: Iterable[str], factor: float) -> Held:
    """Give it with every one of these amounts that is given times a factor."""
    found: dict[str, Any] = {}
    for name in names:
        value = getattr(held, name)
        if value:
            found[name] = _times(value, factor)
    return replace(held, **found)


def _times(value: Any, factor: float) -> Any:
    if isinstance(value, Mapping):
        return {name: amount * factor for name, amount in value.items()}
    if isinstance(value, tuple):
        return tuple(amount * factor for amount in value)
    return value if value == MOST_PRICE else value * factor  # which stands for no limit
