"""The market of the twin: who is filled, and what an interval costs the community; in floats, differentiable.

What the core does with integers for any book is written here for the orders that a learned policy places: at any
price, at a limit inside the band which only neighbours reach, or between the two, beyond the tariff but below scarcity,
which a full connection does not fill. What members pay each other cancels, so the local price matters only for what the
wires withhold, and for who gains.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gridbazaar.agents.learned.network import KEEN, RESERVED

_LEAST = 1e-9
_SOFT_KWH = 0.5
"""Energy over which the price rises by a step of its ladder, on the way back."""
_PREMIUM = 2 * KEEN - 1
"""Part of the scarcity price that a keen order pays above the tariff; see ``agents/bid.py``."""


class Fills(NamedTuple):
    """What became of the orders, [n_envs, n_agents] kWh, > 0 draws, unless said."""

    device: Tensor  # that the device may move
    firm: Tensor  # order of what must be served, filled as it is
    flexible: Tensor  # order of the device, its filled part
    local: Tensor  # of both, traded with neighbours
    local_share: Tensor  # of what is filled, that neighbours serve
    price: Tensor  # [n_envs, 1] of a local kWh
    refused: Refused


class Refused(NamedTuple):
    """Energy that finds the connection full, [n_envs, 1] kWh each; below 0 is what there would be room for.

    Of import what any price would be paid for, and what keen buyers ask with it; of export in the same way.
    """

    over: Tensor
    asked: Tensor
    spilt: Tensor
    offered: Tensor


class Terms(NamedTuple):
    """Prices and caps of an interval, [n_envs, 1] each."""

    bought: Tensor  # currency per kWh of the retailer, with all charges
    sold: Tensor
    local: Tensor  # charges on a local kWh
    import_cap_kwh: Tensor
    export_cap_kwh: Tensor
    scarcity: float


def clear(
    firm: Tensor, wish: Tensor, eager: Tensor, terms: Terms, *, keen: Tensor | None = None, moves_price: bool = False
) -> Fills:
    """Clear an interval at a uniform price.

    Args:
        firm: [n_envs, n_agents] kWh served at any price.
        wish: [n_envs, n_agents] kWh of the device.
        eager: [n_envs, n_agents] 1 where the device is filled by the retailer, too, 0 where by neighbours alone.
        terms: of the interval.
        keen: [n_envs, n_agents] 1 where an eager one is not filled beyond a full connection; none: nobody.
        moves_price: on the way back orders move the price as if its steps were soft; else it counts as given.
    """
    opposed = firm * wish < 0
    netted = torch.where(opposed, torch.minimum(firm.abs(), wish.abs()), torch.zeros_like(firm)) * wish.sign()
    firm, flexible = firm + netted, wish - netted
    any_price, reserved = eager * flexible, (1 - eager) * flexible
    offered, asked = (_total(side * reserved) for side in (-1, 1))
    if keen is None:
        refused = _refused(firm + any_price, None, offered, asked, terms)
    else:
        within, any_price = keen * any_price, (1 - keen) * any_price
        refused = _refused(firm + any_price, within, offered, asked, terms)
        any_price = any_price + _ration(within, refused) * within
    net = (firm + any_price).sum(1, keepdim=True)
    upper = terms.bought - terms.local
    is_open = (upper > terms.sold).to(firm.dtype)
    # Where the band is empty a reserve reaches neighbours only before the scarcity beyond a cap.
    sells, buys = (
        ((most - (1 - is_open) * cap).clamp(min=0) / wanted.clamp(min=_LEAST)).clamp(max=1)
        for most, wanted, cap in ((net, offered, terms.import_cap_kwh), (-net, asked, terms.export_cap_kwh))
    )
    flexible = any_price + torch.where(reserved < 0, sells, buys) * reserved
    filled = firm + flexible
    bought, sold = (_total(side * filled) for side in (1, -1))
    of_bought, of_sold = (
        (other / one.clamp(min=_LEAST)).clamp(max=1) * is_open for one, other in ((bought, sold), (sold, bought))
    )
    share = torch.where(filled > 0, of_bought, of_sold)
    price = _price(net, offered, asked, refused, upper, terms)
    if moves_price:
        soft = _soft_price(net, offered, asked, refused, upper, terms)
        price = price + soft - soft.detach()
    return Fills(flexible + netted, firm, flexible, filled * share, share, price, refused)


def _total(energy: Tensor) -> Tensor:
    """[n_envs, 1] of what is above 0."""
    return energy.clamp(min=0).sum(1, keepdim=True)


def _refused(at_any_price: Tensor, keen: Tensor | None, offered: Tensor, asked: Tensor, terms: Terms) -> Refused:
    net = at_any_price.sum(1, keepdim=True)
    bought, sold = (torch.zeros_like(net),) * 2 if keen is None else (_total(keen), _total(-keen))
    over, spilt = net - sold - offered - terms.import_cap_kwh, -net - bought - asked - terms.export_cap_kwh
    return Refused(over, over + bought, spilt, spilt + sold)


def _ration(keen: Tensor, refused: Refused) -> Tensor:
    """[n_envs, n_agents] share of keen orders that is filled."""
    buys, sells = (
        1 - (most.clamp(min=0) / (most - least).clamp(min=_LEAST)).clamp(max=1)
        for most, least in ((refused.asked, refused.over), (refused.offered, refused.spilt))
    )
    return torch.where(keen > 0, buys, sells)


def _price(net: Tensor, offered: Tensor, asked: Tensor, refused: Refused, upper: Tensor, terms: Terms) -> Tensor:
    """[n_envs, 1] of the marginal order: a neighbour with a reserve, or the retailer, within its cap or beyond."""
    width = upper - terms.sold
    sellers, buyers = terms.sold + (0.5 - RESERVED) * width, terms.sold + (0.5 + RESERVED) * width
    rest, surplus = net - offered, -net - asked
    short = torch.where(rest > 0, upper + _scarce(refused.over, refused.asked, terms), sellers)
    long = torch.where(surplus > 0, terms.sold - _scarce(refused.spilt, refused.offered, terms), buyers)
    return torch.where(net > 0, short, long)


def _scarce(beyond: Tensor, wanted: Tensor, terms: Terms) -> Tensor:
    """[n_envs, 1] what a kWh through it is worth as planned: scarcity beyond the cap, else what is bid for it."""
    of_keen = torch.where(wanted > _LEAST, terms.scarcity * _PREMIUM, torch.zeros_like(wanted))
    return torch.where(beyond > _LEAST, torch.full_like(beyond, terms.scarcity), of_keen)


def _soft_scarce(beyond: Tensor, wanted: Tensor, terms: Terms) -> Tensor:
    """The steps of ``_scarce``, each a sigmoid."""
    of_keen, rest = terms.scarcity * _PREMIUM, terms.scarcity * (1 - _PREMIUM)
    return of_keen * torch.sigmoid(wanted / _SOFT_KWH) + rest * torch.sigmoid(beyond / _SOFT_KWH)


def _soft_price(net: Tensor, offered: Tensor, asked: Tensor, refused: Refused, upper: Tensor, terms: Terms) -> Tensor:
    """[n_envs, 1] the steps of ``_price``, each a sigmoid of the energy that is left of it."""
    width = upper - terms.sold
    low, middle, high = (0.5 + RESERVED) * width, -2 * RESERVED * width, (0.5 + RESERVED) * width
    rises = ((low, net + asked), (middle, net), (high, net - offered))
    price = terms.sold + _soft_scarce(refused.over, refused.asked, terms)
    price = price - _soft_scarce(refused.spilt, refused.offered, terms)
    for rise, left_kwh in rises:
        price = price + rise * torch.sigmoid(left_kwh / _SOFT_KWH)
    return price


class Withheld(NamedTuple):
    """What the wires did not let through, [n_envs, n_agents] kWh; injection > 0, draw < 0."""

    sun: Tensor  # >= 0, sun that is lost
    devices: Tensor  # that stays in or out of devices


def cost_cur(fills: Fills, metered: Tensor, withheld: Withheld | None, is_brp: Tensor, terms: Terms) -> Tensor:
    """Give what the interval costs all agents together, [n_envs]; standing charges and what no bill holds apart.

    Args:
        fills: of the interval.
        metered: [n_envs, n_agents] kWh.
        withheld: by the wires; none: nothing.
        is_brp: [n_agents] bool, pays the tariff on its schedule; others pay it on what they metered less local trade.
        terms: of the interval.
    """
    owed = _owe(fills, metered, withheld, is_brp, terms)
    cost = owed.tariff.sum(1) + terms.scarcity * (owed.over + owed.spilt)[:, 0]
    return cost if owed.withheld is None else cost + owed.withheld.sum(1)


def cost_of_agents_cur(
    fills: Fills, metered: Tensor, withheld: Withheld | None, is_brp: Tensor, terms: Terms, connections: Tensor
) -> Tensor:
    """Give what the interval costs each agent, [n_envs, n_agents]; it adds up to ``cost_cur``.

    Args:
        fills, metered, withheld, is_brp, terms: as of ``cost_cur``.
        connections: [n_agents] shares of the connection's rebate, adding up to 1.

    Neighbours pay each other the local price. Who uses a full connection pays its rent, which comes back to all by
    their connections, but for what lies beyond the cap; on the way back it fills softly. Where the band is empty and
    reserves fill just as much as the cap lets through, the core's rent lies between nothing and scarcity; here it is
    nothing.
    """
    owed = _owe(fills, metered, withheld, is_brp, terms, moves_rent=True)
    each = owed.tariff + fills.local * fills.price
    given = owed.rent * owed.net.sum(1, keepdim=True) - terms.scarcity * (owed.over + owed.spilt)
    each = each + owed.rent * owed.net - given * connections
    return each if owed.withheld is None else each + owed.withheld


class _Owe(NamedTuple):
    tariff: Tensor  # [n_envs, n_agents] of the retailer, and charges on what neighbours deliver
    withheld: Tensor | None  # [n_envs, n_agents] for what the wires withheld
    net: Tensor  # [n_envs, n_agents] kWh with the retailer
    over: Tensor  # [n_envs, 1] kWh beyond the cap of import
    spilt: Tensor  # [n_envs, 1] kWh beyond the cap of export
    rent: Tensor  # [n_envs, 1] of a kWh through a connection that is full, as planned or as delivered


def _owe(
    fills: Fills, metered: Tensor, withheld: Withheld | None, is_brp: Tensor, terms: Terms, *, moves_rent: bool = False
) -> _Owe:
    net = metered - fills.local
    if withheld is not None:
        net = net - withheld.sun - withheld.devices
    outside = fills.firm + fills.flexible - fills.local
    retail = _tariff(torch.where(is_brp, outside, net), terms.bought, terms.sold)
    charges = terms.local * fills.local.clamp(min=0)
    through = net.sum(1, keepdim=True)
    beyond, below = through - terms.import_cap_kwh, -through - terms.export_cap_kwh
    over, spilt, planned = beyond.clamp(min=0), below.clamp(min=0), fills.refused
    scarcity = torch.full_like(over, terms.scarcity)
    of_plan = _scarce(planned.over, planned.asked, terms) - _scarce(planned.spilt, planned.offered, terms)
    rent = torch.where(over > 0, scarcity, torch.where(spilt > 0, -scarcity, of_plan))
    if moves_rent:
        soft = _soft_scarce(torch.maximum(planned.over, beyond), planned.asked, terms)
        soft = soft - _soft_scarce(torch.maximum(planned.spilt, below), planned.offered, terms)
        rent = rent + soft - soft.detach()
    owed = None if withheld is None else _owed(fills, withheld, net, rent, terms)
    return _Owe(retail + charges, owed, net, over, spilt, rent)


def _tariff(energy: Tensor, bought: Tensor, sold: Tensor) -> Tensor:
    return energy.clamp(min=0) * bought + energy.clamp(max=0) * sold


def _owed(fills: Fills, withheld: Withheld, net: Tensor, rent: Tensor, terms: Terms) -> Tensor:
    """What agents pay for what they were billed as if they had delivered; see ``market/settlement/withheld.py``."""
    bought, sold, share = terms.bought + rent, terms.sold + rent, fills.local_share
    is_buy = fills.firm + fills.flexible > 0
    worth = share * (fills.price + torch.where(is_buy, terms.local, 0.0)) + (1 - share) * torch.where(
        is_buy, bought, sold
    )
    of_firm = _opposed(withheld.sun, fills.firm)
    of_flexible = _opposed(withheld.devices, fills.flexible)
    too = _opposed(withheld.devices - of_flexible, fills.firm + of_firm)
    rest = withheld.sun + withheld.devices - of_firm - of_flexible - too
    undone = _tariff(net + rest, bought, sold) - _tariff(net, bought, sold)
    return (of_firm + of_flexible + too) * worth + undone


def _opposed(cut: Tensor, fills: Tensor) -> Tensor:
    most, least = (-fills).clamp(min=0), (-fills).clamp(max=0)
    return torch.where(cut > 0, torch.minimum(cut, most), torch.maximum(cut, least))
