"""The VPP by its numbers: what its devices can do together, what is observed of an award, what a call leaves free."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.kind import Now
from gridbazaar.agents.kinds import vpp
from gridbazaar.agents.kinds.vpp import KIND
from gridbazaar.agents.plan import HELD, RUNNING, Called
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import feature_columns, observe
from gridbazaar.envs.scenarios import load_scenario

STEP_H = 0.25
SIZES = {"capacity_kwh": (4.0, 12.0), "duration_h": 2.0, "start_frac": (0.0, 1.0), "eta_ch": 0.9, "eta_dis": 0.8}


def core_of(name: str = "village", **fields: Any) -> Core:
    fixed: dict[str, Any] = {"vpp": SIZES, "storage": {"share_of_load": None}, "constraint": "none", "step_min": 15}
    fields = fixed | fields
    fields["vpp"] = fields["vpp"] | {"loss_per_h": 0.0}
    return Core(load_scenario(name, **fields), 3)


def of_vpps(core: Core, state: Any) -> tuple[Any, Any]:
    k = list(core.scenario.agents).index("vpp")
    return state.episode.params[k], state.devices[k]


def by_hand(core: Core, state: Any) -> tuple[Any, Any]:
    """Rating and stored energy of each device, [n_envs, n_vpps, n_devices]; 12 kWh in two hours are 6 kW."""
    params, _ = of_vpps(core, state)
    assert (params.capacity_kwh > 2.0).all()
    return params.capacity_kwh / 2.0, params.capacity_kwh * params.start_frac


def test_a_vpp_can_do_what_its_devices_can() -> None:
    core = core_of()
    state, s = core.reset(4), core.scenario.kind_slices["vpp"]
    rated_kw, stored_kwh = by_hand(core, state)
    release_kw = np.minimum(rated_kw, stored_kwh * 0.8 / STEP_H)
    draw_kw = np.minimum(rated_kw, (2 * rated_kw - stored_kwh) / 0.9 / STEP_H)
    view = state.view
    np.testing.assert_allclose(view.power_kw[:, s], rated_kw.sum(2))
    np.testing.assert_allclose(view.capacity_kwh[:, s], 2 * rated_kw.sum(2))
    np.testing.assert_allclose(view.stored_kwh[:, s], stored_kwh.sum(2))
    np.testing.assert_allclose(view.low_kw[:, s], -release_kw.sum(2))
    np.testing.assert_allclose(view.high_kw[:, s], draw_kw.sum(2))
    assert (release_kw < rated_kw).any(), "energy limits some"
    assert (draw_kw < rated_kw).any(), "room limits some"
    assert (view.power_kw[:, s] > 10).all(), "no rating near 1"


@pytest.mark.parametrize(("power", "sign"), [(1.0, 1), (-1.0, -1)])
def test_at_full_power_the_meter_shows_the_rating(power: float, sign: int) -> None:
    """From half full, nothing but the rating limits a quarter of an hour."""
    core = core_of(vpp=SIZES | {"start_frac": (0.5, 0.5)})
    state, s = core.reset(4), core.scenario.kind_slices["vpp"]
    rated_kw, _ = by_hand(core, state)
    action = np.zeros((3, core.n_agents, core.n_actions))
    action[:, s, :2] = power, 1.0
    _, happened = core.step(state, action)
    drawn_kwh = happened.delivery.metered_ukwh[:, s] / MICRO
    np.testing.assert_allclose(drawn_kwh, sign * rated_kw.sum(2) * STEP_H, atol=1e-4)


def test_the_optimum_knows_the_rating() -> None:
    core = core_of()
    state = core.reset(4)
    rated_kw, _ = by_hand(core, state)
    storage = KIND.program(*of_vpps(core, state), core.n_steps, STEP_H).storage
    assert storage is not None
    np.testing.assert_allclose(storage.charge_kw, rated_kw)
    np.testing.assert_allclose(storage.discharge_kw, rated_kw)


def seen_with(core: Core, state: Any, status: int) -> tuple[Any, Now]:
    """The VPPs' view when vpp_0 holds 6 kW for a call of an hour, which begins in half an hour or runs."""
    n = np.ones(3)
    call = Called(
        np.full(3, status), 0.5 * n * (status == HELD), n, 0.75 * n, np.tile([6.0, 0.0], (3, 1)), np.ones((3, 2))
    )
    now = Now(core.world.series, state.episode.start, state.t, None, None, call)
    params, device = of_vpps(core, state)
    return vpp.view(device, params, now), now


def test_an_award_is_observed_over_the_rating_and_its_call_as_it_is() -> None:
    core = core_of("vpp_call", vpp=SIZES | {"answers_calls": True})
    state = core.reset(4)
    params, device = of_vpps(core, state)
    rated_kw, _ = by_hand(core, state)
    view, now = seen_with(core, state, HELD)
    features = KIND.features(params.config)[0]
    read = dict(zip((c.name for c in features.columns), features.read(view, device, params, now), strict=True))
    np.testing.assert_allclose(read["call_award"], np.array([6.0, 0.0]) / rated_kw.sum(2))
    for name, value in (("call_status", 0.75), ("call_starts", 0.5 / 24), ("call_lasts", 0.25), ("call_level", 0.75)):
        np.testing.assert_allclose(read[name], np.full((3, 2), value), err_msg=name)
    seen, names = observe(core, state), [c.name for c in feature_columns(core.scenario)]
    assert (seen.features[..., names.index("call_award")] == 0).all(), "none is held when an episode begins"


def test_who_holds_an_award_draws_nothing_while_its_call_runs() -> None:
    """And what is left of its power beside the 6 kW is the market's; before the call it draws what it can."""
    core = core_of("vpp_call", vpp=SIZES | {"answers_calls": True, "start_frac": (0.9, 0.9)})
    state = core.reset(4)
    rated_kw, stored_kwh = by_hand(core, state)
    draw_kw = np.minimum(rated_kw, (2 * rated_kw - stored_kwh) / 0.9 / STEP_H).sum(2)
    assert (draw_kw > 1).all()
    running, held = (seen_with(core, state, status)[0] for status in (RUNNING, HELD))
    np.testing.assert_allclose(running.high_kw, draw_kw * [0, 1])
    np.testing.assert_allclose(running.low_kw, [6.0, 0.0] - rated_kw.sum(2))
    np.testing.assert_allclose(held.high_kw, draw_kw)
