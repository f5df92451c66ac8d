"""Who gets what of limits that not all wishes fit into: rules of curtailment beside scaling all alike.

Wishes and limits are linear: a kW of connection *i* takes ``effect[c, i] >= 0`` of limit *c*. Connections come first
and rows last, as everywhere in the wires.
"""

from __future__ import annotations

from collections.abc import Callable

from gridbazaar.data.arrays import Array, namespace

_NOTHING = 1e-9
_ENDLESS = 1e30


def equal_share(wanted: Array, effect: Array, headroom: Array) -> Array:
    """Give every connection the same power, but for those that want less or stand behind a tighter limit.

    Args:
        wanted: [n_connections, n] kW >= 0.
        effect: [n_limits, n_connections].
        headroom: [n_limits, n] what all connections together may take of each limit.

    Max-min fairness by progressive filling (Bertsekas & Gallager 1992, section 6.5.2): all rise together; who has what
    it wants, or meets a limit that is used up, stays where it is.
    """
    xp = namespace(wanted)
    touches = xp.astype(effect > 0, wanted.dtype)
    left = xp.maximum(headroom, 0.0)
    level, rises = xp.zeros_like(wanted), xp.astype(wanted > _NOTHING, wanted.dtype)
    for _ in range(wanted.shape[0] + effect.shape[0]):
        slope = effect @ rises
        to_limit = xp.min(xp.where(slope > 0, left / xp.maximum(slope, _NOTHING**2), _ENDLESS), axis=0)
        to_wish = xp.min(xp.where(rises > 0, wanted - level, _ENDLESS), axis=0)
        step = xp.minimum(to_limit, to_wish) * xp.astype(xp.any(rises > 0, axis=0), wanted.dtype)
        level = level + step * rises
        left = xp.maximum(left - step * slope, 0.0)
        is_used = xp.astype((left <= _NOTHING * xp.maximum(headroom, 1.0)) & (slope > 0), wanted.dtype)
        is_held = (touches.T @ is_used > 0) | (wanted - level <= _NOTHING)
        rises = rises * ~is_held
        if xp.name == "numpy" and not rises.any():
            break
    return xp.minimum(level, wanted)


def last_in(wanted: Array, effect: Array, headroom: Array) -> Array:
    """Serve connections in their order, each as far as all limits allow: who was connected last is cut first.

    Takes and gives what ``equal_share`` does.
    """
    xp = namespace(wanted)
    left, served = xp.maximum(headroom, 0.0), []
    for i in range(wanted.shape[0]):
        of_one = effect[:, i : i + 1]
        most = xp.min(xp.where(of_one > 0, left / xp.maximum(of_one, _NOTHING**2), _ENDLESS), axis=0)
        given = xp.minimum(wanted[i], most)
        left = xp.maximum(left - of_one * given, 0.0)
        served.append(given)
    return xp.stack(served, axis=0)


RULES: dict[str, Callable[[Array, Array, Array], Array]] = {"equal_share": equal_share, "last_in": last_in}
"""By name. ``proportional``, the default, scales all alike and is part of ``curtail``."""
