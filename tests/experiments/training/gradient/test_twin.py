"""The twin on its leash: its costs are the core's, and its derivatives are those of the core."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gridbazaar.agents.learned.network import EAGER, KEEN, RESERVED
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.envs.state import State
from gridbazaar.experiments.evaluation.metrics import Tally
from gridbazaar.experiments.training.gradient import market, twin
from gridbazaar.experiments.training.gradient.chooser import choices_of
from gridbazaar.experiments.training.gradient.episodes import draw
from gridbazaar.experiments.training.gradient.homes import Homes
from gridbazaar.experiments.training.gradient.screen import Screen
from gridbazaar.experiments.training.gradient.twin import Chosen, Twin, uncovered

Floats = NDArray[np.float64]

PER_EPISODE_CUR, MEAN_CUR = 0.02, 0.002
"""By which the twin's cost of an episode, and of the mean of episodes, may be off."""


def some_actions(core: Core, seed: int = 0, *, keen: bool = False) -> tuple[Floats, Floats]:
    """Powers and eager (1), keen (2) or not, [n_steps, n_envs, n_agents]: what an untrained, noisy policy might do."""
    rng = np.random.default_rng(seed)
    shape = (core.n_steps, core.n_envs, core.n_agents)
    power = rng.normal(0.0, 0.4, shape) + rng.normal(0.0, 0.3, (1, *shape[1:]))
    eager: Floats = (rng.random(shape) < 0.5).astype(float)
    if keen:
        eager = eager * (1 + (rng.random(shape) < 0.6))
    return np.clip(power, -1.0, 1.0), eager


def chosen_of(power: torch.Tensor, eager: torch.Tensor, more: torch.Tensor) -> Chosen:
    return Chosen(power, (eager > 0).double(), more, (eager > 1).double())


def at_home(core: Core, seed: int = 0) -> Floats:
    """What homes choose beside, [n_steps, n_envs, n_homes, n]; n is 0 where that is nothing."""
    homes = core.scenario.kind_slices.get("prosumer", slice(0, 0))
    shape = (core.n_steps, core.n_envs, homes.stop - homes.start, len(choices_of(core.scenario)))
    return np.clip(np.random.default_rng([seed, 1]).normal(0.0, 0.5, shape), -1.0, 1.0)


def action_of(core: Core, power: Floats, eager: Floats, more: Floats) -> Floats:
    action = np.zeros((core.n_envs, core.n_agents, core.n_actions))
    action[..., 0], action[..., 1] = power, np.select([eager > 1, eager > 0], [KEEN, EAGER], RESERVED)
    action[:, core.scenario.kind_slices.get("prosumer", slice(0, 0)), 2 : 2 + more.shape[-1]] = more
    return action


def live_at(state: State) -> Floats:
    """[n_envs, 1] 0 where the grid above is away, for all rest then."""
    outages = state.episode.outages
    if outages is None:
        return np.ones((len(state.t), 1))
    is_live: Floats = 1.0 - ((state.t >= outages.begin) & (state.t < outages.end))[:, None]
    return is_live


def cost_of_core(
    core: Core, power: Floats, eager: Floats, split: str = "validation", more: Floats | None = None
) -> tuple[Floats, Floats]:
    """What the score counts of each episode, and the kWh that wires withheld."""
    state, more = core.reset(0, split=split), at_home(core) if more is None else more
    tally, withheld = Tally(core, state), np.zeros(core.n_envs)
    for power_now, *others in zip(power, eager, more, strict=True):
        state, happened = core.step(state, action_of(core, power_now * live_at(state), *others))
        tally.add(happened)
        withheld += np.abs(happened.delivery.curtailed_ukwh).sum(1) / 1e6
    return tally.scored_cur, withheld


def cost_of_twin(
    core: Core, power: torch.Tensor, eager: Floats, split: str = "validation", more: torch.Tensor | None = None
) -> torch.Tensor:
    episodes, of_eager = draw(core, np.arange(core.n_envs), split), torch.from_numpy(eager)
    of_homes = torch.from_numpy(at_home(core)) if more is None else more
    return Twin(core).play(episodes, lambda i, ahead, view: chosen_of(power[i], of_eager[i], of_homes[i]))


def off_by(core: Core, seed: int = 0, *, keen: bool = False) -> tuple[Floats, Floats]:
    """The twin's cost less the core's, and what wires withheld, [n_envs]."""
    power, eager = some_actions(core, seed, keen=keen)
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


