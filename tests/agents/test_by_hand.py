"""Customers without automation: their devices follow the plain rule, whatever the policy says."""

from __future__ import annotations

import numpy as np

from gridbazaar.agents.policies import load_policy
from gridbazaar.data.community import Community, Customer
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.play import play

FAMILY = ("prosumer_1", "battery_0", "ev_0")


def core_of(*, automated: bool, others: bool = True) -> Core:
    rest = [Customer(f"{a}'s", (a,), automated=others) for a in ("prosumer_0", "prosumer_2", "vpp_0")]
    community = Community((Customer("family", FAMILY, automated=automated), *rest))
    return Core(load_scenario("street", community=community, forecast="perfect", constraint="none", hours=6.0), 2)


def test_devices_by_hand_do_the_same_whatever_the_policy() -> None:
    core = core_of(automated=False)
    own = [core.agents.index(agent) for agent in FAMILY]
    played = [play(core, load_policy(name), [0, 1], keep=True).transitions for name in ("random", "idle")]
    meters = [np.array([h.delivery.metered_ukwh for h in transitions]) for transitions in played]
    assert np.abs(meters[0] - meters[1]).max() > 0.1 * MICRO
    # A flexible device that draws and releases in one interval rounds twice.
    assert np.abs(meters[0] - meters[1])[:, :, own].max() <= 2


def test_a_battery_by_hand_serves_its_own_meter_and_a_lone_one_rests() -> None:
    core = core_of(automated=False, others=False)
    seen = play(core, load_policy("random"), [0, 1], keep=True)
    own = [core.agents.index(agent) for agent in FAMILY]
    battery, vpp = core.agents.index("battery_0"), core.agents.index("vpp_0")
    served = 0
    for happened in seen.transitions:
        flows = happened.devices.flexible_ukwh
        assert not flows[:, vpp].any()
        stored = flows[:, [battery, own[0]]].sum(1)  # the home has a battery of its own
        others = happened.delivery.metered_ukwh[:, own].sum(1) - stored
        assert (stored * others <= 0).all()
        assert (np.abs(stored) <= np.abs(others) + 4).all()
        served += int(np.abs(flows[:, battery]).sum())
    assert served > MICRO


def test_automated_customers_follow_the_policy_as_before() -> None:
    core, plain = (
        core_of(automated=True),
        Core(load_scenario("street", forecast="perfect", constraint="none", hours=6.0), 2),
    )
    one, other = (play(c, load_policy("idle"), [0, 1], keep=True).transitions for c in (core, plain))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.delivery.metered_ukwh, b.delivery.metered_ukwh)
