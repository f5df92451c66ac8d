"""Bill sharing: the community's bill with the retailer, divided by what each member drew and fed in over a horizon.

C. Long, J. Wu, C. Zhang, L. Thomas, M. Cheng, N. Jenkins, "Peer-to-peer energy trading in a community microgrid", IEEE
PES General Meeting (2017). Limits play no part, and a member may do worse than with the retailer: who draws when the
community has plenty shares the cost of the hours when it has not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import CountFromOne
from gridbazaar.data.units import MICRO, energy_cost_ucur
from gridbazaar.market.auction.book import Trade, close_book, open_book
from gridbazaar.market.auction.ex_post import local_share, metered
from gridbazaar.market.auction.rationing import by_share, increments
from gridbazaar.market.orders import Clearing, Orders, Setting

STAGE = "ex_post"
PROMISES = frozenset({"balanced", "no_deficit", "monotone", "scales"})

_SUMS = 4  # of each order; one more number counts the intervals


def bill_sharing(orders: Orders, setting: Setting, *, horizon_intervals: CountFromOne | None = None) -> Clearing:
    """Share what the community pays the retailer among all that its members drew, and what it earns among all they fed.

    Over a horizon of ``horizon_intervals`` intervals (``None``: the episode) everybody buys at the cost of the
    community's imports / the members' imports, and sells at the income from its exports / the members' exports. An
    interval posts by how much the bill of the horizon so far has grown. Neighbours trade pro rata; what they leave the
    owner of the order pays or gets at the retailer's price, and the payments here are the difference to that bill. So
    they sum to zero among buyers and among sellers in every interval, and over the horizon they are exact. The price
    shown is that of the horizon so far. The rent of a full connection is charged and rebated apart.
    """
    flowed = metered("bill_sharing", orders, setting)
    book = open_book(flowed, setting)
    bought, sold = local_share(book)
    before, n_before = _read(flowed, setting.carry, horizon_intervals)
    after = _add(before, flowed.energy_ukwh[:, book.column], bought - sold, setting)

    xp = namespace(bought)
    pay = after.owed() - before.owed()
    shown = xp.where(sold > 0, after.sell_price()[:, None], after.buy_price()[:, None])
    clearing = close_book(flowed, setting, book, Trade(bought, sold, pay, shown))
    return replace(clearing, carry=xp.concat([*after, (n_before + 1)[:, None]], axis=1))


def carry_width(n_orders: int) -> int:
    """Four sums an order, in the order of agents, and how many intervals they cover."""
    return _SUMS * n_orders + 1


class _Sums(NamedTuple):
    """The horizon so far, [n_envs, n_orders] int64 each, columns by agent."""

    drawn_ukwh: Array
    fed_ukwh: Array
    cost_ucur: Array  # paid to the retailer
    income_ucur: Array  # got from it

    def owed(self) -> Array:
        """What each order owes for its share of the community's bill, beyond what it settled with the retailer."""
        cost = _shared(self.drawn_ukwh, self.cost_ucur) - self.cost_ucur
        income = _shared(self.fed_ukwh, self.income_ucur) - self.income_ucur
        return cost - income

    def buy_price(self) -> Array:
        """[n_envs] cost of the imports per kWh drawn; 0 where nothing was."""
        return _ratio(self.cost_ucur, self.drawn_ukwh)

    def sell_price(self) -> Array:
        """[n_envs] income from the exports per kWh fed in; 0 where nothing was."""
        return _ratio(self.income_ucur, self.fed_ukwh)


def _read(orders: Orders, carry: Array | None, horizon_intervals: int | None) -> tuple[_Sums, Array]:
    """What was carried here, or zeros where a horizon begins, and [n_envs] how many intervals it covers."""
    xp = namespace(orders.energy_ukwh)
    n_envs, n_orders = orders.energy_ukwh.shape
    read: Array = xp.zeros((n_envs, carry_width(n_orders)), orders.energy_ukwh) if carry is None else carry
    if horizon_intervals is not None:
        read = read * (read[:, -1:] < horizon_intervals)
    return _Sums(*(read[:, i * n_orders : (i + 1) * n_orders] for i in range(_SUMS))), read[:, -1]


def _add(sums: _Sums, energy: Array, traded: Array, setting: Setting) -> _Sums:
    """Add an interval: what flowed, and what the retailer took or gave of it, [n_envs, n_orders] signed."""
    upper, lower = setting.import_ucur_per_kwh, setting.export_ucur_per_kwh
    assert upper is not None
    assert lower is not None
    xp = namespace(energy)
    outside = energy - traded
    cost = energy_cost_ucur(xp.cumsum(xp.maximum(outside, 0), axis=1), upper[:, None])
    income = energy_cost_ucur(xp.cumsum(xp.maximum(-outside, 0), axis=1), lower[:, None])
    return _Sums(
        sums.drawn_ukwh + xp.maximum(energy, 0),
        sums.fed_ukwh + xp.maximum(-energy, 0),
        sums.cost_ucur + increments(cost),
        sums.income_ucur + increments(income),
    )


def _shared(energy: Array, money: Array) -> Array:
    """Share the sum of some money, of either sign, by energy."""
    xp = namespace(energy)
    total = xp.sum(money, axis=1)
    share = by_share(energy, xp.abs(total))
    return xp.where((total < 0)[:, None], -share, share)


def _ratio(money: Array, energy: Array) -> Array:
    xp = namespace(money)
    return xp.sum(money, axis=1) * MICRO // xp.maximum(xp.sum(energy, axis=1), 1)
