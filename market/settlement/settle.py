"""Settlement: what everybody owes for one interval, in integers, each line summing to zero over all parties.

``metered = local trade + ordered curtailment + net``. A local trade is paid at the local price. A home or a car pays
its tariff on the net, so what was scheduled with the retailer and what deviates from it are netted before they are
priced; local trade that was not delivered is bought, or sold, at the own tariff. A balance-responsible party pays the
tariff on what it scheduled, and for what deviates an imbalance price that is never better. Ordered curtailment is
never imbalance. At a flexible connection the position is cut, unpaid and unpenalised; at a firm one its owner is paid
for lost sun and wind as if it had delivered. Either way the network operator makes the energy good. Under a rule that
prices metered energy nobody has a position to make good; lost sun and wind is paid for at a firm connection. Positive
money is paid by the party in whose column it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from gridbazaar.data.arrays import Array, namespace, ratio
from gridbazaar.data.units import energy_cost_ucur
from gridbazaar.market.orders import Clearing, Orders, Setting
from gridbazaar.market.settlement.customers import Customers, of_customers
from gridbazaar.market.settlement.nodal import deviation_ucur, rebate_per_connection
from gridbazaar.market.settlement.position import Delivery, Position, Use, position_of, use_of_connection
from gridbazaar.market.settlement.shares import Holding, pass_on
from gridbazaar.market.settlement.withheld import RetailPrices, owed_for_withheld, paid_for_lost

LINES = (
    "market",  # local trades
    "retail",  # the retailer's energy at the tariff, and what the retailer pays for it
    "imbalance",  # deviation from the schedule of who is balance-responsible, with its charges, and deviation at a bus
    "network",  # use of the network, per kWh
    "capacity",  # use of the network, per kW
    "losses",  # the network operator's purchase of losses and of what it curtailed
    "congestion",  # scarcity of the connection, and its rebate
    "flexibility",  # services called by the operator
    "penalty",  # non-delivery
    "share",  # contracts inside the community, such as a VPP's rent or shares in a battery
    "tax",
    "fixed",  # standing charges
)
SYSTEM_PARTIES = (
    "retailer",
    "wholesale",
    "network_operator",
    "state",
    "market_operator",
    "flexibility_buyer",
    "community_fund",
    "escrow",
)


@dataclass(frozen=True, slots=True)
class Bill:
    """Money of one interval: > 0 is paid. Parties are the agents, then ``SYSTEM_PARTIES``."""

    ucur: Array  # [n_envs, n_lines, n_agents + n_system] int64, in the order of ``LINES``

    def line(self, name: str) -> Array:
        """[n_envs, n_parties] one line."""
        return self.ucur[:, LINES.index(name)]


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices of one interval, [n_envs] int64 micro-currency per kWh."""

    energy: Array
    network: Array
    tax: Array
    local_network: Array
    local_tax: Array
    export: Array
    spot: Array
    imbalance: Array  # beyond the tariff, for balance-responsible parties


class Posting(NamedTuple):
    """What agents pay on a line to a party, beside what the interval's prices ask."""

    line: str
    to: str
    ucur: Array  # [n_envs, n_agents] int64


@dataclass(frozen=True, slots=True)
class Terms:
    """Who stands where; fixed for a community."""

    is_brp: Array  # [n_agents] bool, balance-responsible: stand-alone batteries and VPPs
    connections: Array  # [n_agents] int64, shares of the congestion rebate
    rent_ucur: Array  # [n_envs, n_agents] int64, contracts for this interval; each row sums to zero
    fixed_ucur: Array  # [n_envs, n_agents] int64, standing charge due in this interval
    is_firm: bool = False  # connections are firm: lost sun and wind is paid for
    prices_metered: bool = False  # by a rule that clears what flowed
    held: Holding | None = None  # who passes its result on to whom; none: nobody
    customers: Customers | None = None  # who is one customer; none: every agent is one
    retail_by_month: bool = False  # what the retailer and the network ask for energy is posted by the billing period
    standing: Sequence[Posting] = ()  # of the standing charges, what is not the retailer's


