"""Carry: what hangs on the billing period so far, from interval to interval, under designs that bill by the month.

Every agent is an account: its whole meter makes the peak, also what it trades with neighbours; a VPP's devices are one.
Agents of one customer each carry the customer's meter, so that all see its peak; it is posted once, with the first.
"""

from __future__ import annotations

from dataclasses import replace

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.envs.episode.world import World
from gridbazaar.envs.state import Episode, State
from gridbazaar.market.mechanisms import mechanism_stage
from gridbazaar.market.orders import Clearing
from gridbazaar.market.settlement.customers import of_customers
from gridbazaar.market.settlement.peaks import MonthCarry, Reading, advance, begin, due_ucur
from gridbazaar.market.settlement.position import Delivery, position_of
from gridbazaar.market.settlement.settle import Posting


def first_months(world: World, episode: Episode) -> MonthCarry | None:
    """Give the carry with which an episode begins, its own or that of a new month; none: nothing is billed by it."""
    if world.by_month is None:
        return None
    if episode.months is not None:
        return episode.months
    return begin(world.by_month, episode.start.shape[0], world.n_agents, episode.start)


def month_postings(
    world: World, state: State, clearing: Clearing, delivery: Delivery
) -> tuple[tuple[Posting, ...], MonthCarry | None]:
    """Give what an interval adds to what is due by the month, [n_envs, n_agents] each, and the carry after it."""
    if world.by_month is None or state.months is None:
        return (), None
    n, start = world.n_agents, state.episode.start
    traded: Array = clearing.traded_ukwh[:, :n] + clearing.traded_ukwh[:, n:]
    metered, xp = delivery.metered_ukwh, namespace(traded)
    customers = world.customers
    if customers is not None and customers.has_families:
        traded, metered = customers.all_of(traded), customers.all_of(metered)
    # What neighbours traded beyond what a meter counted is no local energy.
    local = xp.clip(traded, xp.minimum(metered, 0), xp.maximum(metered, 0))
    reading = Reading(metered, local, metered - local)
    if world.by_month.energy is not None:
        reading = _with_retailer(world, reading, clearing, delivery)
    after = advance(world.by_month, state.months, reading, start + state.t, start)
    more = due_ucur(world.by_month, after) - due_ucur(world.by_month, state.months)
    if customers is not None:
        more = more * customers.is_lead[None, :, None]
    entries = enumerate(world.by_month.entries)
    return tuple(Posting(entry.line, entry.to, more[:, :, i]) for i, entry in entries), after


def _with_retailer(world: World, reading: Reading, clearing: Clearing, delivery: Delivery) -> Reading:
    """Add what is settled with the retailer and with neighbours, also of trades that meters did not deliver."""
    is_ex_post = mechanism_stage(world.scenario.mechanism) == "ex_post"
    position = position_of(*of_customers(clearing, delivery, world.customers), prices_metered=is_ex_post)
    net, local = position.net_ukwh, position.local_ukwh
    if world.customers is not None and world.customers.has_families:
        net, local = world.customers.all_of(net), world.customers.all_of(local)
    return replace(reading, retail_ukwh=net, traded_ukwh=local)
