"""Parameters: what the episodes of a batch draw for the devices of each kind, sized as the scenario says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.devices.batteries import OWN_BATTERY, with_own_sizes
from gridbazaar.agents.kind import AnyKind, Draw
from gridbazaar.data.arrays import Array
from gridbazaar.data.bank import Bank
from gridbazaar.data.chance import between
from gridbazaar.envs.scenario import Scenario

Said = Mapping[str, NDArray[np.float64]]
"""By column: [n_kind] what agents have in all episodes, NaN where nothing is said."""


def draw_params(
    scenario: Scenario, kinds: Sequence[AnyKind], configs: Sequence[Any], draws: Sequence[Draw]
) -> tuple[list[Any], Array]:
    """Draw the devices of each kind, and give the mean load of all homes together, [n_envs].

    Args:
        scenario: what is played.
        kinds: that it has agents of.
        configs: of each kind.
        draws: for each kind, with what its agents have in all episodes.

    Stationary storage is resized as the scenario says; batteries with a size of their own keep it.
    """
    params = [kind.draw(config, draw) for kind, config, draw in zip(kinds, configs, draws, strict=True)]
    load_kw = _mean_load_kw(draws[0].bank, kinds, params, len(draws[0].keys))
    params = _share_storage(scenario, kinds, draws[0], load_kw, params)
    has_own = [all(column in kind.lasting for column in OWN_BATTERY) for kind in kinds]
    sized = zip(params, draws, has_own, strict=True)
    return [with_own_sizes(p, draw) if own else p for p, draw, own in sized], load_kw


def draws_of(draw: Draw, said: Sequence[Said], *, asks: bool = False) -> list[Draw]:
    """Give each kind its draw, with what its agents have in all episodes; ``asks``: note what is drawn."""
    return [replace(draw, said=of_kind, drawn={} if asks else None) for of_kind in said]


def storage_kwh(kinds: Sequence[AnyKind], params: Sequence[Any], n_envs: int) -> Array:
    """[n_envs] stationary storage of the community."""
    return sum((kind.storage_kwh(p) for kind, p in zip(kinds, params, strict=True)), start=np.zeros(n_envs))


def _mean_load_kw(bank: Bank, kinds: Sequence[AnyKind], params: Sequence[Any], n_envs: int) -> Array:
    """[n_envs] mean load of all homes together, over the whole bank; a kilowatt where there are none."""
    home_kw = bank.load_kw.mean(axis=1)
    known = [
        kind.must_serve.mean_load_kw(p, home_kw)
        for kind, p in zip(kinds, params, strict=True)
        if kind.must_serve is not None and kind.must_serve.mean_load_kw is not None
    ]
    return sum(known) if known else np.ones(n_envs)


def _share_storage(
    scenario: Scenario, kinds: Sequence[AnyKind], draw: Draw, load_kw: Array, params: list[Any]
) -> list[Any]:
    """Resize stationary storage so that the community has the drawn share of its homes' mean daily load."""
    share = scenario.storage.share_of_load
    if share is None:
        return params
    nominal = storage_kwh(kinds, params, len(load_kw))
    wanted = between(draw.unit("storage.share", 1)[:, 0], *share) * load_kw * 24
    factor = np.where(nominal > 0, wanted / np.maximum(nominal, 1e-9), 1.0)[:, None]
    return [kind.scale(p, factor) for kind, p in zip(kinds, params, strict=True)]
