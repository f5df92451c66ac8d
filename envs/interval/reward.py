"""Rewards: what an interval was worth to each agent, in parts that sum to the whole.

The own reward is minus the agent's own full cost: its whole bill, wear, discomfort, upkeep and lost load, and at the
end plus the worth of what is left. So the returns of two ways to act differ by minus the difference of what they cost.
From it a baseline is taken off that no action moves: the standing charge, rents, and what the tariff would ask for
must-serve load less the sun or wind that there is. Agents of one customer are each rewarded for all that it costs. The
community's reward is the same of all agents together, with what its market's operator pays, one share for each agent.
Shaping is potential-based (Ng, Harada & Russell 1999): no episode gains from it.
"""

from __future__ import annotations

from gridbazaar.agents.kind import Now
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import MICRO, from_micro
from gridbazaar.envs.episode.world import World
from gridbazaar.envs.scenario_tables import RewardConfig
from gridbazaar.envs.state import Episode, Flows, Money
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES, Rates, Terms

PARTS = ("bill", "baseline", "wear", "discomfort", "upkeep", "unserved", "end_value", "shaping")

_SHARE, _OPERATOR = LINES.index("share"), SYSTEM_PARTIES.index("market_operator")


def reward(
    money: Money, devices: Flows, baseline_cur: Array, rise_cur: Array, terms: Terms, config: RewardConfig
) -> tuple[Array, Array]:
    """Give rewards [n_envs, n_agents] and their parts [n_envs, n_agents, n_parts], in units of ``config.scale``.

    Args:
        money: the bills.
        devices: what happened behind the meters.
        baseline_cur: [n_envs, n_agents] see ``baseline_cur``.
        rise_cur: [n_envs, n_agents] potential after the interval less that before; after the last one it is 0.
        terms: contracts; who owns a battery together bears its cost, but the battery is rewarded for what it did.
        config: whose reward, and its scale.
    """
    xp, n_agents = namespace(devices.wear_cur), devices.wear_cur.shape[1]
    own = (
        -from_micro(own_bill_ucur(money, terms)),
        baseline_cur,
        -devices.wear_cur,
        -devices.discomfort_cur,
        -devices.upkeep_cur,
        -config.unserved_cur_per_kwh * devices.unserved_kwh - money.shed_cur,
        money.stored_value_cur,
        config.shaping * rise_cur,
    )
    parts = xp.zeros((*baseline_cur.shape, len(PARTS)), baseline_cur)
    for i, part in enumerate(own):
        parts[..., i] = part
    if config.whose != "own":
        common = xp.sum(parts, axis=1, keepdims=True) / n_agents
        operator_cur = from_micro(xp.sum(money.bill.ucur[:, :, n_agents + _OPERATOR], axis=1))
        common[:, 0, 0] -= operator_cur / n_agents
        weight = config.mix if config.whose == "mix" else 0.0
        parts = weight * _of_customer(parts, terms) + (1 - weight) * common
    else:
        parts = _of_customer(parts, terms)
    parts = parts / config.scale
    return xp.sum(parts, axis=-1), parts


def _of_customer(parts: Array, terms: Terms) -> Array:
    """Give each agent the parts of all agents of its customer, whose cost is one."""
    customers = terms.customers
    return parts if customers is None or not customers.has_families else customers.all_of(parts)


def own_bill_ucur(money: Money, terms: Terms) -> Array:
    """Give each agent's whole bill, [n_envs, n_agents] int64, before owners share what a battery of theirs owes."""
    n_agents = terms.connections.shape[0]
    of_agents = money.bill.ucur[:, :, :n_agents]
    owed = namespace(of_agents).sum(of_agents, axis=1)
    if terms.held is None:
        return owed
    contracts = terms.rent_ucur if money.answer is None else terms.rent_ucur + money.answer.services.shared_ucur
    return owed - (of_agents[:, _SHARE] - contracts)


def baseline_cur(world: World, episode: Episode, now: Now, rates: Rates, terms: Terms) -> Array:
    """Give what no action moves of each agent's cost, [n_envs, n_agents].

    Args:
        world: the kinds.
        episode: what the reset drew.
        now: the interval.
        rates: its tariff.
        terms: standing charges and rents that are due in it.
    """
    xp, step_h = namespace(rates.energy), world.scenario.step_h
    drawn = ((rates.energy + rates.network + rates.tax) / MICRO)[:, None]
    sent = (rates.export / MICRO)[:, None]
    due_cur = from_micro(terms.fixed_ucur + terms.rent_ucur)
    blocks = []
    for kind, columns, params in zip(world.kinds, world.slices, episode.params, strict=True):
        if kind.must_serve is None:
            blocks.append(due_cur[:, columns])
            continue
        load_kw, pv_kw = kind.must_serve.real_kw(params, now.series, now.step)
        net_kwh = (load_kw - pv_kw) * step_h
        blocks.append(due_cur[:, columns] + net_kwh * xp.where(net_kwh > 0, drawn, sent))
    return xp.concat(blocks, axis=1)
