"""States: how an episode begins, and how an interval leaves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gridbazaar.agents.plan import View, join
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.units import from_micro
from gridbazaar.envs.episode.world import World
from gridbazaar.envs.interval.calls import Answers
from gridbazaar.envs.interval.carry import first_months
from gridbazaar.envs.interval.fleet import Fleet
from gridbazaar.envs.interval.now import now_of
from gridbazaar.envs.interval.rates import rates_at
from gridbazaar.envs.interval.setting import upper_ucur_per_kwh
from gridbazaar.envs.interval.worth import mean_price
from gridbazaar.envs.state import Episode, Past, Standing, State, Transition
from gridbazaar.market.mechanisms import carry_width
from gridbazaar.market.orders import mean_price_ucur_per_kwh
from gridbazaar.market.settlement.peaks import MonthCarry


class Seen(NamedTuple):
    """The devices before an interval."""

    t: Array  # [n_envs]
    views: tuple[View, ...]  # a kind each, [n_envs, n_kind]
    view: View  # side by side, [n_envs, n_agents]
    mean_price_cur_per_kwh: Array  # [n_envs, n_agents] retail, until departure or the end


def look_at(
    world: World, fleet: Fleet, answers: Answers | None, devices: tuple[Any, ...], episode: Episode, t: Array,
    standing: Standing | None,
) -> Seen:  # fmt: skip
    """Look at all devices before interval ``t`` [n_envs], which may be the one after the last."""
    views = fleet.views(devices, episode.params, now_of(world, answers, devices, episode, t, standing))
    view = join(views)
    last = namespace(view.firm_kw).minimum(t, world.scenario.n_steps - 1)
    return Seen(t, views, view, mean_price(view, episode, last, world.scenario))


def first_state(
    world: World, fleet: Fleet, answers: Answers | None, episode: Episode, to_array: Callable[[Any], Any]
) -> State:
    """Give the state in which an episode begins.

    Args:
        world, fleet, answers: of the core.
        episode: what the reset drew.
        to_array: turns NumPy arrays into those of the core's library.
    """
    n_envs = episode.start.shape[0]
    devices = tuple(kind.start(p) for kind, p in zip(world.kinds, episode.params, strict=True))
    t = to_array(np.zeros(n_envs, np.int64))
    standing = None if answers is None or episode.calls is None else answers.begin(episode.calls)
    seen = look_at(world, fleet, answers, devices, episode, t, standing)
    return State(
        t=t,
        episode=episode,
        devices=devices,
        views=seen.views,
        view=seen.view,
        mean_price_cur_per_kwh=seen.mean_price_cur_per_kwh,
        price_ucur_per_kwh=upper_ucur_per_kwh(rates_at(world, episode, t)),
        traded_frac=0.0 * episode.import_cap_kw,
        net_kw=0.0 * episode.import_cap_kw,
        n_clipped=0 * t,
        carry=to_array(np.zeros((n_envs, carry_width(world.scenario.mechanism, 2 * world.n_agents)), np.int64)),
        standing=standing,
        past=_no_past(world, n_envs, to_array),
        months=first_months(world, episode),
    )


def _no_past(world: World, n_envs: int, to_array: Callable[[Any], Any]) -> Past | None:
    k = world.scenario.observe.last
    if not k:
        return None
    none = to_array(np.zeros((n_envs, k)))
    return Past(none, none, to_array(np.zeros((n_envs, world.n_agents, k))))


def _past(past: Past, price_cur_per_kwh: Array, metered_kw: Array) -> Past:
    """The past one interval later."""
    xp = namespace(metered_kw)
    now = price_cur_per_kwh[:, None], xp.sum(metered_kw, axis=1)[:, None], metered_kw[:, :, None]
    before = past.price_cur_per_kwh[:, :-1], past.net_kw[:, :-1], past.own_kw[:, :, :-1]
    return Past(*(xp.concat((new, old), axis=-1) for new, old in zip(now, before, strict=True)))


def next_state(
    state: State, seen: Seen, devices: tuple[Any, ...], standing: Standing | None, happened: Transition,
    n_clipped: Array, step_h: float, months: MonthCarry | None = None,
) -> State:  # fmt: skip
    """Give the state after an interval.

    Args:
        state: before it.
        seen: the devices after it.
        devices: the same, as their kinds keep them.
        standing: of the VPPs after it.
        happened: the interval.
        n_clipped: [n_envs] entries of the action that were out of bounds.
        step_h: its length.
        months: what is carried of charges by the billing period.
    """
    clearing, xp = happened.market.clearing, namespace(state.t)
    filled = clearing.traded_ukwh + clearing.outside_ukwh
    bought = xp.maximum(xp.sum(xp.maximum(filled, 0), axis=1), 1)
    metered, price = happened.delivery.metered_ukwh, mean_price_ucur_per_kwh(clearing)
    net_ukwh = xp.sum(metered, axis=1)
    return State(
        t=seen.t,
        episode=state.episode,
        devices=devices,
        views=seen.views,
        view=seen.view,
        mean_price_cur_per_kwh=seen.mean_price_cur_per_kwh,
        price_ucur_per_kwh=price,
        traded_frac=from_micro(xp.sum(xp.maximum(clearing.traded_ukwh, 0), axis=1)) / from_micro(bought),
        net_kw=from_micro(net_ukwh) / step_h,
        n_clipped=state.n_clipped + n_clipped,
        carry=state.carry if clearing.carry is None else clearing.carry,
        standing=standing,
        past=None if state.past is None else _past(state.past, from_micro(price), from_micro(metered) / step_h),
        months=months,
    )
