"""Rewards: what an interval was worth to each agent, in parts that sum to the whole.

The own reward is minus the agent's bill of what it decides: its flexible orders, and for a car the charging that its
earlier decisions made firm. A home's load is not the policy's doing and stays outside. Energy that an agent moves
between its own devices is worth what the market would have paid or asked for it. Shaping is potential-based (Ng, Harada
& Russell 1999): stored energy counts at a share of the mean retail price until the end or departure, so that no
episode gains from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridbazaar.agents.plan import View
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import from_micro
from gridbazaar.envs.scenario import RewardConfig
from gridbazaar.market.orders import Clearing
from gridbazaar.market.settlement.settle import LINES, Bill, Rates

PARTS = ("energy", "wear", "discomfort", "upkeep", "unserved", "end_value", "shaping")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reward is made of."""

    clearing: Clearing
    bill: Bill
    rates: Rates
    netted_ukwh: Array  # [n_envs, n_agents] int64, > 0 load that own storage served, < 0 own surplus that it took
    wear_cur: Array  # [n_envs, n_agents]
    discomfort_cur: Array  # [n_envs, n_agents]
    upkeep_cur: Array  # [n_envs, n_agents]
    unserved_kwh: Array  # [n_envs, n_agents]
    shed_cur: Array  # [n_envs, n_agents] value of lost load
    stored_value_cur: Array  # [n_envs, n_agents]
    potential_before_cur: Array  # [n_envs, n_agents]
    potential_after_cur: Array  # [n_envs, n_agents], 0 after the last interval
    services_cur: Array | None = None  # [n_envs, n_agents] what calls cost, without deposits; none: no calls


def reward(outcome: Outcome, config: RewardConfig, firm_is_chosen: Array) -> tuple[Array, Array]:
    """Give rewards [n_envs, n_agents] and their parts [n_envs, n_agents, n_parts], in units of ``scale_cur``."""
    xp = namespace(outcome.wear_cur)
    own_cur = chosen_cost_cur(outcome, firm_is_chosen)
    if outcome.services_cur is not None:
        own_cur = own_cur + outcome.services_cur
    if config.whose != "own":
        n_agents = own_cur.shape[1]
        bills = from_micro(xp.sum(outcome.bill.ucur[:, :, :n_agents], axis=1))
        community = xp.sum(bills, axis=1, keepdims=True) / n_agents + xp.zeros_like(own_cur)
        weight = config.mix if config.whose == "mix" else 0.0
        own_cur = weight * own_cur + (1 - weight) * community
    parts = xp.zeros((*own_cur.shape, len(PARTS)), own_cur)
    for i, part in enumerate(
        (
            -own_cur,
            -outcome.wear_cur,
            -outcome.discomfort_cur,
            -outcome.upkeep_cur,
            -config.unserved_cur_per_kwh * outcome.unserved_kwh - outcome.shed_cur,
            outcome.stored_value_cur,
            config.shaping * (outcome.potential_after_cur - outcome.potential_before_cur),
        )
    ):
        parts[..., i] = part / config.scale_cur
    return xp.sum(parts, axis=-1), parts


def chosen_cost_cur(outcome: Outcome, firm_is_chosen: Array) -> Array:
    """Give each agent's cost of the energy that it decided on, [n_envs, n_agents]."""
    xp = namespace(outcome.wear_cur)
    clearing, rates = outcome.clearing, outcome.rates
    n_agents = outcome.wear_cur.shape[1]
    local = (rates.local_network + rates.local_tax)[:, None]
    bought = (rates.energy + rates.network + rates.tax + clearing.rent_ucur_per_kwh)[:, None]
    sold = (rates.export + clearing.rent_ucur_per_kwh)[:, None]
    traded, outside = clearing.traded_ukwh, clearing.outside_ukwh
    charges = xp.maximum(traded, 0) * local + outside * xp.where(outside > 0, bought, sold)
    orders_cur = from_micro(clearing.pay_ucur + from_micro(charges))
    price = clearing.price_ucur_per_kwh[:, n_agents:]
    netted = outcome.netted_ukwh
    netted_cur = -from_micro(from_micro(netted * (price + xp.where(netted > 0, local, 0))))
    cut_cur = from_micro(outcome.bill.ucur[:, LINES.index("losses"), :n_agents])
    return orders_cur[:, n_agents:] + netted_cur + cut_cur + xp.where(firm_is_chosen, orders_cur[:, :n_agents], 0.0)


def potential_cur(view: View, worth_cur_per_kwh: Array, mean_price_cur_per_kwh: Array) -> Array:
    """Worth of stored energy: what it may save before the end, or, for a car, minus what it still has to buy.

    Args:
        view: the devices.
        worth_cur_per_kwh: [n_envs] what a kWh delivered from storage may save.
        mean_price_cur_per_kwh: [n_envs, n_agents] mean retail price until departure.
    """
    storage_cur = view.stored_kwh * view.eta_dis * view.is_stationary * worth_cur_per_kwh[:, None]
    return storage_cur - mean_price_cur_per_kwh * view.need_kwh / view.eta_ch
