"""A world: a scenario with its series, prices and wires in the core's array library; made once and shared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from gridbazaar.agents.kind import AnyKind, Series
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bank import Bank, read_only
from gridbazaar.data.feeders import load_feeder
from gridbazaar.data.forecast.forecast import forecast_by
from gridbazaar.data.generator import GeneratorConfig, make_bank
from gridbazaar.data.history import with_history
from gridbazaar.data.loaders.load import load_bank
from gridbazaar.data.sessions import find_sessions
from gridbazaar.data.trees import mapped
from gridbazaar.data.units import to_micro
from gridbazaar.envs.episode.lasting import Lasting, lasting_of
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenario_tables import DataConfig
from gridbazaar.market.found import find_tariff
from gridbazaar.market.grid.balanced import Grid
from gridbazaar.market.played import Played, play
from gridbazaar.market.settlement.customers import Customers, customers_of
from gridbazaar.market.settlement.peaks import MonthCharges
from gridbazaar.market.settlement.settle import Rates
from gridbazaar.market.settlement.shares import Holding, holding
from gridbazaar.market.settlement.standing import Standing

_GOLDEN_RATIO = 0.6180339887498949


@dataclass(frozen=True, slots=True)
class World:
    """What all episodes of a scenario share."""

    scenario: Scenario
    bank: Bank
    kinds: tuple[AnyKind, ...]  # in the order of the scenario
    configs: tuple[Any, ...]
    slices: tuple[slice, ...]  # columns of each kind among the agents
    meter_slices: tuple[slice, ...]  # columns of each kind among the meters
    series: Series
    rates: Rates  # [n_bank_steps] in place of [n_envs]
    retail_cur_per_kwh: Array  # [n_bank_steps]
    carbon_kg_per_kwh: Array  # [n_bank_steps]
    hour: Array  # [n_bank_steps] that the local clock shows
    grid: Grid
    meter_bus: Array  # [n_meters] int64
    meter_agent: Array  # [n_meters] int64
    bus_of_meter: Array  # [n_meters, n_buses] 1 where the meter hangs
    order_agent: Array  # [2 n_agents] int64
    order_bus: Array  # [2 n_agents] int64
    is_brp: Array  # [n_agents] bool
    connections: Array  # [n_agents] int64
    firm_is_chosen: Array  # [n_agents] bool
    lends: Array  # [n_agents] bool, devices that help an island
    agent_of_meter: Array  # [n_meters, n_agents] 1 where the meter is the agent's
    is_only_meter: Array  # [n_meters] bool, whether its agent has no other
    behind: Array  # [n_buses, n_buses] 1 where a bus lies behind a branch
    owner: Array  # [n_rented] agents that own what others have rented, for the meters with a rent
    fixed_ucur: Array  # [n_bank_steps + 1] int64 standing charge of a connection since the first midnight of the bank
    standing: Standing | None  # what of it is not the retailer's; none: nothing
    scarcity_ucur_per_kwh: int  # beyond the cap of the connection
    held: Holding | None  # members' shares in the batteries; none: there are no shares
    customers: Customers | None  # who is one customer; none: every agent is one, and a member
    by_month: MonthCharges | None  # what the tariff asks by the billing period; none: nothing
    lasting: Lasting  # what agents have in all episodes, on the host

    @property
    def n_agents(self) -> int:
        return int(self.slices[-1].stop)


@lru_cache(maxsize=8)
def bank_of(data: DataConfig, seed: int, step_min: int) -> Bank:
    """Give the series of a scenario; the same object for the same arguments, so nothing may write into it."""
    bank = _new_bank(data, seed, step_min)
    return read_only(with_history(bank) if data.all_days else bank)


def _new_bank(data: DataConfig, seed: int, step_min: int) -> Bank:
    if data.path is not None:
        bank = load_bank(
            (data.path, *data.further), step_min=step_min, drop_bad=data.drop_bad, repair=data.repair,
            timezone=data.timezone, stamps=data.stamps, columns=data.columns, loader=data.loader, master=seed,
            n_cars=data.n_cars, n_homes=data.n_homes, mean_load_kwh_per_day=data.mean_load_kwh_per_day,
        )  # fmt: skip
        if data.sessions == "home":  # what a loader makes
            return bank
        return replace(bank, sessions=find_sessions(data.sessions, seed, bank.calendar, data.n_cars))
    config = GeneratorConfig(
        master=seed, step_min=step_min, n_days=data.n_days, n_homes=data.n_homes, n_roofs=data.n_roofs,
        n_cars=data.n_cars, mean_load_kwh_per_day=data.mean_load_kwh_per_day, sessions=data.sessions,
        timezone=data.timezone,
    )  # fmt: skip
    return make_bank(config)


def _bank_with_forecasts(scenario: Scenario) -> Bank:
    if scenario.forecast in ("past", "perfect"):  # nothing to be made
        return forecast_by(bank_of(scenario.data, scenario.seed, scenario.step_min), scenario.forecast)
    return _refitted(scenario.data, scenario.seed, scenario.step_min, scenario.forecast)


@lru_cache(maxsize=4)
def _refitted(data: DataConfig, seed: int, step_min: int, forecast: str) -> Bank:
    return read_only(forecast_by(bank_of(data, seed, step_min), forecast))


def make_world(scenario: Scenario, to_array: Any = np.asarray) -> World:
    """Build the world of a scenario.

    Args:
        scenario: what to build.
        to_array: turns a NumPy array into one of the core's library; float arrays get its float type.
    """
    bank = _bank_with_forecasts(scenario)
    chosen = [(kind, config) for _, kind, config in scenario.named_kinds if config.count]
    counts = [config.count for _, config in chosen]
    meters = [kind.n_meters(config) for kind, config in chosen]
    played = play(find_tariff(scenario.tariff, **scenario.tariff_options), bank.spot_cur_per_kwh, bank.calendar)
    feeder = load_feeder(scenario.feeder)
    grid = Grid(feeder)
    n_buses = len(feeder.parent)
    connections = np.repeat([k.connections for k, _ in chosen], counts)
    customers = _customers(scenario)
    lasting = lasting_of(scenario, bank, feeder.buses, [k for k, _ in chosen], [c for _, c in chosen])
    places = _places(
        chosen, counts, meters, connections, n_buses, feeder.has_transformer, customers, lasting.bus
    )  # fmt: skip
    is_brp = np.repeat([k.is_brp for k, _ in chosen], counts)
    order_agent = np.arange(sum(counts))
    if customers is not None:  # one connection, at a tariff unless all of its agents are balance-responsible
        order_agent, connections = customers.lead, connections * customers.is_lead
        is_brp = customers.all_of(~is_brp[None] * 1)[0] == 0
    bus_of_meter = np.zeros((len(places.meter_bus), n_buses))
    bus_of_meter[np.arange(len(places.meter_bus)), places.meter_bus] = 1.0
    return World(
        scenario=scenario, bank=bank,
        kinds=tuple(k for k, _ in chosen), configs=tuple(c for _, c in chosen),
        slices=_slices(counts), meter_slices=_slices(meters), series=series_of(bank, scenario, to_array),
        rates=_rates(played, to_array),
        retail_cur_per_kwh=to_array(played.prices.retail / 1e6), carbon_kg_per_kwh=to_array(bank.carbon_kg_per_kwh),
        hour=to_array(bank.hour()), grid=grid,
        meter_bus=to_array(places.meter_bus), meter_agent=to_array(places.meter_agent),
        bus_of_meter=to_array(bus_of_meter),
        order_agent=to_array(np.tile(order_agent, 2)), order_bus=to_array(np.tile(places.agent_bus, 2)),
        is_brp=to_array(is_brp), connections=to_array(connections),
        firm_is_chosen=to_array(np.repeat([k.firm_is_chosen for k, _ in chosen], counts)),
        lends=to_array(np.repeat([k.lends(c) for k, c in chosen], counts)),
        agent_of_meter=to_array(1.0 * (places.meter_agent[:, None] == np.arange(sum(counts)))),
        is_only_meter=to_array(np.bincount(places.meter_agent)[places.meter_agent] == 1),
        behind=to_array(_behind(feeder.parent)), owner=to_array(places.owner),
        fixed_ucur=to_array(to_micro(played.fixed_cur)),
        standing=None if played.standing is None else mapped(played.standing, exactly(to_array)),
        scarcity_ucur_per_kwh=round(scenario.connection.scarcity_cur_per_kwh * 1e6), held=_held(scenario, to_array),
        customers=_customers(scenario, to_array),
        by_month=None if played.by_month is None else mapped(played.by_month, exactly(to_array)), lasting=lasting,
    )  # fmt: skip


def series_of(bank: Bank, scenario: Scenario, to_array: Any = np.asarray) -> Series:
    """Give the series that kinds look at, in the library of ``to_array``."""
    return Series(
        load_kw=to_array(bank.load_kw),
        pv_kw_per_kwp=to_array(bank.pv_kw_per_kwp),
        load_next_kw=to_array(bank.load_next_kw),
        pv_next_kw_per_kwp=to_array(bank.pv_next_kw_per_kwp),
        load_outlook_kw=to_array(bank.load_outlook_kw),
        pv_outlook_kw_per_kwp=to_array(bank.pv_outlook_kw_per_kwp),
        step_h=scenario.step_h,
        n_steps=scenario.n_steps,
        wind_m_per_s=None if bank.wind_m_per_s is None else to_array(bank.wind_m_per_s),
        wind_next_m_per_s=None if bank.wind_next_m_per_s is None else to_array(bank.wind_next_m_per_s),
        wind_outlook_m_per_s=None if bank.wind_outlook_m_per_s is None else to_array(bank.wind_outlook_m_per_s),
        outdoor_c=None if bank.outdoor_c is None else to_array(bank.outdoor_c),
    )


def exactly(to_array: Any) -> Any:
    """Give what turns arrays into those of the core's library, float64 as they are: money is no physics."""
    like = to_array(np.zeros(1))
    return lambda x: namespace(like).asarray(x, like)


