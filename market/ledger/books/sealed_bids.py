"""Sealed bids: committed before the gate, revealed after it, each with a stake.

A commitment hashes account, interval and salt with the orders, so that a copy is of no use to anybody else. Who does
not reveal loses the stake, and who could not pay has no bid; the auction goes on without them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from gridbazaar.data.units import MICRO, energy_cost_ucur
from gridbazaar.market.ledger.books.entries import Refused
from gridbazaar.market.ledger.books.holdings import Holdings
from gridbazaar.market.ledger.books.postings import escrow_of
from gridbazaar.market.ledger.log.canonical import Entry, canonical, write

OVERFLOW = 2**63 - MICRO
"""Where energy times price no longer fits int64 once it is rounded."""

NO_REVEAL, NO_CREDIT, NO_DELIVERY = "no_reveal", "no_credit", "non_delivery"


def commitment(account: str, interval: int, orders: Sequence[Sequence[int]], salt: str) -> str:
    """Hash a bid, as its ``commit`` entry shows it.

    Args:
        account: who bids.
        interval: when.
        orders: [energy_ukwh, limit_ucur_per_kwh] each, signed as in ``Orders``.
        salt: 16 bytes, hexadecimal; without it the few likely bids could be tried out.
    """
    return hashlib.sha256(canonical(_bid(account, interval, [list(order) for order in orders], salt))).hexdigest()


def _bid(account: str, interval: int, orders: list[list[int]], salt: str) -> Entry:
    return {"account": account, "interval": interval, "orders": orders, "salt": salt}


def book_hash(commitments: Sequence[str]) -> str:
    """Hash a book: the commitments of all bids that count, sorted."""
    return hashlib.sha256("".join(sorted(commitments)).encode()).hexdigest()


def worth_ucur(orders: Sequence[Sequence[int]]) -> int:
    """Give the most that a bid may have to pay, rounded up: what it buys, and what it sells at a price below zero."""
    return sum(-(-max(energy * limit, 0) // MICRO) for energy, limit in orders)


def non_delivery_ucur(held_ucur: int, supplied_ukwh: int, rate_ucur_per_kwh: int) -> int:
    """Give what a seller loses for energy that the grid supplied in its place; never more than its own stake."""
    worth: int = energy_cost_ucur(supplied_ukwh, rate_ucur_per_kwh)
    return min(held_ucur, worth)


def void_bids(holdings: Holdings) -> dict[str, str]:
    """Say which committed bids do not count, and why, by account."""
    void = {}
    for account in holdings.open.commits:
        reveal = holdings.open.reveals.get(account)
        if reveal is None:
            void[account] = NO_REVEAL
        elif worth_ucur(reveal["orders"]) > holdings.held(account, "cash") + holdings.known.credit[account]:
            void[account] = NO_CREDIT
    return void


def _commit(holdings: Holdings, interval: int, entry: Entry) -> None:
    account, gate = entry["account"], _gate(holdings, interval)
    if account not in holdings.known.keys:
        raise Refused(f"account is {account!r}, expected one that was opened")
    if account in holdings.open.commits:
        raise Refused(f"account is {account!r}, which has committed to a bid already")
    if entry["time_s"] > gate["commit_until_s"]:
        raise Refused(f"time_s is {entry['time_s']}, expected at most {gate['commit_until_s']}; the gate is closed")
    held = holdings.held(escrow_of(account), "cash")
    if entry["stake_ucur"] > held:
        raise Refused(f"stake_ucur is {entry['stake_ucur']}, expected at most the {held} that {account!r} has staked")
    holdings.put(holdings.open.commits, account, entry)


def _reveal(holdings: Holdings, interval: int, entry: Entry) -> None:
    account, gate, orders = entry["account"], _gate(holdings, interval), entry["orders"]
    commit = holdings.open.commits.get(account)
    if commit is None:
        raise Refused(f"account is {account!r}, which has not committed to a bid")
    if account in holdings.open.reveals or holdings.open.clear:
        raise Refused(f"account is {account!r}; its bid is revealed already, or the market is cleared")
    if (account, NO_REVEAL) in holdings.open.slashed:
        raise Refused(f"account is {account!r}, which has lost its stake for not revealing")
    if not gate["commit_until_s"] < entry["time_s"] <= gate["reveal_until_s"]:
        after, until = gate["commit_until_s"], gate["reveal_until_s"]
        raise Refused(f"time_s is {entry['time_s']}, expected after {after} and at most {until}")
    if hashlib.sha256(write(_bid(account, interval, orders, entry["salt"]))).hexdigest() != commit["hash"]:
        raise Refused(f"orders are {str(orders)[:80]}, not those that {account!r} has committed to")
    _guard_product(holdings, orders)
    holdings.put(holdings.open.reveals, account, entry)


def _guard_product(holdings: Holdings, orders: Sequence[Sequence[int]]) -> None:
    """An auction multiplies the book's energy by a price, in 64 bits that would wrap without a word."""
    book = holdings.open.book
    energy = book.get("energy", 0) + sum(abs(e) for e, _ in orders)
    limit = max([book.get("limit", 0), *(abs(price) for _, price in orders)])
    if energy * limit >= OVERFLOW:
        raise Refused(f"orders bring the book to {energy} micro-kWh at up to {limit}; the product passes 2**63")
    holdings.put(book, "energy", energy)
    holdings.put(book, "limit", limit)


