"""The chooser: the network of a policy in the twin, with noise while it learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from gridbazaar.agents.learned import cars, homes
from gridbazaar.agents.learned.ahead import Ahead
from gridbazaar.agents.learned.columns import columns
from gridbazaar.agents.learned.network import N_OUT, respond_at_home
from gridbazaar.agents.learned.policy import HOMES, flags_of
from gridbazaar.agents.plan import View
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.training.gradient.homes import names_of
from gridbazaar.experiments.training.gradient.twin import Chosen


def choices_of(scenario: Scenario) -> tuple[str, ...]:
    """Name what homes choose beside power and eagerness; nothing where there are none."""
    return names_of(scenario.agents[HOMES]) if HOMES in scenario.kind_slices else ()


class Chooser:
    """The net in the twin: chooses power and eagerness, and what homes choose beside, with noise while it learns.

    Args:
        core: of the scenario.
        weights: of the net.
        noise: [2 or 3, n_steps, n_envs, n_agents] normal and logistic, times what is left of both; none: none.
        noise_at_home: [n_steps, n_envs, n_homes, n_choices] added before warmth's tanh, or to what a start depends on.
        learns: [n_envs, n_agents] bool, whose choices count on the way back, others' stand; none: everybody's.
        to_need: cars ask for no more than they need, see ``learned/cars.py``.
    """

    def __init__(
        self, core: Core, weights: Mapping[str, Tensor], noise: Tensor | None = None,
        noise_at_home: Tensor | None = None, learns: Tensor | None = None, *, to_need: bool = False,
    ) -> None:  # fmt: skip
        slices = core.scenario.kind_slices
        self.flags = torch.from_numpy(flags_of(slices, tuple(slices)))
        self.is_car = torch.zeros((core.n_agents, 1), dtype=torch.bool)
        self.is_car[slices.get("ev", slice(0, 0))] = True
        self.weights, self.noise, self.noise_at_home, self.learns = weights, noise, noise_at_home, learns
        self.to_need = to_need
        self.step_h, self.choices = core.scenario.step_h, choices_of(core.scenario)
        self.place = slices[HOMES] if self.choices else slice(0, 0)
        self.config = core.scenario.agents[HOMES] if self.choices else None
        self.observed = homes.seen_of(self.config) if self.choices else ()

    def __call__(self, i: int, ahead: Ahead, view: View) -> Chosen:
        at_home, starts = None, None
        if self.choices:
            # Rooms hold their edges so sharply that what is seen of them counts as given; else gradients may explode.
            view = replace(view, firm_kw=view.firm_kw.detach())
            seen = dict(zip(self.observed, view.more.detach().unbind(2), strict=True))
            at_home, starts = homes.columns(seen, ahead, view.firm_kw[:, self.place], self.config, self.step_h)
        public, own = columns(ahead, view, self.flags, self.step_h, at_home, self.place)
        starts = None if starts is None else starts.float()
        answer, more, lean_to_start = respond_at_home(
            self.weights, public.float(), own.float(), self.is_car, self.place, starts
        )
        answer = answer.double()
        power, lean = torch.tanh(answer[..., 0]), answer[..., 1]
        if self.noise is not None:
            power = (power + self.noise[0, i]).clamp(-1.0, 1.0)
            lean = lean + self.noise[1, i]
        eager, keen = _hard(lean), None
        if answer.shape[-1] > N_OUT:
            keen = _hard(answer[..., N_OUT] + (0.0 if self.noise is None else self.noise[N_OUT, i]))
        if self.to_need:
            is_car = self.is_car[:, 0]
            power = torch.where(is_car, _to_need(power, is_car, ahead, view, self.step_h), power)
            eager, keen = torch.where(is_car, 1.0, eager), None if keen is None else torch.where(is_car, 0.0, keen)
        chosen = Chosen(power, eager, self._at_home(i, more, lean_to_start) if self.choices else None, keen)
        return chosen if self.learns is None else self._of_learners(chosen, self.learns)

    def _of_learners(self, chosen: Chosen, learns: Tensor) -> Chosen:
        """Let the choices of all others count as given on the way back."""
        power, eager, at_home, keen = chosen
        return Chosen(
            torch.where(learns, power, power.detach()), torch.where(learns, eager, eager.detach()),
            None if at_home is None else torch.where(learns[:, self.place, None], at_home, at_home.detach()),
            None if keen is None else torch.where(learns, keen, keen.detach()),
        )  # fmt: skip

    def _at_home(self, i: int, more: Tensor | None, lean: Tensor | None) -> Tensor:
        """[n_envs, n_homes, n_choices]; starts are hard, and PV that is not withheld counts as if it could be less."""
        others = [k for k, name in enumerate(self.choices) if name != homes.START]
        if self.noise_at_home is not None:
            noise = self.noise_at_home[i]
            more = None if more is None else more + noise[..., others]
            lean = None if lean is None else lean + noise[..., self.choices.index(homes.START)]
        chosen = homes.choose(self.choices, None if more is None else more.double(), lean)
        if lean is not None:
            chosen[homes.START] = _hard(lean.double())
        if "curtail" in chosen:
            chosen["curtail"] = chosen["curtail"] + (-chosen["curtail"]).clamp(min=0).detach()
        return torch.stack([chosen[name] for name in self.choices], dim=2)


def _to_need(power: Tensor, is_car: Tensor, ahead: Ahead, view: View, step_h: float) -> Tensor:
    """What cars get; that a charger gives its least power or nothing is soft on the way back."""
    asked = cars.ask(power, view, step_h)
    kw: Tensor = asked.wish_kw + (asked.kw - asked.wish_kw).detach()
    served: Tensor = cars.served(kw, is_car, ahead, view)
    return served


def _hard(lean: Tensor) -> Tensor:
    """Give 1 where it is above 0, else 0; soft on the way back."""
    soft = torch.sigmoid(lean)
    return soft + ((lean > 0).to(soft.dtype) - soft).detach()
