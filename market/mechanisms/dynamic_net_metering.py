"""Dynamic net metering: a community pays the import price when it is short, the export price when it has too much.

A. S. Alahmed, L. Tong, "Dynamic net energy metering for energy communities", IEEE Transactions on Energy Markets,
Policy and Regulation 2 (2024). In between, the price lets elastic demand use exactly what the community generates. It
is then the most that a community can gain, in closed form: a benchmark for mechanisms that have to find it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from gridbazaar.data.arrays import Array, muldiv, namespace
from gridbazaar.data.bounds import OneOf
from gridbazaar.market.auction.ex_post import clear_community, half_way, metered
from gridbazaar.market.auction.price_rules import on_tick
from gridbazaar.market.auction.rationing import by_share
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_post"
PROMISES = frozenset({"balanced", "no_deficit", "monotone", "scales"})

DEMANDS = ("metered", "linear")


def dynamic_net_metering(
    orders: Orders, setting: Setting, *, demand: Annotated[str, OneOf(*DEMANDS)] = "metered"
) -> Clearing:
    """Price metered energy at the import price where the community draws, at the export price where it feeds in.

    Where its generation just meets its demand, a ``metered`` community pays the middle of the two. With ``linear``, for
    books and benchmarks, a buy order of energy *q* and limit *b* is a demand line: it wants *q* at price 0, nothing at
    *b*, and ``q (1 - p / b)`` at a price *p* between (nothing at all where *b* <= 0). A community that generates less
    than it wants at the import price pays that one; if more than it wants at the export price, that one; and between
    them the highest price at which it wants what it generates. What a line does not want is not filled, so ``linear``
    is not for scenarios, where it has flowed. Sell orders are generation, at any price.
    """
    flowed = metered("dynamic_net_metering", orders, setting)
    if demand == "linear":
        return _clear_lines(orders, flowed, setting)
    xp = namespace(orders.energy_ukwh)
    upper, lower = _band(setting)
    net = xp.sum(orders.energy_ukwh, axis=1)
    price = xp.where(net > 0, upper, xp.where(net < 0, lower, half_way(setting)))
    return clear_community(flowed, setting, price)


def _clear_lines(orders: Orders, flowed: Orders, setting: Setting) -> Clearing:
    xp = namespace(orders.energy_ukwh)
    upper, lower = _band(setting)
    generated = xp.sum(xp.maximum(-orders.energy_ukwh, 0), axis=1)
    column = xp.argsort(orders.agent * orders.agent.shape[0] + xp.arange(orders.agent.shape[0], like=orders.agent))
    full, choke = xp.maximum(orders.energy_ukwh, 0)[:, column], orders.limit_ucur_per_kwh[:, column]
    full = full * (choke > 0)
    least, most = (xp.sum(_wanted(full, choke, price), axis=1) for price in (upper, lower))

    is_short = (generated < least) | (lower >= upper)
    is_between = ~is_short & (generated <= most)
    price = xp.clip(_clearing_price(full, choke, generated), lower, upper)
    if setting.tick_ucur_per_kwh is not None:
        price = on_tick(price, lower, upper, setting.tick_ucur_per_kwh)
    price = xp.where(is_short, upper, xp.where(is_between, price, lower))
    wish = _wanted(full, choke, price)
    volume = xp.sum(wish, axis=1)
    volume = xp.where(is_between, xp.minimum(volume, generated), volume)
    bought = by_share(wish, volume)[:, xp.argsort(column)]
    wanted = replace(flowed, energy_ukwh=xp.minimum(orders.energy_ukwh, 0) + bought)
    clearing = clear_community(wanted, setting, price)
    is_met = is_between & (volume > 0)
    return replace(
        clearing,
        low_ucur_per_kwh=xp.where(is_met, price, clearing.low_ucur_per_kwh),
        high_ucur_per_kwh=xp.where(is_met, price, clearing.high_ucur_per_kwh),
    )


def _wanted(full: Array, choke: Array, price: Array) -> Array:
    """[n_envs, n_orders] what demand lines want at a price [n_envs], rounded up; all of it at prices below 0."""
    xp = namespace(full)
    at = xp.minimum(xp.maximum(price, 0)[:, None], xp.maximum(choke, 1))
    return full - muldiv(full, at, xp.maximum(choke, 1))


def _clearing_price(full: Array, choke: Array, generated: Array) -> Array:
    """[n_envs] the highest price at which demand lines want all that is generated, where there is one.

    Lines by falling choke price: demand at *p* is the largest of ``sum(q) - p sum(q / b)`` over the first lines, since
    each further one adds what it wants while *p* is below its choke price and takes away beyond. So the price is the
    largest of ``(sum(q) - generated) / sum(q / b)``. The float is checked against the whole units that are wanted.
    """
    xp = namespace(full)
    order = xp.stable_argsort(xp.where(full > 0, -choke, 1), axis=1)
    sorted_full, sorted_choke = (xp.take_along_axis(x, order, axis=1) for x in (full, choke))
    slope = xp.cumsum(sorted_full / xp.astype(xp.maximum(sorted_choke, 1), xp.float64), axis=1)
    over = xp.astype(xp.cumsum(sorted_full, axis=1) - generated[:, None], xp.float64)
    exact = xp.max(xp.where(slope > 0, over / xp.maximum(slope, 1e-300), -1.0), axis=1)
    near = xp.astype(xp.rint(xp.maximum(exact, -1.0)), xp.int64)
    return near - xp.astype(xp.sum(_wanted(full, choke, near), axis=1) < generated, xp.int64)


def _band(setting: Setting) -> tuple[Array, Array]:
    upper, lower = setting.import_ucur_per_kwh, setting.export_ucur_per_kwh
    assert upper is not None
    assert lower is not None
    return upper, lower
