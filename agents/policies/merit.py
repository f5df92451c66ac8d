"""Merit order: engines run where what they serve is worth more than their fuel; all else acts by opportunity cost.

A genset serves what the community is expected to lack, at most as much as it can: beyond the cap of the connection
where only scarcity pays for it, all of it where the retail price does, and all that it can where feed-in does. It
offers at its cost, never less than its least load.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.agents.bid import eagerness_of
from gridbazaar.agents.kind import encode
from gridbazaar.agents.plan import View
from gridbazaar.agents.policies import opportunity_cost
from gridbazaar.agents.policy import Community, Forecasts, Foresight, Observation
from gridbazaar.data.arrays import Array


class Policy:
    """Args:

    idle_share: of the fuel at full load that an engine burns for no output.
    margin: factor on the cost that a price must pass, for the starts.
    """

    needs_forecasts = True
    needs_foresight = False

    def __init__(self, idle_share: float = 0.24, margin: float = 1.1) -> None:
        self.idle_share, self.margin = idle_share, margin
        self._rest = opportunity_cost.Policy()

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        return community

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        view, ahead = observation.view, observation.forecasts
        assert ahead is not None
        action, _ = self._rest.act(observation, memory)
        engines = memory.kind_slices.get("genset", slice(0, 0))
        wish_kw, limit = self._dispatch(view, ahead, engines)
        band = (ahead.export_cur_per_kwh[:, :1], _upper(ahead), ahead.scarcity_cur_per_kwh)
        offer = encode(wish_kw, eagerness_of(limit, *band, wish_kw > 0), view)
        action[:, engines] = offer[:, engines]
        return action, memory

    def _dispatch(self, view: View, ahead: Forecasts, engines: slice) -> tuple[Array, Array]:
        """[n_envs, n_agents] what engines offer now (<= 0, kW) and their limit prices."""
        is_engine = np.zeros(view.low_kw.shape, bool)
        is_engine[:, engines] = True
        can_kw = -view.low_kw * is_engine
        share = can_kw / np.maximum(can_kw.sum(1, keepdims=True), 1e-9)
        lacks_kw = np.maximum(view.firm_kw.sum(1, keepdims=True), 0.0)
        over_kw = np.maximum(lacks_kw - ahead.import_cap_kw[:, None], 0.0)
        upper, export = _upper(ahead), ahead.export_cur_per_kwh[:, :1]
        offer_kw, limit = np.zeros(can_kw.shape), np.zeros(can_kw.shape)
        for needed_kw, price in (
            (share * over_kw, upper + ahead.scarcity_cur_per_kwh),
            (share * lacks_kw, upper),
            (can_kw, export),
        ):
            served_kw = np.minimum(needed_kw, can_kw)
            made_kw = np.maximum(served_kw, view.min_kw)
            idle_kw = self.idle_share * view.power_kw * (view.firm_kw >= 0)  # who runs anyway has paid for it
            cost = view.wear_cur_per_kwh * ((1 - self.idle_share) * made_kw + idle_kw)
            pays = (served_kw > 0) & (price * served_kw > self.margin * cost)
            offer_kw = np.where(pays, made_kw, offer_kw)
            limit = np.where(pays, cost / np.maximum(served_kw, 1e-9), limit)
        return -np.minimum(offer_kw, can_kw), limit


def _upper(ahead: Forecasts) -> Array:
    """[n_envs, 1] upper edge of the band of local prices now."""
    return ahead.retail_cur_per_kwh[:, :1] - ahead.local_charge_cur_per_kwh[:, :1]
