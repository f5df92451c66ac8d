"""What a world lays down for its intervals, worked out by hand: places, the band of prices, reactive power."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policy import NoBoundError
from gridbazaar.envs.core import Core
from gridbazaar.envs.foresight import foresight
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import Transition

TARIFF = {
    "energy_cur_per_kwh": 0.11, "network_cur_per_kwh": 0.07, "tax_cur_per_kwh": 0.05, "local_network_cur_per_kwh": 0.02,
    "local_tax_cur_per_kwh": 0.01, "export_cur_per_kwh": 0.06, "windows": [],
}  # fmt: skip


def first_interval(seed: int = 0, n_envs: int = 4, **fields: Any) -> tuple[Core, Any, Transition]:
    core = Core(load_scenario("street", **fields), n_envs)
    state = core.reset(seed)
    return core, state, core.step(state, np.zeros((n_envs, core.n_agents, core.n_actions)))[1]


def test_the_band_of_local_prices_is_retail_less_what_a_local_kwh_bears() -> None:
    """0.11 + 0.07 + 0.05 less 0.02 and 0.01 is 0.20; a surplus earns 0.06 from the retailer."""
    _, _, happened = first_interval(tariff="flat", tariff_options=TARIFF)
    setting = happened.market.setting
    assert setting.import_ucur_per_kwh is not None
    assert setting.import_ucur_per_kwh.tolist() == [200_000] * 4
    assert setting.export_ucur_per_kwh is not None
    assert setting.export_ucur_per_kwh.tolist() == [60_000] * 4


def test_connections_are_spread_over_the_buses_behind_the_transformer() -> None:
    """(i + 1/2) times the golden ratio, less its whole part: 0.31, 0.93, 0.55, 0.16, 0.78 of six buses behind one."""
    core, _, _ = first_interval()
    assert (core.world.grid.n_buses, core.world.grid.feeder.has_transformer) == (7, True)
    assert core.world.order_bus[:6].tolist() == [2, 6, 4, 1, 5, 0]  # the VPP has no connection of its own
    assert core.world.meter_bus.tolist() == [2, 6, 4, 1, 5, 2, 6, 4]  # what it controls lies behind the homes


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_homes_draw_their_load_times_its_scale(scale: float) -> None:
    fields: dict[str, Any] = {"prosumer.load_scale": scale, "prosumer.pv_share": 0.0, "prosumer.battery_share": 0.0}
    core, state, happened = first_interval(**fields)
    homes, at = state.episode.params[0], state.episode.start
    drawn_kwh = scale * core.world.bank.load_kw[homes.home, at[:, None]] * 0.25
    assert (drawn_kwh > 0.001).all()
    np.testing.assert_allclose(happened.delivery.metered_ukwh[:, :3] / 1e6, drawn_kwh, atol=1e-6)


@pytest.mark.parametrize(("power_factor", "kvar_per_kw"), [(1.0, 0.0), (0.8, 0.75), (0.6, 4 / 3)])
def test_loads_draw_reactive_power_as_their_power_factor_says(power_factor: float, kvar_per_kw: float) -> None:
    fields: dict[str, Any] = {"constraint": "nodal", "mechanism": "nodal", "power_factor": power_factor}
    core, state, happened = first_interval(seed=5, start_h=0.0, **fields)
    wires, drawn_kw = happened.market.setting.wires, np.maximum(state.view.firm_kw, 0.0)
    drawn_kw[:, core.scenario.kind_slices["ev"]] = 0.0  # a car chooses what it draws, at unity
    assert wires is not None
    assert (drawn_kw.sum(1) > 0.1).any()
    for env in range(core.n_envs):
        at_bus = np.bincount(core.world.order_bus[: core.n_agents], drawn_kw[env], core.world.grid.n_buses)
        np.testing.assert_allclose(wires.q_kvar[env], kvar_per_kw * at_bus, atol=1e-9)


def test_the_share_that_neighbours_served_is_what_they_traded_of_what_was_bought() -> None:
    """And nothing, to the last bit, where there is nobody to trade with."""
    core, state, happened = first_interval(seed=3)
    after = core.step(state, np.zeros((core.n_envs, core.n_agents, core.n_actions)))[0]
    clearing = happened.market.clearing
    local, bought = (np.maximum(x, 0).sum(1) for x in (clearing.traded_ukwh, clearing.filled_ukwh))
    assert (local > 0).any()
    np.testing.assert_allclose(after.traded_frac, local / np.maximum(bought, 1), rtol=1e-12)
    alone: dict[str, Any] = {"prosumer.count": 1, "battery.count": 0, "ev.count": 0, "vpp.count": 0}
    core, state, happened = first_interval(**alone)
    after = core.step(state, np.zeros((core.n_envs, core.n_agents, core.n_actions)))[0]
    quote = happened.market.clearing.price_ucur_per_kwh[:, 0]
    assert (quote > 0).all()
    assert after.price_ucur_per_kwh.tolist() == quote.tolist(), "without a trade the quote is shown"
    assert after.traded_frac.tolist() == [0.0] * core.n_envs


def test_the_optimum_is_told_who_has_an_engine_what_releasing_wears_and_what_the_connection_carries() -> None:
    fields: dict[str, Any] = {
        "genset.count": 1, "battery.wear_cur_per_kwh": 0.07, "ev.wear_cur_per_kwh": 0.06, "vpp.wear_cur_per_kwh": 0.03,
        "prosumer.pv_share": 0.0, "connection.import_over_load": (2.0, 2.0), "connection.export_over_load": (1.0, 1.0),
    }  # fmt: skip
    core = Core(load_scenario("street", **fields), 2)
    state = core.reset(0)
    seen, columns = foresight(core, state), core.scenario.kind_slices
    engine = np.arange(core.n_agents) == columns["genset"].start
    assert seen.engine_kw is not None
    assert seen.engine_cur_per_kwh is not None
    assert (seen.engine_kw[:, engine] > 0).all()
    assert (seen.engine_cur_per_kwh[:, engine] > 0).all()
    assert not seen.engine_kw[:, ~engine].any()
    assert not seen.engine_cur_per_kwh[:, ~engine].any()
    wear = {"battery": 0.07, "ev": 0.06, "vpp": 0.03}
    for kind, due in wear.items():
        np.testing.assert_allclose(seen.wear_cur_per_kwh[:, columns[kind]], due)
    # As wide as the connection, and wider by what meters may show beyond the schedule.
    for cap, of_connection in (
        (seen.import_cap_kw, state.episode.import_cap_kw), (seen.export_cap_kw, state.episode.export_cap_kw)
    ):  # fmt: skip
        assert (cap >= of_connection[:, None] - 1e-9).all()
        assert (cap <= of_connection[:, None] + 10.0).all()


@pytest.mark.parametrize(("lost_load", "is_covered"), [(0.22, False), (0.24, True)])
def test_lost_load_that_is_cheaper_than_the_retailer_has_no_bound(lost_load: float, is_covered: bool) -> None:
    """A kWh of the retailer costs 0.23 with all charges, of which a local one bears 0.03."""
    outage: dict[str, Any] = {"outage.chance": 1.0, "outage.lost_load_cur_per_kwh": lost_load, "tariff_options": TARIFF}
    core = Core(load_scenario("street", tariff="flat", **outage), 1)
    if is_covered:
        foresight(core, core.reset(0))
        return
    with pytest.raises(NoBoundError, match="lost load that is cheaper than the retailer"):
        foresight(core, core.reset(0))
