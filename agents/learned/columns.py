"""Columns: what a network sees of an interval, for the community once and for each agent; NumPy and torch alike.

All of it comes from ``Ahead`` and from the devices as they stand: nothing foresees. Some columns are sharp, a tanh
around the point where a decision turns, because a small network finds such edges slowly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gridbazaar.agents.learned import homes
from gridbazaar.agents.learned.ahead import COLUMNS, PRICE, ROUND_TRIP, Ahead
from gridbazaar.agents.plan import View
from gridbazaar.data.arrays import Array, namespace

LEVELS = (0.0, 0.5, 1.0, 1.5, 2.0)
"""Supplies at which one more stored kWh is valued: 1 is what is stored and comes for free, 2 as much as fits beside."""
_SHARP_CUR = 0.02
_BOUND = 5.0
_RULE, _SHARP_LEVELS = 2, (1, 2, 3)

PUBLIC = (
    *COLUMNS, "stored", "room", "filled", "power", "cars_need", "cars_stored", "cars_must", "net_with_cars", "short",
    "headroom", "full", *(f"worth_{x:g}" for x in LEVELS), "buys_now", "sells_1", "buys_1",
)  # fmt: skip
_SHARP = tuple(f"{what}_{LEVELS[k]:g}" for what in ("sells", "buys", "stores") for k in _SHARP_LEVELS)
OWN = (
    "active", "stationary", "soc", "stored", "room", "capacity", "can_draw", "can_release", "rated", "firm",
    "firm_sign", "need", "left", "laxity", "is_tight", "round_trip", "wear", *_SHARP, "highest", "lowest", "cheaper",
    "to_spare", "to_spare_sharp", "gives", "refills",
)  # fmt: skip


def own_names(kinds: Sequence[str], choices: Sequence[str] = ()) -> tuple[str, ...]:
    """Name the columns of an agent: those of all, a flag for each kind, and those of homes by what they choose."""
    return (*OWN, *(f"is_{kind}" for kind in kinds), *homes.own_names(choices))


def columns(
    ahead: Ahead, view: View, flags: Array, step_h: float, at_home: Array | None = None, place: slice = slice(0, 0)
) -> tuple[Array, Array]:
    """Give the columns of the community [n_envs, len(PUBLIC)], and of each agent [n_envs, n_agents, n].

    Args:
        ahead: of the interval, arrays of the view's library.
        view: the devices.
        flags: [n_agents, n_kinds] 1 for the agent's kind.
        step_h: length of the interval.
        at_home: [n_envs, n_homes, n] of homes; none: they have none of their own.
        place: columns of the homes among the agents; others have 0 there.
    """
    xp, n_agents = namespace(view.firm_kw), view.firm_kw.shape[1]
    scale_kw, scale_kwh = 1.0 * n_agents, 2.0 * n_agents
    is_car = ~view.is_stationary & view.is_active & (view.capacity_kwh > 0)
    stationary, cars = 1.0 * view.is_stationary, 1.0 * is_car

    def total(x: Array, of: Array) -> Array:
        return xp.sum(x * of, axis=1)

    stored, room = total(view.stored_kwh, stationary), total(view.room_kwh, stationary)
    delivers, power = total(view.stored_kwh * view.eta_dis, stationary), total(view.power_kw, stationary)
    must_kw, need = total(view.firm_kw, cars), total(view.need_kwh, cars)
    supply = delivers + xp.minimum(ahead.free_kwh, room + delivers)
    worth = [_worth(ahead, supply * x if x <= 1 else supply + (x - 1) * room, xp) for x in LEVELS]
    upper = ahead.retail - ahead.local
    net_kw = ahead.net_kw + must_kw
    headroom_kw = ahead.cap_kw - xp.maximum(net_kw, 0.0)
    most_kwh = xp.minimum(xp.maximum(headroom_kw, 0.0), power) * step_h
    buys_kwh = xp.clip((ahead.pays_kwh - supply - ahead.better_kwh) / ROUND_TRIP, 0.0, most_kwh)
    public = [
        stored / scale_kwh, room / scale_kwh, stored / xp.maximum(stored + room, 1e-6), power / scale_kw,
        need / scale_kwh, total(view.stored_kwh, cars) / scale_kwh, must_kw / scale_kw, net_kw / scale_kw,
        xp.tanh(net_kw), xp.tanh(headroom_kw / (0.2 * scale_kw)), xp.tanh(headroom_kw),
        *((w - upper) / PRICE for w in worth),
        buys_kwh / xp.maximum(power * step_h, 1e-6), xp.tanh((upper - worth[_RULE]) / _SHARP_CUR),
        xp.tanh((worth[_RULE] * ROUND_TRIP - upper) / _SHARP_CUR),
    ]  # fmt: skip
    seen = xp.concat([ahead.public, xp.stack(public, axis=1)], axis=1)
    own = xp.stack(_own(ahead, view, worth, step_h, xp), axis=2)
    flags = xp.broadcast_to(flags[None], (*own.shape[:2], flags.shape[1]))
    parts = [own, flags]
    if at_home is not None:
        sides = xp.zeros((*own.shape[:2], at_home.shape[2]), own)
        parts.append(xp.concat([sides[:, : place.start], at_home, sides[:, place.stop :]], axis=1))
    own = xp.concat(parts, axis=2)
    return xp.clip(seen, -_BOUND, _BOUND), xp.clip(own, -_BOUND, _BOUND)


def _worth(ahead: Ahead, supply_kwh: Array, xp: Any) -> Array:
    """[n_envs] price of the deficit that one more delivered kWh would serve."""
    place = xp.sum(1 * (ahead.covered <= supply_kwh[:, None]), axis=1)
    last = ahead.covered.shape[1] - 1
    price = xp.take_along_axis(ahead.ranked, xp.clip(place, 0, last)[:, None], 1)[:, 0]
    return xp.where(place > last, ahead.end_value, xp.maximum(price, ahead.end_value))


def _own(ahead: Ahead, view: View, worth: list[Array], step_h: float, xp: Any) -> list[Array]:
    active, round_trip = 1.0 * view.is_active, view.eta_ch * view.eta_dis
    retail, export, local = ahead.retail[:, None], ahead.export[:, None], ahead.local[:, None]
    upper, wear = retail - local, view.wear_cur_per_kwh
    fill_h = view.need_kwh / (view.eta_ch * xp.maximum(view.power_kw, 1e-9))
    left = xp.clip(xp.astype(xp.rint(view.left_h / step_h), xp.int64), 0, ahead.lowest.shape[1] - 1)
    lowest, highest, cheaper = (
        xp.take_along_axis(table, left, 1) for table in (ahead.lowest, ahead.highest, ahead.cheaper)
    )
    needs = 1.0 * (view.need_kwh > 0)
    spare = (cheaper - fill_h / step_h) * needs
    laxity_h = (view.left_h - fill_h) * needs
    sharp = [worth[k][:, None] for k in _SHARP_LEVELS]
    refill = lowest / round_trip + wear
    return [
        active, 1.0 * view.is_stationary, view.stored_kwh / xp.maximum(view.capacity_kwh, 1e-6), view.stored_kwh / 10,
        view.room_kwh / 10, view.capacity_kwh / 10, view.high_kw / 5, -view.low_kw / 5, view.power_kw / 5 * active,
        view.firm_kw / 5, xp.tanh(view.firm_kw / 0.5), view.need_kwh / 10, view.left_h / 24, laxity_h / 8,
        xp.tanh(laxity_h), (round_trip - 0.85) * 10, wear / 0.05,
        *(xp.tanh((upper - w - wear) / _SHARP_CUR) for w in sharp),
        *(xp.tanh((w * round_trip - wear - retail) / _SHARP_CUR) for w in sharp),
        *(xp.tanh((w * round_trip - export - local) / _SHARP_CUR) for w in sharp),
        (highest - retail) / PRICE * active, (lowest - retail) / PRICE * active,
        cheaper / xp.maximum(1.0 * left, 1.0) * active, spare / 16, xp.tanh(spare),
        xp.tanh((upper - refill) / _SHARP_CUR),
        (upper - refill) / PRICE,
    ]  # fmt: skip
