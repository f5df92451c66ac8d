"""Every scenario in the folder: one day of it, and what the village promises."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policy import widened
from gridbazaar.data.feeders import load_feeder
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.envs.views.others import community_of
from gridbazaar.market.designs import load_design
from gridbazaar.market.mechanisms import load_mechanism
from gridbazaar.market.tariffs import load_tariff


@pytest.mark.parametrize("name", list_scenarios())
def test_a_day_of_every_scenario_adds_up(name: str) -> None:
    core = Core(name, 1)
    state, policy = core.reset(1), load_policy("self_consumption")
    memory = policy.start(community_of(core, state), np.random.default_rng(0))
    lowest, drawn = 1.0, 0
    for _ in range(core.n_steps):
        action, memory = policy.act(observe(core, state), memory)
        state, happened = core.step(state, widened(action, core.n_actions))
        assert (happened.money.bill.ucur.sum(axis=2) == 0).all()
        assert happened.wires.converged.all()
        lowest, drawn = min(lowest, happened.wires.voltage_pu.min()), drawn + (happened.delivery.metered_ukwh > 0).sum()
    assert happened.truncated.all()
    assert drawn > 0
    assert 0.85 < lowest < 1.0


def test_the_village_is_what_it_says() -> None:
    """24 agents of four kinds, storage near 40 % of the daily load, another world for every seed."""
    core = Core("village", 200)
    scenario, episode = core.scenario, core.reset(0).episode
    assert core.n_agents == 24
    assert set(scenario.agents) == {"prosumer", "battery", "ev", "vpp"}
    assert core.n_steps == 96
    assert 25 <= core.world.grid.n_buses <= 35
    homes = episode.params[0]
    daily_kwh = (core.world.bank.load_kw.mean(1)[homes.home] * homes.load_scale).sum(1) * 24
    stored_kwh = sum(k.storage_kwh(p) for k, p in zip(core.world.kinds, episode.params, strict=True))
    share = stored_kwh / daily_kwh
    assert np.mean(share) == pytest.approx(0.4, abs=0.02)
    assert share.min() < 0.28
    assert share.max() > 0.52
    assert len(np.unique(episode.import_cap_kw)) == 200
    assert len(np.unique((homes.pv_kwp > 0).sum(1))) > 4
    assert len(np.unique(episode.start)) > 60


def test_the_villages_connection_binds() -> None:
    """Cars that charge on arrival meet the limit on most days, so it is worth planning for."""
    core = Core("village", 40)
    state, policy = core.reset(0), load_policy("idle")
    memory = policy.start(community_of(core, state), np.random.default_rng(0))
    over = np.zeros(40)
    for _ in range(core.n_steps):
        action, memory = policy.act(observe(core, state), memory)
        state, happened = core.step(state, widened(action, core.n_actions))
        over += happened.market.clearing.over_cap_ukwh / 1e6
    assert (over > 0.5).mean() > 0.6


def test_paths_of_data_count_from_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("homes.csv", "prices.csv", "calls.json"):
        (tmp_path / name).touch()
    mine = tmp_path / "mine.toml"
    data_table = '[data]\npath = "homes.csv"\nfurther = ["prices.csv", "there.csv"]\n'
    mine.write_text(data_table + '[call]\nfile = "calls.json"\n[prosumer]\ncount = 1\n')
    monkeypatch.chdir(Path(__file__).parent)
    data = load_scenario(mine).data
    assert load_scenario(mine).call.file == str((tmp_path / "calls.json").resolve())
    assert data.path == str((tmp_path / "homes.csv").resolve())
    assert data.further == (str((tmp_path / "prices.csv").resolve()), "there.csv")
    assert load_scenario(mine, **{"data.path": "homes.csv"}).data.path == "homes.csv"


@pytest.mark.parametrize("name", ["../scenarios/village", "../../envs/scenarios/village", "./village", "village/"])
def test_a_name_leads_nowhere_else(name: str) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        load_scenario(name)


@pytest.mark.parametrize(
    ("load", "listed"),
    [
        (load_tariff, "tariffs/flat"), (load_design, "designs/no_bkk"), (load_mechanism, "mechanisms/uniform_price"),
        (load_policy, "policies/idle"), (load_feeder, "nowhere/village"),
    ],
)  # fmt: skip
def test_nor_does_any_other(load: Callable[[str], Any], listed: str) -> None:
    name = listed.rpartition("/")[2]
    for hidden in (f"../{listed}", f"./{name}", f"{name}/"):
        with pytest.raises(ValueError, match=r"expected one of|a path"):
            load(hidden)
