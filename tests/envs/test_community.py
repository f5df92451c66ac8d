"""A community in a scenario: what it may hold, and that one without families changes nothing."""

from __future__ import annotations

import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.data.arrays import host
from gridbazaar.data.community import Community, Customer
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario, scenario_of
from gridbazaar.experiments.describe import scenario_toml

FAMILY = Community((Customer("family", ("prosumer_1", "battery_0", "ev_0")),))
BESIDE = Community((*FAMILY.customers, Customer("beside", ("prosumer_0",), member=False)))


def street(**more: Any) -> Any:
    return load_scenario("street", **more)


def test_a_file_counts_from_the_folder_of_its_scenario(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("customer,agent\nfamily,ev_0\nfamily,prosumer_0\n", encoding="utf-8")
    table = 'community = "mine.csv"\ntariff = "flat"\nfeeder = "street"\n[prosumer]\ncount = 1\n[ev]\ncount = 1\n'
    (tmp_path / "mine.toml").write_text(table, encoding="utf-8")
    assert [customer.name for customer in load_scenario(tmp_path / "mine.toml").customers] == ["family"]


def test_a_scenario_with_customers_is_stored_and_read_again() -> None:
    scenario = street(community=FAMILY)
    assert scenario_of(asdict(scenario)).customers == scenario.customers
    assert pickle.loads(pickle.dumps(Core(scenario))).scenario.customers == scenario.customers


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"community": Community((Customer("a", ("vpp_0", "ev_0")),))}, "customer 'a': vpp_0 runs devices all over"),
        (
            {"community": FAMILY, "battery.shares": {"prosumer_0": 1.0}},
            "customer 'family': battery_0 belongs to those who hold battery.shares",
        ),
        ({"community": FAMILY, "mechanism": "nodal", "constraint": "nodal"}, "constraint nodal"),
        ({"community": BESIDE, "outage.chance": 0.5}, "an island has no retailer"),
        ({"community": "nowhere.csv"}, "nowhere.csv"),
    ],
)
def test_what_is_not_worked_out_for_customers_is_refused_by_name(more: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        street(**more)


@pytest.mark.parametrize("community", [FAMILY, BESIDE])
def test_the_differentiable_interval_refuses_families(community: Community) -> None:
    pytest.importorskip("torch")
    from gridbazaar.experiments.training.gradient.twin import refuse_uncovered

    with pytest.raises(ValueError, match=r"customers of several agents, or that are no members \(community\)"):
        refuse_uncovered(street(community=community))
    refuse_uncovered(street(community=Community((Customer("one", ("prosumer_1",)),))))
    with pytest.raises(ValueError, match="charges by the month"):
        refuse_uncovered(street(tariff="be_flanders", carry="drawn"))


def trajectory(core: Core, n_steps: int = 8) -> list[Any]:
    rng, state = np.random.default_rng(5), core.reset([3, 4])
    found: list[Any] = []
    for _ in range(n_steps):
        action = rng.uniform(-1, 1, (2, core.n_agents, core.n_actions))
        state, happened = core.step(state, core._to_array(action))
        found.append([host(x) for x in (happened.reward, happened.money.bill.ucur, happened.market.orders.energy_ukwh)])
    return found


@pytest.mark.parametrize("mechanism", ["uniform_price", "mid_market_rate"])
def test_customers_of_one_agent_each_change_no_bit(mechanism: str) -> None:
    named = Community(tuple(Customer(f"the {a}", (a,)) for a in street().agent_names))
    for one, other in zip(
        trajectory(Core(street(mechanism=mechanism), 2)),
        trajectory(Core(street(mechanism=mechanism, community=named), 2)), strict=True,
    ):  # fmt: skip
        for x, y in zip(one, other, strict=True):
            np.testing.assert_array_equal(x, y)


def test_torch_nets_and_bills_customers_as_numpy_does() -> None:
    pytest.importorskip("torch")
    scenario = street(community=BESIDE)
    pairs = zip(trajectory(Core(scenario, 2)), trajectory(Core(scenario, 2, backend="torch")), strict=True)
    for (reward, bill, orders), (other_reward, other_bill, other_orders) in pairs:
        np.testing.assert_array_equal(bill, other_bill)
        np.testing.assert_array_equal(orders, other_orders)
        np.testing.assert_allclose(reward, other_reward, atol=1e-7)


def test_agents_of_a_customer_are_rewarded_alike() -> None:
    core = Core(street(community=FAMILY, **{"reward.whose": "mix"}), 2)
    for reward, _, _ in trajectory(core, 4):
        assert (reward[:, [1, 3, 4]] == reward[:, [1]]).all()
        assert (reward[:, 0] != reward[:, 1]).any()


def test_a_scenario_keeps_its_customers_whole_and_is_written_with_them(tmp_path: Path) -> None:
    """What a run records is who was played, not a file that may change."""
    table = tmp_path / "mine.csv"
    table.write_text("customer,agent,member,income\nfamily,ev_0,no,low\nfamily,prosumer_0,,\n", encoding="utf-8")
    scenario = street(community=str(table))
    table.unlink()
    again = tmp_path / "again.toml"
    again.write_text(scenario_toml(scenario), encoding="utf-8")
    assert load_scenario(again).customers == scenario.customers
    assert scenario.customers[0] == Customer(
        "family", ("prosumer_0", "ev_0"), member=False, labels=(("income", "low"),)
    )
