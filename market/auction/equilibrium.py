"""Where demand meets supply: the competitive interval of a book, the price in it, who is filled and what each pays.

Partial fills are priced: with divisible quantities one order is generically filled in part, and the only price that
suits everybody is its limit (k-double auction: Chatterjee & Samuelson 1983; order statistics of the joint list:
Satterthwaite & Williams 1989). Rules that average the last accepted bid and offer miss it; ``price_rules`` has them
for comparison.
"""

from __future__ import annotations

from typing import NamedTuple

from gridbazaar.data.arrays import Array, muldiv, namespace
from gridbazaar.data.units import MICRO, energy_cost_ucur
from gridbazaar.market.auction.price_rules import RULES, Edges, Rule, on_tick
from gridbazaar.market.auction.rationing import increments
from gridbazaar.market.orders import Clearing, Orders, Setting, Status

# Ranks at one price; a sort key is 4 * price + rank. Neighbours come before the retailer on either side, every level
# holds one side only, and the retailer's offer lies above its own bid, so that it never trades with itself.
SELL, OUTSIDE_BUY, OUTSIDE_SELL, BUY = 0, 1, 2, 3

# Plain integers: NumPy takes microseconds to read an enum.
EXACT, MARGINAL_BUYER, MARGINAL_SELLER, MARGINAL_OUTSIDE, NO_CROSS, BUYERS_ONLY, SELLERS_ONLY, EMPTY, *_ = map(
    int, Status
)