@dataclass(frozen=True, slots=True)
class Services:
    """Money of the operator's calls, [n_envs, n_agents] int64, > 0 is paid by the agent."""

    earned_ucur: Array  # <= 0, from the flexibility buyer
    staked_ucur: Array  # into escrow; < 0 out of it
    slashed_ucur: Array  # >= 0, of the stakes, from escrow to the flexibility buyer
    shared_ucur: Array  # members' part of what a VPP earned; each row sums to zero


class _Postings:
    """Lines under construction; a payment always names both sides."""

    def __init__(self, like: Array, n_agents: int) -> None:
        self._xp = namespace(like)
        self._n = n_agents
        self.ucur = self._xp.zeros((like.shape[0], len(LINES), n_agents + len(SYSTEM_PARTIES)), like)

    def from_agents(self, line: str, amount: Array, to: str) -> None:
        """Agents pay [n_envs, n_agents] to a system party."""
        row = self.ucur[:, LINES.index(line)]
        row[:, : self._n] += amount
        row[:, self._n + SYSTEM_PARTIES.index(to)] -= self._xp.sum(amount, axis=1)

    def between(self, line: str, payer: str, payee: str, amount: Array) -> None:
        """One system party pays [n_envs] to another."""
        row = self.ucur[:, LINES.index(line)]
        row[:, self._n + SYSTEM_PARTIES.index(payer)] += amount
        row[:, self._n + SYSTEM_PARTIES.index(payee)] -= amount

    def among_agents(self, line: str, amount: Array) -> None:
        """Agents pay each other; each row of [n_envs, n_agents] sums to zero."""
        self.ucur[:, LINES.index(line)][:, : self._n] += amount

    def of_customers(self, customers: Customers) -> None:
        """Let the first agent of each customer stand for all of them."""
        for i in range(len(LINES)):
            self.ucur[:, i, : self._n] = customers.gather(self.ucur[:, i, : self._n])


def settle(
    orders: Orders, clearing: Clearing, setting: Setting, delivery: Delivery, rates: Rates, terms: Terms,
    services: Services | None = None, by_month: Sequence[Posting] = (),
) -> Bill:  # fmt: skip
    """Bill one interval.

    Args:
        orders, clearing: the book and what became of it; columns are the agents' firm orders, then their flexible ones.
        setting: for the scarcity price of what passed the cap, and who is cut off: an island's losses are its sellers'.
        delivery: meter readings, ordered curtailment and losses.
        rates: the tariff in this interval.
        terms: connections, contracts and standing charges; the whole bill of a customer with several agents stands
            in the column of its first one.
        services: money of the operator's calls, where there are any.
        by_month: what the interval adds to what is due by the billing period, ``peaks.py``.
    """
    xp = namespace(clearing.traded_ukwh)
    n_agents = delivery.metered_ukwh.shape[1]
    clearing, delivery = of_customers(clearing, delivery, terms.customers)
    pool = clearing.pool_ukwh
    if setting.is_island is not None:
        delivery = replace(delivery, loss_ukwh=delivery.loss_ukwh * ~setting.is_island)
        pool = None if pool is None else pool * ~setting.is_island
    position = position_of(clearing, delivery, prices_metered=terms.prices_metered)
    net = xp.sum(position.net_ukwh, axis=1) + (0 if pool is None else pool)

    post = _Postings(clearing.traded_ukwh, n_agents)
    post.from_agents("market", clearing.pay_ucur[:, :n_agents] + clearing.pay_ucur[:, n_agents:], "market_operator")
    if not terms.retail_by_month:
        _use_of_network(post, xp.maximum(position.local_ukwh, 0), rates.local_network, rates.local_tax)
        _retail(post, position.retail_ukwh(terms.is_brp), rates)
    _imbalance(post, position.imbalance_ukwh(terms.is_brp), rates, on_top=terms.retail_by_month)
    if setting.wires is None:
        use = use_of_connection(net, clearing, setting)
        _congestion(post, position, pool, use, terms)
        _network_operator(post, position, use.rent_ucur_per_kwh, clearing, delivery, rates, terms)
    else:
        use = use_of_connection(net + delivery.loss_ukwh, clearing, setting)
        _nodal(post, position, use, clearing, setting, delivery, rates, terms)
        _network_operator(post, position, 0 * net, clearing, delivery, rates, terms)
    if pool is not None:
        _pool(post, pool, rates)
    post.between("retail", "retailer", "wholesale", energy_cost_ucur(net, rates.spot))
    if services is not None and delivery.activated_ukwh is not None:
        _called(post, services, xp.sum(delivery.activated_ukwh, axis=1), rates)
    post.among_agents("share", terms.rent_ucur)
    post.from_agents("fixed", terms.fixed_ucur - sum(part.ucur for part in terms.standing), "retailer")
    for posting in (*terms.standing, *by_month):
        post.from_agents(posting.line, posting.ucur, posting.to)
    if terms.held is not None:
        post.among_agents("share", pass_on(xp.sum(post.ucur[:, :, :n_agents], axis=1), terms.held))
    if terms.customers is not None and terms.customers.has_families:
        post.of_customers(terms.customers)
    return Bill(post.ucur)


