"""The contract between bids and mechanisms: ``Orders`` and a ``Setting`` go in, a ``Clearing`` comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.market.grid.linear import LinearGrid


@dataclass(frozen=True, slots=True)
class Orders:
    """A sealed book per environment. Integers only: energy in micro-kWh, prices in micro-currency per kWh."""

    energy_ukwh: Array  # [n_envs, n_orders] int64; > 0 buys, < 0 sells, 0 is no order
    limit_ucur_per_kwh: Array  # [n_envs, n_orders] int64; the most a buyer pays, the least a seller takes
    agent: Array  # [n_orders] int64, owner; remainders of rounding go by this number
    bus: Array  # [n_orders] int64, where the energy is drawn or injected
    lottery: Array | None = None  # [n_envs, n_orders] banked uniforms in [0, 1), one an agent, for mechanisms that draw


@dataclass(frozen=True, slots=True)
class Setting:
    """What a mechanism may know beside the book: the outside option and the limits of the connection.

    The retailer is never an order. It sells to anybody at ``import_ucur_per_kwh`` and buys at
    ``export_ucur_per_kwh``, both as prices of the local market: what a buyer would pay the retailer less every
    charge due on a local kWh, and what a seller would get. Where the community's net import would pass
    ``import_cap_ukwh``, what is beyond the cap costs ``import_scarcity_ucur_per_kwh`` more (and earns
    ``export_scarcity_ucur_per_kwh`` less beyond the export cap). No outside option (``None``): nobody trades with
    a retailer, as in a stand-alone order book or on an island.
    """

    import_ucur_per_kwh: Array | None = None  # [n_envs] int64, upper edge of the band of local prices
    export_ucur_per_kwh: Array | None = None  # [n_envs] int64, lower edge; no local trade where >= the upper edge
    import_cap_ukwh: Array | None = None  # [n_envs] int64, >= 0
    export_cap_ukwh: Array | None = None  # [n_envs] int64, >= 0
    import_scarcity_ucur_per_kwh: Array | None = None  # [n_envs] int64, >= 0
    export_scarcity_ucur_per_kwh: Array | None = None  # [n_envs] int64, >= 0
    tick_ucur_per_kwh: Array | None = None  # [n_envs] int64, > 0; local prices are multiples of it
    carry: Array | None = None  # [n_envs, n_carry] int64, ``Clearing.carry`` of the last interval; none: the first one
    wires: Wires | None = None  # the feeder between the orders, for rules that price it
    is_island: Array | None = None  # [n_envs] bool, the retailer is out of reach; its prices then only bound the band


@dataclass(frozen=True, slots=True)
class Wires:
    """What stands between the orders: the feeder, and what flows in it beside them."""

    grid: LinearGrid
    step_h: float
    fixed_kw: Array  # [n_envs, n_buses] draws of those who are not in the book
    q_kvar: Array  # [n_envs, n_buses] reactive draws, which stay as they are
    is_inelastic: Array  # [n_orders] bool, buys that are served whatever it costs; they pay the price of their bus


class Status(IntEnum):
    """How an environment's book cleared."""

    EXACT = 0  # demand and supply meet between two whole orders; the price lies in an interval
    MARGINAL_BUYER = 1  # a buyer is filled in part and sets the price
    MARGINAL_SELLER = 2  # a seller is filled in part and sets the price
    MARGINAL_OUTSIDE = 3  # the retailer, a pool, or the scarcity behind a full connection sets the price
    NO_CROSS = 4  # buyers and sellers, but no price suits both
    BUYERS_ONLY = 5
    SELLERS_ONLY = 6
    EMPTY = 7
    REDUCED = 8  # the rule lets less trade than the orders allow
    ISLAND = 9  # cut off: what flowed was settled among members


