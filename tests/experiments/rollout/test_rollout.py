"""A rollout is what was played: another play gives it again, and every file gives it back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gridbazaar as gb
from gridbazaar.envs.scenarios import load_scenario, scenario_of
from gridbazaar.envs.views.pettingzoo_env import parallel_env
from gridbazaar.experiments.rollout.rollout import Plan, Rollout, plan_rollout, played, rollout
from gridbazaar.experiments.rollout.write import FORMATS, read_rollout, write_npz, write_rollout
from tests.stacks import needs

SHORT: dict[str, Any] = {
    "hours": 1.5,
    "prosumer.curtailable": True,
    "constraint": "none",
    "prosumer.load_scale": (15.0, 15.0),
}
EPISODES = (4, 2)
FORMS = [pytest.param(form, marks=needs("none" if form == "npz" else form)) for form in FORMATS]


class Wild:
    """Goes beyond the bounds, so that something is clipped, and breaks what wires carry."""

    needs_forecasts = False
    needs_foresight = False

    def start(self, community: Any, rng: Any, episode: Any = None) -> int:
        return 0

    def act(self, observation: Any, memory: int) -> Any:
        n_envs, n_agents = observation.mask.shape
        return np.full((n_envs, n_agents, 2), 1.0 if memory < 3 else -0.3 / 0.7), memory + 1


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_rollout("street", Wild(), EPISODES, **SHORT)


@pytest.fixture(scope="module")
def kept() -> Rollout:
    return rollout("street", Wild(), EPISODES, **SHORT)


def assert_same(found: Rollout, expected: Rollout) -> None:
    for name, values in expected.arrays().items():
        came = found.arrays()[name]
        assert came.dtype == values.dtype, name
        assert np.array_equal(came, values), name
    assert found.origin == expected.origin


def test_the_same_actions_give_the_same_arrays_in_the_pettingzoo_view(kept: Rollout) -> None:
    env = parallel_env(scenario_of(kept.origin.scenario), costs=True, split=kept.origin.split)
    assert kept.rewards.shape == (2, 6, len(env.possible_agents))
    for row, number in enumerate(EPISODES):
        seen, infos = env.reset(seed=number)
        for t in range(kept.rewards.shape[1]):
            for i, agent in enumerate(kept.origin.agents):
                assert np.array_equal(seen[agent], kept.observations[row, t, i])
                assert infos[agent]["active"] == kept.active[row, t, i]
            actions = {
                agent: kept.actions[row, t, i, : len(kept.origin.actions[kind])]
                for i, (agent, kind) in enumerate(zip(kept.origin.agents, kept.origin.kinds, strict=True))
            }
            seen, rewards, terminations, truncations, infos = env.step(actions)
            for i, agent in enumerate(kept.origin.agents):
                at, info = (row, t, i), infos[agent]
                assert rewards[agent] == kept.rewards[at]
                assert (terminations[agent], truncations[agent]) == (kept.terminations[at], kept.truncations[at])
                assert list(info["costs"].values()) == pytest.approx(kept.costs[at].tolist(), rel=1e-9)
                assert list(info["reward_parts"].values()) == kept.reward_parts[at].tolist()
                assert np.array_equal(info["executed"], kept.executed[at])
                for name in ("clipped", "bill_cur", "net_kwh", "traded_kwh", "price_cur_per_kwh"):
                    assert info[name] == getattr(kept, name)[at], name
        assert all(np.array_equal(seen[a], kept.observations[row, -1, i]) for i, a in enumerate(kept.origin.agents))
    assert kept.truncations[:, -1].all()
    assert kept.costs.any()
    assert not np.array_equal(kept.observations[0], kept.observations[1])


def test_what_is_beyond_the_bounds_is_played_clipped_and_counted() -> None:
    class Beyond(Wild):
        def act(self, observation: Any, memory: int) -> Any:
            action, memory = super().act(observation, memory)
            return np.where(memory > 4, 3.0, action), memory  # after what is tried at the door

    found = rollout("street", Beyond(), 1, hours=1.5)
    assert np.abs(found.actions).max() == 1.0
    assert found.clipped[:, 4:].all()
    assert not found.clipped[:, :4].any()


def test_few_episodes_at_once_give_what_many_give(plan: Plan, kept: Rollout) -> None:
    parts = list(played(replace(plan, n_at_once=1)))
    assert [part.episodes.tolist() for part in parts] == [[4], [2]]
    for name, values in kept.arrays().items():
        assert np.array_equal(np.concatenate([part.arrays()[name] for part in parts]), values), name


def test_the_size_is_known_before(plan: Plan, kept: Rollout) -> None:
    assert plan.n_bytes == pytest.approx(sum(x.nbytes for x in kept.arrays().values()), rel=0.05)


@pytest.mark.parametrize("form", FORMS)
def test_reading_gives_the_same_arrays(form: str, plan: Plan, kept: Rollout, tmp_path: Path) -> None:
    path = write_rollout(replace(plan, n_at_once=1), tmp_path / f"deep/kept.{form}", form)
    assert_same(gb.read_rollout(path), kept)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    with pytest.raises(FileExistsError, match="--force"):
        write_rollout(plan, path, form)
    assert_same(read_rollout(write_rollout(plan, path, form, force=True)), kept)


def test_the_origin_makes_the_scenario_again(kept: Rollout) -> None:
    assert scenario_of(kept.origin.scenario) == load_scenario("street", **SHORT)
    assert kept.origin.versions["gridbazaar"]
    assert kept.origin.policy == "Wild"
    assert kept.origin.code is not None
    assert "#sha256=" in kept.origin.code


@needs("parquet")
def test_rows_of_parquet_may_stand_in_any_order_but_not_be_missing(plan: Plan, kept: Rollout, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(write_rollout(plan, tmp_path / "a.parquet"))
    order = np.random.default_rng(0).permutation(len(table))
    order = np.concatenate([order[order < len(table) // 2], order[order >= len(table) // 2]])  # episodes as they came
    pq.write_table(table.take(order), tmp_path / "b.parquet")
    assert_same(read_rollout(tmp_path / "b.parquet"), kept)
    pq.write_table(table.slice(1), tmp_path / "c.parquet")
    with pytest.raises(ValueError, match=r"c\.parquet: expected every step of every agent once, 72 rows; got 71"):
        read_rollout(tmp_path / "c.parquet")
    pq.write_table(table.drop_columns("reward"), tmp_path / "d.parquet")
    with pytest.raises(ValueError, match="missing or unknown columns: reward"):
        read_rollout(tmp_path / "d.parquet")
    pq.write_table(table.replace_schema_metadata(), tmp_path / "e.parquet")
    with pytest.raises(ValueError, match="does not say where it comes from"):
        read_rollout(tmp_path / "e.parquet")


def test_a_file_that_is_no_rollout_is_refused(kept: Rollout, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected a rollout"):
        read_rollout(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("x")
    with pytest.raises(ValueError, match=r"text\.npz: expected arrays of NumPy"):
        read_rollout(tmp_path / "text.npz")
    write_npz([replace(kept, costs=kept.costs[:, 1:])], tmp_path / "short.npz")
    with pytest.raises(ValueError, match=r"short\.npz: costs: expected the shape \[2, 6, 6, 4\], got \[2, 5, 6, 4\]"):
        read_rollout(tmp_path / "short.npz")
    write_npz([replace(kept, origin=replace(kept.origin, schema=9))], tmp_path / "late.npz")
    with pytest.raises(ValueError, match="schema 9, this version reads 1"):
        read_rollout(tmp_path / "late.npz")


@pytest.mark.parametrize("form", FORMS)
def test_an_error_leaves_nothing_behind(form: str, tmp_path: Path) -> None:

    class Stops(Wild):
        def act(self, observation: Any, memory: int) -> Any:
            if memory == 5:
                raise RuntimeError("enough")
            return super().act(observation, memory)

    plan = plan_rollout("street", Stops(), 2, **SHORT)
    with pytest.raises(RuntimeError, match="enough"):
        write_rollout(plan, tmp_path / "out.x", form)
    assert list(tmp_path.iterdir()) == []


FAULTS = [
    pytest.param({"episodes": 0}, "episodes: expected at least one", id="none"),
    pytest.param({"episodes": (1, 1)}, "different numbers >= 0", id="twice"),
    pytest.param({"split": "exam"}, "split: expected one of train, validation, test", id="split"),
    pytest.param({"policy": "nobody"}, "policy: expected one of", id="policy"),
]


@pytest.mark.parametrize(("change", "message"), FAULTS)
def test_what_is_wrong_is_said_before_anything_is_played(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"scenario": "street", "policy": "idle", "episodes": 1}
    with pytest.raises(ValueError, match=message):
        plan_rollout(**(given | change))