CASES["tight caps and dear feed-in"] = CASES["tight caps"] | CASES["dear feed-in"]
CASES["no cars"] = HOURLY | {"ev.count": 0}
THIN = {"feeder": "weak_feeder", "connection": {"import_over_load": [2.0, 3.0]}}
CASES |= {
    "PV that is withheld": HOURLY | {"prosumer.curtailable": True, "tariff_options": {"export_cur_per_kwh": -0.1}},
    "winter": HOURLY,
    "winter of thin wires": HOURLY | THIN,
    "winter of two days whose wires bind": HOURLY | {"hours": 48.0},
    "winter of small pumps": HOURLY | {"prosumer.heating.pump_kw": (0.5, 1.0), "prosumer.water.heater_kw": 0.5},
    "workplace": {},
    "workplace that shares in proportion": {"ev.sharing": "proportional", "ev.discharge_kw": 7.4},
    "winter of tanks alone": HOURLY | {"prosumer.heating.share": (0.0, 0.0), "prosumer.appliance.share": (0.0, 0.0)},
}
NO_LINE_FAILS = {"outage.lines_per_year": 0.0}
CASES |= {
    "blackout": HOURLY | NO_LINE_FAILS,
    "blackout that sheds for long": HOURLY | NO_LINE_FAILS | {
        "outage.mean_h": 20.0, "storage.share_of_load": (0.05, 0.1)
    },
    "blackout that no battery can bridge": HOURLY | NO_LINE_FAILS | {"battery.grid_forming": False},
}  # fmt: skip


def scenario_of(case: str) -> Scenario:
    first = case.split()[0]
    named = first if first in ("street", "winter", "workplace", "blackout") else "village"
    return load_scenario(named, **CASES[case])


@pytest.mark.parametrize("case", CASES)
def test_an_episode_costs_what_it_costs_in_the_core(case: str) -> None:
    """Rounding to micro-units is all that is left: a thousandth of a cent an interval and agent at most."""
    core = Core(scenario_of(case), 4)
    off_cur, withheld = off_by(core)
    assert np.abs(off_cur).max() < PER_EPISODE_CUR / 10
    assert (withheld.max() > 0.1) == ("wires" in case)


@pytest.mark.parametrize("case", ["village", "thin wires", "tight caps", "dear feed-in", "tight caps and dear feed-in"])
def test_with_keen_orders_it_costs_what_it_costs_in_the_core(case: str) -> None:
    off_cur, withheld = off_by(Core(scenario_of(case), 4), keen=True)
    assert np.abs(off_cur).max() < PER_EPISODE_CUR / 10
    assert (withheld.max() > 0.1) == ("wires" in case)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["street", "village", "winter"])
def test_many_episodes_cost_what_they_cost_in_the_core(name: str) -> None:
    off_cur, _ = off_by(Core(name, 200))
    assert np.abs(off_cur).max() < PER_EPISODE_CUR
    assert abs(off_cur.mean()) < MEAN_CUR


@pytest.mark.slow
def test_a_district_costs_what_it_costs_in_the_core() -> None:
    off_cur, _ = off_by(Core("district", 2))
    assert np.abs(off_cur).max() < PER_EPISODE_CUR


def slopes(core: Core, n_directions: int, step: float, only: str | None = None) -> tuple[Floats, Floats]:
    """Directional derivatives of the mean cost, eagerness fixed: the twin's, and central differences of the core.

    Args:
        core: of the episodes.
        n_directions: random ones.
        step: of the differences.
        only: which of the choices of homes is moved; none: all of them, and power.
    """
    power, eager = some_actions(core)
    power, more = np.clip(power, -0.9, 0.9), np.clip(np.abs(at_home(core)), 0.1, 0.9)
    at = torch.from_numpy(power).requires_grad_(), torch.from_numpy(more).requires_grad_()
    cost = cost_of_twin(core, at[0], eager, more=at[1]).mean()
    gradients = torch.autograd.grad(cost, at, allow_unused=True)
    rng, found = np.random.default_rng(1), []
    for _ in range(n_directions):
        # One number an agent and interval, the same in all episodes, so that their mean moves.
        moved = (
            np.array(float(only is None)),
            np.array([only in (None, name) for name in choices_of(core.scenario)], float),
        )
        toward = [
            np.broadcast_to(rng.normal(size=(len(x), 1, *x.shape[2:])) * m, x.shape)
            for x, m in zip((power, more), moved, strict=True)
        ]
        above, below = (
            cost_of_core(core, power + s * toward[0], eager, more=more + s * toward[1])[0].mean() for s in (step, -step)
        )
        slope = sum((g.numpy() * d).sum() for g, d in zip(gradients, toward, strict=True) if g is not None)
        found.append((float(slope), (above - below) / (2 * step)))
    twins, cores = np.array(found).T
    return twins, cores


def test_its_derivatives_are_those_of_the_core() -> None:
    twins, cores = slopes(Core(load_scenario("street", step_min=60, ev={"min_kw": 0.0}), 32), 12, 0.01)
    assert np.corrcoef(twins, cores)[0, 1] > 0.98
    assert np.abs(twins).max() > 0.1


