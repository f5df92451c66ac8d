"""Shares of automated customers as an axis: who is automated at each, drawn once from the scenario's seed.

Each customer has a number of its own, so that who is automated at a share is so at every higher one, and one customer
more shifts nobody else's place in the order. What is drawn are customers before anything is played.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

from gridbazaar.data.chance import bank_rng
from gridbazaar.data.community import Community, Customer

_STREAM = "automated"


def read_shares(given: Sequence[float], customers: Sequence[Customer]) -> tuple[float, ...]:
    """Check shares of automated customers; none are given where the community itself says who is.

    Raises:
        ValueError: says which share cannot be, or who of the community is in the way.
    """
    shares = tuple(float(share) for share in given)
    if not shares:
        return ()
    if wrong := [share for share in shares if not 0 <= share <= 1]:
        raise ValueError(f"automated: expected shares of the customers from 0 to 1, got {wrong[0]:g}")
    if said := [customer.name for customer in customers if not customer.automated]:
        raise ValueError(
            f"automated: the community says by itself who is automated, and that {', '.join(said)} "
            f"{'is' if len(said) == 1 else 'are'} not; leave its column out, or the shares"
        )
    counts = [_count(share, len(customers)) for share in shares]
    if len(set(counts)) < len(counts):
        listed = ", ".join(f"{share:g} ({count})" for share, count in zip(shares, counts, strict=True))
        raise ValueError(f"automated: expected shares of different numbers of {len(customers)} customers, got {listed}")
    if not any(counts):
        raise ValueError("automated: expected a share above 0 beside it; at 0 nobody follows a policy")
    return shares


def automated_at(share: float, customers: Sequence[Customer], master: int) -> frozenset[str]:
    """Name the customers who are automated at a share, rounded to whole customers.

    Args:
        share: of the customers.
        customers: all of them.
        master: seed of the scenario.
    """
    number = {c.name: bank_rng(master, _STREAM, zlib.crc32(c.name.encode())).random() for c in customers}
    order = sorted(number, key=lambda name: (number[name], name))
    return frozenset(order[: _count(share, len(customers))])


def community_at(share: float, customers: Sequence[Customer], master: int, seed: int | None = None) -> Community:
    """Give the community in which these customers are automated, and no others; ``seed`` is that of what they have."""
    chosen = automated_at(share, customers, master)
    return Community(tuple(replace(customer, automated=customer.name in chosen) for customer in customers), seed)


def _count(share: float, n: int) -> int:
    return int(share * n + 0.5)
