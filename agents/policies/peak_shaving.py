"""Peak shaving: keep each meter's draw below the peak that is paid for already; what has room is left to another rule.

Under a charge on power each agent has a level: the power up to which an interval costs nothing more this month, raised
as little as the day ahead asks for: so that a battery lasts through the hours in which its home draws more, or a car
has what it needs when it leaves. Storage then charges below the level early enough, releases what the home draws above
it, and does all else as the rule says (``opportunity_cost``). Forecasts err, so near the level it keeps a distance that
grows with the load expected. Without a charge on power it is that rule.

Devices of one customer share its one level: cars have what its homes leave, by their power, then batteries see to what
is left, by theirs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gridbazaar.agents.kind import encode
from gridbazaar.agents.netting import at_meters
from gridbazaar.agents.peaks import MonthPeak, margin_kw
from gridbazaar.agents.plan import View
from gridbazaar.agents.policies import load_rule
from gridbazaar.agents.policy import Community, Foresight, Observation
from gridbazaar.data.arrays import Array

_LEVELS = 16
"""By how many steps a level may be raised to that at which nothing has to be shaved."""


class _Room(NamedTuple):
    """Bounds of what flexible devices do now, [n_envs, n_agents] kW."""

    low_kw: Array
    high_kw: Array


class _Meter(NamedTuple):
    """What an agent has to itself of its customer's meter, [n_envs, n_agents, horizon] kW."""

    net_kw: Array  # what is drawn there without its device
    level_kw: Array  # up to which power costs nothing more


class Policy:
    """Args: ``rule``: what decides below the level; ``margin``: distance over the load or surplus expected."""

    needs_forecasts = True
    needs_foresight = False

    def __init__(self, rule: str = "opportunity_cost", margin: float = 1.5) -> None:
        if margin < 0:
            raise ValueError(f"peak_shaving: expected margin >= 0, got {margin}")
        self.rule, self.margin = rule, margin

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        rest = load_rule(self.rule)
        return rest, rest.start(community, rng), community.lead

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        rest, of_rest, lead = memory
        action, of_rest = rest.act(observation, of_rest)
        view, ahead = observation.view, observation.forecasts
        assert ahead is not None
        if not ahead.peaks:
            return action, (rest, of_rest, lead)
        level_kw = level_of(ahead.peaks, ahead.net_kw.shape)
        is_stock = view.is_stationary & (view.capacity_kwh > 0)
        net_kw = np.where(ahead.inside[:, None], ahead.net_kw, 0.0)
        power = action[..., 0]
        wish_kw = np.where(power >= 0, power * view.high_kw, -power * view.low_kw)
        is_car, meter = view.is_active & ~is_stock, _Meter(net_kw, level_kw)
        of_cars, of_stock = meter, meter
        if lead:
            others = meter._replace(net_kw=np.where(is_car[..., None], 0.0, net_kw))
            of_cars = _left(_part(others, np.where(is_car, view.power_kw, 0.0), lead), self.margin)
        cars, cars_kw = _cars(view, of_cars.level_kw, ahead.step_h)
        kept_kw = _within(wish_kw, cars, view)
        if lead:
            cars_kw[..., 0] = kept_kw + view.firm_kw
            all_of = meter._replace(net_kw=np.where(is_car[..., None], cars_kw, net_kw))
            of_stock = _part(all_of, np.where(is_stock, view.power_kw, 0.0), lead)
        stock = _stock(view, of_stock, ahead.step_h, self.margin)
        kept_kw = np.where(is_stock, _within(wish_kw, stock, view), kept_kw)
        is_forced = (np.abs(kept_kw) > np.abs(wish_kw) + 1e-9) | (kept_kw * wish_kw < 0)
        found = encode(kept_kw, np.where(is_forced, 1.0, action[..., 1]), view)
        action = action.copy()
        changed = (is_stock | view.is_active) & (np.abs(kept_kw - wish_kw) > 1e-9)
        action[..., :2] = np.where(changed[..., None], found, action[..., :2])
        return action, (rest, of_rest, lead)


def level_of(peaks: tuple[MonthPeak, ...], shape: tuple[int, ...]) -> Array:
    """[n_envs, n_agents, horizon] power up to which a step costs nothing more; inf where power does not count."""
    level_kw = np.full(shape, np.inf)
    for peak in peaks:
        level_kw = np.where(peak.counts[:, None], np.minimum(level_kw, peak.free_kw[..., None]), level_kw)
    return level_kw


def _within(wish_kw: Array, room: _Room, view: View) -> Array:
    """Keep a wish within a room as far as the device can."""
    kept_kw = np.minimum(np.maximum(wish_kw, room.low_kw), np.maximum(room.high_kw, view.low_kw))
    kept: Array = np.clip(kept_kw, view.low_kw, view.high_kw)
    return kept


def _part(meter: _Meter, weight: Array, lead: tuple[int, ...]) -> _Meter:
    """Part a customer's meter among some of its agents.

    Args:
        meter: net of each agent, level of each customer.
        weight: [n_envs, n_agents] >= 0; who has none sees the whole meter.
        lead: of each agent the first one of its customer.
    """
    whole = at_meters(weight[..., None], lead)
    share = np.where(weight[..., None] > 0, weight[..., None] / np.where(whole > 0, whole, 1.0), 1.0)
    return _Meter(at_meters(meter.net_kw, lead) * share, meter.level_kw * share)


