"""Three places rebuilt from published figures, and what is measured of each beside what was published.

What the sources say, what is assumed and why the two differ stands on the pages of ``docs/studies``; the numbers there
are written by ``gridbazaar study NAME --write docs``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gridbazaar.experiments.studies.place import Lived, variants
from gridbazaar.experiments.studies.result import number

Row = tuple[str, str, Callable[[Lived], str]]
"""A figure: its name, what was published (with its unit), and ours."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place: changes of its scenario to be played, by name, the one that was published first."""

    title: str
    changes: Mapping[str, Mapping[str, Any]]
    rows: Sequence[Row]


def _percent(pick: Callable[[Lived], float]) -> Callable[[Lived], str]:
    return lambda lived: f"{number(100 * pick(lived), 0)} %"


def _prices(unit: float, name: str, digits: int) -> Callable[[Lived], str]:
    def words(lived: Lived) -> str:
        if not lived.local_kwh:
            return "no trade"
        low, mean, high = (f"{unit * x:.{digits}f}" for x in (lived.price_low, lived.price_mean, lived.price_high))
        return f"{low} to {high}, mean {mean} {name}"

    return words


def _money(pick: Callable[[Lived], float], unit: str) -> Callable[[Lived], str]:
    return lambda lived: f"{pick(lived):.2f} {unit}"


def _kwh(pick: Callable[[Lived], float]) -> Callable[[Lived], str]:
    return lambda lived: f"{pick(lived):.0f} kWh"


_NOBODY = {"bids": [0.0], "asks": [1.0]}
_AT_THE_GATE_CUR_PER_KWH, _FEED_IN_CUR_PER_KWH = 0.36, 0.08
"""Of the apartments: a tenth below the retail price of a flat, and feed-in."""
_MONTH_DAYS = 365 / 12


def _shared_battery(capacity_kwh: float) -> dict[str, Any]:
    """One battery on a meter of its own, which stores what the building would feed in and serves what it would buy."""
    return {"battery.count": 1, "battery.capacity_kwh": capacity_kwh}


def _landlord_cur(lived: Lived) -> float:
    """What is left to a landlord who sells to all flats and buys and sells at the gate, a day."""
    tenants = 30 * lived.no_pv_bill_cur
    return tenants - _AT_THE_GATE_CUR_PER_KWH * lived.gate_import_kwh + _FEED_IN_CUR_PER_KWH * lived.gate_export_kwh


