"""The signal of a design: what a kWh costs and earns in an interval, for devices that answer prices as they come.

What hangs on a whole month or on other bills becomes a price: under netting by month and year export earns what netting
credits it with, a levy is a part of the price that it is on. What no kWh moves is left out: lump sums, limits of the
whole bill, premiums of a community, relief of what goes back, meters of their own. The bill is always ``bill`` of the
design itself; the signal is no bill. Charges on power stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gridbazaar.market.charge import Charge
from gridbazaar.market.design import Design, Netting, Vat
from gridbazaar.market.exchange import charge_times

_LINES = ("retail", "network", "tax")
_PRICED = ("import", "export")


def signal_of(design: Design, *, at_least: bool = False) -> Design:
    """Give a design of prices by the interval that devices answer.

    Args:
        design: what is billed.
        at_least: take the lowest price where tiers say what a kWh costs.

    Raises:
        ValueError: a price hangs on the month's energy; says which.
    """
    energy = [charge for charge in design.charges if charge.sort == "energy" and _is_answered(charge)]
    energy = [_at_least(charge) if at_least and charge.tiers_kwh else charge for charge in energy]
    for charge in energy:
        _check(charge, design)
    energy += list(_levied(design, energy))
    energy = [charge for one in energy for charge in _netted(one, design.netting)]
    others = [replace(charge, shared_by="none") for charge in design.charges if charge.sort in ("power", "time")]
    return replace(
        design, charges=(*energy, *others), netting=Netting("none" if design.netting.period == "none" else "interval"),
        minimum=None, maximum=None, premium=None, sharing=None, vat=Vat(design.vat.rate),
    )  # fmt: skip


def _at_least(charge: Charge) -> Charge:
    """Give it with its lowest tier alone."""
    usual = min(charge.tier_cur_per_kwh)
    windows = tuple(
        replace(w, cur_per_kwh=min(w.tier_cur_per_kwh), tier_cur_per_kwh=()) if w.tier_cur_per_kwh else w
        for w in charge.windows
    )
    return replace(charge, cur_per_kwh=usual, windows=windows, tiers_kwh=(), tier_cur_per_kwh=())


def _is_answered(charge: Charge) -> bool:
    return charge.flow in _PRICED and charge.meter != "controllable"


def _check(charge: Charge, design: Design) -> None:
    has_free = any(window.free_kwh_per_month for window in charge.windows) and charge.flow == "import"
    if charge.tiers_kwh or has_free or (charge.spot_factor and charge.spot_average != "interval"):
        what = "tiers" if charge.tiers_kwh else "free kWh" if has_free else "a mean spot price of the month"
        raise ValueError(
            f"design {design.name}: {charge.line} has {what}, so no interval knows what a kWh costs; play it by the "
            "month ('gridbazaar compare --tariffs')"
        )


def _plain(charge: Charge) -> Charge:
    """Give it without what no kWh moves."""
    line = charge.line if charge.line in _LINES or charge.flow == "export" else "network"
    return replace(
        charge, line=line, meter="all", relief_reexport=False, lump_kwh=0.0, lump_frac=0.0, lump_cur_per_year=0.0
    )


def _levied(design: Design, energy: list[Charge]) -> Iterator[Charge]:
    """Levies on the lines of energy, as prices of their own."""
    for levy in design.charges:
        if levy.sort != "levy":
            continue
        for charge in energy:
            if charge.line in levy.of_lines:
                line = levy.line if charge.flow == "import" else charge.line
                yield replace(
                    charge_times(charge, levy.frac),
                    line=line,
                    to=levy.to,
                    vat=levy.vat,
                    vat_rate=levy.vat_rate,
                    lump_kwh=0.0,
                )


def _netted(charge: Charge, netting: Netting) -> Iterator[Charge]:
    """Give a charge, and what export earns by it."""
    plain = _plain(charge)
    if not charge.nets or netting.period not in ("month", "year"):
        yield plain
        return
    share = 1.0 if netting.in_money or netting.rollover == "kwh" else netting.share
    if charge.flow == "import":
        yield plain
        if share:
            yield replace(charge_times(plain, share), flow="export", local={})
    elif share < 1.0:
        yield charge_times(plain, 1.0 - share)
