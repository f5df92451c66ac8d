"""A heat pump that keeps a room in its comfort band: must hold the lower edge, may warm to the upper one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gridbazaar.agents.devices.home.heat import SINKS, SOURCES, cop, heat_for_kw, kept, room_c, sink_c
from gridbazaar.agents.devices.home.part import CAN_SCALE_KW, Part
from gridbazaar.agents.kind import Column, Draw, Now, Series
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import Charge, NotNegative, NotNegatives, OneOf, Positive, Shares, Within

ACTION = Column("heat", "1", -1.0, 1.0, "a > 0: share of what warms the room to the upper edge; else as the lower asks")
COLUMNS = (
    Column("indoor", "1", -5.0, 5.0, "room temperature, 0 at the lower and 1 at the upper edge of the band"),
    Column("outdoor", "20 C", -5.0, 5.0, "outdoor temperature of the interval"),
    Column("can_heat", f"{CAN_SCALE_KW:g} kW", 0.0, 5.0, "what the heat pump may draw beyond what it must"),
)

_NOTICED_K = 1e-4  # meters count micro-kWh, so a room held at its edge is off by less than that


@dataclass(frozen=True, slots=True)
class Heating:
    """Table ``[prosumer.heating]``: heat pumps and the rooms that they warm."""

    share: Shares = (0.0, 0.0)  # of homes that have one
    pump_kw: NotNegatives = (2.0, 3.5)  # electric rating
    k_per_kw: Positive = 5.0  # thermal resistance of the house
    kwh_per_k: Positive = 6.9  # thermal mass of the house
    source: Annotated[str, OneOf(*SOURCES)] = "air"  # of the heat: air, ground, water
    ground_c: Annotated[float, Within(-20.0, 40.0)] = 5.0  # brine of a pump on ground or water
    sink: Annotated[str, OneOf(*SINKS)] = "floor"  # where the heat goes: floor, radiator
    low_c: Annotated[float, Within(5.0, 35.0)] = 20.0  # lower edge of the comfort band
    high_c: Annotated[float, Within(5.0, 35.0)] = 22.0  # upper edge of the comfort band
    gains_kw: NotNegative = 0.3  # heat of people and appliances
    comfort_cur_per_k2h: Charge = 0.5  # for an hour outside the band, times the square of the distance

    def check(self, where: str) -> None:
        """Refuse a band of comfort that is none; ``where`` names the table."""
        if self.low_c >= self.high_c:
            raise ValueError(f"{where}.low_c: expected less than high_c, {self.high_c}; got {self.low_c}")


@dataclass(frozen=True, slots=True)
class Pumps:
    """What an episode draws."""

    pump_kw: Array  # [n_envs, n_kind] electric rating, 0 without one
    warm_frac: Array  # [n_envs, n_kind] where the room begins in its band


def draw_pumps(config: Heating, n: int, draw: Draw) -> Pumps:
    """Draw the heat pumps of ``n`` homes.

    Raises:
        ValueError: the data have no outdoor temperature.
    """
    if draw.bank.outdoor_c is None:
        raise ValueError(
            f"prosumer.heating: the data {draw.bank.name!r} have no outdoor temperature; expected generated data, a "
            "CityLearn folder with weather.csv, or share 0"
        )
    has = draw.unit("prosumer.has_heating", n) < draw.within("prosumer.heating_share", 1, config.share)
    rating = draw.within("prosumer.heating.pump_kw", n, config.pump_kw)
    return Pumps(draw.kept("heat_pump_kw", rating * has), draw.unit("prosumer.heating.start", n))


def begin(pumps: Pumps, config: Heating) -> Array:
    """Give the temperature at the beginning of an episode, [n_envs, n_kind]."""
    return config.low_c + (config.high_c - config.low_c) * pumps.warm_frac


def ratio(config: Heating, outdoor_c: Array) -> Array:
    """Heat over electricity at this weather."""
    source_c = outdoor_c if config.source == "air" else 0 * outdoor_c + config.ground_c
    return cop(sink_c(outdoor_c, config.sink), source_c, config.source)


def look(indoor_c: Array, pumps: Pumps, config: Heating, now: Now) -> Part:
    """See what the heat pumps must and may draw, and what heat above the lower edge is worth in electricity.

    A warmer room loses more, so that of the heat above the edge only demand / (demand + above / 2) is left for the time
    after, where demand is what the edge asks for against the weather.
    """
    xp, outdoor_c = namespace(indoor_c), _outdoor_c(now.series, now.step)
    per_kwh = ratio(config, outdoor_c)
    keeps = kept(config.k_per_kw, config.kwh_per_k, now.series.step_h)

    def electric_kw(wanted_c: float) -> Array:
        heat_kw = heat_for_kw(indoor_c, wanted_c, outdoor_c, config.k_per_kw, keeps) - config.gains_kw
        return xp.clip(heat_kw / per_kwh, 0.0, pumps.pump_kw)

    must_kw = electric_kw(config.low_c)
    above_k = (indoor_c - config.low_c) * (pumps.pump_kw > 0)
    demand_k = xp.maximum(config.low_c - outdoor_c - config.k_per_kw * config.gains_kw, 0.0)
    useful = demand_k / xp.maximum(demand_k + xp.maximum(above_k, 0.0) / 2, 1e-9)
    return Part(must_kw, electric_kw(config.high_c) - must_kw, config.kwh_per_k * above_k * useful / per_kwh)


def run(indoor_c: Array, pump_kw: Array, pumps: Pumps, config: Heating, now: Now) -> tuple[Array, Array]:
    """Let a step pass with a constant power; give the temperature after it and the discomfort in currency.

    Discomfort is the squared distance to the band, after ASHRAE's habit; a room that the sun or its people warm beyond
    the band is nobody's doing.
    """
    xp, outdoor_c, step_h = namespace(indoor_c), _outdoor_c(now.series, now.step), now.series.step_h
    heat_kw = pump_kw * ratio(config, outdoor_c) + config.gains_kw
    keeps = kept(config.k_per_kw, config.kwh_per_k, step_h)
    after_c = room_c(indoor_c, outdoor_c, heat_kw, config.k_per_kw, keeps)
    too_warm_k = xp.maximum(after_c - config.high_c, 0.0) * (pump_kw > 0)
    outside_k = (xp.maximum(config.low_c - after_c, 0.0) + too_warm_k) * (pumps.pump_kw > 0)
    outside_k = xp.where(outside_k > _NOTICED_K, outside_k, 0.0)
    return after_c, config.comfort_cur_per_k2h * outside_k**2 * step_h


def features(indoor_c: Array, part: Part, pumps: Pumps, config: Heating, now: Now) -> list[Array]:
    """Give ``COLUMNS``, [n_envs, n_kind] each."""
    xp, owns = namespace(indoor_c), pumps.pump_kw > 0
    level = (indoor_c - config.low_c) / (config.high_c - config.low_c)
    outdoor = 0.0 * level + _outdoor_c(now.series, now.step) / 20.0
    return [xp.clip(level, -5.0, 5.0) * owns, xp.clip(outdoor, -5.0, 5.0), xp.minimum(part.can_kw / CAN_SCALE_KW, 5.0)]


def usual_kw(pumps: Pumps, config: Heating, series: Series, step: Array) -> Array:
    """Give what the lower edge is expected to ask for in a step of the bank, [n_envs, n_kind]."""
    outdoor_c = _outdoor_c(series, step)
    heat_kw = (config.low_c - outdoor_c) / config.k_per_kw - config.gains_kw
    return namespace(heat_kw).clip(heat_kw / ratio(config, outdoor_c), 0.0, pumps.pump_kw)


def _outdoor_c(series: Series, step: Array) -> Array:
    """[n_envs, 1]."""
    assert series.outdoor_c is not None
    return series.outdoor_c[step][:, None]
