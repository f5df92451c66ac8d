"""History baselines: what a load without a schedule would have drawn, from its own days without an event.

Only loads that state no schedule need one; what has a schedule is measured against that. A baseline can be gamed by
drawing more before an event, so the same-day adjustment is capped: inflation earns at most the cap.
"""

from __future__ import annotations

from typing import NamedTuple

from gridbazaar.data.arrays import Array, namespace


class Rule(NamedTuple):
    """Of the last ``n_days``, sorted by rising draw during the event, those from ``first`` to before ``last``."""

    n_days: int
    first: int
    last: int


RULES = {
    "10_of_10": Rule(10, 0, 10),
    "high_5_of_10": Rule(10, 5, 10),
    "high_4_of_5": Rule(5, 1, 5),
    "mid_4_of_6": Rule(6, 1, 5),
}


def history_baseline(history_kw: Array, rule: str = "10_of_10", window: slice | Array = slice(None)) -> Array:
    """Give the mean day of those that the rule picks, [..., n_steps].

    Args:
        history_kw: [..., n_days, n_steps] days without an event and of the day's own type, the newest last.
        rule: one of ``RULES``.
        window: steps of the event, by whose mean the days are ranked; days that draw alike keep their order.
    """
    if rule not in RULES:
        raise ValueError(f"history_baseline: expected rule to be one of {', '.join(RULES)}; got {rule!r}")
    n_days, first, last = RULES[rule]
    if history_kw.shape[-2] < n_days:
        raise ValueError(f"history_baseline: {rule} expects at least {n_days} days, got {history_kw.shape[-2]}")
    xp = namespace(history_kw)
    recent = history_kw[..., -n_days:, :]
    rank = xp.stable_argsort(xp.sum(recent[..., window], axis=-1), axis=-1)[..., first:last]
    index = xp.broadcast_to(rank[..., None], (*rank.shape, recent.shape[-1]))
    return xp.sum(xp.take_along_axis(recent, index, -2), axis=-2) / (last - first)


def adjusted_baseline(
    baseline_kw: Array, metered_kw: Array, begin: int, *, step_h: float, cap: float = 0.2, n_hours: float = 3.0,
    skip_h: float = 1.0,
) -> Array:  # fmt: skip
    """Scale a baseline by how the day has gone so far; the multiplicative same-day adjustment.

    Args:
        baseline_kw: [..., n_steps] >= 0.
        metered_kw: [..., n_steps] of the day itself; only what lies before the event is looked at.
        begin: first step of the event.
        step_h: length of a step.
        cap: the factor stays in ``1 - cap`` to ``1 + cap``.
        n_hours, skip_h: the hours compared; they end ``skip_h`` before the event, when it may be known already.

    With the defaults this is the rule of the ten-day baseline of the Californian operator. Where the baseline of the
    hours compared is zero nothing is scaled.
    """
    end = begin - round(skip_h / step_h)
    first = end - round(n_hours / step_h)
    if first < 0 or begin > baseline_kw.shape[-1]:
        raise ValueError(
            f"adjusted_baseline: expected at least {n_hours + skip_h:g} h before step {begin} of "
            f"{baseline_kw.shape[-1]} steps of {step_h:g} h"
        )
    xp = namespace(baseline_kw)
    usual, seen = (xp.sum(x[..., first:end], axis=-1) for x in (baseline_kw, metered_kw))
    factor = xp.where(usual > 0, seen / xp.where(usual > 0, usual, 1.0), 1.0)
    return baseline_kw * xp.clip(factor, 1.0 - cap, 1.0 + cap)[..., None]
