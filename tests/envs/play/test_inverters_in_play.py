"""Inverters in a scenario: they hold the voltage down, and what they withhold is nobody's imbalance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.play import Played, play

SUN = {"prosumer.pv_kwp": 40.0, "prosumer.pv_share": 1.0, "hours": 5.0, "constraint": "none"}
"""About the most for which the village's lines have a voltage when nobody answers: 1.30 pu (60 kWp: none)."""


def played(**overrides: Any) -> Played:
    """Four sunny afternoons."""
    return play(
        Core(load_scenario("village", **(SUN | overrides)), 4), load_policy("idle"), range(4), split="train", keep=True
    )


def violations(found: Played) -> Any:
    return found.tally.figures()["violation_pu_min"]


@pytest.mark.parametrize("response", ["ieee_1547_a", "ieee_1547_b", "vde_ar_n_4105"])
def test_inverters_that_answer_keep_the_voltage_nearer_the_band(response: str) -> None:
    plain, answering = played(), played(**{"inverter.response": response})
    assert (violations(plain) > 10).all()
    assert (violations(answering) < violations(plain)).all()
    # The flattest curve ends at 1.12 pu, of 1.30: what is left is (1.12 - 1.05) / (1.30 - 1.05) at most.
    assert violations(answering).max() < 0.28 * violations(plain).max()
    assert all(h.wires.converged.all() for found in (plain, answering) for h in found.transitions)


def test_what_volt_watt_withholds_is_curtailment_and_no_imbalance() -> None:
    """So much sun that reactive power alone does not hold the voltage."""
    overrides = {"inverter.response": "ieee_1547_b", "prosumer.pv_kwp": 400.0, "inverter.kva_per_kwp": 1.0}
    plain, found = played(**{"prosumer.pv_kwp": 400.0}), played(**overrides)
    withheld = sum(np.maximum(h.delivery.curtailed_ukwh, 0).sum(1) for h in found.transitions) / 1e6
    pv = [sum(h.devices.pv_kwh.sum(1) for h in p.transitions) for p in (plain, found)]
    assert withheld.max() > 1
    assert pv[0] - pv[1] == pytest.approx(withheld, abs=1e-3)
    for ours, theirs in zip(found.transitions, plain.transitions, strict=True):
        assert not ours.money.bill.ucur.sum(axis=2).any()
        assert np.abs(ours.money.bill.line("imbalance") - theirs.money.bill.line("imbalance")).max() <= 4


def test_a_row_of_a_batch_is_the_row_alone() -> None:
    scenario = load_scenario("village", **SUN, **{"inverter.response": "ieee_1547_b"})
    action = np.zeros((4, 1, Core(scenario).n_agents, 2))
    both, alone = Core(scenario, 2), Core(scenario, 1)
    two, one = both.reset([3, 0], split="test"), alone.reset([0], split="test")
    for a in action:
        two, happened = both.step(two, np.repeat(a, 2, axis=0))
        one, single = alone.step(one, a)
        assert happened.wires.voltage_pu[1] == pytest.approx(single.wires.voltage_pu[0], abs=1e-6)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("inverter.response", "ieee", "inverter.response: expected one of none, ieee_1547_a, .*got 'ieee'"),
        ("inverter.priority", "both", "inverter.priority: expected one of var, watt"),
        ("inverter.kva_per_kwp", 0.5, r"inverter.kva_per_kwp: expected a number in \[1, "),
    ],
)
def test_inverters_that_make_no_sense_are_refused(field: str, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load_scenario("village", **{field: value})