@dataclass(frozen=True, slots=True)
class Clearing:
    """What a mechanism decided. Signs as in the orders; money > 0 is paid by the order's owner.

    ``filled = traded + outside``: an order is filled by neighbours at the local price, and, where its limit reaches
    the tariff, by the retailer. ``rent_ucur_per_kwh`` is what a kWh through the full connection is worth above the
    tariff (> 0 when import is scarce, < 0 when export is). A market with stock of its own sells from it
    ``pool_ukwh`` (< 0 buys) and settles that with the retailer.
    """

    traded_ukwh: Array  # [n_envs, n_orders] int64, exchanged with other orders; each row sums to ``pool_ukwh``
    outside_ukwh: Array  # [n_envs, n_orders] int64, exchanged with the retailer at the tariff
    pay_ucur: Array  # [n_envs, n_orders] int64, for ``traded_ukwh``; the authority on local payments
    price_ucur_per_kwh: Array  # [n_envs, n_orders] int64, shown; a quote where nothing traded
    low_ucur_per_kwh: Array  # [n_envs] int64, lower end of the competitive interval
    high_ucur_per_kwh: Array  # [n_envs] int64, upper end
    rent_ucur_per_kwh: Array  # [n_envs] int64
    over_cap_ukwh: Array  # [n_envs] int64, >= 0, bought or sold beyond the cap at the scarcity price
    surplus_ucur: Array  # [n_envs] int64 == sum of pay_ucur; declared, never a tolerance
    status: Array  # [n_envs] int64, a ``Status``
    pool_ukwh: Array | None = None  # [n_envs] int64, sold from the market's own stock, if it has one
    carry: Array | None = None  # [n_envs, n_carry] int64, what the mechanism wants back in its next ``Setting``
    nodal: NodalPrices | None = None  # what prices per bus are made of, where the rule has any

    @property
    def filled_ukwh(self) -> Array:
        """[n_envs, n_orders] int64, by neighbours and by the retailer."""
        return self.traded_ukwh + self.outside_ukwh


@dataclass(frozen=True, slots=True)
class NodalPrices:
    """What the price at each bus is made of, and where the money between the buses comes from.

    The parts add up: ``price = energy + loss + congestion + voltage``. So do the rents:
    ``sum(price * draw) = energy * root_kwh + line_rent + voltage_rent + loss_surplus``, over all draws, fixed ones
    included. Floats, for reports; the money that changes hands is in the ``Clearing``.
    """

    energy_cur_per_kwh: Array  # [n_envs] at the root
    loss_cur_per_kwh: Array  # [n_envs, n_buses]
    congestion_cur_per_kwh: Array  # [n_envs, n_buses] of branch ratings
    voltage_cur_per_kwh: Array  # [n_envs, n_buses] of the voltage band
    line_rent_cur: Array  # [n_envs]
    voltage_rent_cur: Array  # [n_envs]
    loss_surplus_cur: Array  # [n_envs] marginal prices of losses bring in more than the losses cost
    loss_kwh: Array  # [n_envs]
    root_kwh: Array  # [n_envs] imported, losses included; < 0 is exported
    by_highs: Array  # [n_envs] bool, rows that the batched solver gave up

    @property
    def price_cur_per_kwh(self) -> Array:
        """[n_envs, n_buses] the sum of the parts."""
        parts = self.loss_cur_per_kwh + self.congestion_cur_per_kwh + self.voltage_cur_per_kwh
        return self.energy_cur_per_kwh[:, None] + parts


Mechanism: TypeAlias = Callable[[Orders, Setting], Clearing]

PROMISE = {
    "limits": "nobody pays more, or gets less, than the limit",
    "balanced": "buyers pay what sellers get",
    "no_deficit": "buyers pay at least what sellers get",
    "efficient": "no other trades would be worth more, by the limits given",
    "truthful": "an agent with one order gains nothing by another limit",
    "monotone": "a keener limit never lowers the fill",
    "scales": "a book twice as large trades twice as much at the same prices",
}
"""What a mechanism may promise, by word."""


def mean_price_ucur_per_kwh(clearing: Clearing) -> Array:
    """[n_envs] the price shown to buyers, weighted by what they bought locally; without a trade the first quote."""
    xp = namespace(clearing.traded_ukwh)
    bought = xp.maximum(clearing.traded_ukwh, 0)
    total = xp.sum(bought, axis=1)
    mean = xp.sum(bought * clearing.price_ucur_per_kwh, axis=1) // xp.maximum(total, 1)
    return xp.where(total > 0, mean, clearing.price_ucur_per_kwh[:, 0])
