"""Least laxity: storage rests, cars with the least time to spare charge first, as far as the connection carries.

Laxity is the time until departure less that of charging at full power. Cars are served in its order until the
connection is used up (Liu & Layland 1973 for tasks; Xu, Pan & Tong 2016 for cars). Where the connection has room for
all, that is charging on arrival.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.agents.dispatch.laxity import room_kw, serve_by_laxity
from gridbazaar.agents.kind import encode
from gridbazaar.agents.policies.idle import charge_on_arrival_kw
from gridbazaar.agents.policy import Community, Foresight, Observation
from gridbazaar.data.arrays import Array


class Policy:
    needs_forecasts = True
    needs_foresight = False

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        return community

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        view, ahead = observation.view, observation.forecasts
        assert ahead is not None
        wish_kw = charge_on_arrival_kw(view, memory.step_h)
        left_kw = room_kw(ahead.net_kw[:, :, 0].sum(1), ahead.import_cap_kw, view)
        fits_kw = serve_by_laxity(wish_kw, left_kw, view)
        return encode(fits_kw, np.ones_like(wish_kw), view), memory
