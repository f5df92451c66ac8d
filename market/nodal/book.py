"""From orders in integers to the linear program of a nodal clearing, and back to energy."""

from __future__ import annotations

from dataclasses import dataclass

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import MICRO
from gridbazaar.market.auction.equilibrium import BUY, OUTSIDE_BUY, OUTSIDE_SELL, SELL
from gridbazaar.market.grid.linear import Linearised
from gridbazaar.market.nodal.payments import wedge_ucur_per_kwh
from gridbazaar.market.nodal.problem import NodalProblem
from gridbazaar.market.orders import Orders, Setting, Wires

RANKS = 1000  # who comes first at one price, as in the uniform price, is a thousandth of a micro-unit


@dataclass(frozen=True, slots=True)
class NodalBook:
    """Orders and the retailer's four steps, as power at prices in micro-units, with ranks."""

    quantity_kw: Array  # [n_envs, n_orders + 4] > 0 buys; nothing where an order is inelastic
    limit_ucur_per_kwh: Array  # [n_envs, n_orders + 4] float
    bus: Array  # [n_orders + 4] int64; n_buses is the root
    fixed_kw: Array  # [n_envs, n_buses] what is drawn at any price
    import_ucur_per_kwh: Array  # [n_envs] int64, at which the retailer sells
    export_ucur_per_kwh: Array  # [n_envs] int64, at which it buys
    wedge_ucur_per_kwh: Array  # [n_envs] int64, by how much the retailer's band is inverted; sellers count without it

    def at_buses(self, draw_kw: Array) -> Array:
        """Give [n_envs, n_buses] kW, with what is fixed, for draws [n_envs, n_orders + 4]."""
        xp = namespace(draw_kw)
        buses = xp.arange(self.fixed_kw.shape[1], like=self.bus)
        return self.fixed_kw + draw_kw @ xp.astype(self.bus[:, None] == buses[None, :], xp.float64)


def write_book(orders: Orders, setting: Setting, wires: Wires) -> NodalBook:
    """Write the orders and the retailer's steps: up to the cap at the tariff, then endless at the scarcity price."""
    xp = namespace(orders.energy_ukwh)
    upper, bought_at = setting.import_ucur_per_kwh, setting.export_ucur_per_kwh
    if upper is None or bought_at is None:
        raise ValueError(
            "nodal clearing: expected an import and an export price of the retailer at the root, came None; "
            "on an island give the value of lost load and 0, with caps of 0"
        )
    wedge, lower = wedge_ucur_per_kwh(upper, bought_at), xp.minimum(bought_at, upper)
    energy_kw = kw_of_ukwh(orders.energy_ukwh, wires.step_h)
    is_served = wires.is_inelastic & (energy_kw > 0)
    n_buses, fixed_kw = wires.fixed_kw.shape[1], draws_at_buses(orders, orders.energy_ukwh * is_served, wires)
    elastic_kw = energy_kw * ~is_served
    endless = 4 * (xp.sum(xp.abs(elastic_kw), axis=1) + xp.sum(xp.abs(fixed_kw), axis=1)) + 1

    is_buy = energy_kw > 0
    limit = orders.limit_ucur_per_kwh - xp.where(is_buy, 0, wedge[:, None])
    quantities, prices = [elastic_kw], [RANKS * limit + xp.where(is_buy, BUY, SELL)]
    for price, cap_ukwh, scarcity, rank, sign in (
        (upper, setting.import_cap_ukwh, setting.import_scarcity_ucur_per_kwh, OUTSIDE_SELL, -1),
        (lower, setting.export_cap_ukwh, setting.export_scarcity_ucur_per_kwh, OUTSIDE_BUY, 1),
    ):
        cap_kw = endless if cap_ukwh is None else xp.minimum(kw_of_ukwh(cap_ukwh, wires.step_h), endless)
        beyond = price if cap_ukwh is None or scarcity is None else price - sign * scarcity
        quantities += [sign * cap_kw[:, None], sign * endless[:, None]]
        prices += [(RANKS * price + rank)[:, None], (RANKS * beyond + rank)[:, None]]
    root = xp.zeros((4,), orders.bus) + n_buses
    return NodalBook(
        quantity_kw=xp.concat(quantities, axis=1),
        limit_ucur_per_kwh=xp.astype(xp.concat(prices, axis=1), xp.float64) / RANKS,
        bus=xp.concat((orders.bus, root), axis=0),
        fixed_kw=fixed_kw,
        import_ucur_per_kwh=upper,
        export_ucur_per_kwh=bought_at,
        wedge_ucur_per_kwh=wedge,
    )


def write_problem(book: NodalBook, linear: Linearised, overload_cur_per_kwh: float) -> NodalProblem:
    """Put the book on the linearised feeder."""
    xp, fixed_kw = namespace(book.quantity_kw), book.fixed_kw
    flow = xp.matmul(linear.slope, fixed_kw[:, :, None])[:, :, 0]
    return NodalProblem(
        quantity_kw=book.quantity_kw,
        limit=book.limit_ucur_per_kwh,
        bus=book.bus,
        weight=xp.concat((1 + linear.loss_slope, xp.zeros_like(fixed_kw[:, :1]) + 1), axis=1),
        balance_kw=-(xp.sum((1 + linear.loss_slope) * fixed_kw, axis=1) + linear.loss_kw),
        slope=xp.concat((linear.slope, xp.zeros_like(linear.slope[:, :, :1])), axis=2),
        low_kw=linear.low - flow,
        high_kw=linear.high - flow,
        overload=overload_cur_per_kwh * MICRO,
    )


def draws_at_buses(orders: Orders, energy_ukwh: Array, wires: Wires) -> Array:
    """Give [n_envs, n_buses] kW that orders of [n_envs, n_orders] draw, with what is fixed."""
    xp = namespace(wires.fixed_kw)
    buses = xp.arange(wires.fixed_kw.shape[1], like=orders.bus)
    by_bus = xp.astype(orders.bus[:, None] == buses[None, :], xp.float64)
    return wires.fixed_kw + kw_of_ukwh(energy_ukwh, wires.step_h) @ by_bus


def kw_of_ukwh(energy_ukwh: Array, step_h: float) -> Array:
    """Give the mean power of an interval's energy."""
    return namespace(energy_ukwh).astype(energy_ukwh, namespace(energy_ukwh).float64) / (MICRO * step_h)


def ukwh_of_kw(power_kw: Array, step_h: float) -> Array:
    """Give an interval's energy, to the nearest micro-kWh."""
    xp = namespace(power_kw)
    return xp.astype(xp.rint(power_kw * (MICRO * step_h)), xp.int64)
