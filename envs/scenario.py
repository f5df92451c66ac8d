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
from gridbazaar.data.bounds import (
    MOST_PRICE,
    Charge,
    CountFromOne,
    Named,
    NotNegative,
    NotNegatives,
    OneOf,
    Positive,
    Positives,
    Range,
    Share,
    Shares,
    Within,
)
from gridbazaar.data.calendar import make_calendar
from gridbazaar.data.clock import days_of, zone_of
from gridbazaar.data.community import Customer, find_community
from gridbazaar.data.forecast.forecast import WAYS as FORECASTS
from gridbazaar.data.loaders.readings import REPAIRS, STAMPS, read_options
from gridbazaar.data.sessions import check_source
from gridbazaar.data.tables import check_table
from gridbazaar.envs.columns import ObserveConfig, all_columns, places_of
from gridbazaar.envs.community import check_community, check_own, community_of
from gridbazaar.envs.own_reward import load_reward
from gridbazaar.market.design import Design
from gridbazaar.market.flexibility.activation import CallTerms, Penalty
from gridbazaar.market.found import find_tariff
from gridbazaar.market.grid.curtailment import RULES as SHARING
from gridbazaar.market.grid.inverter import RESPONSES
from gridbazaar.market.mechanisms import load_mechanism, mechanism_stage
from gridbazaar.market.played import bills_by_month, check_part, check_period, check_playable, n_peaks_of

WEEK_H = 168.0  # longest episode: whole weeks belong to one split
LONGEST_WEEK_H = WEEK_H + 1  # in which the clock is set back

