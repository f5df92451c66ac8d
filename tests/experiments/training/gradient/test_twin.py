"""The twin on its leash: its costs are the core's, and its derivatives are those of the core."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gridbazaar.agents.learned.network import EAGER, RESERVED
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.experiments.evaluation.metrics import Tally
from gridbazaar.experiments.training.gradient import market, twin
from gridbazaar.experiments.training.gradient.episodes import draw
from gridbazaar.experiments.training.gradient.screen import Screen
from gridbazaar.experiments.training.gradient.twin import Twin, uncovered

Floats = NDArray[np.float64]

PER_EPISODE_CUR, MEAN_CUR = 0.02, 0.002
"""By which the twin's cost of an episode, and of the mean of episodes, may be off."""


def some_actions(core: Core, seed: int = 0) -> tuple[Floats, Floats]:
    """Powers and eager or not, [n_steps, n_envs, n_agents]: what an untrained and noisy policy might do."""
    rng = np.random.default_rng(seed)
    shape = (core.n_steps, core.n_envs, core.n_agents)
    power = rng.normal(0.0, 0.4, shape) + rng.normal(0.0, 0.3, (1, *shape[1:]))
    eager: Floats = (rng.random(shape) < 0.5).astype(float)
    return np.clip(power, -1.0, 1.0), eager


def cost_of_core(core: Core, power: Floats, eager: Floats, split: str = "validation") -> tuple[Floats, Floats]:
    """What the score counts of each episode, and the kWh that wires withheld."""
    state = core.reset(0, split=split)
    tally, withheld = Tally(core, state), np.zeros(core.n_envs)
    for p, e in zip(power, eager, strict=True):
        state, happened = core.step(state, np.stack([p, np.where(e > 0, EAGER, RESERVED)], axis=-1))
        tally.add(happened)
        withheld += np.abs(happened.delivery.curtailed_ukwh).sum(1) / 1e6
    return tally.scored_cur, withheld


def cost_of_twin(core: Core, power: torch.Tensor, eager: Floats, split: str = "validation") -> torch.Tensor:
    episodes, of_eager = draw(core, np.arange(core.n_envs), split), torch.from_numpy(eager)
    return Twin(core).play(episodes, lambda i, ahead, view: (power[i], of_eager[i]))


def off_by(core: Core, seed: int = 0) -> tuple[Floats, Floats]:
    """The twin's cost less the core's, and what wires withheld, [n_envs]."""
    power, eager = some_actions(core, seed)
    expected, withheld = cost_of_core(core, power, eager)
    with torch.no_grad():
        found = cost_of_twin(core, torch.from_numpy(power), eager)
    return found.numpy() - expected, withheld


HOURLY: dict[str, Any] = {"step_min": 60}
CASES: dict[str, dict[str, Any]] = {
    "street": HOURLY,
    "village": HOURLY,
    "thin wires": HOURLY | {"feeder": "weak_feeder", "prosumer.pv_kwp": (20.0, 30.0)},
    "equal shares of thin wires": HOURLY | {
        "feeder": "weak_feeder", "prosumer.pv_kwp": (20.0, 30.0), "curtailment": "equal_share"
    },
    "tight caps": HOURLY | {"connection": {"import_over_load": [0.8, 1.2], "export_over_load": [0.5, 1.0]}},
    "dear feed-in": HOURLY | {"tariff": "flat", "tariff_options": {"export_cur_per_kwh": 0.5}},
    "converters and tapers": HOURLY | {
        f"{kind}.{name}": value for kind in ("prosumer", "battery", "vpp")
        for name, value in (("taper_frac", 0.8), ("converter.k0", 0.0072), ("converter.k2", 0.0345))
    },
    "cars that come back": HOURLY | {"hours": 48.0},
    "no guarantee": HOURLY | {"ev.guarantee": False, "ev.short_cur_per_kwh2": 0.05},
}  # fmt: skip


CASES["no cars"] = HOURLY | {"ev.count": 0}


def scenario_of(case: str) -> Scenario:
    return load_scenario("street" if case == "street" else "village", **CASES[case])


@pytest.mark.parametrize("case", CASES)
def test_an_episode_costs_what_it_costs_in_the_core(case: str) -> None:
    """Rounding to micro-units is all that is left: a thousandth of a cent an interval and agent at most."""
    core = Core(scenario_of(case), 4)
    off_cur, withheld = off_by(core)
    assert np.abs(off_cur).max() < PER_EPISODE_CUR / 10
    assert (withheld.max() > 0.1) == ("wires" in case)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["street", "village"])
def test_many_episodes_cost_what_they_cost_in_the_core(name: str) -> None:
    off_cur, _ = off_by(Core(name, 200))
    assert np.abs(off_cur).max() < PER_EPISODE_CUR
    assert abs(off_cur.mean()) < MEAN_CUR


@pytest.mark.slow
def test_a_district_costs_what_it_costs_in_the_core() -> None:
    off_cur, _ = off_by(Core("district", 2))
    assert np.abs(off_cur).max() < PER_EPISODE_CUR