def _held(scenario: Scenario, to_array: Any) -> Holding | None:
    battery = scenario.agents.get("battery")
    if battery is None or not battery.shares:
        return None
    held = holding(scenario.agent_names, scenario.kind_slices["battery"], battery.shares)
    return Holding(to_array(held.is_owned), to_array(held.until_ppm))


def _customers(scenario: Scenario, to_array: Any = np.asarray) -> Customers | None:
    found = scenario.customers
    if all(len(customer.agents) == 1 and customer.member for customer in found):
        return None
    agents, members = [customer.agents for customer in found], [customer.member for customer in found]
    return customers_of(scenario.agent_names, agents, members, to_array)


def _behind(parent: Any) -> Any:
    """[n_buses, n_buses] 1 where bus (column) lies behind branch (row)."""
    n = len(parent)
    behind = np.eye(n)
    for bus in range(n):  # parents come first
        if parent[bus] >= 0:
            behind[:, bus] += behind[:, parent[bus]]
    return behind


class _Places(NamedTuple):
    """Where meters and agents hang, on the host."""

    meter_agent: Array  # [n_meters]
    meter_bus: Array  # [n_meters]
    agent_bus: Array  # [n_agents]
    owner: Array  # [n_rented]


def _places(
    chosen: list[tuple[AnyKind, Any]], counts: list[int], meters: list[int], connections: Array, n_buses: int,
    has_transformer: bool, customers: Customers | None, own_bus: Array,
) -> _Places:  # fmt: skip
    """Place every connection; a rented device hangs behind its owner's, the homes taking turns.

    All agents of a customer hang where the first would by itself, or at a bus of their own, so nobody else moves.
    """
    starts = _starts(counts)
    meter_agent = np.concatenate(
        [first + np.arange(m) // (m // c) for m, c, first in zip(meters, counts, starts, strict=True)]
    )
    agent_bus = np.zeros(sum(counts), np.int64)
    agent_bus[connections > 0] = _place(int(connections.sum()), n_buses, has_transformer)
    agent_bus = agent_bus if customers is None else agent_bus[customers.lead]
    agent_bus = np.where(own_bus >= 0, own_bus, agent_bus)
    rented = np.flatnonzero(connections[meter_agent] == 0)
    homes = [
        first + np.arange(count) for (kind, _), count, first in zip(chosen, counts, starts, strict=True) if kind.is_home
    ]
    owner = np.resize(homes[0], len(rented)) if homes else meter_agent[rented]
    enrolled = [kind.aggregator.homes(config) for kind, config in chosen if kind.aggregator is not None]
    if any(enrolled):
        named = np.concatenate([np.ravel(of) for of in enrolled if of])
        if not homes or (named >= len(homes[0])).any():
            n = len(homes[0]) if homes else 0
            raise ValueError(f"vpp.homes: expected numbers of the {n} homes, from 0; got {max(named)}")
        owner = homes[0][named]
    meter_bus = agent_bus[meter_agent]
    meter_bus[rented] = agent_bus[owner]
    return _Places(meter_agent, meter_bus, agent_bus, owner)


def _rates(played: Played, to_array: Any) -> Rates:
    prices = played.prices
    imbalance = np.full_like(prices.energy, to_micro(np.float64(played.imbalance_cur_per_kwh)))
    names = ("energy", "network", "tax", "local_network", "local_tax", "export", "spot")
    return Rates(**{n: to_array(getattr(prices, n)) for n in names}, imbalance=to_array(imbalance))


def _starts(counts: list[int]) -> list[int]:
    return [sum(counts[:i]) for i in range(len(counts))]


def _slices(counts: list[int]) -> tuple[slice, ...]:
    return tuple(slice(s, s + c) for s, c in zip(_starts(counts), counts, strict=True))


def _place(n: int, n_buses: int, has_transformer: bool) -> Any:
    """Spread connections evenly over the buses behind the transformer, neighbours in number far apart in place."""
    first = 1 if has_transformer and n_buses > 1 else 0
    spots = (np.arange(n) + 0.5) * _GOLDEN_RATIO % 1.0
    return first + (spots * (n_buses - first)).astype(np.int64)
