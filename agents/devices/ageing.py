"""How batteries age: cycling and time take from their capacity, and deep cycles cost more than shallow ones.

Arrays are [n_envs, n_kind(, n_devices)]. Everything here is element by element; cycles are counted by turning points
as they happen. The count that knows the whole history, rainflow, belongs to the evaluation
(``experiments/evaluation/rainflow.py``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated

from gridbazaar.agents.storage import Storage
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import Charge, NotNegative, OneOf, Positive, PositiveShares, Within
from gridbazaar.data.units import YEAR_H

_KELVIN = 273.15
END_OF_LIFE_LOSS = 0.2
"""Share of the new capacity that is gone at the end of a battery's life."""


@dataclass(frozen=True, slots=True)
class Ageing:
    """Table ``[KIND.ageing]``: how the kind's batteries wear and fade; by default they wear by what they release."""

    health: PositiveShares = (1.0, 1.0)  # capacity at the beginning over that when new
    wear: Annotated[str, OneOf("throughput", "depth")] = "throughput"  # by depth, deep cycles cost more
    replacement_cur_per_kwh: Charge = 250.0  # of new capacity, what wear by depth uses up
    fades: bool = False  # cycling takes 20 % of the capacity over a life
    life_cycles: Positive = 4800.0  # full cycles of a life, where wear goes by throughput
    calendar_per_year: NotNegative = 0.0  # share of the new capacity lost in a year half full at 25 C; usually 0.015
    temperature_c: Annotated[float, Within(-30.0, 70.0)] = 25.0  # of the cells

    @property
    def happens(self) -> bool:
        """Whether a battery has to keep a history."""
        return self.health != (1.0, 1.0) or self.wear == "depth" or self.fades or self.calendar_per_year > 0


@dataclass(frozen=True, slots=True)
class Age:
    """What a battery remembers of its life."""

    capacity_kwh: Array  # usable now; never grows
    swing_frac: Array  # state of charge since the last turning point, > 0 after charging, < 0 after releasing


def life_used(depth: Array) -> Array:
    """Share of a battery's life that a full cycle of this depth uses, 5.24e-4 depth^2.03.

    For cells of lithium nickel manganese cobalt oxide, after Xu, Zhao, Zheng, Litvinov & Kirschen (2018, IEEE
    Transactions on Power Systems 33).
    """
    return 5.24e-4 * depth**2.03


def calendar_kwh(energy_kwh: Array, age: Age, new_kwh: Array, config: Ageing, hours: float) -> Array:
    """Capacity lost by standing for some hours at this state of charge.

    ``calendar_per_year`` times a factor of the state of charge, 0.308 + 1.384 soc, times one of the temperature,
    exp(-6976 K (1 / T - 1 / 298.15 K)); both are 1 half full at 25 C. They are the voltage and Arrhenius terms of
    Schmalstieg, Kaebitz, Ecker & Sauer (2014, Journal of Power Sources 257), (7.543 V - 23.75) 1e6 exp(-6976 / T)
    with V = 3.3324 + 0.8263 soc. Time counts linearly, so that a day costs the same in any year.
    """
    xp = namespace(energy_kwh)
    soc = xp.clip(energy_kwh / xp.maximum(age.capacity_kwh, 1e-9), 0.0, 1.0)
    by_soc = (7.543 * (3.3324 + 0.8263 * soc) - 23.75) / (7.543 * (3.3324 + 0.8263 * 0.5) - 23.75)
    by_heat = math.exp(-6976.0 * (1 / (config.temperature_c + _KELVIN) - 1 / (25.0 + _KELVIN)))
    return new_kwh * (config.calendar_per_year * by_heat * hours / YEAR_H) * by_soc


def wear_of(
    before_kwh: Array, after_kwh: Array, drawn_kwh: Array, age: Age, new_kwh: Array, config: Ageing, step_h: float
) -> tuple[Age, Array | None]:
    """Let a step of use pass over batteries.

    Args:
        before_kwh, after_kwh: stored energy.
        drawn_kwh: at the meter; where it is 0 the battery rested and its cycle goes on.
        age: before the step.
        new_kwh: usable capacity of new batteries.

    Returns:
        Their age after the step, and the wear in currency where it goes by depth. Half a cycle of a depth costs half
        the life that a full one uses; what a step adds is the difference to the depth before it, and a turning point
        begins a new half cycle. Capacity can fall below the stored energy; the caller gives the excess up.
    """
    xp = namespace(before_kwh)
    change = (after_kwh - before_kwh) / xp.maximum(age.capacity_kwh, 1e-9)
    change = xp.where(drawn_kwh == 0, 0.0, change)
    goes_on = change * age.swing_frac >= 0
    swing_frac = xp.clip(xp.where(goes_on, age.swing_frac + change, change), -1.0, 1.0)
    lost_kwh, wear_cur = 0.0 * new_kwh, None
    if config.wear == "depth":
        known = xp.where(goes_on, xp.abs(age.swing_frac), 0.0)
        life = 0.5 * (life_used(xp.abs(swing_frac)) - life_used(known))
        wear_cur = life * new_kwh * config.replacement_cur_per_kwh
    else:
        life = xp.maximum(-drawn_kwh, 0.0) / (xp.maximum(new_kwh, 1e-9) * config.life_cycles)
    if config.fades:
        lost_kwh = lost_kwh + END_OF_LIFE_LOSS * life * new_kwh
    if config.calendar_per_year > 0:
        lost_kwh = lost_kwh + calendar_kwh((before_kwh + after_kwh) / 2, age, new_kwh, config, step_h)
    return Age(xp.maximum(age.capacity_kwh - lost_kwh, 0.0), swing_frac), wear_cur


def wear_cur_per_kwh(config: Ageing, by_throughput: float) -> float:
    """What a kWh released wears off, in currency; by depth: that of full cycles, the dearest."""
    return float(life_used(1.0)) * config.replacement_cur_per_kwh if config.wear == "depth" else by_throughput


def aged(storage: Storage, age: Age | None) -> Storage:
    """Give the storage with what is left of its capacity; its ratings do not fade."""
    return storage if age is None else replace(storage, ceiling_kwh=age.capacity_kwh)
