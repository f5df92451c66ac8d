"""Orders as people list them, ``(kwh, price)`` or ``(kwh, price, bidder)``: checked, then whole numbers."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gridbazaar.data.arrays import Array
from gridbazaar.data.units import MICRO, to_micro
from gridbazaar.market.orders import Setting

_LARGEST_WORTH = 2**62  # of energy times price in micro-units, so that no product overflows
_MOST = 1e12
"""No quantity or price is larger in amount: in millionths of it, it would not fit into 64 bits."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for a whole book, in micro-currency per kWh."""

    import_ucur_per_kwh: int | None = None
    export_ucur_per_kwh: int | None = None
    tick_ucur_per_kwh: int | None = None
    cap_ucur_per_kwh: int | None = None
    floor_ucur_per_kwh: int | None = None

    @property
    def has_retailer(self) -> bool:
        return self.import_ucur_per_kwh is not None or self.export_ucur_per_kwh is not None

    def setting(self) -> Setting:
        """Make the setting of a batch of one."""
        prices = (self.import_ucur_per_kwh, self.export_ucur_per_kwh, self.tick_ucur_per_kwh)
        upper, lower, tick = (None if price is None else np.array([price], dtype=np.int64) for price in prices)
        return Setting(import_ucur_per_kwh=upper, export_ucur_per_kwh=lower, tick_ucur_per_kwh=tick)


class OrderList(NamedTuple):
    """Checked orders in a fixed order: by bidder, the nameless last, then by side, limit and energy.

    So nothing that follows depends on the order in which they were listed, save that of orders that are all alike.
    """

    energy_ukwh: Array  # [n_orders] int64, > 0 buys
    limit_ucur_per_kwh: Array  # [n_orders] int64
    agent: Array  # [n_orders] int64 number of the bidder; whoever has no name is a bidder of his own
    bidders: tuple[Hashable | None, ...]
    n_buys: int
    place: Array  # [n_orders] where each stood in the caller's lists, buys first

    def listed(self, values: Array) -> list[Any]:
        """Give values of these orders in the caller's order."""
        back: list[Any] = values[np.argsort(self.place)].tolist()
        return back


def read_terms(
    import_price: Any, export_price: Any, tick: Any, price_cap: Any, price_floor: Any
) -> tuple[Terms, list[str]]:
    """Check the prices of a book and say what is wrong with them."""
    given = {
        "import_price": import_price,
        "export_price": export_price,
        "tick": tick,
        "price_cap": price_cap,
        "price_floor": price_floor,
    }
    faults = [
        fault for name, value in given.items() if value is not None and (fault := number_fault(name, value, _MOST))
    ]
    if faults:
        return Terms(), faults
    terms = Terms(*(None if value is None else round(value * MICRO) for value in given.values()))
    if terms.tick_ucur_per_kwh is not None and not _is_grid(tick):
        faults.append(f"tick is {tick}, expected a positive multiple of a millionth")
        terms = Terms()
    cap, floor = terms.cap_ucur_per_kwh, terms.floor_ucur_per_kwh
    if cap is not None and floor is not None and cap < floor:
        faults.append(f"price_cap is {price_cap}, below price_floor, {price_floor}")
    return terms, faults


def _is_grid(tick: float) -> bool:
    return round(tick * MICRO) > 0 and math.isclose(round(tick * MICRO), tick * MICRO, rel_tol=1e-9)


def order_faults(name: str, entries: Sequence[Any], terms: Terms) -> list[str]:
    """Say what is wrong with each faulty order of a list, with its place."""
    found = ((i, entry, order_fault(entry) or limit_fault(entry[1], terms)) for i, entry in enumerate(entries))
    return [f"{name}[{i}] = {entry!r}: {fault}" for i, entry, fault in found if fault]


