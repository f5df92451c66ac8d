"""Imitation by the gradient's network: what it is shown, and how it is fitted to what a teacher did.

A plan often spreads what a community stores over its batteries by chance, for a program has many optima that differ in
that alone. So squares are made small, that is, the mean is learned; and beside what each agent does, what all batteries
do together, and all cars. All is in kW, by which what cannot move does not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gridbazaar.agents.bid import ANY_TARIFF
from gridbazaar.agents.learned import homes
from gridbazaar.agents.learned.network import EAGER, N_OUT, respond_at_home
from gridbazaar.agents.learned.policy import HOMES, Policy
from gridbazaar.agents.policy import Community, Observation
from gridbazaar.data.arrays import Array
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.training.fitting import Pace, Rows, fit, rows_of
from gridbazaar.experiments.training.imitation import Lesson

_PACE = Pace(batch=128, rate=4e-3)
_TOGETHER = 1.0  # weight of what many do together
_EAGER = 0.3
_AT_HOME = 0.3


class _Watched(Policy):
    """Keeps what its network was shown last."""

    seen: Mapping[str, Array]

    def respond(
        self, public: Array, own: Array, is_car: NDArray[np.bool_], place: slice, starts: Array | None
    ) -> tuple[Array, Array | None, Array | None]:
        self.seen = {"public": public, "own": own} | ({} if starts is None else {"starts": starts})
        return super().respond(public, own, is_car, place, starts)


class GradientLearner:
    """Weights that are fitted in place.

    Args:
        scenario: where.
        weights: of the network, leaves that need a gradient.
        choices: of homes beside power and eagerness.
        seed: of the order in which it goes over what it is shown.
    """

    needs_forecasts = True

    def __init__(self, scenario: Scenario, weights: Mapping[str, Tensor], choices: Sequence[str], seed: int) -> None:
        self.weights, self.kinds, self.choices = weights, tuple(scenario.agents), tuple(choices)
        self.place = scenario.kind_slices[HOMES] if choices else slice(0, 0)
        self.is_car = torch.zeros((len(scenario.agent_names), 1), dtype=torch.bool)
        self.is_car[scenario.kind_slices.get("ev", slice(0, 0))] = True
        names = [c.name for c in scenario.kind(HOMES).actions(scenario.agents[HOMES])] if choices else []
        self.at = {name: names.index(name) for name in choices}
        self.order = torch.Generator().manual_seed(seed)

    def start(self, community: Community) -> Any:
        return self._policy().start(community, np.random.default_rng(0))

    def act(self, observation: Observation, memory: Any) -> tuple[Mapping[str, Array], Array, Any]:
        policy = self._policy()
        action, memory = policy.act(observation, memory)
        return policy.seen, action, memory

    def _policy(self) -> _Watched:
        held = {name: x.detach().numpy() for name, x in self.weights.items()}
        return _Watched(held, self.kinds, choices=self.choices)

    def fit(self, lesson: Lesson, passes: int) -> None:
        """Go over the intervals of communities."""
        held = {name: getattr(lesson, name) for name in ("action", "draw_kw", "give_kw", "is_stationary")}
        rows = rows_of({**lesson.seen, **held})
        scale_kw = float((rows["draw_kw"] + rows["give_kw"]).mean()) or 1.0
        fit(self.weights.values(), rows, partial(self._miss, scale_kw=scale_kw), passes, self.order, _PACE)

    def _miss(self, rows: Rows, scale_kw: float) -> Tensor:
        """By how much it does other things than the teacher."""
        answer, more, lean = respond_at_home(
            self.weights, rows["public"], rows["own"], self.is_car, self.place, rows.get("starts")
        )
        asked, draw_kw, give_kw = rows["action"], rows["draw_kw"], rows["give_kw"]
        wants_kw = _kw(asked[..., 0], draw_kw, give_kw)
        off = (_kw(torch.tanh(answer[..., 0]), draw_kw, give_kw) - wants_kw) / scale_kw
        miss = (off**2).mean()
        for who in (rows["is_stationary"], 1 - rows["is_stationary"]):
            miss = miss + _TOGETHER * ((off * who).sum(1) ** 2).mean() / off.shape[1]
        is_eager = (asked[..., 1] >= ANY_TARIFF).to(answer.dtype)
        of_eager = _doubt(answer[..., 1], is_eager)
        if answer.shape[-1] > N_OUT:  # it knows keen orders
            of_eager = of_eager + is_eager * _doubt(answer[..., N_OUT], (asked[..., 1] < EAGER).to(answer.dtype))
        miss = miss + _EAGER * (of_eager * wants_kw.abs()).mean() / scale_kw
        return miss + _AT_HOME * self._miss_at_home(rows, more, lean) if self.choices else miss

    def _miss_at_home(self, rows: Rows, more: Tensor | None, lean: Tensor | None) -> Tensor:
        asked, found = rows["action"][:, self.place], homes.choose(self.choices, more, lean)
        miss = torch.zeros(())
        for name in self.choices:
            wanted = asked[..., self.at[name]]
            if name == homes.START:
                assert lean is not None
                off = _doubt(lean, (wanted > 0).to(lean.dtype)).mean()
            else:
                least = -1.0 if name == "curtail" else 0.0
                off = ((found[name] - wanted.clamp(min=least)) ** 2).mean()
            miss = miss + off
        return miss


def _doubt(lean: Tensor, wanted: Tensor) -> Tensor:
    """By how much it doubts a choice between two."""
    return torch.nn.functional.binary_cross_entropy_with_logits(lean, wanted, reduction="none")


def _kw(power: Tensor, draw_kw: Tensor, give_kw: Tensor) -> Tensor:
    return power.clamp(min=0) * draw_kw + power.clamp(max=0) * give_kw
