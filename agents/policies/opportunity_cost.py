"""Opportunity cost: the engineered rule. Storage trades at what energy is worth later; cars seek cheap intervals.

Each storage values its energy by merit order: the community's expected deficits until the end, dearest first, are
covered by what is stored and by the surpluses to come; the price of the deficit that would be covered next is what one
more kWh is worth. It sells above that worth plus wear, buys below it after losses, and takes from the retailer what
later, dearer deficits still lack, in the cheapest intervals, as far as the connection has room. Cars spread what they
need over the cheapest intervals before departure and give back only above their cost of refilling.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.agents.bid import eagerness_of
from gridbazaar.agents.kind import encode
from gridbazaar.agents.plan import View
from gridbazaar.agents.policy import Community, Forecasts, Foresight, Observation
from gridbazaar.data.arrays import Array

# What the rule takes for any storage of the community: the share that comes back, and the wear of a kWh.
_ROUND_TRIP = 0.9
_WEAR_CUR_PER_KWH = 0.04


class Policy:
    """Args: ``car_spread``: over how many times the intervals it needs a car may spread its charging."""

    needs_forecasts = True
    needs_foresight = False

    def __init__(self, car_spread: float = 2.0) -> None:
        self.car_spread = car_spread

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        return community

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        view, ahead = observation.view, observation.forecasts
        assert ahead is not None
        car_kw, price_of_refill = self._cars(view, ahead)
        cars = memory.kind_slices.get("ev", slice(0, 0))
        net_kw = self._community_net_kw(view, ahead, car_kw, cars)
        upper = ahead.retail_cur_per_kwh - ahead.local_charge_cur_per_kwh
        worth, grid_kwh = _worth(view, ahead, net_kw, upper)

        sells_at = np.maximum(worth[:, None], 0.0) + view.wear_cur_per_kwh
        buys_at = worth[:, None] * view.eta_ch * view.eta_dis - ahead.local_charge_cur_per_kwh[:, :1]
        short = net_kw[:, :1] > 0
        release_kw = np.where(short, view.low_kw, 0.0)
        share = view.high_kw / np.maximum((view.high_kw * view.is_stationary).sum(1, keepdims=True), 1e-9)
        take_kw = np.minimum(view.high_kw, share * np.maximum(-net_kw[:, :1], 0.0))
        grid_kw = np.minimum(view.high_kw, share * (grid_kwh / ahead.step_h)[:, None])
        from_grid = (grid_kwh > 0)[:, None] & short
        stock_kw = np.where(from_grid, grid_kw, np.where(short, release_kw, take_kw))
        limit = np.where(from_grid, upper[:, :1], np.where(short, sells_at, buys_at))

        is_car = np.zeros(view.low_kw.shape, bool)
        is_car[:, cars] = True
        gives = is_car & (car_kw <= 0) & short & (view.low_kw < 0) & (upper[:, :1] > price_of_refill)
        wish_kw = np.where(view.is_stationary, stock_kw, np.where(gives, view.low_kw, car_kw))
        limit = np.where(view.is_stationary, limit, np.where(gives, price_of_refill, upper[:, :1]))
        band = (ahead.export_cur_per_kwh[:, :1], upper[:, :1], ahead.scarcity_cur_per_kwh)
        return encode(wish_kw, eagerness_of(limit, *band, wish_kw >= 0), view), memory

    def _cars(self, view: View, ahead: Forecasts) -> tuple[Array, Array]:
        """Charging power of cars now, and the local price above which giving back pays."""
        retail, inside = ahead.retail_cur_per_kwh, ahead.inside
        steps = np.arange(retail.shape[1])
        window = (steps * ahead.step_h < view.left_h[:, :, None]) & inside[:, None, :]
        prices = np.where(window, retail[:, None, :], np.inf)
        needed = view.need_kwh / (view.eta_ch * np.maximum(view.power_kw, 1e-9) * ahead.step_h)
        allowed = np.clip(np.ceil(needed * self.car_spread), 1, np.maximum(window.sum(2), 1)).astype(int)
        ordered = np.sort(prices, axis=2)
        worst = np.take_along_axis(ordered, (allowed - 1)[..., None], 2)[..., 0]
        is_cheap = (view.need_kwh > 0) & (retail[:, :1] <= worst)
        power_kw = view.need_kwh / (view.eta_ch * ahead.step_h * allowed)
        car_kw = np.where(is_cheap, np.minimum(np.maximum(power_kw, view.min_kw), view.high_kw), 0.0)
        refill = np.where(np.isfinite(worst), worst, 1e6) / (view.eta_ch * view.eta_dis) + view.wear_cur_per_kwh
        return car_kw * ~view.is_stationary, refill

    def _community_net_kw(self, view: View, ahead: Forecasts, car_kw: Array, cars: slice) -> Array:
        """[n_envs, horizon] expected net of homes, and of cars in this interval; home storage left out."""
        net_kw = ahead.net_kw.sum(1)
        net_kw[:, 0] += (car_kw + view.firm_kw)[:, cars].sum(1)
        return np.where(ahead.inside, net_kw, 0.0)


def _worth(view: View, ahead: Forecasts, net_kw: Array, upper: Array) -> tuple[Array, Array]:
    """Worth of one more stored kWh (delivered, local price), and the energy to take from the retailer now."""
    stationary = view.is_stationary
    stored_kwh = (view.stored_kwh * view.eta_dis * stationary).sum(1)
    room_kwh = (view.room_kwh * stationary).sum(1)
    power_kw = np.maximum((view.power_kw * stationary).sum(1), 1e-9)
    later = ahead.inside & (np.arange(net_kw.shape[1]) > 0)
    deficit_kwh = np.minimum(np.maximum(net_kw, 0.0), power_kw[:, None]) * ahead.step_h * later
    surplus_kwh = np.maximum(-net_kw, 0.0) * ahead.step_h * later
    free_kwh = np.minimum(surplus_kwh.sum(1) * _ROUND_TRIP, room_kwh + stored_kwh)
    order = np.argsort(np.where(later, -upper, np.inf), axis=1)
    covered = np.cumsum(np.take_along_axis(deficit_kwh, order, 1), axis=1)
    ranked = np.take_along_axis(upper, order, 1)
    supply = (stored_kwh + free_kwh)[:, None]
    place = np.minimum((covered <= supply).sum(1), ranked.shape[1] - 1)
    all_covered = covered[:, -1] <= supply[:, 0]
    worth = np.take_along_axis(ranked, place[:, None], 1)[:, 0]
    worth = np.where(all_covered, ahead.end_value_cur_per_kwh, np.maximum(worth, ahead.end_value_cur_per_kwh))
    # Deficits that would pay for energy bought now, beyond what is there and what comes for free.
    pays = ranked * _ROUND_TRIP > upper[:, :1] + _WEAR_CUR_PER_KWH
    wanted = np.where(pays, np.diff(covered, axis=1, prepend=0.0), 0.0).sum(1) - supply[:, 0]
    headroom_kw = np.maximum(ahead.import_cap_kw - np.maximum(net_kw[:, 0], 0.0), 0.0)
    open_kwh = np.maximum(ahead.import_cap_kw[:, None] - np.maximum(net_kw, 0.0), 0.0) * ahead.step_h
    better_kwh = (open_kwh * (later & (upper < upper[:, :1]))).sum(1)
    grid_kwh = np.clip((wanted - better_kwh) / _ROUND_TRIP, 0.0, np.minimum(headroom_kw, power_kw) * ahead.step_h)
    return worth, grid_kwh
