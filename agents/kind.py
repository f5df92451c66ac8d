"""The contract of a kind of agents, and the tools that kinds share.

A kind is one file in ``agents/kinds/``: a frozen dataclass ``Config`` (its table in a scenario, with units in the names
and bounds in the types), some functions, and at its end the one value ``KIND`` that names them. A type checker
holds the functions to each other. They take and give arrays with one column an agent of the kind; nothing in them loops
over agents or environments. ``docs/kinds/pool_pump.py`` is a kind to start from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.plan import Called, Plan, View
from gridbazaar.agents.program import Program
from gridbazaar.agents.storage import Storage
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import Range
from gridbazaar.data.chance import between, uniform
from gridbazaar.data.own_rows import OwnColumn


@dataclass(frozen=True, slots=True)
class Column:
    """One component of an action or an observation."""

    name: str
    unit: str
    low: float
    high: float
    doc: str


Columns = tuple[Column, ...]

POWER = Column(
    "power", "1", -1.0, 1.0, "a >= 0: share of the largest feasible draw, a < 0: of the largest release, 0 rests"
)
EAGERNESS = Column(
    "eagerness", "1", -1.0, 1.0, "sets the limit price: +1 is filled at any price, -1 is the least willing"
)


@dataclass(frozen=True, slots=True)
class Series:
    """The bank's series in the core's array library; gathered by (index, step)."""

    load_kw: Array  # [n_homes, n_steps]
    pv_kw_per_kwp: Array  # [n_roofs, n_steps]
    load_next_kw: Array  # [n_homes, n_steps] what is expected one step ahead
    pv_next_kw_per_kwp: Array  # [n_roofs, n_steps]
    load_outlook_kw: Array  # [n_homes, n_steps] what is expected a day ahead
    pv_outlook_kw_per_kwp: Array  # [n_roofs, n_steps]
    step_h: float
    n_steps: int  # of an episode
    wind_m_per_s: Array | None = None  # [n_steps] mean speed; none: the data have no wind
    wind_next_m_per_s: Array | None = None  # [n_steps]
    wind_outlook_m_per_s: Array | None = None  # [n_steps]
    outdoor_c: Array | None = None  # [n_steps] of the bank, where the data have it


@dataclass(frozen=True, slots=True)
class Now:
    """The interval that is looked at or played."""

    series: Series
    step: Array  # [n_envs] int64, of the bank
    t: Array  # [n_envs] int64, since the episode began
    is_island: Array | None = None  # [n_envs] bool, cut off from the grid above; None: the scenario has no outages
    site_kw: Array | None = None  # [n_envs, 1] what all chargers together may draw; None: no charging profiles
    call: Called | None = None  # of the operator on the VPPs; None: the scenario has no calls

    @property
    def left_h(self) -> Array:
        """[n_envs, 1] until the episode ends."""
        return ((self.series.n_steps - self.t) * self.series.step_h)[:, None]


@dataclass(frozen=True, slots=True)
class Draw:
    """What a kind may use to draw its episodes, on the host."""

    keys: NDArray[np.uint64]  # [n_envs]
    day: NDArray[np.int64]  # [n_envs] day of the bank on which the episode begins
    bank: Any  # data.bank.Bank
    step_h: float
    n_steps: int
    start_h: float = 12.0  # local hour at which it begins
    said: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)  # by column: [n_kind] own, NaN where not said
    drawn: dict[str, NDArray[np.float64]] | None = None  # by column: [n_kind] of the first episode; none: nobody asks
    number: NDArray[np.int64] | None = None  # [n_envs] of the episode in its split

    def kept(self, column: str, drawn: NDArray[Any]) -> NDArray[Any]:
        """Give what agents have in all episodes in place of what this one draws, [n_envs, n_kind].

        Args:
            column: of the kind's ``lasting``.
            drawn: where nothing is said.
        """
        said = self.said.get(column)
        found = drawn if said is None else np.where(np.isnan(said), drawn, said).astype(drawn.dtype)
        if self.drawn is not None:
            self.drawn[column] = found[0].astype(np.float64)
        return found

    @property
    def start(self) -> NDArray[np.int64]:
        """[n_envs] first step, of the bank."""
        start: NDArray[np.int64] = self.bank.calendar.step_of(self.day, self.start_h)
        return start

    @property
    def n_days(self) -> int:
        """Days from ``start_h`` to ``start_h`` that the episode has, the last one perhaps cut.

        An hour more, as a day has on which the clock is set back, begins no other day.
        """
        return max(math.ceil((self.n_steps * self.step_h - 1) / 24 - 1e-9), 1)

    def elapsed_h(self, local_h: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn hours that the local clock has gone on since the beginning into hours that have passed.

        Args:
            local_h: [n_envs, ...].
        """
        calendar = self.bank.calendar
        begin_h = (24.0 * self.day + self.start_h).reshape(-1, *[1] * (local_h.ndim - 1))
        end_h = begin_h + local_h
        gained_h = (end_h - calendar.elapsed_h(end_h)) - (begin_h - calendar.elapsed_h(begin_h))
        elapsed: NDArray[np.float64] = local_h - gained_h
        return elapsed

    def unit(self, stream: str, n: int) -> NDArray[np.float64]:
        """[n_envs, n] numbers in [0, 1) of a stream named after kind and purpose."""
        return uniform(self.keys, stream, n)

    def within(self, stream: str, n: int, limits: Range) -> NDArray[np.float64]:
        """[n_envs, n] numbers between two limits."""
        return between(self.unit(stream, n), *limits)


