"""Rules of single entries that balances alone do not hold: who exists, when, at what price."""

from __future__ import annotations

from collections.abc import Callable

from gridbazaar.data.units import MICRO, energy_cost_ucur
from gridbazaar.market.ledger.books.calls import check_awards_end
from gridbazaar.market.ledger.books.entries import BUILT_IN, Refused, asset_class
from gridbazaar.market.ledger.books.holdings import Holdings
from gridbazaar.market.ledger.books.meters import read_key
from gridbazaar.market.ledger.books.sealed_bids import check_sealed_end
from gridbazaar.market.ledger.log.canonical import Entry

_END = "end"


def _asset(holdings: Holdings, interval: int, entry: Entry) -> None:
    name = entry["asset"]
    if name in holdings.known.assets:
        raise Refused(f"asset is {name!r}, which was declared before; units never change")
    holdings.put(holdings.known.assets, name, entry["factor_mg_per_kwh"])


def _account(holdings: Holdings, interval: int, entry: Entry) -> None:
    name, did = entry["account"], entry["did"]
    if name in holdings.known.credit:
        raise Refused(f"account is {name!r}, which was opened before")
    holdings.put(holdings.known.credit, name, 0)
    holdings.put(holdings.known.credit, f"escrow/{name}", 0)
    holdings.put(holdings.known.keys, name, None if did is None else read_key("did", did))


def _credit(holdings: Holdings, interval: int, entry: Entry) -> None:
    name, limit = entry["account"], entry["limit_ucur"]
    if name not in holdings.known.keys:
        raise Refused(f"account is {name!r}, expected one that was opened")
    if holdings.held(name, "cash") < -limit:
        raise Refused(f"limit_ucur is {limit}, expected at least the {-holdings.held(name, 'cash')} that {name!r} owes")
    holdings.put(holdings.known.credit, name, limit)


def _gate(holdings: Holdings, interval: int, entry: Entry) -> None:
    """Times rise, from one interval to the next as well."""
    if holdings.open.gate:
        raise Refused(f"interval is {interval}, which has a gate already")
    last = holdings.known.clock_s.get(_END, 0)
    times = [entry[name] for name in ("commit_until_s", "reveal_until_s", "start_s", "end_s")]
    if times[2] < last or not times[0] < times[1] <= times[2] < times[3]:
        raise Refused(
            f"commit_until_s, reveal_until_s, start_s, end_s are {times}, expected them to rise and start_s to be at "
            f"least {last}, where the last delivery ended; the clock does not go back"
        )
    floor, cap = entry["floor_ucur_per_kwh"], entry["cap_ucur_per_kwh"]
    if floor > cap:
        raise Refused(f"floor_ucur_per_kwh is {floor}, expected at most the cap, {cap}")
    holdings.put(holdings.open.gate, "gate", entry)
    holdings.put(holdings.known.clock_s, _END, times[3])


def _trade(holdings: Holdings, interval: int, entry: Entry) -> None:
    seller, buyer, price = entry["seller"], entry["buyer"], entry["price_ucur_per_kwh"]
    if seller == buyer:
        raise Refused(f"buyer is {buyer!r}, the seller itself")
    for name, account in (("seller", seller), ("buyer", buyer)):
        if account in BUILT_IN:
            raise Refused(f"{name} is {account!r}, which does not trade")
    gate = holdings.open.gate.get("gate")
    if gate is None:
        raise Refused(f"interval is {interval}, which has no gate; nothing is traded in it")
    if not gate["floor_ucur_per_kwh"] <= price <= gate["cap_ucur_per_kwh"]:
        band = f"{gate['floor_ucur_per_kwh']} to {gate['cap_ucur_per_kwh']}"
        raise Refused(f"price_ucur_per_kwh is {price}, expected {band}, the floor and the cap of the interval")
    pay, energy = entry["pay_ucur"], entry["energy_ukwh"]
    # Two cuts to whole units of money, and one of the price; exact amounts are compared with the clearing.
    if abs(pay * MICRO - energy * price) > 2 * MICRO + energy:
        due = energy_cost_ucur(energy, price)
        raise Refused(f"pay_ucur is {pay}, expected about {due}: {energy} micro-kWh at {price}")
    if entry["time_s"] < gate["reveal_until_s"]:
        raise Refused(f"time_s is {entry['time_s']}, expected at least {gate['reveal_until_s']}, when bids are open")


def _supply(holdings: Holdings, interval: int, entry: Entry) -> None:
    """The grid delivers what a seller lacks; how much it was decides the slash for non-delivery."""
    meter, account = holdings.known.meters.get(entry["meter"]), entry["account"]
    if meter is None or meter.account != account:
        raise Refused(f"meter is {entry['meter']!r}, expected one of {account!r}")
    supplied = holdings.open.supplied
    holdings.put(supplied, account, supplied.get(account, 0) + entry["energy_ukwh"])


def _zero_sum(holdings: Holdings, interval: int, entry: Entry) -> None:
    amounts = entry["ucur"]
    if not BUILT_IN.isdisjoint(amounts):
        raise Refused(f"ucur names {', '.join(sorted(BUILT_IN & amounts.keys()))}, which pay nothing")
    if not amounts or sum(amounts.values()):
        raise Refused(f"ucur sums to {sum(amounts.values())} over {len(amounts)} parties, expected 0 over some")


def _correct(holdings: Holdings, interval: int, entry: Entry) -> None:
    if entry["refers"] not in holdings.known.txids:
        raise Refused(f"refers is {entry['refers']!r}, expected the txid of an entry before")
    _zero_sum(holdings, interval, entry)


def _transfer(holdings: Holdings, interval: int, entry: Entry) -> None:
    sender, receiver, kind = entry["sender"], entry["receiver"], asset_class(entry["asset"])
    if sender == receiver:
        raise Refused(f"receiver is {receiver!r}, the sender itself")
    for name, account in (("sender", sender), ("receiver", receiver)):
        if account in BUILT_IN:
            raise Refused(f"{name} is {account!r}; issuers act, and things are retired, by entries of their own")
    if kind == "claim":
        raise Refused(f"asset is {entry['asset']!r}; a claim is minted, not moved")
    if kind == "right" and int(entry["asset"].split("/")[2]) < interval:
        raise Refused(f"asset is {entry['asset']!r}, a right of an interval that is over")


def check_end(holdings: Holdings, interval: int) -> None:
    """Refuse an interval that ends with energy unspent, or sealed bids or awards unsettled."""
    left = [(asset, -holdings.held("grid", asset)) for asset in holdings.open.tokens if holdings.held("grid", asset)]
    if left:
        asset, energy = left[0]
        raise Refused(f"{energy} of {asset!r} are left ({len(left)} tokens); kWh end with their interval: expire them")
    check_sealed_end(holdings)
    check_awards_end(holdings, interval)


RULES: dict[str, Callable[[Holdings, int, Entry], None]] = {
    "asset": _asset,
    "account": _account,
    "credit": _credit,
    "gate": _gate,
    "trade": _trade,
    "supply": _supply,
    "bill": _zero_sum,
    "correct": _correct,
    "transfer": _transfer,
}