def slopes(core: Core, n_directions: int, step: float) -> tuple[Floats, Floats]:
    """Directional derivatives of the mean cost, eagerness fixed: the twin's, and central differences of the core."""
    power, eager = some_actions(core)
    power = np.clip(power, -0.9, 0.9)
    at = torch.from_numpy(power).requires_grad_()
    (gradient,) = torch.autograd.grad(cost_of_twin(core, at, eager).mean(), at)
    rng, found = np.random.default_rng(1), []
    for _ in range(n_directions):
        # One number an agent and interval, the same in all episodes, so that their mean moves.
        toward = np.broadcast_to(rng.normal(size=(core.n_steps, 1, core.n_agents)), power.shape)
        above, below = (cost_of_core(core, power + s * toward, eager)[0].mean() for s in (step, -step))
        found.append((float((gradient.numpy() * toward).sum()), (above - below) / (2 * step)))
    twins, cores = np.array(found).T
    return twins, cores


def test_its_derivatives_are_those_of_the_core() -> None:
    twins, cores = slopes(Core(load_scenario("street", step_min=60, ev={"min_kw": 0.0}), 32), 12, 0.01)
    assert np.corrcoef(twins, cores)[0, 1] > 0.98
    assert np.abs(twins).max() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("least_kw", "correlation"), [(0.0, 0.98), (1.38, 0.8)])
def test_its_derivatives_are_those_of_the_core_in_the_village(least_kw: float, correlation: float) -> None:
    """The least power of chargers is a hard choice, which a central difference sees as jumps."""
    twins, cores = slopes(Core(load_scenario("village", ev={"min_kw": least_kw}), 128), 25, 0.01)
    assert np.corrcoef(twins, cores)[0, 1] > correlation


@pytest.mark.parametrize("part", ["local", "sold", "scarcity"])
def test_a_sign_that_is_flipped_is_noticed(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = market.cost_cur

    def wrong(fills: Any, metered: Any, withheld: Any, is_brp: Any, terms: market.Terms) -> Any:
        return right(fills, metered, withheld, is_brp, terms._replace(**{part: -getattr(terms, part)}))

    monkeypatch.setattr(twin, "cost_cur", wrong)
    off_cur, _ = off_by(Core(scenario_of("tight caps"), 2))
    assert np.abs(off_cur).max() > PER_EPISODE_CUR


def test_what_wires_withhold_is_made_good_with_the_rent_that_was_due_when_it_was_sold() -> None:
    """12 kWh are bought through a connection of 11; the load turns out 2 less, and wires withhold 2 of the device."""
    one = torch.ones((1, 1), dtype=torch.float64)
    terms = market.Terms(bought=0.3 * one, sold=0.1 * one, local=0 * one, import_cap_kwh=11 * one,
                         export_cap_kwh=11 * one, scarcity=0.5)  # fmt: skip
    fills = market.clear(6 * one, 6 * one, one, terms)
    withheld = market.Withheld(0 * one, -2 * one)
    found = market.cost_cur(fills, (4 + 6 - 2) * one, withheld, torch.tensor([False]), terms)
    assert float(found) == pytest.approx(10 * 0.3 - 2 * (0.3 + 0.5))


def test_the_screen_lets_nothing_pass_that_wires_withhold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the linear estimate is far from every limit, the core's wiring withholds nothing."""
    core, asked = Core(load_scenario("village", step_min=60), 8), {True: 0, False: 0}
    screen = Screen(core)
    right = screen._is_far

    def counted(meters: Any) -> bool:
        is_far = right(meters)
        asked[is_far] += 1
        flow = core.wiring.carry(meters)
        assert not is_far or (flow.keep_injection.min() >= 1 and flow.keep_draw.min() >= 1)
        return is_far

    monkeypatch.setattr(screen, "_is_far", counted)
    rng = np.random.default_rng(0)
    n_cars, n_batteries = core.scenario.agents["ev"].count, sum(not x for x in screen._rows)
    for scale in np.linspace(0.0, 4.0, 60):
        load_kw = np.zeros((8, core.n_agents))
        load_kw[:, core.scenario.kind_slices["prosumer"]] = scale * rng.random((8, 12))
        pv_kw = load_kw * rng.random((1, core.n_agents)) * 2
        screen.keeps(rng.normal(0, scale, (8, n_batteries)), scale * rng.random((8, n_cars)), load_kw, pv_kw)
    assert min(asked.values()) > 5


COVERED = {"street", "village", "district"}


def test_what_it_does_not_cover_is_refused_by_name() -> None:
    for name in list_scenarios():
        assert (not uncovered(load_scenario(name))) == (name in COVERED), name
    with pytest.raises(ValueError, match="does not cover mechanism nodal, constraint nodal; train with --algo ppo"):
        Twin(Core("weak_feeder"))
    assert uncovered(load_scenario("winter")) == [f"prosumer: {x}" for x in (
        "heat pumps", "hot water", "appliances", "PV that is withheld"
    )]  # fmt: skip
    village = load_scenario("village")
    lossy = {**village.agents, "battery": replace(village.agents["battery"], loss_per_h=0.01)}
    assert uncovered(replace(village, agents=lossy)) == ["batteries that lose or taper by kind"]
