"""The feeder as a market sees it: linear in the draws at the buses, exact at one operating point.

Around an AC solution the DistFlow equations (Baran and Wu 1989, eq. 1) are differentiated with respect to the draws:
lossless flows and voltages, and the currents that they change, followed through the feeder once (flows, voltages) or
twice (losses). What is left out is of the order of the losses squared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.feeder import Feeder
from gridbazaar.data.trees import each
from gridbazaar.market.grid.balanced import Grid
from gridbazaar.market.grid.distflow import FLOOR_PU


@dataclass(frozen=True, slots=True)
class Linearised:
    """A feeder around an operating point, for each row of a batch.

    Limits read ``low <= slope @ p_kw <= high``: first a row a branch, then a row a bus voltage. Each is scaled so
    that its largest slope is one; a limit is counted in kW at the bus that moves it most.
    """

    loss_kw: Array  # [n] at no draw, by extrapolation: losses are ``loss_kw + loss_slope @ p_kw``
    loss_slope: Array  # [n, n_buses]
    slope: Array  # [n, 2 * n_buses, n_buses]
    low: Array  # [n, 2 * n_buses] kW
    high: Array  # [n, 2 * n_buses] kW, >= low


class LinearGrid:
    """One feeder, ready to be linearised around the operating points of a batch.

    Args:
        feeder: the network with its ratings and its voltage band.
        losses: whether prices count losses; without them flows and voltages are linear and lossless everywhere.
        tightening_pu: kept free at both ends of the voltage band, for what the linearisation misses.
        tightening_frac: the same of each branch rating.
    """

    def __init__(
        self, feeder: Feeder, *, losses: bool = True, tightening_pu: float = 2e-4, tightening_frac: float = 1e-3
    ) -> None:
        width_pu = feeder.v_max_pu - feeder.v_min_pu
        if not 0 <= 2 * tightening_pu < width_pu:
            raise ValueError(f"tightening_pu: expected 0 or more and below half the band of {width_pu:g} pu, "
                             f"came {tightening_pu!r}")  # fmt: skip
        if not 0 <= tightening_frac < 1:
            raise ValueError(f"tightening_frac: expected 0 <= tightening_frac < 1, came {tightening_frac!r}")
        self.feeder, self.losses = feeder, losses
        self.ac = Grid(feeder)
        self._v_low, self._v_high = (feeder.v_min_pu + tightening_pu) ** 2, (feeder.v_max_pu - tightening_pu) ** 2
        is_parent = feeder.parent[:, None] == np.arange(feeder.n_buses)
        behind = np.rint(np.linalg.inv(np.eye(feeder.n_buses) - is_parent.T))  # [branch, bus that it feeds]
        r, x = (ohm / (1000 * feeder.base_kv**2) for ohm in (feeder.r_ohm, feeder.x_ohm))  # pu of 1 kVA
        shared_r, shared_x = behind.T @ (r[:, None] * behind), behind.T @ (x[:, None] * behind)
        rating_squared = ((1 - tightening_frac) * feeder.rating_kva) ** 2
        if feeder.has_transformer:  # rated by apparent power at its primary, lines by current
            rating_squared[0] /= feeder.root_voltage_pu**2
        self._numpy = _Constants(
            behind=behind,
            r=r,
            x=x,
            minus_2r=-2 * shared_r,
            minus_2x=-2 * shared_x,
            v_of_current=-2 * (shared_r * r + shared_x * x) + behind.T * (r**2 + x**2),
            rating_squared=rating_squared,
            has_parent=(feeder.parent >= 0).astype(float),
            parent=np.maximum(feeder.parent, 0),
        )

    def allows(self, p_kw: Array, q_kvar: Array) -> Array:
        """[n] whether the draws [n, n_buses] keep all limits, as this model counts flows and voltages."""
        xp, point = namespace(p_kw), self._point(p_kw, q_kvar)
        in_band = (point.v >= self._v_low) & (point.v <= self._v_high)
        return xp.all(in_band & (xp.abs(point.p) <= self._most_kw(point)), axis=1)

    def around(self, p_kw: Array, q_kvar: Array) -> Linearised:
        """Linearise each row around the AC solution of its draws.

        Args:
            p_kw, q_kvar: [n, n_buses], positive draws. Reactive draws stay as they are.

        A row without an AC solution (it draws more than the feeder can carry) is linearised without losses.
        """
        xp, c = namespace(p_kw), self._constants(p_kw)
        p_kw, q_kvar = xp.astype(p_kw, xp.float64), xp.astype(q_kvar, xp.float64)
        point = self._point(p_kw, q_kvar)
        slope_p = c.behind + xp.zeros((p_kw.shape[0], 1, 1), p_kw)
        slope_v = c.minus_2r + xp.zeros((p_kw.shape[0], 1, 1), p_kw)
        loss_slope = xp.zeros_like(p_kw)
        if self.losses:
            first = _current_slope(c, point, c.behind, None, c.minus_2r)
            more_p, more_q = c.behind @ (c.r[:, None] * first), c.behind @ (c.x[:, None] * first)
            more_v = c.v_of_current @ first
            slope_p, slope_v = slope_p + more_p, slope_v + more_v
            loss_slope = xp.sum(c.r[:, None] * (first + _current_slope(c, point, more_p, more_q, more_v)), axis=1)
        most_kw = self._most_kw(point)
        slope = xp.concat((slope_p, slope_v), axis=1)
        at_rest = xp.concat((point.p, point.v), axis=1) - (slope @ p_kw[:, :, None])[:, :, 0]
        band = xp.zeros_like(p_kw)
        low = xp.concat((-most_kw, band + self._v_low), axis=1) - at_rest
        high = xp.concat((most_kw, band + self._v_high), axis=1) - at_rest
        scale = 1 / xp.max(xp.abs(slope), axis=2)
        return Linearised(
            loss_kw=point.loss_kw - xp.sum(loss_slope * p_kw, axis=1),
            loss_slope=loss_slope,
            slope=slope * scale[:, :, None],
            low=low * scale,
            high=high * scale,
        )

    def _most_kw(self, at: _Point) -> Array:
        """[n, n_buses] into each branch, beside its reactive flow."""
        xp = namespace(at.p)
        return xp.sqrt(xp.maximum(self._constants(at.p).rating_squared * at.v_parent - at.q * at.q, 0.0))

    def _point(self, p_kw: Array, q_kvar: Array) -> _Point:
        """Solve the rows; without losses, and where there is no solution, give the lossless state."""
        xp, c = namespace(p_kw), self._constants(p_kw)
        p, q = p_kw @ c.behind.T, q_kvar @ c.behind.T
        v = self.feeder.root_voltage_pu**2 + p_kw @ c.minus_2r.T + q_kvar @ c.minus_2x.T
        loss_kw = xp.zeros_like(p_kw[:, 0])
        lossy = loss_kw[:, None]
        if self.losses:
            flow = self.ac.solve(p_kw, q_kvar)
            solved = flow.converged[:, None]
            p, q = xp.where(solved, flow.branch_kw, p), xp.where(solved, flow.branch_kvar, q)
            v = xp.where(solved, flow.voltage_pu**2, v)
            loss_kw, lossy = xp.where(flow.converged, flow.loss_kw, 0.0), xp.astype(solved, xp.float64)
        v_parent = xp.where(c.has_parent > 0, v[:, c.parent], self.feeder.root_voltage_pu**2)
        v_parent = xp.maximum(v_parent, FLOOR_PU**2)
        return _Point(p, q, v, v_parent, loss_kw, lossy)

    def _constants(self, like: Array) -> _Constants:
        xp = namespace(like)
        if xp.name == "numpy":
            return self._numpy
        return each(self._numpy, lambda x: xp.asarray(x, like))


@dataclass(frozen=True, slots=True)
class _Constants:
    """The feeder in one array library; currents are squared, in kVA^2 at 1 pu."""

    behind: Array  # [n_buses, n_buses] 1 where the branch feeds the bus
    r: Array  # [n_buses]
    x: Array  # [n_buses]
    minus_2r: Array  # [n_buses, n_buses] of a kW at a bus to each squared voltage
    minus_2x: Array  # [n_buses, n_buses] of a kvar
    v_of_current: Array  # [n_buses, n_buses] of a branch current to each squared voltage
    rating_squared: Array  # [n_buses]
    has_parent: Array  # [n_buses] 0.0 at the root
    parent: Array  # [n_buses] index of the parent bus


@dataclass(frozen=True, slots=True)
class _Point:
    """Where a row is linearised."""

    p: Array  # [n, n_buses] kW into each branch
    q: Array  # [n, n_buses] kvar
    v: Array  # [n, n_buses] squared voltage
    v_parent: Array  # [n, n_buses] at the root side of each branch
    loss_kw: Array  # [n]
    lossy: Array  # [n, 1] 0.0 where losses are left out


def _current_slope(c: _Constants, at: _Point, of_p: Array, of_q: Array | None, of_v: Array) -> Array:
    """Give [n, n_buses, n_buses] how squared currents follow from slopes of flows and voltages."""
    by_p, by_q = at.lossy * 2 * at.p / at.v_parent, at.lossy * 2 * at.q / at.v_parent
    by_v = -at.lossy * (at.p**2 + at.q**2) / at.v_parent**2 * c.has_parent
    slope = by_p[:, :, None] * of_p + by_v[:, :, None] * of_v[..., c.parent, :]
    return slope if of_q is None else slope + by_q[:, :, None] * of_q