def _clear(holdings: Holdings, interval: int, entry: Entry) -> None:
    gate, now = _gate(holdings, interval), holdings.open
    if now.clear:
        raise Refused(f"interval is {interval}, which is cleared already")
    if entry["time_s"] < gate["reveal_until_s"]:
        raise Refused(f"time_s is {entry['time_s']}, expected at least {gate['reveal_until_s']}, the end of revealing")
    void = void_bids(holdings)
    if sorted(map(tuple, entry["void"])) != sorted(void.items()):
        raise Refused(f"void is {entry['void']}, expected {sorted(map(list, void.items()))}")
    book = book_hash([c["hash"] for account, c in now.commits.items() if account not in void])
    if entry["book"] != book:
        raise Refused(f"book is {entry['book']!r}, expected {book!r}, the hash of the revealed bids")
    _check_result(holdings, entry, gate)
    holdings.put(now.clear, "clear", entry)


def _check_result(holdings: Holdings, entry: Entry, gate: Entry) -> None:
    agents, prices, fills = entry["agents"], entry["price_ucur_per_kwh"], entry["fills"]
    missing = [account for account in holdings.open.reveals if account not in set(agents)]
    _check_metered(holdings, entry)
    if missing or len(set(agents)) < len(agents) or len(entry["bus"]) != len(agents):
        raise Refused(f"agents are {len(agents)} with {len(entry['bus'])} buses, expected each bidder once: {missing}")
    columns = [row[0] for row in fills]
    n_orders = len(agents) * max([len(r["orders"]) for r in holdings.open.reveals.values()], default=0)
    n_orders = n_orders if entry["orders"] is None else len(entry["orders"])
    if columns != sorted(set(columns)) or (columns and columns[-1] >= n_orders):
        raise Refused(f"fills name the columns {str(columns)[:80]}, expected rising ones below {n_orders}")
    traded = sum(row[1] for row in fills)
    if traded != entry["pool_ukwh"]:
        raise Refused(f"pool_ukwh is {entry['pool_ukwh']}, expected {traded}, bought less sold")
    bought = sum(max(row[1], 0) for row in fills)
    if bought != entry["volume_ukwh"]:
        raise Refused(f"volume_ukwh is {entry['volume_ukwh']}, expected {bought}, the sum of what is bought")
    paid = sum(row[3] for row in fills)
    if paid != entry["surplus_ucur"]:
        raise Refused(f"surplus_ucur is {entry['surplus_ucur']}, expected {paid}, the sum of payments")
    floor, cap = gate["floor_ucur_per_kwh"], gate["cap_ucur_per_kwh"]
    # What is shown where nothing trades is a quote.
    beyond = [p for p in prices if not floor <= p <= cap] if bought else []
    if beyond:
        raise Refused(f"price_ucur_per_kwh is {beyond[0]}, expected {floor} to {cap}, the floor and the cap")


