"""What a scenario chooses to be observed: the same numbers under the same names, and blocks that say what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pettingzoo.test import parallel_api_test

from gridbazaar.data.units import from_micro
from gridbazaar.envs.columns import PUBLISHED
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import feature_columns, look_ahead, observe, shared_columns
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.views.pettingzoo_env import parallel_env
from tests.envs.playing import differences, drawn_actions


def vec_env(*given: Any, **more: Any) -> Any:
    """Skip what needs stable-baselines3 where there is none."""
    pytest.importorskip("stable_baselines3")
    from gridbazaar.envs.views.vec_env import vec_env as made

    return made(*given, **more)


SHORT: dict[str, Any] = {"hours": 4.0, "start_h": 15.0}
FULL: dict[str, Any] = {"observe": {"public": False, "ahead_h": 3.0, "ahead_step_h": 0.5, "last": 3}}


def names(**observed: Any) -> list[str]:
    return [c.name for c in feature_columns(load_scenario("street", **SHORT, **observed))]


def played(n_envs: int = 2, n_steps: int = 5, backend: str = "numpy", **options: Any) -> Any:
    """A core after some intervals, its state, and what happened in them."""
    core = Core(load_scenario("street", **SHORT, **options), n_envs, backend=backend)
    state, happened = core.reset(3), []
    for action in drawn_actions(n_steps, n_envs, core.n_agents):
        state, one = core.step(state, action.astype(np.float64) if backend == "numpy" else _tensor(action))
        happened.append(one)
    return core, state, happened


def _tensor(action: NDArray[Any]) -> Any:
    import torch

    return torch.as_tensor(action, dtype=torch.float64)


def by_name(core: Core, state: Any) -> dict[str, NDArray[Any]]:
    """[n_envs, n_agents] of each column."""
    features = np.asarray(observe(core, state).features)
    columns = feature_columns(core.scenario)
    assert features.dtype == np.float32
    assert features.shape[2] == len(columns)
    return {column.name: features[:, :, i] for i, column in enumerate(columns)}


def test_nothing_said_is_as_ever() -> None:
    usual = names()
    assert usual == names(observe={"ahead_step_h": 2.0})
    assert set(PUBLISHED) < set(usual)
    assert played()[1].past is None


@pytest.mark.parametrize(
    "observed",
    [{"public": False}, {"last": 2}, {"columns": ("soc", "hour_sin", "is_ev")}, FULL["observe"]],
)
def test_what_stays_holds_the_same_numbers(observed: dict[str, Any]) -> None:
    usual, chosen = by_name(*played()[:2]), by_name(*played(observe=observed)[:2])
    common = set(usual) & set(chosen)
    assert len(common) >= 3
    for name in common:
        assert np.array_equal(usual[name], chosen[name]), name


def test_the_public_columns_are_left_out() -> None:
    hidden = names(observe={"public": False})
    assert hidden == [name for name in names() if name not in PUBLISHED]


def test_columns_are_chosen_in_the_usual_order() -> None:
    assert names(observe={"columns": ("is_ev", "soc", "hour_sin")}) == ["hour_sin", "soc", "is_ev"]
    with pytest.raises(ValueError, match=r"observe\.columns: unknown socc; expected some of hour_sin"):
        names(observe={"columns": ("socc",)})


def test_forecasts_are_means_of_what_policies_are_told() -> None:
    core, state, _ = played(**FULL)
    found, told = by_name(core, state), look_ahead(core, state)
    cap_kw = np.minimum(state.episode.import_cap_kw, 5.0 * core.n_agents)
    last = told.retail_cur_per_kwh.shape[1] - 1
    for i in range(6):
        steps = [min(step, last) for step in (2 * i, 2 * i + 1)]
        retail, net = told.retail_cur_per_kwh[:, steps].mean(1), told.net_kw[:, :, steps].mean(2)
        assert found[f"retail_ahead_{i}"][:, 0] == pytest.approx(np.clip(retail / 0.2, -5, 5), abs=1e-6)
        assert found[f"net_ahead_{i}"][:, 2] == pytest.approx(net.sum(1) / cap_kw, abs=1e-6)
        assert found[f"own_ahead_{i}"] == pytest.approx(np.clip(net / 5.0, -5, 5), abs=1e-6)
    assert np.ptp(found["own_ahead_0"]) > 0
    assert "retail_ahead_6" not in found


def test_the_last_intervals_are_those_that_happened() -> None:
    core, state, happened = played(n_steps=2, **FULL)
    found, step_h = by_name(core, state), core.scenario.step_h
    for i, one in enumerate(reversed(happened), start=1):
        metered_kw = from_micro(one.delivery.metered_ukwh) / step_h
        assert found[f"own_last_{i}"] == pytest.approx(np.clip(metered_kw / 5.0, -5, 5), abs=1e-6)
        assert np.abs(metered_kw).max() > 0
    assert found["net_last_1"] == pytest.approx(found["community_last"], abs=1e-6)
    assert not np.array_equal(found["own_last_1"], found["own_last_2"])
    assert not found["own_last_3"].any(), "before the episode began"
    _, after, _ = played(n_steps=1, **FULL)
    assert np.array_equal(by_name(core, after)["price_last_1"], found["price_last_2"])


def test_a_row_is_what_it_would_be_alone_and_in_every_view() -> None:
    community, venv = parallel_env("street", **SHORT, **FULL), vec_env("street", n_envs=2, **SHORT, **FULL)
    venv.seed(7)
    rows: Any = venv.reset()
    seen, _ = community.reset(seed=8)
    n_agents = len(community.possible_agents)
    for action in drawn_actions(6, 2, n_agents):
        assert not differences(rows[n_agents:], np.stack(list(seen.values())))
        rows, *_ = venv.step(action.reshape(-1, 2))
        seen, *_ = community.step(dict(zip(community.agents, action[1], strict=True)))
    assert venv.observation_space.contains(rows[0])


def test_the_compact_state_has_shared_columns_once() -> None:
    community = parallel_env("street", **SHORT, **FULL)
    community.reset(seed=1)
    held = dict(zip(community.state_names, community.state(), strict=True))
    shared = [n for n in names(**FULL) if n in shared_columns(load_scenario("street", **SHORT, **FULL))]
    assert [n for n in community.state_names if "." not in n] == shared
    assert "retail_ahead_0" in shared
    assert "ev_0.own_last_1" in held
    assert not any(".is_" in n for n in community.state_names)
    parallel_api_test(parallel_env("street", **SHORT, **FULL), num_cycles=20)


def test_torch_gives_the_same() -> None:
    pytest.importorskip("torch")
    numpy_found, torch_found = (by_name(*played(backend=backend, **FULL)[:2]) for backend in ("numpy", "torch"))
    for name, values in numpy_found.items():
        assert torch_found[name] == pytest.approx(values, abs=1e-5), name


@pytest.mark.parametrize(
    ("observed", "message"),
    [
        ({"ahead_h": 2.5}, r"observe\.ahead_h: expected whole steps of 1\.0 h"),
        ({"ahead_h": 25.0}, r"observe\.ahead_h: expected a number in \[0, 24\], got 25\.0"),
        ({"ahead_h": 1.0, "ahead_step_h": 0.1}, r"observe\.ahead_step_h: expected hours in whole steps of 15 min"),
        ({"columns": ("soc", "soc")}, "expected each name once, got 'soc' twice"),
        ({"last": 97}, r"observe\.last: expected"),
        ({"publik": False}, r"unknown field observe\.publik"),
    ],
)
def test_a_wrong_choice_is_refused(observed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_scenario("street", **SHORT, observe=observed)


def test_a_run_keeps_its_columns_and_refuses_others(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    from gridbazaar.experiments.evaluation.evaluate import evaluate
    from gridbazaar.experiments.training.train import TrainConfig, train

    observed: dict[str, Any] = {"hours": 1.0, "observe.columns": ("soc", "hour_sin"), "observe.last": 1}
    config = TrainConfig("street", observed, steps=24, n_envs=1, epochs=1, width=4, minibatches=1, validate_seeds=0)
    run = train(config, tmp_path / "run")
    found = evaluate("street", [str(run)], seeds=1, replays=False, **observed)
    assert np.isfinite(found.result(str(run)).scored_cur).all()
    with pytest.raises(ValueError, match=r"trained on other columns; observe what it did, .*--set observe\.last=1"):
        evaluate("street", [str(run)], seeds=1, replays=False, hours=1.0)
