"""What the operator curtails: flexible draws and injections are cut until the wires are within their limits.

The rule ``proportional``: an overloaded branch scales all flexible draws behind it (import) or all injections behind it
(export) by one factor; a voltage above (below) the band scales all injections (flexible draws) of the buses that share
a branch with it by one factor. A bus keeps the least of its factors. The factors come from the linearised flow around
the solved one and are corrected in three passes, up as well as down. What cannot be kept by scaling is left in the
loadings and voltages of the flow, which is solved after the last pass. Rows within all limits are only reported.

The other ``RULES`` look at single connections: around the same flow, in the same passes, they share what branches and
voltages leave. Wishes and limits are then linear: a kW of connection *i* takes ``effect[c, i] >= 0`` of limit *c*.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.market.grid import distflow
from gridbazaar.market.grid.distflow import Model, Solution

STEP_TOLERANCE_PU = 1e-4
FLOW_ITERATIONS = 5  # of a flow with nothing curtailed
PASS_ITERATIONS = (2, 2, 3)  # of the flow after each pass of curtailment
SUSPECT_PU = 0.6  # below this, curtailment starts from the linear voltages
_GIVE_BACK = 0.6  # of the slack: losses grow faster than the linearised flow
_NOTHING = 1e-9
_ENDLESS = 1e30
_LEAST_FACTOR = 0.1  # of one pass but the last, so that a later pass can give back what this one took too much


class Wishes(NamedTuple):
    """What is wanted, in kW or kvar."""

    fixed: Array  # [n_buses, n] net of what must be served, positive draws
    injection: Array  # [n_connections, n] >= 0
    draw: Array  # [n_connections, n] >= 0
    q: Array  # [n_buses, n]


class Band(NamedTuple):
    """Permitted voltages in pu, and who is cut."""

    v_min: float
    v_max: float
    rule: str = "proportional"
    at_bus: Array | None = None  # [n_buses, n_connections] 1 where a connection hangs; none: a connection is a bus


def report(model: Model, wishes: Wishes, head: Array | None, band: Band) -> tuple[Array, ...]:
    """Give the fields of a Flow, buses first, with nothing curtailed."""
    model = distflow.at_head(model, head)
    p_kw = wishes.fixed + _at_buses(band, wishes.draw - wishes.injection)
    base = distflow.linear_state(model, p_kw, distflow.rest(model, wishes.q))
    now = distflow.begin(model, base, FLOW_ITERATIONS)
    whole = namespace(p_kw).zeros_like(wishes.draw) + 1
    return *_fields(model, now, p_kw), whole, whole + 0


def limit(model: Model, wishes: Wishes, head: Array | None, band: Band) -> tuple[Array, ...]:
    """Give the fields of a Flow, buses first: as reported where no limit is passed, curtailed where one is."""
    reported = report(model, wishes, head, band)
    xp, (voltage_pu, loading) = namespace(wishes.fixed), reported[:2]
    passed = xp.any((voltage_pu > band.v_max) | (voltage_pu < band.v_min) | (loading > 1), axis=0)
    if xp.name != "numpy":  # fixed shapes on a device: compute both, take one
        curtailed = _curtail(distflow.at_head(model, head), wishes, band)
        return tuple(xp.where(passed, c, r) for c, r in zip(curtailed, reported, strict=True))
    rows = np.flatnonzero(passed)
    if len(rows):
        some = distflow.at_head(model, None if head is None else head[rows])
        curtailed = _curtail(some, Wishes(*(np.ascontiguousarray(x[:, rows]) for x in wishes)), band)
        for whole, part in zip(reported, curtailed, strict=True):
            whole[..., rows] = part
    return reported


def _fields(model: Model, now: Solution, p_kw: Array) -> tuple[Array, ...]:
    voltage_pu, loading, loss_kw, root_kw, is_sound = distflow.read(model, now, p_kw)
    return voltage_pu, loading, loss_kw, root_kw, is_sound & (distflow.change(now) < STEP_TOLERANCE_PU)


def _curtail(model: Model, wishes: Wishes, band: Band) -> tuple[Array, ...]:
    """Give the fields of a Flow, buses first."""
    xp, fixed = namespace(wishes.fixed), wishes.fixed
    wanted = xp.stack((wishes.injection, wishes.draw), axis=0)  # [2, n_connections, n]
    rest = distflow.rest(model, wishes.q)
    base = distflow.linear_state(model, fixed + _at_buses(band, wishes.draw - wishes.injection), rest)
    now = distflow.begin(model, base, FLOW_ITERATIONS - PASS_ITERATIONS[-1])
    now = _without_collapse(now, base)
    keep, allowed, p_kw = None, wanted, fixed
    for done, n_iterations in enumerate(PASS_ITERATIONS, 1):
        if band.rule == "proportional":
            least = 0.0 if done == len(PASS_ITERATIONS) else _LEAST_FACTOR
            factor = _factor(model, now.state, allowed, least, band)
            keep = xp.minimum(factor if keep is None else keep * factor, 1.0)
            allowed = wanted * keep
        else:
            allowed = _shared(model, now.state, wanted, allowed, band)
        p_kw = fixed + _at_buses(band, allowed[1] - allowed[0])
        base = distflow.linear_state(model, p_kw, rest)
        now = distflow.iterate(model, base, now.state, now.current, n_iterations)
    if keep is None:
        keep = allowed / xp.where(wanted > 0, wanted, 1.0)
    keep = xp.where(wanted > 0, keep, 1.0)
    return *_fields(model, now, p_kw), keep[0], keep[1]


def _without_collapse(now: Solution, base: Array) -> Solution:
    """Put rows whose wishes the feeder cannot serve back to the linear state, which still tells what to cut."""
    xp, m = namespace(base), base.shape[0] // 3
    is_sound = xp.min(now.state[2 * m : -1], axis=0) > SUSPECT_PU**2
    return Solution(xp.where(is_sound, now.state, base), xp.where(is_sound, now.current, 0.0), now.before)


def _at_buses(band: Band, connections: Array) -> Array:
    """Give [n_buses, n] for what is given by connection."""
    return connections if band.at_bus is None else band.at_bus @ connections


def _excess(model: Model, state: Array, band: Band) -> Array:
    """Give [2, 2 * n_buses, n]: by how much export and import pass the limits of branches and voltages."""
    xp, m = namespace(state), model.n_buses
    p, q, v = state[:m], state[m : 2 * m], state[2 * m : -1]
    limit_kw = xp.sqrt(xp.maximum(model.rating_squared * state[model.row_of_parent] - q * q, 0.0))
    v_max, v_min = band.v_max**2, band.v_min**2
    stacked = xp.concat((-p - limit_kw, v - v_max, p - limit_kw, v_min - v), axis=0)
    return stacked.reshape(2, 2 * m, p.shape[1])


def _shared(model: Model, state: Array, wanted: Array, allowed: Array, band: Band) -> Array:
    """Give [2, n_connections, n]: injections and draws as the rule shares them within the limits around a flow."""
    xp = namespace(state)
    effect = model.contribution if band.at_bus is None else model.contribution @ band.at_bus
    effect = xp.where(effect > 1e-12, effect, 0.0)
    headroom = xp.matmul(effect, allowed) - _excess(model, state, band)
    share = RULES[band.rule]
    return xp.stack([share(wanted[i], effect, headroom[i]) for i in (0, 1)], axis=0)


def _factor(model: Model, state: Array, allowed: Array, least: float, band: Band) -> Array:
    """Give [2, n_buses, n]: by how much injections and draws must (or may) change to stand at their limits."""
    xp, m = namespace(state), model.n_buses
    excess = _excess(model, state, band)
    caused = xp.matmul(model.contribution, allowed)
    caused += 1e-20  # nothing to curtail: the share is huge and acts on nothing
    excess /= caused
    share, of_voltage = excess[:, :m], excess[:, m:]
    for root_branch, members in model.groups:
        worst = xp.max(of_voltage if members is None else of_voltage[:, members], axis=1)
        share[:, root_branch] = xp.maximum(share[:, root_branch], worst)
    for step in model.upstream:
        share = xp.maximum(share, share[:, step])
    return xp.maximum(1 - xp.maximum(share, _GIVE_BACK * share), least)


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
"""By name. ``proportional``, the default, scales all alike, by bus."""
