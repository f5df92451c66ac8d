"""Failures and maintenance of devices, for any kind that has some.

A device works, is broken until it is repaired, or is off for maintenance. It fails with the hazard
lambda = exp(beta (1 - health)) / MTBF and is repaired with 1 / MTTR: over a step of dt hours with probability
1 - exp(-lambda dt) and 1 - exp(-dt / MTTR), compared with numbers that the episode drew at its beginning. Use and age
take from its health; maintenance gives it back, at a cost and some hours without the device.

A kind takes part with a field ``failure: Failure`` in its ``Config``, ``luck`` in its parameters (``draw_luck``),
``condition`` in its device state (``new_condition``), limits that are zero where ``works`` says no, and ``pass_step``
in ``move``. Arrays are [n_envs, n_kind(, n_devices)].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridbazaar.agents.kind import Column, Columns, Draw, Features, Now
from gridbazaar.agents.plan import Plan, View
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import NotNegative, Positive, Share, Shares

MAINTAIN = Column(
    "maintain", "1", -1.0, 1.0,
    "above 0.5 the working device in the worst health is maintained from the next interval on; 0 leaves it alone",
)  # fmt: skip
WORKS = Column("works", "1", 0.0, 1.0, "share of the agent's devices that are neither broken nor in maintenance")
HEALTH = Column("health", "1", 0.0, 1.0, "condition of the working device in the worst health; 1 where none works")


@dataclass(frozen=True, slots=True)
class Failure:
    """Table ``[KIND.failure]``: how often the kind's devices fail, and what upkeep costs; by default they never do."""

    mtbf_h: Positive | None = None  # mean time between failures in full health; none: no device fails
    mttr_h: Positive = 24.0  # mean time to repair
    beta: NotNegative = 0.0  # how much oftener a worn device fails: exp(beta (1 - health)) times
    health: Shares = (1.0, 1.0)  # condition at the beginning
    health_per_cycle: NotNegative = 0.0  # lost with a full cycle
    health_per_day: NotNegative = 0.0  # lost with age
    restored: Share = 1.0  # share of the lost health that maintenance and repair give back
    maintain_h: Positive = 2.0  # without the device
    maintain_cur: NotNegative = 0.0  # of a device, in no bill
    repair_cur: NotNegative = 0.0  # of a device, in no bill

    @property
    def happens(self) -> bool:
        return self.mtbf_h is not None

    def check(self, where: str) -> None:
        """Refuse maintenance that is dearer than repair; ``where`` names the table."""
        if self.maintain_cur > self.repair_cur:
            raise ValueError(
                f"{where}.maintain_cur: expected at most repair_cur, {self.repair_cur}; got {self.maintain_cur}"
            )


@dataclass(frozen=True, slots=True)
class Luck:
    """What an episode draws for devices that can fail."""

    health: Array  # [n_envs, n_kind(, n_devices)] at the beginning
    chance: Array  # [n_envs, n_steps, n_kind(, n_devices)] in [0, 1), against the hazard of the step


@dataclass(frozen=True, slots=True)
class Condition:
    """State of devices that can fail."""

    health: Array  # in [0, 1]
    is_broken: Array  # bool
    maintain_h: Array  # hours of maintenance that are left


def draw_luck(config: Failure, draw: Draw, kind: str, shape: tuple[int, ...]) -> Luck | None:
    """Draw for the devices of a kind, ``shape`` [n_kind(, n_devices)]; nothing where none can fail.

    The numbers of a device do not depend on how many others there are.
    """
    if not config.happens:
        return None
    n = math.prod(shape)
    chance = draw.unit(f"{kind}.failure", n * draw.n_steps).reshape(-1, *shape, draw.n_steps)
    health = draw.within(f"{kind}.failure.health", n, config.health).reshape(-1, *shape)
    return Luck(health, np.ascontiguousarray(np.moveaxis(chance, -1, 1)))


def new_condition(luck: Luck | None) -> Condition | None:
    """Begin an episode with everything at work."""
    if luck is None:
        return None
    return Condition(luck.health, luck.health < 0, 0.0 * luck.health)


def works(condition: Condition) -> Array:
    """Whether a device can be used."""
    return ~condition.is_broken & (condition.maintain_h <= 0)


def hazard_per_h(health: Array, config: Failure) -> Array:
    """Failures an hour in a condition."""
    assert config.mtbf_h is not None
    return namespace(health).exp(config.beta * (1 - health)) / config.mtbf_h