@dataclass(frozen=True, slots=True)
class Meters:
    """Power at the meters of a kind, one column a meter; before or after the wires had their say."""

    fixed_kw: Array  # [n_envs, n_meters] must-serve draw
    pv_kw: Array  # [n_envs, n_meters] >= 0, may be curtailed
    device_kw: Array  # [n_envs, n_meters] > 0 draws, may be curtailed


@dataclass(frozen=True, slots=True)
class Moved:
    """What happened behind the meters of a kind, [n_envs, n_kind] each; the second gate to integers."""

    device: Any
    firm_ukwh: Array  # int64
    flexible_ukwh: Array  # int64
    load_kwh: Array | None = None  # None: none, here and below
    pv_kwh: Array | None = None
    loss_kwh: Array | None = None
    released_kwh: Array | None = None  # to the grid side, >= 0
    unserved_kwh: Array | None = None
    wear_cur: Array | None = None  # None: what is released at the view's price of wear
    discomfort_cur: Array | None = None  # comfort missed
    upkeep_cur: Array | None = None  # fuel, starts, repairs, whatever no bill holds
    carbon_kg: Array | None = None  # of fuel burnt


@dataclass(frozen=True, slots=True)
class Nothing:
    """State of devices that remember nothing."""


class Table(Protocol):
    """A kind's table in a scenario."""

    @property
    def count(self) -> int:
        """Agents of the kind."""
        ...


C = TypeVar("C", bound=Table)
P = TypeVar("P")
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Features:
    """Columns that a kind observes beside those that all share, and who reads them."""

    columns: Columns
    read: Callable[[View, Any, Any, Now], list[Array]]  # of view, device and params: [n_envs, n_kind] each, scaled


@dataclass(frozen=True, slots=True)
class MustServe(Generic[P]):
    """What is known beforehand of a kind's must-serve net: its load, and what it has to sell.

    Of the functions, ``outlook_kw(params, series, step)`` gives load and PV expected a day ahead for steps [n_envs] of
    the bank, [n_envs, n_kind] each; ``real_kw`` of the same arguments what they turn out to be, as far as no action
    moves them. ``mean_load_kw(params, home_kw)`` gives the mean load [n_envs] from that of the
    bank's homes [n_homes]. ``past_net_kw(params, bank, env, at)`` gives the metered net of one environment in steps
    ``at`` of the bank, [n_kind, *at.shape], on the host.
    """

    outlook_kw: Callable[[P, Series, Array], tuple[Array, Array]]
    real_kw: Callable[[P, Series, Array], tuple[Array, Array]]
    mean_load_kw: Callable[[P, Array], Array] | None = None
    past_net_kw: Callable[[P, Any, int, NDArray[np.int64]], NDArray[np.float64]] | None = None


