"""Homes: what a network sees of rooms, tanks and appliances beside the columns of all agents; NumPy and torch alike.

Warmth that is stored now saves what the lower edge would ask for once the room, or the tank, had cooled down to it. So
of each store there is what that will cost, and what the cheapest interval costs until then, against the price now. Of
an appliance there is what its cycle costs now, and what it costs at best within the time that is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gridbazaar.agents.devices.home import appliance, household
from gridbazaar.agents.devices.home import heat_pump as heating
from gridbazaar.agents.devices.home import hot_water as water
from gridbazaar.agents.learned.ahead import PRICE, Ahead
from gridbazaar.data.arrays import Array, namespace

_SHARP_CUR, _SHARPEST_CUR = 0.02, 0.005
_MOST_H = 24.0
_NEXT_H = 1.0
"""Hours after the lower edge is reached whose prices count as saved."""
_STORE = ("level", "can", "lasts", "saves", "saves_sharp", "saves_sharpest", "waits", "waits_sharp", "waits_sharpest")
_START = ("slack", "later", "later_sharp", "later_sharpest", "late", "surplus", "surplus_sharp")

START = appliance.ACTION.name
_HEAT, _WATER, _CURTAIL = heating.ACTION.name, water.ACTION.name, "curtail"
CHOICES = (_HEAT, _WATER, START, _CURTAIL)
"""What homes may choose beside power and eagerness, in the order of their action."""
_FIRST = {_HEAT: -1.0, _WATER: -1.0, _CURTAIL: -1.0}
FIRST_START = -2.0
"""Biases that training begins with: little warmth, no PV withheld, appliances that mostly wait."""


def seen_of(config: Any) -> tuple[str, ...]:
    """Name what has to be observed of homes, of their table in the scenario."""
    return tuple(column.name for column in household.columns_of(config))


def own_names(choices: Sequence[str]) -> tuple[str, ...]:
    """Name the columns of homes by what they choose beside power and eagerness; those of starts apart."""
    rooms = ("outdoor", *(f"{_HEAT}_{name}" for name in _STORE)) if _HEAT in choices else ()
    tanks = tuple(f"{_WATER}_{name}" for name in _STORE) if _WATER in choices else ()
    return *rooms, *tanks


def start_names(choices: Sequence[str]) -> tuple[str, ...]:
    """Name the columns that a start is decided on."""
    return tuple(f"{START}_{name}" for name in _START) if START in choices else ()


def first_bias(choices: Sequence[str]) -> list[float]:
    """Give the biases of the further numbers of homes that training begins with."""
    return [_FIRST[name] for name in choices if name != START]


def choose(choices: Sequence[str], more: Array | None, lean: Array | None) -> dict[str, Array]:
    """Turn a network's numbers into actions, by name, [n_envs, n_homes] each.

    Args:
        choices: of homes.
        more: [n_envs, n_homes, n] of all choices but starts.
        lean: [n_envs, n_homes] > 0 where an appliance starts.

    Warmth is a share between nothing and all that is feasible; of PV nothing is withheld below 0.
    """
    found: dict[str, Array] = {}
    others = [name for name in choices if name != START]
    for i, name in enumerate(others):
        assert more is not None
        squashed = namespace(more).tanh(more[..., i])
        found[name] = squashed if name == _CURTAIL else 0.5 * (1 + squashed)
    if lean is not None:
        found[START] = 1.0 * (lean > 0)
    return found


def columns(
    seen: Mapping[str, Array], ahead: Ahead, firm_kw: Array, config: Any, step_h: float
) -> tuple[Array | None, Array | None]:
    """Give the columns of homes [n_envs, n_homes, n] and those of starts; none where there are none.

    Args:
        seen: what is observed of homes, by ``seen_of``, [n_envs, n_homes] each.
        ahead: of the interval.
        firm_kw: [n_envs, n_homes] net that must be served.
        config: of the homes.
        step_h: length of the interval.
    """
    xp = namespace(firm_kw)
    found: list[Array] = []
    if "indoor" in seen:
        lasts_h, rate_per_h = _room(seen, config, xp)
        found += [seen["outdoor"], *_of_store(seen["indoor"], seen["can_heat"], lasts_h, rate_per_h, ahead, step_h)]
    if "tank" in seen:
        lasts_h, rate_per_h = _tank(seen["tank"], config.water, xp)
        found += _of_store(seen["tank"], seen["can_heat_water"], lasts_h, rate_per_h, ahead, step_h)
    starts = None
    if "appliance_waits" in seen:
        starts = xp.stack(_of_start(seen, ahead, firm_kw, config.appliance, step_h), axis=2)
    return xp.stack(found, axis=2) if found else None, starts


def _room(seen: Mapping[str, Array], config: Any, xp: Any) -> tuple[Array, float]:
    """Hours until a room cools down to its lower edge, and the share of its heat that it loses in an hour."""
    heat = config.heating
    hours = heat.k_per_kw * heat.kwh_per_k
    balance_c = seen["outdoor"] * 20.0 + heat.k_per_kw * heat.gains_kw
    at_edge_k = heat.low_c - balance_c
    above_k = at_edge_k + xp.maximum(seen["indoor"], 0.0) * (heat.high_c - heat.low_c)
    lasts_h = hours * xp.log(xp.maximum(above_k, 0.1) / xp.maximum(at_edge_k, 0.1))
    return xp.clip(lasts_h, 0.0, _MOST_H), 1.0 / hours


def _tank(level: Array, config: Any, xp: Any) -> tuple[Array, float]:
    """Hours for which a tank lasts at the mean draw, and the share of its heat that it loses in an hour."""
    lost_kw = config.w_per_k / 1000 * (0.5 * (config.low_c + config.high_c) - config.room_c)
    drawn_kw = 0.5 * (config.kwh_per_day[0] + config.kwh_per_day[1]) / 24 + lost_kw
    held_kwh = xp.maximum(level, 0.0) * (config.high_c - config.low_c) * config.kwh_per_k
    return xp.clip(held_kwh / drawn_kw, 0.0, _MOST_H), config.w_per_k / 1000 / config.kwh_per_k


def _of_store(level: Array, can: Array, lasts_h: Array, rate_per_h: float, ahead: Ahead, step_h: float) -> list[Array]:
    """Columns of ``_STORE``."""
    xp, now = namespace(level), ahead.retail[:, None]
    upto = xp.cumsum(ahead.prices, axis=1) * step_h
    upto = xp.concat([0.0 * upto[:, :1], upto], axis=1)
    later = (_within(upto, lasts_h + _NEXT_H, step_h) - _within(upto, lasts_h, step_h)) / _NEXT_H
    saves = later * xp.exp(-rate_per_h * lasts_h) - now
    cheapest = -xp.cummax(-ahead.prices[:, 1:], axis=1)
    place = xp.astype(xp.floor(lasts_h / step_h), xp.int64)
    waits = xp.take_along_axis(cheapest, xp.clip(place, 0, cheapest.shape[1] - 1), 1) - now
    return [
        level, can, lasts_h / 8, saves / PRICE, xp.tanh(saves / _SHARP_CUR), xp.tanh(saves / _SHARPEST_CUR),
        waits / PRICE, xp.tanh(waits / _SHARP_CUR), xp.tanh(waits / _SHARPEST_CUR),
    ]  # fmt: skip


def _within(upto: Array, hours: Array, step_h: float) -> Array:
    """Read a running sum [n_envs, horizon + 1] at times [n_envs, n_homes] between its intervals."""
    xp, last = namespace(hours), upto.shape[1] - 1
    at = xp.clip(hours / step_h, 0.0, float(last))
    before = xp.clip(xp.astype(xp.floor(at), xp.int64), 0, last - 1)
    low, high = xp.take_along_axis(upto, before, 1), xp.take_along_axis(upto, before + 1, 1)
    rest = hours - step_h * at  # beyond the day ahead its last price goes on
    return low + (at - before) * (high - low) + rest * (upto[:, -1:] - upto[:, -2:-1]) / step_h


def _of_start(seen: Mapping[str, Array], ahead: Ahead, firm_kw: Array, config: Any, step_h: float) -> list[Array]:
    """Columns of ``_START``."""
    xp = namespace(firm_kw)
    shares = appliance.cycle_kwh(1.0, config.hours, step_h)
    n = ahead.prices.shape[1]
    padded = xp.concat([ahead.prices, *[ahead.prices[:, -1:]] * len(shares)], axis=1)
    cycle = 0.0 * ahead.prices
    for k, share in enumerate(shares):
        cycle = cycle + float(share) * padded[:, k : k + n]
    best = -xp.cummax(-cycle[:, 1:], axis=1)
    slack = seen["appliance_slack"] * 24.0 / step_h
    place = xp.astype(xp.rint(slack), xp.int64) - 1
    later = xp.take_along_axis(best, xp.clip(place, 0, best.shape[1] - 1), 1) - cycle[:, :1]
    return [
        seen["appliance_slack"], later / PRICE, xp.tanh(later / _SHARP_CUR), xp.tanh(later / _SHARPEST_CUR),
        xp.tanh(slack * step_h), xp.maximum(-firm_kw, 0.0) / 5, xp.tanh(xp.maximum(-firm_kw, 0.0)),
    ]  # fmt: skip
