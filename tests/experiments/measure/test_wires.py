"""What the wires do in play: the measured page, and what it says of the village and of the weak feeder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.data.feeders import load_feeder
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.state import Transition
from gridbazaar.experiments.docs.wires import wires_table, write_wires
from gridbazaar.experiments.evaluation.play import Played, play
from gridbazaar.experiments.measure.wires import MEASURED, WireCard, measure_wires, treated, used_share, wire_row
from tests.quick import only

PAGE = Path(__file__).resolve().parents[3] / "docs" / "grid.md"
RULES = ("idle", "opportunity_cost")
"""Without the optimum, which takes its time."""
Cards = dict[tuple[str, str], WireCard]


@pytest.fixture(scope="module")
def village() -> Cards:
    return by_name(measure_wires("village", ("curtail",), RULES))


@pytest.fixture(scope="module")
def weak() -> Cards:
    return by_name(measure_wires("weak_feeder", ("none", "curtail", "nodal"), RULES))


def by_name(cards: list[WireCard]) -> Cards:
    return {(card.constraint, card.policy): card for card in cards}


def on_page(name: str, cards: list[WireCard]) -> bool:
    table = PAGE.read_text(encoding="utf-8").partition(f"<!-- wires {name} -->")[2].partition("<!-- end -->")[0]
    return all(f"| {' | '.join(wire_row(card))} |" in table for card in cards)


@pytest.mark.slow
def test_the_page_has_the_measured_figures_of_the_rules(village: Cards, weak: Cards) -> None:
    for name, cards in (("village", village), ("weak_feeder", weak)):
        assert on_page(name, list(cards.values())), "run gridbazaar measure wires --write docs"


@pytest.mark.slow
def test_the_page_has_the_measured_figures_of_the_optimum_and_its_plan_pays_for_full_wires() -> None:
    found = {name: measure_wires(name, constraints, ("optimum",)) for name, (constraints, _) in MEASURED.items()}
    assert all(on_page(name, cards) for name, cards in found.items()), "run gridbazaar measure wires --write docs"
    cards = by_name(found["weak_feeder"])
    assert ("nodal", "optimum") not in cards, "there is no bound where sales at any bus price may be withheld"
    assert cards["curtail", "optimum"].extra_cur is not None
    assert cards["curtail", "optimum"].extra_cur.low > 0


@pytest.mark.slow
def test_the_marks_of_the_page_are_filled(tmp_path: Path, village: Cards) -> None:
    (tmp_path / "grid.md").write_text("a\n<!-- wires village -->\nold\n<!-- end -->\nz\n", encoding="utf-8")
    cards = list(village.values())
    page = write_wires({"village": cards}, tmp_path).read_text(encoding="utf-8")
    assert page == f"a\n<!-- wires village -->\n{wires_table(cards)}\n<!-- end -->\nz\n"
    with pytest.raises(FileNotFoundError, match=r"grid\.md"):
        write_wires({}, tmp_path / "nowhere")


def test_the_used_share_is_the_largest_of_rating_and_both_sides_of_the_band() -> None:
    feeder = load_feeder("village")
    assert (feeder.v_min_pu, feeder.v_max_pu) == (0.95, 1.05)
    volts = np.ones((4, feeder.n_buses))
    loading = np.full((4, feeder.n_buses), 0.2)
    volts[0, 3], volts[1, 5], loading[2, 0] = 0.96, 1.03, 1.1
    assert used_share(feeder, volts, loading).tolist() == pytest.approx([0.8, 0.6, 1.1, 0.2])


# The village


@pytest.mark.slow
def test_the_villages_wires_come_near_and_hardly_withhold(village: Cards) -> None:
    """Unsteered they come near on a good part of the days; at most 1 % of anyone's energy is withheld."""
    for card in village.values():
        assert 0 < card.withheld_share <= 0.01, card
        assert card.beyond_share == 0, card
        assert card.highest_pu < 1.0505, card
        assert card.extra_cur is not None
        assert abs(card.extra_cur.mean) < 0.01 * 25, card
    idle, rule = village["curtail", "idle"], village["curtail", "opportunity_cost"]
    assert 0.25 <= idle.near_share <= 0.5
    assert 0.1 <= rule.near_share < idle.near_share, "who buys when it is cheap keeps off the evening peak"


def test_the_villages_connection_binds_before_its_wires() -> None:
    core = Core("village", 40)
    full, withheld = np.zeros(40, np.bool_), np.zeros(40, np.bool_)
    for happened in play(core, load_policy("idle"), range(40), split="validation", keep=True).transitions:
        delivery, cap_ukwh = happened.delivery, happened.market.setting.import_cap_ukwh
        full |= delivery.metered_ukwh.sum(1) >= cap_ukwh
        withheld |= np.abs(delivery.curtailed_ukwh).sum(1) > 1000
    assert full.mean() > 0.8
    assert 0 < withheld.mean() < 0.2


