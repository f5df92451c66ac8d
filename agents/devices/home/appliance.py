"""A deferrable appliance: once loaded it may start at any time, must be done by its deadline and runs to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.devices.home.part import Part
from gridbazaar.agents.kind import Column, Draw, Now
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import NotNegative, NotNegatives, Positive, Range, Shares, Within

ACTION = Column("appliance", "1", -1.0, 1.0, "above 0.5 the waiting appliance starts; else at the latest")
COLUMNS = (
    Column("appliance_waits", "1", 0.0, 1.0, "the appliance is loaded and has not started"),
    Column("appliance_slack", "24 h", 0.0, 1.0, "time until the waiting appliance starts by itself"),
)

_PROFILE = ((1 / 3, 0.6), (1 / 3, 0.15), (1 / 3, 0.25))  # shares of the cycle's time and energy: heat, wash, spin
_NEVER = 1_000_000  # later than any episode


@dataclass(frozen=True, slots=True)
class Appliance:
    """Table ``[prosumer.appliance]``: washing machines or dishwashers that may wait."""

    share: Shares = (0.0, 0.0)  # of homes that have one to run every day
    kwh: NotNegative = 1.0  # of a cycle
    hours: Positive = 2.0  # of a cycle
    ready_h: Annotated[Range, Within(0.0, 36.0)] = (14.0, 20.0)  # local time when it is loaded, from 24 on the next day
    window_h: NotNegatives = (6.0, 14.0)  # from then until it must be done

    def check(self, where: str) -> None:
        """Refuse windows in which no cycle fits; ``where`` names the table."""
        if self.window_h[0] < self.hours:
            raise ValueError(f"{where}.window_h: expected at least hours, {self.hours} (a cycle); got {self.window_h}")


@dataclass(frozen=True, slots=True)
class Loads:
    """What an episode draws."""

    ready: Array  # [n_envs, n_kind, n_days] int64, first step in which it may start; beyond the episode without one
    last: Array  # [n_envs, n_kind, n_days] int64, step in which it starts by itself
    cycle_kwh: Array  # [n_cycle] energy of each step of a cycle


def cycle_kwh(energy_kwh: float, hours: float, step_h: float) -> NDArray[np.float64]:
    """[n_cycle] energy of each step of a cycle; they sum to the whole, whatever the step."""
    n = int(np.ceil(hours / step_h - 1e-9))
    ends = np.minimum(np.arange(n + 1) * step_h / hours, 1.0)
    times = np.concatenate([[0.0], np.cumsum([time for time, _ in _PROFILE])])
    done = np.concatenate([[0.0], np.cumsum([share for _, share in _PROFILE])])
    energy: NDArray[np.float64] = energy_kwh * np.diff(np.interp(ends, times, done))
    return energy


def draw_loads(config: Appliance, n: int, draw: Draw) -> Loads:
    """Draw the appliances of ``n`` homes; windows that the end of the episode cuts are moved before it.

    One that may still run when it is loaded the next day is loaded when it must be done.

    Raises:
        ValueError: a cycle in whole intervals does not fit into the shortest window.
    """
    cycle = cycle_kwh(config.kwh, config.hours, draw.step_h)
    is_whole = config.ready_h[0] == config.ready_h[1] and (config.ready_h[0] / draw.step_h).is_integer()
    needed_h = (len(cycle) + (0 if is_whole else 1)) * draw.step_h  # one interval may pass until the next begins
    if config.window_h[0] < needed_h - 1e-9:
        raise ValueError(
            f"prosumer.appliance.window_h: expected at least {needed_h:g} h, so that a cycle of {config.hours:g} h "
            f"fits into whole intervals of {draw.step_h * 60:g} min; got {config.window_h}"
        )
    latest = draw.n_steps - len(cycle)
    has = draw.unit("prosumer.has_appliance", n) < draw.within("prosumer.appliance_share", 1, config.share)
    has = draw.kept("appliance", has) & (latest >= 0)
    from_start_h = (_of_days("ready_h", n, config.ready_h, draw) - draw.start_h) % 24
    from_start_h = draw.elapsed_h(from_start_h + 24.0 * np.arange(draw.n_days))
    done = np.floor((from_start_h + _of_days("window_h", n, config.window_h, draw)) / draw.step_h + 1e-9)
    last = np.minimum(done.astype(np.int64) - len(cycle), latest)
    ready = np.minimum(np.ceil(from_start_h / draw.step_h - 1e-9).astype(np.int64), last)
    for day in range(1, draw.n_days):
        ready[..., day] = np.maximum(ready[..., day], last[..., day - 1] + len(cycle))
        last[..., day] = np.maximum(last[..., day], ready[..., day])
    runs = has[:, :, None] & (last <= latest)
    return Loads(np.where(runs, ready, _NEVER), np.where(runs, last, _NEVER), cycle)


def _of_days(name: str, n: int, limits: Range, draw: Draw) -> NDArray[np.float64]:
    """[n_envs, n_kind, n_days] numbers; those of the first day do not depend on how many follow."""
    stream, later = f"prosumer.appliance.{name}", draw.n_days - 1
    parts = [draw.within(stream, n, limits).reshape(-1, n, 1)]
    if later:
        parts.append(draw.within(f"{stream}.later", n * later, limits).reshape(-1, n, later))
    return np.concatenate(parts, axis=2)


def _window(loads: Loads, t: Array) -> tuple[Array, Array]:
    """[n_envs, n_kind] first and last step of the window that is open or comes next; after the last one, the last."""
    if loads.ready.shape[2] == 1:
        return loads.ready[:, :, 0], loads.last[:, :, 0]
    xp = namespace(loads.ready)
    over = xp.sum(xp.astype(loads.last + loads.cycle_kwh.shape[0] <= t[:, None, None], xp.int64), axis=2)
    day = xp.minimum(over, loads.ready.shape[2] - 1)[:, :, None]
    return tuple(xp.take_along_axis(x, day, 2)[:, :, 0] for x in (loads.ready, loads.last))


def begin(loads: Loads) -> Array:
    """Give the step of the start, [n_envs, n_kind] int64: none yet."""
    return 0 * loads.ready[:, :, 0] + _NEVER


def waits(started: Array, loads: Loads, t: Array) -> Array:
    """[n_envs, n_kind] bool, loaded and not started."""
    ready, _ = _window(loads, t)
    return (t[:, None] >= ready) & ((started > t[:, None]) | (started < ready))


def look(started: Array, loads: Loads, now: Now) -> Part:
    """See what runs or must start, and what the waiting one draws if it starts now."""
    xp, step_h = namespace(started), now.series.step_h
    k = now.t[:, None] - started
    runs = (k >= 0) & (k < loads.cycle_kwh.shape[0])
    running_kwh = xp.where(runs, loads.cycle_kwh[xp.clip(k, 0, loads.cycle_kwh.shape[0] - 1)], 0.0)
    waiting, late = waits(started, loads, now.t), now.t[:, None] >= _window(loads, now.t)[1]
    first_kwh = loads.cycle_kwh[0]
    return Part(
        (running_kwh + first_kwh * (waiting & late)) / step_h,
        first_kwh / step_h * (waiting & ~late),
        0.0 * running_kwh,
    )


def run(started: Array, starts: Array, loads: Loads, now: Now) -> Array:
    """Let a step pass; give the step of the start.

    Args:
        started: step of the start so far.
        starts: [n_envs, n_kind] bool, the home asks for it.
        loads: what the episode drew.
        now: the interval.
    """
    begins = waits(started, loads, now.t) & (starts | (now.t[:, None] >= _window(loads, now.t)[1]))
    return namespace(started).where(begins, now.t[:, None], started)


def features(started: Array, part: Part, loads: Loads, now: Now) -> list[Array]:
    """Give ``COLUMNS``, [n_envs, n_kind] each."""
    xp, waiting = namespace(started), waits(started, loads, now.t)
    slack_h = xp.minimum(_window(loads, now.t)[1] - now.t[:, None], 24 * 60) * now.series.step_h
    return [xp.astype(waiting, part.must_kw.dtype), xp.clip(slack_h / 24.0, 0.0, 1.0) * waiting]