def pass_step(
    condition: Condition, luck: Luck, cycles: Array, asks: Array, has: Array, t: Array, config: Failure, step_h: float
) -> tuple[Condition, Array]:
    """Let a step pass; what happens in it shows from the next one on.

    Args:
        condition: before the step.
        luck: what the episode drew.
        cycles: full cycles that each device did in the step.
        asks: [n_envs, n_kind] bool, the agent wants maintenance.
        has: bool, there is a device.
        t: [n_envs] int64, steps since the episode began.

    Returns:
        The condition after it and the upkeep in currency, [n_envs, n_kind(, n_devices)]: a repair is paid when the
        device fails, maintenance when it begins.
    """
    xp = namespace(condition.health)
    chance = luck.chance[xp.arange(t.shape[0], t), t]
    is_up = works(condition) & has
    fails = is_up & (chance < 1 - xp.exp(-hazard_per_h(condition.health, config) * step_h))
    is_repaired = condition.is_broken & (chance < -math.expm1(-step_h / config.mttr_h))
    begins = is_up & ~fails & _chosen(condition, is_up, asks)
    left_h = xp.maximum(condition.maintain_h - step_h, 0.0)
    left_h = xp.where(left_h > 1e-9, left_h, 0.0)
    is_maintained = (condition.maintain_h > 0) & (left_h <= 0)
    worn = condition.health - config.health_per_cycle * cycles - config.health_per_day * step_h / 24
    worn = xp.maximum(worn, 0.0)
    return Condition(
        health=xp.where(is_repaired | is_maintained, worn + config.restored * (1 - worn), worn),
        is_broken=condition.is_broken & ~is_repaired | fails,
        maintain_h=xp.where(begins, config.maintain_h, left_h),
    ), config.repair_cur * fails + config.maintain_cur * begins


def least_upkeep_cur(luck: Luck, has: Array, config: Failure, step_h: float) -> Array:
    """Give what no policy can save of a device's upkeep in an episode, [n_envs, n_kind(, n_devices)], currency.

    A device that would fail unused and unattended fails at least as early in use, since use only takes health. So it
    costs a repair, or the maintenance that went before, which is the cheaper one.
    """
    condition = new_condition(luck)
    assert condition is not None
    none, t = 0.0 * condition.health, np.zeros(luck.chance.shape[0], np.int64)
    never, fails = np.zeros(condition.health.shape[:2], bool), np.zeros(condition.health.shape, bool)
    for _ in range(luck.chance.shape[1]):
        condition, _ = pass_step(condition, luck, none, never, has, t, config, step_h)
        fails, t = fails | condition.is_broken, t + 1
    return config.maintain_cur * fails


def _chosen(condition: Condition, is_up: Array, asks: Array) -> Array:
    """The device that an agent's request is for: of several the first of those in the worst health."""
    if condition.health.ndim == 2:
        return asks
    xp = namespace(condition.health)
    health = xp.where(is_up, condition.health, 2.0)
    is_worst = health <= xp.min(health, axis=2, keepdims=True)
    first = xp.cumsum(xp.astype(is_worst, xp.int64), axis=2) == 1
    return is_worst & first & asks[..., None]


def actions_of(config: Failure) -> Columns:
    """The kind's action beside those it has anyway."""
    return (MAINTAIN,) if config.happens else ()


def features_of(config: Failure) -> tuple[Features, ...]:
    """What the kind observes of its devices' condition."""
    return (_FEATURES,) if config.happens else ()


def _read(view: View, device: Any, params: Any, now: Now) -> list[Array]:
    return seen_of(device.condition)


def seen_of(condition: Condition) -> list[Array]:
    """Give the share that works and the worst health, [n_envs, n_kind] each."""
    xp = namespace(condition.health)
    is_up = works(condition)
    share, health = xp.astype(is_up, condition.health.dtype), xp.where(is_up, condition.health, 1.0)
    if health.ndim == 3:
        return [xp.sum(share, axis=2) / share.shape[2], xp.min(health, axis=2)]
    return [share, health]


_FEATURES = Features((WORKS, HEALTH), _read)


def asks_for_upkeep(plan: Plan, columns: Columns) -> Array:
    """[n_envs, n_kind] bool, whether an action asks for maintenance.

    Args:
        plan: of the kind.
        columns: of its action.
    """
    return plan.executed[..., columns.index(MAINTAIN)] > 0.5
