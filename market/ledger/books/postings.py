"""What entries mean: who gives and who gets what.

``postings`` is the one place that says it. Balances, token supply and the state of certificates follow by replay; they
are stored nowhere but in a cache that a check compares.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gridbazaar.market.ledger.books.entries import COMMUNITY, OPERATOR, RETIRED, token
from gridbazaar.market.ledger.log.canonical import Entry


class Posting(NamedTuple):
    """An account's holding of an asset changes."""

    account: str
    asset: str
    delta: int


def postings(entry: Entry) -> tuple[Posting, ...]:
    """Give what an entry (without a ``fault``) posts; for every asset the sum is zero."""
    post = _POSTINGS.get(entry["kind"])
    return () if post is None else post(entry)


def escrow_of(account: str) -> str:
    """Name the account that holds an account's own stakes."""
    return f"escrow/{account}"


def is_escrow(account: str) -> bool:
    """Say whether an account holds stakes."""
    return account.startswith(escrow_of(""))


def _moved(giver: str, taker: str, asset: str, amount: int) -> tuple[Posting, ...]:
    return (Posting(giver, asset, -amount), Posting(taker, asset, amount))


def _trade(entry: Entry) -> tuple[Posting, ...]:
    """Delivery versus payment: four postings that stand or fall together; a difference stays with the operator."""
    seller, buyer, pay, receive = entry["seller"], entry["buyer"], entry["pay_ucur"], entry["receive_ucur"]
    asset, energy = f"kwh/{entry['meter']}/{entry['interval']}", entry["energy_ukwh"]
    legs = (
        Posting(seller, asset, -energy),
        Posting(buyer, asset, energy),
        Posting(buyer, "cash", -pay),
        Posting(seller, "cash", receive),
    )
    return legs if pay == receive else (*legs, Posting(OPERATOR, "cash", pay - receive))


def _reading(entry: Entry) -> tuple[Posting, ...]:
    """Injected energy becomes a token that can be sold, generated energy a claim to one certificate."""
    meter, interval, account = entry["meter"], entry["interval"], entry["account"]
    metered, generated = entry["metered_ukwh"], entry["generated_ukwh"]
    injected = _moved("grid", account, token("kwh", meter, interval), -metered) if metered < 0 else ()
    claimed = _moved("registry", account, token("claim", meter, interval), generated) if generated else ()
    return injected + claimed


def _oracle(entry: Entry) -> tuple[Posting, ...]:
    """A committee's reading stands for that of the meter; its price moves nothing."""
    if entry["account"] is None or entry["value"] >= 0:
        return ()
    asset = token("kwh", entry["subject"].removeprefix("reading/"), entry["interval"])
    return _moved("grid", entry["account"], asset, -entry["value"])


def _supply(entry: Entry) -> tuple[Posting, ...]:
    asset = token("kwh", entry["meter"], entry["interval"])
    return _moved("grid", entry["account"], asset, entry["energy_ukwh"])


def _paid(entry: Entry) -> tuple[Posting, ...]:
    return tuple(Posting(account, "cash", -amount) for account, amount in entry["ucur"].items())


def _expire(entry: Entry) -> tuple[Posting, ...]:
    return tuple(
        posting
        for account, meter, energy in entry["tokens"]
        for posting in _moved(account, "grid", token("kwh", meter, entry["interval"]), energy)
    )


def _mint(entry: Entry) -> tuple[Posting, ...]:
    """The claim is spent, so that no kWh has a certificate and a carbon credit, or two of one."""
    account, meter, vintage = entry["account"], entry["meter"], entry["vintage"]
    claim, certificate = token("claim", meter, vintage), token(entry["certificate"], meter, vintage)
    spent = _moved(account, "registry", claim, entry["energy_ukwh"])
    return spent + _moved("registry", account, certificate, entry["amount"])


def _right(entry: Entry) -> tuple[Posting, ...]:
    return _moved("registry", entry["account"], f"right/{entry['node']}/{entry['vintage']}/{entry['serial']}", 1)


_POSTINGS: dict[str, Callable[[Entry], tuple[Posting, ...]]] = {
    "fund": lambda e: _moved("bank", e["account"], "cash", e["amount_ucur"]),
    "oracle": _oracle,
    "reading": _reading,
    "supply": _supply,
    "trade": _trade,
    "bill": _paid,
    "correct": _paid,
    "expire": _expire,
    "mint": _mint,
    "retire": lambda e: _moved(e["account"], RETIRED, e["asset"], e["amount"]),
    "right": _right,
    "transfer": lambda e: _moved(e["sender"], e["receiver"], e["asset"], e["amount"]),
    "stake": lambda e: _moved(e["account"], escrow_of(e["account"]), "cash", e["amount_ucur"]),
    "release": lambda e: _moved(escrow_of(e["account"]), e["account"], "cash", e["amount_ucur"]),
    "slash": lambda e: _moved(escrow_of(e["account"]), COMMUNITY, "cash", e["amount_ucur"]),
}
