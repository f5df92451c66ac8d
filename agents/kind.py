"""The contract of a kind of agents, and the tools that kinds share.

A kind is one file in ``agents/kinds/`` with a frozen dataclass ``Config`` (its table in a scenario, with units in the
names and checks in ``__post_init__``) and the functions of ``Kind``. Functions take and give arrays with one column an
agent of the kind; nothing in them loops over agents or environments.
"""

from __future__ import annotations

import math
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

import gridbazaar.agents.kinds
from gridbazaar.agents.plan import Plan, View
from gridbazaar.agents.storage import Storage
from gridbazaar.agents.vpps.called import Called
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.chance import between, uniform

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Column:
    """One component of an action or an observation."""

    name: str
    unit: str
    low: float
    high: float
    doc: str


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


@dataclass(frozen=True, slots=True)
class Stays:
    """When the devices of a kind are there, what they bring and what they want; [n_envs, n_kind, n_steps] unless said.

    One place holds one device after another.
    """

    is_plugged: Array  # bool
    charge_kw: Array
    floor_kwh: Array
    ceiling_kwh: Array
    is_kept: Array  # bool, the device of the step before is still this place's; else what was stored is gone
    brings_kwh: Array  # at the beginning of the step; of a kept device < 0, what it used on its way
    required_kwh: Array  # of one that leaves at the end of the step; else 0
    unfilled: Array  # share of the room of a device that full power leaves unfilled in a step as it tapers; 0: no taper
    public_cur_per_kwh: float  # price at which it may be charged on its way
    may_lack: bool  # whether one may leave with less than it requires
    site_kw: float | None  # what all of them together may draw; None: no limit


@dataclass(frozen=True, slots=True)
class Draw:
    """What a kind may use to draw its episodes, on the host."""

    keys: NDArray[np.uint64]  # [n_envs]
    day: NDArray[np.int64]  # [n_envs] day of the bank on which the episode begins
    bank: Any  # data.bank.Bank
    step_h: float
    n_steps: int
    start_h: float = 12.0  # local hour at which it begins

    @property
    def n_days(self) -> int:
        """Days of the episode from its first step on, the last one perhaps cut."""
        return math.ceil(self.n_steps * self.step_h / 24 - 1e-9)

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
    """What happened behind the meters of a kind; the second gate to integers."""

    device: Any
    firm_ukwh: Array  # [n_envs, n_kind] int64
    flexible_ukwh: Array  # [n_envs, n_kind] int64
    load_kwh: Array  # [n_envs, n_kind]
    pv_kwh: Array  # [n_envs, n_kind]
    loss_kwh: Array  # [n_envs, n_kind]
    released_kwh: Array  # [n_envs, n_kind] to the grid side, >= 0
    unserved_kwh: Array  # [n_envs, n_kind]
    wear_cur: Array | None = None  # [n_envs, n_kind]; None: what is released at the view's price of wear
    discomfort_cur: Array | None = None  # [n_envs, n_kind] comfort missed; None: none
    upkeep_cur: Array | None = None  # [n_envs, n_kind] fuel, starts, repairs, whatever no bill holds; None: none
    carbon_kg: Array | None = None  # [n_envs, n_kind] of fuel burnt; None: none


