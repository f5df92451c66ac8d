"""A bill that a household can read, from the entries of a ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gridbazaar.data.units import MICRO
from gridbazaar.market.ledger.books.entries import asset_class, fault
from gridbazaar.market.ledger.books.postings import Posting, escrow_of, postings
from gridbazaar.market.ledger.books.trades import decimal
from gridbazaar.market.ledger.log.canonical import Entry

_BOUGHT, _SOLD, _LOST, _OTHER = "Bought from neighbours", "Sold to neighbours", "Stakes lost", "Other"
_TITLES = {
    "market": "Local market, other payments",
    "retail": "Retail",
    "imbalance": "Deviations from schedules",
    "network": "Use of the network",
    "capacity": "Network capacity",
    "losses": "Made good by the network operator",
    "congestion": "Full connection, less its rebate",
    "flexibility": "Flexibility services",
    "penalty": "Non-delivery",
    "share": "Contracts in the community",
    "tax": "Taxes",
    "fixed": "Standing charge",
}
_SIDES = {
    "retail": ("Bought from the retailer", "Sold to the retailer"),
    "imbalance": ("Drawn beyond the schedule", "Fed in beyond the schedule"),
}
_STAKED, _PAID_IN, _MOVED = "Stakes", "Paid in", "Transfers"
_OTHERS = {"stake": _STAKED, "release": _STAKED, "fund": _PAID_IN, "transfer": _MOVED, "correct": "Corrections"}
_ORDER = (
    _BOUGHT, _SOLD, *_SIDES["retail"], *_SIDES["imbalance"], *_TITLES.values(), "Corrections", _LOST, _OTHER,
    _PAID_IN, _MOVED, _STAKED,
)  # fmt: skip
_NO_COSTS = frozenset({_PAID_IN, _MOVED, _STAKED})
_CERTIFICATES = {"rec": "Certificates", "co2": "Carbon credits", "right": "Delivery rights"}


@dataclass(slots=True)
class Line:
    """What was paid (> 0) for one thing."""

    title: str
    amount_ucur: int = 0
    energy_ukwh: int | None = None  # > 0 is drawn; none where the line is not about energy

    @property
    def price_ucur_per_kwh(self) -> int | None:
        """Mean price, rounded; none without energy."""
        return None if not self.energy_ukwh else round(self.amount_ucur * MICRO / self.energy_ukwh)


@dataclass(slots=True)
class Statement:
    """One account's bill and holdings."""

    account: str
    role: str = ""
    first: int = 0  # interval
    last: int = 0
    lines: list[Line] = field(default_factory=list)  # what is owed
    moves: list[Line] = field(default_factory=list)  # paid in, transferred, staked
    balance_ucur: int = 0
    escrow_ucur: int = 0
    drawn_ukwh: int = 0
    injected_ukwh: int = 0
    certificates: dict[str, int] = field(default_factory=dict)  # held and retired, by what they are

    @property
    def total_ucur(self) -> int:
        """The sum of the lines; > 0 is owed."""
        return sum(line.amount_ucur for line in self.lines)

    def text(self) -> str:
        """Write the bill; amounts in the currency of the ledger, to the micro-unit."""
        bill = [("", "kWh", "price per kWh", "amount"), *map(_row, self.lines)]
        bill.append(("Total", "", "", decimal(self.total_ucur)))
        account = [*map(_row, self.moves), ("Balance", "", "", decimal(self.balance_ucur))]
        widths = [max(len(row[i]) for row in bill + account) for i in range(4)]
        return "\n".join(
            [
                f"Statement of {self.account} ({self.role}), intervals {self.first} to {self.last}",
                f"Meter: {decimal(self.drawn_ukwh)} kWh drawn, {decimal(self.injected_ukwh)} kWh fed in",
                "",
                *(_written(row, widths) for row in bill),
                "",
                *(_written(row, widths) for row in account),
                *(f"{title}: {_amount(title, n)}" for title, n in self.certificates.items() if n),
                "",
                "Above zero is paid, below zero received; a balance above zero is in your favour.",
            ]
        )


