"""What crosses the core's boundary: ``Episode``, ``State`` and ``Transition``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gridbazaar.agents.plan import Plan, View
from gridbazaar.data.arrays import Array
from gridbazaar.market.grid.balanced import Flow
from gridbazaar.market.orders import Clearing, Orders, Setting
from gridbazaar.market.settlement.peaks import MonthCarry
from gridbazaar.market.settlement.position import Delivery
from gridbazaar.market.settlement.settle import Bill, Rates, Services

NOT_ASKED = -1
"""In place of a baseline, of who is not asked to draw less."""


@dataclass(frozen=True, slots=True)
class Outages:
    """When an episode is cut off, and which branch fails; steps since its beginning."""

    begin: Array  # [n_envs] int64, first step without the grid above; n_steps without an outage
    end: Array  # [n_envs] int64, first step with it again
    line: Array  # [n_envs] int64, branch that fails
    line_begin: Array  # [n_envs] int64; n_steps where none fails
    line_end: Array  # [n_envs] int64
    can_island: Array  # [n_envs] bool, there is a grid-forming unit


@dataclass(frozen=True, slots=True)
class Calls:
    """The operator's calls of an episode, in the order of time; steps since its beginning.

    Offers close with the interval ``gate``; awards are held ready from the next one to the end. Rows with fewer calls
    than others end with empty ones at ``n_steps``, and so does every row once more.
    """

    gate: Array  # [n_envs, n_calls + 1] int64
    begin: Array  # [n_envs, n_calls + 1] int64
    end: Array  # [n_envs, n_calls + 1] int64, first step after it
    need_ukwh: Array  # [n_envs, n_calls + 1] int64, what the operator wants of all VPPs in an interval
    known: Array  # [n_envs, n_calls + 1] int64, first step at which it is known
    at: Array  # [n_envs, n_steps + 1] int64, the call that runs or comes next
    level_ppm: Array  # [n_envs, n_steps + 1] int64, share of the awards that is called, millionths
    extra_ucur_per_kwh: Array | None  # [n_envs, n_steps + 1] int64, added to the retail price; none: no price events
    limit_kw: Array | None  # [n_envs, n_steps + 1] what all chargers may draw; none: no charging profiles
    baseline_ukwh: Array | None = None  # [n_envs, n_steps + 1, n_agents] int64 of homes that are asked, else -1


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the VPPs stand with the call that runs or comes next, [n_envs, n_vpps] int64 each."""

    award_ukwh: Array  # held ready in every interval
    price_ucur_per_kwh: Array  # asked and awarded
    stake_ucur: Array  # of it that lies in escrow
    ready_ucur: Array  # paid so far for holding it ready
    called_ukwh: Array  # of this call so far, less what the wires withheld
    delivered_ukwh: Array  # of this call so far
    n_under: Array  # calls of this episode that were under-delivered


@dataclass(frozen=True, slots=True)
class Response:
    """What homes drew less while a call ran, [n_envs, n_agents] int64 each."""

    baseline_ukwh: Array  # -1: not asked
    reduced_ukwh: Array  # >= 0
    pay_ucur: Array  # >= 0, received


@dataclass(frozen=True, slots=True)
class Answer:
    """What calls were worth in an interval; energy >= 0, money > 0 is paid by the agent."""

    called_ukwh: Array  # [n_envs, n_agents] int64, award x level
    delivered_ukwh: Array  # [n_envs, n_agents] int64 of it, released beside what was sold
    withheld_ukwh: Array  # [n_envs, n_agents] int64 of it, which the wires did not let through
    shortfall_ukwh: Array  # [n_envs, n_agents] int64, missing beyond the tolerance
    award_ukwh: Array  # [n_envs, n_agents] int64, held ready
    price_ucur_per_kwh: Array  # [n_envs, n_agents] int64, of the award
    pay_ucur: Array  # [n_envs, n_agents] int64, received for what was delivered
    ready_ucur: Array  # [n_envs, n_agents] int64, received for holding ready
    taken_ucur: Array  # [n_envs, n_agents] int64, given back of that, as a call ends, for what did not come
    returned_ucur: Array  # [n_envs, n_agents] int64, left of the stake as a call ends, out of escrow
    new_award_ukwh: Array  # [n_envs, n_agents] int64, held ready from the next interval on, where offers closed now
    new_price_ucur_per_kwh: Array  # [n_envs, n_agents] int64
    new_begin: Array  # [n_envs, n_agents] int64, intervals from this one to the first of that call
    new_end: Array  # [n_envs, n_agents] int64, intervals from this one to its last
    services: Services
    response: Response | None = None  # of homes, where any are enrolled