def clear_at_uniform_price(orders: Orders, setting: Setting, *, k: float = 0.5, price_rule: str = "ce_k") -> Clearing:
    """Clear each environment's book at one price, ``low + k * (high - low)`` of the competitive interval.

    Args:
        orders: columns in any order; of ``lottery`` nothing is used.
        setting: the retailer's prices and caps, a tick, ``is_island``; wires and carry are not looked at.
        k: 0 is the sellers' end of the interval, 1 the buyers'; kept to a millionth.
        price_rule: a name of ``RULES``, for what neighbours pay; fills do not depend on it.

    The contract, in each row: no other fills are worth more by the limits given, retailer and scarcity included.
    Who is strictly in the money is filled, who is at the margin shares pro rata, and neighbours trade before the
    retailer does. ``traded_ukwh`` and ``pay_ucur`` sum to exactly 0 (money: but for the rule ``dual``), by running
    sums in the order of agents, then columns. Price, interval and status always mean something: where nothing
    trades the price is a quote. Energy times price of a row must stay below ``2**63``.

    Raises:
        ValueError: an option out of its range.
    """
    if not 0.0 <= k <= 1.0:
        raise ValueError(f"uniform_price: expected 0 <= k <= 1, got {k!r}")
    if price_rule not in RULES:
        raise ValueError(f"uniform_price: expected price_rule to be one of {', '.join(RULES)}; got {price_rule!r}")
    xp = namespace(orders.energy_ukwh)
    book = _book(orders)
    retailer = _retailer(book, setting)
    margin = _margin(book, retailer)

    # From here on columns are ordered by agent, for the running sums.
    by_agent = _by_agent(orders.agent)
    filled = _fill(_columns(book.energy_ukwh, by_agent), _columns(margin.key, by_agent), margin)
    net = xp.sum(filled, axis=1)
    bought = xp.sum(xp.maximum(filled, 0), axis=1)
    traded = filled if retailer is None else _neighbours_first(filled, bought, bought - net, retailer.is_open)

    is_filled = bought + bought > net
    status = _status(book, margin, is_filled)
    price = _price(margin, status, is_filled, k, setting.tick_ucur_per_kwh)
    buyer_price, seller_price = price, price
    if price_rule != "ce_k":
        buyer_price, seller_price = _by_rule(RULES[price_rule], book, retailer, margin, k)
        buyer_price, seller_price = (xp.where(is_filled, p, price) for p in (buyer_price, seller_price))
    traded_buy = xp.maximum(traded, 0)
    owed = energy_cost_ucur(xp.cumsum(traded_buy, axis=1), buyer_price[:, None])
    owed -= energy_cost_ucur(xp.cumsum(traded_buy - traded, axis=1), seller_price[:, None])

    back = None if by_agent is None else xp.argsort(by_agent)
    zero = xp.zeros_like(price)
    wedge = zero if retailer is None else retailer.wedge
    shown = xp.broadcast_to((buyer_price + wedge // 2)[:, None], orders.energy_ukwh.shape)
    if seller_price is not buyer_price:
        shown = xp.where(orders.energy_ukwh < 0, (seller_price + wedge // 2)[:, None], shown)
    return Clearing(
        traded_ukwh=_columns(traded, back),
        outside_ukwh=_columns(filled - traded, back),
        pay_ucur=_columns(increments(owed), back),
        price_ucur_per_kwh=shown,
        low_ucur_per_kwh=margin.low,
        high_ucur_per_kwh=margin.high + wedge,
        rent_ucur_per_kwh=zero if retailer is None else _rent(price, retailer),
        over_cap_ukwh=zero if retailer is None else _over_cap(net, setting),
        surplus_ucur=owed[:, -1] + 0 if price_rule == "dual" else zero,
        status=status,
    )


class _Book(NamedTuple):
    """The orders and their sums."""

    energy_ukwh: Array  # [n_envs, n_orders]
    limit_ucur_per_kwh: Array  # [n_envs, n_orders]
    quantity_ukwh: Array  # [n_envs, n_orders] without the sign
    total_ukwh: Array  # [n_envs] of both sides
    net_ukwh: Array  # [n_envs] demand minus supply


class _Retailer(NamedTuple):
    """The outside option as steps of the joint list."""

    upper: Array | None  # [n_envs] price at which it sells
    lower: Array | None  # [n_envs] price at which it buys, less the wedge
    wedge: Array  # [n_envs] by how much the band is inverted; sellers' prices are counted without it
    is_open: Array  # [n_envs] int64, 1 where neighbours may trade, else 0
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


def _book(orders: Orders) -> _Book:
    xp = namespace(orders.energy_ukwh)
    quantity = xp.abs(orders.energy_ukwh)
    total, net = xp.sum(quantity, axis=1), xp.sum(orders.energy_ukwh, axis=1)
    return _Book(orders.energy_ukwh, orders.limit_ucur_per_kwh, quantity, total, net)


def _retailer(book: _Book, setting: Setting) -> _Retailer | None:
    """Write the outside option as steps: up to the cap at the tariff, then without end at the scarcity price."""
    upper, lower = setting.import_ucur_per_kwh, setting.export_ucur_per_kwh
    if upper is None and lower is None:
        return None
    xp = namespace(book.total_ukwh)
    endless = book.total_ukwh + 1
    if upper is not None and lower is not None:
        wedge, is_open = xp.maximum(lower - upper, 0), xp.astype(upper > lower, xp.int64)
        lower = xp.minimum(lower, upper)
    else:
        wedge, is_open = xp.zeros_like(endless), xp.zeros_like(endless) + 1
    keys, energies = [], []
    for price, cap, scarcity, rank, sign in (
        (upper, setting.import_cap_ukwh, setting.import_scarcity_ucur_per_kwh, OUTSIDE_SELL, -1),
        (lower, setting.export_cap_ukwh, setting.export_scarcity_ucur_per_kwh, OUTSIDE_BUY, 1),
    ):
        if price is None:
            continue
        key, unlimited = 4 * price + rank, sign * endless
        keys.append(key[:, None])
        energies.append((unlimited if cap is None else sign * xp.minimum(cap, endless))[:, None])
        if cap is not None:
            keys.append((key if scarcity is None else key - 4 * sign * scarcity)[:, None])
            energies.append(unlimited[:, None])
    steps = xp.concat(energies, axis=1)
    if setting.is_island is not None:
        steps = steps * ~setting.is_island[:, None]
    return _Retailer(upper, lower, wedge, is_open, xp.concat(keys, axis=1), steps)


def _margin(book: _Book, retailer: _Retailer | None) -> _Margin:
    """Cut the list of all units, sorted by price, so that as many lie below the cut as are demanded.

    Below it are then the units sold and the demand not served, above it the demand served and the units not sold;
    the prices on both sides of the cut are the competitive interval.
    """
    xp = namespace(book.energy_ukwh)
    key, quantity, total, demand = _joint_list(book, retailer)
    order = xp.argsort(key, axis=1)
    running = xp.cumsum(xp.take_along_axis(quantity, order, axis=1), axis=1)
    target = demand[:, None]
    n_below = [xp.sum(mask, axis=1, keepdims=True) for mask in (running < target, running <= target)]
    cut = xp.take_along_axis(order, xp.minimum(xp.concat(n_below, axis=1), key.shape[1] - 1), axis=1)
    cut_key = xp.take_along_axis(key, cut, axis=1)
    low_key, high_key = cut_key[:, 0], cut_key[:, 1]

    outside_ukwh: Array | int = 0
    if retailer is not None:
        is_buy, step = retailer.energy_ukwh > 0, retailer.key
        is_whole = (is_buy & (step > low_key[:, None])) | (~is_buy & (step < high_key[:, None]))
        outside_ukwh = xp.sum(retailer.energy_ukwh * is_whole, axis=1)
    low, high = low_key >> 2, high_key >> 2
    low, high = xp.where(demand > 0, low, high - 1), xp.where(total > demand, high, low + 1)
    bottom, top = (0, 0) if retailer is None else retailer.edges()
    is_empty = book.total_ukwh == 0
    low, high = xp.where(is_empty, bottom, low), xp.where(is_empty, top, high)
    return _Margin(key[:, : book.energy_ukwh.shape[1]], low_key, high_key, low, high, outside_ukwh)


def _joint_list(book: _Book, retailer: _Retailer | None) -> tuple[Array, Array, Array, Array]:
    """Keys and quantities of the orders and the retailer's steps, and the sums [n_envs] of all and of the demand."""
    xp = namespace(book.energy_ukwh)
    is_buy = book.energy_ukwh > 0
    if retailer is None:
        key = 4 * book.limit_ucur_per_kwh + BUY * is_buy
        return key, book.quantity_ukwh, book.total_ukwh, (book.total_ukwh + book.net_ukwh) // 2
    key = 4 * book.limit_ucur_per_kwh + xp.where(is_buy, BUY, -4 * retailer.wedge[:, None])
    steps = xp.abs(retailer.energy_ukwh)
    total = book.total_ukwh + xp.sum(steps, axis=1)
    net = book.net_ukwh + xp.sum(retailer.energy_ukwh, axis=1)
    key = xp.concat([key, retailer.key], axis=1)
    return key, xp.concat([book.quantity_ukwh, steps], axis=1), total, (total + net) // 2


def _fill(energy: Array, key: Array, margin: _Margin) -> Array:
    """Fill what lies on the right side of the cut, and share what is left among the orders that it cuts in two.

    Takes and gives [n_envs, n_orders], signed.
    """
    xp = namespace(energy)
    is_buy, low_key, high_key = energy > 0, margin.low_key[:, None], margin.high_key[:, None]
    whole = energy * ((is_buy & (key > low_key)) | (~is_buy & (key < high_key)))
    missing = xp.abs(xp.sum(whole, axis=1) + margin.outside_ukwh)
    running = xp.cumsum(xp.abs(energy * (key == low_key)), axis=1)
    shared = increments(muldiv(running, missing[:, None], xp.maximum(running[:, -1:], 1)))
    shared *= xp.where(low_key & 3 == BUY, 1, -1)
    return whole + shared


def _neighbours_first(filled: Array, bought: Array, sold: Array, is_open: Array) -> Array:
    """Give what neighbours trade: all of the shorter side, and a share of every filled order of the longer one.

    Takes and gives [n_envs, n_orders], signed; ``bought`` and ``sold`` are the sums [n_envs] of each side.
    """
    xp = namespace(filled)
    side = xp.where(bought > sold, 1, -1)[:, None]
    longer = xp.maximum(filled * side, 0)
    shorter_ukwh, longer_ukwh = xp.minimum(bought, sold)[:, None], xp.maximum(bought, sold)[:, None]
    shared = increments(muldiv(xp.cumsum(longer, axis=1), shorter_ukwh, xp.maximum(longer_ukwh, 1)))
    shared -= longer
    shared *= side
    shared += filled
    return shared * is_open[:, None]


def _by_agent(agent: Array) -> Array | None:
    """[n_orders] the columns in the order of agents, then of columns; None where they stand so already."""
    xp, n_orders = namespace(agent), agent.shape[0]
    if xp.name == "numpy" and (agent[1:] > agent[:-1]).all():
        return None
    return xp.argsort(agent * n_orders + xp.arange(n_orders, like=agent))


def _columns(rows: Array, order: Array | None) -> Array:
    return rows if order is None else rows[:, order]


def _status(book: _Book, margin: _Margin, is_filled: Array) -> Array:
    """[n_envs] say how each book cleared."""
    xp = namespace(is_filled)
    rank = margin.low_key & 3
    who = xp.where(rank == SELL, MARGINAL_SELLER, MARGINAL_OUTSIDE)
    who = xp.where(rank == BUY, MARGINAL_BUYER, who)
    cleared = xp.where(margin.low_key == margin.high_key, who, EXACT)
    has_sell = book.total_ukwh > book.net_ukwh
    with_buy, without_buy = xp.where(has_sell, NO_CROSS, BUYERS_ONLY), xp.where(has_sell, SELLERS_ONLY, EMPTY)
    has_buy = book.total_ukwh + book.net_ukwh > 0
    return xp.where(is_filled, cleared, xp.where(has_buy, with_buy, without_buy))


def _price(margin: _Margin, status: Array, is_filled: Array, k: float, tick: Array | None) -> Array:
    """[n_envs] the price inside the interval, or the quote where nothing was filled."""
    xp = namespace(status)
    share = xp.where(is_filled, round(k * MICRO), MICRO // 2)
    price = margin.low + (margin.high - margin.low) * share // MICRO
    if tick is not None:
        price = on_tick(price, margin.low, margin.high, tick)
    # A tick beyond the only side's best price, unless the retailer's is better.
    step = 1 if tick is None else tick
    above_bid = margin.low + step * (margin.low_key & 3 == BUY)
    below_ask = margin.high - step * (margin.high_key & 3 == SELL)
    price = xp.where(status == BUYERS_ONLY, above_bid, price)
    return xp.where(status == SELLERS_ONLY, below_ask, price)


def _by_rule(rule: Rule, book: _Book, retailer: _Retailer | None, margin: _Margin, k: float) -> tuple[Array, Array]:
    """[n_envs] what buyers pay and sellers get under a rule; means nothing where nothing was filled."""
    xp = namespace(margin.low)
    key, energy = margin.key, book.energy_ukwh
    if retailer is not None:
        key, energy = xp.concat([key, retailer.key], axis=1), xp.concat([energy, retailer.energy_ukwh], axis=1)
    below, above = key <= margin.low_key[:, None], key >= margin.high_key[:, None]
    is_buy, is_sell = energy > 0, energy < 0
    lowest, highest = xp.min(key, axis=1, keepdims=True), xp.max(key, axis=1, keepdims=True)
    lao = xp.max(xp.where(is_sell & below, key, lowest), axis=1) >> 2
    frb = xp.max(xp.where(is_buy & below, key, lowest), axis=1) >> 2
    fro = xp.min(xp.where(is_sell & above, key, highest), axis=1) >> 2
    lab = xp.min(xp.where(is_buy & above, key, highest), axis=1) >> 2
    is_cut = margin.low_key == margin.high_key
    is_bid = is_cut & ((margin.low_key & 3 == BUY) | (margin.low_key & 3 == OUTSIDE_BUY))
    return rule(Edges(lao=lao, fro=fro, lab=lab, frb=frb, is_bid_marginal=is_bid, share=round(k * MICRO)))


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
