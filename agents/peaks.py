"""Charges on power as those see them who plan: what of a month lies ahead, and what its peak has come to so far."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.arrays import Array

_BELOW = 1 - 1e-4
"""Of a limit, which itself is of the next step."""


@dataclass(frozen=True, slots=True)
class MonthPeak:
    """One charge on power over the steps of one month that lie ahead; [n_envs, n_agents] unless said.

    Prices are with value added tax. ``cur_per_kw`` is what one more kW of the month costs over the whole episode, also
    as a part of means of months to come.
    """

    charge: int  # number of the charge
    counts: NDArray[np.bool_]  # [n_envs, n_steps] in which power counts; none of another month
    interval: NDArray[np.int64]  # [n_envs, n_steps] the same within the time over which power is a mean
    unit: NDArray[np.int64]  # [n_envs, n_steps] the same within a day, or whatever has one peak
    interval_h: float
    n: int  # highest units whose mean is billed
    top_kw: Array  # [n_envs, n_agents, n] highest of units that are over, rising; of one the highest so far
    unit_kw: Array  # highest of the unit that runs
    part_kwh: Array  # drawn in the interval that runs, which is that of the first step
    least_kw: Array  # billed at least: floor, ratchet of months before
    cur_per_kw: float
    limits_kw: tuple[float, ...]  # of steps or tiers; none: a price per kW
    prices: tuple[float, ...]  # of steps a month, or of tiers per kW; one more than limits
    has_steps: bool
    beyond_kw: Array | None = None  # [n_envs, n_agents, n_steps] that planners keep below the peak; none: nothing
    ratchet_frac: float = 0.0  # of the highest of months before that lie ahead too
    lookback_months: int = 0

    @property
    def mean_kw(self) -> Array:
        """The power that is billed so far."""
        highest = np.concatenate([self.top_kw, self.unit_kw[..., None]], axis=2)
        mean = np.sort(highest, axis=2)[..., 1:].sum(2) / self.n if self.n > 1 else highest.max(axis=2)
        return np.maximum(mean, self.least_kw)

    @property
    def free_kw(self) -> Array:
        """Mean power of an interval that costs nothing more: below what is paid already, or below the next step."""
        paid = self.least_kw
        if self.has_steps:
            limits = np.array([*self.limits_kw, np.inf])
            nearest = limits[np.searchsorted(limits, self.mean_kw, "right")]
            paid = np.where(np.isfinite(nearest), nearest * _BELOW, self.mean_kw)
        others_kw = self.top_kw[..., 1:].sum(2)
        room_kw = np.minimum(paid, self.n * paid - others_kw)
        return np.maximum(np.maximum(self.top_kw[..., 0], self.unit_kw), room_kw)

    def row(self, e: int, n_steps: int) -> MonthPeak:
        """Give the same of one environment and the first steps."""
        parts = {name: getattr(self, name)[e : e + 1] for name in ("top_kw", "unit_kw", "part_kwh", "least_kw")}
        steps = {name: getattr(self, name)[e : e + 1, :n_steps] for name in ("counts", "interval", "unit")}
        return replace(self, **parts, **steps)

    def of(self, agents: NDArray[np.int64]) -> MonthPeak:
        """Give the same of some agents."""
        names = ("top_kw", "unit_kw", "part_kwh", "least_kw")
        beyond_kw = None if self.beyond_kw is None else self.beyond_kw[:, agents]
        return replace(self, **{name: getattr(self, name)[:, agents] for name in names}, beyond_kw=beyond_kw)

    def cautious(self, net_kw: Array, share: float) -> MonthPeak:
        """Give the same for planners who take expected draws [n_envs, n_agents, n_steps] for certain, with a margin.

        Of a mean of several they count on the other ones to be as high as the one ahead.
        """
        free_kw = self.free_kw
        beyond_kw = margin_kw(net_kw, free_kw[..., None], share)
        if self.n == 1:
            return replace(self, beyond_kw=beyond_kw)
        return replace(self, n=1, top_kw=free_kw[..., None], unit_kw=0.0 * free_kw, beyond_kw=beyond_kw)


def margin_kw(net_kw: Array, free_kw: Array, share: float) -> Array:
    """Distance that a meter keeps from a peak while it charges, since loads err by as much as they are.

    Args:
        net_kw: expected draw, < 0 surplus.
        free_kw: power that costs nothing more; a load that comes near it by itself is kept no distance from.
        share: of the draw or surplus.
    """
    found: Array = np.clip(free_kw - np.maximum(net_kw, 0.0), 0.0, share * np.abs(net_kw))
    return found
