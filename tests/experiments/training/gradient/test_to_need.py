"""Cars that ask for what they need, in the twin: its derivatives are those of the core."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gridbazaar.agents.learned import cars
from gridbazaar.data.trees import mapped
from gridbazaar.envs.core import Core
from gridbazaar.experiments.evaluation.metrics import Tally
from gridbazaar.experiments.training.gradient import chooser
from gridbazaar.experiments.training.gradient.episodes import draw
from gridbazaar.experiments.training.gradient.twin import Chosen, Twin
from tests.experiments.training.gradient.test_twin import PER_EPISODE_CUR, Floats


@pytest.mark.slow
def test_cars_that_ask_for_what_they_need_have_the_derivatives_of_the_core() -> None:
    """Of what 40 chargers ask of a limit that binds, at their least power or nothing; noise of the power smooths it."""
    core, step_h, rng = Core("workplace", 16), 0.25, np.random.default_rng(0)
    is_car, shape = np.ones(core.n_agents, bool), (core.n_steps, core.n_envs, core.n_agents)
    noisy = np.clip(0.4 + 0.3 * rng.standard_normal(shape), -0.95, 0.95)
    at = torch.from_numpy(noisy).requires_grad_()

    def choose(i: int, ahead: Any, view: Any) -> Chosen:
        one = torch.ones(shape[1:], dtype=torch.float64)
        return Chosen(chooser._to_need(at[i], torch.from_numpy(is_car), ahead, view, step_h), one)

    cost = Twin(core).play(draw(core, np.arange(core.n_envs), "validation"), choose).mean()
    (gradient,) = torch.autograd.grad(cost, at)

    def cost_at(power: Floats) -> float:
        state, drawn = core.reset(0, split="validation"), draw(core, np.arange(core.n_envs), "validation")
        tally = Tally(core, state)
        for i in range(core.n_steps):
            ahead = mapped(drawn.ahead[i], lambda x: x.numpy())
            asked_kw = cars.ask(power[i], state.view, step_h).kw
            served = cars.served(asked_kw, is_car, ahead, state.view)
            state, happened = core.step(state, np.stack([served, 1.0 + 0.0 * served], axis=-1))
            tally.add(happened)
        return float(tally.scored_cur.mean())

    assert float(cost.detach()) == pytest.approx(cost_at(noisy), abs=PER_EPISODE_CUR)
    found = []
    for _ in range(8):
        toward = np.repeat(rng.normal(size=(core.n_steps // 4, 1, core.n_agents)), 4, axis=0)
        above, below = (cost_at(noisy + s * toward) for s in (0.05, -0.05))
        found.append((float((gradient.numpy() * toward).sum()), (above - below) / 0.1))
    assert np.corrcoef(np.array(found).T)[0, 1] > 0.8
