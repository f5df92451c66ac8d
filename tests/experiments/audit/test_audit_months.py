"""Energy that is billed by the month on a ledger: what intervals post are lines like others."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.market.charge import Charge
from gridbazaar.market.design import Design, Netting
from tests.experiments.audit.test_audit import audited, cash, findings, owed, transitions

CHARGES = (
    Charge("retail", "retailer", tiers_kwh=(5.0, 10.0), tier_cur_per_kwh=(0.2, 0.3, 0.5)),
    Charge("network", "network_operator", cur_per_kwh=0.06, local={"transformer": 0.4}),
    Charge("retail", "retailer", flow="export", cur_per_kwh=0.05),
)


@pytest.mark.slow
@pytest.mark.parametrize("period", ["interval", "month"])
def test_the_first_hours_of_a_month_are_audited_to_the_unit(period: str, tmp_path: Path) -> None:
    design = Design("d", "", "", 2024, "EUR", "Europe/Berlin", "", CHARGES, netting=Netting(period))
    months = {"dates": ("2024-02-01", "2024-02-29"), "step_min": 60, "tariff": design, "data.n_days": 60}
    core = Core(load_scenario("street", **months), 1)
    core.n_steps = 20  # of the month
    made = audited(core, tmp_path / "month.db")
    bills, held = owed(core, transitions(core)), cash(made.path)
    assert findings(made) == []
    assert {party: -held.get(party, 0) for party in bills} == bills
    assert max(map(abs, bills.values())) > 1_000_000
