"""The record of a run while it learns: curve, best on validation, checkpoints; whatever it learns by."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gridbazaar.agents.policies.trained import BEST, MODEL
from gridbazaar.agents.policy import Policy
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.training import checkpoint as checkpoints
from gridbazaar.experiments.training.checkpoint import Arrays, Checkpoint
from gridbazaar.experiments.training.validation import Validation

Report = Callable[[int, int, dict[str, float]], None]
"""Of agent-steps done, agent-steps in all and the latest figures."""


class Record:
    """What is kept of a run.

    Args:
        scenario: in which it learns.
        folder: of the run.
        n_seeds: validation episodes; 0: no validation.
        last: checkpoint that it goes on from.
        begun_s: when it began or was gone on with, by ``time.monotonic``; none: now.
    """

    def __init__(
        self, scenario: Scenario, folder: Path, n_seeds: int, last: Checkpoint | None, begun_s: float | None = None
    ) -> None:
        self._scenario, self._folder, self._n_seeds = scenario, folder, n_seeds
        self._validation: Validation | None = None
        self.curve: list[dict[str, float]] = [] if last is None else list(last.curve)
        self.best: Arrays = {} if last is None else last.best
        self.best_steps = int(max(self.curve, key=lambda point: point["score"])["steps"]) if self.curve else 0
        self.saved_steps = -1 if last is None else last.steps
        self._shown_steps = -1  # of the best model that lies beside the checkpoint
        now_s = time.monotonic() if begun_s is None else begun_s
        self.begun_s = now_s - (0.0 if last is None else last.seconds)

    @property
    def latest(self) -> dict[str, float]:
        """The last point of the curve, empty before the first."""
        return self.curve[-1] if self.curve else {}

    def validate(self, steps: int, weights: Callable[[], Arrays], play: Callable[[Arrays], Policy]) -> float | None:
        """Score on validation episodes, as ``evaluate`` counts, and keep the best; none: not asked for, or done.

        Args:
            steps: agent-steps done.
            weights: gives those that play.
            play: makes a policy of them.
        """
        if not self._n_seeds or (self.curve and self.curve[-1]["steps"] == steps):
            return None
        if self._validation is None:
            self._validation = Validation(self._scenario, self._n_seeds)
        held = weights()
        score = self._validation.score(play(held))
        if not self.best or score > max(point["score"] for point in self.curve):
            self.best, self.best_steps = held, steps
        self.curve.append({"steps": steps, "seconds": time.monotonic() - self.begun_s, "score": score})
        return score

    def save(self, steps: int, state: Callable[[], Mapping[str, Any]]) -> None:
        """Write a checkpoint, unless there is one of as many steps; ``state`` gives its fields that are not kept here.

        It is written only between two episodes, the only place from which a run can go on exactly.
        """
        if self.saved_steps == steps:
            return
        seconds = time.monotonic() - self.begun_s
        now = Checkpoint(steps=steps, seconds=seconds, curve=self.curve, best=self.best, **state())
        checkpoints.write_checkpoint(self._folder, now)
        self.saved_steps = steps
        self.show_best()

    def show_best(self) -> None:
        """Write the best model so that it can be played by its name."""
        if self.best and self._shown_steps != self.best_steps:
            checkpoints.write_weights(self._folder, BEST, self.best, self.best_steps)
            self._shown_steps = self.best_steps

    def finish(self, steps: int, weights: Arrays) -> None:
        """Write what the run ended with; that it stands there says that the run is complete."""
        self.show_best()
        checkpoints.write_weights(self._folder, MODEL, weights, steps)
