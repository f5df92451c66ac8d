"""Runs of the gradient: they repeat themselves, go on exactly, foresee nothing, and play without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gridbazaar.agents.learned.columns import columns, own_names
from gridbazaar.agents.learned.network import EAGER, KEEN, RESERVED
from gridbazaar.agents.learned.policy import Policy, flags_of
from gridbazaar.agents.policies import load_policy
from gridbazaar.data.inputs import read_arrays
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.views.others import community_of
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.experiments.training.checkpoint import read_checkpoint
from gridbazaar.experiments.training.gradient import run as runs
from gridbazaar.experiments.training.gradient.beginning import first_weights
from gridbazaar.experiments.training.gradient.chooser import Chooser, choices_of
from gridbazaar.experiments.training.gradient.config import GradientConfig
from gridbazaar.experiments.training.gradient.episodes import draw
from gridbazaar.experiments.training.gradient.run import train_gradient
from gridbazaar.experiments.training.gradient.twin import Twin
from tests.experiments.cli.runner import invoke

HOURLY = {"step_min": 60}
SHORT = GradientConfig(
    scenario="street", overrides=HOURLY, updates=4, n_envs=4, validate_seeds=2, validate_updates=2, checkpoint_updates=2
)


def weights_of(folder: Path) -> dict[str, np.ndarray]:
    return read_arrays(folder / "model.npz")[1]


def equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one | other)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_gradient(SHORT, tmp_path_factory.mktemp("runs") / "a")


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(trained: Path, tmp_path: Path) -> None:
    again = train_gradient(SHORT, tmp_path / "again")
    other = train_gradient(replace(SHORT, seed=1, updates=1), tmp_path / "other")
    assert equal(weights_of(trained), weights_of(again))
    assert not equal(weights_of(trained), weights_of(other))


def test_an_interrupted_run_ends_as_one_that_ran_through(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power fails after the third update, one after the checkpoint."""
    right, done = runs._Run._update, [0]

    def fails(self: runs._Run) -> float:
        if done[0] == 3:
            raise KeyboardInterrupt
        done[0] += 1
        return right(self)

    monkeypatch.setattr(runs._Run, "_update", fails)
    with pytest.raises(KeyboardInterrupt):
        train_gradient(SHORT, tmp_path / "cut")
    monkeypatch.setattr(runs._Run, "_update", right)
    held = read_checkpoint(tmp_path / "cut")
    assert held is not None
    assert held.steps == 2 * 4 * 24 * 6
    load_policy(str(tmp_path / "cut"))  # what there is can be played
    resumed = train_gradient(SHORT, tmp_path / "cut", resume=True)
    assert equal(weights_of(trained), weights_of(resumed))
    curves = [read_checkpoint(folder) for folder in (trained, resumed)]
    assert [[p["score"] for p in c.curve] for c in curves if c] == [[p["score"] for p in curves[0].curve]] * 2  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least_cur"), [("street", 1.0), ("winter", 2.0)])
def test_it_learns(name: str, least_cur: float, tmp_path: Path) -> None:
    """A few updates lower the core's cost on fresh episodes."""
    config = replace(SHORT, scenario=name, updates=25, n_envs=8, validate_seeds=0, learning_rate=1e-2, warm_up=3)
    folder = train_gradient(config, tmp_path / "run")
    core = Core(load_scenario(name, **HOURLY), 16)
    kinds, choices = tuple(core.scenario.agents), choices_of(core.scenario)
    fresh = {n: x.numpy() for n, x in first_weights(len(own_names(kinds, choices)), 0, choices).items()}
    before, after = (
        play(core, policy, np.arange(16), split="validation").tally.scored_cur
        for policy in (Policy(fresh, kinds, choices=choices), load_policy(str(folder)))
    )
    assert (before - after).mean() > least_cur


