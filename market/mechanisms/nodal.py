"""Nodal prices: one price a bus, made of energy, losses, full branches and voltages (DLMP).

The clearing itself is ``market/nodal``; ``docs/nodal.md`` says what a price at a bus is made of.
"""

from __future__ import annotations

from dataclasses import replace

from gridbazaar.data.bounds import Charge, CountFromOne, Share
from gridbazaar.market.auction.equilibrium import clear_at_uniform_price
from gridbazaar.market.nodal.clearing import clear_nodal
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_ante"
PROMISES = frozenset({"limits", "no_deficit", "efficient", "monotone", "scales"})


def nodal(
    orders: Orders, setting: Setting, *, k: Share = 0.5, rounds: CountFromOne = 3, overload_cur_per_kwh: Charge = 2.0
) -> Clearing:
    """Clear over the wires, with a price for each bus; where there are no wires, at one price for all.

    Args:
        orders, setting: the book; ``setting.wires`` is the feeder between the orders, which a scenario gives with
            ``constraint = "nodal"``.
        k: of the uniform price, where no wire and no loss has a price.
        rounds: of linearisation and clearing.
        overload_cur_per_kwh: what a kWh beyond a limit costs where orders cannot keep it.

    Each order pays, or gets, the price of its bus. What the wires bring in is the surplus; the settlement buys the
    losses with it and gives the rest back, the same for every connection. An island clears without its wires.
    """
    if setting.wires is None:
        return clear_at_uniform_price(orders, setting, k=k)
    if setting.is_island is not None:
        raise ValueError("nodal: islands clear without wires; expected setting.wires or setting.is_island, came both")
    found = clear_nodal(orders, setting, setting.wires, k=k, rounds=rounds, overload_cur_per_kwh=overload_cur_per_kwh)
    return replace(found.clearing, nodal=found.prices)
