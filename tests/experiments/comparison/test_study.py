"""Comparisons of tariffs, rules and policies: counterfactuals, equal revenue, rows that add up, frozen dispatch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridbazaar.data.units import MICRO
from gridbazaar.experiments.comparison.asked import Asked, ask
from gridbazaar.experiments.comparison.cell import EQUAL, WRITTEN, Cell
from gridbazaar.experiments.comparison.cells_table import resource_cost_cur
from gridbazaar.experiments.comparison.customer_rows import BILLED, CELL, FROZEN, PLAYED, WHO
from gridbazaar.experiments.comparison.frozen import frozen_checks
from gridbazaar.experiments.comparison.network_lines import OPERATOR, revenue_of, scaled
from gridbazaar.experiments.comparison.parts import SETTLED
from gridbazaar.experiments.comparison.study import Study, study
from gridbazaar.experiments.comparison.write import Tables, tables_of, write_tables
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.market.design import Design
from gridbazaar.market.designs import load_design
from gridbazaar.market.settlement.settle import LINES
from gridbazaar.market.tariffs import load_tariff

SMALL: dict[str, Any] = {
    "hours": 8, "step_min": 60, "data.n_homes": 8, "data.n_roofs": 4, "data.n_cars": 4, "data.n_days": 80,
}  # fmt: skip
COMMUNITY = """customer,agent,member,income_cur,tenure
family,prosumer_0,yes,40000,owner
family,ev_0,,,
alone,prosumer_1,no,20000,tenant
"""
RULES = ("uniform_price", "mid_market_rate")


def asked(folder: Path, **more: Any) -> Asked:
    path = folder / "customers.csv"
    path.write_text(COMMUNITY, encoding="utf-8")
    given: dict[str, Any] = {"seeds": 2, "customers": path, "designs": ["de_flat_eeg"]} | more
    return ask("street", ["flat", "tou"], ["self_consumption"], RULES, **given, **SMALL)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study(asked(tmp_path_factory.mktemp("community")))


@pytest.fixture(scope="module")
def tables(found: Study) -> Tables:
    return tables_of(found)


def test_every_cell_is_played_with_its_counterfactuals(found: Study) -> None:
    cells = {
        Cell(t, m, p) for t in ("flat", "tou") for m in (*RULES, "none") for p in ("idle", "self_consumption")
    }  # fmt: skip
    assert {one.cell for one in found.outcomes if one.prices == WRITTEN} == cells
    assert {one.cell for one in found.outcomes if one.prices == EQUAL} == cells
    one = found.outcome(Cell("tou", "uniform_price", "self_consumption"))
    assert one is not None
    beside = {name: other.cell for name, other in found.beside(one).items() if other is not None}
    assert beside == {
        "today": Cell("flat", "uniform_price", "self_consumption"),
        "no_market": Cell("tou", "none", "self_consumption"),
        "no_automation": Cell("tou", "uniform_price", "idle"),
    }


def test_a_cell_is_what_evaluate_plays(found: Study) -> None:
    families = found.asked.overrides["community"]
    alone = evaluate(
        "street",
        ["self_consumption"],
        seeds=2,
        bound=False,
        tariff="tou",
        mechanism="none",
        community=families,
        **SMALL,
    )
    one = found.outcome(Cell("tou", "none", "self_consumption"))
    assert one is not None
    assert one.figures["cost_cur"].tolist() == alone.result("self_consumption").figures["cost_cur"].tolist()
    resource = alone.result("self_consumption").figures
    borne = resource["wear_cur"] + resource["discomfort_cur"] + resource["upkeep_cur"] + resource["lost_load_cur"]
    bought = np.concatenate(
        [-book.bill_ucur[..., book.core.n_agents + 1].sum(axis=(0, 2)) / MICRO for book in one.accounts]
    )
    stored = resource_cost_cur(found, one) - (bought + borne)
    left_kwh = np.concatenate([day.left_kwh for day in one.books])
    assert stored == pytest.approx(-left_kwh * found.best.worth_cur_per_kwh)
    begun = np.concatenate([book.core.stored_value_cur(book.first).sum(1) for book in one.accounts])
    own_worth = np.concatenate([book.first.episode.end_value_cur_per_kwh for book in one.accounts])
    assert left_kwh * own_worth == pytest.approx(resource["left_cur"] + begun)


def test_no_neighbour_trades_without_a_market(tables: Tables) -> None:
    off = tables.rows[tables.rows["mechanism"] == "none"]
    assert not off[["market_cur", "bought_local_kwh", "sold_local_kwh"]].to_numpy().any()
    assert tables.rows[tables.rows["mechanism"] == "uniform_price"]["market_cur"].abs().sum() > 1.0


def test_a_row_adds_up_and_names_its_counterfactuals(tables: Tables) -> None:
    rows = tables.rows
    lines = rows[[f"{line}_cur" for line in (*LINES, "vat")]].sum(axis=1)
    assert lines.to_numpy() == pytest.approx(rows["bill_cur"].to_numpy(), abs=1e-6)
    assert not rows.duplicated([*CELL, *WHO]).any()
    by_key: Any = rows.set_index([*CELL, *WHO])["bill_cur"]
    for row in rows.sample(60, random_state=0).to_dict("records"):
        who = tuple(row[name] for name in WHO)
        cell = {name: row[name] for name in CELL}
        basis = PLAYED if row["basis"] == BILLED else row["basis"]
        today = cell | {"basis": basis, "tariff": "flat"}
        assert row["today_bill_cur"] == by_key[(*today.values(), *who)]
        off = cell | {"mechanism": "none"}
        assert row["no_market_bill_cur"] == by_key[(*off.values(), *who)]


def test_a_family_is_one_customer_with_its_labels(tables: Tables) -> None:
    rows = tables.rows
    family = rows[rows["customer"] == "family"]
    assert set(family["tenure"]) == {"owner"}
    assert set(family["income_cur"]) == {"40000"}
    assert "prosumer_0" not in set(rows["customer"])
    assert "ev_0" not in set(rows["customer"])
    assert set(rows[rows["customer"] == "alone"]["member"]) == {"no"}


def test_customers_and_parties_of_a_cell_add_up(found: Study, tables: Tables) -> None:
    rows, cells = tables.rows, tables.cells
    paid: Any = rows.groupby(list(CELL))["bill_cur"].sum() / len(found.asked.seeds)
    parties = [name for name in cells.columns if name in {f"{p}_cur" for p in ("retailer", "wholesale", OPERATOR)}]
    parties += ["state_cur", "market_operator_cur", "flexibility_buyer_cur", "community_fund_cur", "escrow_cur"]
    for row in cells.to_dict("records"):
        assert row["customers_pay_cur"] == pytest.approx(paid[tuple(row[name] for name in CELL)], abs=1e-5)
        if row["basis"] != BILLED:
            assert sum(row[name] for name in parties) == pytest.approx(row["customers_pay_cur"], abs=1e-9)
            assert row["off_balance_ucur"] == 0


def test_network_lines_are_scaled_until_revenue_is_equal(found: Study) -> None:
    equal = [one for one in found.outcomes if one.prices == EQUAL]
    for one in equal:
        received = sum(revenue_of(one.accounts))
        assert one.is_settled
        assert abs(received - found.allowed_cur) <= SETTLED * found.allowed_cur
        assert one.path[0] == 1.0
        assert one.path[-1] == one.scale
    assert max(one.scale for one in equal) > 1.01  # where neighbours trade, the operator loses
    for billed in found.billed:
        assert billed.prices == WRITTEN or billed.scale != 1.0


def test_equal_revenue_that_does_not_settle_is_a_result(found: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    from gridbazaar.experiments.comparison import parts as place

    monkeypatch.setattr(place, "SETTLED", 0.0)
    small = replace(found.asked, tariffs={"tou": found.asked.tariffs["tou"]}, today="tou", mechanisms={"none": "none"})
    small = replace(small, sources={"tou": "tou"}, policies={}, allowed_cur=10.0 / 3.0, designs=())
    one = next(one for one in study(small).outcomes if one.prices == EQUAL)
    assert not one.is_settled
    assert len(one.path) == 9


def test_with_the_dispatch_frozen_the_market_only_moves_money(found: Study, tables: Tables) -> None:
    checks = frozen_checks(found.frozen, found.asked)
    assert {check.cell for check in checks} == {
        Cell(t, m, p) for t in ("flat", "tou") for m in RULES for p in ("idle", "self_consumption")
    }  # fmt: skip
    for check in checks:
        assert check.holds
        assert (check.loss_change_ukwh, check.losses_change_ucur, check.missing_ucur) == (0, 0, 0)
        operator = check.others_cur.get(OPERATOR, 0.0)
        assert check.members_cur - check.members_keep_cur + check.outsiders_more_cur == pytest.approx(
            operator, abs=1e-5
        )
        assert (check.factor > 1.0) == (operator > 0.0) == (check.outsiders_more_cur > 0.0)
    assert sum(check.members_cur for check in checks) > 1.0
    alone = tables.rows[(tables.rows["basis"] == FROZEN) & (tables.rows["customer"] == "alone")]
    assert not alone[["bought_local_kwh", "sold_local_kwh", "market_cur"]].to_numpy().any()  # it is no member
    on, off = alone["bill_cur"].to_numpy(), alone["no_market_bill_cur"].to_numpy()
    assert on == pytest.approx(off, abs=2e-5)


def test_a_frozen_dispatch_that_loses_money_is_found(found: Study) -> None:
    one = next(one for one in found.frozen if one.cell.mechanism != "none")
    book = one.accounts[0]
    book.bill_ucur[0, 0, 0, 0] += 1
    try:
        broken = [check for check in frozen_checks(found.frozen, found.asked) if not check.holds]
    finally:
        book.bill_ucur[0, 0, 0, 0] -= 1
    assert [check.cell for check in broken] == [one.cell]
    assert broken[0].missing_ucur == 1


def test_groups_hold_all_customers_and_their_burden(found: Study, tables: Tables) -> None:
    groups: Any = tables.groups.set_index([*CELL, "group", "value"])
    cell = (PLAYED, WRITTEN, "tou", "uniform_price", "self_consumption", 1.0)
    whole = groups.loc[(*cell, "all", "all")]
    n = len(found.asked.customers.agents) * len(found.asked.seeds)
    assert whole["customers"] == n
    for label in ("member", "sun"):
        parts = groups.sort_index().loc[cell].loc[label]
        assert parts["customers"].sum() == n
    rows = tables.rows
    mine = rows[(rows[list(CELL)] == list(cell)).all(axis=1)]
    change = mine.groupby(["seed", "customer"])[["bill_cur", "today_bill_cur"]].sum()
    more = change["bill_cur"] - change["today_bill_cur"]
    assert whole["today_winners"] == (more < -0.005).sum()
    assert whole["today_change_cur"] == pytest.approx(more.mean())
    tenant = groups.loc[(*cell, "tenure", "tenant")]
    alone = mine[mine["customer"] == "alone"].groupby("seed")["bill_cur"].sum()
    months = mine[mine["customer"] == "alone"].groupby("seed")["month"].nunique()
    assert tenant["burden_frac"] == pytest.approx(float((alone * 12 / months / 20000).mean()))


def test_cross_subsidies_pay_what_the_network_receives(tables: Tables) -> None:
    subsidies = tables.subsidies
    assert set(subsidies["prices"]) == {EQUAL}
    assert {"member", "sun"} <= set(subsidies["group"])
    sums = subsidies.groupby([*CELL, "group"])["pays_cur"].sum()
    assert sums.groupby(list(CELL)).nunique().max() <= 2  # rounding of floats
    assert (subsidies["incremental_cur"] <= subsidies["stand_alone_cur"] + 1e-9).all()


def test_the_duration_curve_falls_from_the_peak(tables: Tables) -> None:
    curve: Any = tables.duration.groupby(list(CELL))["root_kw"].apply(list)
    peaks: Any = tables.cells[tables.cells["basis"] == PLAYED].set_index(list(CELL))["peak_import_kw"]
    for cell, levels in curve.items():
        assert levels == sorted(levels, reverse=True)
        assert levels[0] == pytest.approx(peaks[cell])


def test_scaling_touches_network_lines_alone() -> None:
    flat = load_tariff("flat")
    twice = scaled(flat, 2.0)
    assert twice == replace(flat, network_cur_per_kwh=0.16, local_network_cur_per_kwh=0.04)
    design = load_design("be_flanders")
    more = scaled(design, 1.5)
    assert isinstance(more, Design)
    for before, after in zip(design.charges, more.charges, strict=True):
        if before.line == "capacity":
            assert after.cur_per_kw_year == pytest.approx(1.5 * (before.cur_per_kw_year or 0.0))
        elif before.line != "network":
            assert after == before


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"today": "spot"}, r"today: expected one of the tariffs, flat, tou; got 'spot'"),
        ({"allowed_cur": -1.0}, r"allowed-revenue: expected an amount above 0, got -1"),
        ({"allowed_cur": 5.0, "equal_revenue": False}, r"leave out --no-equal-revenue"),
        ({"mechanism": "none"}, r"mechanism: it is what is compared"),
        ({"tariff": "tou"}, r"tariff: it is what is compared"),
        ({"designs": ["no_bkk"]}, r"got NOK of no_bkk; what is played is paid in EUR"),
    ],
)
def test_what_cannot_be_compared_is_refused(more: dict[str, Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=why):
        asked(tmp_path, **more)


def test_without_network_lines_revenue_is_not_made_equal(tmp_path: Path) -> None:
    bare = replace(load_tariff("flat"), name="bare", network_cur_per_kwh=0.0, local_network_cur_per_kwh=0.0)
    given = ask("street", ["flat", bare], ["idle"], seeds=1, **SMALL)
    assert not given.equal_revenue
    assert given.why_not_equal == "bare: no network line that could be scaled"
    with pytest.raises(ValueError, match="equal revenue: bare: no network line"):
        ask("street", ["flat", bare], ["idle"], seeds=1, equal_revenue=True, **SMALL)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("customer,agent,member\na,prosumer_0,maybe\n", r"line 2: member: expected yes or no, or nothing; got"),
        ("customer,agent,income_cur\na,prosumer_0,-3\n", r"line 2: income_cur: expected an amount above 0 a year"),
        ("customer,agent,x\na,prosumer_0,1\na,prosumer_1,2\n", r"line 3: x of a is '2', but '1' in line 2"),
        ("customer,agent,x,x\n", r"line 1: expected the columns .* each once"),
        ("customer,agent,x\na,prosumer_0\n", r"line 2: expected 3 cells, a customer and an agent first"),
    ],
)
def test_wrong_labels_are_refused_with_their_line(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=why):
        ask("street", ["flat"], ["idle"], seeds=1, customers=path, **SMALL)


def test_tables_are_parquet_too_where_there_is_pyarrow(tables: Tables, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    written = write_tables(tables, tmp_path)
    assert "rows.parquet" in written
    for name, table in tables._asdict().items():
        assert len(pd.read_parquet(tmp_path / f"{name}.parquet")) == len(table)


def test_tables_are_frames_of_plain_columns(tables: Tables) -> None:
    for name, table in tables._asdict().items():
        assert isinstance(table, pd.DataFrame), name
        assert len(table), name
        assert not any(char in column for column in table.columns for char in " ,"), name