def statement(entries: Iterable[tuple[int, Entry]], account: str) -> Statement:
    """Sum an account's entries, given with their intervals; the lines and moves together are minus the balance.

    Raises ``ValueError`` for an account that was never opened.
    """
    made, lines = Statement(account), dict[str, Line]()
    is_opened, first = False, True
    for interval, entry in entries:
        if fault(entry) is not None:
            continue
        made.first, made.last, first = interval if first else made.first, interval, False
        if entry["kind"] == "account" and entry["account"] == account:
            made.role, is_opened = entry["role"], True
        if entry["kind"] == "reading" and entry["account"] == account:
            made.drawn_ukwh += max(entry["metered_ukwh"], 0)
            made.injected_ukwh += max(-entry["metered_ukwh"], 0)
        posted = postings(entry)
        _count(made, entry, posted)
        for title, amount, energy in _shares(entry, account, posted):
            line = lines.setdefault(title, Line(title))
            line.amount_ucur += amount
            line.energy_ukwh = line.energy_ukwh if energy is None else (line.energy_ukwh or 0) + energy
    if not is_opened:
        raise ValueError(f"account: expected one that the ledger opened, got {account!r}")
    shown = sorted((line for line in lines.values() if line.amount_ucur or line.energy_ukwh), key=_rank)
    made.lines = [line for line in shown if line.title not in _NO_COSTS]
    made.moves = [line for line in shown if line.title in _NO_COSTS]
    return made


def _rank(line: Line) -> tuple[int, str]:
    """A line that the settlement has and this page does not know comes last."""
    return (_ORDER.index(line.title) if line.title in _ORDER else len(_ORDER), line.title)


def _count(made: Statement, entry: Entry, posted: tuple[Posting, ...]) -> None:
    """Add to balances and certificates."""
    for holder, asset, delta in posted:
        if asset == "cash":
            made.balance_ucur += delta * (holder == made.account)
            made.escrow_ucur += delta * (holder == escrow_of(made.account))
        elif holder == made.account and (title := _CERTIFICATES.get(asset_class(asset))) is not None:
            held, retired = f"{title} held", f"{title} retired"
            made.certificates[held] = made.certificates.get(held, 0) + delta
            if entry["kind"] == "retire":
                made.certificates[retired] = made.certificates.get(retired, 0) - delta


def _shares(entry: Entry, account: str, posted: tuple[Posting, ...]) -> Iterator[tuple[str, int, int | None]]:
    """Title, amount and energy of what an entry makes an account pay; what has no title of its own is ``Other``."""
    kind = entry["kind"]
    paid = -sum(delta for holder, asset, delta in posted if holder == account and asset == "cash")
    if kind == "trade" and account == entry["buyer"]:
        yield _BOUGHT, entry["pay_ucur"], entry["energy_ukwh"]
        paid -= entry["pay_ucur"]
    elif kind == "trade" and account == entry["seller"]:
        yield _SOLD, -entry["receive_ucur"], -entry["energy_ukwh"]
        paid += entry["receive_ucur"]
    elif kind == "bill" and (account in entry["ucur"] or account in entry["ukwh"]):
        line: str = entry["line"]
        energy = entry["ukwh"].get(account)
        title = _TITLES.get(line, line) if energy is None or line not in _SIDES else _SIDES[line][energy < 0]
        yield title, paid, energy
        paid = 0
    elif kind == "slash" and account == entry["account"]:
        yield _LOST, entry["amount_ucur"], None
        yield _STAKED, -entry["amount_ucur"], None
    elif kind in _OTHERS:
        yield _OTHERS[kind], paid, None
        paid = 0
    if paid:
        yield _OTHER, paid, None


def _amount(title: str, n: int) -> str:
    if title.startswith("Certificates"):
        return f"{decimal(n)} kWh"
    return f"{decimal(n)} kg CO2" if title.startswith("Carbon") else str(n)


def _row(line: Line) -> tuple[str, str, str, str]:
    energy, price = ("" if x is None else decimal(x) for x in (line.energy_ukwh, line.price_ucur_per_kwh))
    return line.title, energy, price, decimal(line.amount_ucur)


def _written(row: tuple[str, str, str, str], widths: list[int]) -> str:
    title, *numbers = row
    columns = [title.ljust(widths[0]), *(text.rjust(width) for text, width in zip(numbers, widths[1:], strict=True))]
    return "  ".join(columns).rstrip()
