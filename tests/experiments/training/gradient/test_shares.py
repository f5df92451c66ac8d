"""Who bears what in the twin: each agent's cost is the core's, and multipliers weigh kinds that are worse off."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gridbazaar.agents.learned.columns import own_names
from gridbazaar.agents.learned.policy import Policy
from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.metrics import Tally
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.experiments.training.checkpoint import read_checkpoint
from gridbazaar.experiments.training.folder import read_curve
from gridbazaar.experiments.training.gradient import market
from gridbazaar.experiments.training.gradient import run as runs
from gridbazaar.experiments.training.gradient import shares as shared
from gridbazaar.experiments.training.gradient.beginning import first_weights
from gridbazaar.experiments.training.gradient.chooser import Chooser
from gridbazaar.experiments.training.gradient.config import OWN, GradientConfig
from gridbazaar.experiments.training.gradient.episodes import draw
from gridbazaar.experiments.training.gradient.run import train_gradient
from gridbazaar.experiments.training.gradient.shares import Participation, Shares
from gridbazaar.experiments.training.gradient.twin import Chosen, Twin
from gridbazaar.experiments.training.validation import Validation
from tests.experiments.training.gradient.test_run import SHORT, equal, weights_of
from tests.experiments.training.gradient.test_twin import (
    PER_EPISODE_CUR,
    Floats,
    action_of,
    at_home,
    chosen_of,
    scenario_of,
    some_actions,
)

PARTICIPATES = replace(SHORT, objective="participation", keen=True)


def costs(case: str, n_envs: int = 3, *, keen: bool = False) -> tuple[Floats, Floats, Floats]:
    """Of each agent in the core and in the twin, [n_envs, n_agents]; and the twin's total, [n_envs]."""
    core = Core(scenario_of(case), n_envs)
    power, eager = some_actions(core, keen=keen)
    state = core.reset(0, split="validation")
    shares, tally = Shares(core, state), Tally(core, state)
    for chosen in zip(power, eager, at_home(core), strict=True):
        state, happened = core.step(state, action_of(core, *chosen))
        tally.add(happened)
    powers, eagers, more = map(torch.from_numpy, (power, eager, at_home(core)))
    with torch.no_grad():
        episodes = draw(core, np.arange(n_envs), "validation")
        total = Twin(core).play(episodes, lambda i, ahead, view: chosen_of(powers[i], eagers[i], more[i]), shares)
    return tally.cost_cur, shares.cost.numpy(), total.numpy()


@pytest.mark.parametrize("case", ["village", "thin wires", "tight caps", "cars that come back", "winter of thin wires"])
def test_each_agent_bears_what_it_bears_in_the_core(case: str) -> None:
    """Local trades, rent of a full connection and its rebate, what is made good, wear and what is left."""
    of_core, of_twin, total = costs(case)
    assert np.abs(of_core - of_twin).max() < PER_EPISODE_CUR / 10
    np.testing.assert_allclose(of_twin.sum(1), total, atol=1e-9)


@pytest.mark.parametrize("case", ["village", "tight caps", "thin wires", "tight caps and dear feed-in"])
def test_each_agent_bears_what_it_bears_in_the_core_with_keen_orders(case: str) -> None:
    of_core, of_twin, total = costs(case, keen=True)
    assert np.abs(of_core - of_twin).max() < PER_EPISODE_CUR / 10
    np.testing.assert_allclose(of_twin.sum(1), total, atol=1e-9)