def _use_of_network(post: _Postings, drawn: Array, network: Array, tax: Array) -> None:
    post.from_agents("network", energy_cost_ucur(drawn, network[:, None]), "network_operator")
    post.from_agents("tax", energy_cost_ucur(drawn, tax[:, None]), "state")


def _retail(post: _Postings, energy: Array, rates: Rates) -> None:
    """A meter imports or exports in one interval, never both: [n_envs, n_agents] has one sign for each."""
    xp = namespace(energy)
    price = xp.where(energy > 0, rates.energy[:, None], rates.export[:, None])
    post.from_agents("retail", energy_cost_ucur(energy, price), "retailer")
    _use_of_network(post, xp.maximum(energy, 0), rates.network, rates.tax)


def _pool(post: _Postings, pool: Array, rates: Rates) -> None:
    """What the market sold from its own stock it buys from the retailer, and the other way round, [n_envs]."""
    xp = namespace(pool)
    bought = xp.maximum(pool, 0)
    price = xp.where(pool > 0, rates.energy, rates.export)
    post.between("retail", "market_operator", "retailer", energy_cost_ucur(pool, price))
    post.between("network", "market_operator", "network_operator", energy_cost_ucur(bought, rates.network))
    post.between("tax", "market_operator", "state", energy_cost_ucur(bought, rates.tax))


def _imbalance(post: _Postings, deviation: Array, rates: Rates, *, on_top: bool) -> None:
    """Deviations of balance-responsible parties, [n_envs, n_agents], with the charges on what is drawn.

    The price is worse than either side of the tariff, so that where export earns more than import costs nobody
    schedules one to deviate by the other. Where the tariff is due on the whole meter by the billing period, what it is
    worse by is due on top.
    """
    xp, drawn = namespace(deviation), namespace(deviation).maximum(deviation, 0)
    charges = rates.network + rates.tax
    short = xp.maximum(rates.energy, rates.export - charges) + rates.imbalance
    long = xp.minimum(rates.energy + charges, rates.export) - rates.imbalance
    if on_top:
        short, long = short - rates.energy, long - rates.export
    price = xp.where(deviation > 0, short[:, None], long[:, None])
    post.from_agents("imbalance", energy_cost_ucur(deviation, price), "retailer")
    if not on_top:
        post.from_agents("imbalance", energy_cost_ucur(drawn, rates.network[:, None]), "network_operator")
        post.from_agents("imbalance", energy_cost_ucur(drawn, rates.tax[:, None]), "state")


def _called(post: _Postings, services: Services, activated: Array, rates: Rates) -> None:
    """The buyer pays for capacity and energy, sells the energy [n_envs] wholesale, and gets what is slashed."""
    xp = namespace(activated)
    post.from_agents("flexibility", services.earned_ucur, "flexibility_buyer")
    post.between("flexibility", "wholesale", "flexibility_buyer", energy_cost_ucur(activated, rates.spot))
    post.from_agents("penalty", services.staked_ucur, "escrow")
    post.between("penalty", "escrow", "flexibility_buyer", xp.sum(services.slashed_ucur, axis=1))
    post.among_agents("share", services.shared_ucur)


