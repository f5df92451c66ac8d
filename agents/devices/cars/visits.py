"""Visits of cars at chargers: what an episode draws of the bank's sessions, in whole steps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.devices.cars.charging import needed_before_kwh
from gridbazaar.agents.kind import Draw
from gridbazaar.agents.program import Stays
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bank import Sessions
from gridbazaar.data.calendar import Calendar
from gridbazaar.data.trees import each

_MOST_OF_TARGET = 0.95  # of the energy wanted at departure, that may lack on arrival
_SAME_STEP = 1e-9


@dataclass(frozen=True, slots=True)
class Visits:
    """The cars of each charger one after another; [n_envs, n_kind, n_visits], unused ones last.

    Steps count from the beginning of the episode; unused visits come and leave at its end, and so does who stays on.
    """

    arrive: Array  # int64, first step plugged in
    depart: Array  # int64, first step away again, as it will be
    announced: Array  # int64, the same as the driver says on arrival; > arrive
    capacity_kwh: Array
    charge_kw: Array  # what charger and car both allow
    arrival_kwh: Array  # stored on arrival, of a car that is another one than before
    required_kwh: Array  # wanted at departure
    trip_kwh: Array  # used since the visit before, by a car that comes back
    is_same_car: Array  # bool, the car of the visit before is back

    @property
    def n(self) -> int:
        return int(self.arrive.shape[2])


class Car(NamedTuple):
    """The car that is plugged in or comes next, [n_envs, n_kind] each; see ``Visits``."""

    arrive: Array
    depart: Array
    announced: Array
    capacity_kwh: Array
    charge_kw: Array
    required_kwh: Array


def _of(values: Array, visit: Array | None) -> Array:
    if visit is None:
        return values[:, :, 0]
    return namespace(visit).take_along_axis(values, visit[:, :, None], 2)[:, :, 0]


def car_of(visits: Visits, visit: Array | None) -> Car:
    """Give the car of each charger's visit, [n_envs, n_kind]; none: there is but one."""
    return Car(*(_of(getattr(visits, field), visit) for field in Car._fields))


class Driven(NamedTuple):
    """After some cars have left, [n_envs, n_kind] each."""

    energy_kwh: Array  # of the car that is plugged in or comes next
    visit: Array  # int64, which one that is
    goes: Array  # bool, it is another visit than before
    public_kwh: Array  # charged on the way


def drive(visits: Visits, visit: Array, energy_kwh: Array, leaves: Array, floor_frac: float) -> Driven:
    """Go on to the next visit where a car leaves.

    Args:
        visits: of the episode.
        visit: [n_envs, n_kind] int64, which one it was.
        energy_kwh: [n_envs, n_kind] with which the cars leave.
        leaves: [n_envs, n_kind] bool.
        floor_frac: a trip that would end below this state of charge charges on its way.

    A car that comes back has used energy on its trip; another one brings its own.
    """
    xp = namespace(energy_kwh)
    following = xp.minimum(visit + 1, visits.n - 1)
    goes = leaves & (following > visit) & (_of(visits.depart, following) > _of(visits.arrive, following))
    comes_back = goes & _of(visits.is_same_car, following)
    on_return_kwh = energy_kwh - _of(visits.trip_kwh, following)
    least_kwh = floor_frac * _of(visits.capacity_kwh, following)
    public_kwh = xp.where(comes_back, xp.maximum(least_kwh - on_return_kwh, 0.0), 0.0)
    brought_kwh = xp.where(comes_back, on_return_kwh + public_kwh, _of(visits.arrival_kwh, following))
    return Driven(xp.where(goes, brought_kwh, energy_kwh), xp.where(goes, following, visit), goes, public_kwh)


def stays_of(visits: Visits, config: Any, n_steps: int, step_h: float) -> Stays:
    """Spread the visits over the steps of the episode, with bounds that no car can leave.

    Args:
        visits: of the episode.
        config: of kind ``ev``.
        n_steps: of the episode.
        step_h: length of a step.

    Full power ends no higher than on the tangent of its taper at the full battery. A car that comes back may have
    less than the floor of V2G, but no less than its trip leaves it.
    """
    t = np.arange(n_steps)
    used = visits.depart > visits.arrive
    over = (used[..., None] & (visits.depart[..., None] <= t)).sum(axis=2)
    visit = np.minimum(over, np.maximum(used.sum(axis=2, keepdims=True) - 1, 0))

    def at(x: Array) -> Array:
        return np.take_along_axis(x, visit, 2)

    is_new = np.diff(visit, axis=2, prepend=-1) > 0
    is_back = is_new & (t > 0) & at(visits.is_same_car)
    capacity_kwh, arrival_kwh = at(visits.capacity_kwh), at(visits.arrival_kwh)
    least_kwh = np.where(at(visits.is_same_car) & (visit > 0), config.trip_floor_frac * capacity_kwh, arrival_kwh)
    plugged = (t >= at(visits.arrive)) & (t < at(visits.depart))
    charge_kw, unfilled = at(visits.charge_kw), np.zeros(visit.shape)
    if config.taper_frac < 1:
        unfilled = np.exp(-charge_kw * config.eta_ch * step_h / capacity_kwh / (1 - config.taper_frac))
    is_sure = config.guarantee and config.site_kw is None and bool((visits.depart == visits.announced).all())
    return Stays(
        is_plugged=plugged,
        charge_kw=charge_kw,
        floor_kwh=np.minimum(config.v2g_floor_frac * capacity_kwh, least_kwh),
        ceiling_kwh=capacity_kwh,
        is_kept=~is_new | is_back,
        brings_kwh=np.where(is_back, -at(visits.trip_kwh), np.where(is_new, arrival_kwh, 0.0)),
        required_kwh=np.where(plugged & (t + 1 == at(visits.depart)), at(visits.required_kwh), 0.0),
        unfilled=unfilled,
        public_cur_per_kwh=config.public_cur_per_kwh,
        may_lack=not is_sure,
        site_kw=config.site_kw,
    )