@pytest.mark.slow
def test_what_each_kind_bears_moves_as_it_moves_in_the_core() -> None:
    """Prices and rents jump; their soft steps give the slopes of the mean over episodes, along random directions."""
    often_full = {"connection": {"import_over_load": [1.0, 2.0]}, "constraint": "none", "ev": {"min_kw": 0.0}}
    core, step = Core(load_scenario("village", step_min=60, **often_full), 96), 0.1
    power, eager = some_actions(core, keen=True)
    power, kinds = np.clip(power, -0.8, 0.8), core.scenario.kind_slices

    def of_core(power: Floats) -> Floats:
        state = core.reset(0, split="validation")
        tally = Tally(core, state)
        for chosen in zip(power, eager, at_home(core), strict=True):
            state, happened = core.step(state, action_of(core, *chosen))
            tally.add(happened)
        return np.array([tally.cost_cur[:, agents].sum(1).mean() for agents in kinds.values()])

    at, eagers, more = map(torch.from_numpy, (power, eager, at_home(core)))
    shares = Shares(core, core.reset(0, split="validation"))
    episodes = draw(core, np.arange(core.n_envs), "validation")
    Twin(core).play(episodes, lambda i, ahead, view: chosen_of(at.requires_grad_()[i], eagers[i], more[i]), shares)
    slopes = [torch.autograd.grad(cost, at, retain_graph=True)[0].numpy() for cost in shares.of_kinds(kinds)]
    rng, found = np.random.default_rng(1), []
    for _ in range(12):
        toward = np.broadcast_to(rng.normal(size=(core.n_steps, 1, core.n_agents)), power.shape)
        moved = (of_core(power + step * toward) - of_core(power - step * toward)) / (2 * step)
        found.append([moved, np.array([(slope * toward).sum() for slope in slopes])])
    cores, twins = np.array(found).transpose(1, 2, 0)
    assert [float(np.corrcoef(*both)[0, 1]) > 0.8 for both in zip(cores, twins, strict=True)] == [True] * 4