def _congestion(post: _Postings, position: Position, pool: Array | None, use: Use, terms: Terms) -> None:
    """Who uses the full connection pays its rent; what lies beyond the cap costs the operator, the rest is rebated.

    The rent is due on what each has through the connection as delivered, so nobody gains by selling locally, at a
    price with the rent in it, what the retailer then delivers. The rebate is a lump sum for each connection (a charge
    where the meters turned against a scarce schedule): together members pay what passed the cap, and nothing else.
    """
    xp = namespace(position.net_ukwh)
    rent = energy_cost_ucur(position.net_ukwh, use.rent_ucur_per_kwh[:, None])
    brought_in = xp.sum(rent, axis=1)
    if pool is not None:
        of_pool = energy_cost_ucur(pool, use.rent_ucur_per_kwh)
        post.between("congestion", "market_operator", "network_operator", of_pool)
        brought_in = brought_in + of_pool
    given = (brought_in - energy_cost_ucur(use.over_cap_ukwh, use.over_cap_ucur))[:, None]
    # Each to the nearest micro-unit; the rest, of either sign, is the operator's, so that no order of agents matters.
    rebate = ratio(given, terms.connections[None, :], xp.sum(terms.connections, axis=0))
    post.from_agents("congestion", rent - rebate, "network_operator")


def _nodal(
    post: _Postings, position: Position, use: Use, clearing: Clearing, setting: Setting, delivery: Delivery,
    rates: Rates, terms: Terms,
) -> None:  # fmt: skip
    """With a price for each bus, give back what the wires brought in, and let no deviation gain by where it is.

    The losses, what the schedule has beyond the cap of the connection, and what was sold and then withheld are paid
    with it; the rest is a lump sum per connection. A deviation costs at least what the bus says, so that nobody
    oversells behind a full branch, and what it adds beyond the cap the scarcity price.
    """
    xp = namespace(position.net_ukwh)
    cost = energy_cost_ucur(delivery.loss_ukwh, rates.spot)
    if setting.import_scarcity_ucur_per_kwh is not None:
        cost = cost + energy_cost_ucur(clearing.over_cap_ukwh, setting.import_scarcity_ucur_per_kwh)
    at_bus, cut = clearing.price_ucur_per_kwh[:, : position.net_ukwh.shape[1]], delivery.curtailed_ukwh
    cost = cost + energy_cost_ucur(xp.sum(cut, axis=1), rates.spot) - xp.sum(energy_cost_ucur(cut, at_bus), axis=1)
    rebate = rebate_per_connection(clearing.surplus_ucur, cost, terms.connections)
    post.from_agents("congestion", -rebate, "market_operator")
    left = xp.maximum(clearing.surplus_ucur, 0) - xp.sum(rebate, axis=1)
    post.between("congestion", "market_operator", "network_operator", left)
    post.from_agents("imbalance", deviation_ucur(position, at_bus, use, setting, terms.is_brp), "network_operator")


def _network_operator(
    post: _Postings, position: Position, rent: Array, clearing: Clearing, delivery: Delivery, rates: Rates,
    terms: Terms,
) -> None:  # fmt: skip
    """The operator buys losses, and replaces what it withheld from a position, both at the root price."""
    xp, cut, lost = namespace(rent), delivery.curtailed_ukwh, delivery.lost_ukwh
    tariff = RetailPrices(
        (rates.energy + rates.network + rates.tax + rent)[:, None], (rates.export + rent)[:, None],
        (rates.local_network + rates.local_tax)[:, None],
    )  # fmt: skip
    bought = delivery.loss_ukwh
    if terms.prices_metered:
        owed = -paid_for_lost(lost, clearing, tariff) * terms.is_firm
    else:
        owed = owed_for_withheld(cut, lost, clearing, position.net_ukwh, tariff, is_firm=terms.is_firm)
        bought = bought + xp.sum(cut, axis=1)
    post.from_agents("losses", owed, "network_operator")
    post.between("losses", "network_operator", "wholesale", energy_cost_ucur(bought, rates.spot))
