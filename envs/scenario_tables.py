"""The tables of a scenario, one frozen value each: data, connection, storage, outages, calls, inverters, rewards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

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
from gridbazaar.data.clock import zone_of
from gridbazaar.data.loaders.readings import REPAIRS, STAMPS, read_options
from gridbazaar.data.sessions import check_source
from gridbazaar.data.tables import check_table
from gridbazaar.market.flexibility.activation import CallTerms, Penalty
from gridbazaar.market.grid.inverter import RESPONSES

_PositiveCharge = Annotated[float, Within(0.0, MOST_PRICE, is_open_below=True)]
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