def test_voltages_fall_on_winter_evenings_and_rise_on_summer_noons() -> None:
    core = Core("village", 40)
    low: list[tuple[int, float]] = []  # (month, hour) of the intervals near the lower edge
    high: list[tuple[int, float]] = []  # and near the upper one
    state = core.reset(range(40), split="validation")
    found = play(core, load_policy("idle"), range(40), split="validation", keep=True)
    first = np.asarray(core.world.bank.first_day, "datetime64[D]")
    for t, happened in enumerate(found.transitions):
        step = np.asarray(state.episode.start) + t
        month = (first + (step // round(24 / core.scenario.step_h))).astype("datetime64[M]").astype(int) % 12 + 1
        hour = np.asarray(core.world.hour)[step]
        volts = happened.wires.voltage_pu
        for near, where in ((volts.min(1) < 0.96, low), (volts.max(1) > 1.04, high)):
            where += list(zip(month[near], hour[near], strict=True))
    falls, rises = np.array(low, np.float64), np.array(high, np.float64)
    assert len(falls) > 20
    assert len(rises) > 20
    assert ((falls[:, 1] >= 16) | (falls[:, 1] < 2)).mean() > 0.8
    assert np.isin(falls[:, 0], [10, 11, 12, 1, 2, 3]).mean() > 0.5
    assert ((rises[:, 1] >= 10) & (rises[:, 1] < 16)).mean() > 0.8
    assert np.isin(rises[:, 0], [4, 5, 6, 7, 8, 9]).mean() > 0.8


@pytest.mark.parametrize("policy", ["idle", "random"])
@pytest.mark.parametrize("name", only(["weak_feeder"], ["village", "street", "winter", "workplace", "weak_feeder"]))
def test_the_flow_of_every_interval_settles_and_no_voltage_collapses(name: str, policy: str) -> None:
    found = played(name, "none", policy, 12)
    drawn = sum(int((happened.delivery.metered_ukwh > 0).sum()) for happened in found.transitions)
    assert drawn > 0
    assert all(happened.wires.converged.all() for happened in found.transitions)
    assert min(float(happened.wires.voltage_pu.min()) for happened in found.transitions) > 0.85


def played(name: str, constraint: str, policy: str, n: int) -> Played:
    core = Core(treated(name, constraint), n)
    return play(core, load_policy(policy), range(n), split="validation", keep=True)


# The weak feeder


@pytest.mark.slow
def test_without_limits_the_weak_feeder_is_overloaded_and_curtailment_keeps_it(weak: Cards) -> None:
    """Free, both policies leave the band on either side; who charges on arrival goes deeper than who waits."""
    feeder = load_feeder("weak_feeder")
    assert weak["none", "idle"].lowest_pu < weak["none", "opportunity_cost"].lowest_pu - 0.005
    for rule in RULES:
        free, cut = weak["none", rule], weak["curtail", rule]
        assert free.loading > 1.2
        assert free.highest_pu > 1.07
        assert free.lowest_pu < feeder.v_min_pu
        assert free.beyond_share > 0.2
        assert free.withheld_kwh == 0
        assert cut.loading < 1.002
        assert cut.highest_pu < 1.0505
        assert cut.withheld_share > 0.015


@pytest.mark.slow
def test_prices_per_bus_part_and_leave_less_to_withhold(weak: Cards) -> None:
    for rule in RULES:
        cut, priced = weak["curtail", rule], weak["nodal", rule]
        assert priced.parted_share > 0.05
        assert cut.parted_share == 0
        assert 0 < priced.withheld_kwh < 0.6 * cut.withheld_kwh


@pytest.mark.slow
def test_a_rule_that_takes_any_price_pays_for_full_wires(weak: Cards) -> None:
    """Idle charges its cars whenever they come; the engineered rule bids no more than energy is worth to it."""
    idle, rule = weak["nodal", "idle"], weak["nodal", "opportunity_cost"]
    assert idle.extra_cur is not None
    assert rule.extra_cur is not None
    assert idle.extra_cur.low > 0.3
    assert rule.extra_cur.mean < 0.5 * idle.extra_cur.mean
    more = {name: weak["nodal", name].cars_cur - weak["none", name].cars_cur for name in RULES}
    assert more["idle"] > more["opportunity_cost"] > 0


def test_who_stands_behind_a_full_line_pays_more_in_the_evening_and_gets_less_at_noon() -> None:
    """Plain reading of orders and bills of some days: by the price of the bus against that at the root."""
    prices: dict[str, list[float]] = {"bought": [], "sold": []}
    for happened in played("weak_feeder", "nodal", "idle", 8).transitions:
        for side, apart in apart_of(happened).items():
            prices[side] += apart
    assert len(prices["bought"]) > 20
    assert len(prices["sold"]) > 20
    assert np.mean(prices["bought"]) > 0.05
    assert np.mean(prices["sold"]) < -0.02


def apart_of(happened: Transition) -> dict[str, list[float]]:
    """Paid per kWh above the cheapest bus, got below the dearest, of agents whose buses' prices part by 5 cents."""
    clearing: Any = happened.market.clearing
    price, filled = clearing.price_ucur_per_kwh / MICRO, clearing.filled_ukwh
    far = np.ptp(price, axis=1, keepdims=True) > 0.05
    bought, sold = far & (filled > 0), far & (filled < 0)
    return {
        "bought": list((price - price.min(1, keepdims=True))[bought]),
        "sold": list((price - price.max(1, keepdims=True))[sold]),
    }
