"""Calls: what VPPs do beside trading where the grid operator calls on them.

Before a call they fill storage, when offers close they offer what they can sustain, and what is called they deliver.
"""

from __future__ import annotations

import numpy as np

from gridbazaar.agents.kind import encode
from gridbazaar.agents.plan import ANNOUNCED, OFFERING
from gridbazaar.agents.policy import Community, Observation, widened
from gridbazaar.data.arrays import Array

FILL_H, ASK = 5.0, 1.0
"""Hours before a call from which on storage is filled, and what is asked for a called kWh, of the most that is paid."""
_AT_TARIFF = 0.5  # eagerness that buys at the retail price, but not at what a full connection adds


def with_calls(
    action: Array, observation: Observation, community: Community, fill_h: float = FILL_H, ask: float = ASK
) -> Array:
    """Add the answers to calls to an action; without calls, and for all but VPPs, it stays as it is."""
    call = observation.call
    if call is None:
        return action
    action = widened(action, community.n_actions).copy()
    view, vpps = observation.view, community.kind_slices["vpp"]
    names = community.actions["vpp"]
    fills = np.isin(call.status, (ANNOUNCED, OFFERING)) & (call.starts_h <= fill_h)
    is_filling = np.zeros(view.low_kw.shape, bool)
    is_filling[:, vpps] = fills[:, None]
    filling = encode(view.high_kw, np.full_like(view.high_kw, _AT_TARIFF), view)
    action[..., :2] = np.where(is_filling[..., None], filling, action[..., :2])
    action[:, vpps, names.index("capacity")] = call.status[:, None] == OFFERING
    action[:, vpps, names.index("price")] = 2 * ask - 1
    return action