@lru_cache(maxsize=32)
def _most(sessions: Sessions, hours: float, start_h: float, calendar: Calendar) -> int:
    first_h = calendar.step_of(np.arange(calendar.n_days), start_h).astype(np.float64) * (calendar.step_min / 60)
    return max(sessions.most_within(hours, first_h), 1)


def chargers_of(config: Any, draw: Draw) -> NDArray[np.int64]:
    """[n_envs, n_kind] whose sessions each agent has, by the number in the bank; of kind ``ev``."""
    n_chargers = draw.bank.sessions.present.shape[0]
    first = (draw.unit("ev.car", 1) * n_chargers).astype(np.int64)
    return draw.kept("car", (first + np.arange(config.count)) % n_chargers)


def charged_on_arrival_kw(
    sessions: Sessions, charger: int, charge_kw: float, eta_ch: float, steps: NDArray[np.int64], step_h: float
) -> NDArray[np.float64]:
    """[n] mean power in steps [n] of the bank, side by side, of cars that charge at full power from when they come.

    They stop when they have what they lacked, or leave.
    """
    used = sessions.present[charger]
    come_h, leave_h, need_kwh = (x[charger][used] for x in (sessions.arrive_h, sessions.depart_h, sessions.need_kwh))
    full_h = np.minimum(need_kwh / (eta_ch * charge_kw), leave_h - come_h)
    times_h = np.stack([come_h, come_h + full_h], axis=1).ravel()
    charged_h = np.stack([np.cumsum(full_h) - full_h, np.cumsum(full_h)], axis=1).ravel()
    edges_h = np.append(steps, steps[-1] + 1) * step_h
    kw: NDArray[np.float64] = np.diff(np.interp(edges_h, times_h, charged_h)) * (charge_kw / step_h)
    return kw


def draw_visits(config: Any, draw: Draw) -> Visits:
    """Draw the visits of an episode.

    Args:
        config: of kind ``ev``.
        draw: of the episode.

    A visit that the episode cuts lacks its share of the energy. No visit lacks more than the charger could give until
    the announced departure, one step in reserve.
    """
    sessions, n, step_h = draw.bank.sessions, config.count, draw.step_h
    hours = draw.n_steps * step_h
    k = _most(sessions, hours, draw.start_h, draw.bank.calendar)
    n_slots = sessions.present.shape[1]
    charger = chargers_of(config, draw)
    begin_h = (draw.start * step_h)[:, None]
    slot = sessions.first_after(begin_h, charger)[:, :, None] + np.arange(k)
    is_there, slot = slot < n_slots, np.minimum(slot, n_slots - 1)
    at = (charger[:, :, None], slot)
    begin_h = begin_h[:, :, None]
    come_h, leave_h, say_h = _spread(config, draw, n, k, *(x[at] for x in _times(sessions)))
    arrive = np.maximum(np.ceil((come_h - begin_h) / step_h - _SAME_STEP).astype(np.int64), 0)
    depart = np.floor((leave_h - begin_h) / step_h + _SAME_STEP).astype(np.int64)
    depart = np.minimum(depart, draw.n_steps)
    is_there &= sessions.present[at] & (depart > arrive)
    announced = np.floor((say_h - begin_h) / step_h + _SAME_STEP).astype(np.int64)
    announced = np.minimum(np.maximum(announced, arrive + 1), draw.n_steps)
    arrive, depart, announced = (np.where(is_there, x, draw.n_steps) for x in (arrive, depart, announced))

    is_same = sessions.is_same_car[at] & is_there
    capacity_kwh = _kept(draw, "car_kwh", _of_car(draw, "ev.capacity_kwh", n, config.capacity_kwh, is_same))
    charge_kw = np.full(capacity_kwh.shape, config.charge_kw)
    limit_kw = charge_kw
    if config.onboard_kw is not None:
        limit_kw = _of_car(draw, "ev.onboard_kw", n, config.onboard_kw, is_same)
    charge_kw = np.minimum(charge_kw, _kept(draw, "car_kw", limit_kw))
    required_kwh = config.target_frac * capacity_kwh
    inside = _inside(come_h, leave_h, begin_h, begin_h + hours)
    steps = np.maximum(announced - arrive - 1, 0)
    most_kwh = _most_kwh(config, required_kwh, capacity_kwh, charge_kw, steps, step_h)
    need_kwh = np.minimum(np.minimum(sessions.need_kwh[at] * inside, most_kwh), _MOST_OF_TARGET * required_kwh)
    trip_kwh = np.where(is_there, np.minimum(sessions.trip_kwh[at], most_kwh), 0.0)
    found = Visits(
        arrive=arrive,
        depart=depart,
        announced=announced,
        capacity_kwh=capacity_kwh,
        charge_kw=charge_kw,
        arrival_kwh=required_kwh - np.where(is_there, need_kwh, 0.0),
        required_kwh=required_kwh,
        trip_kwh=trip_kwh,
        is_same_car=is_same,
    )
    return found if k == 1 else _used_first(found, is_there)


