"""Standing charges of a design: whoever they are due to receives them in play, as in a bill."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.market.charge import Charge
from gridbazaar.market.design import Design, Vat
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES

SMALL: dict[str, Any] = {"data.n_homes": 4, "data.n_roofs": 4, "data.n_cars": 4, "data.n_days": 60, "step_min": 60}
ENERGY = Charge("retail", "retailer", cur_per_kwh=0.3)


def bill_of(*charges: Charge, backend: str = "numpy") -> tuple[Core, np.ndarray[Any, np.dtype[np.int64]]]:
    """[n_lines, n_parties] an idle day's."""
    design = Design("d", "d", "", 2024, "EUR", "Europe/Brussels", "", (ENERGY, *charges), vat=Vat(0.2))
    core = Core(load_scenario("street", tariff=design, **SMALL), 1, backend=backend)
    state, total = core.reset(0), np.zeros((len(LINES), core.n_agents + len(SYSTEM_PARTIES)), np.int64)
    rest = np.zeros((1, core.n_agents, core.n_actions))
    if backend == "torch":
        rest = pytest.importorskip("torch").from_numpy(rest)
    for _ in range(core.n_steps):
        state, happened = core.step(state, rest)
        total += np.asarray(happened.money.bill.ucur)[0]
    return core, total


@pytest.mark.parametrize("backend", ["numpy", pytest.param("torch", marks=pytest.mark.slow)])
def test_standing_charges_reach_whom_the_design_names(backend: str) -> None:
    core, with_them = bill_of(
        Charge("fixed", "retailer", cur_per_day=0.3), Charge("fixed", "network_operator", cur_per_day=0.2),
        Charge("network", "network_operator", cur_per_day=0.1), backend=backend,
    )  # fmt: skip
    n, connections = core.n_agents, int(np.asarray(core.world.connections).sum())
    more = (with_them - bill_of(backend=backend)[1]) / 1e6
    assert np.abs(more.sum(axis=1)).max() == pytest.approx(0.0, abs=1e-9)
    received = {
        (line, party): -more[i, n + k]
        for i, line in enumerate(LINES)
        for k, party in enumerate(SYSTEM_PARTIES)
        if abs(more[i, n + k]) > 1e-3
    }
    assert {names: amount / connections for names, amount in received.items()} == pytest.approx(
        {
            ("fixed", "retailer"): 0.3, ("fixed", "network_operator"): 0.2, ("network", "network_operator"): 0.1,
            ("tax", "state"): 0.2 * 0.6,
        },
        abs=1e-5,
    )  # fmt: skip
    assert more[:, :n].sum() == pytest.approx(0.72 * connections, abs=1e-4)
