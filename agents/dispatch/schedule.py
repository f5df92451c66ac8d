"""Schedule: the cheapest way to use the storage of a copper-plate community, by linear programming (HiGHS).

Its objective is a lower bound on what any policy can reach in the episode that it is given: devices of a VPP are
pooled, the charger's least power and the wires are left out, and so are an engine's least load, its starts and its
times of running and standing. What a car lacks costs what the score counts for it, and no more. Where energy is worth
less than nothing, or a meter earns more for a kWh than it pays, whole numbers say that a device charges or releases,
and that a meter draws or sends; then the bound is the solver's dual one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.dispatch.epigraph import add_peaks
from gridbazaar.agents.dispatch.excess import Meters, add_excess
from gridbazaar.agents.dispatch.rows import Rows
from gridbazaar.agents.policy import Foresight
from gridbazaar.data.arrays import Array


@dataclass(frozen=True, slots=True)
class Schedule:
    """The optimum of each environment."""

    power_kw: NDArray[np.float64]  # [n_envs, n_agents, n_steps] of the flexible device, > 0 draws
    room_kwh: NDArray[np.float64]  # [n_envs, n_agents, n_steps] that is left in it at the end of each
    cost_cur: NDArray[np.float64]
    """[n_envs] bills without standing charges + wear + upkeep + what is lacking - value of what is left, at least"""


def solve_optimum(episode: Foresight, step_h: float, *, is_exact: bool = True) -> Schedule:
    """Find the cheapest schedule of each environment.

    Args:
        episode: what lies ahead.
        step_h: length of an interval.
        is_exact: False leaves the whole numbers out: soon solved, but no bound, as energy worth less than nothing may
            be burnt by charging and releasing at once.

    The community pays the retailer's price at the upper edge for what it draws within the cap and the scarcity price
    beyond, earns the export price, and bears the local charge on every kWh that an agent draws. Where the export price
    is above that edge neighbours do not trade, and every meter pays and earns by itself.

    Raises:
        NoBoundError: there was no time to find a bound.
    """
    n_envs = episode.firm_kw.shape[0]
    solved = [_solve_row(episode, e, step_h, is_exact) for e in range(n_envs)]
    cost_cur = np.array([s[1] for s in solved])
    if episode.upkeep_cur is not None:
        cost_cur = cost_cur + episode.upkeep_cur.sum(1)
    return Schedule(np.stack([s[0] for s in solved]), np.stack([s[2] for s in solved]), cost_cur)


def _solve_row(
    episode: Foresight, e: int, step_h: float, is_exact: bool
) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
    n_agents, n_steps = episode.firm_kw.shape[1:]
    program, firm_kw = Rows(is_exact=is_exact), episode.firm_kw[e]
    least_cur = _least_price(episode, e)
    stored = _storage(episode, e, program, step_h, least_cur)
    _limits(episode, e, program, stored)
    chosen, charge, release, energy = stored
    sources, hold, engine = _sources(episode, e, program, step_h)
    draw, send = _meters(episode, e, program, step_h)

    has = np.zeros(n_agents, bool)
    has[chosen] = True
    has[sources] = True
    home = _at_home(episode, e, program)

    def meters(of: NDArray[Any]) -> list[tuple[Array, float]]:
        behind = [] if home is None else [(home[of], 1.0)]
        return [(draw[of], 1.0), (send[of], -1.0), *behind]

    program.equal([*meters(chosen), (charge, -1.0), (release, 1.0)], firm_kw[chosen])
    if len(sources):
        program.equal([*meters(sources), (hold, -1.0), (engine, 1.0)], firm_kw[sources])
    if (~has).any():
        program.equal(meters(~has), firm_kw[~has])
    phantom = _phantom(episode, e, program, step_h, least_cur, stored, (sources, engine))
    _connection(episode, e, program, step_h, least_cur, draw, send, phantom)
    _peaks(program, episode, e, draw, step_h)
    whose = np.arange(n_agents) if episode.lead is None else np.unique(episode.lead[e])
    may_trade = episode.export_cur_per_kwh[e] <= episode.upper_cur_per_kwh[e]
    # Who sold what it had not buys it, and may be better off by that where it fed in too much this month.
    beyond = 0.0 if episode.is_delivered else np.inf
    most_kw = (_of_customers(kw, episode, e)[whose] + beyond for kw in _most_kw(episode, e))
    add_excess(program, episode.excess, e, Meters(draw[whose], send[whose], *most_kw), whose, may_trade, step_h)
    x, cost = program.solve()
    power_kw, room_kwh = np.zeros((2, n_agents, n_steps))
    power_kw[chosen] = x[charge] - x[release]
    room_kwh[chosen] = episode.ceiling_kwh[e][chosen] - x[energy]
    if len(sources):
        power_kw[sources] = x[hold] - x[engine]
    return power_kw, cost, room_kwh


def _most_kw(episode: Foresight, e: int) -> tuple[Array, Array]:
    """[n_agents, n_steps] what each meter may draw and send at most."""
    firm_kw, is_plugged = episode.firm_kw[e], episode.is_plugged[e]
    draw_kw = np.maximum(firm_kw, 0.0) + episode.charge_kw[e] * is_plugged
    send_kw = np.maximum(-firm_kw, 0.0) + episode.discharge_kw[e][:, None] * is_plugged
    if episode.engine_kw is not None:
        send_kw = send_kw + episode.engine_kw[e][:, None]
    return draw_kw, send_kw


def _least_price(episode: Foresight, e: int) -> Array:
    """[n_steps] the least that a kWh more of drawing may cost the community; scarcity where the export cap may bind."""
    upper, export = episode.upper_cur_per_kwh[e], episode.export_cur_per_kwh[e]
    _, send_kw = _most_kw(episode, e)
    may_spill = send_kw.sum(0) > episode.export_cap_kw[e]
    return np.minimum(upper, export - episode.scarcity_cur_per_kwh * may_spill)


def _of_customers(kw: Array, episode: Foresight, e: int) -> Array:
    """Sum [n_agents, n_steps] over the agents of each customer, in the row of the first."""
    if episode.lead is None:
        return kw
    summed = np.zeros_like(kw)
    np.add.at(summed, episode.lead[e], kw)
    return summed


def _meters(episode: Foresight, e: int, program: Rows, step_h: float) -> tuple[Array, Array]:
    """Add what meters draw and send, [n_agents, n_steps]; where sending earns more than drawing costs, never both.

    The meter of a customer is that of its first agent.
    """
    upper, export = episode.upper_cur_per_kwh[e], episode.export_cur_per_kwh[e]
    local, alone = episode.local_charge_cur_per_kwh[e], export > upper
    pays_to_do_both = export > upper + local
    draw_kw, send_kw = (_of_customers(x, episode, e) for x in _most_kw(episode, e))
    most_draw_kw, most_send_kw = (np.where(pays_to_do_both, x, np.inf) for x in (draw_kw, send_kw))
    if episode.lead is not None:
        is_meter = episode.lead[e][:, None] == np.arange(len(draw_kw))[:, None]
        most_draw_kw, most_send_kw = (np.where(is_meter, x, 0.0) for x in (most_draw_kw, most_send_kw))
    draw = program.columns(step_h * (local + upper * alone), 0.0, most_draw_kw)
    send = program.columns(-step_h * export * alone, 0.0, most_send_kw)
    may = pays_to_do_both & (draw_kw > 0) & (send_kw > 0)
    program.either(draw[may], draw_kw[may], send[may], send_kw[may])
    return draw, send


def _peaks(program: Rows, episode: Foresight, e: int, draw: Array, step_h: float) -> None:
    """Charge meters for their peaks; a customer has one meter, that of its first agent."""
    most_kw, peaks = _of_customers(_most_kw(episode, e)[0], episode, e).max(axis=1), episode.peaks
    if episode.lead is not None:
        meters = np.flatnonzero(episode.lead[e] == np.arange(len(most_kw)))
        draw, most_kw, peaks = draw[meters], most_kw[meters], tuple(peak.of(meters) for peak in peaks)
    add_peaks(program, peaks, e, draw, most_kw, step_h)


def _at_home(episode: Foresight, e: int, program: Rows) -> NDArray[np.int64] | None:
    """Add what agents get behind the meter of their customer, [n_agents, n_steps], free and of either sign."""
    if episode.lead is None:
        return None
    lead, n_steps = episode.lead[e], episode.firm_kw.shape[2]
    families = [np.flatnonzero(lead == first) for first in np.unique(lead)]
    most = np.zeros((len(lead), 1))
    for family in families:
        most[family] = np.inf if len(family) > 1 else 0.0
    most = most + np.zeros((1, n_steps))
    home = program.columns(0.0 * np.isinf(most), -most, most)
    for family in families:
        if len(family) > 1:
            program.equal([(home[agent], 1.0) for agent in family], np.zeros(n_steps))
    return home


def _phantom(
    episode: Foresight, e: int, program: Rows, step_h: float, least_cur: Array, stored: _Stored,
    sources: tuple[Array, Array],
) -> list[Array]:  # fmt: skip
    """Add sales of devices that wires withhold: made good at the price of the sale, no less than the least one.

    Wires withhold only where they carry as much as they can: at most a ratio of what a device does release (inf: any),
    and with it no more than its rating.
    """
    ratio, found = episode.withheld_ratio[e], []
    engine_kw = np.zeros(len(ratio)) if episode.engine_kw is None else episode.engine_kw[e]
    for whose, release, rated_kw in (
        (stored.chosen, stored.release, episode.discharge_kw[e][stored.chosen]),
        (sources[0], sources[1], engine_kw[sources[0]]),
    ):
        if not len(whose):
            continue
        rows, t = np.nonzero(ratio[whose] > 0)
        if not len(rows):
            continue
        cost = np.zeros(release.shape) + step_h * least_cur
        withheld = program.columns(cost, 0.0, (ratio[whose] > 0) * rated_kw[:, None])
        rest = program.columns(np.zeros(len(rows)), 0.0, np.inf)
        program.equal([(withheld[rows, t], 1.0), (release[rows, t], 1.0), (rest, 1.0)], rated_kw[rows])
        rows, t = np.nonzero((ratio[whose] > 0) & np.isfinite(ratio[whose]))
        spare, most = program.columns(np.zeros(len(rows)), 0.0, np.inf), ratio[whose][rows, t]
        program.equal([(withheld[rows, t], 1.0), (release[rows, t], -most), (spare, 1.0)], np.zeros(len(rows)))
        found.append(withheld)
    return found


def _connection(
    episode: Foresight, e: int, program: Rows, step_h: float, least_cur: Array, draw: Array, send: Array,
    phantom: list[Array],
) -> None:  # fmt: skip
    """Balance the meters with the retailer, with what is made good, and with sun and wind that stay unused.

    What is withheld of sun and wind matters only where the least price is below zero: else they are lost for nothing.
    """
    upper, export = episode.upper_cur_per_kwh[e], episode.export_cur_per_kwh[e]
    upper, export = (np.where(export > upper, 0.0, x) for x in (upper, export))  # there every meter pays by itself
    scarcity = episode.scarcity_cur_per_kwh
    buy = program.columns(step_h * upper, 0.0, episode.import_cap_kw[e])
    over = program.columns(step_h * (upper + scarcity), 0.0, np.inf)
    sell = program.columns(-step_h * export, 0.0, episode.export_cap_kw[e])
    spill = program.columns(-step_h * (export - scarcity), 0.0, np.inf)
    made_good = program.columns(step_h * least_cur, 0.0, episode.made_good_kw[e] * (least_cur < 0))
    lost = program.columns(0.0 * upper, 0.0, episode.lost_kw[e])
    program.equal(
        [
            (buy, 1.0), (over, 1.0), (sell, -1.0), (spill, -1.0), (made_good, 1.0), (lost, -1.0),
            (draw, -1.0), (send, 1.0), *((index, 1.0) for index in phantom),
        ],
        np.zeros(len(upper)),
    )  # fmt: skip


class _Stored(NamedTuple):
    """Who has storage, and the variables of it, [n, n_steps]."""

    chosen: NDArray[np.int64]  # [n] which agents
    charge: NDArray[np.int64]  # kW at the meter
    release: NDArray[np.int64]
    energy: NDArray[np.int64]  # kWh at the end of the step


def _storage(episode: Foresight, e: int, program: Rows, step_h: float, least_cur: Array) -> _Stored:
    """Add what is charged, released and stored, one device of an agent after another.

    Charging and releasing at once loses energy: it pays where a kWh may cost less than the wear of a round trip over
    its losses, with the sign turned. There a switch says which of the two a device does. What converters lose beyond
    their best is worth something only where a kWh costs less than nothing.
    """
    chosen = np.flatnonzero(episode.is_plugged[e].any(axis=1))
    t = np.arange(episode.firm_kw.shape[2])

    def of(x: Array) -> Array:
        return x[e][chosen] if x.ndim == 3 else x[e][chosen, None]

    is_kept, brings_kwh = of(episode.is_kept), of(episode.brings_kwh)
    charge_kw = of(episode.charge_kw) * of(episode.is_plugged)
    discharge_kw = of(episode.discharge_kw) * of(episode.is_plugged)
    charge = program.columns(0.0, 0.0, charge_kw)
    wear_cur = step_h * of(episode.wear_cur_per_kwh)
    release = program.columns(wear_cur, 0.0, discharge_kw)
    round_trip = of(episode.eta_ch) * of(episode.eta_dis)
    pays = least_cur * (1 - round_trip) < -of(episode.wear_cur_per_kwh) * round_trip
    pays = pays & (charge_kw > 0) & (discharge_kw > 0)
    program.either(charge[pays], charge_kw[pays], release[pays], discharge_kw[pays])
    worth = np.where((t == t[-1]) & of(episode.is_stationary), -episode.end_value_cur_per_kwh[e], 0.0)
    kept, hours = _decay(of(episode.loss_per_h), step_h)
    # What leaks below the floor need not be charged again.
    floor = of(episode.floor_kwh) * kept ** (t + 1)
    may_lack = np.isfinite(of(episode.lack_cur_per_kwh))
    floor = np.where(may_lack, floor, np.maximum(floor, of(episode.required_kwh)))
    energy = program.columns(worth * of(episode.eta_dis), floor, of(episode.ceiling_kwh))
    terms = [
        (energy, np.ones(energy.shape)),
        (_before(energy), -kept * is_kept),
        (charge, -of(episode.eta_ch) * hours + np.zeros(energy.shape)),
        (release, hours / of(episode.eta_dis) + np.zeros(energy.shape)),
    ]
    waste_kw = of(episode.waste_kw) * of(episode.is_plugged) * (least_cur < 0)
    if (waste_kw > 0).any():
        waste = program.columns(np.zeros(waste_kw.shape), 0.0, waste_kw)
        terms.append((waste, hours + np.zeros(energy.shape)))
    comes_back = is_kept & (brings_kwh < 0)
    if comes_back.any():
        public = program.columns(of(episode.public_cur_per_kwh), 0.0, np.where(comes_back, np.inf, 0.0))
        terms.append((public, -np.ones(energy.shape)))
    program.equal(terms, kept * brings_kwh)
    return _Stored(chosen, charge, release, energy)


def _before(energy: NDArray[np.int64]) -> NDArray[np.int64]:
    """The variables of the step before; for the first step its own, which must not count."""
    return np.concatenate([energy[:, :1], energy[:, :-1]], axis=1)


def _limits(episode: Foresight, e: int, program: Rows, stored: _Stored) -> None:
    """Add tapers, what devices lack when they leave, and the limit of those that share one."""
    chosen, charge, release, energy = stored
    required_kwh, site_kw = episode.required_kwh[e][chosen], episode.site_kw[e][chosen]
    lack_cur, brings_kwh = episode.lack_cur_per_kwh[e][chosen], episode.brings_kwh[e][chosen]
    tapers = (episode.unfilled[e] > 0)[chosen] & episode.is_plugged[e][chosen]
    # Where a car comes back into the step, what it has is a variable of its own: no taper in that step.
    rows, t = np.nonzero(tapers & ~(episode.is_kept[e][chosen] & (brings_kwh < 0)))
    if len(rows):
        left = episode.unfilled[e][chosen][rows, t]
        spare = program.columns(np.zeros(len(rows)), 0.0, np.inf)
        began = (_before(energy)[rows, t], -left * episode.is_kept[e][chosen][rows, t])
        full_kwh = episode.ceiling_kwh[e][chosen][rows, t]
        program.equal([(energy[rows, t], 1.0), began, (spare, 1.0)], (1 - left) * full_kwh + left * brings_kwh[rows, t])
    rows, t = np.nonzero((required_kwh > 0) & np.isfinite(lack_cur)[:, None])
    if len(rows):
        lack, beyond = (program.columns(cost, 0.0, np.inf) for cost in (lack_cur[rows], np.zeros(len(rows))))
        program.equal([(energy[rows, t], 1.0), (lack, 1.0), (beyond, -1.0)], required_kwh[rows, t])
    shares = np.isfinite(site_kw)
    if shares.any():
        unused = program.columns(np.zeros(energy.shape[1]), 0.0, np.inf)
        limit_kw = np.full(energy.shape[1], site_kw[shares].min())
        program.equal([(charge[shares], 1.0), (release[shares], -1.0), (unused, 1.0)], limit_kw)


def _sources(episode: Foresight, e: int, program: Rows, step_h: float) -> tuple[Array, Array, Array]:
    """Add what turbines hold back and what engines make; give whose, and the variables of both, [n, n_steps].

    An engine may run at any part of its rating, without starts and times: no real one makes a kWh for less.
    """
    n_agents, n_steps = episode.firm_kw.shape[1:]
    none = np.zeros(n_agents)
    hold_kw = np.zeros((n_agents, n_steps)) if episode.hold_kw is None else episode.hold_kw[e]
    engine_kw = none if episode.engine_kw is None else episode.engine_kw[e]
    fuel_cur = none if episode.engine_cur_per_kwh is None else episode.engine_cur_per_kwh[e]
    sources = np.flatnonzero((hold_kw > 0).any(axis=1) | (engine_kw > 0))
    if not len(sources):
        return sources, none, none
    hold = program.columns(0.0, 0.0, hold_kw[sources])
    engine = program.columns(step_h * fuel_cur[sources, None], 0.0, engine_kw[sources, None] + np.zeros(hold.shape))
    return sources, hold, engine


def _decay(loss_per_h: Array, step_h: float) -> tuple[Array, Array]:
    rate = -np.log1p(-loss_per_h)
    kept = np.exp(-rate * step_h)
    return kept, np.where(rate > 0, (1 - kept) / np.maximum(rate, 1e-300), step_h)
