"""Excess in the program: energy by the month, as variables that are no less than what is above a level."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gridbazaar.agents.dispatch.rows import Rows
from gridbazaar.agents.excess import Excess
from gridbazaar.agents.policy import NoBoundError
from gridbazaar.data.arrays import Array


class Meters(NamedTuple):
    """Variables of meters, [n_meters, n_steps] kW, and what each may draw and send at most."""

    draw: Array
    send: Array
    most_draw_kw: Array
    most_send_kw: Array


def add_excess(
    program: Rows, excess: tuple[Excess, ...], e: int, meters: Meters, whose: Array, may_trade: Array, step_h: float
) -> None:
    """Charge what is above levels by the month.

    Args:
        program: what the meters are variables of.
        excess: in the order of time within each chain.
        e: environment.
        meters: what each draws and sends, local trade included.
        whose: [n_meters] agents that they are of; a customer has one.
        may_trade: [n_steps] bool, whether neighbours can trade.
        step_h: length of a step.

    Raises:
        NoBoundError: an excess is not convex, and the program is to be a bound.
    """
    named = [one for one in excess if one.no_bound]
    if named and program.is_exact:
        raise NoBoundError(f"the optimum's program does not cover {named[0].no_bound}")
    chosen = [one for one in excess if not one.no_bound]
    if not chosen:
        return
    drawn, sent, bought = _with_retailer(program, meters, may_trade)
    before: dict[int, Array] = {}
    none = np.zeros(len(meters.draw))
    for one in chosen:
        left = program.columns(none + one.cost_cur, 0.0, np.inf)
        spare = program.columns(none, 0.0, np.inf)
        terms: list[tuple[Array, Array]] = [(left, np.float64(1.0)), (spare, np.float64(-1.0))]
        if one.carries and one.chain in before:
            terms.append((before[one.chain], np.float64(-1.0)))
        for index, gain in ((drawn, one.draw), (sent, one.send), (bought, one.local)):
            steps = np.flatnonzero(gain)
            if len(steps):
                terms.append((index[:, steps].T, -step_h * gain[steps, None]))
        program.equal(terms, one.so_far[e][whose])
        before[one.chain] = left


def _with_retailer(program: Rows, meters: Meters, may_trade: Array) -> tuple[Array, Array, Array]:
    """Add what meters draw from and send to the retailer, and what they buy from neighbours, [n_meters, n_steps].

    No more than they can: a meter does one of both, and netting may cost less to who seems to do both.
    """
    none = np.zeros(meters.draw.shape)
    most = np.where(may_trade, np.inf, 0.0) + none
    drawn = program.columns(none, 0.0, meters.most_draw_kw)
    sent = program.columns(none, 0.0, meters.most_send_kw)
    bought, sold = (program.columns(none, 0.0, most) for _ in range(2))
    program.equal([(meters.draw, 1.0), (drawn, -1.0), (bought, -1.0)], none)
    program.equal([(meters.send, 1.0), (sent, -1.0), (sold, -1.0)], none)
    program.equal([(bought, 1.0), (sold, -1.0)], none[0])
    return drawn, sent, bought
