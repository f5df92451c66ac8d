"""Outages: when an episode is cut off from the grid above, and which branch fails."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.agents.kind import Draw
from gridbazaar.data.arrays import Array
from gridbazaar.data.chance import integers
from gridbazaar.data.units import YEAR_H
from gridbazaar.envs.episode.world import World
from gridbazaar.envs.state import Outages


def chance_of(per_year: float, hours: float) -> float:
    """That something which happens so often in a year happens in so many hours, if it comes by pure chance."""
    return 1.0 - float(np.exp(-per_year * hours / YEAR_H))


def draw_outages(world: World, draw: Draw, params: list[Any]) -> Outages:
    """Draw whether, when and how long the grid above is away, and the same for one branch of the feeder."""
    config, n_steps, hours = world.scenario.outage, draw.n_steps, draw.n_steps * draw.step_h
    unit = draw.unit("outage", 7)

    def window(has: Array, when: Array, how_long: Array) -> tuple[Array, Array]:
        begin = np.minimum((when * n_steps).astype(np.int64), n_steps - 1)
        length = np.maximum(np.ceil(-config.mean_h * np.log1p(-how_long) / draw.step_h), 1).astype(np.int64)
        return np.where(has, begin, n_steps), np.where(has, np.minimum(begin + length, n_steps), n_steps)

    begin, end = window(
        unit[:, 0] < (chance_of(config.per_year, hours) if config.chance is None else config.chance),
        unit[:, 1],
        unit[:, 2],
    )
    line_begin, line_end = window(unit[:, 3] < chance_of(config.lines_per_year, hours), unit[:, 4], unit[:, 5])
    feeder = world.grid.feeder
    first = 1 if feeder.has_transformer and feeder.n_buses > 1 else 0
    line = first + integers(unit[:, 6], feeder.n_buses - first)
    forming = [
        np.asarray(kind.grid_forming.has(p)).reshape(len(begin), -1).any(axis=1)
        for kind, config, p in zip(world.kinds, world.configs, params, strict=True)
        if kind.grid_forming is not None and kind.grid_forming.is_wanted(config)
    ]
    can_island = np.any(forming, axis=0) if forming else np.zeros(len(begin), bool)
    return Outages(begin=begin, end=end, line=line, line_begin=line_begin, line_end=line_end, can_island=can_island)
