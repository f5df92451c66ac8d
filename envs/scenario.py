"""A scenario: everything that defines a world, as one frozen value read from TOML.

Any field can be overridden: ``load_scenario("village", tariff="tou", prosumer={"count": 20})`` or
``load_scenario("village", **{"prosumer.count": 20})``. An unknown field or a bad value is an error that names the
field, what came and what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gridbazaar.agents.kind import Range
from gridbazaar.agents.kinds import kinds
from gridbazaar.data.calendar import zone_of
from gridbazaar.data.forecast.forecast import WAYS as FORECASTS
from gridbazaar.data.sessions import check_source
from gridbazaar.market.flexibility.activation import CallTerms
from gridbazaar.market.grid.curtailment import RULES as SHARING
from gridbazaar.market.grid.inverter import RESPONSES
from gridbazaar.market.mechanisms import mechanism_stage

WEEK_H = 168.0  # longest episode: whole weeks belong to one split
LONGEST_WEEK_H = WEEK_H + 1  # in which the clock is set back


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Table ``[data]``: where load, sun, cars and prices come from."""

    path: str | None = None  # a CityLearn folder or a CSV; none: the generator
    timezone: str | None = None  # whose clock people read, such as Europe/Berlin; none: every day has 24 hours
    n_days: int = 365
    n_homes: int = 64
    n_roofs: int = 16
    n_cars: int = 64  # chargers whose sessions are made
    sessions: str = "home"  # cars at home, workplace or public chargers; acn:PATH, trondheim:PATH: measured
    mean_load_kwh_per_day: float = 11.0
    months: Range | None = None  # first and last month in which episodes begin, such as [11, 2]; none: all the year

    def __post_init__(self) -> None:
        check_source(self.sessions)
        if self.timezone is not None:
            zone_of(self.timezone)
        for name in ("n_homes", "n_roofs", "n_cars"):
            if getattr(self, name) < 1:
                raise ValueError(f"data.{name}: expected at least 1, got {getattr(self, name)}")
        if self.months is not None and not all(m in range(1, 13) for m in self.months):
            raise ValueError(f"data.months: expected two months from 1 to 12, got {self.months}")
        if self.n_days < 50:
            raise ValueError(f"data.n_days: expected at least 50, got {self.n_days}")


@dataclass(frozen=True, slots=True)
class ConnectionConfig:
    """Table ``[connection]``: what the community may draw from and send to the grid above, priced in the clearing."""

    import_over_load: Range = (1e6, 1e6)  # import cap over the homes' mean load
    export_over_load: Range = (1e6, 1e6)  # export cap over the homes' mean load
    scarcity_cur_per_kwh: float = 0.5  # added beyond the import cap, taken off beyond the export cap
    firm: bool = False  # injection that the wires withhold is paid for; otherwise it is lost to its owner

    def __post_init__(self) -> None:
        for name in ("import_over_load", "export_over_load"):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise ValueError(f"connection.{name}: expected 0 <= first <= second, got {(low, high)}")
        if self.scarcity_cur_per_kwh <= 0:
            raise ValueError(f"connection.scarcity_cur_per_kwh: expected > 0, got {self.scarcity_cur_per_kwh}")


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """Table ``[storage]``: stationary storage of the whole community."""

    share_of_load: Range | None = None  # usable kWh over the homes' mean daily kWh; none: as the kinds say


@dataclass(frozen=True, slots=True)
class OutageConfig:
    """Table ``[outage]``: how often the community is cut off, or a branch of its feeder fails, and what it costs."""

    per_year: float = 0.0  # interruptions of the grid above that a customer has (SAIFI); one an episode at most
    chance: float | None = None  # that an episode has one; none: as per_year says
    mean_h: float = 1.5  # mean duration (CAIDI), exponential
    lines_per_year: float = 0.0  # failures of a branch of the feeder, of all branches together
    critical_share: float = 0.3  # of a home's load, served before the rest
    lost_load_cur_per_kwh: float = 5.0  # value of lost load that is not critical; upper edge of an island's prices
    critical_cur_per_kwh: float = 20.0  # value of lost critical load

    def __post_init__(self) -> None:
        for name in ("per_year", "lines_per_year"):
            if getattr(self, name) < 0:
                raise ValueError(f"outage.{name}: expected 0 or more, got {getattr(self, name)}")
        if self.chance is not None and not 0 <= self.chance <= 1:
            raise ValueError(f"outage.chance: expected a number in [0, 1], got {self.chance}")
        if self.mean_h <= 0:
            raise ValueError(f"outage.mean_h: expected a positive number of hours, got {self.mean_h}")
        if not 0 <= self.critical_share <= 1:
            raise ValueError(f"outage.critical_share: expected a number in [0, 1], got {self.critical_share}")
        if not 0 < self.lost_load_cur_per_kwh <= self.critical_cur_per_kwh:
            raise ValueError(
                "outage: expected 0 < lost_load_cur_per_kwh <= critical_cur_per_kwh, "
                f"got {self.lost_load_cur_per_kwh}, {self.critical_cur_per_kwh}"
            )

    @property
    def happens(self) -> bool:
        """Whether there can be any outage."""
        return bool(self.per_year or self.chance or self.lines_per_year)


