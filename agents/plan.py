"""What devices can do in an interval, what is asked of them, and what their agents want: View, Called, Plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gridbazaar.data.arrays import Array, namespace


@dataclass(frozen=True, slots=True)
class View:
    """An agent's devices as they stand before the interval: physical, policy-independent, one column an agent.

    ``firm_kw`` is must-serve: the forecast of load minus PV of a home, the power without which a car would miss its
    departure. ``low_kw <= 0 <= high_kw`` bound what the flexible device may do beside that (grid side, kW).
    Stored energies are inside the device; ``* eta_dis`` gives what reaches the grid, ``/ eta_ch`` what is drawn.
    """

    firm_kw: Array  # [n_envs, n_kind] > 0 draws
    low_kw: Array  # [n_envs, n_kind] <= 0, largest release now
    high_kw: Array  # [n_envs, n_kind] >= 0, largest draw now
    stored_kwh: Array  # [n_envs, n_kind] above the floor; a reserve is part of it, what may leave now is in low_kw
    room_kwh: Array  # [n_envs, n_kind] below the ceiling
    capacity_kwh: Array  # [n_envs, n_kind] usable, floor to ceiling; 0: no device, or no car
    power_kw: Array  # [n_envs, n_kind] rating; of a charger and its car, or of the charger alone
    min_kw: Array  # [n_envs, n_kind] a smaller wish is nothing
    eta_ch: Array  # [n_envs, n_kind] grid to store, in (0, 1]
    eta_dis: Array  # [n_envs, n_kind] store to grid, in (0, 1]
    wear_cur_per_kwh: Array  # [n_envs, n_kind] per kWh released to the grid
    need_kwh: Array  # [n_envs, n_kind] still to be stored before departure; 0 without one
    left_h: Array  # [n_envs, n_kind] until departure; to the end of the episode without one
    is_stationary: Array  # [n_envs, n_kind] bool, what is stored stays in the community
    has_device: Array  # [n_envs, n_kind] bool, whether this agent has a device; a charger is one, car or not
    is_active: Array  # [n_envs, n_kind] bool, whether it has now (a car is plugged in)
    spare_kwh: Array | None = None  # [n_envs, n_kind] drawn later that stored heat saves; None: no heat is stored
    more: Any = None  # what only the kind itself looks at; left out where kinds are put side by side


def join(blocks: tuple[View, ...]) -> View:
    """Put the kinds' views side by side: [n_envs, n_agents]."""
    xp = namespace(blocks[0].firm_kw)
    joined = View(*(xp.concat([getattr(b, name) for b in blocks], axis=1) for name in _JOINED))
    if all(b.spare_kwh is None for b in blocks):
        return joined
    spare = [xp.zeros_like(b.firm_kw) if b.spare_kwh is None else b.spare_kwh for b in blocks]
    return replace(joined, spare_kwh=xp.concat(spare, axis=1))


_JOINED = tuple(name for name in View.__slots__ if name not in ("spare_kwh", "more"))


@dataclass(frozen=True, slots=True)
class Plan:
    """What the agents want of the interval; stateless."""

    firm_kw: Array  # [n_envs, n_agents] served at any price
    low_kw: Array  # [n_envs, n_agents] <= 0
    high_kw: Array  # [n_envs, n_agents] >= 0
    wish_kw: Array  # [n_envs, n_agents] in [low_kw, high_kw], beside the firm part
    eagerness: Array  # [n_envs, n_agents] in [-1, 1]; +1 is filled at any price
    executed: Array  # [n_envs, n_agents, n_actions] the action after clipping
    more: Any = None  # what only the kind itself wants; left out where kinds are put side by side


def joined(plans: tuple[Plan, ...]) -> Plan:
    """Put the kinds' plans side by side: [n_envs, n_agents]."""
    xp = namespace(plans[0].firm_kw)
    return Plan(*(xp.concat([getattr(b, name) for b in plans], axis=1) for name in _PLANNED))


_PLANNED = tuple(name for name in Plan.__slots__ if name != "more")

QUIET, ANNOUNCED, OFFERING, HELD, RUNNING = range(5)
"""No call is known; one is; its offers close with this interval; awards are held ready for it; it runs."""


@dataclass(frozen=True, slots=True)
class Called:
    """The call that runs or comes next, before an interval; all zero where none is known."""

    status: Array  # [n_envs] int64, QUIET to RUNNING
    starts_h: Array  # [n_envs] until it begins
    lasts_h: Array  # [n_envs] from its beginning, or from now while it runs, until its end
    level: Array  # [n_envs] share of the awards that is called now
    award_kw: Array  # [n_envs, n_vpps] >= 0, held ready
    registered: Array  # [n_envs, n_vpps] share of its envelope that a VPP may offer
