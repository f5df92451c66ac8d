"""Certificates and rights: what a metered kWh may claim, once.

A reading of generation gives its account a claim of as many micro-kWh. ``mint`` spends the whole claim for renewable
certificates (a micro-kWh each) or carbon credits (milligrams of CO2, by the factor that the asset entry states), never
both. ``retire`` burns them for a beneficiary: nothing leaves the account ``retired``. A delivery right is one of its
kind: node, interval, serial number.
"""

from __future__ import annotations

from collections.abc import Callable

from gridbazaar.data.units import MICRO
from gridbazaar.market.ledger.books.entries import Refused, asset_class
from gridbazaar.market.ledger.books.holdings import Holdings
from gridbazaar.market.ledger.log.canonical import Entry


def minted(certificate: str, energy_ukwh: int, factor_mg_per_kwh: int) -> int:
    """Give how many units a claim mints: micro-kWh of ``rec``, or whole milligrams of ``co2``."""
    return energy_ukwh if certificate == "rec" else energy_ukwh * factor_mg_per_kwh // MICRO


def _mint(holdings: Holdings, interval: int, entry: Entry) -> None:
    known, certificate = holdings.known, entry["certificate"]
    reading = known.generated.get(entry["reading"])
    if reading is None:
        raise Refused(f"reading is {entry['reading']!r}, expected the txid of a reading with generation")
    meter, vintage, energy = reading
    if (entry["meter"], entry["vintage"], entry["energy_ukwh"]) != reading:
        came = f"{entry['energy_ukwh']} of {entry['meter']!r} in {entry['vintage']}"
        raise Refused(f"energy_ukwh is {came}, expected {energy} of {meter!r} in {vintage}, the whole reading")
    if certificate not in known.assets:
        raise Refused(f"certificate is {certificate!r}, expected an asset that was declared")
    due = minted(certificate, energy, known.assets[certificate])
    if entry["amount"] != due:
        raise Refused(f"amount is {entry['amount']}, expected {due}")
    if not holdings.held(entry["account"], f"claim/{meter}/{vintage}"):
        raise Refused(f"reading is {entry['reading']!r}, which {entry['account']!r} has no claim to, or has spent it")


def _retire(holdings: Holdings, interval: int, entry: Entry) -> None:
    if asset_class(entry["asset"]) not in ("rec", "co2", "right"):
        raise Refused(f"asset is {entry['asset']!r}, expected a certificate or a right; others are not retired")


def _right(holdings: Holdings, interval: int, entry: Entry) -> None:
    if entry["vintage"] < interval:
        raise Refused(f"vintage is {entry['vintage']}, expected {interval} or later; that interval is over")
    if ("retired", asset := f"right/{entry['node']}/{entry['vintage']}/{entry['serial']}") in holdings.balances:
        raise Refused(f"serial is {entry['serial']}; {asset!r} was used already")


RULES: dict[str, Callable[[Holdings, int, Entry], None]] = {
    "mint": _mint,
    "retire": _retire,
    "right": _right,
}
