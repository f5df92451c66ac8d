"""Laxity: the time that a car could still wait, and who is served first by it; NumPy and torch alike."""

from __future__ import annotations

from gridbazaar.agents.plan import View
from gridbazaar.data.arrays import Array, namespace

_LAST_H = 1e9  # of who asks for nothing


def laxity_h(view: View) -> Array:
    """[n_envs, n_agents] hours until departure less those of charging at full power."""
    xp = namespace(view.left_h)
    return view.left_h - view.need_kwh / (view.eta_ch * xp.maximum(view.power_kw, 1e-9))


def room_kw(net_kw: Array, cap_kw: Array, view: View) -> Array:
    """[n_envs] what the connection carries beside homes and what cars must charge.

    Args:
        net_kw: [n_envs] expected of homes.
        cap_kw: [n_envs] of import.
        view: the devices.
    """
    xp = namespace(view.firm_kw)
    is_plugged = (view.left_h > 0) & ~view.is_stationary & view.is_active
    return xp.maximum(cap_kw - net_kw - xp.sum(view.firm_kw * is_plugged, axis=1), 0.0)


def serve_by_laxity(wish_kw: Array, room_kw: Array, view: View) -> Array:
    """Serve wishes in the order of laxity until the room is used up, [n_envs, n_agents].

    Args:
        wish_kw: [n_envs, n_agents] >= 0.
        room_kw: [n_envs].
        view: the devices.
    """
    xp = namespace(wish_kw)
    order = xp.stable_argsort(xp.where(wish_kw > 0, laxity_h(view), _LAST_H), axis=1)
    ordered = xp.take_along_axis(wish_kw, order, 1)
    before = xp.cumsum(ordered, axis=1) - ordered
    given = xp.minimum(xp.maximum(room_kw[:, None] - before, 0.0), ordered)
    return xp.take_along_axis(given, xp.argsort(order, axis=1), 1)