def order_fault(entry: Any) -> str | None:
    """Say what is wrong with an order, or None."""
    is_sequence = hasattr(entry, "__len__") and hasattr(entry, "__getitem__")
    if isinstance(entry, str | bytes | dict) or not is_sequence:
        return "is no tuple, expected (kwh, price) or (kwh, price, bidder)"
    if len(entry) not in (2, 3):
        return f"has {len(entry)} parts, expected (kwh, price) or (kwh, price, bidder)"
    for name, value in zip(("kwh", "price"), entry, strict=False):
        if fault := number_fault(name, value, _MOST):
            return fault
    if entry[0] < 0:
        return "kwh is negative; a sale belongs into sells with a positive quantity"
    if len(entry) == 3 and not isinstance(entry[2], Hashable):
        return f"bidder {entry[2]!r} is no name or number"
    return None


def number_fault(name: str, value: Any, most: float = math.inf) -> str | None:
    """Say why a value is no finite number, or one larger than ``most`` in amount, or None."""
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        return f"{name} is {value!r}, no number"
    if isinstance(value, float | np.floating) and not math.isfinite(value):
        return f"{name} is {value}"
    if isinstance(value, int) and value.bit_length() > 64:
        return f"{name} is beyond 64 bits"
    return None if abs(float(value)) <= most else f"{name} is beyond {most:g}"


def limit_fault(price: float, terms: Terms) -> str | None:
    """Say what is wrong with a limit where there is a tick, a cap or a floor."""
    limit = round(price * MICRO)
    if terms.cap_ucur_per_kwh is not None and limit > terms.cap_ucur_per_kwh:
        return f"price {price} is above price_cap, {terms.cap_ucur_per_kwh / MICRO:g}"
    if terms.floor_ucur_per_kwh is not None and limit < terms.floor_ucur_per_kwh:
        return f"price {price} is below price_floor, {terms.floor_ucur_per_kwh / MICRO:g}"
    if terms.tick_ucur_per_kwh is not None and limit % terms.tick_ucur_per_kwh:
        return f"price {price} is no multiple of tick, {terms.tick_ucur_per_kwh / MICRO:g}"
    return None


def order_list(buys: Sequence[Sequence[Any]], sells: Sequence[Sequence[Any]]) -> OrderList:
    """Turn checked orders into whole numbers and put them in their fixed order."""
    entries = [*buys, *sells]
    sign = np.array([1] * len(buys) + [-1] * len(sells), dtype=np.int64)
    energy = to_micro(np.array([float(entry[0]) for entry in entries])) * sign
    limit = to_micro(np.array([float(entry[1]) for entry in entries]))
    bidders = [entry[2] if len(entry) == 3 else None for entry in entries]
    names = sorted({bidder for bidder in bidders if bidder is not None}, key=lambda name: (str(type(name)), str(name)))
    number = {name: i for i, name in enumerate(names)}
    rank = np.array([len(names) if bidder is None else number[bidder] for bidder in bidders], dtype=np.int64)
    place = np.lexsort((energy, limit, sign, rank))
    nameless = rank[place] == len(names)
    agent = np.where(nameless, len(names) + np.cumsum(nameless) - 1, rank[place])
    return OrderList(
        energy_ukwh=energy[place],
        limit_ucur_per_kwh=limit[place],
        agent=agent,
        bidders=tuple(bidders[i] for i in place),
        n_buys=len(buys),
        place=place,
    )


def check_size(energy_ukwh: Array, *prices_ucur_per_kwh: Array) -> None:
    """Refuse a book whose money would not fit into whole millionths."""
    kwh = float(np.abs(energy_ukwh.astype(float)).sum()) / MICRO
    price = max([float(np.abs(prices).max()) for prices in prices_ucur_per_kwh if prices.size] or [0.0]) / MICRO
    if max(kwh * MICRO, 1) * max(price * MICRO, 1) > _LARGEST_WORTH:
        raise ValueError(
            f"clear: {kwh:g} kWh at up to {price:g} per kWh is too much to count in millionths; "
            "use larger units, such as MWh and price per MWh"
        )