@pytest.mark.parametrize("part", ["scarcity", "sold"])
def test_a_sign_that_is_flipped_is_noticed(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = market.cost_of_agents_cur

    def wrong(fills: Any, metered: Any, withheld: Any, is_brp: Any, terms: Any, connections: Any) -> Any:
        return right(fills, metered, withheld, is_brp, terms._replace(**{part: -getattr(terms, part)}), connections)

    monkeypatch.setattr(shared, "cost_of_agents_cur", wrong)
    of_core, of_twin, _ = costs("tight caps", 1)
    assert np.abs(of_core - of_twin).max() > PER_EPISODE_CUR


def test_a_kind_weighs_more_as_long_as_it_is_worse_off() -> None:
    """Batteries pay a unit more than under idle, and all others a unit less."""
    core = Core(load_scenario("village", step_min=60), 2)
    state = core.reset(0, split="train")
    idle = play(core, load_policy("idle"), [0, 1], split="train", state=state).tally.cost_cur
    held, shares = Participation(core, 0.5, 0.1, None), Shares(core, state)
    batteries = core.scenario.kind_slices["battery"]
    per_agent = [-1.0 / (s.stop - s.start) for s in core.scenario.kind_slices.values() for _ in range(s.start, s.stop)]
    more = np.array(per_agent)
    more[batteries] *= -1
    shares.cost = torch.from_numpy(idle + more).requires_grad_()
    added = [held.weighed(shares, held.idle_cur(np.arange(2), state)) for _ in range(3)]
    np.testing.assert_allclose(held.multipliers, [0.0, 3 * 0.1 * 1.5, 0.0, 0.0], atol=1e-9)
    assert [round(float(x.detach()), 9) for x in added] == [0.0, 0.225, 0.45]
    added[-1].backward()  # type: ignore[no-untyped-call]
    assert shares.cost.grad is not None
    assert (shares.cost.grad[:, batteries] > 0).all()
    assert float(shares.cost.grad.abs().sum()) == pytest.approx(float(shares.cost.grad[:, batteries].sum()))


def test_a_run_goes_on_with_its_multipliers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train_gradient(PARTICIPATES, tmp_path / "whole")
    right, done = runs._Run._update, [0]

    def fails(self: runs._Run) -> float:
        if done[0] == 3:
            raise KeyboardInterrupt
        done[0] += 1
        return right(self)

    monkeypatch.setattr(runs._Run, "_update", fails)
    with pytest.raises(KeyboardInterrupt):
        train_gradient(PARTICIPATES, tmp_path / "cut")
    monkeypatch.setattr(runs._Run, "_update", right)
    cut = train_gradient(PARTICIPATES, tmp_path / "cut", resume=True)
    assert equal(weights_of(whole), weights_of(cut))
    held = [read_checkpoint(folder) for folder in (whole, cut)]
    assert held[0] is not None
    assert held[1] is not None
    name = "participation_multipliers"
    np.testing.assert_array_equal(held[0].learning[name], held[1].learning[name])
    assert held[0].learning[name].max() > 0
    assert all("worst_cur" in point for point in held[0].curve)


def test_one_agent_an_episode_lowers_its_own_cost_while_the_others_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    run = runs._Run(replace(SHORT, objective=OWN), load_scenario("street", step_min=60), Path(), None, None)
    learns, cost = run._deviate(), torch.rand((4, run.core.n_agents), dtype=torch.float64)
    assert (learns.sum(1) == 1).all()
    chooser = Chooser(run.core, run.weights, learns=learns)
    leaves = [torch.zeros((4, run.core.n_agents), requires_grad=True) for _ in range(3)]
    chosen = chooser._of_learners(Chosen(leaves[0], leaves[1], None, leaves[2]), learns)
    assert chosen.keen is not None
    (chosen.power + chosen.eager + chosen.keen).sum().backward()  # type: ignore[no-untyped-call]
    for leaf in leaves:
        np.testing.assert_array_equal(leaf.grad, learns)

    def plays(episodes: Any, choose: Chooser, shares: Shares) -> torch.Tensor:
        assert choose.learns is not None
        np.testing.assert_array_equal(choose.learns, learns)
        shares.cost = cost
        return cost.sum(1)

    monkeypatch.setattr(run.twin, "play", plays)
    seeds = np.arange(4)
    mean_cur, lowered = run._play(seeds, draw(run.core, seeds, "train"))
    assert float(mean_cur) == pytest.approx(float(cost.sum(1).mean()))
    assert float(lowered) == pytest.approx(float(cost[learns].mean()) * run.core.n_agents)
    done = {tuple(np.argwhere(run._deviate().numpy())[:, 1]) for run.done in range(5)}
    assert len(done) > 2  # another in each update


@pytest.mark.slow
def test_who_learns_for_itself_lowers_its_own_cost(tmp_path: Path) -> None:
    """The costs of all agents fall in the mean, too, and the run says what it lowered."""
    config = replace(SHORT, objective=OWN, updates=20, n_envs=8, learning_rate=1e-2, warm_up=3, validate_updates=20)
    folder = train_gradient(config, tmp_path / "run")
    assert json.loads((folder / "config.json").read_text())["train"]["objective"] == "own"
    point = read_curve(folder)[-1]
    core = Core(load_scenario("street", step_min=60), 2)
    fresh = {n: x.numpy() for n, x in first_weights(len(own_names(tuple(core.scenario.agents))), 0).items()}
    assert point["score"] > Validation(core.scenario, 2).score(Policy(fresh, tuple(core.scenario.agents))) + 5


def test_the_best_of_a_run_is_one_by_which_nobody_loses() -> None:
    points = [{"score": 90.0, "worst_cur": -1.0}, {"score": 60.0, "worst_cur": 0.3}, {"score": 70.0, "worst_cur": 0.1}]
    assert max(points, key=runs._rank) == points[2]
    assert max([{"score": 1.0}, {"score": 2.0}], key=runs._rank) == {"score": 2.0}


def test_what_participation_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match="margin_cur: it is of objective = 'participation'"):
        GradientConfig(margin_cur=1.0)
    with pytest.raises(ValueError, match="objective: expected"):
        GradientConfig(objective="fair")
    owned = load_scenario("village", **{"battery.shares": {"prosumer_0": 0.5, "prosumer_1": 0.5}})
    with pytest.raises(ValueError, match=r"participation does not know battery\.shares"):
        shared.refuse_shared_batteries(Core(owned, 1), "participation")
