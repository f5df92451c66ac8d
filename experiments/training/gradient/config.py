"""What a run by gradient is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from gridbazaar.data.bounds import CountFromOne, NotNegative, OneOf, Positive, Share, Within
from gridbazaar.data.tables import check_table
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.training.imitation import NONE, StartConfig, check_start

PARTICIPATION = "participation"
"""Objective: the community's cost under the condition that no kind is worse off than idle."""
OWN = "own"
"""Objective: each agent lowers its own cost while the others stand."""


@dataclass(frozen=True, slots=True)
class GradientConfig(StartConfig):
    """What a run is; written beside its numbers."""

    scenario: str = "village"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    algo: Annotated[str, OneOf("gradient")] = "gradient"
    updates: Annotated[int, Within(1, 10**7)] = 450
    seed: Annotated[int, Within(0, 2**32 - 1)] = 0
    n_envs: Annotated[int, Within(1, 100_000)] = 32
    learning_rate: Positive = 8e-3  # falls to ``last_rate`` of itself along a cosine
    last_rate: Share = 0.02
    warm_up: CountFromOne = 10  # updates
    average: Annotated[float, Within(0.0, 1.0, is_open_above=True)] = 0.97  # of weights, what an update leaves
    most_norm: Positive = 1.0  # of the gradient
    power_noise: NotNegative = 0.1  # added to the power's tanh; falls to 0
    eager_noise: NotNegative = 0.5  # scale of the logistic noise on the choice to be eager; falls to 0
    validate_updates: CountFromOne = 50
    checkpoint_updates: CountFromOne = 25
    validate_seeds: Annotated[int, Within(0, 100_000)] = 16
    threads: Annotated[int, Within(1, 1024)] = 1
    to_need: bool = False  # cars that give nothing back ask for no more than they need, at the least power or more
    objective: Annotated[str, OneOf("community", PARTICIPATION, OWN)] = "community"
    margin_cur: NotNegative = 0.1  # of participation: by which a kind's mean cost of an episode is to be below idle's
    begin_with: str = ""  # folder of a run by gradient whose weights it begins with; none: it draws them
    keen: bool = False  # devices may also order up to what the connection lets through, and no further
    multiplier_rate: Positive = 0.05  # of participation: an update's rise for each unit of currency that a kind lacks

    def __post_init__(self) -> None:
        check_table(self, "")
        check_start(self)
        if self.start != NONE and self.begin_with:
            raise ValueError(f"begin_with: the run begins by imitation of {self.start}; leave one of them out")
        if self.objective != PARTICIPATION:
            for name in ("margin_cur", "multiplier_rate"):
                if getattr(self, name) != GradientConfig.__dataclass_fields__[name].default:
                    raise ValueError(f"{name}: it is of objective = {PARTICIPATION!r}; leave it out, or ask for that")


def refuse_unfit(config: GradientConfig, scenario: Scenario) -> None:
    """Refuse what a training asks that has no meaning in its scenario.

    Raises:
        ValueError: says what.
    """
    if config.to_need:
        cars = scenario.agents["ev"]
        if not cars.count or cars.discharge_kw:
            raise ValueError(
                f"to_need: expected cars that give nothing back (ev.discharge_kw = 0), got ev.count = {cars.count} and "
                f"ev.discharge_kw = {cars.discharge_kw}; leave it out"
            )
    if config.objective != "community" and scenario.outage.happens:
        raise ValueError(f"objective: {config.objective} does not know who bears an outage; leave one of the two out")
    if config.start != NONE and (config.to_need or scenario.outage.happens):
        raise ValueError("start: what cars are to ask with to_need, and islands, cannot be imitated; leave one out")