@dataclass(frozen=True, slots=True)
class CallConfig:
    """Table ``[call]``: dispatch events of the grid operator that VPPs answer. Pairs are limits of what is drawn."""

    chance: float = 0.0  # that a day has one, and so for each further one
    per_day: int = 1  # the most a day of the episode has
    file: str | None = None  # OpenADR 3 events as JSON, in every episode at the same hours; none: drawn
    limits: str | None = None  # OCPP 2.0.1 charging profiles as JSON, a limit of all chargers together
    start_h: Range = (17.0, 20.0)  # hour of the day
    duration_h: Range = (1.0, 3.0)  # of a call
    notice_min: Range = (60.0, 120.0)  # from the closing of offers to the start; at least an interval
    ahead_h: float = 24.0  # before the start it is known
    level: Range = (1.0, 1.0)  # share of the awards that is called while it runs
    need_kw: Range = (10.0, 30.0)  # what the operator wants of all VPPs together
    price_cur_per_kwh: float = 0.5  # the most that is paid for a called kWh
    availability_cur_per_kwh: float = 0.005  # for a kWh held ready, from the closing of offers to the end
    least_kw: float = 0.0  # smallest offer of a VPP
    outside_kw: float = 0.0  # of each VPP outside this feeder, which counts for that
    tolerance: float = 0.1  # share of a call that may be missing
    penalty: float = 1.5  # of the price, for each kWh missing beyond it; taken from the stake
    derate: float = 0.5  # of what a VPP may offer, after every third call that it delivered less than 75 % of
    member_share: float = 0.8  # of the pay for energy, to the owners of the devices that delivered it
    response_share: float = 0.0  # of the homes, enrolled to draw less than their history baseline while a call runs
    response_cur_per_kwh: float = 0.2  # paid to them for each kWh less

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1:
            raise ValueError(f"call.chance: expected a number in [0, 1], got {self.chance}")
        if self.per_day < 1:
            raise ValueError(f"call.per_day: expected at least 1, got {self.per_day}")
        for name, least, most in (
            ("start_h", 0.0, 24.0), ("duration_h", 0.0, 24.0), ("notice_min", 0.0, 1440.0), ("level", 0.0, 1.0),
            ("need_kw", 0.0, float("inf")),
        ):  # fmt: skip
            low, high = getattr(self, name)
            if not least <= low <= high <= most:
                raise ValueError(f"call.{name}: expected {least:g} <= first <= second <= {most:g}, got {(low, high)}")
        for name in (
            "ahead_h", "price_cur_per_kwh", "availability_cur_per_kwh", "least_kw", "outside_kw",
            "response_cur_per_kwh",
        ):  # fmt: skip
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"call.{name}: expected 0 or more, got {getattr(self, name)}")
        for name in ("member_share", "response_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"call.{name}: expected a number in [0, 1], got {getattr(self, name)}")
        _ = self.terms

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

    response: str = "none"  # none: unity power factor; or a curve's name, such as ieee_1547_b or vde_ar_n_4105
    priority: str = "var"  # what the rating keeps where both do not fit: var, watt
    kva_per_kwp: float = 1.1  # apparent power of an inverter over its PV

    def __post_init__(self) -> None:
        if self.response != "none" and self.response not in RESPONSES:
            raise ValueError(f"inverter.response: expected none, {', '.join(RESPONSES)}; got {self.response!r}")
        if self.priority not in ("var", "watt"):
            raise ValueError(f"inverter.priority: expected var or watt, got {self.priority!r}")
        if self.kva_per_kwp < 1:
            raise ValueError(f"inverter.kva_per_kwp: expected at least 1, got {self.kva_per_kwp}")


@dataclass(frozen=True, slots=True)
class RewardConfig:
    """Table ``[reward]``: what agents are rewarded for."""

    whose: str = "own"  # own, community, mix
    mix: float = 0.2  # weight of the own bill in mix
    shaping: float = 0.8  # share of the stored energy's worth that shapes the reward; 0 is none
    scale_cur: float = 0.4  # rewards are divided by it
    unserved_cur_per_kwh: float = 1.0  # what a car lacks at departure, where its delivery is not guaranteed

    def __post_init__(self) -> None:
        if self.whose not in ("own", "community", "mix"):
            raise ValueError(f"reward.whose: expected own, community or mix, got {self.whose!r}")
        if not 0 <= self.mix <= 1:
            raise ValueError(f"reward.mix: expected a number in [0, 1], got {self.mix}")
        if self.scale_cur <= 0:
            raise ValueError(f"reward.scale_cur: expected a positive amount, got {self.scale_cur}")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A world. Kinds stand in the order of their tables; agents are named ``kind_i``."""

    name: str
    title: str = ""
    currency: str = "EUR"
    seed: int = 0  # of the banks and of all episodes
    step_min: int = 15
    hours: float = 24.0  # length of an episode, up to a week
    start_h: float = 12.0  # local hour at which an episode begins
    mechanism: str = "uniform_price"
    tariff: str = "spot"
    feeder: str = "village"
    constraint: str = "none"  # none: report only; curtail: after clearing; nodal: priced in it, the rest curtailed
    curtailment: str = "proportional"  # who is cut: proportional, equal_share, last_in
    power_factor: float = 0.97  # of load, lagging
    forecast: str = "past"  # past, persistence, ar: made from data before the interval; perfect: what will be
    data: DataConfig = field(default_factory=DataConfig)
    connection: ConnectionConfig = field(default_factory=ConnectionConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    outage: OutageConfig = field(default_factory=OutageConfig)
    call: CallConfig = field(default_factory=CallConfig)
    inverter: InverterConfig = field(default_factory=InverterConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    mechanism_options: Mapping[str, Any] = field(default_factory=dict)
    tariff_options: Mapping[str, Any] = field(default_factory=dict)
    agents: Mapping[str, Any] = field(default_factory=dict)  # kind -> its Config

    def __post_init__(self) -> None:
        if self.step_min not in (5, 15, 30, 60):
            raise ValueError(f"step_min: expected 5, 15, 30 or 60, got {self.step_min}")
        in_steps = f"in whole steps of {self.step_min} min"
        longest = WEEK_H if self.data.timezone is None else LONGEST_WEEK_H
        if not 0 < self.hours <= longest or abs(self.hours * 60 / self.step_min - self.n_steps) > 1e-6:
            raise ValueError(f"hours: expected up to {longest:g} {in_steps}, got {self.hours}")
        if not 0 <= self.start_h < 24 or abs(self.start_h * 60 / self.step_min % 1) > 1e-6:
            raise ValueError(f"start_h: expected 0 to 24 {in_steps}, got {self.start_h}")
        if self.constraint not in ("none", "curtail", "nodal"):
            raise ValueError(f"constraint: expected none, curtail or nodal, got {self.constraint!r}")
        if self.curtailment not in ("proportional", *SHARING):
            raise ValueError(f"curtailment: expected proportional, {', '.join(SHARING)}; got {self.curtailment!r}")
        if self.constraint == "nodal" and (self.mechanism != "nodal" or self.outage.happens):
            raise ValueError(
                f"constraint nodal: expected mechanism nodal and no outages, got {self.mechanism!r}"
                f"{' with outages' if self.outage.happens else ''}; prices per bus are that mechanism's"
            )
        if self.forecast not in FORECASTS:
            raise ValueError(f"forecast: expected one of {', '.join(FORECASTS)}, got {self.forecast!r}")
        if self.call.happens and (self.outage.happens or mechanism_stage(self.mechanism) != "ex_ante"):
            raise ValueError(
                f"call: expected a mechanism that clears before delivery and no outages, got {self.mechanism!r}"
                f"{' with outages' if self.outage.happens else ''}; what is delivered is measured from a schedule"
            )
        if not 0.5 <= self.power_factor <= 1:
            raise ValueError(f"power_factor: expected 0.5 to 1, got {self.power_factor}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed: expected 0 to 2**32 - 1, got {self.seed}")
        self._check_members()
        if not any(config.count for config in self.agents.values()):
            raise ValueError(f"scenario {self.name!r} has no agents; expected a table of {', '.join(kinds())}")

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
