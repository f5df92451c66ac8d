"""Where each worked case of the field's markets is tested, or why it is not ours."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class Case(NamedTuple):
    """One worked case: what it is, its tests as file::function beside this file, and what is left out of it and why."""

    title: str
    tests: tuple[str, ...]
    left_out: str = ""


PLAIN = "clear/test_clear.py::test_worked_cases_come_out"
TRUTHFUL = "clear/test_clear.py::test_worked_cases_of_the_truthful_auctions"

CASES = {
    "T1": Case(
        "PyMarket's first data set",
        (PLAIN, "auction/test_equilibrium.py::test_worked_cases_gain_what_they_should"),
        "the largest volume that can trade at all, 4: no mechanism of ours maximises it",
    ),
    "T2": Case(
        "PyMarket's second data set", (PLAIN, "auction/test_equilibrium.py::test_worked_cases_gain_what_they_should")
    ),
    "T4": Case(
        "PyMarket's market test",
        (
            PLAIN,
            TRUTHFUL,
            "mechanisms/test_huang.py::test_worked_cases",
            "mechanisms/test_muda.py::test_t4_both_halves_trade_one_unit_at_3_and_2",
        ),
    ),
    "T6": Case("gsy-e's pay-as-clear, with the two it leaves unsolved", (PLAIN,)),
    "T10": Case(
        "five bids and five asks through every double auction",
        (
            PLAIN,
            TRUTHFUL,
            "mechanisms/test_trade_reduction.py::test_worked_cases",
            "mechanisms/test_vcg.py::test_t10_buyers_pay_85_sellers_get_90_and_10_are_missing",
            "mechanisms/test_sbba.py::test_t10_one_pair_trades_at_the_last_accepted_bid_and_the_seller_is_drawn",
        ),
    ),
    "T11": Case("McAfee's auction must reduce", (TRUTHFUL, "mechanisms/test_trade_reduction.py::test_worked_cases")),
    "T15": Case(
        "rec-operation's mid-market rate",
        (),
        "it takes the middle between the lowest bid and the highest ask, not that of the retailer's prices",
    ),
    "T16": Case("supply-demand ratio", ("mechanisms/test_supply_demand_ratio.py::test_worked_case_t16",)),
    "T17": Case(
        "community prices with R = .30 and F = .10",
        (
            "clear/test_clear.py::test_fills_count_the_retailer_and_prices_are_averages",
            "mechanisms/test_supply_demand_ratio.py::test_worked_case_t17",
            "mechanisms/test_bill_sharing.py::test_worked_case_t17",
            "mechanisms/test_mid_market_rate.py::test_worked_case_t17",
        ),
    ),
    "T18": Case("dynamic net metering", ("mechanisms/test_dynamic_net_metering.py::test_worked_case_t18",)),
    "T22": Case(
        "grid fees by level",
        (
            "clear/test_fees.py::test_sellers_post_their_price_and_the_buyer_pays_the_way",
            "clear/test_fees.py::test_pay_as_bid_takes_the_fees_from_what_the_buyer_offers",
        ),
        "prices in each market along the way: there is one common market, and what each side pays follows from it",
    ),
    "T24": Case(
        "collective self-consumption in gsy-e",
        ("mechanisms/test_collective_self_consumption.py::test_worked_case_t24_strands_energy_under_static_keys",),
        "money: it pays the network fee to the seller",
    ),
    "T26": Case("sharing keys", ("mechanisms/test_collective_self_consumption.py::test_worked_case_t26",)),
    "T28": Case(
        "prices at the nodes of a line",
        ("nodal/test_worked.py::test_radial_capacity_curtails_pv_and_leaves_its_price_at_nothing",),
    ),
    "T30": Case(
        "MATPOWER's AC smart market",
        (),
        "a meshed transmission grid with losses; ours are radial feeders, whose linear model cannot match it",
    ),
    "T31": Case(
        "a constant-product pool",
        (
            "mechanisms/test_amm.py::test_worked_case_t31_buying",
            "mechanisms/test_amm.py::test_worked_case_t31_selling",
            "mechanisms/test_amm.py::test_worked_case_t31_round_trip",
        ),
    ),
    "T32": Case(
        "orders that arrive in turn, and the same as a call",
        (
            PLAIN,
            "clear/test_clear.py::test_orders_that_arrive_in_turn_trade_at_the_resting_price",
            "mechanisms/test_continuous_double_auction.py::test_worked_case_t32",
        ),
    ),
    "T34": Case("Gini, Jain and HHI", (), "figures of an evaluation, not of a mechanism"),
}


def functions_of(path: Path) -> set[str]:
    """The test functions that a file defines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("name", CASES)
def test_every_worked_case_is_tested_or_left_out_for_a_reason(name: str) -> None:
    case = CASES[name]
    assert case.tests or case.left_out
    for test in case.tests:
        file, _, function = test.partition("::")
        path = HERE / file
        assert path.is_file(), f"{name}: no file {path.relative_to(ROOT)}"
        assert function in functions_of(path), f"{name}: {path.relative_to(ROOT)} has no {function}"


def test_a_test_that_is_gone_would_be_noticed() -> None:
    here = functions_of(Path(__file__))
    assert "test_a_test_that_is_gone_would_be_noticed" in here
    assert "functions_of" not in here