SMOOTH = HOURLY | {"ev.min_kw": 0.0, "prosumer.appliance.share": (0.0, 0.0), "constraint": "none"}
"""Without hard choices, and without wires, since what they withhold counts as given on the way back."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("only", "settings", "correlation"),
    [(None, SMOOTH, 0.98), ("heat", SMOOTH, 0.98), ("water", SMOOTH, 0.98), ("curtail", SMOOTH, 0.98),
     (None, HOURLY, 0.8)],
)  # fmt: skip
def test_its_derivatives_are_those_of_the_core_in_winter(
    only: str | None, settings: dict[str, Any], correlation: float
) -> None:
    """Of all choices together, and of those of homes one by one."""
    twins, cores = slopes(Core(load_scenario("winter", **settings), 64), 25, 0.01, only)
    assert np.corrcoef(twins, cores)[0, 1] > correlation
    assert np.abs(twins).max() > 0.1


@pytest.mark.slow
def test_starts_that_are_drawn_have_the_derivatives_of_what_they_cost_on_average() -> None:
    """An appliance starts with a chance; the soft start on the way back gives the derivative by that chance."""
    alone = {"prosumer.heating.share": (0.0, 0.0), "prosumer.water.share": (0.0, 0.0), "ev.count": 0, "vpp.count": 0}
    core = Core(load_scenario("winter", **HOURLY, **alone, **{"prosumer.appliance.share": (1.0, 1.0)}), 512)
    rng, at = np.random.default_rng(0), choices_of(core.scenario).index("appliance")
    power, eager, more = *(0.0 * x for x in some_actions(core)), 0.0 * at_home(core)
    chance, unit = 0.3, rng.random(more.shape[:-1])

    def drawn(moved: Floats) -> Floats:
        """Above a half where the number that was drawn is below the chance."""
        found = more.copy()
        found[..., at] = 0.5 + chance + moved - unit
        return found

    soft = torch.from_numpy(drawn(0.0 * unit)).requires_grad_()
    (gradient,) = torch.autograd.grad(cost_of_twin(core, torch.from_numpy(power), eager, more=soft).mean(), soft)
    twins, cores = [], []
    for t in range(0, core.n_steps, 3):
        toward = np.zeros_like(unit)
        toward[t : t + 3] = 0.2
        above, below = (cost_of_core(core, power, eager, more=drawn(s * toward))[0].mean() for s in (1, -1))
        twins.append(float((gradient.numpy()[..., at] * toward).sum()))
        cores.append((above - below) / 2)
    assert np.corrcoef(twins, cores)[0, 1] > 0.98


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


@pytest.mark.parametrize("part", ["warmth", "discomfort", "spare", "starts", "sun"])
def test_a_sign_that_is_flipped_at_home_is_noticed(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run, spare, ask = Homes.run, Homes.spare_kwh, Homes.ask

    def wrong_run(self: Homes, standing: Any, asked: Any, warmth_kw: Any, now: Any) -> Any:
        standing, cost = run(self, standing, asked, -warmth_kw if part == "warmth" else warmth_kw, now)
        return standing, -cost if part == "discomfort" else cost

    def wrong_ask(self: Homes, look: Any, choice: Any) -> Any:
        asked = ask(self, look, choice)
        if part == "starts":
            return asked._replace(start_kw=-asked.start_kw)
        return asked._replace(used=2 - asked.used) if part == "sun" else asked

    monkeypatch.setattr(Homes, "run", wrong_run)
    monkeypatch.setattr(Homes, "ask", wrong_ask)
    if part == "spare":
        monkeypatch.setattr(Homes, "spare_kwh", lambda self, standing, now: -spare(self, standing, now))
    cold = {"prosumer.heating.pump_kw": (0.5, 1.0), "prosumer.appliance.share": (1.0, 1.0)}
    off_cur, _ = off_by(Core(load_scenario("winter", **HOURLY, **cold), 2))
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


COVERED = {"street", "village", "district", "winter", "workplace"}


def test_what_it_does_not_cover_is_refused_by_name() -> None:
    for name in list_scenarios():
        assert (not uncovered(load_scenario(name))) == (name in COVERED), name
    with pytest.raises(ValueError, match="does not cover mechanism nodal, constraint nodal; train with --algo ppo"):
        Twin(Core("weak_feeder"))
    assert uncovered(load_scenario("winter", **{"prosumer.follow_meter": True})) == ["prosumer: follow_meter"]
    assert uncovered(load_scenario("blackout")) == ["failures of lines (outage.lines_per_year)"]
    assert not uncovered(load_scenario("blackout", **NO_LINE_FAILS))
    assert uncovered(load_scenario("blackout", **NO_LINE_FAILS, **{"vpp.reserve_frac": 0.2})) == [
        "reserves that batteries keep for an island (reserve_frac)"
    ]
    assert "outages where homes choose more than power" in uncovered(load_scenario("winter", **{"outage.chance": 1.0}))
    village = load_scenario("village")
    lossy = {**village.agents, "battery": replace(village.agents["battery"], loss_per_h=0.01)}
    assert uncovered(replace(village, agents=lossy)) == ["batteries that lose or taper by kind"]
