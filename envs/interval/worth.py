"""Worth: what stored energy counts for, when an episode ends and while it lasts."""

from __future__ import annotations

from gridbazaar.agents.plan import View
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.envs.episode.outlook import OUTLOOK
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.state import Episode

_WORTH = OUTLOOK.index("worth")


def left_kwh(view: View) -> Array:
    """Give what stationary storage and heat could deliver, [n_envs, n_agents].

    What a car carries away unasked is not counted.
    """
    kwh = view.stored_kwh * view.eta_dis * view.is_stationary
    return kwh if view.spare_kwh is None else kwh + view.spare_kwh


def stored_value_cur(view: View, episode: Episode) -> Array:
    """Give the worth of what is left, as if the episode ended now, [n_envs, n_agents]."""
    return left_kwh(view) * episode.end_value_cur_per_kwh[:, None]


def potential_cur(view: View, mean_price_cur_per_kwh: Array, episode: Episode, t: Array) -> Array:
    """Give the worth of stored energy on the way, [n_envs, n_agents].

    It is what that may save before the end, or, for a car, minus what it still has to buy.

    Args:
        view: the devices before interval ``t``.
        mean_price_cur_per_kwh: [n_envs, n_agents] mean retail price until departure.
        episode: says what a kWh delivered from storage may save.
        t: [n_envs].
    """
    xp = namespace(view.firm_kw)
    worth_cur_per_kwh = episode.outlook[xp.arange(t.shape[0], t), t, _WORTH]
    storage_cur = view.stored_kwh * view.eta_dis * view.is_stationary * worth_cur_per_kwh[:, None]
    return storage_cur - mean_price_cur_per_kwh * view.need_kwh / view.eta_ch


def until(view: View, t: Array, scenario: Scenario) -> Array:
    """Give the first step after departure, the day ahead or the end, [n_envs, n_agents] int64."""
    xp = namespace(view.firm_kw)
    steps = xp.maximum(xp.astype(xp.rint(view.left_h / scenario.step_h), xp.int64), 1)
    return xp.minimum(t[:, None] + xp.minimum(steps, scenario.horizon), scenario.n_steps)


def mean_price(view: View, episode: Episode, t: Array, scenario: Scenario) -> Array:
    """Give the mean retail price until departure or the end, [n_envs, n_agents]; ``t`` is inside the episode."""
    xp, sums = namespace(view.firm_kw), episode.price_sum_cur_per_kwh
    end = until(view, t, scenario)
    span = xp.take_along_axis(sums, end, 1) - xp.take_along_axis(sums, t[:, None], 1)
    return span / (end - t[:, None])