def test_homes_choose_nothing_by_what_is_still_to_come() -> None:
    """Water that will be drawn and appliances that will be loaded change no action before."""
    core = Core(load_scenario("winter", **HOURLY), 2)
    policy, state, begun, found = untrained(core), core.reset(0), 5, []
    homes = state.episode.params[0]
    water, loads = homes.devices.water, homes.devices.appliance
    drawn, later = water.draw_kwh.copy(), loads.ready > begun
    drawn[:, begun:] *= 2.0
    assert later.any()
    moved = replace(loads, ready=loads.ready + later, last=loads.last + later)
    homes = replace(homes, devices=replace(homes.devices, water=replace(water, draw_kwh=drawn), appliance=moved))
    other = replace(state, episode=replace(state.episode, params=(homes, *state.episode.params[1:])))
    for at in (state, other):
        memory, actions = policy.start(community_of(core, at), np.random.default_rng(0)), []
        for _ in range(begun + 2):
            action, memory = policy.act(observe(core, at, forecasts=True), memory)
            at, _ = core.step(at, action)
            actions.append(action)
        found.append(np.stack(actions))
    np.testing.assert_array_equal(found[0][: begun + 1], found[1][: begun + 1])
    assert not np.array_equal(found[0], found[1])


def untrained(core: Core, *, keen: bool = False) -> Policy:
    """A policy that does something of everything, and less of it the same everywhere than one that begins to learn."""
    kinds, choices = tuple(core.scenario.agents), choices_of(core.scenario)
    weights = first_weights(len(own_names(kinds, choices)), 3, choices, keen=keen)
    heads = ("rest", "cars", "homes", "starts", "starts_community")
    loud = {
        name: 5 * x if name in heads else 0 * x if name.startswith("starts_b") else x for name, x in weights.items()
    }
    return Policy({name: x.numpy() for name, x in loud.items()}, kinds, choices=choices)


@pytest.mark.parametrize(("name", "keen"), [("street", False), ("winter", True)])
def test_it_plays_in_numpy_what_it_is_in_torch(name: str, keen: bool) -> None:
    """Over a whole episode: what the net sees and answers while training is what it sees and answers while playing."""
    core = Core(load_scenario(name, **HOURLY), 3)
    policy = untrained(core, keen=keen)
    chooser = Chooser(core, {n: torch.from_numpy(x) for n, x in policy.weights.items()})
    seen = []

    def choose(i, ahead, view):  # type: ignore[no-untyped-def]
        chosen = chooser(i, ahead, view)
        seen.append({what: x.numpy() for what, x in chosen._asdict().items() if x is not None})
        return chosen

    with torch.no_grad():
        cost = Twin(core).play(draw(core, np.arange(3), "validation"), choose).numpy()
    played = play(core, policy, np.arange(3), split="validation", keep=True)
    actions = np.stack([t.plan.executed for t in played.transitions])
    chose = {what: np.stack([x[what] for x in seen]) for what in seen[0]}
    assert ("keen" in chose, "at_home" in chose) == (keen, name == "winter")
    np.testing.assert_allclose(actions[..., 0], chose["power"], atol=1e-5)
    is_keen = np.round(chose.get("keen", np.zeros_like(chose["eager"])))
    eagerness = np.select([chose["eager"] < 0.5, is_keen > 0], [RESERVED, KEEN], EAGER)
    np.testing.assert_array_equal(actions[..., 1], eagerness)
    np.testing.assert_allclose(played.tally.scored_cur, cost, atol=2e-3)
    if name == "winter":
        chosen = actions[:, :, core.scenario.kind_slices["prosumer"], 2:]
        start = policy.choices.index("appliance")
        at_home = np.delete(chose["at_home"], start, 3)
        np.testing.assert_allclose(np.maximum(np.delete(chosen, start, 3), 0), at_home, atol=1e-5)
        assert chosen.std(axis=(0, 1, 2)).min() > 0.02


def test_what_it_knows_beforehand_is_what_forecasts_say() -> None:
    """Condensed for a whole episode at once, and from the observation of each interval."""
    from gridbazaar.agents.learned import policy as learned
    from gridbazaar.agents.learned.ahead import COLUMNS, condense

    core = Core(load_scenario("village", **HOURLY), 3)
    episodes, state = draw(core, np.arange(3), "validation"), core.reset(0, split="validation")
    errors = learned.no_errors(3)
    for t in range(core.n_steps):
        seen = observe(core, state, forecasts=True)
        assert seen.forecasts is not None
        net_kw = seen.forecasts.net_kw.sum(1)
        errors = learned.remember(errors, net_kw[:, 0], net_kw[:, 1])
        known = condense(learned._known(seen.forecasts, net_kw, seen.view, errors))
        assert known.public.shape == (3, len(COLUMNS))
        for name in known.__slots__:
            np.testing.assert_allclose(getattr(episodes.ahead[t], name).numpy(), getattr(known, name), atol=1e-9)
        state, _ = core.step(state, np.zeros((3, core.n_agents, 2)))
    assert np.abs(errors.by_weight_kw).min() > 0