def _times(sessions: Sessions) -> tuple[Array, Array, Array]:
    return sessions.arrive_h, sessions.depart_h, sessions.announced_h


def _spread(
    config: Any, draw: Draw, n: int, k: int, come_h: Array, leave_h: Array, say_h: Array
) -> tuple[Array, Array, Array]:
    """Let cars come late, say another hour than they mean, and leave early: hours, [n_envs, n_kind, n_visits]."""
    from scipy.special import ndtri

    def unit(stream: str) -> Array:
        return draw.unit(stream, n * k).reshape(-1, n, k)

    if config.late_sd_h:
        # A car does not come before the one before it has left, and stays for a step at least.
        before_h = np.concatenate([np.full_like(leave_h[..., :1], -np.inf), leave_h[..., :-1]], axis=2)
        moved_h = come_h + config.late_sd_h * ndtri(np.maximum(unit("ev.late"), 1e-12))
        come_h = np.maximum(np.minimum(moved_h, leave_h - draw.step_h), np.minimum(before_h, come_h))
    if config.announced_sd_h:
        say_h = say_h + config.announced_sd_h * ndtri(np.maximum(unit("ev.announced"), 1e-12))
    if config.early_share:
        is_early = unit("ev.early") < config.early_share
        early_h = config.early_h * unit("ev.early_h")
        leave_h = np.where(is_early, np.maximum(leave_h - early_h, np.minimum(come_h + draw.step_h, leave_h)), leave_h)
    return come_h, leave_h, say_h


def _of_car(draw: Draw, stream: str, n: int, limits: tuple[float, float], is_same: Array) -> Array:
    """[n_envs, n_kind, n_visits] a number drawn for each car, kept as long as the same car comes back."""
    k = is_same.shape[2]
    drawn = draw.within(stream, n, limits)[:, :, None]
    if k == 1:
        return drawn
    later = draw.within(f"{stream}.later", n * (k - 1), limits).reshape(-1, n, k - 1)
    whose = np.maximum.accumulate(np.where(is_same & (np.arange(k) > 0), 0, np.arange(k)), axis=2)
    return np.take_along_axis(np.concatenate([drawn, later], axis=2), whose, 2)


def _kept(draw: Draw, column: str, values: Array) -> Array:
    """[n_envs, n_kind, n_visits] with the one car that an agent has in all episodes, where it has one."""
    first = draw.kept(column, values[:, :, 0])[:, :, None]
    said = draw.said.get(column)
    return values if said is None else np.where(np.isnan(said)[:, None], values, first)


def _inside(come_h: Array, leave_h: Array, begin_h: Array, end_h: Array) -> Array:
    """Share of the stays that lies in the episode; exactly 1 where it cuts nothing."""
    is_cut = (come_h < begin_h - _SAME_STEP) | (leave_h > end_h + _SAME_STEP)
    stay_h = np.minimum(leave_h, end_h) - np.maximum(come_h, begin_h)
    share = np.clip(stay_h / np.maximum(leave_h - come_h, _SAME_STEP), 0.0, 1.0)
    return np.where(is_cut, share, 1.0)


def _most_kwh(
    config: Any, required_kwh: Array, capacity_kwh: Array, charge_kw: Array, steps: Array, step_h: float
) -> Array:
    """What full power stores in so many steps until the required energy is reached."""
    if config.taper_frac == 1:
        return charge_kw * config.eta_ch * step_h * steps
    least = needed_before_kwh(required_kwh, capacity_kwh, charge_kw * config.eta_ch, steps * step_h, config.taper_frac)
    return required_kwh - np.maximum(least, 0.0)


def _used_first(visits: Visits, is_there: Array) -> Visits:
    order = np.argsort(~is_there, axis=2, kind="stable")
    return each(visits, lambda x: np.take_along_axis(x, order, 2))
