"""A week of the village with everything on: energy and money of every agent, of the feeder and of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policy import widened
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import feature_columns, observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.views.others import community_of
from tests.envs.everything import EVERYTHING, OUTAGES

N_ENVS = 1


def stored_kwh(core: Core, state: Any) -> np.ndarray:
    """[n_envs, n_agents] what the devices hold, as far as meters see it change."""
    blocks = [np.asarray(device.energy_kwh) for device in state.devices if hasattr(device, "energy_kwh")]
    return np.concatenate([b.sum(2) if b.ndim == 3 else b for b in blocks], axis=1)


@pytest.mark.parametrize(
    ("name", "world"),
    [
        pytest.param("random", EVERYTHING, id="random-calls"),
        *(
            pytest.param(name, world, id=f"{name}-{kind}", marks=pytest.mark.slow)
            for name in ("random", "maintain", "preheat", "vpp_dispatch")
            for kind, world in (("calls", EVERYTHING), ("outages", OUTAGES))
            if (name, kind) != ("random", "calls")
        ),
    ],
)
@pytest.mark.slow
def test_a_week_with_everything_on_balances(name: str, world: dict[str, Any]) -> None:
    core = Core(load_scenario("village", hours=168.0, start_h=0.0, **world), N_ENVS)
    state, policy = core.reset(0), load_policy(name)
    memory = policy.start(community_of(core, state), np.random.default_rng(0))
    n, cars = core.n_agents, core.scenario.kind_slices["ev"]
    drawn, used, moved = np.zeros((3, N_ENVS, n))
    root, metered_all, lost = np.zeros((3, N_ENVS))
    low, high = (np.array([getattr(c, end) for c in feature_columns(core.scenario)]) for end in ("low", "high"))
    for _ in range(core.n_steps):
        seen = observe(core, state, forecasts=policy.needs_forecasts)
        inside = (seen.features >= low - 1e-5) & (seen.features <= high + 1e-5)
        assert inside.all(), [feature_columns(core.scenario)[j].name for j in np.flatnonzero(~inside.all((0, 1)))]
        action, memory = policy.act(seen, memory)
        before = stored_kwh(core, state)
        state, happened = core.step(state, widened(action, core.n_actions))
        change = stored_kwh(core, state) - before
        metered = happened.delivery.metered_ukwh / MICRO
        # A car that leaves takes its energy along, and one that comes brings it: only the charger's part is metered.
        visit = happened.view.is_active[:, cars] & state.view.is_active[:, cars]
        change[:, cars] = np.where(visit, change[:, cars], (metered - happened.devices.loss_kwh)[:, cars])
        drawn += metered
        used += happened.devices.load_kwh - happened.devices.pv_kwh + happened.devices.loss_kwh + change
        moved += np.abs(metered)
        assert (happened.devices.loss_kwh > -1e-9).all()
        assert (happened.money.bill.ucur.sum(2) == 0).all()
        root += happened.wires.root_kw * core.scenario.step_h
        metered_all += metered.sum(1)
        lost += happened.wires.loss_kw * core.scenario.step_h
    assert (np.abs(drawn - used) <= 1e-6 * np.maximum(moved, 1.0)).all()
    assert (np.abs(root - metered_all - lost) <= 1e-6 * np.maximum(moved.sum(1), 1.0)).all()