_PositiveCharge = Annotated[float, Within(0.0, MOST_PRICE, is_open_below=True)]
_Constraint = Annotated[str, OneOf("none", "curtail", "nodal")]
_Curtailment = Annotated[str, OneOf("proportional", *SHARING)]
_Forecast = Annotated[str, OneOf(*FORECASTS)]
_Response = Annotated[str, OneOf("none", *RESPONSES)]
_Repair = Annotated[str, OneOf(*REPAIRS)]
_Months = Annotated[tuple[int, int], Within(1, 12, is_ordered=False)]


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Table ``[data]``: where load, sun, cars and prices come from."""

    path: str | None = None  # a CityLearn folder, a file of meters or prices, or a folder of them; none: the generator
    further: tuple[str, ...] = ()  # more files or folders, read with it: prices beside meters
    timezone: str | None = None  # whose clock people read, such as Europe/Berlin; none: every day has 24 hours
    repair: tuple[_Repair, ...] = ()  # faults of files that are repaired, not refused: see docs/data.md
    stamps: Annotated[str, OneOf(*STAMPS)] = "begin"  # what times of plain CSV mark of their steps
    columns: tuple[str, ...] = ()  # names for columns of plain CSV, each NAME IN THE FILE=name_with_unit
    loader: Named | None = None  # of your own, asked before the layouts: a path, or a function of a path: docs/own.md
    drop_bad: bool = True  # leave out homes of files that fail the sanity tests; otherwise they are used
    n_days: Annotated[int, Within(50)] = 365
    n_homes: CountFromOne = 64
    n_roofs: CountFromOne = 16
    n_cars: CountFromOne = 64  # chargers whose sessions are made
    sessions: str = "home"  # cars at home, workplace or public chargers; acn:PATH, trondheim:PATH: measured
    mean_load_kwh_per_day: Positive = 11.0
    all_days: bool = False  # also the first days are played, their past that of whole weeks later; no changed clock
    months: _Months | None = None  # first and last month in which episodes begin, such as [11, 2]; none: all the year

    def __post_init__(self) -> None:
        check_table(self, "data")
        check_source(self.sessions)
        try:
            read_options(self.timezone, self.repair, self.stamps, self.columns)
        except ValueError as error:
            raise ValueError(f"data.{error}") from error
        if self.further and self.path is None:
            raise ValueError(f"data.further: expected data.path beside it, got none with {', '.join(self.further)}")
        if self.loader is not None and self.path is None:
            raise ValueError("data.loader: expected data.path beside it, got none")
        if self.timezone is not None:
            zone_of(self.timezone)

    @property
    def counts(self) -> dict[str, int]:
        """How many series there will be of a sort, where that is known before data are read."""
        made = {"homes": self.n_homes, "roofs": self.n_roofs} if self.path is None else {}
        return made if ":" in self.sessions else made | {"cars": self.n_cars}


@dataclass(frozen=True, slots=True)
class ConnectionConfig:
    """Table ``[connection]``: what the community may draw from and send to the grid above, priced in the clearing."""

    import_over_load: Positives = (1e6, 1e6)  # import cap over the homes' mean load
    export_over_load: NotNegatives = (1e6, 1e6)  # export cap over the homes' mean load
    scarcity_cur_per_kwh: _PositiveCharge = 0.5  # added beyond the import cap, taken off beyond the export cap
    firm: bool = False  # sun and wind that the wires withhold is paid for; otherwise it is lost to its owner

    def __post_init__(self) -> None:
        check_table(self, "connection")


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """Table ``[storage]``: stationary storage of the whole community."""

    share_of_load: NotNegatives | None = None  # usable kWh over the homes' mean daily kWh; none: as the kinds say

    def __post_init__(self) -> None:
        check_table(self, "storage")


@dataclass(frozen=True, slots=True)
class OutageConfig:
    """Table ``[outage]``: how often the community is cut off, or a branch of its feeder fails, and what it costs."""

    per_year: NotNegative = 0.0  # interruptions of the grid above that a customer has (SAIFI); one an episode at most
    chance: Share | None = None  # that an episode has one; none: as per_year says
    mean_h: Positive = 1.5  # mean duration (CAIDI), exponential
    lines_per_year: NotNegative = 0.0  # failures of a branch of the feeder, of all branches together
    critical_share: Share = 0.3  # of a home's load, served before the rest
    lost_load_cur_per_kwh: _PositiveCharge = 5.0  # value of lost load that is not critical; caps an island's prices
    critical_cur_per_kwh: _PositiveCharge = 20.0  # value of lost critical load

    def __post_init__(self) -> None:
        check_table(self, "outage")
        if self.lost_load_cur_per_kwh > self.critical_cur_per_kwh:
            raise ValueError(
                f"outage.lost_load_cur_per_kwh: expected at most critical_cur_per_kwh, {self.critical_cur_per_kwh}; "
                f"got {self.lost_load_cur_per_kwh}"
            )

    @property
    def happens(self) -> bool:
        """Whether there can be any outage."""
        return bool(self.per_year or self.chance or self.lines_per_year)


@dataclass(frozen=True, slots=True)
class CallConfig:
    """Table ``[call]``: dispatch events of the grid operator that VPPs answer. Pairs are limits of what is drawn."""

    chance: Share = 0.0  # that a day has one, and so for each further one
    per_day: CountFromOne = 1  # the most a day of the episode has
    file: str | None = None  # OpenADR 3 events as JSON, in every episode at the same hours; none: drawn
    limits: str | None = None  # OCPP 2.0.1 charging profiles as JSON, a limit of all chargers together
    start_h: Annotated[Range, Within(0.0, 24.0)] = (17.0, 20.0)  # hour of the day
    duration_h: Annotated[Range, Within(0.0, 24.0)] = (1.0, 3.0)  # of a call
    notice_min: Annotated[Range, Within(0.0, 1440.0)] = (60.0, 120.0)  # from the closing of offers to the start
    ahead_h: NotNegative = 24.0  # before the start it is known
    level: Shares = (1.0, 1.0)  # share of the awards that is called while it runs
    need_kw: NotNegatives = (10.0, 30.0)  # what the operator wants of all VPPs together
    price_cur_per_kwh: Charge = 0.5  # the most that is paid for a called kWh
    availability_cur_per_kwh: Charge = 0.005  # for a kWh held ready until the end; none for what did not come
    least_kw: NotNegative = 0.0  # smallest offer of a VPP
    outside_kw: NotNegative = 0.0  # of each VPP outside this feeder, which counts for that
    tolerance: Share = 0.1  # share of a call that may be missing
    penalty: Penalty = 1.5  # of the most that is paid, for each kWh missing beyond it; taken from the stake
    derate: Share = 0.5  # of what a VPP may offer, after every third call that it delivered less than 75 % of
    member_share: Share = 0.8  # of the pay for energy, to the owners of the devices that delivered it
    response_share: Share = 0.0  # of the homes, enrolled to draw less than their history baseline while a call runs
    response_cur_per_kwh: Charge = 0.2  # paid to them for each kWh less

    def __post_init__(self) -> None:
        check_table(self, "call")

    @property
    def terms(self) -> CallTerms:
        return CallTerms(tolerance=self.tolerance, penalty=self.penalty, derate=self.derate)

    @property
    def happens(self) -> bool:
        """Whether there can be any call."""
        return bool(self.chance or self.file or self.limits)


@dataclass(frozen=True, slots=True)
class InverterConfig:
    """Table ``[inverter]``: how the inverters of PV answer the voltage."""

    response: _Response = "none"  # none: unity power factor; else the curve of a rule
    priority: Annotated[str, OneOf("var", "watt")] = "var"  # what the rating keeps where both do not fit
    kva_per_kwp: Annotated[float, Within(1.0)] = 1.1  # apparent power of an inverter over its PV

    def __post_init__(self) -> None:
        check_table(self, "inverter")


Scale = Annotated[float, Within(1e-6)]
WHOSE = ("own", "community", "mix")
"""Whose cost an agent is rewarded for."""


@dataclass(frozen=True, slots=True)
class Scales:
    """Table ``[reward.scale_cur]``: what rewards are divided by; ``gridbazaar measure rewards SCENARIO`` finds it."""

    own: Scale = 0.4  # where whose is own
    community: Scale = 0.4  # where whose is community
    mix: Scale = 0.4  # where whose is mix

    def __post_init__(self) -> None:
        check_table(self, "reward.scale_cur")


@dataclass(frozen=True, slots=True)
class RewardConfig:
    """Table ``[reward]``: what agents are rewarded for."""

    whose: Annotated[str, OneOf(*WHOSE)] = "own"
    mix: Share = 0.2  # weight of the own bill in mix
    function: Named | None = None  # of your own in place of these: happened -> [n_envs, n_agents]; path or function
    shaping: Share = 0.8  # share of the stored energy's worth that shapes the reward; 0 is none
    scale_cur: Scales = field(default_factory=Scales)  # rewards are divided by it
    unserved_cur_per_kwh: Charge = 1.0  # what a car lacks at departure, where its delivery is not guaranteed

    def __post_init__(self) -> None:
        check_table(self, "reward")

    @property
    def scale(self) -> float:
        """What rewards of this kind are divided by, in the scenario's currency."""
        scale: float = getattr(self.scale_cur, self.whose)
        return scale


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
