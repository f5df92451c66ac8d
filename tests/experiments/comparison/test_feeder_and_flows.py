"""Tables of the feeder and of who pays whom: held to the transitions of the same episodes, and to bills."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.experiments.comparison.asked import ask
from gridbazaar.experiments.comparison.cell import WRITTEN, Cell
from gridbazaar.experiments.comparison.feeder_tables import HEAD
from gridbazaar.experiments.comparison.flow_table import CUSTOMERS
from gridbazaar.experiments.comparison.study import Study, study
from gridbazaar.experiments.comparison.write import Tables, tables_of
from gridbazaar.experiments.evaluation.play import Played, play_episode
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES

SMALL: dict[str, Any] = {
    "hours": 8, "step_min": 60, "data.n_homes": 8, "data.n_roofs": 4, "data.n_cars": 4, "data.n_days": 80,
}  # fmt: skip
CELL = Cell("tou", "uniform_price", "idle")
SEEDS = (1, 4)
MONTHS = {12: "Dec-Feb", 1: "Dec-Feb", 2: "Dec-Feb", 3: "Mar-May", 4: "Mar-May", 5: "Mar-May", 6: "Jun-Aug",
          7: "Jun-Aug", 8: "Jun-Aug", 9: "Sep-Nov", 10: "Sep-Nov", 11: "Sep-Nov"}  # fmt: skip


@pytest.fixture(scope="module")
def found() -> Study:
    short: dict[str, Any] = {"seeds": SEEDS, "equal_revenue": False}
    return study(ask("street", ["flat", "tou"], ["idle"], ["uniform_price"], **short, **SMALL))


@pytest.fixture(scope="module")
def tables(found: Study) -> Tables:
    return tables_of(found)


@pytest.fixture(scope="module")
def alone(found: Study) -> dict[int, Played]:
    """The same cell, an episode at a time."""
    world = found.asked.world(CELL.tariff, CELL.mechanism)
    return {seed: play_episode(world, {"idle": "idle"}, seed)["idle"] for seed in SEEDS}


def of_cell(table: Any) -> Any:
    named = {"prices": WRITTEN, "basis": "played"} | CELL._asdict()
    return table[np.logical_and.reduce([table[name] == value for name, value in named.items()])]


def test_the_average_day_is_that_of_the_transitions(tables: Tables, alone: dict[int, Played]) -> None:
    mine = of_cell(tables.average_day)
    means: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    for played in alone.values():
        bank = played.tally.core.world.bank
        start = int(played.states[0].episode.start[0])
        for t, happened in enumerate(played.transitions):
            day = (bank.first_day + bank.calendar.day[start + t]).astype("datetime64[D]").item()
            key = (MONTHS[day.month], int(bank.hour()[start + t]))
            devices = happened.devices
            power = (float(devices.load_kwh.sum()), float(devices.pv_kwh.sum()), float(happened.wires.root_kw[0]))
            means.setdefault(key, []).append(power)
    assert {(row["season"], row["hour"]) for row in mine.to_dict("records")} == set(means)
    assert len(mine) >= SMALL["hours"]
    for row in mine.to_dict("records"):
        held = means[row["season"], row["hour"]]
        got = [row[name] for name in ("load_kw", "pv_kw", "head_kw")]
        assert got == pytest.approx(np.mean(held, axis=0).tolist(), abs=1e-9)
        assert row["days"] == len(held)


def test_the_worst_interval_is_the_one_with_the_largest_loading(tables: Tables, alone: dict[int, Played]) -> None:
    mine = of_cell(tables.feeder)
    at = {
        (seed, t): float(happened.wires.branch_loading.max())
        for seed, played in alone.items()
        for t, happened in enumerate(played.transitions)
    }
    seed, t = max(at, key=at.__getitem__)
    core, happened = alone[seed].tally.core, alone[seed].transitions[t]
    feeder = core.world.grid.feeder
    assert (mine["seed"] == seed).all()
    hour = core.world.bank.hour()[int(alone[seed].states[0].episode.start[0]) + t]
    assert mine["at"].iloc[0].endswith(f" {int(hour):02d}:00")
    assert mine["bus"].tolist() == list(feeder.buses)
    assert mine["loading"].tolist() == pytest.approx(happened.wires.branch_loading[0].tolist(), abs=1e-9)
    assert mine["voltage_pu"].tolist() == pytest.approx(happened.wires.voltage_pu[0].tolist(), abs=1e-9)
    assert mine["fed_by"].tolist() == [HEAD if up < 0 else feeder.buses[up] for up in feeder.parent]
    metered = happened.delivery.metered_ukwh[0].sum() / 1e6
    assert mine["net_kw"].sum() == pytest.approx(metered, abs=1e-9)
    buses = np.asarray(happened.market.orders.bus)
    for i, agent in enumerate(core.agents):
        assert agent in mine["customers"].iloc[int(buses[i])].split("; ")


def test_what_all_pay_of_a_line_is_what_all_receive(tables: Tables) -> None:
    mine = of_cell(tables.flows)
    assert set(mine["line"]) <= set(LINES)
    for _, of_line in mine.groupby("line"):
        assert of_line["pays_cur"].sum() == pytest.approx(of_line["receives_cur"].sum(), abs=1e-9)
    assert (mine[["pays_cur", "receives_cur"]] >= 0).all(axis=None)


def test_flows_are_those_of_bills_and_parties(tables: Tables) -> None:
    mine, rows, cell = of_cell(tables.flows), of_cell(tables.rows), of_cell(tables.cells).iloc[0]
    net = (mine["pays_cur"] - mine["receives_cur"]).groupby(mine["party"]).sum()
    assert set(net.index) & set(CUSTOMERS.values())
    assert sum(net.get(party, 0.0) for party in CUSTOMERS.values()) == pytest.approx(cell["customers_pay_cur"])
    for party in SYSTEM_PARTIES:
        assert net.get(party, 0.0) == pytest.approx(-cell[f"{party}_cur"], abs=1e-9)
    for value, party in CUSTOMERS.items():
        for line in LINES:
            bills = rows.loc[rows["sun"] == value, f"{line}_cur"]
            shown = mine[(mine["party"] == party) & (mine["line"] == line)]
            assert shown["pays_cur"].sum() == pytest.approx(bills.clip(lower=0).sum() / len(SEEDS), abs=1e-9)
            assert shown["receives_cur"].sum() == pytest.approx(-bills.clip(upper=0).sum() / len(SEEDS), abs=1e-9)
