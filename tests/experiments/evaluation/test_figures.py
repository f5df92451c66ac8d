"""Every figure of an evaluation against what the transitions add up to, counted anew."""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import Any

import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.metrics import COMMUNITY_FIGURES
from gridbazaar.experiments.evaluation.play import Played, play
from gridbazaar.experiments.evaluation.rainflow import count_cycles
from gridbazaar.market.settlement.settle import LINES
from tests.quick import only


def by_hand(played: Played) -> dict[str, float]:
    """The figures of an episode, added up number by number from its transitions."""
    core = played.tally.core
    feeder, step_h, agents = core.world.grid.feeder, core.scenario.step_h, range(core.n_agents)
    sums = dict.fromkeys(
        [*COMMUNITY_FIGURES, "load", "charged", "pv", "bought", "traded", "drawn"], 0.0
    )  # those that are no sums are replaced below
    voltages, loadings, imports, worst = [], [], [0.0], []
    for state, happened in zip(played.states, played.transitions, strict=True):
        if state is played.states[0]:
            sums["left_cur"] -= sum(
                float(state.view.stored_kwh[0, a] * state.view.eta_dis[0, a] * state.episode.end_value_cur_per_kwh[0])
                for a in agents
                if state.view.is_stationary[0, a]
            )
        metered = [int(happened.delivery.metered_ukwh[0, a]) for a in agents]
        net_kwh = sum(metered) / 1e6
        sums["import_kwh"] += max(net_kwh, 0.0)
        sums["export_kwh"] += max(-net_kwh, 0.0)
        for a in agents:
            sums["bill_cur"] += sum(int(happened.money.bill.ucur[0, i, a]) for i in range(len(LINES))) / 1e6
            sums["imbalance_cur"] += int(happened.money.bill.ucur[0, LINES.index("imbalance"), a]) / 1e6
            sums["wear_cur"] += float(happened.devices.wear_cur[0, a])
            sums["left_cur"] += float(happened.money.stored_value_cur[0, a])
            sums["load"] += float(happened.devices.load_kwh[0, a])
            sums["pv"] += float(happened.devices.pv_kwh[0, a])
            sums["unserved_kwh"] += float(happened.devices.unserved_kwh[0, a])
            sums["shed_kwh"] += float(happened.shed_kwh[0, a])
            sums["lost_load_cur"] += float(happened.money.shed_cur[0, a])
            sums["lost_load_cur"] += 1.0 * float(happened.devices.unserved_kwh[0, a])  # reward.unserved_cur_per_kwh
            sums["drawn"] += max(metered[a], 0) / 1e6
            sums["curtailed_kwh"] += max(int(happened.delivery.curtailed_ukwh[0, a]), 0) / 1e6
            if core.agents[a].startswith("ev"):
                sums["charged"] += max(metered[a], 0) / 1e6
        for order in range(2 * core.n_agents):
            traded, outside = (
                int(happened.market.clearing.traded_ukwh[0, order]),
                int(happened.market.clearing.outside_ukwh[0, order]),
            )
            sums["bought"] += max(traded + outside, 0) / 1e6
            sums["traded"] += max(traded, 0) / 1e6
            sums["congestion_cur"] += outside * int(happened.market.clearing.rent_ucur_per_kwh[0]) / 1e12
            sums["operator_cur"] -= int(happened.market.clearing.pay_ucur[0, order]) / 1e6
        sums["over_cap_kwh"] += int(happened.market.clearing.over_cap_ukwh[0]) / 1e6
        root_kw = float(happened.wires.root_kw[0])
        sums["loss_kwh"] += float(happened.wires.loss_kw[0]) * step_h
        sums["carbon_kg"] += root_kw * step_h * float(happened.carbon_kg_per_kwh[0])
        imports.append(root_kw)
        for v in happened.wires.voltage_pu[0]:
            voltages.append(float(v))
            outside_pu = max(feeder.v_min_pu - float(v), 0.0) + max(float(v) - feeder.v_max_pu, 0.0)
            sums["violation_pu_min"] += outside_pu * step_h * 60
        loadings += [float(x) for x in happened.wires.branch_loading[0]]
        worst.append(max(float(x) for x in happened.wires.branch_loading[0]))
    stores = [a for a in agents if played.states[0].view.is_stationary[0, a]]
    charges = [[float(s.view.stored_kwh[0, a] / s.view.capacity_kwh[0, a]) for s in played.states] for a in stores]
    return {name: sums[name] for name in COMMUNITY_FIGURES} | {
        "full_cycles": sum(abs(b - a) / 2 for soc in charges for a, b in pairwise(soc)) / len(stores),
        "cycle_life": sum(count_cycles(soc).life for soc in charges) / len(stores),
        "cost_cur": sums["bill_cur"]
        + sums["operator_cur"]
        + sums["wear_cur"]
        + sums["lost_load_cur"]
        - sums["left_cur"],
        "self_sufficiency": 1 - sums["import_kwh"] / (sums["load"] + sums["charged"]),
        "self_consumption": 1 - min(sums["export_kwh"], sums["pv"]) / sums["pv"],
        "traded_share": sums["traded"] / sums["bought"],
        "loss_share": sums["loss_kwh"] / sums["drawn"],
        "loading_p95": statistics.quantiles(worst, n=20, method="inclusive")[-1],
        "peak_import_kw": max(imports),
        "min_voltage_pu": min(voltages),
        "max_voltage_pu": max(voltages),
        "max_loading": max(loadings),
    }


WORLDS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a full connection": (
        {"connection.import_over_load": 0.05},
        (
            "bill_cur",
            "wear_cur",
            "full_cycles",
            "cycle_life",
            "left_cur",
            "traded_share",
            "export_kwh",
            "over_cap_kwh",
            "loss_kwh",
            "carbon_kg",
            "congestion_cur",
            "loss_share",
            "loading_p95",
        ),
    ),
    "weak wires": ({"prosumer.load_scale": 60.0, "constraint": "none"}, ("violation_pu_min",)),
    "too much sun": ({"prosumer.pv_kwp": 80.0, "constraint": "curtail"}, ("curtailed_kwh",)),
    "an outage": (
        {"outage.chance": 1.0, "outage.mean_h": 6.0, "battery.grid_forming": False},
        ("shed_kwh", "lost_load_cur"),
    ),
    "a rule that keeps money": ({"mechanism_options.price_rule": "dual", "battery.count": 3}, ("operator_cur",)),
    "cars without a guarantee": ({"ev.guarantee": False, "ev.count": 3}, ("unserved_kwh",)),
}


@pytest.mark.parametrize("world", only(list(WORLDS)[::2], WORLDS))
def test_figures_are_what_the_transitions_add_up_to(world: str) -> None:
    overrides, told = WORLDS[world]
    policy = "random" if "cars" in world else "self_consumption"
    played = play(Core(load_scenario("street", **overrides)), load_policy(policy), [0], keep=True)
    expected, came = by_hand(played), played.tally.figures()
    assert list(came) == list(COMMUNITY_FIGURES)
    for name, value in expected.items():
        assert came[name][0] == pytest.approx(value, rel=1e-9, abs=1e-9), name
    for name in told:  # a figure that is zero here would show nothing
        assert abs(came[name][0]) > 1e-6, name
