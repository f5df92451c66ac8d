"""The default market: a call auction with one price for all, inside the competitive interval.

What all rules share, ``market/auction/equilibrium.py``, finds the interval, the fills and the payments.
"""

from __future__ import annotations

from typing import Annotated

from gridbazaar.data.bounds import OneOf, Share
from gridbazaar.market.auction.equilibrium import clear_at_uniform_price
from gridbazaar.market.auction.price_rules import RULES
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_ante"
PROMISES = frozenset({"limits", "no_deficit", "efficient", "monotone", "scales"})


def uniform_price(
    orders: Orders, setting: Setting, *, k: Share = 0.5, price_rule: Annotated[str, OneOf(*RULES)] = "ce_k"
) -> Clearing:
    """Clear each environment's book at one price, ``low + k * (high - low)`` of the competitive interval.

    Every order strictly in the money is filled, those at the margin share pro rata, and an order whose limit reaches
    the tariff trades with the retailer what neighbours do not. Through a full connection the scarcity price takes the
    tariff's place. ``k`` is 0 at the sellers' end of the interval and 1 at the buyers', kept to a millionth.

    Where nothing trades the price is a quote: the middle of the spread; a tick (one micro-unit) above the highest bid
    without sellers, below the lowest ask without buyers, but never beyond the retailer; for an empty book the middle
    of the retailer's band, or 0 without a retailer.

    Where the band is empty (export price >= import price) nobody trades locally: buyers and sellers each meet the
    retailer, scarcity at a full connection moves both tariffs alike, and the price shown is the middle of the two.

    Quantities and money are rounded by running sums in the order of agents (then columns). So both sides owe the same
    amount exactly and the surplus is 0. In a row, energy times price must stay below ``2**63``. A buy and a sell order
    of the same agent may meet: it then pays itself, and nets nothing.

    ``price_rule`` names another function of the limits around the cut (``market/auction/price_rules.py``) for what
    neighbours pay; fills do not depend on it, and only ``dual`` leaves a surplus.
    """
    return clear_at_uniform_price(orders, setting, k=k, price_rule=price_rule)
