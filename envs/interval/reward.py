"""Rewards: what an interval was worth to each agent, in parts that sum to the whole.

The own reward is minus the agent's bill of what it decides: its flexible orders, and for a car the charging that its
earlier decisions made firm. A home's load is not the policy's doing and stays outside. Energy that an agent moves
between its own devices is worth what the market would have paid or asked for it. Shaping is potential-based (Ng, Harada
& Russell 1999): stored energy counts at a share of the mean retail price until the end or departure, so that no
episode gains from it.
"""

from __future__ import annotations

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import from_micro
from gridbazaar.envs.interval.calls import services_cur
from gridbazaar.envs.scenario import RewardConfig
from gridbazaar.envs.state import Flows, Market, Money
from gridbazaar.market.settlement.settle import LINES

PARTS = ("energy", "wear", "discomfort", "upkeep", "unserved", "end_value", "shaping")


def reward(
    market: Market, devices: Flows, money: Money, rise_cur: Array, config: RewardConfig, firm_is_chosen: Array
) -> tuple[Array, Array]:
    """Give rewards [n_envs, n_agents] and their parts [n_envs, n_agents, n_parts], in units of ``scale_cur``.

    Args:
        market: what was ordered, and at which prices.
        devices: what happened behind the meters.
        money: the bills.
        rise_cur: [n_envs, n_agents] potential after the interval less that before; after the last one it is 0.
        config: whose reward, and its scale.
        firm_is_chosen: [n_agents] bool, whose firm energy follows from earlier decisions.
    """
    xp = namespace(devices.wear_cur)
    own_cur = chosen_cost_cur(market, money, firm_is_chosen)
    if money.answer is not None:
        own_cur = own_cur + services_cur(money.answer)
    if config.whose != "own":
        n_agents = own_cur.shape[1]
        bills = from_micro(xp.sum(money.bill.ucur[:, :, :n_agents], axis=1))
        community = xp.sum(bills, axis=1, keepdims=True) / n_agents + xp.zeros_like(own_cur)
        weight = config.mix if config.whose == "mix" else 0.0
        own_cur = weight * own_cur + (1 - weight) * community
    parts = xp.zeros((*own_cur.shape, len(PARTS)), own_cur)
    for i, part in enumerate(
        (
            -own_cur,
            -devices.wear_cur,
            -devices.discomfort_cur,
            -devices.upkeep_cur,
            -config.unserved_cur_per_kwh * devices.unserved_kwh - money.shed_cur,
            money.stored_value_cur,
            config.shaping * rise_cur,
        )
    ):
        parts[..., i] = part / config.scale_cur
    return xp.sum(parts, axis=-1), parts


def chosen_cost_cur(market: Market, money: Money, firm_is_chosen: Array) -> Array:
    """Give each agent's cost of the energy that it decided on, [n_envs, n_agents]."""
    clearing, rates, netted = market.clearing, market.rates, market.netted_ukwh
    xp, n_agents = namespace(netted), netted.shape[1]
    local = (rates.local_network + rates.local_tax)[:, None]
    bought = (rates.energy + rates.network + rates.tax + clearing.rent_ucur_per_kwh)[:, None]
    sold = (rates.export + clearing.rent_ucur_per_kwh)[:, None]
    traded, outside = clearing.traded_ukwh, clearing.outside_ukwh
    charges = xp.maximum(traded, 0) * local + outside * xp.where(outside > 0, bought, sold)
    orders_cur = from_micro(clearing.pay_ucur + from_micro(charges))
    price = clearing.price_ucur_per_kwh[:, n_agents:]
    netted_cur = -from_micro(from_micro(netted * (price + xp.where(netted > 0, local, 0))))
    cut_cur = from_micro(money.bill.ucur[:, LINES.index("losses"), :n_agents])
    return orders_cur[:, n_agents:] + netted_cur + cut_cur + xp.where(firm_is_chosen, orders_cur[:, :n_agents], 0.0)
