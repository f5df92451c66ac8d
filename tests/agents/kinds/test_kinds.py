"""What every kind promises, for all found in the folder: the invariants of storage, of actions and of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.agents.kinds import kinds
from gridbazaar.data.units import MICRO
from gridbazaar.envs.contract import check_kind
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.evaluate import evaluate
from tests.envs.everything import EVERYTHING
from tests.quick import only

STEPS_MIN = (5, 15, 30, 60)
_HOMES = {"prosumer.count": 2, "battery.count": 0, "ev.count": 0, "vpp.count": 0}
_WORLDS = {"plain": {}, "everything": EVERYTHING}
_CORES: dict[tuple[str, str, int, int], Core] = {}


def core_of(kind: str, world: str, step_min: int, n_envs: int = 3) -> Core:
    """Three agents of a kind beside two homes."""
    key = (kind, world, step_min, n_envs)
    if key not in _CORES:
        fields: dict[str, Any] = {**_WORLDS[world], **_HOMES, f"{kind}.count": 3, "step_min": step_min, "hours": 6.0}
        _CORES[key] = Core(load_scenario("village", feeder="street", **fields), n_envs)
    return _CORES[key]


def actions_of(core: Core, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1.3, 1.3, (core.n_steps, core.n_envs, core.n_agents, core.n_actions))


_BESIDE: dict[str, Any] = {"prosumer": 2, "battery": 0, "ev": 0, "vpp": 0}
_RULES = ("idle", "random", "opportunity_cost", "charge_cheapest", "self_consumption")
_ROUNDING_CUR = 1e-3  # of the bills of an episode, to whole micro-units

pytestmark = pytest.mark.parametrize("kind", list(kinds()))
worlds = pytest.mark.parametrize("world", only(("plain",), _WORLDS))
few = settings(max_examples=4, deadline=None)
draws = given(st.sampled_from(STEPS_MIN), st.integers(0, 2**20))


@worlds
@few
@draws
def test_energy_is_kept_and_stays_within_its_bounds(kind: str, world: str, step_min: int, seed: int) -> None:
    core = core_of(kind, world, step_min)
    state, step_h = core.reset(seed), core.scenario.step_h
    for action in actions_of(core, seed):
        before, view = state, state.view
        state, happened = core.step(state, action)
        flexible_kw = happened.devices.flexible_ukwh / MICRO / step_h
        assert (flexible_kw <= happened.plan.high_kw + 1e-5).all()
        assert (flexible_kw >= view.low_kw - _called_kw(happened, step_h) - 1e-5).all()
        assert (happened.devices.loss_kwh >= -1e-9).all()
        kept = view.is_stationary & state.view.is_stationary
        change = state.view.stored_kwh - before.view.stored_kwh
        in_store = (
            happened.delivery.metered_ukwh / MICRO
            - happened.devices.load_kwh
            + happened.devices.pv_kwh
            - happened.devices.loss_kwh
        )
        assert np.abs((in_store - change) * kept).max() < 3e-6
        assert (state.view.stored_kwh * kept >= -1e-6).all()
        assert (state.view.stored_kwh * kept <= state.view.capacity_kwh + 1e-6).all()
        assert (state.view.capacity_kwh * kept <= before.view.capacity_kwh * kept + 1e-9).all() or kind == "ev"


def _called_kw(happened: Any, step_h: float) -> np.ndarray:
    """What a call releases beside the market."""
    called = 0 * happened.delivery.metered_ukwh if happened.money.answer is None else happened.money.answer.called_ukwh
    called_kw: np.ndarray = called / MICRO / step_h
    return called_kw


@worlds
@few
@draws
def test_more_action_is_never_less_power(kind: str, world: str, step_min: int, seed: int) -> None:
    core = core_of(kind, world, step_min)
    state, rng = core.reset(seed), np.random.default_rng(seed)
    for _ in range(min(core.n_steps, 6)):
        low = rng.uniform(-1, 1, (core.n_envs, core.n_agents, core.n_actions))
        high = low.copy()
        high[..., 0] = rng.uniform(low[..., 0], 1.0)
        wishes = [core.step(state, a)[1].plan.wish_kw for a in (low, high)]
        assert (wishes[0] <= wishes[1] + 1e-9).all()
        state, _ = core.step(state, low)


@worlds
@few
@draws
def test_at_rest_nothing_flexible_moves(kind: str, world: str, step_min: int, seed: int) -> None:
    core = core_of(kind, world, step_min)
    state = core.reset(seed)
    rest = np.zeros((core.n_envs, core.n_agents, core.n_actions))
    for _ in range(core.n_steps):
        state, happened = core.step(state, rest)
        called = (
            0 * happened.delivery.metered_ukwh if happened.money.answer is None else happened.money.answer.called_ukwh
        )
        assert (np.abs(happened.devices.flexible_ukwh) <= called + 1).all()


@pytest.mark.slow
@worlds
@few
@draws
def test_a_row_depends_on_no_other(kind: str, world: str, step_min: int, seed: int) -> None:
    core, alone = core_of(kind, world, step_min), core_of(kind, world, step_min, 1)
    many, one = core.reset(seed), alone.reset(seed + 1)
    for action in actions_of(core, seed):
        many, first = core.step(many, action)
        one, second = alone.step(one, action[1:2])
        np.testing.assert_array_equal(first.delivery.metered_ukwh[1], second.delivery.metered_ukwh[0])
        np.testing.assert_array_equal(first.money.bill.ucur[1], second.money.bill.ucur[0])


@worlds
def test_actions_that_are_no_numbers_are_refused(kind: str, world: str) -> None:
    core = core_of(kind, world, 15)
    action = np.zeros((core.n_envs, core.n_agents, core.n_actions))
    action[1, 2, 0] = np.nan
    with pytest.raises(ValueError, match="expected finite numbers"):
        core.step(core.reset(0), action)


@pytest.mark.slow
def test_the_optimum_of_a_kind_is_a_bound(kind: str) -> None:
    """Whatever rules do, and the replay of the optimum itself: no episode costs less than the kind's program says."""
    counts = {f"{name}.count": count for name, count in (*_BESIDE.items(), (kind, 3))}
    found = evaluate("village", [*_RULES, "optimum"], seeds=3, split="train", feeder="street", hours=12.0, **counts)
    assert found.no_bound is None, "the plain kind is covered"
    for result in found.results:
        assert (result.scored_cur >= found.bound_cur - _ROUNDING_CUR).all(), result.policy


@pytest.mark.slow
def test_the_check_for_authors_passes(kind: str) -> None:
    check_kind(kind)
