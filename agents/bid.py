"""From plans to orders: the first gate, where kilowatts become integers of the market."""

from __future__ import annotations

from dataclasses import dataclass

from gridbazaar.agents.netting import netted_at_home
from gridbazaar.agents.plan import Plan
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import to_micro, to_micro_towards_zero
from gridbazaar.market.orders import Clearing, Orders, Setting
from gridbazaar.market.settlement.customers import Customers

ANY_TARIFF = 0.5
"""The eagerness that buys at the tariff, but not beyond a full connection."""


@dataclass(frozen=True, slots=True)
class Bids:
    """Orders, and what each agent settles behind its own meter before it goes to market."""

    orders: Orders
    netted_ukwh: Array  # [n_envs, n_agents] int64 >= 0, of the flexible wish, that flows behind the customer's meter
    flexible_sign: Array  # [n_envs, n_agents] int64, sign of the flexible wish


def bid(
    plan: Plan, setting: Setting, order_agent: Array, order_bus: Array, step_h: float, lottery: Array | None = None,
    beyond_ucur_per_kwh: int = 0, customers: Customers | None = None,
) -> Bids:  # fmt: skip
    """Place a firm and a flexible order for each agent.

    Args:
        plan: what the agents want.
        setting: the band of local prices and the scarcity beyond it.
        order_agent, order_bus: [2 n_agents] owner and bus of each column, firm orders first.
        step_h: length of the interval.
        lottery: [n_envs, n_agents] banked numbers, for mechanisms that draw.
        beyond_ucur_per_kwh: added to the limits of those who take any price, where buses may be dearer than the root.
        customers: who is one customer; none: every agent is one.

    A customer nets its own devices first: surplus that its battery wants, or load that its battery wants to serve,
    never comes to market. The firm orders of its agents are one, in the column of the first. The firm order is willing
    to pay (take) any price of the band. Eagerness *e* of the flexible one buys at ``limit(e)`` and sells at
    ``limit(-e)``; ``limit`` rises from the lower scarcity price (-1) over the lower edge (-1/2) and the upper edge
    (+1/2) to the upper scarcity price (+1). Where the band is empty, since a surplus earns what a kWh costs or more, an
    eagerness inside it still reaches neither side of the tariff.
    """
    xp = namespace(plan.wish_kw)
    firm_ukwh = to_micro(plan.firm_kw * step_h)
    flexible_ukwh = to_micro_towards_zero(plan.wish_kw * step_h)
    low, high, below, above = _prices(setting)
    sells = flexible_ukwh < 0
    lean = xp.where(sells, -plan.eagerness, plan.eagerness)
    is_empty = low >= high
    low, high = xp.where(is_empty & ~sells, high - 1, low), xp.where(is_empty & sells, low + 1, high)
    whole = 1.0 * xp.where(sells, lean > -0.5, lean >= 0.5)
    inside = low + (high - low) * xp.where(is_empty, whole, lean + 0.5)
    limit = xp.where(
        lean > 0.5, high + above * (2 * lean - 1), xp.where(lean < -0.5, low + below * (2 * lean + 1), inside)
    )
    flexible_limit = xp.astype(xp.rint(limit), xp.int64)
    if beyond_ucur_per_kwh:
        any_price = xp.astype(lean >= 1, xp.int64) - xp.astype(lean <= -1, xp.int64)
        flexible_limit = flexible_limit + beyond_ucur_per_kwh * any_price
    return _net(firm_ukwh, flexible_ukwh, flexible_limit, setting, order_agent, order_bus, lottery, customers)


def metered(
    firm_ukwh: Array, flexible_ukwh: Array, setting: Setting, order_agent: Array, order_bus: Array,
    customers: Customers | None = None,
) -> Bids:  # fmt: skip
    """Write what flowed as orders at any price, for rules that price metered energy.

    Args:
        firm_ukwh, flexible_ukwh: [n_envs, n_agents] int64 at the meters.
        setting: the band of local prices and the scarcity beyond it.
        order_agent, order_bus: [2 n_agents] owner and bus of each column, firm orders first.
        customers: who is one customer; none: every agent is one.
    """
    low, high, below, above = _prices(setting)
    limit = namespace(low).where(flexible_ukwh > 0, high + above, low - below)
    return _net(firm_ukwh, flexible_ukwh, limit, setting, order_agent, order_bus, None, customers)


