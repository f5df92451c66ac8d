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

OUTAGES = ("outage_is_over",)
"""Where there may be one, the same for all agents of a community."""


def own_names(kinds: Sequence[str], choices: Sequence[str] = (), has_outages: bool = False) -> tuple[str, ...]:
    """Name the columns of an agent: those of all, a flag for each kind, those of homes by what they choose, outages."""
    return (*OWN, *(f"is_{kind}" for kind in kinds), *homes.own_names(choices), *(OUTAGES if has_outages else ()))


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
    supplies = [supply * x if x <= 1 else supply + (x - 1) * room for x in LEVELS]
    worths = _worth(ahead, xp.stack(supplies, axis=1), xp)
    worth = xp.unstack(worths, axis=1)
    upper = ahead.retail - ahead.local
    net_kw = ahead.net_kw + must_kw
    headroom_kw = ahead.cap_kw - xp.maximum(net_kw, 0.0)
    most_kwh = xp.minimum(xp.maximum(headroom_kw, 0.0), power) * step_h
    buys_kwh = xp.clip((ahead.pays_kwh - supply - ahead.better_kwh) / ROUND_TRIP, 0.0, most_kwh)
    public = [
        stored / scale_kwh, room / scale_kwh, stored / xp.maximum(stored + room, 1e-6), power / scale_kw,
        need / scale_kwh, total(view.stored_kwh, cars) / scale_kwh, must_kw / scale_kw, net_kw / scale_kw,
        xp.tanh(net_kw), xp.tanh(headroom_kw / (0.2 * scale_kw)), xp.tanh(headroom_kw),
        *xp.unstack((worths - upper[:, None]) / PRICE, axis=1),
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
    if ahead.outage_is_over is not None:
        parts.append(xp.broadcast_to(ahead.outage_is_over[:, None, None], (*own.shape[:2], 1)))
    own = xp.concat(parts, axis=2)
    return xp.clip(seen, -_BOUND, _BOUND), xp.clip(own, -_BOUND, _BOUND)


def _worth(ahead: Ahead, supply_kwh: Array, xp: Any) -> Array:
    """[n_envs, n_levels] price of the deficit that one more delivered kWh would serve, at each supply."""
    place = xp.sum(1 * (ahead.covered[:, None] <= supply_kwh[:, :, None]), axis=2)
    last, end = ahead.covered.shape[1] - 1, ahead.end_value[:, None]
    price = xp.take_along_axis(ahead.ranked, xp.clip(place, 0, last), 1)
    return xp.where(place > last, end, xp.maximum(price, end))


def _own(ahead: Ahead, view: View, worth: list[Array], step_h: float, xp: Any) -> list[Array]:
    active, round_trip = 1.0 * view.is_active, view.eta_ch * view.eta_dis
    retail, local = ahead.retail[:, None], ahead.local[:, None]
    upper, wear = retail - local, view.wear_cur_per_kwh
    fill_h = view.need_kwh / (view.eta_ch * xp.maximum(view.power_kw, 1e-9))
    left = xp.clip(xp.astype(xp.rint(view.left_h / step_h), xp.int64), 0, ahead.lowest.shape[1] - 1)
    lowest, highest, cheaper = (
        xp.take_along_axis(table, left, 1) for table in (ahead.lowest, ahead.highest, ahead.cheaper)
    )
    needs = 1.0 * (view.need_kwh > 0)
    spare = (cheaper - fill_h / step_h) * needs
    laxity_h = (view.left_h - fill_h) * needs
    refill = lowest / round_trip + wear
    sharp = xp.tanh(_edges(ahead, view, worth, refill, xp) / _SHARP_CUR)
    *prices, refills = xp.unstack(sharp, axis=2)
    gives = (upper - refill) / PRICE
    return [
        active, 1.0 * view.is_stationary, view.stored_kwh / xp.maximum(view.capacity_kwh, 1e-6), view.stored_kwh / 10.0,
        view.room_kwh / 10.0, view.capacity_kwh / 10.0, view.high_kw / 5.0, -view.low_kw / 5.0,
        view.power_kw / 5.0 * active, view.firm_kw / 5.0, xp.tanh(view.firm_kw / 0.5), view.need_kwh / 10.0,
        view.left_h / 24.0, laxity_h / 8.0, xp.tanh(laxity_h), (round_trip - 0.85) * 10.0, wear / 0.05, *prices,
        (highest - retail) / PRICE * active, (lowest - retail) / PRICE * active,
        cheaper / xp.maximum(1.0 * left, 1.0) * active, spare / 16.0, xp.tanh(spare), refills, gives,
    ]  # fmt: skip


def _edges(ahead: Ahead, view: View, worth: Sequence[Array], refill: Array, xp: Any) -> Array:
    """[n_envs, n_agents, n] what selling, buying and storing gain at each level of supply, and refilling a car."""
    round_trip, wear = (view.eta_ch * view.eta_dis)[:, :, None], view.wear_cur_per_kwh[:, :, None]
    retail, export, local = (x[:, None, None] for x in (ahead.retail, ahead.export, ahead.local))
    levels = xp.stack([worth[k] for k in _SHARP_LEVELS], axis=1)[:, None, :]
    upper, delivered = retail - local, levels * round_trip
    sells, buys, stores = upper - levels - wear, delivered - wear - retail, delivered - export - local
    return xp.concat([sells, buys, stores, upper - refill[:, :, None]], axis=2)
