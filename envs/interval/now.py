"""Now: what kinds may know of an interval beside their own devices."""

from __future__ import annotations

from typing import Any

from gridbazaar.agents.kind import Now
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.envs.episode.world import World
from gridbazaar.envs.interval.calls import Answers
from gridbazaar.envs.interval.island import in_order, runs_alone
from gridbazaar.envs.state import Episode, Standing


def now_of(
    world: World, answers: Answers | None, devices: tuple[Any, ...], episode: Episode, t: Array,
    standing: Standing | None,
) -> Now:  # fmt: skip
    """Give what is known before interval ``t`` [n_envs].

    Args:
        world: the world.
        answers: how VPPs answer calls; none where the scenario has no calls.
        devices: before the interval, of all kinds.
        episode: what the reset drew.
        t: steps since the episode began. After the last one of an episode that ends with the data, nothing is known
            of the next: devices see its last step once more.
        standing: of the VPPs, where there are calls.
    """
    alone, site_kw, call = None, None, None
    if episode.outages is not None:
        alone = runs_alone(in_order(episode.outages, world, episode.params, devices), t)
    if answers is not None and answers.n_vpps and episode.calls is not None and standing is not None:
        call = answers.called(episode.calls, standing, t)
    if episode.calls is not None and episode.calls.limit_kw is not None:
        site_kw = episode.calls.limit_kw[namespace(t).arange(t.shape[0], t), t][:, None]
    step = namespace(t).minimum(episode.start + t, world.hour.shape[0] - 1)
    return Now(series=world.series, step=step, t=t, is_island=alone, site_kw=site_kw, call=call)
