"""Setting: what a market rule may know of the interval, and on which terms it is billed."""

from __future__ import annotations

from dataclasses import replace

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import to_micro
from gridbazaar.envs.episode.world import World
from gridbazaar.envs.interval.island import Outage
from gridbazaar.envs.interval.rates import price_step
from gridbazaar.envs.state import Episode, State
from gridbazaar.market.auction.rationing import increments
from gridbazaar.market.mechanisms import mechanism_stage
from gridbazaar.market.orders import Setting, Wires
from gridbazaar.market.settlement.settle import Rates, Terms
from gridbazaar.market.settlement.standing import standing_postings

BEYOND_UCUR_PER_KWH = 10_000_000
"""Dearer than any bus: added to the limit of who takes any price where buses have prices, so that it is served there"""


def upper_ucur_per_kwh(rates: Rates) -> Array:
    """Give the upper edge of the band of local prices: the retail price less the charges on a local kWh."""
    return rates.energy + rates.network + rates.tax - rates.local_network - rates.local_tax


def setting_of(world: World, state: State, rates: Rates, wires: Wires | None, outage: Outage | None) -> Setting:
    """Give what the mechanism may know.

    Args:
        world: the world.
        state: before the interval.
        rates: the tariff of the interval.
        wires: the feeder, where it has prices.
        outage: who is cut off; none where there are no outages.
    """
    upper, episode, scenario = upper_ucur_per_kwh(rates), state.episode, world.scenario
    scarcity = 0 * upper + world.scarcity_ucur_per_kwh
    setting = Setting(
        import_ucur_per_kwh=upper,
        export_ucur_per_kwh=rates.export,
        import_cap_ukwh=to_micro(episode.import_cap_kw * scenario.step_h),
        export_cap_ukwh=to_micro(episode.export_cap_kw * scenario.step_h),
        import_scarcity_ucur_per_kwh=scarcity,
        export_scarcity_ucur_per_kwh=scarcity,
        carry=state.carry if state.carry.shape[1] else None,
        wires=wires,
    )
    if outage is None:
        return setting
    xp, island = namespace(upper), outage.is_island
    return replace(
        setting,
        import_ucur_per_kwh=xp.where(island, round(scenario.outage.lost_load_cur_per_kwh * 1e6), upper),
        export_ucur_per_kwh=xp.where(island, 0, rates.export),
        import_scarcity_ucur_per_kwh=xp.where(island, 0, scarcity),
        export_scarcity_ucur_per_kwh=xp.where(island, 0, scarcity),
        is_island=island,
    )


def lottery_of(state: State) -> Array | None:
    """Give this interval's banked numbers, [n_envs, n_agents]; none where the rule does not draw."""
    bank = state.episode.lottery
    return None if bank is None else bank[namespace(bank).arange(bank.shape[0], state.t), state.t]


def terms_of(world: World, episode: Episode, t: Array) -> Terms:
    """Give who stands where, and the rents and standing charges that are due in interval ``t`` [n_envs].

    Both are differences of sums that are rounded once, over intervals and, for rents, over agents: an episode's
    amounts are exact, and what is paid in an interval is received.
    """
    step, n_steps = price_step(episode, episode.start + t), world.scenario.n_steps
    due = world.fixed_ucur[step + 1] - world.fixed_ucur[step]
    running = namespace(t).cumsum(episode.rent_ucur, axis=1)
    rent = running * (t + 1)[:, None] // n_steps - running * t[:, None] // n_steps
    return Terms(
        is_brp=world.is_brp,
        connections=world.connections,
        rent_ucur=increments(rent),
        fixed_ucur=due[:, None] * world.connections[None, :],
        standing=standing_postings(world.standing, step, world.connections),
        is_firm=world.scenario.connection.firm,
        prices_metered=mechanism_stage(world.scenario.mechanism) == "ex_post",
        held=world.held,
        customers=world.customers,
        retail_by_month=world.by_month is not None and world.by_month.energy is not None,
    )
