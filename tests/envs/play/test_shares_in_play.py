"""A community battery whose members hold shares: their bills change, the community's does not."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.describe import scenario_toml
from tests.envs.test_core import play
from tests.experiments.cli.runner import invoke

SHARES = {"prosumer_0": 0.5, "prosumer_2": 0.5}


def street(**overrides: Any) -> Core:
    return Core(load_scenario("street", **({"hours": 6.0} | overrides)), 3)


@pytest.mark.parametrize("whose", ["own", "community"])
def test_bills_of_holders_change_and_the_communitys_cost_does_not(whose: str) -> None:
    plain, shared = (street(**{"reward.whose": whose}, **more) for more in ({}, {"battery": {"shares": SHARES}}))
    n, batteries = plain.n_agents, plain.scenario.kind_slices["battery"]
    moved = 0
    for (_, a, _), (_, b, _) in zip(play(plain, 1, 1), play(shared, 1, 1), strict=True):
        np.testing.assert_allclose(a.reward, b.reward, rtol=0, atol=1e-12)
        alone, passed = a.money.bill.ucur, b.money.bill.ucur
        assert (passed.sum(axis=2) == 0).all()
        np.testing.assert_array_equal(alone[:, :, n:], passed[:, :, n:])
        before, after = alone.sum(1)[:, :n], passed.sum(1)[:, :n]
        np.testing.assert_array_equal(before.sum(1), after.sum(1))
        assert not after[:, batteries].any()
        result = before[:, batteries].sum(1)
        np.testing.assert_array_equal((after - before)[:, 1], 0)
        half = np.rint(result / 2).astype(np.int64)  # to the even one
        np.testing.assert_array_equal((after - before)[:, 0], half)
        np.testing.assert_array_equal((after - before)[:, 2], result - half)
        moved += int(np.abs(result).sum())
    assert moved > 10_000


def test_torch_shares_the_same() -> None:
    torch = pytest.importorskip("torch")
    scenario = load_scenario("street", hours=3.0, battery={"shares": SHARES})
    ours, theirs = Core(scenario, 2), Core(scenario, 2, backend="torch")
    a, b = ours.reset(5), theirs.reset(5)
    action = np.random.default_rng(1).uniform(-1, 1, (2, ours.n_agents, 2))
    _, x = ours.step(a, action)
    _, y = theirs.step(b, torch.as_tensor(action))
    assert np.abs(x.money.bill.line("share") - y.money.bill.line("share").numpy()).max() <= 2
    assert np.abs(x.money.bill.line("share")).max() > 2


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({"prosumer_0": 0.5, "prosumer_1": 0.4}, "sum to 1, got prosumer_0 0.5, prosumer_1 0.4, together 0.9"),
        ({"prosumer_0": 1.5, "prosumer_1": -0.5}, r"battery.shares.prosumer_0: expected a number in \(0, 1\], got 1.5"),
        ({"prosumer_9": 1.0}, r"expected homes, prosumer_0 to prosumer_\d+, got \['prosumer_9'\]"),
        ({"battery_0": 1.0}, r"got \['battery_0'\]"),
        ({"prosumer_0": "all"}, r"battery.shares.prosumer_0: expected a number in .*, got 'all'"),
    ],
)
def test_shares_that_make_no_sense_are_refused(shares: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load_scenario("street", battery={"shares": shares})


def test_shares_need_a_battery() -> None:
    with pytest.raises(ValueError, match=r"got battery\.count = 0"):
        load_scenario("street", battery={"shares": SHARES, "count": 0})


def test_a_ledger_of_a_run_with_sources_and_shares_verifies(tmp_path: Path) -> None:
    def call(*arguments: object) -> str:
        found = invoke(main, [str(a) for a in arguments])
        assert found.exit_code == 0, f"{found.stdout}\n{found.stderr}\n{found.exception!r}"
        return str(found.stdout)

    settings = ("hours=3", "battery.shares.prosumer_0=0.25", "battery.shares.prosumer_1=0.75", "wind.count=1",
                "genset.count=1")  # fmt: skip
    options = [word for setting in settings for word in ("--set", setting)]
    path = tmp_path / "shares.db"
    said = call("evaluate", "street", "--policies", "random", "--seeds", 1, *options, "--ledger", path)
    (command,) = (line for line in said.splitlines() if line.startswith("check it: "))
    words = shlex.split(command)
    call("ledger", "verify", path, *words[words.index("--key") :])


def test_shares_survive_being_written_as_a_scenario(tmp_path: Path) -> None:
    scenario = load_scenario("street", battery={"shares": SHARES})
    path = tmp_path / "street.toml"
    path.write_text(scenario_toml(scenario), encoding="utf-8")
    assert load_scenario(path) == scenario
