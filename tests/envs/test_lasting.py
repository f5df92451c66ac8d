"""What customers have: a community's own series and sizes last over all episodes, whose days differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.data.community import Community, Customer
from gridbazaar.data.own_rows import rows_of
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario, scenario_of
from gridbazaar.experiments.describe import scenario_toml
from gridbazaar.experiments.drawn_community import community_csv

DRAWN = {"seed": 5, "members": 0.7, "labels": {"tenant": 0.4, "income_cur": [20e3, 60e3]}}
WARM = {"prosumer.heating.share": 0.5, "prosumer.water.share": 0.5, "prosumer.appliance.share": 0.5}


def core_of(community: Any, **more: Any) -> Core:
    return Core(load_scenario("street", community=community, **more), 3)


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def devices(core: Core, seeds: Any, split: str = "train") -> dict[str, Any]:
    """What the agents of a street have in each episode, [n_envs, n_kind]."""
    homes, batteries, cars, _ = core.reset(seeds, split=split).episode.params
    visits = cars.visits
    return {
        "load": homes.home, "load_scale": homes.load_scale, "roof": homes.roof, "pv_kwp": homes.pv_kwp,
        "battery_kwh": homes.capacity_kwh, "community_kwh": batteries.capacity_kwh,
        "car_kwh": visits.capacity_kwh[:, :, 0], "car_kw": visits.charge_kw[:, :, 0],
        **{name: getattr(homes.devices, part) for name, part in (("pump", "heating"), ("tank", "water"))},
    }  # fmt: skip


@pytest.mark.parametrize("more", [{}, {"storage.share_of_load": [0.2, 0.9]}])
def test_families_that_are_drawn_once_last_and_their_days_differ(more: dict[str, Any]) -> None:
    wide = {"prosumer.load_scale": (0.5, 2.0), "prosumer.pv_share": (0.2, 0.9), "ev.onboard_kw": (3.0, 11.0)}
    core = core_of(DRAWN, **WARM, **wide, **more)
    first = devices(core, 0)
    for split in ("train", "test"):
        found = devices(core, 40, split)
        for name, values in found.items():
            if name in ("pump", "tank"):
                rating = "pump_kw" if name == "pump" else "daily_kwh"
                values, first[name] = getattr(values, rating), getattr(first[name], rating, first[name])
            assert (values == first[name][:1]).all(), name
    assert len(set(core.reset(0).episode.start.tolist())) == 3
    learning = devices(core_of(None, **wide, **more), 0)
    for name in ("load", "roof", "pv_kwp", "battery_kwh", "car_kwh", "car_kw"):
        assert len(np.unique(learning[name], axis=0)) > 1, f"{name} does not change without a community either"


def played(core: Core, n_steps: int = 24) -> list[Any]:
    rng, state, found = np.random.default_rng(5), core.reset([3, 4, 9], split="validation"), []
    for _ in range(n_steps):
        state, happened = core.step(state, rng.uniform(-1, 1, (3, core.n_agents, core.n_actions)))
        found += [happened.reward, happened.money.bill.ucur, happened.wires.voltage_pu, happened.view.power_kw]
    return found


def test_a_drawn_community_that_is_written_as_a_table_is_the_same_to_the_last_bit(tmp_path: Path) -> None:
    more = {"storage.share_of_load": [0.2, 0.9], **WARM}
    core = core_of(DRAWN, **more)
    again = core_of(written(tmp_path, community_csv(core.world)), **more)
    for mine, theirs in zip(played(core), played(again), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for one, other in zip(core.scenario.customers, again.scenario.customers, strict=True):
        assert (one.name, one.agents, one.member, one.labels) == (other.name, other.agents, other.member, other.labels)
    assert community_csv(again.world) == community_csv(core.world)


def test_a_community_is_stored_with_its_seed_and_its_rows(tmp_path: Path) -> None:
    from dataclasses import asdict

    table = written(tmp_path, "customer,agent,pv_kwp,load\nf,prosumer_0,4.5,3\nf,ev_0,,\n")
    for community in (DRAWN, {"seed": 2, "table": table}, table):
        scenario = load_scenario("street", community=community)
        again = tmp_path / "again.toml"
        again.write_text(scenario_toml(scenario), encoding="utf-8")
        assert load_scenario(again).community == scenario.community
        assert scenario_of(asdict(scenario)).community == scenario.community
    assert rows_of(scenario.customers[0].own, "")[0].said == (("pv_kwp", 4.5), ("load", "3"))


OWN = """customer,agent,load,load_scale,roof,pv_kwp,battery_kwh,battery_kw,car,car_kwh,car_kw,bus,tenant
family,prosumer_1,5,1.5,2,6.25,9,1.5,,,,s3,no
family,ev_0,,,,,,,3,40,3.5,,
beside,prosumer_0,6,,1,,,,,,,,yes
,,,,,,,,,,,,
street,battery_0,,,,,12,2,,,,,
"""


def own_of(tmp_path: Path, **more: Any) -> Core:
    return core_of(written(tmp_path, OWN.replace("s3", load_feeder_buses()[1])), **more)


def load_feeder_buses() -> tuple[str, ...]:
    from gridbazaar.data.feeders import load_feeder

    return load_feeder("street").buses


def test_a_row_says_what_its_agent_has_in_place_of_what_would_be_drawn(tmp_path: Path) -> None:
    """At the meters: load and sun of the named series, power of the battery, sessions of the named charger."""
    core = own_of(tmp_path, **{"battery.start_frac": 0.5, "prosumer.start_frac": 0.5, "prosumer.battery_share": 0.0})
    bank, state = core.world.bank, core.reset(0)
    found = devices(core, 0)
    assert found["load"][:, :2].tolist() == [[6, 5]] * 3
    assert found["roof"][:, :2].tolist() == [[1, 2]] * 3
    assert found["pv_kwp"][:, 1].tolist() == [6.25] * 3
    assert found["battery_kwh"].tolist() == [[0.0, 9.0, 0.0]] * 3
    assert found["community_kwh"].tolist() == [[12.0]] * 3
    assert (found["car_kwh"] == 40.0).all()
    assert (found["car_kw"] == 3.5).all()
    home, battery = core.agents.index("prosumer_1"), core.agents.index("battery_0")
    assert state.view.power_kw[:, [home, battery]].tolist() == [[1.5, 2.0]] * 3
    assert state.view.high_kw[:, [home, battery]].tolist() == [[1.5, 2.0]] * 3
    visits = state.episode.params[2].visits
    for env, start in enumerate(state.episode.start.tolist()):
        arrive_h = bank.sessions.arrive_h[3][bank.sessions.present[3]]
        step = start + int(visits.arrive[env, 0, 0])
        if 0 < visits.arrive[env, 0, 0] < core.n_steps:
            assert np.isclose(np.ceil(arrive_h / core.scenario.step_h - 1e-9), step).any()
    _, happened = core.step(state, np.zeros((3, core.n_agents, core.n_actions)))
    step = state.episode.start
    net_kw = 1.5 * bank.load_kw[5, step] - 6.25 * bank.pv_kw_per_kwp[2, step]
    ours = happened.devices.firm_ukwh[:, home] / 1e6 / core.scenario.step_h
    assert ours == pytest.approx(net_kw, abs=1e-5)


def test_a_customer_is_connected_at_its_own_bus(tmp_path: Path) -> None:
    core, plain = own_of(tmp_path), core_of(Community((Customer("family", ("prosumer_1", "ev_0")),)))
    own = 1
    places = {agent: int(core.world.order_bus[i]) for i, agent in enumerate(core.agents)}
    assert (places["prosumer_1"], places["ev_0"]) == (own, own)
    former = {agent: int(plain.world.order_bus[i]) for i, agent in enumerate(plain.agents)}
    assert former["prosumer_1"] != own
    assert all(places[agent] == former[agent] for agent in ("prosumer_0", "prosumer_2", "battery_0"))


def test_batteries_of_an_own_size_keep_it_and_the_others_are_sized_as_before() -> None:
    share = {"storage.share_of_load": [0.2, 0.9]}
    own = Community((Customer("f", ("battery_0",), own={"battery_0": {"battery_kwh": 7.5}}),))
    found, usual = devices(core_of(own, **share), 0), devices(core_of(None, **share), 0)
    assert (found["community_kwh"] == 7.5).all()
    np.testing.assert_array_equal(found["battery_kwh"], usual["battery_kwh"])


def test_a_heat_pump_of_its_own(tmp_path: Path) -> None:
    text = "customer,agent,heat_pump_kw,hot_water_kwh_per_day,appliance\na,prosumer_0,3.3,,1\nb,prosumer_1,0,7,0\n"
    table = written(tmp_path, text)
    core = core_of(table, **WARM)
    drawn = core.reset(0).episode.params[0].devices
    assert drawn.heating.pump_kw[:, :2].tolist() == [[3.3, 0.0]] * 3
    assert (drawn.water.daily_kwh[:, 1] == 7.0).all()
    assert (drawn.water.heater_kw[:, 1] > 0).all()
    never = drawn.appliance.ready.max()
    assert (drawn.appliance.ready[:, 0, 0] < never).all()
    assert (drawn.appliance.ready[:, 1, 0] == never).all()
    with pytest.raises(
        ValueError, match=r"mine.csv, line 2: expected what prosumer_0 can have, got heat_pump_kw where"
    ):
        core_of(table)


def measured(tmp_path: Path) -> str:
    """Sixty days of three homes, of which two have PV."""
    hours = np.arange(60 * 24)
    sun = np.maximum(0.0, np.sin((hours % 24 - 6) / 12 * np.pi))
    lines = ["time,south_load_kw,south_pv_kw_per_kwp,north_load_kw,north_pv_kw_per_kwp,flat_load_kw"]
    for t, s in zip(hours.tolist(), sun.tolist(), strict=True):
        stamp = np.datetime64("2024-03-04T00:00") + np.timedelta64(t, "h")
        south, north = f"{0.4 + 0.2 * (t % 7):.3f},{0.8 * s:.4f}", f"{0.3 + 0.1 * (t % 5):.3f},{0.3 * s:.4f}"
        lines.append(f"{stamp},{south},{north},{0.5 + 0.1 * (t % 3):.3f}")
    path = tmp_path / "homes.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_a_measured_home_keeps_its_own_roof(tmp_path: Path) -> None:
    data = {"data.path": measured(tmp_path), "step_min": 60, "data.n_cars": 4}
    text = "customer,agent,load,roof,pv_kwp\na,prosumer_0,north,,4\nb,prosumer_1,north,south,4\nc,prosumer_2,flat,,\n"
    core = core_of(written(tmp_path, text), **data)
    found = devices(core, 0)
    assert found["load"].tolist() == [[1, 1, 2]] * 3
    assert found["roof"][:, :2].tolist() == [[1, 0]] * 3
    once = devices(core_of({"seed": 4}, **data), 0)
    for load, roof in zip(once["load"][0], once["roof"][0], strict=True):
        assert load == 2 or roof == load
    table = community_csv(core.world)
    assert "a,prosumer_0,north," in table
    with pytest.raises(ValueError, match=r"line 2: load: expected one of the 3 homes, south, north, flat; got 'west'"):
        core_of(written(tmp_path, "customer,agent,load\na,prosumer_0,west\n"), **data)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("customer,agent,pv_kwp\na,prosumer_0,-1\n", r"line 2: pv_kwp: expected a number in \[0, 1e\+06\], got '-1'"),
        ("customer,agent,pv_kwp\na,prosumer_0,nan\n", r"line 2: pv_kwp: expected a number"),
        ("customer,agent,pv_kwp\na,prosumer_0,5\na,ev_0,5\n", r"line 3: pv_kwp: ev_0 has no such column.* prosumer_0"),
        ("customer,agent,pv_kwpp\na,prosumer_0,5\n", r"line 1: 'pv_kwpp': expected pv_kwp, or a label"),
        ("customer,agent,load\na,prosumer_0,8\n", r"line 2: load: expected one of the 8 homes, 0 to 7; got '8'"),
        ("customer,agent,car\na,ev_0,x\n", r"line 2: car: expected one of the 8 cars, 0 to 7; got 'x'"),
        ("customer,agent,bus\na,prosumer_0,nowhere\n", r"line 2: bus: expected one of the \d+ buses, .*; got 'now"),
        ("customer,agent,bus\na,vpp_0,1\n", r"line 2: bus: vpp_0 has no such column"),
        ("customer,agent,bus\na,prosumer_0,1\na,ev_0,2\n", r"line 3: bus of a is '2', but '1' in line 2"),
        ("customer,agent,battery_kw\na,prosumer_0,2\n", r"line 2: expected what prosumer_0 can have, got battery_kw"),
        ("customer,agent,car_kw\na,ev_0,1\n", r"line 2: expected what ev_0 can have, got car_kw of 1 below ev.min_kw"),
        ("customer,agent,car_kwh\na,ev_0,0\n", r"line 2: car_kwh: expected a number in \[1, "),
    ],
)  # fmt: skip
def test_what_an_agent_cannot_have_is_refused_with_its_line(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=why):
        core_of(written(tmp_path, text))


def test_what_python_says_wrong_is_refused_by_the_customer() -> None:
    wrong = Customer("a", ("prosumer_0",), own={"ev_0": {"car_kwh": 50}})
    with pytest.raises(ValueError, match=r"customer 'a': own: expected its agents, prosumer_0; got ev_0"):
        core_of(Community((wrong,)))
    with pytest.raises(ValueError, match=r"customer 'a', prosumer_0: pv_kwp: expected a number .* got 'much'"):
        core_of(Community((Customer("a", ("prosumer_0",), own={"prosumer_0": {"pv_kwp": "much"}}),)))
    with pytest.raises(ValueError, match=r"community.seed: expected .*; got|community.seed: expected .*, got"):
        core_of(Community((), -3))


PAGE = (Path(__file__).parents[2] / "docs" / "bills.md").read_text(encoding="utf-8")


def test_the_table_of_the_page_is_read(tmp_path: Path) -> None:
    (text,) = [block for block in PAGE.split("```")[1::2] if "customer,agent,load" in block]
    core = core_of(written(tmp_path, text.strip() + "\n"))
    found = devices(core, 0)
    assert found["pv_kwp"][:, :2].tolist() == [[6.5, 0.0]] * 3
    assert found["battery_kwh"][:, :2].tolist() == [[8.0, 0.0]] * 3
    assert (found["car_kwh"] == 58.0).all()
    assert core.scenario.customers[1].label("tenant") == "yes"


def test_the_page_names_every_column_that_a_kind_knows() -> None:
    from gridbazaar.agents.kinds import kinds

    listed = PAGE.split("### What customers have")[1].split("### Families")[0]
    for kind in kinds().values():
        for column in kind.lasting:
            assert f"`{column.name}`" in listed, column.name


def test_the_settings_of_the_page_draw_families() -> None:
    import tomllib

    (text,) = [block for block in PAGE.split("```toml")[1:] if "[community]" in block]
    table = tomllib.loads(text.split("```")[0])["community"]
    scenario = load_scenario("village", community=table)
    homes = [customer for customer in scenario.customers if customer.name.startswith("household")]
    assert sum(customer.label("tenant") == "yes" for customer in homes) == round(0.4 * len(homes))
    assert sum("ev" in agent for customer in homes for agent in customer.agents) == round(0.9 * 6)