@dataclass(frozen=True, slots=True)
class Inverters(Generic[C, P]):
    """Inverters that may answer the voltage: their rating as drawn, a meter each, and the largest that can be drawn."""

    kwp: Callable[[P], Array]  # [n_envs, n_meters]
    most_kwp: Callable[[C], float]


@dataclass(frozen=True, slots=True)
class GridForming(Generic[C, P, D]):
    """Units that keep voltage and frequency of an island."""

    is_wanted: Callable[[C], bool]
    has: Callable[[P], Array]  # [n_envs, n_kind(, n_devices)] bool, there is a unit
    works: Callable[[D], Array | None]  # of the same shape; None: it never fails


@dataclass(frozen=True, slots=True)
class Aggregator(Generic[C, P, D]):
    """What those who call aggregators ask of a kind of them.

    ``scheduled_kw(fill_kw, view, device, params, now)`` shares what the market filled over the devices,
    [n_envs, n_kind, n_devices]; ``working(device, params, now)`` gives the kernel's parameters of the devices without
    power where they are out of order.
    """

    answers: Callable[[C], bool]
    scheduled_kw: Callable[[Array, View, D, P, Now], Array]
    working: Callable[[D, P, Now], Storage]
    capacity_column: int  # of the action: share of the envelope that is offered
    price_column: int  # of the action: what is asked, -1 nothing to 1 all that is paid
    homes: Callable[[C], tuple[tuple[int, ...], ...] | None]  # whose devices, by aggregator; None: homes take turns


def power_and_eagerness(config: Any) -> Columns:
    """The action of most kinds."""
    return POWER, EAGERNESS


def no_features(config: Any) -> tuple[Features, ...]:
    return ()


def one(config: Any) -> int:
    return 1


def nothing(config: Any, said: Mapping[str, Any]) -> str:
    return ""


def always(config: Any) -> bool:
    return True


def never(config: Any) -> bool:
    return False


def scaled_plan(action: Array, view: View) -> Plan:
    """Read an action as shares of what is feasible: the plan of most kinds.

    Args:
        action: [n_envs, n_kind, n_actions] power and eagerness first, clipped to [-1, 1] before.
    """
    xp = namespace(action)
    power, eagerness = action[..., 0], action[..., 1]
    wish_kw = xp.where(power >= 0, power * view.high_kw, -power * view.low_kw)
    wish_kw = xp.where((xp.abs(wish_kw) < view.min_kw) & (view.firm_kw <= 0), 0.0, wish_kw)
    return Plan(
        firm_kw=view.firm_kw,
        low_kw=view.low_kw,
        high_kw=view.high_kw,
        wish_kw=wish_kw,
        eagerness=eagerness,
        executed=action,
    )


def only_the_device(fill_kw: Array, plan: Plan, view: View, device: Any, params: Any, now: Now) -> Meters:
    """One meter an agent, behind which there is nothing but the device."""
    zero = namespace(fill_kw).zeros_like(fill_kw)
    return Meters(zero, zero, fill_kw)


