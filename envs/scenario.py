"""A scenario: everything that defines a world, as one frozen value read from TOML.

Any field can be overridden: ``load_scenario("village", tariff="tou", prosumer={"count": 20})`` or
``load_scenario("village", **{"prosumer.count": 20})``. An unknown field or a bad value is an error that names the
field, what came and what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np

from gridbazaar.agents.kind import AnyKind
from gridbazaar.agents.kinds import list_kinds, load_kind
from gridbazaar.data.bounds import Named, OneOf, Within
from gridbazaar.data.calendar import make_calendar
from gridbazaar.data.clock import days_of
from gridbazaar.data.community import Customer, find_community
from gridbazaar.data.forecast.forecast import WAYS as FORECASTS
from gridbazaar.data.tables import check_table
from gridbazaar.envs.columns import ObserveConfig, all_columns, places_of
from gridbazaar.envs.community import check_community, check_own, community_of
from gridbazaar.envs.own_reward import load_reward
from gridbazaar.envs.scenario_tables import (
    WHOSE,
    CallConfig,
    ConnectionConfig,
    DataConfig,
    InverterConfig,
    OutageConfig,
    RewardConfig,
    Scale,
    Scales,
    StorageConfig,
)
from gridbazaar.market.design import Design
from gridbazaar.market.found import find_tariff
from gridbazaar.market.grid.curtailment import RULES as SHARING
from gridbazaar.market.mechanisms import load_mechanism, mechanism_stage
from gridbazaar.market.played import bills_by_month, check_part, check_period, check_playable, n_peaks_of

__all__ = [
    "LONGEST_WEEK_H", "WEEK_H", "WHOSE", "CallConfig", "ConnectionConfig", "DataConfig", "InverterConfig",
    "OutageConfig", "RewardConfig", "Scale", "Scales", "Scenario", "StorageConfig",
]  # fmt: skip

WEEK_H = 168.0  # longest episode: whole weeks belong to one split
LONGEST_WEEK_H = WEEK_H + 1  # in which the clock is set back

_Constraint = Annotated[str, OneOf("none", "curtail", "nodal")]
_Curtailment = Annotated[str, OneOf("proportional", *SHARING)]
_Forecast = Annotated[str, OneOf(*FORECASTS)]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A world. Kinds stand in the order of their tables; agents are named ``kind_i``."""

    name: str
    title: str = ""
    currency: str = "EUR"
    seed: Annotated[int, Within(0, 2**32 - 1)] = 0  # of the banks and of all episodes
    step_min: Annotated[int, OneOf(5, 15, 30, 60)] = 15
    hours: Annotated[float, Within(0.0, LONGEST_WEEK_H, is_open_below=True)] = 24.0  # of an episode, up to a week
    start_h: Annotated[float, Within(0.0, 24.0, is_open_above=True)] = 12.0  # local hour at which an episode begins
    dates: tuple[str, ...] = ()  # first and last local day of one long episode; hours and start_h follow from them
    carry: Annotated[str, OneOf("whole", "drawn")] = "whole"  # drawn: parts of a billing month are played
    mechanism: Named = "uniform_price"
    tariff: Named = "spot"
    feeder: Named = "village"
    constraint: _Constraint = "none"  # none: report; curtail: after clearing; nodal: priced in it, the rest curtailed
    curtailment: _Curtailment = "proportional"  # who is cut
    power_factor: Annotated[float, Within(0.5, 1.0)] = 0.97  # of load, lagging
    forecast: _Forecast = "past"  # past, persistence, ar: made from data before the interval; perfect: what will be
    data: DataConfig = field(default_factory=DataConfig)
    connection: ConnectionConfig = field(default_factory=ConnectionConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    outage: OutageConfig = field(default_factory=OutageConfig)
    call: CallConfig = field(default_factory=CallConfig)
    inverter: InverterConfig = field(default_factory=InverterConfig)
    community: Named | None = None  # CSV of customers or a table with a seed; none: every agent is one, docs/bills.md
    reward: RewardConfig = field(default_factory=RewardConfig)
    observe: ObserveConfig = field(default_factory=ObserveConfig)
    mechanism_options: Mapping[str, Any] = field(default_factory=dict)
    tariff_options: Mapping[str, Any] = field(default_factory=dict)
    kinds: Mapping[str, Named] = field(default_factory=dict)  # of your own, by the name of their table: path or Kind
    agents: Mapping[str, Any] = field(default_factory=dict)  # kind -> its Config

    def __post_init__(self) -> None:
        if self.dates:
            object.__setattr__(self, "hours", 24.0)  # for the check of the table; made below
        check_table(self, "")
        if self.dates:
            self._take_dates()
        in_steps = f"in whole steps of {self.step_min} min"
        longest = np.inf if self.dates else WEEK_H if self.data.timezone is None else LONGEST_WEEK_H
        if self.hours > longest or abs(self.hours * 60 / self.step_min - self.n_steps) > 1e-6:
            raise ValueError(f"hours: expected up to {longest:g} {in_steps}, got {self.hours}")
        if abs(self.start_h * 60 / self.step_min % 1) > 1e-6:
            raise ValueError(f"start_h: expected an hour {in_steps}, got {self.start_h}")
        if self.observe.n_ahead and abs(self.observe.ahead_step_h * 60 / self.step_min % 1) > 1e-6:
            raise ValueError(f"observe.ahead_step_h: expected hours {in_steps}, got {self.observe.ahead_step_h}")
        if self.constraint == "nodal" and (self.mechanism != "nodal" or self.outage.happens):
            raise ValueError(
                f"constraint nodal: expected mechanism nodal and no outages, got {self.mechanism!r}"
                f"{' with outages' if self.outage.happens else ''}; prices per bus are that mechanism's"
            )
        if self.call.happens and (self.outage.happens or mechanism_stage(self.mechanism) != "ex_ante"):
            raise ValueError(
                f"call: expected a mechanism that clears before delivery and no outages, got {self.mechanism!r}"
                f"{' with outages' if self.outage.happens else ''}; what is delivered is measured from a schedule"
            )
        load_mechanism(self.mechanism, **self.mechanism_options)
        tariff = find_tariff(self.tariff, **self.tariff_options)
        if isinstance(tariff, Design):
            check_playable(tariff, self.step_min)
            if self.carry == "whole":
                check_period(tariff, self.dates, self.hours)
            if tariff.currency != self.currency:
                raise ValueError(
                    f"tariff {tariff.name}: its amounts are in {tariff.currency}, those of the scenario (scarcity, "
                    f"lost load, the spot price) in {self.currency}; set currency = {tariff.currency!r} where they are "
                    f"meant in it, or take a design in {self.currency}"
                )
        if self.carry == "drawn":
            check_part(tariff, self.dates)
        if self.reward.function is not None:
            load_reward(self.reward.function)
        self._check_members()
        if self.observe.columns:
            places_of(self.observe, all_columns(self.observe, self.named_kinds, self.n_peaks))
        self._check_community()
        if not any(config.count for config in self.agents.values()):
            known = ", ".join([*list_kinds(), *self.kinds])
            raise ValueError(f"scenario {self.name!r} has no agents; expected a table of {known}")

    def _take_dates(self) -> None:
        """Let the episode begin at the first midnight and end at the last; refuse what happens once an episode."""
        first, n_days = days_of(self.dates)
        if self.outage.happens or self.call.file or self.call.limits:
            raise ValueError(
                "dates: expected no outages and no calls or limits of a file, of which an episode has one; "
                "leave outage, call.file and call.limits out, or dates"
            )
        if self.data.months is not None:
            raise ValueError(f"dates: they say when the episode is; leave data.months out, got {self.data.months}")
        n_steps = make_calendar(first, n_days, self.step_min, self.data.timezone).n_steps
        object.__setattr__(self, "start_h", 0.0)
        object.__setattr__(self, "hours", n_steps * self.step_min / 60)

    def kind(self, name: str) -> AnyKind:
        """Give the kind of a table."""
        return load_kind(self.kinds.get(name, name))

    @property
    def named_kinds(self) -> list[tuple[str, AnyKind, Any]]:
        """Name, kind and config of each table of agents."""
        return [(name, self.kind(name), config) for name, config in self.agents.items()]

    def _check_members(self) -> None:
        """Refuse shares in a battery of those who are no homes here."""
        battery = self.agents.get("battery")
        shares = {} if battery is None else battery.shares
        count = self.agents["prosumer"].count if "prosumer" in self.agents else 0
        homes = {f"prosumer_{i}" for i in range(count)}
        if unknown := [member for member in shares if member not in homes]:
            raise ValueError(f"battery.shares: expected homes, prosumer_0 to prosumer_{count - 1}, got {unknown}")
        if battery is not None and shares and not battery.count:
            raise ValueError("battery.shares: expected a battery to hold shares in, got battery.count = 0")

    def _check_community(self) -> None:
        if self.community is not None:
            kind_of = {agent: self.kind(self.agent_kind(agent)) for agent in self.agent_names}
            is_shared = bool("battery" in self.agents and self.agents["battery"].shares)
            owned = [agent for agent in self.agent_names if is_shared and self.agent_kind(agent) == "battery"]
            found = community_of(self.community, kind_of, owned)  # kept whole, for records of runs
            object.__setattr__(self, "community", found)
            nodal, outages = self.constraint == "nodal", self.outage.happens
            check_community(self.customers, kind_of, owned, is_nodal=nodal, has_outages=outages)
            config_of = {agent: self.agents[self.agent_kind(agent)] for agent in self.agent_names}
            check_own(self.customers, kind_of, config_of, self.data.counts)

    @property
    def customers(self) -> tuple[Customer, ...]:
        """The customers, in the order of their first agents; without a community every agent is one."""
        return find_community(self.community, self.agent_names)

    @property
    def n_peaks(self) -> int:
        """Charges on power that the tariff has."""
        return n_peaks_of(find_tariff(self.tariff, **self.tariff_options))

    @property
    def bills_by_month(self) -> bool:
        """Whether a part of the tariff hangs on a billing period."""
        return bills_by_month(find_tariff(self.tariff, **self.tariff_options))

    @property
    def step_h(self) -> float:
        return self.step_min / 60

    @property
    def n_steps(self) -> int:
        return round(self.hours / self.step_h)

    @property
    def horizon(self) -> int:
        """Steps ahead of which prices are known and loads expected: a day, or the episode where that is shorter."""
        return min(self.n_steps, round(24 / self.step_h))

    @property
    def agent_names(self) -> tuple[str, ...]:
        return tuple(f"{kind}_{i}" for kind, config in self.agents.items() for i in range(config.count))

    def agent_kind(self, agent: str) -> str:
        """The kind of an agent by its name."""
        return agent.rpartition("_")[0]

    @property
    def kind_slices(self) -> dict[str, slice]:
        """The columns of each kind among the agents."""
        slices, first = {}, 0
        for kind, config in self.agents.items():
            slices[kind] = slice(first, first + config.count)
            first += config.count
        return slices