_QUARTIERSTROM = Place(
    "Quartierstrom, Walenstadt",
    {
        "as published": {},
        "no market": {"mechanism_options": _NOBODY},
        "roofs on a third of the homes": {"prosumer.pv_share": 0.33, "prosumer.pv_kwp": [4.5, 10.3]},
        "no batteries": {"prosumer.battery_share": 0.0},
        "everybody takes any price": {"mechanism_options": {"pricing": "pair", "bids": [1.0], "asks": [0.0]}},
    },
    [
        ("sun over load", "about 55 % (33 over 60)", _percent(lambda x: x.pv_kwh / x.load_kwh)),
        ("of the sun, used where it is made", "25 to 40 %", _percent(lambda x: x.own_share)),
        ("of the sun, sold to neighbours", "20 to 30 %", _percent(lambda x: x.sold_share)),
        ("of the sun, used in the community", "about 60 %", _percent(lambda x: x.self_consumption)),
        ("of the load, covered by the community's sun", "33 %", _percent(lambda x: x.self_sufficiency)),
        ("of the load, covered by own sun alone", "about half of that", _percent(lambda x: x.alone)),
        ("price among neighbours", "4 to 20.75 Rp", _prices(100, "Rp", 1)),
        ("bill of a home without PV, a day", "not published", _money(lambda x: x.no_pv_bill_cur, "CHF")),
        ("bill of a home with PV, a day", "not published", _money(lambda x: x.has_pv_bill_cur, "CHF")),
    ],
)
_BROOKLYN = Place(
    "A microgrid market like Brooklyn's",
    {
        "sale at wholesale without the market": {},
        "net metering": {"tariff_options.export_cur_per_kwh": 0.22},
        "no grid fee among neighbours": {"tariff_options.local_network_cur_per_kwh": 0.0},
        "no market": {"mechanism_options": _NOBODY},
        "five of ten homes with sun": {"prosumer.count": 10, "prosumer.pv_share": 0.5},
    },
    [
        ("sun of all roofs, a month", "not published", _kwh(lambda x: x.pv_kwh * _MONTH_DAYS)),
        ("bought from neighbours, a month", "not published", _kwh(lambda x: x.local_kwh * _MONTH_DAYS)),
        ("by a home without PV, a month", "114 to 200 kWh (8 to 14 USD at 7 ct)",
         _kwh(lambda x: x.no_pv_local_kwh * _MONTH_DAYS)),
        ("price", "7 ct, on top of the bill", _prices(100, "ct", 1)),
        ("of the sun, used in the community", "not published", _percent(lambda x: x.self_consumption)),
        ("of the load, covered by the community's sun", "not published", _percent(lambda x: x.self_sufficiency)),
        ("bill of a home without PV, a month", "about 75 USD in New York",
         _money(lambda x: x.no_pv_bill_cur * _MONTH_DAYS, "USD")),
        ("bill of a home with PV, a month", "not published", _money(lambda x: x.has_pv_bill_cur * _MONTH_DAYS, "USD")),
    ],
)  # fmt: skip
_APARTMENTS = Place(
    "An apartment building with a shared roof",
    {
        "dynamic keys": {},
        "static keys": {"mechanism_options.method": "static"},
        "hybrid keys": {"mechanism_options.method": "hybrid"},
        "a slice of the roof behind each meter": {
            "roof.pv_share": 0.0, "prosumer.pv_share": 1.0, "prosumer.pv_kwp": 1.0,
        },
        "flats get none of it": {"mechanism_options": {"method": "static", "keys": [0.0] * 30 + [1.0]}},
        "dynamic keys, a shared battery of 30 kWh": _shared_battery(30.0),
        "a slice and 1 kWh behind each meter": {
            "roof.pv_share": 0.0, "prosumer.pv_share": 1.0, "prosumer.pv_kwp": 1.0,
            "prosumer.battery_share": 1.0, "prosumer.battery_kwh": 1.0,
        },
        "dynamic keys, a roof of 90 kWp and 180 kWh": {"roof.pv_kwp": 90.0, **_shared_battery(180.0)},
    },
    [
        ("of the sun, used behind the meter that made it", "less than together", _percent(lambda x: x.own_share)),
        ("of the sun, used in the building", "more together than apart", _percent(lambda x: x.self_consumption)),
        ("of the load, covered by the roof", "over 60 % with batteries", _percent(lambda x: x.self_sufficiency)),
        ("bill of all flats, roof and battery, a flat and year", "gain of up to 90 EUR a building",
         _money(lambda x: x.bills_cur * 365 / 30, "EUR")),
        ("bill of a flat, a year", "not published",
         lambda x: f"{(x.no_pv_bill_cur or x.has_pv_bill_cur) * 365:.0f} EUR"),
        ("left to a landlord who is the retailer, a year", "not published",
         lambda x: f"{_landlord_cur(x) * 365:.0f} EUR" if x.no_pv_bill_cur else "no roof of his own"),
    ],
)  # fmt: skip
PLACES = {"quartierstrom": _QUARTIERSTROM, "brooklyn": _BROOKLYN, "apartments": _APARTMENTS}


def figures(name: str, weeks: int = 16, tick: Callable[[], None] | None = None) -> list[list[str]]:
    """Play a place and give its table: a head, then a row a figure, what was published beside each change of ours."""
    place = PLACES[name]
    lived = variants(name, place.changes, weeks, tick=tick)
    return [
        ["figure", "published", *lived],
        *([what, published, *(ours(x) for x in lived.values())] for what, published, ours in place.rows),
    ]