class Kind(Protocol):
    """The functions of a kind's module."""

    Config: Any
    IS_BRP: bool  # its residual goes to the imbalance price, not to a tariff
    CONNECTIONS: int  # grid connections an agent of the kind has of its own
    FIRM_IS_CHOSEN: bool  # whether its firm energy follows from earlier decisions (a car's) or from life (a home's)

    def actions(self, config: Any) -> tuple[Column, ...]:
        """Name the components of an action: power and eagerness, then those of the kind's own; 0 is the plain way."""
        ...

    def columns(self, config: Any) -> tuple[Column, ...]:
        """Name what the kind observes beside the columns that all kinds share."""
        ...

    def features(self, view: View, device: Any, params: Any, now: Now) -> list[Array]:
        """Give those columns, [n_envs, n_kind] each, scaled."""
        ...

    def draw(self, config: Any, draw: Draw) -> Any:
        """Draw the parameters of each episode; NumPy arrays [n_envs, n_kind, ...]."""
        ...

    def scale(self, params: Any, factor: Array) -> Any:
        """Resize stationary storage by [n_envs, 1]; kinds without any give ``params`` back."""
        ...

    def start(self, params: Any) -> Any:
        """Give the device state at the beginning of an episode."""
        ...

    def view(self, device: Any, params: Any, now: Now) -> View:
        """Look at the devices before the interval."""
        ...

    def plan(self, action: Array, view: View) -> Plan:
        """Turn actions [n_envs, n_kind, n_actions] into what the agents want."""
        ...

    def meters(self, fill_kw: Array, plan: Plan, view: View, device: Any, params: Any, now: Now) -> Meters:
        """Give the power at each meter when the flexible part was filled with ``fill_kw`` [n_envs, n_kind]."""
        ...

    def move(self, meters: Meters, plan: Plan, view: View, device: Any, params: Any, now: Now) -> Moved:
        """Move the energy that the wires allow; once, here."""
        ...

    def outlook_kw(self, params: Any, series: Series, step: Array) -> tuple[Array, Array] | None:
        """Give must-serve load and PV expected a day ahead, [n_envs, n_kind] each; None: never any."""
        ...

    def mean_load_kw(self, params: Any, home_kw: Array) -> Array | None:
        """Give the mean must-serve load of the kind, [n_envs], from that of the bank's homes, [n_homes]; None: none."""
        ...

    def storage(self, params: Any) -> Storage:
        """Give the parameters of the kind's storage, [n_envs, n_kind(, n_devices)]."""
        ...

    def stays(self, params: Any, n_steps: int, step_h: float) -> Stays | None:
        """Say who is there when, for the optimum; None: the devices are always there."""
        ...

    def uncovered(self, params: Any) -> list[str]:
        """Name what the optimum's program has no variables for, so that a policy might do better than it."""
        ...

    def storage_kwh(self, params: Any) -> Array:
        """Give the stationary storage of the kind, [n_envs]."""
        ...

    def rent_cur_per_day(self, params: Any) -> Array | None:
        """Give the rent that the kind owes for the device at each of its meters, [n_envs, n_meters]; None: none."""
        ...

    def n_meters(self, config: Any) -> int:
        """Meters of all agents of the kind; a multiple of its count, an agent's meters side by side."""
        ...


@lru_cache(maxsize=1)
def kinds() -> dict[str, Kind]:
    """Give all kinds by name, found by listing the folder."""
    names = sorted(m.name for m in pkgutil.iter_modules(gridbazaar.agents.kinds.__path__))
    return {n: cast(Kind, import_module(f"gridbazaar.agents.kinds.{n}")) for n in names}


def own_columns(agents: Mapping[str, Any]) -> tuple[Column, ...]:
    """Give what the kinds of a scenario observe beside what all share; columns of one name are one.

    Args:
        agents: the config of each kind.
    """
    found: dict[str, Column] = {}
    for name, config in agents.items():
        for column in kinds()[name].columns(config):
            if found.setdefault(column.name, column) != column:
                raise ValueError(f"{name}: its column {column.name!r} is another one elsewhere; expected a new name")
    return tuple(found.values())


def scaled_plan(action: Array, view: View) -> Plan:
    """Read an action as shares of what is feasible: the plan of most kinds.

    Args:
        action: [n_envs, n_kind, n_actions] power and eagerness first, clipped to [-1, 1] before.
    """
    xp = namespace(action)
    power, eagerness = action[..., 0], action[..., 1]
    wish_kw = xp.where(power >= 0, power * view.high_kw, -power * view.low_kw)
    wish_kw = xp.where((xp.abs(wish_kw) < view.min_kw) & (view.firm_kw <= 0), 0.0, wish_kw)
    return Plan(view.firm_kw, view.low_kw, view.high_kw, wish_kw, eagerness, action)


def encode(wish_kw: Array, eagerness: Array, view: View) -> Array:
    """Give the action [n_envs, n_agents, 2] by which an agent wants ``wish_kw``; the inverse of ``scaled_plan``."""
    xp = namespace(wish_kw)
    span_kw = xp.where(wish_kw >= 0, view.high_kw, -view.low_kw)
    power = xp.where(span_kw > 1e-9, wish_kw / xp.maximum(span_kw, 1e-9), 0.0)
    return xp.stack([xp.clip(power, -1.0, 1.0), xp.clip(eagerness, -1.0, 1.0)], axis=-1)


def check_range(where: str, name: str, value: Range, low: float, high: float = float("inf")) -> None:
    """Refuse a pair of limits that is out of order or out of bounds."""
    if not (low <= value[0] <= value[1] <= high):
        raise ValueError(f"{where}.{name}: expected two numbers, {low} <= first <= second <= {high}, got {value}")
