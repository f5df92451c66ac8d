"""Energy by the month as those see it who plan: what is above a level costs more, what is left over is worth less."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.arrays import Array

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Excess:
    """What of a month or a year is above a level, per meter: max(0, what was left before + so far + what is to come).

    In kWh, or in money where credits are kept in it. Prices of the intervals ask the rest.
    """

    chain: int  # those of one chain follow each other in time
    draw: Floats  # [n_steps] what a kWh adds that is bought from the retailer
    send: Floats  # [n_steps] what a kWh adds that the retailer buys
    local: Floats  # [n_steps] what a kWh adds that is bought from neighbours
    so_far: Array  # [n_envs, n_agents] of it before the first step
    carries: bool  # whether it begins with what the one before in its chain left
    cost_cur: float  # of one, with tax; >= 0
    no_bound: str = ""  # why no program of ours bounds it, by name; then plans leave it out

    def row(self, e: int, n_steps: int) -> Excess:
        """Give the same of one environment and the first steps."""
        steps = {name: getattr(self, name)[:n_steps] for name in ("draw", "send", "local")}
        return replace(self, so_far=self.so_far[e : e + 1], **steps)

    @property
    def is_felt(self) -> bool:
        """Whether steps move it."""
        return bool(self.draw.any() or self.send.any() or self.local.any())
