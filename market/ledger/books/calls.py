"""What a ledger says of the operator's calls: awards, what was delivered of them, and what that was worth.

An award says all the terms of its call and stands until that ends. Each of its intervals has a delivery, which must be
of it: what it pays, what it takes from the stake, and in the last interval what it takes back of what was paid for
holding ready and what it returns of the stake, all follow from the award and the deliveries before. Whether something
was delivered shows from what was cleared and metered in the same interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gridbazaar.data.units import MICRO, energy_cost_ucur
from gridbazaar.market.ledger.books.entries import Refused
from gridbazaar.market.ledger.books.holdings import Awarded, Holdings
from gridbazaar.market.ledger.log.canonical import Entry


def _award(holdings: Holdings, interval: int, entry: Entry) -> None:
    account, standing = entry["account"], holdings.known.awards.get(entry["account"])
    if account not in holdings.known.credit:
        raise Refused(f"account is {account!r}, expected one that was opened")
    if standing is not None and interval <= standing.terms["ends"] and not _is_settled(holdings, standing, interval):
        raise Refused(f"account is {account!r}, whose award runs until interval {standing.terms['ends']}")
    begins, ends = entry["begins"], entry["ends"]
    if not interval < begins <= ends:
        raise Refused(f"begins, ends are {begins}, {ends}, expected them to rise from {interval + 1}")
    energy_ukwh = entry["award_ukwh"] * (ends - begins + 1)
    _expect("stake_ucur", entry["stake_ucur"], energy_cost_ucur(energy_ukwh, entry["missing_ucur_per_kwh"]))
    holdings.put(holdings.known.awards, account, Awarded(entry, entry["stake_ucur"]))


def _is_settled(holdings: Holdings, standing: Awarded, interval: int) -> bool:
    """Say whether an award ends with this interval, and its delivery was stated."""
    return standing.terms["ends"] == interval and standing.terms["account"] in holdings.open.answered


def _delivery(holdings: Holdings, interval: int, entry: Entry) -> None:
    account = entry["account"]
    standing = holdings.known.awards.get(account)
    if standing is None or not standing.terms["interval"] < interval <= standing.terms["ends"]:
        raise Refused(f"account is {account!r}, expected one with an award that runs")
    if account in holdings.open.answered:
        raise Refused(f"account is {account!r}, of which a delivery was stated already")
    terms = standing.terms
    for name in ("award_ukwh", "price_ucur_per_kwh"):
        _expect(name, entry[name], terms[name])
    delivered, called = entry["delivered_ukwh"], entry["called_ukwh"]
    most = terms["award_ukwh"] if interval >= terms["begins"] else 0
    if not delivered <= called <= most:
        raise Refused(f"delivered_ukwh, called_ukwh are {delivered}, {called}, expected them to rise to {most}")
    after = replace(
        standing, ready_ucur=standing.ready_ucur + entry["ready_ucur"], called_ukwh=standing.called_ukwh + called,
        delivered_ukwh=standing.delivered_ukwh + delivered, staked_ucur=standing.staked_ucur - entry["slashed_ucur"],
    )  # fmt: skip
    _check_money(standing, after, entry, is_last=interval == terms["ends"])
    holdings.put(holdings.known.awards, account, after)
    holdings.put(holdings.open.answered, account, interval)


def _check_money(before: Awarded, after: Awarded, entry: Entry, *, is_last: bool) -> None:
    """Refuse a delivery whose money is not what the terms of its award give."""
    terms, called, delivered = before.terms, entry["called_ukwh"], entry["delivered_ukwh"]
    _expect("pay_ucur", entry["pay_ucur"], energy_cost_ucur(delivered, terms["price_ucur_per_kwh"]))
    _expect("ready_ucur", entry["ready_ucur"], energy_cost_ucur(terms["award_ukwh"], terms["ready_ucur_per_kwh"]))
    short = max(called - called * terms["tolerance_ppm"] // MICRO - delivered, 0)
    penalty = min(energy_cost_ucur(short, terms["missing_ucur_per_kwh"]), before.staked_ucur)
    _expect("slashed_ucur", entry["slashed_ucur"], penalty)
    missing = after.called_ukwh - after.delivered_ukwh
    _expect("taken_ucur", entry["taken_ucur"], is_last * (after.ready_ucur * missing // max(after.called_ukwh, 1)))
    _expect("returned_ucur", entry["returned_ucur"], is_last * after.staked_ucur)


def _expect(name: str, came: int, due: int) -> None:
    if came != due:
        raise Refused(f"{name} is {came}, expected {due} by the award")


def check_awards_end(holdings: Holdings, interval: int) -> None:
    """Refuse an interval in which an award ran and nobody said what was delivered of it."""
    for account, standing in holdings.known.awards.items():
        runs = standing.terms["interval"] < interval <= standing.terms["ends"]
        if runs and account not in holdings.open.answered:
            raise Refused(f"the award of {account!r} ran, and no delivery of it was stated")


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
    paid, staked = (bills[line]["ucur"] if line in bills else {} for line in ("flexibility", "penalty"))
    found = _undelivered(deliveries, schedule, metered)
    responses = {entry["account"]: entry for entry in of.get("response", [])}
    for account, entry in responses.items():
        reduced = max(entry["baseline_ukwh"] - max(metered.get(account, 0), 0), 0)
        if entry["reduced_ukwh"] != reduced:
            found.append(f"{account!r} drew {entry['reduced_ukwh']} less, but baseline less meter gives {reduced}")
    for account in sorted({*metered, *deliveries, *responses}):
        due = -responses[account]["pay_ucur"] if account in responses else 0
        if account in deliveries:
            entry = deliveries[account]
            due += entry["taken_ucur"] - entry["pay_ucur"] - entry["ready_ucur"]
        if paid.get(account, 0) != due:
            found.append(f"{account!r} pays {paid.get(account, 0)} for flexibility, but its delivery says {due}")
    return found + _unstaked(deliveries, of.get("award", []), staked)


def _unstaked(deliveries: dict[str, Entry], awards: list[Entry], staked: dict[str, int]) -> list[str]:
    """Say where the bill of stakes is not what awards put into escrow, and deliveries take out of it."""
    due = {account: -entry["returned_ucur"] for account, entry in deliveries.items()}
    for entry in awards:
        due[entry["account"]] = due.get(entry["account"], 0) + entry["stake_ucur"]
    slashed = sum(entry["slashed_ucur"] for entry in deliveries.values())
    due |= {"flexibility_buyer": -slashed, "escrow": slashed - sum(due.values())}
    return [
        f"{party!r} pays {staked.get(party, 0)} on the line penalty, but awards and deliveries say {due.get(party, 0)}"
        for party in sorted({*staked, *due})
        if staked.get(party, 0) != due.get(party, 0)
    ]


def _undelivered(deliveries: dict[str, Entry], schedule: dict[str, int], metered: dict[str, int]) -> list[str]:
    found = []
    for account, entry in deliveries.items():
        sold_less_meter = min(schedule.get(account, 0), 0) - metered.get(account, 0)  # what was bought is no delivery
        due = min(max(sold_less_meter, 0), entry["called_ukwh"])
        if entry["delivered_ukwh"] != due:
            found.append(
                f"{account!r} delivered {entry['delivered_ukwh']} of {entry['called_ukwh']}, "
                f"but meter beyond sales gives {due}"
            )
    return found


RULES: dict[str, Callable[[Holdings, int, Entry], None]] = {
    "award": _award,
    "delivery": _delivery,
    "response": _response,
}
