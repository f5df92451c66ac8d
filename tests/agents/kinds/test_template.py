"""The kind to start from, ``docs/kinds/pool_pump.py``: it keeps what every kind promises, and the bound covers it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gridbazaar.agents.kinds
from gridbazaar.agents.kind import Kind
from gridbazaar.agents.kinds import _kind, kinds, load_kind
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.evaluate import evaluate
from tests.agents.kinds import test_kinds as promises
from tests.quick import only

FOLDER = Path(__file__).parents[3] / "docs" / "kinds"
ONLY_PUMPS: dict[str, Any] = {
    "prosumer.count": 2,
    "battery.count": 0,
    "ev.count": 0,
    "vpp.count": 0,
    "pool_pump.count": 3,
}


def forget() -> None:
    """Let the folder be listed anew."""
    kinds.cache_clear()
    _kind.cache_clear()


def list_also(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gridbazaar.agents.kinds, "__path__", [*gridbazaar.agents.kinds.__path__, str(folder)])
    forget()


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The template lies with the other kinds, as if it had been copied there."""
    list_also(FOLDER, monkeypatch)
    yield
    monkeypatch.undo()
    forget()
    for name in ("pool_pump", "nobody"):
        sys.modules.pop(f"gridbazaar.agents.kinds.{name}", None)


def test_it_is_found_by_its_file_alone_and_short() -> None:
    assert isinstance(kinds()["pool_pump"], Kind)
    assert len((FOLDER / "pool_pump.py").read_text(encoding="utf-8").splitlines()) < 120


@pytest.mark.parametrize("world", only(["everything"], ["plain", "everything"]))
@pytest.mark.parametrize("step_min", only([60], [5, 60]))
@pytest.mark.parametrize(
    "promise",
    [
        promises.test_energy_is_kept_and_stays_within_its_bounds,
        promises.test_more_action_is_never_less_power,
        promises.test_at_rest_nothing_flexible_moves,
        promises.test_a_row_depends_on_no_other,
    ],
)
def test_it_keeps_what_every_kind_promises(promise: object, world: str, step_min: int) -> None:
    promise.hypothesis.inner_test("pool_pump", world, step_min, 7)  # type: ignore[attr-defined]


def test_its_optimum_is_a_bound() -> None:
    promises.test_the_optimum_of_a_kind_is_a_bound("pool_pump")


@pytest.mark.parametrize("hours", [24.0, 60.0])
def test_it_runs_its_hours_on_every_day_whatever_is_wished(hours: float) -> None:
    core = Core(load_scenario("village", hours=hours, **{"storage.share_of_load": "none"}, **ONLY_PUMPS), 4)
    state, rng, pumps = core.reset(0), np.random.default_rng(0), core.scenario.kind_slices["pool_pump"]
    power_kw = state.episode.params[core.world.kinds.index(kinds()["pool_pump"])].power_kw
    drawn_kwh = []
    for _ in range(core.n_steps):
        action = rng.uniform(-1, 1, (4, core.n_agents, core.n_actions)) * (rng.random() < 0.2)
        state, happened = core.step(state, action)
        drawn_kwh.append(happened.delivery.metered_ukwh[:, pumps] / 1e6)
        assert (happened.devices.unserved_kwh == 0).all()
    per_day = round(24 / core.scenario.step_h)
    for first in range(0, core.n_steps, per_day):
        day = np.sum(drawn_kwh[first : first + per_day], axis=0)
        share = len(drawn_kwh[first : first + per_day]) / per_day
        np.testing.assert_allclose(day, 4.0 * share * power_kw, atol=1e-4)


def test_the_optimum_covers_it_and_a_rule_lies_between() -> None:
    found = evaluate("village", ["opportunity_cost", "optimum"], seeds=4, split="validation", **ONLY_PUMPS)
    assert found.no_bound is None
    idle, rule, replay = (found.result(name).scored_cur.mean() for name in ("idle", "opportunity_cost", "optimum"))
    rounding = 96 * 10 * 1e-6  # of the bills of an episode, to whole micro-units
    assert found.bound_cur.mean() <= min(replay, rule) + rounding
    assert max(replay, rule) < idle  # forecasts err for both, and the replay does not look at them


@pytest.mark.parametrize("text", ["", "KIND = 1\n"])
def test_a_file_without_a_kind_is_refused_by_name(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nobody.py").write_text(text, encoding="utf-8")
    list_also(tmp_path, monkeypatch)
    with pytest.raises(ValueError, match=r"kind: expected KIND = Kind\(...\) at the end of .*nobody\.py"):
        kinds()
    with pytest.raises(ValueError, match=r"kind: expected KIND = Kind\(...\) at the end of .*nobody\.py"):
        load_kind(tmp_path / "nobody.py")
