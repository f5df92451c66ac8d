"""A tariff of interval markets as a design, so that metered series can be billed under it."""

from __future__ import annotations

from itertools import pairwise

from gridbazaar.market.charge import Charge, Window
from gridbazaar.market.design import Design
from gridbazaar.market.tariff import Tariff
from gridbazaar.market.tariff import Window as Added

NO_CURRENCY = "XXX"
"""Of ISO 4217: a tariff's amounts are in the currency of whoever plays it."""
_DAY_H = 24.0


def as_design(tariff: Tariff, currency: str = NO_CURRENCY, tz: str = "Etc/UTC") -> Design:
    """Write a tariff as a design: windows that overlap are added up, a neighbour's kWh bears its local charges.

    A row is priced by its beginning, where the tariff prices a step by the share of it that lies in a window; on steps
    that begin with the windows both are the same.
    """
    charges = [
        Charge(
            "retail", "retailer", cur_per_kwh=tariff.energy_cur_per_kwh, spot_factor=tariff.spot_factor,
            windows=_windows(tariff.windows),
        ),
        Charge(
            "retail", "retailer", flow="export", cur_per_kwh=tariff.export_cur_per_kwh,
            spot_factor=tariff.export_spot_factor,
        ),
        _local("network", "network_operator", tariff.network_cur_per_kwh, tariff.local_network_cur_per_kwh),
        _local("tax", "state", tariff.tax_cur_per_kwh, tariff.local_tax_cur_per_kwh),
        Charge("fixed", "retailer", cur_per_day=tariff.fixed_cur_per_day),
    ]  # fmt: skip
    return Design(
        name=tariff.name, title=tariff.title, region="", year=None, currency=currency, tz=tz,
        source=f"the tariff {tariff.name} of interval markets", charges=tuple(charges),
    )  # fmt: skip


def _local(line: str, to: str, full: float, local: float) -> Charge:
    """A charge whose share on a local kWh is that of the tariff, whatever the distance."""
    if local > full:
        raise ValueError(
            f"{line}: a local kWh bears {local:g}, more than the {full:g} of one from the retailer; designs say shares"
        )
    share = local / full if full else 1.0
    return Charge(
        line, to, cur_per_kwh=full, local=dict.fromkeys(("building", "transformer", "feeder", "other"), share)
    )


def _windows(added: tuple[Added, ...]) -> tuple[Window, ...]:
    """Part each sort of day where a window opens or closes, and add up what is open."""
    edges = sorted({0.0, _DAY_H, *(hour for window in added for hour in (window.from_h, window.to_h))})
    found = []
    for days, is_weekend in (("weekday", False), ("weekend", True)):
        for low, high in pairwise(edges):
            total = sum(w.add_cur_per_kwh for w in added if _is_open(w, low, is_weekend))
            if total:
                found.append(Window(low, high, days=days, add_cur_per_kwh=total))
    return tuple(found)


def _is_open(window: Added, hour: float, is_weekend: bool) -> bool:
    after, before = hour >= window.from_h, hour < window.to_h
    within = after and before if window.from_h < window.to_h else after or before
    return within and (window.weekends if is_weekend else window.weekdays)
