"""Peak shaving: keep each meter's draw below the peak that is paid for already; what has room is left to another rule.

Under a charge on power each agent has a level: the power up to which an interval costs nothing more this month, raised
as little as the day ahead asks for: so that a battery lasts through the hours in which its home draws more, or a car
has what it needs when it leaves. Storage then charges below the level early enough, releases what the home draws above
it, and does all else as the rule says (``opportunity_cost``). Forecasts err, so near the level it keeps a distance that
grows with the load expected. Without a charge on power it is that rule.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gridbazaar.agents.kind import encode
from gridbazaar.agents.peaks import MonthPeak, margin_kw
from gridbazaar.agents.plan import View
from gridbazaar.agents.policies import load_rule
from gridbazaar.agents.policy import Community, Forecasts, Foresight, Observation
from gridbazaar.data.arrays import Array

_LEVELS = 16
"""By how many steps a level may be raised to that at which nothing has to be shaved."""


class _Room(NamedTuple):
    """Bounds of what flexible devices do now, [n_envs, n_agents] kW."""

    low_kw: Array
    high_kw: Array


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
        return rest, rest.start(community, rng)

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        rest, of_rest = memory
        action, of_rest = rest.act(observation, of_rest)
        view, ahead = observation.view, observation.forecasts
        assert ahead is not None
        if not ahead.peaks:
            return action, (rest, of_rest)
        level_kw = level_of(ahead.peaks, ahead.net_kw.shape)
        is_stock = view.is_stationary & (view.capacity_kwh > 0)
        stock = _stock(view, ahead, level_kw, self.margin)
        cars = _cars(view, ahead, level_kw)
        low_kw = np.where(is_stock, stock.low_kw, cars.low_kw)
        high_kw = np.where(is_stock, stock.high_kw, cars.high_kw)
        power = action[..., 0]
        wish_kw = np.where(power >= 0, power * view.high_kw, -power * view.low_kw)
        kept_kw = np.minimum(np.maximum(wish_kw, low_kw), np.maximum(high_kw, view.low_kw))
        kept_kw = np.clip(kept_kw, view.low_kw, view.high_kw)
        is_forced = (np.abs(kept_kw) > np.abs(wish_kw) + 1e-9) | (kept_kw * wish_kw < 0)
        found = encode(kept_kw, np.where(is_forced, 1.0, action[..., 1]), view)
        action = action.copy()
        changed = (is_stock | view.is_active) & (np.abs(kept_kw - wish_kw) > 1e-9)
        action[..., :2] = np.where(changed[..., None], found, action[..., :2])
        return action, (rest, of_rest)


def level_of(peaks: tuple[MonthPeak, ...], shape: tuple[int, ...]) -> Array:
    """[n_envs, n_agents, horizon] power up to which a step costs nothing more; inf where power does not count."""
    level_kw = np.full(shape, np.inf)
    for peak in peaks:
        level_kw = np.where(peak.counts[:, None], np.minimum(level_kw, peak.free_kw[..., None]), level_kw)
    return level_kw


def _stock(view: View, ahead: Forecasts, level_kw: Array, margin: float) -> _Room:
    """Bounds of stationary storage: what keeps its meter below the level now, and as the day goes on."""
    step_h, net_kw = ahead.step_h, np.where(ahead.inside[:, None], ahead.net_kw, 0.0)
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


def _cars(view: View, ahead: Forecasts, level_kw: Array) -> _Room:
    """Bounds of cars beside what they must draw: below a level at which they have what they need in time."""
    step_h, horizon = ahead.step_h, level_kw.shape[-1]
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
    return _Room(np.minimum(least_kw, now_kw) - view.firm_kw, now_kw - view.firm_kw)
