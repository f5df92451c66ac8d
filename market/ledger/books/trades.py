"""Pairwise trades from what an auction decided, so that they agree with everybody's payments to the unit.

Buyers and sellers are laid side by side by running sums of energy; each stretch between two breakpoints is a trade
between the buyer and the seller it lies in. Its payment is the difference of running payments that are rounded once,
so what an order's trades pay is exactly what the order pays: nothing is left over and nothing is shared out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.units import MICRO, energy_cost_ucur
from gridbazaar.market.ledger.log.canonical import Entry

Integers = NDArray[np.int64]


class Pair(NamedTuple):
    """Energy that went from one order to another, and what was paid for it."""

    seller: int  # column of the order; ``POOL`` is the market's own stock
    buyer: int
    energy_ukwh: int
    price_ucur_per_kwh: int  # the buyer's
    pay_ucur: int  # by the buyer
    receive_ucur: int  # by the seller; a difference stays with the market operator


POOL = -1


def pairwise(traded_ukwh: Integers, pay_ucur: Integers, agent: Integers, price_ucur_per_kwh: Integers) -> list[Pair]:
    """Pair one cleared book.

    Args:
        traded_ukwh, pay_ucur: [n_orders] what each order exchanged with others and pays, signed as in ``Clearing``.
        agent: [n_orders] owner; orders are laid side by side by owner, then column.
        price_ucur_per_kwh: [n_orders], shown.

    The market's own stock takes the other side of what does not sum to zero. A payment of an order that exchanged
    nothing is in no pair.
    """
    by_agent = np.lexsort((np.arange(len(agent)), agent))
    buys, sells = (by_agent[sign * traded_ukwh[by_agent] > 0] for sign in (1, -1))
    bought, sold = traded_ukwh[buys], -traded_ukwh[sells]
    paid, received = pay_ucur[buys], -pay_ucur[sells]
    pool = int(bought.sum() - sold.sum())
    if pool > 0:
        sells, sold, received = np.append(sells, POOL), np.append(sold, pool), np.append(received, 0)
    elif pool < 0:
        buys, bought, paid = np.append(buys, POOL), np.append(bought, -pool), np.append(paid, 0)
    if not len(buys):
        return []

    ends = np.union1d(np.cumsum(bought), np.cumsum(sold))
    energy = np.diff(ends, prepend=0)
    buyer, seller = np.searchsorted(np.cumsum(bought), ends), np.searchsorted(np.cumsum(sold), ends)
    uniform = _uniform(bought, sold, paid, received, price_ucur_per_kwh[by_agent[0]])
    if uniform:
        price = np.full(len(ends), price_ucur_per_kwh[by_agent[0]])
        pay = receive = np.diff(energy_cost_ucur(ends, price), prepend=0)
    else:
        pay = _split(paid, np.cumsum(bought), buyer, ends)
        receive = _split(received, np.cumsum(sold), seller, ends)
        price = _prices(paid, bought, np.where(buys == POOL, 0, price_ucur_per_kwh[buys]))[buyer]
    columns = (sells[seller], buys[buyer], energy, price, pay, receive)
    return [Pair(*map(int, row)) for row in zip(*columns, strict=True)]


def _uniform(bought: Integers, sold: Integers, paid: Integers, received: Integers, price: Any) -> bool:
    """Say whether one price explains every payment by running sums."""
    return all(
        bool((np.diff(energy_cost_ucur(np.cumsum(energy), price), prepend=0) == money).all())
        for energy, money in ((bought, paid), (sold, received))
    )


def _split(money: Integers, ends_of_orders: Integers, order: Integers, ends: Integers) -> Integers:
    """Split each order's own payment over its stretches by running sums, in Python's integers."""
    starts = np.concatenate([[0], ends_of_orders[:-1]])
    rows = zip(money[order], ends - starts[order], (ends_of_orders - starts)[order], strict=True)
    running = np.array([int(total) * int(done) // int(whole) for total, done, whole in rows], np.int64)
    before = np.concatenate([[0], running[:-1]])
    return running - np.where(np.diff(order, prepend=-1) == 0, before, 0)


def _prices(money: Integers, energy: Integers, shown: Integers) -> Integers:
    """[n_orders] the price shown where it explains the payment, else what a kWh costs the order, rounded."""
    return np.array(
        [
            price if abs(paid * MICRO - whole * price) <= MICRO + whole else (2 * paid * MICRO + whole) // (2 * whole)
            for paid, whole, price in zip(money.tolist(), energy.tolist(), shown.tolist(), strict=True)
        ],
        np.int64,
    )


def account_payments(entries: Sequence[Entry]) -> dict[str, int]:
    """Sum what the trades among entries make every account pay, the operator included."""
    paid: dict[str, int] = {}
    for entry in entries:
        if entry["kind"] == "trade":
            pay, receive = entry["pay_ucur"], entry["receive_ucur"]
            for account, amount in (
                (entry["buyer"], pay), (entry["seller"], -receive), ("market_operator", receive - pay),
            ):  # fmt: skip
                paid[account] = paid.get(account, 0) + amount
    return paid


def record(entry: Entry) -> dict[str, str]:
    """Give a trade as the field writes it down, amounts as decimal strings so that no reader rounds them."""
    return {
        "transaction_id": entry["txid"],
        "seller": entry["seller"],
        "buyer": entry["buyer"],
        "energy_amount_kwh": decimal(entry["energy_ukwh"]),
        "price_per_kwh": decimal(entry["price_ucur_per_kwh"]),
        "total_cur": decimal(entry["pay_ucur"]),
        "interval": str(entry["interval"]),
        "timestamp": str(entry["time_s"]),
        "status": entry["status"],
    }


def decimal(micro: int) -> str:
    """Write micro-units as a decimal number, exactly: ``-0.000015`` for -15."""
    whole, part = divmod(abs(micro), MICRO)
    return f"{'-' if micro < 0 else ''}{whole}.{part:06d}"
