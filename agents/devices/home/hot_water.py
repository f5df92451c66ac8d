"""A tank of hot water with a heating rod; the tank moves its heat on the storage kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from gridbazaar.agents.devices.home.heat import WATER_KWH_PER_LITRE_K, reach_kw, tank
from gridbazaar.agents.devices.home.part import CAN_SCALE_KW, Part
from gridbazaar.agents.kind import Column, Draw, Now, Series
from gridbazaar.agents.storage import Storage, move_kwh
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import Charge, NotNegatives, Positive, Shares, Within

ACTION = Column(
    "water", "1", -1.0, 1.0, "a > 0: share of what heats the tank to the upper edge; else as the lower asks"
)
COLUMNS = (
    Column("tank", "1", -5.0, 5.0, "heat in the tank, 0 at the lower and 1 at the upper edge"),
    Column("can_heat_water", f"{CAN_SCALE_KW:g} kW", 0.0, 5.0, "what the heating rod may draw beyond what it must"),
)

# Weights of the local hours: showers in the morning, kitchen and baths in the evening.
_BY_HOUR = np.array([1, 1, 1, 1, 1, 3, 9, 12, 9, 5, 4, 4, 4, 3, 3, 3, 4, 6, 9, 9, 7, 5, 3, 2], float)
_CELSIUS = Within(-20.0, 100.0, is_open_above=True)
_MOST = 6.0  # times the expected draw of a step


@dataclass(frozen=True, slots=True)
class Water:
    """Table ``[prosumer.water]``: tanks of hot water with heating rods."""

    share: Shares = (0.0, 0.0)  # of homes that have one
    litres: Positive = 200.0  # of the tank
    heater_kw: Positive = 2.5  # rating
    w_per_k: Positive = 2.0  # loss to the room
    low_c: Annotated[float, _CELSIUS] = 45.0  # lower edge
    high_c: Annotated[float, _CELSIUS] = 65.0  # upper edge
    usable_c: Annotated[float, _CELSIUS] = 40.0  # colder water is missed
    room_c: Annotated[float, _CELSIUS] = 20.0  # around the tank
    kwh_per_day: NotNegatives = (4.0, 6.0)  # heat drawn
    comfort_cur_per_kh: Charge = 0.05  # for an hour of water below usable_c, times the difference

    def check(self, where: str) -> None:
        """Refuse temperatures that are out of order; ``where`` names the table."""
        if not self.room_c < self.usable_c <= self.low_c < self.high_c:
            raise ValueError(
                f"{where}: expected room_c < usable_c <= low_c < high_c, "
                f"got {self.room_c}, {self.usable_c}, {self.low_c}, {self.high_c}"
            )

    @property
    def kwh_per_k(self) -> float:
        return self.litres * WATER_KWH_PER_LITRE_K

    @property
    def storage(self) -> Storage:
        return tank(self.kwh_per_k, self.w_per_k, self.low_c, self.high_c, self.room_c)


@dataclass(frozen=True, slots=True)
class Tanks:
    """What an episode draws."""

    heater_kw: Array  # [n_envs, n_kind] 0 without a tank
    full_frac: Array  # [n_envs, n_kind] where the tank begins in its band
    daily_kwh: Array  # [n_envs, n_kind] heat usually drawn in a day
    draw_kwh: Array  # [n_envs, n_steps, n_kind] heat drawn
    usual_share: Array  # [n_envs, n_steps + 1] of a day's draw, in each step
    start: Array  # [n_envs] int64 first step, of the bank


def draw_tanks(config: Water, n: int, draw: Draw) -> Tanks:
    """Draw the tanks of ``n`` homes; what is drawn in a step is exponential around what is usual at that hour."""
    has = draw.unit("prosumer.has_water", n) < draw.within("prosumer.water_share", 1, config.share)
    daily = draw.kept("hot_water_kwh_per_day", draw.within("prosumer.water.kwh_per_day", n, config.kwh_per_day) * has)
    has = np.where(np.isnan(draw.said.get("hot_water_kwh_per_day", np.nan)), has, daily > 0)
    hour = draw.bank.calendar.hour
    steps = np.minimum(draw.start[:, None] + np.arange(draw.n_steps + 1), len(hour) - 1)
    usual = _BY_HOUR[hour[steps].astype(int)] / _BY_HOUR.sum() * draw.step_h
    unit = draw.unit("prosumer.water.draws", n * draw.n_steps).reshape(-1, n, draw.n_steps)
    times = np.minimum(-np.log1p(-unit), _MOST) / (1 - np.exp(-_MOST))  # mean 1
    drawn = daily[:, None, :] * usual[:, :-1, None] * np.moveaxis(times, 2, 1)
    return Tanks(
        heater_kw=config.heater_kw * has,
        full_frac=draw.unit("prosumer.water.start", n),
        daily_kwh=daily,
        draw_kwh=drawn,
        usual_share=usual,
        start=draw.start,
    )


def begin(tanks: Tanks, config: Water) -> Array:
    """Give the heat at the beginning of an episode, above that of the room, [n_envs, n_kind]."""
    store = config.storage
    return store.floor_kwh + (store.ceiling_kwh - store.floor_kwh) * tanks.full_frac


def look(tank_kwh: Array, tanks: Tanks, config: Water, now: Now) -> Part:
    """See what the rods must draw to hold the lower edge against the usual draw, and may draw beyond."""
    xp, store = namespace(tank_kwh), config.storage
    to_floor_kw, to_top_kw = reach_kw(tank_kwh, store, now.series.step_h)
    must_kw = xp.clip(to_floor_kw + _usual_kw(tanks, now.series, now.step), 0.0, tanks.heater_kw)
    can_kw = xp.maximum(xp.clip(to_top_kw, 0.0, tanks.heater_kw) - must_kw, 0.0)
    return Part(must_kw, can_kw, (tank_kwh - store.floor_kwh) * (tanks.heater_kw > 0))


def run(tank_kwh: Array, heater_kw: Array, tanks: Tanks, config: Water, now: Now) -> tuple[Array, Array]:
    """Let a step pass with a constant power; give the heat after it and the discomfort in currency."""
    xp, step_h = namespace(tank_kwh), now.series.step_h
    drawn_kw = tanks.draw_kwh[xp.arange(now.t.shape[0], now.t), now.t] / step_h
    after_kwh, _ = move_kwh(tank_kwh, heater_kw - drawn_kw, config.storage, step_h)
    cold_k = xp.maximum(config.usable_c - config.room_c - after_kwh / config.kwh_per_k, 0.0) * (tanks.heater_kw > 0)
    return after_kwh, config.comfort_cur_per_kh * cold_k * step_h


def features(tank_kwh: Array, part: Part, tanks: Tanks, config: Water) -> list[Array]:
    """Give ``COLUMNS``, [n_envs, n_kind] each."""
    xp, store = namespace(tank_kwh), config.storage
    level = (tank_kwh - store.floor_kwh) / (store.ceiling_kwh - store.floor_kwh)
    return [xp.clip(level, -5.0, 5.0) * (tanks.heater_kw > 0), xp.minimum(part.can_kw / CAN_SCALE_KW, 5.0)]


def usual_kw(tanks: Tanks, config: Water, series: Series, step: Array) -> Array:
    """Give what the lower edge is expected to ask for in a step of the bank, [n_envs, n_kind]."""
    standing_kw = config.w_per_k / 1000 * (config.low_c - config.room_c)
    return _usual_kw(tanks, series, step) + standing_kw * (tanks.heater_kw > 0)


def _usual_kw(tanks: Tanks, series: Series, step: Array) -> Array:
    rows = namespace(step).arange(step.shape[0], step)
    return tanks.daily_kwh * tanks.usual_share[rows, step - tanks.start][:, None] / series.step_h
