"""What a report says is not modelled is not modelled in its scenario, and what is modelled is not denied."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.experiments.report.limits import not_modelled
from gridbazaar.market.grid.inverter import RESPONSES

ABSENT = (
    "heat pumps", "electric hot water", "appliances that wait", "failures of devices", "batteries that age", "outages",
    "calls of the grid operator",
)  # fmt: skip
NODAL = {"constraint": "nodal", "mechanism": "nodal"}
FAILING = {"battery.failure": {"mtbf_h": 400.0}}


def said(name: str, **overrides: Any) -> str:
    """The section on a scenario whose optimum has a bound, as text."""
    return text_of(not_modelled(load_scenario(name, **overrides), None))


def text_of(page: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", page))


@pytest.mark.parametrize("name", list_scenarios())
def test_every_scenario_has_its_limits(name: str) -> None:
    points = re.findall(r"<li>(.*?)</li>", not_modelled(load_scenario(name), None))
    assert len(points) >= 6
    assert all(point.endswith(".") for point in points)


def test_inverters_that_answer_the_voltage_are_not_denied() -> None:
    assert "Inverters do not answer the voltage" in said("village")
    for response in RESPONSES:
        text = said("village", **{"inverter.response": response})
        assert f"Inverters of PV and of turbines answer the voltage ({response})" in text
        assert "do not answer" not in text


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("proportional", "are curtailed in proportion"),
        ("equal_share", "all are left the same power"),
        ("last_in", "who was connected last is cut first"),
    ],
)
def test_curtailment_is_by_the_rule_of_the_scenario(rule: str, words: str) -> None:
    found = {other: said("village", curtailment=other) for other in ("proportional", "equal_share", "last_in")}
    assert [other for other, text in found.items() if words in text] == [rule]


def test_watched_wires_and_priced_wires_are_told_from_curtailment() -> None:
    watched, priced = said("village", constraint="none"), said("village", **NODAL)
    assert "Wires are only watched" in watched
    assert "curtailed in proportion" not in watched
    assert "Wires have prices" in priced
    assert "Where a limit is passed all the same" in priced
    assert "Wires have prices" not in said("village")
    assert "last is cut first" in said("village", curtailment="last_in", **NODAL)


@pytest.mark.parametrize(
    ("name", "overrides", "there"),
    [
        ("village", {}, set()),
        ("winter", {}, {"heat pumps", "electric hot water", "appliances that wait"}),
        ("village", {"prosumer.water": {"share": 0.5}}, {"electric hot water"}),
        ("blackout", {}, {"outages"}),
        ("vpp_call", {}, {"calls of the grid operator"}),
        ("ageing", {}, {"failures of devices", "batteries that age"}),
        ("village", FAILING, {"failures of devices"}),
        ("village", {"battery.ageing": {"fades": True}}, {"batteries that age"}),
        ("village", FAILING | {"battery.count": 0}, set()),
    ],
)
def test_only_what_is_turned_off_is_said_to_be_absent(name: str, overrides: dict[str, Any], there: set[str]) -> None:
    absent = said(name, **overrides).partition("Without ")[2].partition(".")[0]
    assert {word for word in ABSENT if word not in absent} == there


def test_where_everything_is_turned_on_nothing_is_said_to_be_absent() -> None:
    everything: dict[str, Any] = {
        "prosumer.appliance": {"share": 0.5}, "prosumer.heating": {"share": 0.5}, "prosumer.water": {"share": 0.5},
    }  # fmt: skip
    assert "Without" in said("ageing", **everything)
    text = said("ageing", **everything, **{"outage.chance": 0.5})
    assert "Without calls of the grid operator." in text


def test_series_are_said_to_come_from_where_they_do() -> None:
    assert "Load, sun, cars and prices are generated" in said("village")
    measured = said("village", **{"data.path": "folder/measured.csv"})
    assert "measured.csv" in measured
    assert "folder" not in measured
    assert "Cars and prices are generated" in said("workplace")
    assert "cars and prices are generated" not in measured
    assert "Cars come and go as in acn.json" in said("workplace", **{"data.sessions": "acn:folder/acn.json"})
    assert "Cars are made after the tables of t" in said("workplace", **{"data.sessions": "elaad_public:x/t"})
    assert "Cars" not in said("village", **{"ev.count": 0, "data.sessions": "acn:folder/acn.json"})
    assert "wind" in said("village", wind={"count": 1})
    assert "cars" not in said("village", **{"ev.count": 0}).partition("generated")[0]


def test_months_are_named_where_episodes_keep_to_them() -> None:
    assert "months 11 to 2" in said("winter")
    assert "months" not in said("village")


def test_nobody_is_said_to_bid_where_the_meters_are_priced() -> None:
    assert "act on their devices and on limit prices" in said("village")
    metered = said("village", mechanism="mid_market_rate")
    assert "limit prices" not in metered
    assert "nobody bids" in metered
    assert "on what they offer for calls" in said("vpp_call")
    assert "offer for calls" not in said("village")
    assert "offer for calls" not in said("vpp_call", **{"vpp.count": 0})


def test_the_optimum_leaves_out_only_what_is_there() -> None:
    assert "the least power of chargers" in said("village")
    assert "least power of chargers" not in said("village", **{"ev.count": 0})
    assert "least power of chargers" not in said("village", **{"ev.min_kw": 0.0})
    assert "an engine's least load" in said("village", genset={"count": 1})
    assert "an engine's least load" not in said("village")
    assert "that devices fail" in said("ageing")
    assert "that batteries fade" in said("ageing")
    assert "fade" not in said("village").partition("optimum")[2]


def test_without_a_bound_no_optimum_is_described() -> None:
    text = text_of(not_modelled(load_scenario("winter"), "the optimum's program does not cover heat pumps"))
    assert "the optimum's program does not cover heat pumps" in text
    assert "knows the future" not in text


def test_forecasts_without_error_are_told() -> None:
    assert "Forecasts never err" in said("village", forecast="perfect")
    assert "Forecasts never err" not in said("village")


def test_an_episode_is_said_to_have_one_outage_at_most_where_there_are_any() -> None:
    assert "at most one outage" in said("blackout")
    assert "one outage" not in said("village")


def test_half_hours_are_not_rounded_away() -> None:
    assert "An episode is 1.5 hours." in said("village", hours=1.5)
    assert "An episode is 24 hours." in said("village")