def _check_metered(holdings: Holdings, entry: Entry) -> None:
    """A rule that prices metered energy takes what the meters say for its orders; nobody bids."""
    orders, agents = entry["orders"], entry["agents"]
    if orders is None:
        return
    if holdings.open.commits or len(orders) % len(agents):
        raise Refused(f"orders are {len(orders)} of {len(agents)} agents, expected as many of each, and no sealed bids")
    _guard_product(holdings, orders)
    metered = dict.fromkeys(agents, 0)
    for name, energy in holdings.open.metered.items():
        account = holdings.known.meters[name].account
        metered[account] = metered.get(account, 0) + energy
    for i, agent in enumerate(agents):
        ordered = sum(order[0] for order in orders[i :: len(agents)])
        if ordered != metered[agent]:
            raise Refused(f"orders of {agent!r} sum to {ordered}, expected {metered[agent]}, what its meters say")


def _slash(holdings: Holdings, interval: int, entry: Entry) -> None:
    account, reason, amount = entry["account"], entry["reason"], entry["amount_ucur"]
    if (account, reason) in holdings.open.slashed:
        raise Refused(f"account is {account!r}, which was slashed for {reason} already")
    due = _due(holdings).get((account, reason), 0)
    if amount != due:
        raise Refused(f"amount_ucur is {amount}, expected {due} of {account!r} for {reason}")
    holdings.put(holdings.open.slashed, (account, reason), amount)


def _due(holdings: Holdings) -> dict[tuple[str, str], int]:
    """What is to be slashed by account and reason, of what is left of the stakes."""
    now = holdings.open
    due = {(account, NO_REVEAL): c["stake_ucur"] for account, c in now.commits.items() if account not in now.reveals}
    rate = now.gate["gate"]["penalty_ucur_per_kwh"] if now.gate else 0
    for account, energy in now.supplied.items() if rate else ():
        held = holdings.held(escrow_of(account), "cash")
        held += now.slashed.get((account, NO_DELIVERY), 0)
        due[account, NO_DELIVERY] = non_delivery_ucur(held, energy, rate)
    return due


def _release(holdings: Holdings, interval: int, entry: Entry) -> None:
    """What is pledged for a bid of this interval stays until it is revealed, or until the end where delivery counts."""
    account, amount, now = entry["account"], entry["amount_ucur"], holdings.open
    free, commit = holdings.held(escrow_of(account), "cash"), now.commits.get(account)
    if commit is not None and account not in now.reveals:
        free -= commit["stake_ucur"]
    elif commit is not None and now.gate["gate"]["penalty_ucur_per_kwh"]:
        free = 0
    if amount > free:
        raise Refused(f"amount_ucur is {amount}, expected at most {free}; the rest of the stake is pledged")


def check_sealed_end(holdings: Holdings) -> None:
    """Refuse an interval in which a stake was not slashed, or bids were revealed and never cleared."""
    now = holdings.open
    for (account, reason), amount in _due(holdings).items():
        if amount and (account, reason) not in now.slashed:
            raise Refused(f"{account!r} was not slashed {amount} for {reason}")
    if now.reveals and not now.clear:
        raise Refused(f"{len(now.reveals)} bids were revealed, but there is no clear entry")


def _gate(holdings: Holdings, interval: int) -> Entry:
    gate = holdings.open.gate.get("gate")
    if gate is None:
        raise Refused(f"interval is {interval}, which has no gate entry yet")
    return gate


RULES: dict[str, Callable[[Holdings, int, Entry], None]] = {
    "commit": _commit,
    "reveal": _reveal,
    "clear": _clear,
    "slash": _slash,
    "release": _release,
}