def test_nothing_that_the_net_sees_changes_with_the_future() -> None:
    """Episodes that differ from an interval on look the same until then: other loads, other sun, other cars to come."""
    core = Core(load_scenario("village", **HOURLY), 2)
    state, begun = core.reset(0), 9
    flags = flags_of(core.scenario.kind_slices, tuple(core.scenario.kind_slices))
    other = core.reset(0)
    params = list(other.episode.params)
    visits = params[2].visits
    late = visits.arrive > begun
    assert late.any()
    params[2] = replace(params[2], visits=replace(visits, required_kwh=visits.required_kwh * np.where(late, 0.8, 1.0)))
    other = replace(other, episode=replace(other.episode, params=tuple(params)))
    found = []
    from gridbazaar.agents.learned import policy as learned
    from gridbazaar.agents.learned.ahead import condense

    for at in (state, other):
        errors, rows = learned.no_errors(2), []
        for _ in range(begun):
            seen = observe(core, at, forecasts=True)
            assert seen.forecasts is not None
            net_kw = seen.forecasts.net_kw.sum(1)
            errors = learned.remember(errors, net_kw[:, 0], net_kw[:, 1])
            ahead = condense(learned._known(seen.forecasts, net_kw, seen.view, errors))
            rows.append(np.concatenate([x.ravel() for x in columns(ahead, seen.view, flags, 1.0)]))
            at, _ = core.step(at, np.full((2, core.n_agents, 2), 0.3))
        found.append(np.stack(rows))
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.slow
def test_it_is_played_without_torch(trained: Path) -> None:
    program = (
        "import sys\n"
        "from gridbazaar import evaluate\n"
        f"print(evaluate('street', ['learned={trained}'], seeds=1, step_min=60).result('learned').scored_cur[0])\n"
        "assert not {'torch', 'stable_baselines3'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    core = Core(load_scenario("street", **HOURLY), 1)
    expected = play(core, load_policy(str(trained)), [0]).tally.scored_cur[0]
    assert float(done.stdout) == pytest.approx(expected, abs=1e-9)


def test_weights_and_columns_of_others_are_refused(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("config.json", "model.npz"):
        (folder / name).write_bytes((trained / name).read_bytes())
    held = json.loads((folder / "config.json").read_text())
    held["features"][0] = "something_else"
    (folder / "config.json").write_text(json.dumps(held))
    with pytest.raises(ValueError, match=r"trained on other columns \(price_0h, something_else\)"):
        load_policy(str(folder))
    in_winter = untrained(Core(load_scenario("winter"), 1))
    for settings, said in (
        (
            {"prosumer.curtailable": False},
            "homes that choose heat, water, appliance, curtail, here they choose heat, water",
        ),
        ({"observe.columns": ["soc", "tank"]}, "looks at indoor, .*; name them in observe.columns"),
    ):
        community = community_of(Core(load_scenario("winter", **settings), 1))
        with pytest.raises(ValueError, match=said):
            in_winter.start(community, np.random.default_rng(0))
    policy = load_policy(str(trained))
    assert isinstance(policy, Policy)
    with pytest.raises(ValueError, match="deep: expected finite numbers of shape"):
        Policy({**policy.weights, "deep": np.zeros((2, 2))}, policy.kinds)
    with pytest.raises(ValueError, match="not with wind; train it anew"):
        policy.start(
            replace(community_of(Core(load_scenario("street", **HOURLY), 1)), kind_slices={"wind": slice(0, 6)}),
            np.random.default_rng(0),
        )


def test_the_command_trains_and_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    args = ["train", "street", "--algo", "gradient", "--updates", "2", "--n-envs", "2", "--set", "step_min=60"]
    done = invoke(main, [*args, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "2 updates" in done.output
    assert {p.name for p in out.iterdir()} == {"config.json", "model.npz", "best.npz", "checkpoint.npz"}
    again = invoke(main, ["train", "--out", str(out), "--resume"])
    assert again.exit_code == 0, again.output
    for more, text in (
        (["train", "street", "--algo", "gradient", "--steps", "9"], "ends by --updates"),
        (["train", "street", "--algo", "ppo", "--updates", "9"], "--updates is of --algo gradient"),
        (["train", "blackout", "--algo", "gradient", "--updates", "1"], "does not cover outages"),
    ):
        refused = invoke(main, [*more, "--out", str(tmp_path / "no")])
        assert refused.exit_code != 0
        assert text in str(refused.exception) + refused.output


def test_a_run_begins_with_the_weights_of_another(trained: Path, tmp_path: Path) -> None:
    """It does at first what the other does; keen orders are those that were at any price."""
    scenario = load_scenario("street", **HOURLY)
    config = replace(SHORT, begin_with=str(trained), seed=5)
    other, drawn = load_policy(str(trained)), runs._Run(replace(config, begin_with=""), scenario, Path(), None, None)
    assert isinstance(other, Policy)
    same = runs._Run(config, scenario, Path(), None, None)
    assert equal({n: x.detach().numpy() for n, x in same.weights.items()}, dict(other.weights))
    assert not equal({n: x.detach().numpy() for n, x in drawn.weights.items()}, dict(other.weights))
    keen = runs._Run(replace(config, keen=True), scenario, Path(), None, None)
    policies = (other, Policy({n: x.detach().numpy() for n, x in keen.weights.items()}, other.kinds))
    actions = []
    for policy in policies:
        core = Core(scenario, 3)
        state = core.reset(0)
        memory = policy.start(community_of(core, state), np.random.default_rng(0))
        actions.append(policy.act(observe(core, state, forecasts=True), memory)[0])
    np.testing.assert_array_equal(actions[0][..., 0], actions[1][..., 0])
    np.testing.assert_array_equal(np.where(actions[0][..., 1] == EAGER, KEEN, actions[0][..., 1]), actions[1][..., 1])
    resumed = train_gradient(replace(config, updates=2), tmp_path / "next")
    assert equal(weights_of(resumed), weights_of(train_gradient(replace(config, updates=2), tmp_path / "again")))


def test_a_run_that_others_cannot_begin_with_is_refused(trained: Path, tmp_path: Path) -> None:
    config = replace(SHORT, begin_with=str(trained))
    for changed, said in (
        (replace(config, scenario="workplace"), r"begin_with: .* with the kinds prosumer, .*, the scenario has"),
        (replace(config, begin_with=str(tmp_path / "nothing")), "nothing"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=said):
            train_gradient(changed, tmp_path / "run")
        assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match=r"begin_with: .* lies in .*, which would be replaced"):
        train_gradient(config, trained, force=True)
    assert (trained / "model.npz").is_file()


def test_what_a_training_asks_without_effect_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"to_need: expected cars that give nothing back .*discharge_kw = 7\.4"):
        train_gradient(replace(SHORT, to_need=True), tmp_path / "a")
    outages = {"outage.chance": 1.0, "outage.lines_per_year": 0.0}
    asked = replace(SHORT, scenario="blackout", overrides=outages, objective="participation")
    with pytest.raises(ValueError, match="participation does not know who bears an outage"):
        train_gradient(asked, tmp_path / "b")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "overrides", "more"),
    [
        ("blackout", {"outage.lines_per_year": 0.0}, {}),
        ("workplace", {"ev.count": 4, "ev.site_kw": 15.0}, {"to_need": True}),
    ],
)
def test_a_run_with_outages_or_with_cars_that_ask_for_what_they_need_plays_as_it_was_trained(
    name: str, overrides: dict[str, float], more: dict[str, bool], tmp_path: Path
) -> None:
    """What is read from its folder acts as the policy that was validated."""
    config = replace(SHORT, scenario=name, overrides=HOURLY | overrides, updates=2, **more)  # type: ignore[arg-type]
    folder = train_gradient(config, tmp_path / "run")
    core = Core(load_scenario(name, **config.overrides), 2)
    held = read_checkpoint(folder)
    assert held is not None
    own = Policy(held.weights, tuple(core.scenario.agents), to_need=config.to_need, has_outages=name == "blackout")
    one, other = (
        play(core, policy, np.arange(2), split="validation").tally.scored_cur
        for policy in (own, load_policy(str(folder)))
    )
    np.testing.assert_array_equal(one, other)
