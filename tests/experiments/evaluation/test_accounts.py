"""Accounts by calendar month, against sums over the transitions of the same episodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.accounts import Accounts
from gridbazaar.experiments.evaluation.compare import compare
from gridbazaar.experiments.evaluation.play import Played, play
from gridbazaar.market.settlement.settle import LINES

ACROSS: dict[str, Any] = {
    "dates": ("2024-02-28", "2024-03-02"), "step_min": 60, "data.n_homes": 8, "data.n_roofs": 4, "data.n_cars": 4,
    "data.n_days": 80,
}  # fmt: skip
HOURS_OF_FEBRUARY = 48  # the 28th and the 29th


def across(scenario: str, mechanism: str, seeds: tuple[int, ...] = (0, 3)) -> tuple[Accounts, Played]:
    core = Core(load_scenario(scenario, mechanism=mechanism, **ACROSS), len(seeds))
    state = core.reset(np.array(seeds), split="test")
    book = Accounts(core, state, np.array(seeds))
    played = play(core, load_policy("opportunity_cost"), seeds, state=state, record=book.add, keep=True)
    return book, played


@pytest.mark.parametrize("mechanism", ["uniform_price", "mid_market_rate"])
def test_each_month_has_what_its_hours_had(mechanism: str) -> None:
    book, played = across("street", mechanism)
    assert book.months == ("2024-02", "2024-03")
    n = book.core.n_agents
    hours = (played.transitions[:HOURS_OF_FEBRUARY], played.transitions[HOURS_OF_FEBRUARY:])
    for month, of_month in enumerate(hours):
        bills = sum(h.money.bill.ucur for h in of_month)
        assert (book.bill_ucur[month] == bills).all()
        metered = np.array([h.delivery.metered_ukwh for h in of_month])
        drawn, fed_in, bought, sold = np.moveaxis(book.energy_ukwh[month], 1, 0)
        assert (drawn - fed_in == metered.sum(0)).all()
        assert (drawn == np.where(metered > 0, metered, 0).sum(0)).all()
        traded = np.array([h.market.clearing.traded_ukwh for h in of_month])
        assert (bought - sold == traded[..., :n].sum(0) + traded[..., n:].sum(0)).all()
        assert bought.sum() == sold.sum() > 0
        assert (book.peak_ukwh[month] == np.maximum(metered.max(0), 0)).all()
    assert (book.bill_ucur.sum(axis=3) == 0).all()


def test_the_table_has_every_party_of_every_month_in_cents() -> None:
    book, played = across("street", "uniform_price")
    table = book.to_frame()
    names = book.core.scenario.agent_names
    assert len(table) == 2 * 2 * (len(names) + 8)
    of_agents = table[table.kind != "system"]
    per_agent = of_agents.groupby(["seed", "party"], sort=False).bill_cur.sum().to_numpy().reshape(2, -1)
    order = np.argsort([list(of_agents.party.unique()).index(name) for name in names])
    assert per_agent[:, order] == pytest.approx(played.tally.bill_cur, abs=1e-9)
    assert table.bill_cur.to_numpy() == pytest.approx(table[[f"{line}_cur" for line in LINES]].sum(axis=1).to_numpy())
    january = table[table.party == names[0]].iloc[0]
    step_h, peak = book.core.scenario.step_h, book.peak_ukwh[0, 0, 0]
    assert january.peak_kw == pytest.approx(peak / 1e6 / step_h)


def test_episodes_of_other_months_have_no_rows() -> None:
    core = Core(load_scenario("street", **ACROSS | {"dates": (), "hours": 2.0, "data.n_days": 150}), 8)
    state = core.reset(np.arange(8), split="test")
    book = Accounts(core, state, np.arange(8))
    play(core, load_policy("idle"), np.arange(8), state=state, record=book.add)
    assert len(book.months) > 1
    assert book.has.sum() == 8
    assert len(book.to_frame()) == 8 * (core.n_agents + 8)


def test_a_comparison_keeps_the_accounts_of_each_tariff() -> None:
    found = compare("street", ["flat", "tou"], ["self_consumption"], seeds=1, **ACROSS)
    accounts = found.accounts()
    assert set(zip(accounts.tariff, accounts.policy, strict=True)) == {
        (tariff, policy) for tariff in ("flat", "tou") for policy in ("idle", "self_consumption")
    }
    of_agents = accounts[(accounts.kind != "system") & (accounts.policy == "idle")]
    for tariff in ("flat", "tou"):
        bills = found.evaluations[tariff].result("idle").figures["bill_cur"][0]
        assert of_agents[of_agents.tariff == tariff].bill_cur.sum() == pytest.approx(bills)