def view_without_storage(
    *, firm_kw: Array, low_kw: Array, high_kw: Array, power_kw: Array, now: Now, min_kw: Array | None = None,
    wear_cur_per_kwh: float = 0.0, is_active: Array | None = None, more: Any = None,
) -> View:  # fmt: skip
    """Look at devices that store nothing; those of rating ``power_kw`` 0 are not there."""
    zero = namespace(power_kw).zeros_like(power_kw)
    has = power_kw > 0
    return View(
        firm_kw=firm_kw, low_kw=low_kw, high_kw=high_kw, stored_kwh=zero, room_kwh=zero, capacity_kwh=zero,
        power_kw=power_kw, min_kw=zero if min_kw is None else min_kw, eta_ch=zero + 1.0, eta_dis=zero + 1.0,
        wear_cur_per_kwh=zero + wear_cur_per_kwh, need_kwh=zero, left_h=zero + now.left_h, is_stationary=zero > 0,
        has_device=has, is_active=has if is_active is None else is_active, more=more,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind(Generic[C, P, D]):
    """A kind: what it must say of itself, then what most kinds leave as it is.

    Of the functions, ``draw(config, draw)`` gives what an episode draws, NumPy arrays [n_envs, n_kind, ...];
    ``start(params)`` the devices as it begins; ``view(device, params, now)`` looks at them before the interval;
    ``plan(action, view)`` turns actions [n_envs, n_kind, n_actions] into what the agents want;
    ``meters(fill_kw, plan, view, device, params, now)`` gives the power at each meter when the flexible part was filled
    with ``fill_kw`` [n_envs, n_kind]; ``move(meters, plan, view, device, params, now)`` moves the energy that the wires
    allow, once, here; ``program(params, device, n_steps, step_h)`` says what the optimum may know, on the host.
    """

    Config: type[C]
    draw: Callable[[C, Draw], P]
    start: Callable[[P], D]
    view: Callable[[D, P, Now], View]
    move: Callable[[Meters, Plan, View, D, P, Now], Moved]
    program: Callable[[P, D, int, float], Program]
    _: KW_ONLY
    actions: Callable[[C], Columns] = power_and_eagerness
    features: Callable[[C], tuple[Features, ...]] = no_features
    plan: Callable[[Array, View], Plan] = scaled_plan
    meters: Callable[[Array, Plan, View, D, P, Now], Meters] = only_the_device
    must_serve: MustServe[P] | None = None  # None: nothing is expected of it beforehand
    past_kw: Callable[[P, Any, NDArray[np.int64]], NDArray[np.float64]] | None = None
    """What agents without must-serve load drew under the plain rule in steps [n_envs, n] of the bank; none: nothing."""
    rent_cur_per_day: Callable[[P], Array] | None = None  # for the device at each meter, [n_envs, n_meters]; None: none
    meters_each: Callable[[C], int] = one  # of an agent; they stand side by side
    is_stationary: bool = False  # ``params.capacity_kwh`` stays in the community; a scenario may resize it
    is_brp: bool = False  # its residual goes to the imbalance price, not to a tariff
    is_home: bool = False  # owns what aggregators rent, may hold shares, may be asked to draw less
    connections: int = 1  # grid connections an agent of the kind has of its own
    lasting: tuple[OwnColumn, ...] = ()  # what a community may say of its agents; ``draw`` takes it by ``Draw.kept``
    lacks: Callable[[C, Mapping[str, Any]], str] = nothing  # why an agent cannot have what is said of it; empty: it can
    firm_is_chosen: bool = False  # its firm energy follows from earlier decisions (a car's), not from life (a home's)
    lends: Callable[[C], bool] = always  # whether its devices help an island beyond what their orders filled
    inverters: Inverters[C, P] | None = None
    grid_forming: GridForming[C, P, D] | None = None
    aggregator: Aggregator[C, P, D] | None = None

    def columns(self, config: C) -> Columns:
        """Name what the kind observes beside the columns that all kinds share."""
        return tuple(column for features in self.features(config) for column in features.columns)

    def n_meters(self, config: C) -> int:
        """Meters of all agents of the kind."""
        return config.count * self.meters_each(config)

    def storage_kwh(self, params: Any) -> Array:
        """Give the stationary storage of the kind, [n_envs]; 0 without any."""
        if not self.is_stationary:
            return 0.0
        kwh = params.capacity_kwh
        return (kwh.sum(2) if kwh.ndim == 3 else kwh).sum(1)

    def scale(self, params: Any, factor: Array) -> Any:
        """Resize stationary storage by [n_envs, 1]; kinds without any give ``params`` back."""
        if not self.is_stationary:
            return params
        kwh = params.capacity_kwh
        return replace(params, capacity_kwh=kwh * (factor[..., None] if kwh.ndim == 3 else factor))


AnyKind = Kind[Any, Any, Any]


def encode(wish_kw: Array, eagerness: Array, view: View) -> Array:
    """Give the action [n_envs, n_agents, 2] by which an agent wants ``wish_kw``; the inverse of ``scaled_plan``."""
    xp = namespace(wish_kw)
    span_kw = xp.where(wish_kw >= 0, view.high_kw, -view.low_kw)
    power = xp.where(span_kw > 1e-9, wish_kw / xp.maximum(span_kw, 1e-9), 0.0)
    return xp.stack([xp.clip(power, -1.0, 1.0), xp.clip(eagerness, -1.0, 1.0)], axis=-1)