def _left(meter: _Meter, margin: float) -> _Meter:
    """Give what a meter leaves below its level, with a distance for what its load may be off."""
    left_kw = meter.level_kw - meter.net_kw - margin_kw(meter.net_kw, meter.level_kw, margin)
    return _Meter(0.0 * meter.net_kw, np.maximum(left_kw, 0.0))


def _stock(view: View, meter: _Meter, step_h: float, margin: float) -> _Room:
    """Bounds of stationary storage: what keeps its meter below the level now, and as the day goes on."""
    net_kw, level_kw = meter
    over_kw = np.maximum(np.where(np.isfinite(level_kw), net_kw - level_kw, 0.0), 0.0).max(axis=2)
    raises = over_kw[..., None] * np.linspace(0.0, 1.0, _LEVELS)
    # [n_envs, n_agents, levels, horizon] room below the raised level, < 0 to be shaved
    room_kw = (level_kw - net_kw)[:, :, None, :] + raises[..., None]
    one = np.ones(raises.shape)
    power_kw, eta_ch, eta_dis = (x[..., None] * one for x in (view.power_kw, view.eta_ch, view.eta_dis))
    stored_kwh, size_kwh = view.stored_kwh[..., None] * one, view.capacity_kwh[..., None]
    lasts = np.ones(raises.shape, bool)
    for t in range(room_kw.shape[-1]):
        kw = np.clip(room_kw[..., t], -power_kw, power_kw)
        stored_kwh = stored_kwh + step_h * np.where(kw > 0, kw * eta_ch, kw / eta_dis)
        lasts &= (stored_kwh > -1e-6) & (room_kw[..., t] >= -power_kw - 1e-6)
        stored_kwh = np.clip(stored_kwh, 0.0, size_kwh)
    best = np.where(lasts.any(2), lasts.argmax(2), _LEVELS - 1)[..., None]
    room_kw = np.take_along_axis(room_kw, best[..., None], 2)[:, :, 0]
    kept_kwh = _needed(room_kw[..., 1:], view, step_h)
    lacks_kwh = np.minimum(kept_kwh, view.capacity_kwh) - view.stored_kwh
    least_kw = np.where(lacks_kwh > 0, lacks_kwh / view.eta_ch, lacks_kwh * view.eta_dis) / step_h
    high_kw = room_kw[..., 0]
    high_kw = high_kw - margin_kw(net_kw[..., 0], level_kw[..., 0], margin)
    return _Room(np.minimum(least_kw, high_kw), high_kw)


def _needed(room_kw: Array, view: View, step_h: float) -> Array:
    """[n_envs, n_agents] energy that has to be there for what is shaved later, less what can be charged before."""
    needed = np.zeros(view.power_kw.shape)
    for t in reversed(range(room_kw.shape[-1])):
        kw = np.clip(room_kw[..., t], -view.power_kw, view.power_kw)
        needed = np.maximum(needed - step_h * np.where(kw > 0, kw * view.eta_ch, kw / view.eta_dis), 0.0)
    return needed


def _cars(view: View, level_kw: Array, step_h: float) -> tuple[_Room, Array]:
    """Bounds of cars beside what they must draw: below a level at which they have what they need in time.

    And [n_envs, n_agents, horizon] kW what they draw if they charge at that level from now on until they have it.
    """
    horizon = level_kw.shape[-1]
    steps = np.arange(horizon)
    left = np.maximum(np.rint(view.left_h / step_h), 1.0)
    stays = steps < left[..., None]
    later = np.maximum(left - horizon, 0.0)  # as in the last step that is seen
    raises = view.power_kw[..., None] * np.linspace(0.0, 1.0, _LEVELS)
    most_kw = np.minimum(level_kw[:, :, None, :] + raises[..., None], view.power_kw[..., None, None])
    most_kw = most_kw * stays[:, :, None, :]
    can_kwh = (most_kw.sum(3) + later[..., None] * most_kw[..., -1]) * step_h * view.eta_ch[..., None]
    enough = can_kwh >= view.need_kwh[..., None] - 1e-6
    best = np.where(enough.any(2), enough.argmax(2), _LEVELS - 1)[..., None]
    now_kw = np.take_along_axis(most_kw[..., 0], best, 2)[..., 0]
    after_kwh = np.take_along_axis(can_kwh, best, 2)[..., 0] - now_kw * step_h * view.eta_ch
    now_kw = np.where(view.need_kwh > 0, np.maximum(now_kw, view.min_kw), now_kw)
    least_kw = np.maximum(view.need_kwh - after_kwh, 0.0) / (view.eta_ch * step_h)
    least_kw = np.where(least_kw > 0, np.maximum(least_kw, view.min_kw), view.low_kw)
    path_kw = np.maximum(np.take_along_axis(most_kw, best[..., None], 2)[:, :, 0], 0.0)
    stored_kwh = np.cumsum(path_kw, axis=2) * step_h * view.eta_ch[..., None]
    path_kw = np.where(stored_kwh < view.need_kwh[..., None] + path_kw * step_h, path_kw, 0.0)
    return _Room(np.minimum(least_kw, now_kw) - view.firm_kw, now_kw - view.firm_kw), path_kw
