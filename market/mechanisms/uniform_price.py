"""The default market: a call auction with one price for all, inside the competitive interval.

Partial fills are priced: with divisible quantities one order is generically filled in part, and the only price that
suits everybody is its limit (k-double auction: Chatterjee & Samuelson 1983; order statistics of the joint list:
Satterthwaite & Williams 1989). Rules that average the last accepted bid and offer miss it.
"""

from __future__ import annotations

from typing import NamedTuple

from gridbazaar.data.arrays import Array, muldiv, namespace
from gridbazaar.data.units import MICRO, energy_cost_ucur
from gridbazaar.market.orders import Clearing, Orders, Setting, Status

STAGE = "ex_ante"

# A sort key is 4 * price + rank. At one price neighbours come before the retailer on either side, every level holds one
# side only, and the retailer's offer lies above its own bid, so that it never trades with itself.
SELL, OUTSIDE_BUY, OUTSIDE_SELL, BUY = 0, 1, 2, 3


def uniform_price(orders: Orders, setting: Setting, *, k: float = 0.5) -> Clearing:
    """Clear each environment's book at one price, ``low + k * (high - low)`` of the competitive interval.

    Every order strictly in the money is filled, those at the margin share pro rata, and an order whose limit reaches
    the tariff trades with the retailer what neighbours do not. Through a full connection the scarcity price takes the
    tariff's place. ``k`` is 0 at the sellers' end of the interval and 1 at the buyers', kept to a millionth.

    Where nothing trades the price is a quote: the middle of the spread; a tick (one micro-unit) above the highest bid
    without sellers, below the lowest ask without buyers, but never beyond the retailer; for an empty book the middle
    of the retailer's band, or 0 without a retailer.

    Where the band is empty (export price >= import price) nobody trades locally: buyers and sellers each meet the
    retailer, scarcity at a full connection moves both tariffs alike, and the price shown is the middle of the two.

    Quantities and money are rounded by running sums in the order of agents (then columns). So both sides owe the same
    amount exactly and the surplus is 0. In a row, energy times price must stay below ``2**63``. A buy and a sell order
    of the same agent may meet: it then pays itself, and nets nothing.
    """
    if not 0.0 <= k <= 1.0:
        raise ValueError(f"uniform_price: expected 0 <= k <= 1, got {k!r}")
    xp = namespace(orders.energy_ukwh)
    retailer = _retailer(orders, setting)
    margin = _margin(orders, retailer)

    # From here on arrays are [n_orders, n_envs], ordered by agent, and energies have no sign.
    n_orders = orders.agent.shape[0]
    by_agent = xp.argsort(orders.agent * n_orders + xp.arange(n_orders, like=orders.agent))
    energy = orders.energy_ukwh.T[by_agent]
    is_buy = energy > 0
    filled = _fill(energy, is_buy, margin.key.T[by_agent], margin)
    bought = xp.sum(filled * is_buy, axis=0)
    sold = xp.sum(filled, axis=0) - bought
    traded = filled if retailer is None else _neighbours_first(filled, is_buy, bought, sold, retailer.is_open)

    status = _status(orders, margin, bought + sold > 0)
    price = _price(margin, status, k)
    traded_buy = traded * is_buy
    owed = energy_cost_ucur(xp.cumsum(traded_buy, axis=0), price)
    earned = energy_cost_ucur(xp.cumsum(traded - traded_buy, axis=0), price)

    back = xp.argsort(by_agent)
    sign = 2 * xp.astype(is_buy, xp.int64) - 1
    zero = xp.zeros_like(price)
    wedge = zero if retailer is None else retailer.wedge
    return Clearing(
        traded_ukwh=_rows((sign * traded)[back]),
        outside_ukwh=_rows((sign * (filled - traded))[back]),
        pay_ucur=_rows(_increments(owed - earned)[back]),
        price_ucur_per_kwh=xp.broadcast_to((price + wedge // 2)[:, None], orders.energy_ukwh.shape),
        low_ucur_per_kwh=margin.low,
        high_ucur_per_kwh=margin.high + wedge,
        rent_ucur_per_kwh=zero if retailer is None else _rent(price, retailer),
        over_cap_ukwh=zero if retailer is None else _over_cap(bought - sold, setting),
        surplus_ucur=zero,
        status=status,
    )


class _Retailer(NamedTuple):
    """The outside option as steps of the joint list."""

    upper: Array | None  # [n_envs] price at which it sells
    lower: Array | None  # [n_envs] price at which it buys, less the wedge
    wedge: Array  # [n_envs] by how much the band is inverted; sellers' prices are counted without it
    is_open: Array  # [n_envs] bool, neighbours may trade
    key: Array  # [n_envs, n_steps]
    energy_ukwh: Array  # [n_envs, n_steps] signed like an order

    def edges(self) -> tuple[Array, Array]:
        """[n_envs] the lower and the upper end of the band."""
        return (self.upper if self.lower is None else self.lower, self.lower if self.upper is None else self.upper)


class _Margin(NamedTuple):
    """Where the joint list is cut."""

    key: Array  # [n_envs, n_orders] of the orders
    low_key: Array  # [n_envs] of the last unit below the cut
    high_key: Array  # [n_envs] of the first unit above it; equal to ``low_key`` where an order is cut in two
    low: Array  # [n_envs] competitive interval
    high: Array  # [n_envs]
    outside_ukwh: Array | int  # [n_envs] net energy of the retailer's steps that are taken whole, signed


def _retailer(orders: Orders, setting: Setting) -> _Retailer | None:
    """Write the outside option as steps: up to the cap at the tariff, then without end at the scarcity price."""
    upper, lower = setting.import_ucur_per_kwh, setting.export_ucur_per_kwh
    if upper is None and lower is None:
        return None
    xp = namespace(orders.energy_ukwh)
    endless = xp.sum(xp.abs(orders.energy_ukwh), axis=1) + 1
    wedge, is_open = xp.zeros_like(endless), endless > 0
    if upper is not None and lower is not None:
        wedge, is_open = xp.maximum(lower - upper, 0), upper > lower
        lower = lower - wedge
    keys, energies = [], []
    for price, cap, scarcity, rank, sign in (
        (upper, setting.import_cap_ukwh, setting.import_scarcity_ucur_per_kwh, OUTSIDE_SELL, -1),
        (lower, setting.export_cap_ukwh, setting.export_scarcity_ucur_per_kwh, OUTSIDE_BUY, 1),
    ):
        if price is None:
            continue
        keys.append(4 * price + rank)
        energies.append(sign * (endless if cap is None else xp.minimum(cap, endless)))
        if cap is not None and scarcity is not None:
            keys.append(4 * (price - sign * scarcity) + rank)
            energies.append(sign * endless)
    return _Retailer(upper, lower, wedge, is_open, xp.stack(keys, axis=1), xp.stack(energies, axis=1))


def _margin(orders: Orders, retailer: _Retailer | None) -> _Margin:
    """Find the competitive interval: cut the list of all units, sorted by price, so that as many lie below as demanded.

    Below the cut are then the units sold and the demand that stays unserved, above it the demand served and the units
    that stay unsold.
    """
    xp = namespace(orders.energy_ukwh)
    is_buy = orders.energy_ukwh > 0
    order_key = 4 * orders.limit_ucur_per_kwh + BUY * is_buy
    key, energy = order_key, orders.energy_ukwh
    if retailer is not None:
        order_key = order_key - 4 * retailer.wedge[:, None] * ~is_buy
        key = xp.concat([order_key, retailer.key], axis=1)
        energy = xp.concat([energy, retailer.energy_ukwh], axis=1)

    quantity = xp.abs(energy)
    total = xp.sum(quantity, axis=1)
    demand = (total + xp.sum(energy, axis=1)) // 2
    order = xp.argsort(key, axis=1)
    running = xp.cumsum(xp.take_along_axis(quantity, order, axis=1), axis=1)
    target = demand[:, None]
    n_below = xp.stack([xp.sum(running < target, axis=1), xp.sum(running <= target, axis=1)], axis=1)
    cut = xp.take_along_axis(order, xp.clip(n_below, 0, key.shape[1] - 1), axis=1)
    cut_key = xp.take_along_axis(key, cut, axis=1)
    low_key, high_key = cut_key[:, 0], cut_key[:, 1]

    low = xp.where(demand > 0, low_key >> 2, (high_key >> 2) - 1)
    high = xp.where(total > demand, high_key >> 2, (low_key >> 2) + 1)
    bottom, top = (0, 0) if retailer is None else retailer.edges()
    is_empty = ~xp.any(orders.energy_ukwh != 0, axis=1)
    low, high = xp.where(is_empty, bottom, low), xp.where(is_empty, top, high)
    outside_ukwh: Array | int = 0
    if retailer is not None:
        is_taken = xp.where(
            retailer.energy_ukwh > 0, retailer.key > low_key[:, None], retailer.key < high_key[:, None]
        )
        outside_ukwh = xp.sum(retailer.energy_ukwh * is_taken, axis=1)
    return _Margin(order_key, low_key, high_key, low, high, outside_ukwh)


def _fill(energy: Array, is_buy: Array, key: Array, margin: _Margin) -> Array:
    """Fill what lies on the right side of the cut, and share what is left among the orders that it cuts in two.

    Takes and gives [n_orders, n_envs].
    """
    xp = namespace(energy)
    is_whole = (is_buy & (key > margin.low_key)) | (~is_buy & (key < margin.high_key))
    quantity = xp.abs(energy)
    missing = xp.abs(xp.sum(energy * is_whole, axis=0) + margin.outside_ukwh)
    running = xp.cumsum(quantity * (key == margin.low_key), axis=0)
    shared = _increments(muldiv(running, missing, xp.maximum(running[-1], 1)))
    return quantity * is_whole + shared


def _neighbours_first(filled: Array, is_buy: Array, bought: Array, sold: Array, is_open: Array) -> Array:
    """Give what neighbours trade: all of the shorter side, and a share of every filled order of the longer one.

    Takes and gives [n_orders, n_envs]; ``bought`` and ``sold`` are the sums [n_envs] of each side.
    """
    xp = namespace(filled)
    is_longer = (is_buy == (bought > sold)) | ~is_open
    longer = filled * is_longer
    local = xp.minimum(bought, sold) * is_open
    shared = muldiv(xp.cumsum(longer, axis=0), local, xp.maximum(xp.maximum(bought, sold), 1))
    return filled - longer + _increments(shared)


def _status(orders: Orders, margin: _Margin, is_filled: Array) -> Array:
    """[n_envs] say how each book cleared."""
    xp = namespace(orders.energy_ukwh)
    has_buy = xp.any(orders.energy_ukwh > 0, axis=1)
    has_sell = xp.any(orders.energy_ukwh < 0, axis=1)
    with_buy = xp.where(has_sell, int(Status.NO_CROSS), int(Status.BUYERS_ONLY))
    without_buy = xp.where(has_sell, int(Status.SELLERS_ONLY), int(Status.EMPTY))
    rank = margin.low_key & 3
    who = xp.where(rank == SELL, int(Status.MARGINAL_SELLER), int(Status.MARGINAL_OUTSIDE))
    who = xp.where(rank == BUY, int(Status.MARGINAL_BUYER), who)
    cleared = xp.where(margin.low_key == margin.high_key, who, int(Status.EXACT))
    return xp.where(is_filled, cleared, xp.where(has_buy, with_buy, without_buy))


def _price(margin: _Margin, status: Array, k: float) -> Array:
    """[n_envs] the price inside the interval, or the quote where nothing was filled."""
    xp = namespace(status)
    low, spread = margin.low, margin.high - margin.low
    price = low + spread * round(k * MICRO) // MICRO
    price = xp.where((status == Status.NO_CROSS) | (status == Status.EMPTY), low + spread // 2, price)
    above_bid = low + (margin.low_key & 3 == BUY)
    below_ask = margin.high - (margin.high_key & 3 == SELL)
    price = xp.where(status == Status.BUYERS_ONLY, above_bid, price)
    return xp.where(status == Status.SELLERS_ONLY, below_ask, price)


def _rent(price: Array, retailer: _Retailer) -> Array:
    """[n_envs] what a kWh through the full connection is worth above the tariff; 0 where the price is in the band."""
    xp = namespace(price)
    above = 0 if retailer.upper is None else xp.maximum(price - retailer.upper, 0)
    below = 0 if retailer.lower is None else xp.minimum(price - retailer.lower, 0)
    return above + below


def _over_cap(net_ukwh: Array, setting: Setting) -> Array:
    """[n_envs] net energy beyond the cap of its direction."""
    xp = namespace(net_ukwh)
    over = xp.zeros_like(net_ukwh)
    if setting.import_cap_ukwh is not None:
        over = over + xp.maximum(net_ukwh - setting.import_cap_ukwh, 0)
    if setting.export_cap_ukwh is not None:
        over = over + xp.maximum(-net_ukwh - setting.export_cap_ukwh, 0)
    return over


def _increments(running: Array) -> Array:
    """Undo a running sum along the first axis."""
    return namespace(running).concat([running[:1], running[1:] - running[:-1]], axis=0)


def _rows(columns: Array) -> Array:
    """Give [n_orders, n_envs] as contiguous [n_envs, n_orders]."""
    return columns.T.reshape(-1).reshape(columns.shape[1], columns.shape[0])
