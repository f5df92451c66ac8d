"""Tariffs that are played together, by customers of every sort, give what each gives alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gridbazaar.agents.policies import load_policy
from gridbazaar.data.community import Community, Customer
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.side_by_side import side_by_side
from gridbazaar.experiments.comparison.asked import ask
from gridbazaar.experiments.comparison.frozen import frozen_checks
from gridbazaar.experiments.comparison.plays import Block, play_together
from gridbazaar.experiments.comparison.study import study
from gridbazaar.experiments.comparison.write import tables_of
from gridbazaar.experiments.evaluation.accounts import ENERGY, Accounts
from gridbazaar.experiments.evaluation.evaluate import evaluate

COMMUNITY = Community(
    (
        Customer("family", ("prosumer_0", "ev_0", "battery_0"), automated=False),
        Customer("outside", ("prosumer_1",), member=False),
    )
)
SMALL: dict[str, Any] = {"hours": 6.0, "start_h": 12.0, "step_min": 60, "community": COMMUNITY}
MONTH: dict[str, Any] = {"dates": ("2024-02-01", "2024-02-29"), "step_min": 60}


def costs(tariffs: list[str], policy: str, n: int, **more: Any) -> list[NDArray[np.float64]]:
    worlds = [load_scenario("street", tariff=tariff, **more) for tariff in tariffs]
    played = play_together([Block(world, load_policy(policy)) for world in worlds], range(n), split="test")
    return [np.concatenate([books.tally.scored_cur for books in of]) for of in played]


@pytest.mark.parametrize("policy", ["opportunity_cost", "random"])
def test_customers_play_as_they_do_in_an_evaluation(policy: str) -> None:
    """Devices of the family follow the plain rule, whoever steers the others; who is no member trades with nobody."""
    for tariff, cost in zip(["flat", "tou"], costs(["flat", "tou"], policy, 3, **SMALL), strict=True):
        found = evaluate("street", [policy], seeds=3, bound=False, tariff=tariff, **SMALL)
        assert cost.tolist() == found.result(policy).scored_cur.tolist()
        steered = evaluate("street", [policy], seeds=3, bound=False, tariff=tariff, **SMALL | {"community": None})
        assert cost.tolist() != steered.result(policy).scored_cur.tolist()


@pytest.mark.slow
def test_a_tariff_that_bills_by_the_month_is_played_apart() -> None:
    for tariff, cost in zip(["be_flanders", "flat"], costs(["be_flanders", "flat"], "idle", 1, **MONTH), strict=True):
        found = evaluate("street", ["idle"], seeds=1, bound=False, tariff=tariff, **MONTH)
        assert cost.tolist() == found.result("idle").scored_cur.tolist()
    worlds = [load_scenario("street", tariff=tariff, **MONTH) for tariff in ("be_flanders", "flat")]
    idle, threshold = load_policy("idle"), load_policy("price_threshold")
    blocks = [Block(worlds[0], idle, keeps=True), Block(worlds[1], idle), Block(worlds[0], threshold)]
    kept = play_together(blocks, [0], split="test")
    assert [bool(books.day.kept) for (books,) in kept] == [True, False, False]
    found = evaluate("street", ["price_threshold"], seeds=1, bound=False, tariff="be_flanders", **MONTH)
    (books,) = kept[2]
    assert books.tally.scored_cur.tolist() == found.result("price_threshold").scored_cur.tolist()
    cores = [Core(load_scenario("street", tariff=tariff, **MONTH)) for tariff in ("be_flanders", "flat")]
    with pytest.raises(ValueError, match="one bills by the month; step it apart"):
        side_by_side(cores)


def test_families_on_frozen_meters_trade_as_one(tmp_path: Path) -> None:
    """What a family's devices exchange is no trade, so the market takes nothing from the retailer for it."""
    path = tmp_path / "all.csv"
    agents = load_scenario("street", hours=6.0).agent_names
    one = [agent for agent in agents if not agent.startswith("vpp")]
    path.write_text("customer,agent\n" + "".join(f"one,{agent}\n" for agent in one), encoding="utf-8")
    short: dict[str, Any] = {"seeds": 2, "equal_revenue": False, "hours": 6.0, "step_min": 60, "start_h": 9.0}
    short |= {"vpp.count": 0}
    found = study(ask("street", ["flat"], ["idle"], ["uniform_price"], customers=path, **short))
    checks = frozen_checks(found.frozen, found.asked)
    assert checks
    assert all(check.holds and check.members_cur == 0 for check in checks)
    assert not any(bought_ukwh(book) for one in found.frozen for book in one.accounts)
    apart = study(ask("street", ["flat"], ["idle"], ["uniform_price"], **short))
    assert all(check.members_cur > 0 for check in frozen_checks(apart.frozen, apart.asked))
    assert any(bought_ukwh(book) for one in apart.frozen for book in one.accounts)


