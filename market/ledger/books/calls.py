"""What a ledger says of the operator's calls: awards, what was delivered of them, and what that was worth.

An award stands until the next one of its account. A delivery must be of it, and what it pays must be its price; whether
it was delivered shows from what was cleared and metered in the same interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gridbazaar.data.units import energy_cost_ucur
from gridbazaar.market.ledger.books.entries import Refused
from gridbazaar.market.ledger.books.holdings import Holdings
from gridbazaar.market.ledger.log.canonical import Entry


def _award(holdings: Holdings, interval: int, entry: Entry) -> None:
    account = entry["account"]
    if account not in holdings.known.credit:
        raise Refused(f"account is {account!r}, expected one that was opened")
    holdings.put(holdings.known.awards, account, (entry["award_ukwh"], entry["price_ucur_per_kwh"]))


def _delivery(holdings: Holdings, interval: int, entry: Entry) -> None:
    account = entry["account"]
    award = holdings.known.awards.get(account)
    if award != (entry["award_ukwh"], entry["price_ucur_per_kwh"]):
        stands = "none" if award is None else f"{award[0]} at {award[1]}"
        raise Refused(
            f"award_ukwh and price are {entry['award_ukwh']} at {entry['price_ucur_per_kwh']}, "
            f"expected those of the award to {account!r}: {stands}"
        )
    delivered, called = entry["delivered_ukwh"], entry["called_ukwh"]
    if not delivered <= called <= entry["award_ukwh"]:
        raise Refused(
            f"delivered_ukwh, called_ukwh are {delivered}, {called}, expected them to rise to {entry['award_ukwh']}, "
            "the award"
        )
    due = energy_cost_ucur(delivered, entry["price_ucur_per_kwh"])
    if entry["pay_ucur"] != due:
        raise Refused(f"pay_ucur is {entry['pay_ucur']}, expected {due}: {delivered} at {entry['price_ucur_per_kwh']}")


def _response(holdings: Holdings, interval: int, entry: Entry) -> None:
    due = energy_cost_ucur(entry["reduced_ukwh"], entry["price_ucur_per_kwh"])
    if entry["pay_ucur"] != due:
        raise Refused(
            f"pay_ucur is {entry['pay_ucur']}, expected {due}: {entry['reduced_ukwh']} at {entry['price_ucur_per_kwh']}"
        )


def check_delivered(entries: Sequence[Entry]) -> list[str]:
    """Say which deliveries and responses of an interval are not what the meters give, or are not what was paid.

    Args:
        entries: of one interval, without a ``fault``.
    """
    of: dict[str, list[Entry]] = {}
    for entry in entries:
        of.setdefault(entry["kind"], []).append(entry)
    deliveries = {entry["account"]: entry for entry in of.get("delivery", [])}
    bills = {entry["line"]: entry for entry in of.get("bill", [])}
    metered = {entry["account"]: entry["metered_ukwh"] for entry in of.get("reading", [])}
    schedule = dict(bills["losses"]["ukwh"]) if "losses" in bills else {}  # what was curtailed is not owed
    for clear in of.get("clear", []):
        agents = clear["agents"]
        for column, traded, outside, _ in clear["fills"]:
            account = agents[column % len(agents)]
            schedule[account] = schedule.get(account, 0) + traded + outside
    paid = bills["flexibility"]["ucur"] if "flexibility" in bills else {}
    found = _undelivered(deliveries, schedule, metered)
    responses = {entry["account"]: entry for entry in of.get("response", [])}
    for account, entry in responses.items():
        reduced = max(entry["baseline_ukwh"] - max(metered.get(account, 0), 0), 0)
        if entry["reduced_ukwh"] != reduced:
            found.append(f"{account!r} drew {entry['reduced_ukwh']} less, but baseline less meter gives {reduced}")
    for account in sorted({*metered, *deliveries, *responses}):
        due = sum(-deliveries[account][name] for name in ("pay_ucur", "ready_ucur") if account in deliveries)
        due -= responses[account]["pay_ucur"] if account in responses else 0
        if paid.get(account, 0) != due:
            found.append(f"{account!r} pays {paid.get(account, 0)} for flexibility, but its delivery says {due}")
    return found


def _undelivered(deliveries: dict[str, Entry], schedule: dict[str, int], metered: dict[str, int]) -> list[str]:
    found = []
    for account, entry in deliveries.items():
        gap = schedule.get(account, 0) - metered.get(account, 0)
        due = min(max(gap, 0), entry["called_ukwh"])
        if entry["delivered_ukwh"] != due:
            found.append(
                f"{account!r} delivered {entry['delivered_ukwh']} of {entry['called_ukwh']}, "
                f"but schedule less meter gives {due}"
            )
    return found


RULES: dict[str, Callable[[Holdings, int, Entry], None]] = {
    "award": _award,
    "delivery": _delivery,
    "response": _response,
}
