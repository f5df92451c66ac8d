"""What the optimum may know of a kind's devices: the part of its program that they are.

Whatever an agent of the kind can do must be possible in the program at no higher cost, or be named as uncovered: then
its optimum is a bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridbazaar.agents.storage import Storage
from gridbazaar.data.arrays import Array


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
    public_cur_per_kwh: float = 0.0  # price at which it may be charged on its way
    may_lack: bool = False  # whether one may leave with less than it requires
    site_kw: float | None = None  # what all of them together may draw; None: no limit


@dataclass(frozen=True, slots=True)
class Engine:
    """What makes power from fuel, without starts and times: no real one makes a kWh for less."""

    power_kw: Array  # [n_envs, n_kind]
    cur_per_kwh: float


@dataclass(frozen=True, slots=True)
class Program:
    """What the devices of a kind can do in an episode, [n_envs, n_kind(, n_devices)] arrays; several are pooled.

    What is must-serve is not part of it: the optimum reads that from the kind's ``view`` and ``meters``.
    """

    storage: Storage | None = None  # as good as it ever is; None: nothing is stored
    stored_kwh: Array | None = None  # as the episode begins, of what is always there
    stays: Stays | None = None  # None: the devices are always there, and what they store is worth something in the end
    is_reserve: bool = False  # the storage's floor is a reserve, free to use in an island
    wear_cur_per_kwh: float = 0.0  # the least that a kWh released wears off
    fades_kw: Array | float = 0.0  # power that storage may lose as its capacity fades; 0: it keeps it
    follows_meter: Array | bool = False  # [n_envs, n_kind] bool, the device serves the real load, not its forecast
    upkeep_cur: Array | None = None  # what no policy can save of it in the episode; None: nothing fails
    holds_back: bool = False  # what the kind has to sell may be held back
    engine: Engine | None = None
    uncovered: tuple[str, ...] = ()  # what there are no variables for, so that a policy might do better


def always_there(n_steps: int, ceiling_kwh: Array, charge_kw: Array, floor_kwh: Array, start_kwh: Array) -> Stays:
    """Spread what is always there over the steps of an episode; arrays are [n_envs, n_kind], on the host."""
    ceiling_kwh, charge_kw, floor_kwh, start_kwh = (
        np.repeat(x[..., None], n_steps, axis=2) for x in (ceiling_kwh, charge_kw, floor_kwh, start_kwh)
    )
    is_first = np.broadcast_to(np.arange(n_steps) == 0, ceiling_kwh.shape)
    return Stays(
        is_plugged=ceiling_kwh > 0,
        charge_kw=charge_kw,
        floor_kwh=floor_kwh,
        ceiling_kwh=ceiling_kwh,
        is_kept=~is_first,
        brings_kwh=np.where(is_first, start_kwh, 0.0),
        required_kwh=0.0 * ceiling_kwh,
        unfilled=0.0 * ceiling_kwh,
    )