def bought_ukwh(book: Accounts) -> int:
    """Bought from neighbours."""
    return int(book.energy_ukwh[:, :, ENERGY.index("bought_local_kwh")].sum())


def test_a_family_is_counted_at_its_meter(tmp_path: Path) -> None:
    """Bought and fed in at once by two devices of one customer is neither, in kWh, peaks and the operator's kWh."""
    path = tmp_path / "families.csv"
    agents = ("prosumer_0", "ev_0", "battery_0")
    path.write_text("customer,agent\n" + "".join(f"family,{agent}\n" for agent in agents), encoding="utf-8")
    short: dict[str, Any] = {"seeds": 2, "equal_revenue": False, "first_best": False, "hours": 12.0, "step_min": 60}
    found = study(ask("street", ["flat"], ["opportunity_cost"], ["none"], customers=path, **short))
    tables = tables_of(found)
    (one,) = (one for one in found.outcomes if one.cell.policy == "opportunity_cost")
    (book,) = one.accounts
    names = list(book.core.scenario.agent_names)
    net = book.net_ukwh[:, :, [names.index(agent) for agent in agents]].sum(axis=2)  # [n_steps, n_envs]
    rows = tables.rows[(tables.rows["customer"] == "family") & (tables.rows["policy"] == "opportunity_cost")]
    mine = rows[rows["basis"] == "played"].groupby("seed")
    assert mine["drawn_kwh"].sum().tolist() == pytest.approx(np.maximum(net, 0).sum(axis=0) / 1e6)
    assert mine["fed_in_kwh"].sum().tolist() == pytest.approx(np.maximum(-net, 0).sum(axis=0) / 1e6)
    assert mine["peak_kw"].max().tolist() == pytest.approx(net.max(axis=0) / 1e6)
    of_devices = book.energy_ukwh[:, :, ENERGY.index("drawn_kwh")].sum() / 1e6
    cells = tables.cells[(tables.cells["policy"] == "opportunity_cost") & (tables.cells["basis"] == "played")]
    assert cells["drawn_kwh"].iloc[0] * 2 < of_devices - 0.1
    drawn = tables.rows[(tables.rows["policy"] == "opportunity_cost") & (tables.rows["basis"] == "played")]
    assert cells["drawn_kwh"].iloc[0] * 2 == pytest.approx(drawn["drawn_kwh"].sum())


def test_policies_and_shares_play_together_as_each_does_alone() -> None:
    """Several policies, tariffs and who is automated in one batch: the same bills to the micro-unit."""
    families = Community(tuple(replace(customer, automated=True) for customer in COMMUNITY.customers))
    blocks = [
        Block(load_scenario("street", tariff=tariff, **SMALL | {"community": community}), load_policy(policy))
        for tariff, policy, community in (
            ("flat", "opportunity_cost", COMMUNITY), ("flat", "random", COMMUNITY), ("tou", "random", families),
            ("tou", "opportunity_cost", families),
        )
    ]  # fmt: skip
    together = play_together(blocks, range(3), split="test")
    for block, played in zip(blocks, together, strict=True):
        (alone,) = play_together([block], range(3), split="test")
        for one, other in zip(played, alone, strict=True):
            assert np.array_equal(one.accounts.bill_ucur, other.accounts.bill_ucur)
            assert np.array_equal(one.accounts.net_ukwh, other.accounts.net_ukwh)
            feeder, its_own = one.day.feeder, other.day.feeder
            assert np.array_equal(feeder.worst, its_own.worst)
            for name in ("load_kw", "pv_kw", "loading", "voltage_pu", "net_kw"):
                assert getattr(feeder, name) == pytest.approx(getattr(its_own, name), abs=1e-9), name
    peaks = [tuple(played[0].day.feeder.loading.max(axis=1).round(6)) for played in together]
    assert len(set(peaks)) > 1
    assert len({tuple(played[0].tally.scored_cur.tolist()) for played in together}) == 4
