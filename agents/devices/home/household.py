"""What a home has beside load, PV and a battery: heat pump, hot water, an appliance that can wait.

Each is off unless the scenario turns it on, and one file. What comfort or a deadline asks for is must-serve: it keeps
room and tank at their lower edge and starts the appliance at the latest moment. What the action wishes beyond joins the
home's one flexible order and is shared out again when that was filled. Arrays are [n_envs, n_kind].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gridbazaar.agents.devices.home import appliance
from gridbazaar.agents.devices.home import heat_pump as heating
from gridbazaar.agents.devices.home import hot_water as water
from gridbazaar.agents.devices.home.appliance import Appliance
from gridbazaar.agents.devices.home.heat_pump import Heating
from gridbazaar.agents.devices.home.hot_water import Water
from gridbazaar.agents.devices.home.part import Part
from gridbazaar.agents.kind import Column, Draw, Now, Series
from gridbazaar.data.arrays import Array, namespace

__all__ = ["Appliance", "Drawn", "Heating", "Inside", "Look", "Wants", "Water"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What an episode draws for the further devices of homes; None where the scenario has none of a sort."""

    heating: heating.Pumps | None = None
    water: water.Tanks | None = None
    appliance: appliance.Loads | None = None


@dataclass(frozen=True, slots=True)
class Inside:
    """State of the further devices."""

    indoor_c: Array | None  # room temperature
    tank_kwh: Array | None  # heat above the room
    started: Array | None  # int64, step in which the appliance started; beyond the episode before


@dataclass(frozen=True, slots=True)
class Look:
    """What the further devices must and may do in the interval."""

    heating: Part | None
    water: Part | None
    appliance: Part | None

    def must_kw(self, like: Array) -> Array:
        """What is served at any price, all together."""
        return _sum([part and part.must_kw for part in (self.heating, self.water, self.appliance)], like)

    def spare_kwh(self, like: Array) -> Array:
        """What is drawn later if nothing is stored, all together."""
        return _sum([part and part.spare_kwh for part in (self.heating, self.water)], like)


@dataclass(frozen=True, slots=True)
class Wants:
    """What an action asks of them beyond what they must."""

    heat_kw: Array | None = None
    water_kw: Array | None = None
    starts: Array | None = None  # bool

    def flexible_kw(self, like: Array) -> Array:
        """Their part of the home's flexible order."""
        return _sum([self.heat_kw, self.water_kw], like)


def _sum(parts: list[Array | None], like: Array) -> Array:
    total = namespace(like).zeros_like(like)
    for part in parts:
        total = total if part is None else total + part
    return total


def any_of(config: Any) -> bool:
    """Whether homes have anything of this sort; ``config`` is that of the prosumers."""
    return bool(actions_of(config))


def actions_of(config: Any) -> tuple[Column, ...]:
    """The actions that come with what the homes have."""
    parts = ((config.heating, heating), (config.water, water), (config.appliance, appliance))
    return tuple(module.ACTION for part, module in parts if part.share[1] > 0)


def columns_of(config: Any) -> tuple[Column, ...]:
    """What homes observe of it."""
    parts = ((config.heating, heating), (config.water, water), (config.appliance, appliance))
    return tuple(column for part, module in parts if part.share[1] > 0 for column in module.COLUMNS)


def draw_devices(config: Any, draw: Draw) -> Drawn:
    """Draw the episode's devices."""
    n = config.count
    return Drawn(
        heating.draw_pumps(config.heating, n, draw) if config.heating.share[1] > 0 else None,
        water.draw_tanks(config.water, n, draw) if config.water.share[1] > 0 else None,
        appliance.draw_loads(config.appliance, n, draw) if config.appliance.share[1] > 0 else None,
    )


def begin(drawn: Drawn, config: Any) -> Inside:
    """Begin an episode."""
    return Inside(
        None if drawn.heating is None else heating.begin(drawn.heating, config.heating),
        None if drawn.water is None else water.begin(drawn.water, config.water),
        None if drawn.appliance is None else appliance.begin(drawn.appliance),
    )


def look(state: Inside, drawn: Drawn, config: Any, now: Now) -> Look:
    """See what the devices must and may do."""
    return Look(
        None if drawn.heating is None else heating.look(state.indoor_c, drawn.heating, config.heating, now),
        None if drawn.water is None else water.look(state.tank_kwh, drawn.water, config.water, now),
        None if drawn.appliance is None else appliance.look(state.started, drawn.appliance, now),
    )


