"""Cars that only charge: how much of what they need a policy's number asks for; NumPy and torch alike.

What a car gives back to nobody is worth nothing beyond its need, and a charger gives its least power or nothing. A
network that chooses a share of the feasible power would have to hit both to the watt. So its number is read as how
much of the feasible power is asked, up to the need, at the least power where less than that is needed.

Who has the least time to spare is served first, as far as the connection carries, as by the rule ``least_laxity``; at
any price, since who asks and is not filled takes room from others.
"""

from __future__ import annotations

from typing import NamedTuple

from gridbazaar.agents.dispatch.laxity import room_kw, serve_by_laxity
from gridbazaar.agents.learned.ahead import Ahead
from gridbazaar.agents.plan import View
from gridbazaar.data.arrays import Array, namespace

_HAS_KWH = 1e-4  # a need below it is none
_SPARED = 1e-6  # of the room, so that what fits is not beyond the limit of a site by a rounding
_ABOVE_KW = 1e-6  # so that what is asked at the least power is not below it by a rounding

FIRST_BIAS = 1.5
"""Of the number before its tanh, with which learning begins: cars ask for most of what they can have."""


class Asked(NamedTuple):
    """What cars ask, [n_envs, n_agents] kW."""

    wish_kw: Array  # between nothing and what is needed, or the least power
    turns_on: Array  # bool, it is the least power at least, or nearer to that than to nothing
    least_kw: Array

    @property
    def kw(self) -> Array:
        """Nothing, or the least power at least."""
        xp = namespace(self.wish_kw)
        return xp.where(self.turns_on, xp.maximum(self.wish_kw, self.least_kw), 0.0)


def ask(power: Array, view: View, step_h: float) -> Asked:
    """Read the numbers of cars.

    Args:
        power: [n_envs, n_agents] in [-1, 1]; -1 asks for nothing, 1 for as much as can be needed now.
        view: the devices.
        step_h: length of the interval.
    """
    xp = namespace(power)
    least_kw = view.min_kw + _ABOVE_KW
    need_kw = xp.maximum(view.need_kwh / (view.eta_ch * step_h), least_kw) * (view.need_kwh > _HAS_KWH)
    wish_kw = xp.minimum(0.5 * (1 + power) * view.high_kw, need_kw)
    return Asked(wish_kw, wish_kw >= 0.5 * least_kw, least_kw)


def served(asked_kw: Array, is_car: Array, ahead: Ahead, view: View) -> Array:
    """Give the power [n_envs, n_agents] as an action, by which cars get what fits into the connection.

    Args:
        asked_kw: [n_envs, n_agents] of cars.
        is_car: [n_agents] bool.
        ahead: of the interval.
        view: the devices.
    """
    xp = namespace(asked_kw)
    left_kw = room_kw(ahead.net_kw, ahead.cap_kw, view) * (1 - _SPARED)
    fits_kw = serve_by_laxity(asked_kw * is_car, left_kw, view)
    return xp.clip(fits_kw / xp.maximum(view.high_kw, 1e-9), 0.0, 1.0)