def _net(
    firm_ukwh: Array, flexible_ukwh: Array, flexible_limit: Array, setting: Setting, order_agent: Array,
    order_bus: Array, lottery: Array | None, customers: Customers | None,
) -> Bids:  # fmt: skip
    """Let each customer settle behind its own meter what it can; the rest goes to market."""
    xp = namespace(firm_ukwh)
    if customers is not None and customers.has_families:
        firm_ukwh = customers.gather(firm_ukwh)
        lottery = None if lottery is None else lottery[:, customers.lead]
    left_ukwh, netted_ukwh = netted_at_home(firm_ukwh, flexible_ukwh, customers)
    flexible_sign = xp.astype(flexible_ukwh > 0, xp.int64) - xp.astype(flexible_ukwh < 0, xp.int64)
    energy_ukwh = xp.concat([left_ukwh, flexible_ukwh - flexible_sign * netted_ukwh], axis=1)
    low, high, below, above = _prices(setting)
    firm_limit = xp.where(firm_ukwh > 0, high + above, low - below)
    limits = xp.concat([firm_limit, flexible_limit], axis=1)
    both = None if lottery is None else xp.concat([lottery, lottery], axis=1)
    return Bids(
        Orders(energy_ukwh=energy_ukwh, limit_ucur_per_kwh=limits, agent=order_agent, bus=order_bus, lottery=both),
        netted_ukwh,
        flexible_sign,
    )


def _prices(setting: Setting) -> tuple[Array, Array, Array, Array]:
    """[n_envs, 1] each: lower and upper edge of the band, scarcity below and above."""
    assert setting.import_ucur_per_kwh is not None
    assert setting.export_ucur_per_kwh is not None
    assert setting.import_scarcity_ucur_per_kwh is not None
    assert setting.export_scarcity_ucur_per_kwh is not None
    low, high = setting.export_ucur_per_kwh[:, None], setting.import_ucur_per_kwh[:, None]
    return low, high, setting.export_scarcity_ucur_per_kwh[:, None], setting.import_scarcity_ucur_per_kwh[:, None]


def flexible_fill_ukwh(bids: Bids, clearing: Clearing | None) -> Array:
    """Energy that each flexible device may move, [n_envs, n_agents]: what its order filled and what it nets at home.

    Without a clearing before delivery the device may move all that it wants.
    """
    n_agents = bids.netted_ukwh.shape[1]
    filled = bids.orders.energy_ukwh if clearing is None else clearing.filled_ukwh
    filled = filled[:, n_agents:]
    return filled + bids.flexible_sign * bids.netted_ukwh


def eagerness_of(limit_cur: Array, low_cur: Array, high_cur: Array, above_cur: Array, buys: Array) -> Array:
    """Give the eagerness whose order has a wanted limit price; the inverse of the map in ``bid``.

    Args:
        limit_cur: wanted limit as a price of the local market.
        low_cur, high_cur: edges of the band.
        above_cur: scarcity beyond either edge, > 0.
        buys: whether the order buys.
    """
    xp = namespace(limit_cur)
    width = xp.maximum(high_cur - low_cur, 1e-9)
    dearer, cheaper = 0.5 + 0.5 * (limit_cur - high_cur) / above_cur, -0.5 - 0.5 * (low_cur - limit_cur) / above_cur
    is_dearer, is_cheaper = limit_cur >= high_cur, limit_cur <= low_cur
    # Where the band is empty a limit may lie beyond both edges; what counts is the one that the order could reach.
    is_dearer, is_cheaper = is_dearer & (buys | ~is_cheaper), is_cheaper & (~buys | ~is_dearer)
    lean = xp.where(is_dearer, dearer, xp.where(is_cheaper, cheaper, (limit_cur - low_cur) / width - 0.5))
    return xp.clip(xp.where(buys, lean, -lean), -1.0, 1.0)