def wants(look: Look, action: dict[str, Array]) -> Wants:
    """Read what an action, [n_envs, n_kind] by the name of its column, asks of the devices."""

    def share(part: Part | None, name: str) -> Array | None:
        return None if part is None else namespace(part.can_kw).maximum(action[name], 0.0) * part.can_kw

    starts = None if look.appliance is None else (action["appliance"] > 0.5) & (look.appliance.can_kw > 0)
    return Wants(share(look.heating, "heat"), share(look.water, "water"), starts)


def start_kw(look: Look, wants: Wants, like: Array) -> Array:
    """What the appliance draws that the action starts."""
    if look.appliance is None:
        return namespace(like).zeros_like(like)
    return look.appliance.can_kw * wants.starts


def share_kw(
    total_kw: Array, battery_kw: Array, warmth_kw: Array, low_kw: Array, high_kw: Array, *, battery_last: bool = False
) -> Array:
    """Give the part of a home's flexible power that goes to room and tank; the battery has the rest.

    Args:
        total_kw: what was filled or allowed.
        battery_kw, warmth_kw: what they wished; ``warmth_kw`` >= 0.
        low_kw, high_kw: limits of the battery.
        battery_last: room and tank get all that they wished, and the battery, which follows the meter, the difference.

    Otherwise wishes of one sign are served in proportion. Of opposite ones that against the order is kept, for the
    other was filled; a battery takes what goes beyond all wishes.
    """
    xp = namespace(total_kw)
    wish_kw = battery_kw + warmth_kw
    in_proportion = warmth_kw * xp.clip(total_kw / xp.maximum(wish_kw, 1e-12), 0.0, 1.0)
    given_kw = xp.where(battery_kw >= 0, in_proportion, xp.clip(total_kw - battery_kw, 0.0, warmth_kw))
    given_kw = warmth_kw if battery_last else given_kw
    rest_kw = xp.clip(total_kw - given_kw, low_kw, high_kw)
    return xp.clip(total_kw - rest_kw, 0.0, warmth_kw)


def run(
    state: Inside, drawn: Drawn, config: Any, look: Look, wants: Wants, served: Array, warmth_kw: Array, now: Now
) -> tuple[Inside, Array]:
    """Let a step pass.

    Args:
        state, drawn, config: of the homes.
        look, wants: of the step.
        served: share of the must-serve draw that was served; 1 but in an outage.
        warmth_kw: flexible power that room and tank got, in proportion to their wishes.
        now: the interval.

    Returns:
        The state after it, and the discomfort in currency.
    """
    xp = namespace(warmth_kw)
    granted = warmth_kw / xp.maximum(wants.flexible_kw(warmth_kw), 1e-12)
    cost = xp.zeros_like(warmth_kw)
    indoor_c, tank_kwh, started = state.indoor_c, state.tank_kwh, state.started
    if look.heating is not None and drawn.heating is not None:
        pump_kw = look.heating.must_kw * served + wants.heat_kw * granted
        indoor_c, missed = heating.run(indoor_c, pump_kw, drawn.heating, config.heating, now)
        cost = cost + missed
    if look.water is not None and drawn.water is not None:
        heater_kw = look.water.must_kw * served + wants.water_kw * granted
        tank_kwh, missed = water.run(tank_kwh, heater_kw, drawn.water, config.water, now)
        cost = cost + missed
    if drawn.appliance is not None:
        started = appliance.run(started, wants.starts, drawn.appliance, now)
    return Inside(indoor_c, tank_kwh, started), cost


def features_of(state: Inside, drawn: Drawn, config: Any, look: Look, now: Now) -> list[Array]:
    """Give what ``columns_of`` names, [n_envs, n_kind] each."""
    found: list[Array] = []
    if look.heating is not None and drawn.heating is not None:
        found += heating.features(state.indoor_c, look.heating, drawn.heating, config.heating, now)
    if look.water is not None and drawn.water is not None:
        found += water.features(state.tank_kwh, look.water, drawn.water, config.water)
    if look.appliance is not None and drawn.appliance is not None:
        found += appliance.features(state.started, look.appliance, drawn.appliance, now)
    return found


def usual_kw(drawn: Drawn, config: Any, series: Series, step: Array) -> Array | None:
    """Give what room and tank are expected to draw in a step of the bank at their lower edges; None: nothing."""
    parts = [
        None if drawn.heating is None else heating.usual_kw(drawn.heating, config.heating, series, step),
        None if drawn.water is None else water.usual_kw(drawn.water, config.water, series, step),
    ]
    known = [part for part in parts if part is not None]
    return sum(known) if known else None