@dataclass(frozen=True, slots=True)
class Episode:
    """What a reset drew and what does not change until the next one. Indices into the bank, no copies of series."""

    seed: Array  # [n_envs] int64, number of the episode in its split
    key: Array  # [n_envs] int64, the bits of the key of all that chance brings it, ``chance.episode_keys``
    start: Array  # [n_envs] int64, first step in the bank
    params: tuple[Any, ...]  # one frozen dataclass a kind, in the order of the scenario
    import_cap_kw: Array  # [n_envs]
    export_cap_kw: Array  # [n_envs]
    end_value_cur_per_kwh: Array  # [n_envs] worth of a kWh deliverable after the end, ``outlook.end_value_of``
    rent_ucur: Array  # [n_envs, n_agents] int64, contracts of the whole episode; each row sums to zero
    price_sum_cur_per_kwh: Array  # [n_envs, n_steps + 1] running sum of the retail price
    outlook: Array  # [n_envs, n_steps + 1, n_outlook] what is known of the time ahead, ``outlook.OUTLOOK``
    cheaper: Array  # [n_envs, n_steps + 1, horizon + 1] int16, how many of the n intervals from t on are cheaper
    lottery: Array | None  # [n_envs, n_steps, n_agents] in [0, 1), where the mechanism draws
    outages: Outages | None  # where the scenario has any
    calls: Calls | None = None  # where the scenario has any
    prices_from: Array | None = None  # [n_envs] int64, added to a step where prices are looked up; none: one tariff
    months: MonthCarry | None = None  # of charges by the month before the episode; none: it begins with a month


@dataclass(frozen=True, slots=True)
class Past:
    """The last k intervals, the latest first, where agents see them; 0 before the episode began."""

    price_cur_per_kwh: Array  # [n_envs, k] local price
    net_kw: Array  # [n_envs, k] metered power of the community
    own_kw: Array  # [n_envs, n_agents, k] metered


@dataclass(frozen=True, slots=True)
class State:
    """Everything that a step needs; a value, never changed in place."""

    t: Array  # [n_envs] int64, steps since the episode began
    episode: Episode
    devices: tuple[Any, ...]  # one frozen dataclass a kind
    views: tuple[View, ...]  # the devices before the next interval, [n_envs, n_kind] each
    view: View  # the same side by side, [n_envs, n_agents]
    mean_price_cur_per_kwh: Array  # [n_envs, n_agents] retail, until departure or the end
    price_ucur_per_kwh: Array  # [n_envs] last local price (a quote where nothing traded)
    traded_frac: Array  # [n_envs] share of the last filled demand that neighbours served
    net_kw: Array  # [n_envs] last metered power of the community
    n_clipped: Array  # [n_envs] int64, action entries out of bounds since the reset
    carry: Array  # [n_envs, n_carry] int64, what the mechanism keeps from interval to interval; mostly n_carry = 0
    standing: Standing | None = None  # of the VPPs, where the scenario has calls
    past: Past | None = None  # where agents observe it
    months: MonthCarry | None = None  # of charges by the billing period, where the tariff has any


@dataclass(frozen=True, slots=True)
class Market:
    """What was ordered and what became of it."""

    orders: Orders  # columns 0..n_agents-1 firm, n_agents..2 n_agents-1 flexible
    setting: Setting
    clearing: Clearing
    netted_ukwh: Array  # [n_envs, n_agents] int64 behind the meter: > 0 load that own storage served, < 0 own surplus
    rates: Rates  # [n_envs] the tariff of the interval


@dataclass(frozen=True, slots=True)
class Flows:
    """What happened behind the meters, [n_envs, n_agents] each."""

    firm_ukwh: Array  # int64, metered load minus used PV, and must-charge of cars
    flexible_ukwh: Array  # int64, what the flexible device drew (> 0) or released
    load_kwh: Array  # served load of homes
    pv_kwh: Array  # PV used or exported
    loss_kwh: Array  # inside devices
    released_kwh: Array  # >= 0, by devices
    unserved_kwh: Array  # what a car lacked at departure
    wear_cur: Array  # never in a bill
    discomfort_cur: Array  # comfort missed; never in a bill
    upkeep_cur: Array  # fuel, starts, repairs; never in a bill
    emitted_kg: Array  # carbon of the fuel that devices burnt


@dataclass(frozen=True, slots=True)
class Money:
    """What the interval costs whom."""

    bill: Bill
    stored_value_cur: Array  # [n_envs, n_agents] worth of what was left, only at the last step
    shed_cur: Array  # [n_envs, n_agents] lost load at its value, never in a bill
    answer: Answer | None = None  # to the operator's calls, where the scenario has any


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One interval as it happened, before anybody is rewarded for it; what a reward of a user's own is made of."""

    t: Array  # [n_envs] int64
    truncated: Array  # [n_envs] bool, the episode ended with this interval
    view: View  # before it
    plan: Plan
    market: Market
    wires: Flow
    delivery: Delivery  # at the agents' meters
    devices: Flows
    money: Money
    shed_kwh: Array  # [n_envs, n_agents] must-serve draw that an outage left without supply
    carbon_kg_per_kwh: Array  # [n_envs] of the grid above


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition(Happened):
    """One interval as it happened; metrics, report and ledger read this and nothing else."""

    reward: Array  # [n_envs, n_agents]
    reward_parts: Array  # [n_envs, n_agents, n_parts] in the order of ``reward.PARTS``; they sum to the reward
